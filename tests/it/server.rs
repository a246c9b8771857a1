//! A real PostgreSQL server in a folder of its own, and `psql` to look into it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::stand::{folder, free_address, text};

/// A server with an empty database `shop`, owned by the role `shop`, who needs a password.
pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    port: String,
    process: Option<Child>,
    /// Programs that go with it.
    copy: Option<PathBuf>,
}

/// The password of the role `shop`.
pub(crate) const PASSWORD: &str = "canary-of-a-password";

impl Server {
    pub(crate) fn new() -> Self {
        Self::of(programs(), None)
    }

    /// The same, that speaks TLS with this certificate and key.
    pub(crate) fn with_tls(certificate: &str, key: &str) -> Self {
        Self::of(programs(), Some((certificate, key)))
    }

    /// A PostgreSQL 18, for what older ones do not speak.
    pub(crate) fn eighteen() -> Self {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/postgres-clients.sh");
        let paths = String::from_utf8(run(Command::new(clients).arg("paths"))).unwrap();
        let folder = paths.lines().find_map(|line| line.strip_prefix("ALLONYM_POSTGRESQL_18="));
        let folder = Path::new(folder.unwrap());
        if !as_root() {
            return Self::of(folder.join("bin"), None);
        }
        // It looks for its own programs as a user who cannot pass root's home, whatever
        // capabilities it has: a copy stands where all can.
        let copy = std::env::temp_dir().join(format!("allonym-postgresql-{}", std::process::id()));
        run(Command::new("cp").arg("-r").arg(folder).arg(&copy));
        let mut server = Self::of(copy.join("bin"), None);
        server.copy = Some(copy);
        server
    }

    fn of(programs: PathBuf, tls: Option<(&str, &str)>) -> Self {
        let folder = folder();
        if as_root() {
            run(Command::new("chown").arg("postgres").arg(&folder));
        }
        let address = free_address();
        let port = address.rsplit(':').next().unwrap().to_owned();
        let mut server = Self { folder, programs, port, process: None, copy: None };
        let mut initdb = server.program("initdb");
        initdb.args(["-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"]);
        run(initdb.arg("-D").arg(server.folder.join("db")));
        let rules = "host all shop all scram-sha-256\nhost all all all trust\n";
        let path = server.folder.join("db/pg_hba.conf");
        fs::write(&path, rules).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
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
            let to = self.folder.join("db").join(to);
            fs::copy(from, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
            if as_root() {
                run(Command::new("chown").arg("postgres").arg(&to));
            }
        }
        self.setting("ssl = on");
    }

    fn setting(&self, line: &str) {
        let path = self.folder.join("db/postgresql.conf");
        let all = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{all}\n{line}\n")).unwrap();
    }

    /// Another first rule of who may log in, in force when this returns.
    pub(crate) fn rule(&self, line: &str) {
        let path = self.folder.join("db/pg_hba.conf");
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
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&mut self) {
        let log = fs::File::create(self.folder.join("log")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut server = self.program("postgres");
            server.arg("-D").arg(self.folder.join("db")).args(["-p", &self.port]);
            for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"] {
                server.args(["-c", setting]);
            }
            server.stdin(Stdio::null()).stdout(log.try_clone().unwrap());
            let mut child = server.stderr(log.try_clone().unwrap()).spawn().unwrap();
            while child.try_wait().unwrap().is_none() {
                if self.answers() {
                    self.process = Some(child);
                    return;
                }
                assert!(Instant::now() < deadline, "the server does not answer");
                std::thread::sleep(Duration::from_millis(20));
            }
            // After a kill it waits for those it left behind.
            assert!(Instant::now() < deadline, "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
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
        psql.args(["postgres", "-p", &self.port, "-d", database, "-c", sql]);
        String::from_utf8(run(&mut psql)).unwrap()
    }

    /// Everything that is in the database.
    pub(crate) fn dump(&self) -> String {
        let mut dump = Command::new(programs().join("pg_dump"));
        dump.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port, "-d", "shop"]);
        String::from_utf8_lossy(&run(&mut dump)).into_owned()
    }

    fn answers(&self) -> bool {
        let mut ready = Command::new(programs().join("pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port]).status().unwrap().success()
    }

    /// A program of the server's, as whom it accepts: it refuses root.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        if !as_root() {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        let closed = [&self.folder, &self.programs].map(|folder| passage(folder));
        let passage = closed.into_iter().max_by_key(|passage| passage.len()).unwrap_or_default();
        command.args(passage).args(["env", "HOME=/"]);
        command.arg(path).current_dir("/");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = Command::new("kill").arg("-INT").arg(process.id().to_string()).status();
            let _ = process.wait();
        }
        if let Some(copy) = &self.copy {
            let _ = fs::remove_dir_all(copy);
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The folder of the newest server there is.
fn programs() -> PathBuf {
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let whole = |folder: &PathBuf| {
        ["initdb", "postgres", "psql", "pg_dump"].iter().all(|name| folder.join(name).is_file())
    };
    let found = folders.into_iter().find(whole);
    found.expect("PostgreSQL's server is not installed: run `deploy/setup.sh test`")
}

/// What lets the server's user through folders that are closed to others, such as a cache
/// folder in the home of root.
fn passage(folder: &Path) -> &'static [&'static str] {
    let open = |folder: &Path| {
        std::fs::metadata(folder).is_ok_and(|folder| folder.permissions().mode() & 1 == 1)
    };
    if folder.ancestors().skip(1).all(open) {
        return &[];
    }
    &["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
}

fn as_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata(Path::new("/proc/self")).unwrap()) == 0
}

fn run(command: &mut Command) -> Vec<u8> {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", text(&done));
    done.stdout
}
