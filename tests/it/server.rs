//! A real PostgreSQL server in a folder of its own, and `psql` to look into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use allonym_servers::postgres::{self, Cluster};

use crate::stand::{folder, free_address, text};

/// A server with an empty database `shop`, owned by the role `shop`, who needs a password.
pub(crate) struct Server {
    cluster: Cluster,
    process: Option<Child>,
    /// Programs that go with it.
    copy: Option<PathBuf>,
}

/// The password of the role `shop`.
pub(crate) const PASSWORD: &str = "canary-of-a-password";

impl Server {
    pub(crate) fn new() -> Self {
        Self::of(&programs(), None)
    }

    /// The same, that speaks TLS with this certificate and key.
    pub(crate) fn with_tls(certificate: &str, key: &str) -> Self {
        Self::of(&programs(), Some((certificate, key)))
    }

    /// A PostgreSQL 18, for what older ones do not speak.
    pub(crate) fn eighteen() -> Self {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/postgres-clients.sh");
        let paths = String::from_utf8(run(Command::new(clients).arg("paths"))).unwrap();
        let folder = paths.lines().find_map(|line| line.strip_prefix("ALLONYM_POSTGRESQL_18="));
        let folder = Path::new(folder.unwrap());
        if !postgres::as_root().unwrap() {
            return Self::of(&folder.join("bin"), None);
        }
        // It looks for its own programs as a user who cannot pass root's home, whatever
        // capabilities it has: a copy stands where all can.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("allonym-postgresql-{}-{number}", std::process::id());
        let copy = std::env::temp_dir().join(name);
        run(Command::new("cp").arg("-r").arg(folder).arg(&copy));
        let mut server = Self::of(&copy.join("bin"), None);
        server.copy = Some(copy);
        server
    }

    fn of(programs: &Path, tls: Option<(&str, &str)>) -> Self {
        let address = free_address();
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        let cluster = Cluster::create(&folder(), programs, port, &["--no-sync"]).unwrap();
        let rules = "host all shop all scram-sha-256\nhost all all all trust\n";
        cluster.write("pg_hba.conf", rules).unwrap();
        let mut server = Self { cluster, process: None, copy: None };
        server.allow_prepared_transactions();
        if let Some((certificate, key)) = tls {
            server.encrypt(certificate, key);
        }
        server.start();
        server.sql("postgres", &format!("CREATE ROLE shop LOGIN PASSWORD '{PASSWORD}'"));
        server.sql("postgres", "CREATE DATABASE shop OWNER shop");
        server
    }

    fn allow_prepared_transactions(&self) {
        self.setting("max_prepared_transactions = 10");
        self.setting("max_connections = 300");
    }

    fn encrypt(&self, certificate: &str, key: &str) {
        for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
            self.cluster.write(to, &fs::read_to_string(from).unwrap()).unwrap();
        }
        self.setting("ssl = on");
    }

    fn setting(&self, line: &str) {
        let path = self.cluster.data().join("postgresql.conf");
        let all = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{all}\n{line}\n")).unwrap();
    }

    /// Another first rule of who may log in, in force when this returns.
    pub(crate) fn rule(&self, line: &str) {
        let path = self.cluster.data().join("pg_hba.conf");
        let all = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{line}\n{all}")).unwrap();
        // A new connection has what the process had that made it.
        let loaded = "SELECT pg_conf_load_time()";
        let before = self.sql("postgres", loaded);
        self.sql("postgres", "SELECT pg_reload_conf()");
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.sql("postgres", loaded) == before {
            assert!(Instant::now() < deadline, "the rules are not read");
        }
    }

    /// Where the store is, as a configuration writes it.
    pub(crate) fn store(&self) -> String {
        format!(
            "store: {{ postgres: \"postgres://shop@{}/shop\", password: {{ env: SHOP_PASSWORD }} }}",
            self.address()
        )
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.cluster.port())
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut server = self.cluster.spawn(&["fsync=off"]).unwrap();
            if self.cluster.wait_ready(&mut server, deadline).unwrap() {
                self.process = Some(server);
                return;
            }
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// What statements answer, as the superuser of this server.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(programs().join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U"]);
        psql.args(["postgres", "-p", &self.cluster.port().to_string()]);
        psql.args(["-d", database, "-c", sql]);
        String::from_utf8(run(&mut psql)).unwrap()
    }

    /// Everything that is in the database.
    pub(crate) fn dump(&self) -> String {
        let mut dump = Command::new(programs().join("pg_dump"));
        dump.args(["-h", "127.0.0.1", "-U", "postgres", "-d", "shop"]);
        dump.args(["-p", &self.cluster.port().to_string()]);
        String::from_utf8_lossy(&run(&mut dump)).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            postgres::stop(&mut process);
        }
        if let Some(copy) = &self.copy {
            let _ = fs::remove_dir_all(copy);
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(self.cluster.folder());
        }
    }
}

/// The folder of the newest server and client there are.
fn programs() -> PathBuf {
    postgres::programs(&["initdb", "postgres", "psql", "pg_dump"]).unwrap()
}

fn run(command: &mut Command) -> Vec<u8> {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", text(&done));
    done.stdout
}
