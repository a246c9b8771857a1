//! Servers that are none: what they say must not harm the client or the gateway, and
//! what they say at once shows what becomes of it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::faults::resident;
use super::sessions::{Session, wait_for};
use super::*;

/// What becomes of a connection to what is no server.
type Peer = fn(TcpStream) -> std::io::Result<()>;

/// A relay in front of this instead of a server.
fn before(server: Peer, more: &str) -> Relay {
    let mut relay = Relay::stopped(Server::new(), "");
    put_before(&relay, server, more);
    relay.start();
    relay
}

fn put_before(relay: &Relay, server: Peer, more: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            // It ends in an error when the gateway has had enough.
            std::thread::spawn(move || server(socket?));
        }
    });
    let meant = config(&relay.server, &relay.address, &format!("{more}{USERS}"));
    relay.stand.configure(&meant.replace(&relay.server.address(), &own));
}

/// For servers that let everybody in.
const ANY: &str = "    upstream_login: any\n";

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

/// Takes a start-up packet.
fn startup(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
    socket.read_exact(&mut rest)
}

/// Lets everybody in.
fn trust(socket: &mut TcpStream) -> std::io::Result<()> {
    startup(socket)?;
    welcome(socket)
}

fn welcome(socket: &mut TcpStream) -> std::io::Result<()> {
    let key = message(b'K', &[0, 0, 0, 42, 1, 2, 3, 4]);
    socket.write_all(&[message(b'R', &[0; 4]), key, message(b'Z', b"I")].concat())
}

/// Takes a message.
fn take(socket: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut header = [0; 5];
    socket.read_exact(&mut header)?;
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    let mut body = vec![0; length as usize - 4];
    socket.read_exact(&mut body)?;
    Ok(body)
}

/// Asks for this, and lets in whoever answers anything.
fn collect(socket: &mut TcpStream, asked: &[u8]) -> std::io::Result<()> {
    startup(socket)?;
    socket.write_all(&message(b'R', asked))?;
    take(socket)?;
    welcome(socket)?;
    socket.read_to_end(&mut Vec::new()).map(drop)
}

/// Asks for SCRAM without knowing what the password is verified by.
fn bluff(socket: &mut TcpStream) -> std::io::Result<()> {
    startup(socket)?;
    socket.write_all(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"))?;
    let first = String::from_utf8_lossy(&take(socket)?).into_owned();
    let nonce = first.rsplit_once("r=").unwrap().1;
    let challenge = format!("\0\0\0\x0br={nonce}more,s=c2FsdA==,i=4096");
    socket.write_all(&message(b'R', challenge.as_bytes()))?;
    take(socket)?;
    let signed = format!("\0\0\0\x0cv={}=", "A".repeat(43));
    socket.write_all(&message(b'R', signed.as_bytes()))?;
    welcome(socket)
}

/// A row of a hundred bytes.
fn row() -> Vec<u8> {
    message(b'D', &[&[0, 1, 0, 0, 0, 94][..], &[b'x'; 94]].concat())
}

#[test]
fn in_the_middle_of_a_row_nothing_is_said() {
    let half = |mut socket: TcpStream| {
        trust(&mut socket)?;
        socket.read_exact(&mut [0; 5])?;
        socket.write_all(&row()[..50])?;
        socket.read_to_end(&mut Vec::new()).map(drop)
    };
    let relay = before(half, &format!("{ANY}    limits: {{ message_bytes: 64KiB }}\n"));
    let mut session = Session::begin(&relay);
    session.send(b'Q', b"SELECT 1\0");
    let mut seen = vec![0; 50];
    session.0.read_exact(&mut seen).unwrap();
    // More than is allowed ends the session, and the row must not be filled up by that.
    session.0.write_all(b"Q\0\x01\x11\x70").unwrap();
    let mut rest = Vec::new();
    let _ = session.0.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(seen, row()[..50]);
    relay.logged("\"end\":\"malformed\"");
}

/// Somebody who has taken the server's place collects no password, and no statements: over
/// a connection without TLS a server proves itself, or is told so by the configuration.
#[test]
fn who_takes_the_place_of_the_server_is_not_believed() {
    let trusts: Peer = |mut socket| {
        trust(&mut socket)?;
        socket.read_to_end(&mut Vec::new()).map(drop)
    };
    let plain: Peer = |mut socket| collect(&mut socket, &[0, 0, 0, 3]);
    let md5: Peer = |mut socket| collect(&mut socket, &[0, 0, 0, 5, 1, 2, 3, 4]);
    let wrong: Peer = |mut socket| bluff(&mut socket);
    let relay = before(trusts, "");
    for (what, peer, by_default, with_any) in [
        ("trusts", trusts, Some("asks for no password"), None),
        ("MD5", md5, Some("does not prove"), None),
        ("plain", plain, Some("does not prove"), Some("without TLS")),
        ("bluffs", wrong, Some("signature is not right"), Some("signature is not right")),
    ] {
        for (more, expected) in [("", by_default), (ANY, with_any)] {
            put_before(&relay, peer, more);
            assert!(relay.stand.reload().contains("is in force"));
            let Some(expected) = expected else {
                drop(Session::begin(&relay));
                continue;
            };
            let refused = text(&relay.psql(&[], &["-c", "SELECT 1"]));
            assert!(refused.contains(expected), "{what}: {refused}");
            assert!(refused.contains("rule: upstream-login"), "{what}: {refused}");
        }
    }
    relay.logged("\"rule\":\"upstream-login\"");
}

#[test]
fn a_server_that_never_stops_talking_is_left() {
    let talks = |mut socket: TcpStream| {
        startup(&mut socket)?;
        let notice = message(b'N', &[&b"SNOTICE\0M"[..], &[b'x'; 60_000], b"\0\0"].concat());
        loop {
            socket.write_all(&notice)?;
        }
    };
    let relay = before(talks, "");
    let before = resident(relay.stand.pid());
    let refused = text(&relay.psql(&[], &["-c", "SELECT 1"]));
    assert!(refused.contains("says too much"), "{refused}");
    assert!(refused.contains("rule: upstream-login"), "{refused}");
    let grown = resident(relay.stand.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
}

/// An answer of so many bytes: one row, and the end.
fn answer(size: usize) -> Vec<u8> {
    let cell = u32::try_from(size).unwrap().to_be_bytes();
    let row = message(b'D', &[&[0, 1][..], &cell, &vec![b'x'; size]].concat());
    [row, message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat()
}

/// Of answers that nobody takes yet, some are with the gateway alone when it is told to
/// stop: of a size between what the kernel holds and what the server keeps back.
#[test]
fn an_answer_is_taken_whole_before_a_shutdown() {
    let answers = |mut socket: TcpStream| {
        trust(&mut socket)?;
        let mut asked = [0; 14];
        socket.read_exact(&mut asked)?;
        let size = std::str::from_utf8(&asked[5..13]).unwrap().parse().unwrap();
        socket.write_all(&answer(size))?;
        socket.read_to_end(&mut Vec::new()).map(drop)
    };
    let mut relay = before(answers, ANY);
    // What the kernel holds differs from machine to machine.
    let sizes = (0..150).map(|step| 2_000_000 + step * 30_000);
    let sessions: Vec<(usize, Session)> = sizes
        .map(|size| {
            let mut session = Session::begin(&relay);
            session.send(b'Q', format!("{size:08}\0").as_bytes());
            let mut first = [0];
            session.0.read_exact(&mut first).unwrap();
            (size, session)
        })
        .collect();
    // Nothing moves any more when as much has been received as before.
    let received = || relay.metric("allonym_postgres_received_bytes_total", &["server"]);
    let mut last = -1.0;
    while last < received() {
        last = received();
        std::thread::sleep(Duration::from_secs(1));
    }
    relay.stand.signal("TERM");
    let refused = || text(&relay.psql(&[], &["-c", "SELECT 1"]));
    wait_for("it does not stop", || refused().contains("rule: draining"));
    for (size, mut session) in sessions {
        let mut taken = Vec::new();
        session.0.read_to_end(&mut taken).unwrap();
        let whole = answer(size).split_off(1);
        assert!(taken.starts_with(&whole), "{} of {} bytes", taken.len(), whole.len());
    }
    assert!(relay.stand.wait().success());
}

#[test]
fn a_server_that_does_not_close_is_left() {
    let stays = |mut socket: TcpStream| -> std::io::Result<()> {
        trust(&mut socket)?;
        let _ = socket.read_to_end(&mut Vec::new());
        loop {
            std::thread::park();
        }
    };
    let relay = before(stays, ANY);
    let mut polite = Session::begin(&relay);
    polite.send(b'X', b"");
    let silent = Session::begin(&relay);
    silent.0.shutdown(std::net::Shutdown::Write).unwrap();
    // One that stays, stays.
    let _idle = Session::begin(&relay);
    let open = || relay.metric("allonym_postgres_connections", &[]);
    wait_for("they are kept", || open() == 1.0);
    wait_for("it is not said", || relay.stand.log().matches("\"server-stayed\"").count() == 2);
    assert_eq!(open(), 1.0);
}
