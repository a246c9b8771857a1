//! Sessions from begin to end: cancel, limits, shutdown, reload, what is counted.

use super::*;
use allonym_postgres::wire::startup::write_startup;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;

pub(super) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Relay {
    /// A statement that runs meanwhile.
    pub(super) fn meanwhile(&self, sql: &str) -> Child {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-c", sql]);
        psql.args(["-h", "127.0.0.1", "-p", self.port(), "-U", "shop", "shop"]);
        psql.env("PGPASSWORD", OWN).env("PGSSLMODE", "disable");
        psql.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// How many statements like this the server runs for `shop`.
    pub(super) fn running(&self, like: &str) -> usize {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop' AND query LIKE '{like}' AND state = 'active'"
        );
        self.server.sql("postgres", &sql).trim().parse().unwrap()
    }
}

pub(super) fn said(child: Child) -> String {
    text(&child.wait_with_output().unwrap())
}

/// psql asks for a cancel when it is interrupted.
pub(super) fn interrupt(psql: &Child) {
    let sent = Command::new("kill").args(["-INT", &psql.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_cancel_reaches_its_own_statement() {
    let relay = Relay::new();
    let (mine, other) =
        (relay.meanwhile("SELECT pg_sleep(30), 1"), relay.meanwhile("SELECT pg_sleep(4), 2"));
    wait_for("they do not run", || relay.running("SELECT pg_sleep%") == 2);
    interrupt(&mine);
    assert!(said(mine).contains("canceling statement due to user request"));
    assert_eq!(said(other).trim_end(), "|2");
    assert_eq!(relay.metric("allonym_postgres_cancels_total", &["passed_on"]), 1.0);
    // Guesses reach nobody.
    let victim = relay.meanwhile("SELECT pg_sleep(2), 3");
    wait_for("it does not run", || relay.running("SELECT pg_sleep%") == 1);
    let process: u32 = relay
        .server
        .sql("postgres", "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND usename = 'shop' AND state = 'active'")
        .trim()
        .parse()
        .unwrap();
    for key in 0..500_u32 {
        let mut socket = TcpStream::connect(&relay.address).unwrap();
        let mut packet = vec![0, 0, 0, 16, 4, 210, 22, 46];
        packet.extend(process.to_be_bytes());
        packet.extend(key.to_be_bytes());
        socket.write_all(&packet).unwrap();
    }
    assert_eq!(said(victim).trim_end(), "|3");
    wait_for("they are not counted", || {
        relay.metric("allonym_postgres_cancels_total", &["nothing_to_cancel"]) == 500.0
    });
}

#[test]
fn at_shutdown_transactions_end_and_nothing_begins() {
    let mut relay = Relay::new();
    relay.sql("CREATE TABLE t (a int)");
    let running = relay.meanwhile("INSERT INTO t SELECT 1 FROM pg_sleep(1.5)");
    let mut idle = Session::begin(&relay);
    wait_for("it does not run", || relay.running("INSERT%") == 1);
    relay.stand.signal("TERM");
    assert_eq!(idle.last_word(), ("57P01".to_owned(), "shutdown".to_owned()));
    let mut late = Session::begins(&relay);
    assert_eq!(late.last_word(), ("57P03".to_owned(), "draining".to_owned()));
    said(running);
    assert!(relay.stand.wait().success());
    let rows = relay.server.sql("shop", "SELECT count(*) FROM t");
    assert_eq!(rows.trim(), "1", "what was under way was finished");
}

#[test]
fn a_drain_has_an_end() {
    let mut relay =
        Relay::with(Server::new(), &format!("    limits: {{ drain_timeout: 1s }}\n{USERS}"));
    let mut session = Session::begin(&relay);
    session.send(b'Q', b"SELECT pg_sleep(60)\0");
    wait_for("it does not run", || relay.running("SELECT pg_sleep%") == 1);
    let start = Instant::now();
    relay.stand.signal("TERM");
    assert_eq!(session.last_word(), ("57P01".to_owned(), "shutdown".to_owned()));
    assert!(relay.stand.wait().success());
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn what_was_asked_before_a_client_left_is_still_answered() {
    let relay = Relay::new();
    let mut session = Session::begin(&relay);
    session.send(b'Q', b"SELECT g FROM pg_sleep(0.5), generate_series(1, 20000) g\0");
    session.0.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    session.0.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(b"SELECT 20000\0Z\0\0\0\x05I"), "{} bytes", answer.len());
    // Also if it takes longer than a server may take to close.
    let mut session = Session::begin(&relay);
    session.send(b'Q', b"SELECT 1 FROM pg_sleep(5)\0");
    session.send(b'X', b"");
    let mut answer = Vec::new();
    session.0.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(b"SELECT 1\0Z\0\0\0\x05I"), "{} bytes", answer.len());
}

#[test]
fn limits_hold() {
    let limits = "    limits: { connections: 3, startup_timeout: 1s, idle_timeout: 1s, message_bytes: 64KiB }\n";
    let relay = Relay::with(Server::new(), &format!("{limits}{USERS}"));
    // Who says nothing, or too little, is let go.
    let mut silent = TcpStream::connect(&relay.address).unwrap();
    let mut slow = TcpStream::connect(&relay.address).unwrap();
    slow.write_all(&[0, 0, 0]).unwrap();
    for socket in [&mut silent, &mut slow] {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // What was not read makes the kernel reset it.
        let reset = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(socket.read(&mut [0]).map_or_else(reset, |count| count == 0));
    }
    // And who has nothing under way, but not within a transaction.
    let mut idle = Session::begin(&relay);
    assert_eq!(idle.last_word(), ("57P05".to_owned(), "idle-timeout".to_owned()));
    let slow = "SELECT pg_sleep(2.5), 'awake'";
    assert_eq!(relay.sql(slow), "|awake");
    // A statement of more than is allowed ends the connection, and says so.
    let long = format!("SELECT '{}'", "x".repeat(70_000));
    let refused = text(&relay.psql(&[], &["-c", &long]));
    assert!(refused.contains("the limit is 65536"), "{refused}");
    assert_eq!(relay.sql("SELECT length(repeat('x', 60000))"), "60000");
    // One more than fit waits for its turn.
    let ends = "SELECT extract(epoch FROM clock_timestamp()) FROM pg_sleep(2)";
    let three: Vec<Child> = (0..3).map(|_| relay.meanwhile(ends)).collect();
    wait_for("they do not run", || relay.running("%pg_sleep(2)") == 3);
    let begins = "SELECT extract(epoch FROM backend_start) FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let fourth = relay.meanwhile(begins);
    let moment = |child: Child| said(child).trim_end().parse::<f64>().unwrap();
    let ended = three.into_iter().map(moment).fold(f64::MAX, f64::min);
    assert!(moment(fourth) > ended, "it does not wait for a place");
}

#[test]
fn first_packets_of_strangers_are_refused() {
    let relay = Relay::new();
    for (what, bytes, expected) in [
        ("HTTP", &b"GET / HTTP/1.1\r\n\r\n"[..], "08P01"),
        ("protocol 2", &[0, 0, 0, 12, 0, 2, 0, 0, 0, 0, 0, 0], "08P01"),
        ("a length below its own", &[0, 0, 0, 3, 0, 3, 0, 0], "08P01"),
        ("no user", &[0, 0, 0, 9, 0, 3, 0, 0, 0], "28000"),
        ("nothing", b"", ""),
    ] {
        let mut socket = TcpStream::connect(&relay.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.write_all(bytes).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let code = format!("C{expected}");
        let has = expected.is_empty() || answer.windows(6).any(|part| part == code.as_bytes());
        assert!(has, "{what}: {}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(relay.sql("SELECT 1"), "1");
}

#[test]
fn a_reload_is_for_those_who_come() {
    let relay = Relay::new();
    let mut session = Session::begin(&relay);
    assert_eq!(session.ask("SELECT 1"), "1");
    let other = USERS.replace("shop:", "clerk:");
    relay.configure(&other);
    assert!(relay.stand.reload().contains("is in force"));
    assert_eq!(session.ask("SELECT 2"), "2", "who is in stays");
    let refused = text(&relay.psql(&[], &["-c", "SELECT 1"]));
    assert!(refused.contains("credential-invalid"), "{refused}");
    // What cannot change while it runs changes nothing.
    relay.configure(&format!("    workers: 1\n{USERS}"));
    assert!(
        relay.stand.reload().contains("at a restart")
            || relay.stand.log().contains("cannot change while it runs")
    );
    assert!(!relay.psql(&[], &["-c", "SELECT 1"]).status.success());
    relay.configure(USERS);
    assert!(relay.stand.reload().contains("is in force"));
    assert_eq!(relay.sql("SELECT 3"), "3");
}

#[test]
fn statements_are_counted_by_class() {
    let relay = Relay::new();
    relay.sql("CREATE TABLE t (a int)");
    for _ in 0..3 {
        relay.sql("INSERT INTO t VALUES (1)");
    }
    relay.sql("BEGIN; UPDATE t SET a = 2; COMMIT");
    relay.sql("WITH x AS (SELECT 1) SELECT * FROM x");
    relay.sql(&format!("-- {}\nSHOW port", "why ".repeat(700)));
    wait_for("they are not counted", || {
        let count = |class: &str| {
            relay.metric("allonym_postgres_statements_total", &[&format!("class=\"{class}\"")])
        };
        (count("ddl"), count("insert"), count("transaction"), count("select"), count("show"))
            == (1.0, 3.0, 1.0, 1.0, 1.0)
    });
    assert!(relay.metric("allonym_postgres_received_bytes_total", &["server"]) > 0.0);
    assert!(relay.metric("allonym_postgres_added_seconds_count", &[]) >= 12.0);
    assert_eq!(relay.metric("allonym_postgres_sessions_total", &["panicked"]), 0.0);
    wait_for("they stay open", || relay.metric("allonym_postgres_connections", &[]) == 0.0);
    let explained = relay.stand.allonym(&["explain", "ledger", "SELECT 1", "--as", "clerk"]);
    assert!(text(&explained).contains("protects no columns"), "{}", text(&explained));
}

/// A session over a socket, without a driver: what is said of it is seen byte for byte.
pub(super) struct Session(pub(super) TcpStream, Vec<u8>);

impl Session {
    /// Logs in as `shop`.
    pub(super) fn begin(relay: &Relay) -> Self {
        let mut session = Self::begins(relay);
        session.scram();
        session.1 = session.until(b'K');
        session.until(b'Z');
        session
    }

    /// The same, up to its start-up packet.
    pub(super) fn begins(relay: &Relay) -> Self {
        let socket = TcpStream::connect(&relay.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut session = Self::over(socket);
        session.start(0, &[]);
        session
    }

    /// Over a connection that is there; nothing was said yet.
    pub(super) fn over(socket: TcpStream) -> Self {
        Self(socket, Vec::new())
    }

    /// A start-up packet of this minor version and these parameters besides.
    pub(super) fn start(&mut self, minor: u16, more: &[(&[u8], &[u8])]) {
        let own = [(&b"user"[..], &b"shop"[..]), (b"database", b"shop")];
        let (mut startup, parameters) = (Vec::new(), own.iter().chain(more).copied());
        write_startup(&mut startup, minor, parameters).unwrap();
        self.0.write_all(&startup).unwrap();
    }

    /// Logs in over a connection that is there; gives what the server says until it is
    /// ready.
    pub(super) fn log_in(&mut self, minor: u16, more: &[(&[u8], &[u8])]) -> Vec<(u8, Vec<u8>)> {
        self.start(minor, more);
        self.scram();
        let mut said = vec![self.message()];
        while said.last().unwrap().0 != b'Z' {
            assert_ne!(said.last().unwrap().0, b'E', "{said:?}");
            said.push(self.message());
        }
        said
    }

    /// A request to cancel what it runs.
    pub(super) fn cancel(&self) -> Vec<u8> {
        [&[0, 0, 0, 16, 4, 210, 22, 46], self.1.as_slice()].concat()
    }

    pub(super) fn scram(&mut self) {
        let (_, offered) = self.message();
        assert!(offered[4..].starts_with(b"SCRAM-SHA-256\0"), "{offered:?}");
        let client = allonym_postgres::scram::Client::begin(
            allonym_postgres::scram::ClientBinding::Impossible,
        );
        let (client, first) = client.unwrap();
        let mut out = Vec::new();
        use allonym_postgres::wire::message::{write_sasl_initial, write_sasl_response};
        write_sasl_initial(&mut out, "SCRAM-SHA-256", Some(&first)).unwrap();
        self.0.write_all(&out).unwrap();
        let (_, challenge) = self.message();
        let challenge = client.read(&challenge[4..]).unwrap();
        let keys = challenge.derive(OWN.as_bytes()).unwrap();
        let (proven, last) = challenge.prove(&keys).unwrap();
        out.clear();
        write_sasl_response(&mut out, &last).unwrap();
        self.0.write_all(&out).unwrap();
        let (_, signed) = self.message();
        proven.verify(&signed[4..]).unwrap();
    }

    /// The next message.
    pub(super) fn message(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 5];
        self.0.read_exact(&mut header).unwrap();
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
        let mut body = vec![0; length as usize - 4];
        self.0.read_exact(&mut body).unwrap();
        (header[0], body)
    }

    /// Messages up to one of this type, which is given back.
    pub(super) fn until(&mut self, tag: u8) -> Vec<u8> {
        loop {
            let (found, body) = self.message();
            if found == tag {
                return body;
            }
            assert_ne!(found, b'E', "{}", String::from_utf8_lossy(&body));
        }
    }

    /// Sends a message.
    pub(super) fn send(&mut self, tag: u8, body: &[u8]) {
        let mut message = vec![tag];
        message.extend((body.len() as u32 + 4).to_be_bytes());
        message.extend_from_slice(body);
        self.0.write_all(&message).unwrap();
    }

    /// The first cell that a statement answers.
    pub(super) fn ask(&mut self, sql: &str) -> String {
        self.send(b'Q', format!("{sql}\0").as_bytes());
        let row = self.until(b'D');
        self.until(b'Z');
        String::from_utf8(row[6..].to_vec()).unwrap()
    }

    /// Code and rule of the error that ends it.
    pub(super) fn last_word(&mut self) -> (String, String) {
        let (tag, body) = self.message();
        assert_eq!(tag, b'E');
        assert_eq!(self.0.read(&mut [0]).unwrap(), 0, "it is closed");
        let field = |letter: u8| {
            let fields = body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
            let found = fields.into_iter().find(|field| field[0] == letter).unwrap();
            String::from_utf8(found[1..].to_vec()).unwrap()
        };
        (field(b'C'), field(b'D').trim_start_matches("rule: ").to_owned())
    }
}
