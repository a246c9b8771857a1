//! How a session can begin: what is asked first, TLS at once, newer protocols,
//! replication; and that a session is all the server ever sees.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout};

use allonym_postgres::wire::startup::{Negotiation, write_cancel_request};
use allonym_servers::postgres::programs;

use super::sessions::{Session, said, wait_for};
use super::*;

/// GSSENCRequest and SSLRequest.
const GSSENC: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
const SSL: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A connection with TLS, of `openssl`.
pub(super) struct Encrypted {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Encrypted {
    /// One that asks for TLS first.
    pub(super) fn asking(relay: &Relay, certificates: &Certificates) -> Self {
        Self::with(relay, certificates, &["-starttls", "postgres"])
    }

    fn with(relay: &Relay, certificates: &Certificates, how: &[&str]) -> Self {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-quiet", "-connect", &relay.address, "-CAfile"]);
        openssl.arg(certificates.path("ca.pem")).args(["-verify_return_error"]).args(how);
        openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = openssl.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output }
    }
}

impl Read for Encrypted {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.output.read(bytes)
    }
}

impl Write for Encrypted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.input.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.input.flush()
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn connect(relay: &Relay) -> TcpStream {
    let socket = TcpStream::connect(&relay.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket
}

#[test]
fn who_is_told_no_goes_on_without() {
    let relay = Relay::new();
    for questions in [&[GSSENC][..], &[SSL], &[GSSENC, SSL], &[SSL, GSSENC]] {
        let mut session = Session::over(connect(&relay));
        for question in questions {
            session.0.write_all(question).unwrap();
            let mut answer = [0];
            session.0.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"N");
        }
        session.log_in(0, &[]);
        assert_eq!(session.ask("SELECT 1"), "1");
    }
    // Who only asks gets no further.
    let mut asking = connect(&relay);
    let mut answers = Vec::new();
    asking.write_all(&GSSENC.repeat(3)).unwrap();
    asking.read_to_end(&mut answers).unwrap();
    assert!(answers.starts_with(b"NNNE"), "{answers:?}");
}

#[test]
fn tls_at_once_names_the_protocol() {
    let certificates = Certificates::new(&crate::stand::folder(), "nobody");
    let tls = format!(
        "    tls: {{ cert: {}, key: {{ file: {} }} }}\n{USERS}",
        certificates.path("server.pem"),
        certificates.path("server.key")
    );
    let relay = Relay::with(Server::new(), &tls);
    let refusals = || relay.metric("allonym_postgres_refusals_total", &["tls-handshake"]);
    let answers = |how: &[&str]| {
        let mut encrypted = Encrypted::with(&relay, &certificates, how);
        // What has ended takes nothing.
        let _ = encrypted.write_all(&GSSENC);
        let mut answer = [0];
        let count = encrypted.read(&mut answer).unwrap_or(0);
        answer[..count].to_vec()
    };
    assert_eq!(answers(&["-alpn", "postgresql"]), b"N");
    assert_eq!(answers(&["-starttls", "postgres"]), b"N", "who asks first need not say it");
    assert_eq!(refusals(), 0.0);
    for (count, how) in [(1.0, &[][..]), (2.0, &["-alpn", "http/1.1"])] {
        assert_eq!(answers(how), b"", "{how:?}");
        wait_for("it is not refused", || refusals() == count);
    }
    relay.logged("\"rule\":\"tls-handshake\"");
    // Nor is TLS at once spoken where there is none.
    let plain = Relay::new();
    let mut socket = connect(&plain);
    socket.write_all(b"\x16\x03\x01\0\0").unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    assert_eq!(answer, b"");
    plain.logged("\"rule\":\"tls-handshake\"");
    let _ = fs::remove_dir_all(&certificates.0);
}

/// Minor versions and options of the protocol that nobody knows yet, with servers that
/// speak 3.0 and 3.2.
#[test]
fn a_newer_protocol_is_negotiated_down() {
    for (server, newest, long) in [(Server::new(), 0, 4), (Server::eighteen(), 2, 32)] {
        let relay = Relay::with(server, USERS);
        let options = [(&b"_pq_.of_tomorrow"[..], &b"on"[..]), (b"_pq_.another", b"")];
        let (none, some) = (&[][..], &options[..]);
        for (asked, options) in [(0, none), (2, none), (3, none), (9999, some), (0, some)] {
            let mut session = Session::over(connect(&relay));
            let told = session.log_in(asked, options);
            let negotiated: Vec<_> = told.iter().filter(|(tag, _)| *tag == b'v').collect();
            let spoken = newest.min(asked);
            if spoken == asked && options.is_empty() {
                assert!(negotiated.is_empty(), "{asked}");
            } else {
                let [(_, body)] = negotiated[..] else { panic!("{asked}: {negotiated:?}") };
                let read = Negotiation::parse(body).unwrap();
                assert_eq!(read.minor, spoken, "{asked}");
                let names = options.iter().map(|(name, _)| *name);
                assert!(read.unknown().eq(names), "{asked}");
            }
            let key = told.iter().find(|(tag, _)| *tag == b'K').unwrap();
            let length = if spoken == 2 { long } else { 4 };
            assert_eq!(key.1.len() - 4, length, "{asked}");
            assert_eq!(session.ask("SELECT 1"), "1");
        }
    }
}

/// A replica, and a backup of all there is: as long as nothing is protected, they may.
#[test]
fn replication_passes_where_nothing_is_protected() {
    for server in [Server::new(), Server::eighteen()] {
        let relay = Relay::with(server, USERS);
        relay.server.sql("postgres", "ALTER ROLE shop REPLICATION");
        let database = "dbname=shop replication=database";
        let shown = text(&relay.psql(&[], &["-d", database, "-c", "IDENTIFY_SYSTEM"]));
        assert_eq!(shown.trim_end().split('|').nth(3), Some("shop"), "{shown}");
    }
    let relay = Relay::new();
    relay.sql("CREATE TABLE t AS SELECT g FROM generate_series(1, 100000) g");
    relay.server.sql("postgres", "ALTER ROLE shop REPLICATION");
    relay.server.rule("host replication shop all scram-sha-256");
    let folder = relay.stand.folder.join("backup");
    let programs = programs(&["pg_basebackup", "pg_verifybackup"]).unwrap();
    let mut backup = Command::new(programs.join("pg_basebackup"));
    backup.args(["-h", "127.0.0.1", "-p", relay.port(), "-U", "shop", "-X", "stream"]);
    backup.args(["-c", "fast", "--no-sync", "-w", "-D"]).arg(&folder);
    let done = backup.env("PGPASSWORD", OWN).env("PGSSLMODE", "disable").output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    // Every file is as its checksum says, and the log that was streamed beside is whole.
    let verified = Command::new(programs.join("pg_verifybackup")).arg(&folder).output().unwrap();
    assert!(verified.status.success(), "{}", text(&verified));
    wait_for("they are not counted", || {
        relay.metric("allonym_postgres_received_bytes_total", &["server"]) > 10_000_000.0
    });
    assert_eq!(relay.metric("allonym_postgres_sessions_total", &["panicked"]), 0.0);
}

/// What the server has written into its log.
fn log(relay: &Relay) -> String {
    let read = "SELECT pg_read_file(current_setting('data_directory') || '/../log')";
    relay.server.sql("postgres", read)
}

/// The statements in it that have a duration, with what was done to them.
fn given(log: &str) -> Vec<&str> {
    let timed = log.lines().filter_map(|line| line.split_once("duration: ")?.1.split_once(" ms  "));
    timed.map(|(_, statement)| statement).collect()
}

#[test]
fn nothing_but_what_clients_send_is_ever_run() {
    for server in [Server::new(), Server::eighteen()] {
        let mut relay = Relay::with(server, USERS);
        relay.server.sql("postgres", "ALTER ROLE shop SET log_min_duration_statement = 0");
        relay.server.sql("postgres", "ALTER SYSTEM SET log_connections = 'on'");
        relay.server.rule("host all shop all scram-sha-256");

        relay.sql("CREATE TABLE t (a int)");
        let mut session = Session::over(connect(&relay));
        let told = session.log_in(0, &[]);
        assert_eq!(session.ask("SELECT 1"), "1");
        session.send(b'P', b"one\0SELECT $1::int\0\0\0");
        session.send(b'B', b"\0one\0\0\0\0\x01\0\0\0\x017\0\0");
        session.send(b'E', b"\0\0\0\0\0");
        session.send(b'S', b"");
        session.until(b'Z');
        session.send(b'Q', b"COPY t FROM STDIN\0");
        session.until(b'G');
        session.send(b'd', b"1\n");
        session.send(b'c', b"");
        session.until(b'Z');
        // What is cancelled has no duration.
        let key = &told.iter().find(|(tag, _)| *tag == b'K').unwrap().1;
        let process = u32::from_be_bytes(*key.first_chunk().unwrap());
        let mut request = Vec::new();
        write_cancel_request(&mut request, process, &key[4..]).unwrap();
        session.send(b'Q', b"SELECT pg_sleep(60)\0");
        wait_for("it does not run", || relay.running("SELECT pg_sleep%") == 1);
        connect(&relay).write_all(&request).unwrap();
        assert_eq!(session.message().0, b'T');
        assert_eq!(session.message().0, b'E');
        session.until(b'Z');
        // Neither a refusal nor a reload nor the end of it all is any of the server's business.
        let refused = relay.psql(&[("PGPASSWORD", "wrong")], &["-c", "SELECT 3"]);
        assert!(!refused.status.success());
        assert!(relay.stand.reload().contains("is in force"));
        assert_eq!(session.ask("SELECT 2"), "2");
        let last = relay.meanwhile("SELECT pg_sleep(1)");
        wait_for("it does not run", || relay.running("SELECT pg_sleep%") == 1);
        assert!(relay.stand.stop().success());
        said(last);

        let expected = [
            "statement: CREATE TABLE t (a int)",
            "statement: SELECT 1",
            "parse one: SELECT $1::int",
            "bind one: SELECT $1::int",
            "execute one: SELECT $1::int",
            "statement: COPY t FROM STDIN",
            "statement: SELECT 2",
            "statement: SELECT pg_sleep(1)",
        ];
        let log = log(&relay);
        assert_eq!(given(&log), expected);
        let sessions = log.matches("connection authorized: user=shop").count();
        assert_eq!(sessions, 3, "each client's is the only one");
    }
}
