//! PostgreSQL behind the relay: the real server, real clients, and a gateway in between.

mod bulk;
mod bytes;
mod cancels;
mod drivers;
mod faults;
mod hostile;
mod logins;
mod matrix;
mod names;
mod openings;
mod operating;
mod renewal;
mod room;
mod sessions;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::server::Server;
use crate::stand::{Stand, curl, free_address, text};

/// The password of the role `shop` at the gateway. At the server it has another.
const OWN: &str = "canary-at-the-gateway";

/// A server, and a gateway in front of it.
struct Relay {
    stand: Stand,
    server: Server,
    address: String,
}

/// A configuration with one connector, of which this is more.
fn config(server: &Server, address: &str, more: &str) -> String {
    let upstream = server.address();
    format!(
        "seal: {{ file: FOLDER/seal.key }}
store: FOLDER/data/store.db
audit: FOLDER/data/audit
admin: {{ listen: ADMIN, operators: {{ USER: [keys, tokens, audit] }} }}
purposes: [chargeback]
keys: {{ contact: }}
data: {{ note: {{ method: siv, key: contact }} }}
access: [ {{ role: clerk, write: [note] }} ]
connectors:
  ledger:
    type: postgres
    listen: {address}
    upstream: postgres://{upstream}
{more}"
    )
}

/// The users of most tests.
const USERS: &str = "    upstream_tls: off
    callers: { users: { shop: { role: clerk, upstream_password: { env: SHOP_PASSWORD } } } }
";

impl Relay {
    /// One that everybody reaches without TLS.
    fn new() -> Self {
        Self::with(Server::new(), USERS)
    }

    fn with(server: Server, more: &str) -> Self {
        let mut relay = Self::stopped(server, more);
        relay.start();
        relay
    }

    /// The same, with the gateway not started yet.
    fn stopped(server: Server, more: &str) -> Self {
        let address = free_address();
        let mut stand = Stand::without_gateway(&config(&server, &address, more));
        stand.environment = vec![("SHOP_PASSWORD".to_owned(), crate::server::PASSWORD.to_owned())];
        Self { stand, server, address }
    }

    /// Starts the gateway; `shop` has a password, where logins have one.
    fn start(&mut self) {
        self.stand.start();
        let made = self.stand.allonym_with(&["db-users", "add", "shop"], OWN);
        assert!(made.status.success(), "{}", text(&made));
    }

    fn configure(&self, more: &str) {
        self.stand.configure(&config(&self.server, &self.address, more));
    }

    fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    /// `psql` through the gateway, with these variables besides.
    fn psql(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        self.client(variables, arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// The same, not started yet.
    fn client(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]).args(arguments);
        for (name, value) in [
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", self.port()),
            ("PGUSER", "shop"),
            ("PGPASSWORD", OWN),
            ("PGDATABASE", "shop"),
            ("PGSSLMODE", "disable"),
            ("PGCONNECT_TIMEOUT", "20"),
        ] {
            psql.env(name, value);
        }
        psql.envs(variables.iter().copied());
        psql
    }

    /// What a statement answers.
    fn sql(&self, sql: &str) -> String {
        let done = self.psql(&[], &["-c", sql]);
        assert!(done.status.success(), "{sql}: {}", text(&done));
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }

    /// Waits until the access log says this.
    fn logged(&self, what: &str) {
        let start = Instant::now();
        while !self.stand.log().contains(what) {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}: {}", self.stand.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A metric of the gateway's, added up over what labels it has besides these.
    fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let all = curl(&format!("http://{}/metrics", self.stand.admin), "GET", &[], None).body;
        let named = all.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let these = named.filter(|line| labels.iter().all(|label| line.contains(label)));
        these.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// Certificates in a folder: an authority, one for 127.0.0.1 and `localhost`, one of a
/// client with this DNS name, and an authority that nobody trusts.
struct Certificates(PathBuf);

impl Certificates {
    fn new(stand_folder: &std::path::Path, client: &str) -> Self {
        let folder = stand_folder.join("tls");
        fs::create_dir_all(&folder).unwrap();
        let own = Self(folder);
        for authority in ["ca", "stranger"] {
            own.openssl(&[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                &format!("/CN={authority}"),
                "-keyout",
                &format!("{authority}.key"),
                "-out",
                &format!("{authority}.pem"),
            ]);
        }
        own.issue("server", "subjectAltName=DNS:localhost,IP:127.0.0.1");
        own.issue("client", &format!("subjectAltName=DNS:{client}"));
        own
    }

    fn issue(&self, name: &str, extension: &str) {
        self.issue_by("ca", name, extension);
    }

    /// A certificate of one of the authorities.
    fn issue_by(&self, authority: &str, name: &str, extension: &str) {
        let (key, request) = (format!("{name}.key"), format!("{name}.csr"));
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            &key,
            "-out",
            &request,
        ]);
        fs::write(self.0.join("extensions"), extension).unwrap();
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &format!("{authority}.pem"),
            "-CAkey",
            &format!("{authority}.key"),
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "extensions",
            "-out",
            &format!("{name}.pem"),
        ]);
    }

    fn openssl(&self, arguments: &[&str]) {
        let done = Command::new("openssl").args(arguments).current_dir(&self.0).output().unwrap();
        assert!(done.status.success(), "{}", text(&done));
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}
