//! Servers that die, clients that do not read, connections that come and go.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{SockFilter, SockRef};

use super::sessions::{Session, wait_for};
use super::*;

/// Resident memory of a process, in bytes.
pub(super) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn a_server_that_dies_is_not_covered_up() {
    let mut relay = Relay::new();
    for sql in [
        "SELECT repeat('x', 1000000), pg_sleep(0.01) FROM generate_series(1, 10000)",
        "COPY t FROM STDIN",
    ] {
        relay.sql("CREATE TABLE IF NOT EXISTS t (a text)");
        let mut session = Session::begin(&relay);
        session.send(b'Q', format!("{sql}\0").as_bytes());
        let (tag, _) = session.message();
        assert!(matches!(tag, b'T' | b'G'), "{sql}");
        if tag == b'G' {
            session.send(b'd', b"row\n");
        }
        relay.server.kill();
        let start = Instant::now();
        let mut rest = Vec::new();
        // The end of it comes at once, and no ReadyForQuery is made up.
        let _ = session.0.read_to_end(&mut rest);
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(!rest.ends_with(b"Z\0\0\0\x05I"), "{sql}");
        let refused = text(&relay.psql(&[], &["-c", "SELECT 1"]));
        assert!(refused.contains("rule: upstream-connect"), "{refused}");
        relay.server.start();
        assert_eq!(relay.sql("SELECT 1"), "1");
    }
}

#[test]
fn who_does_not_read_is_not_read_for() {
    let relay =
        Relay::with(Server::new(), &format!("    limits: {{ write_timeout: 2s }}\n{USERS}"));
    let before = resident(relay.stand.pid());
    let mut session = Session::begin(&relay);
    session.send(b'Q', b"SELECT repeat('x', 10000) FROM generate_series(1, 100000)\0");
    // A gigabyte waits for somebody who takes nothing.
    let start = Instant::now();
    while relay.metric("allonym_postgres_connections", &[]) > 0.0 {
        assert!(start.elapsed() < Duration::from_secs(30), "it is never given up");
        std::thread::sleep(Duration::from_millis(50));
    }
    let grown = resident(relay.stand.pid()).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes");
    relay.logged("\"end\":\"stalled\"");
    assert_eq!(relay.sql("SELECT 1"), "1");
}

#[test]
fn who_reads_slowly_is_not_given_up() {
    let relay =
        Relay::with(Server::new(), &format!("    limits: {{ write_timeout: 1s }}\n{USERS}"));
    let mut session = Session::begin(&relay);
    session.send(b'Q', b"SELECT repeat('x', 10000) FROM generate_series(1, 1000000)\0");
    // Ten gigabytes wait for somebody who takes them at ten megabytes a second.
    let (start, mut room) = (Instant::now(), vec![0; 1 << 20]);
    while start.elapsed() < Duration::from_secs(5) {
        session.0.read_exact(&mut room).expect("it is cut off, although it reads");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!relay.stand.log().contains("stalled"), "{}", relay.stand.log());
}

#[test]
fn a_large_row_passes_in_flat_memory() {
    let relay = Relay::new();
    let before = resident(relay.stand.pid());
    let mut session = Session::begin(&relay);
    session.send(b'Q', b"SELECT repeat('0123456789', 20000000)\0");
    session.until(b'T');
    let mut header = [0; 5];
    session.0.read_exact(&mut header).unwrap();
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize - 4;
    assert!((header[0], length) == (b'D', 200_000_006));
    let (mut left, mut most) = (length, 0);
    let mut room = vec![0; 1 << 20];
    while left > 0 {
        let want = room.len().min(left);
        let count = session.0.read(&mut room[..want]).unwrap();
        assert_ne!(count, 0);
        left -= count;
        most = most.max(resident(relay.stand.pid()).saturating_sub(before));
    }
    session.until(b'Z');
    assert!(most < 16 << 20, "{most} bytes");
}

#[test]
fn connections_come_and_go() {
    let relay = Relay::new();
    let (count, idle) =
        if std::env::var_os("ALLONYM_SOAK").is_some() { (10_000, 250) } else { (1000, 100) };
    let sessions: Vec<Session> = (0..idle).map(|_| Session::begin(&relay)).collect();
    let before = resident(relay.stand.pid());
    for number in 0..count {
        let mut socket = TcpStream::connect(&relay.address).unwrap();
        // Some say something first, and not all of it.
        let _ = socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47][..number % 9]);
    }
    let start = Instant::now();
    while relay.metric("allonym_postgres_connections", &[]) > f64::from(idle) {
        assert!(start.elapsed() < Duration::from_secs(60), "they are kept");
        std::thread::sleep(Duration::from_millis(20));
    }
    let grown = resident(relay.stand.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    for mut session in sessions {
        assert_eq!(session.ask("SELECT 1"), "1");
    }
}

#[test]
fn a_length_that_is_only_declared_takes_no_room() {
    let relay = Relay::new();
    let before = resident(relay.stand.pid());
    let strangers: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut socket = TcpStream::connect(&relay.address).unwrap();
            socket.write_all(b"\0\0\0\x13\0\x03\0\0user\0shop\0\0").unwrap();
            // It is asked to prove who it is.
            socket.read_exact(&mut [0; 24]).unwrap();
            socket.write_all(b"p\0\x01\0\0SCRAM").unwrap();
            socket
        })
        .collect();
    // Another who comes after them is served after their bytes were read.
    assert_eq!(relay.sql("SELECT 1"), "1");
    let grown = resident(relay.stand.pid()).saturating_sub(before);
    assert!(grown < 12 << 20, "{grown} bytes for {}", strangers.len());
}

#[test]
fn bytes_that_are_no_protocol_end_the_connection_alone() {
    let relay = Relay::new();
    let mut bystander = Session::begin(&relay);
    for (bytes, has_words) in [
        (&b"z\0\0\0\x04"[..], true),
        (b"p\0\0\0\x08abcd", true),
        (b"\0\0\0\0\0\0\0\0", true),
        (b"Q\xff\xff\xff\xff", true),
        // To this the server says nothing.
        (b"Q\0\0\0\x03", false),
    ] {
        let mut session = Session::begin(&relay);
        session.0.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = session.0.read_to_end(&mut answer);
        let code = answer.windows(6).any(|part| part == b"C08P01");
        assert_eq!(code, has_words, "{bytes:?}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(bystander.ask("SELECT 1"), "1");
    }
}

/// A filter that lets nothing in: the kernel of this client answers no packet any more, as
/// if its cable were cut.
const NOTHING: [SockFilter; 1] = [SockFilter::new(6, 0, 0, 0)];

#[test]
fn a_client_that_vanished_is_missed() {
    let relay = Relay::with(Server::new(), &format!("    limits: {{ keepalive: 1s }}\n{USERS}"));
    let (vanished, mut idle) = (Session::begin(&relay), Session::begin(&relay));
    SockRef::from(&vanished.0).attach_filter(&NOTHING).unwrap();
    wait_for("it is not missed", || relay.metric("allonym_postgres_connections", &[]) == 1.0);
    relay.logged("\"end\":\"broken\"");
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop'";
    wait_for("the server keeps it", || relay.server.sql("postgres", gone).trim() == "1");
    assert_eq!(idle.ask("SELECT 1"), "1", "its kernel answers");
}

#[test]
fn who_is_refused_is_told_although_it_says_more() {
    let limits = "    limits: { message_bytes: 64KiB }\n";
    let relay = Relay::with(Server::new(), &format!("{limits}{USERS}"));
    let more = vec![b'x'; 200_000];
    let told = |socket: &mut TcpStream| {
        socket.write_all(&more).expect("it is reset before it is heard");
        socket.shutdown(std::net::Shutdown::Write).expect("it is reset before it is heard");
        let mut told = Vec::new();
        socket.read_to_end(&mut told).expect("it is reset before it is told");
        String::from_utf8_lossy(&told).into_owned()
    };
    for _ in 0..10 {
        let mut stranger = TcpStream::connect(&relay.address).unwrap();
        stranger.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stranger.write_all(&[0, 0, 0, 9, 0, 3, 0, 0, 0]).unwrap();
        assert!(told(&mut stranger).contains("rule: user-missing"));
        let mut session = Session::begin(&relay);
        session.0.write_all(b"Q\0\x10\0\0").unwrap();
        assert!(told(&mut session.0).contains("the limit is 65536"));
    }
}
