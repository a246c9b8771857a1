//! Much data over TLS on both sides: nothing is missing at its end, whoever is slow.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use socket2::{Domain, Socket, Type};

use super::*;
use crate::server::PASSWORD;

/// How long a client may take, in seconds, before it counts as hanging.
const PATIENCE: &str = "120";

/// A relay with TLS on both sides, which reaches its server over a narrow way if asked to.
fn encrypted(narrow: bool) -> (Relay, Certificates) {
    let certificates = Certificates::new(&crate::stand::folder(), "nobody");
    let [certificate, key, ca] =
        ["server.pem", "server.key", "ca.pem"].map(|name| certificates.path(name));
    let more = format!(
        "    tls: {{ cert: {certificate}, key: {{ file: {key} }} }}
    upstream_tls: {{ ca: {ca} }}
    callers: {{ users: {{ shop: {{ role: clerk, upstream_password: {{ env: SHOP_PASSWORD }} }} }} }}
"
    );
    let mut relay = Relay::stopped(Server::with_tls(&certificate, &key), &more);
    if narrow {
        let server = relay.server.address();
        let all = config(&relay.server, &relay.address, &more);
        relay.stand.configure(&all.replace(&server, &narrow_way(&server)));
    }
    relay.start();
    (relay, certificates)
}

/// A way to an address that is slow, with room for a few kilobytes: whoever sends over it
/// meets a full socket all the time. It is there until the tests end.
fn narrow_way(target: &str) -> String {
    let target: SocketAddr = target.parse().unwrap();
    let listener = narrow_socket();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(16).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap().to_string();
    thread::spawn(move || {
        while let Ok((near, _)) = listener.accept() {
            let far = narrow_socket();
            if far.connect(&target.into()).is_err() {
                continue;
            }
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || carry_slowly(from.into(), to.into()));
            }
        }
    });
    address
}

/// Small segments keep the other side's buffer small too: the kernel measures it by them.
fn narrow_socket() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_tcp_mss(536).unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket
}

fn carry_slowly(mut from: TcpStream, mut to: TcpStream) {
    let mut room = [0; 8 << 10];
    while let Ok(count @ 1..) = from.read(&mut room) {
        thread::sleep(Duration::from_micros(200));
        if to.write_all(&room[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

/// Where a client goes: to the server itself, or to the gateway.
struct Target {
    address: String,
    password: &'static str,
    ca: String,
}

impl Target {
    fn server(relay: &Relay, certificates: &Certificates) -> Self {
        let ca = certificates.path("ca.pem");
        Self { address: relay.server.address(), password: PASSWORD, ca }
    }

    fn gateway(relay: &Relay, certificates: &Certificates) -> Self {
        Self { address: relay.address.clone(), password: OWN, ca: certificates.path("ca.pem") }
    }

    /// The same over a narrow way.
    fn narrowed(mut self) -> Self {
        self.address = narrow_way(&self.address);
        self
    }

    /// Variables of a client.
    fn variables(&self) -> [(&str, &str); 4] {
        [
            ("PGPORT", self.address.rsplit(':').next().unwrap()),
            ("PGPASSWORD", self.password),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", &self.ca),
        ]
    }

    /// A `psql` that runs this, and is stopped if it hangs.
    fn psql(&self, sql: &str) -> Command {
        let mut psql = Command::new("timeout");
        psql.args([PATIENCE, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        psql.args(["-h", "localhost", "-U", "shop", "-d", "shop"]);
        psql.envs(self.variables());
        psql
    }

    /// The digest of what a statement answers.
    fn digest(&self, sql: &str) -> String {
        let mut psql = self.psql(sql).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let digest = md5(psql.stdout.take().unwrap().into());
        assert!(psql.wait().unwrap().success(), "{sql}: it failed, or hangs");
        digest
    }
}

fn md5(input: Stdio) -> String {
    text(&Command::new("md5sum").stdin(input).output().unwrap())
}

#[test]
fn large_answers_are_whole() {
    let (relay, certificates) = encrypted(false);
    let direct = Target::server(&relay, &certificates);
    let relayed = Target::gateway(&relay, &certificates);
    let rows = "SELECT repeat(md5(g::text), 320) FROM generate_series(1, 20000) g";
    for sql in [
        rows,
        "SELECT string_agg(md5(g::text), '') FROM generate_series(1, 2097152) g",
        &format!("COPY ({rows}) TO STDOUT"),
    ] {
        let before = relay.metric("allonym_postgres_received_bytes_total", &["server"]);
        assert_eq!(relayed.digest(sql), direct.digest(sql), "{sql}");
        let after = relay.metric("allonym_postgres_received_bytes_total", &["server"]);
        assert!(after - before > 64e6, "{sql}: {} bytes", after - before);
    }
    let _ = fs::remove_dir_all(&certificates.0);
}

/// Whoever reads slowly leaves the socket to it full up to the last byte.
#[test]
fn slow_readers_get_it_all() {
    let (relay, certificates) = encrypted(false);
    let direct = Target::server(&relay, &certificates);
    let relayed = Target::gateway(&relay, &certificates).narrowed();
    for kilobytes in (100..2000).step_by(190) {
        let rows = format!("SELECT repeat('x', 1000), g FROM generate_series(1, {kilobytes}) g");
        for sql in [&rows, &format!("COPY ({rows}) TO STDOUT")] {
            assert_eq!(relayed.digest(sql), direct.digest(sql), "{sql}");
        }
    }
    // A driver that reads its socket row by row, and between them not at all.
    let bulk = |target: &Target, pause: &str| {
        let mut sqlx = Command::new("timeout");
        sqlx.arg(PATIENCE).arg(crate::stand::program("rust-drivers")).args(["bulk", "sqlx"]);
        sqlx.env("PGHOST", "localhost").env("PGUSER", "shop").env("PGDATABASE", "shop");
        let done = sqlx.envs(target.variables()).env("ALLONYM_PAUSE", pause).output().unwrap();
        let said = text(&done);
        assert!(done.status.success(), "it failed, or hangs: {said}");
        said
    };
    let found = bulk(&relayed, "20");
    assert_eq!(found, bulk(&direct, "0"));
    assert!(found.contains("rows: 32768000 bytes") && found.ends_with("ok 3 checks\n"), "{found}");
    let _ = fs::remove_dir_all(&certificates.0);
}

/// A server that reads slowly leaves the socket to it full as well.
#[test]
fn slow_servers_get_it_all() {
    let (relay, certificates) = encrypted(true);
    let relayed = Target::gateway(&relay, &certificates);
    assert!(relayed.psql("CREATE TABLE t (a text)").status().unwrap().success());
    let path = certificates.0.join("rows");
    for kilobytes in (100..3000).step_by(290) {
        let rows: String = (0..kilobytes).map(|row| format!("{row:0999}\n")).collect();
        fs::write(&path, rows).unwrap();
        let open = || Stdio::from(File::open(&path).unwrap());
        let copied = relayed.psql("TRUNCATE t; COPY t FROM STDIN").stdin(open()).output().unwrap();
        assert!(copied.status.success(), "it failed, or hangs: {}", text(&copied));
        assert_eq!(relayed.digest("COPY t TO STDOUT"), md5(open()), "{kilobytes}");
    }
    let _ = fs::remove_dir_all(&certificates.0);
}
