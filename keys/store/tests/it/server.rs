use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use allonym_store::PostgresConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_postgres::NoTls;

/// A PostgreSQL server of this test run, on a port of its own on this machine. It ends
/// with the process that started it, however that ends.
pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    process: Mutex<Option<Process>>,
}

struct Process {
    server: Child,
    /// Stops the server when its input ends.
    watch: Child,
}

/// Waits for the end of its input, and then for that of the server.
const AT_THE_END: &str = "cat
    kill -INT \"$1\" 2>/dev/null
    while kill -0 \"$1\" 2>/dev/null; do sleep 0.1; done
    rm -rf \"$2\"";

/// The one that most tests share.
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| {
        let server = Server::new("shared");
        server.start();
        server
    })
}

impl Process {
    /// Leaves the folder for another start.
    fn unwatch(&mut self) {
        self.watch.kill().unwrap();
        self.watch.wait().unwrap();
    }
}

impl Server {
    /// A server with nothing in it, which is not started yet.
    pub(crate) fn new(name: &str) -> Self {
        let programs = programs();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.join(format!("postgres-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        if as_root() {
            run(Command::new("chown").arg("postgres").arg(&folder));
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let server = Self { folder, programs, port, process: Mutex::default() };
        let mut initdb = server.program("initdb");
        initdb.args(["-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"]);
        run(initdb.arg("-D").arg(server.data()));
        server.write("pg_hba.conf", "host all locked all scram-sha-256\nhost all all all trust\n");
        server.certify();
        server
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut process = self.spawn();
            while process.server.try_wait().unwrap().is_none() {
                if self.answers() {
                    *self.process.lock().unwrap() = Some(process);
                    return;
                }
                assert!(Instant::now() < deadline, "the server does not answer");
                std::thread::sleep(Duration::from_millis(20));
            }
            process.unwatch();
            // After a kill it waits for those it left behind.
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the server does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap().take().unwrap();
        run(Command::new("kill").arg("-9").arg(process.server.id().to_string()));
        process.server.wait().unwrap();
        process.unwatch();
    }

    /// Where it is, for this role and in this schema.
    pub(crate) fn config(&self, role: &str, schema: &str) -> PostgresConfig {
        PostgresConfig::new(format!(
            "postgresql://{role}@127.0.0.1:{}/postgres?options=-csearch_path%3D{schema}",
            self.port
        ))
    }

    /// The name of a schema that was just made.
    pub(crate) fn schema(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("s{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE SCHEMA {schema}"));
        schema
    }

    /// Runs statements as the superuser; the values of what they answer, as text.
    pub(crate) fn sql(&self, sql: &str) -> Vec<String> {
        self.sql_in("postgres", sql)
    }

    /// The same in this database.
    pub(crate) fn sql_in(&self, database: &str, sql: &str) -> Vec<String> {
        let config = format!("host=127.0.0.1 port={} user=postgres dbname={database}", self.port);
        std::thread::scope(|scope| scope.spawn(|| ask(&config, sql)).join().unwrap())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of who signed the server's.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    fn spawn(&self) -> Process {
        let log = std::fs::File::create(self.folder.join("log")).unwrap();
        let mut server = self.program("postgres");
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=300",
            "fsync=off",
            "deadlock_timeout=50ms",
            "ssl=on",
        ] {
            server.args(["-c", setting]);
        }
        server.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let server = server.spawn().unwrap();
        // Until its input ends with this process. The server may be gone by then.
        let watch = Command::new("sh")
            .args(["-c", AT_THE_END, "sh", &server.id().to_string()])
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Process { server, watch }
    }

    fn answers(&self) -> bool {
        let mut ready = Command::new(self.programs.join("pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ready.status().unwrap().success()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A program of the server's, as whom it accepts: it refuses root.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        if !as_root() {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        command.args(passage(&self.folder)).args(["env", "HOME=/"]);
        command.arg(path);
        command.current_dir("/");
        command
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        if as_root() {
            run(Command::new("chown").arg("postgres").arg(&path));
        }
    }

    fn certify(&self) {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap());
        let authority = authority.unwrap();
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = names.signed_by(&key, &authority).unwrap();
        self.write("server.key", &key.serialize_pem());
        self.write("server.crt", &certificate.pem());
        std::fs::write(self.authority(), authority.pem()).unwrap();
    }
}

/// The folder of the newest server there is.
fn programs() -> PathBuf {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let whole = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_isready"].iter().all(|name| folder.join(name).is_file())
    };
    let found = folders.into_iter().find(whole);
    let Some(found) = found else {
        panic!("PostgreSQL's server is not installed: run `deploy/setup.sh test`")
    };
    found
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
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {why}");
}

fn ask(config: &str, sql: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(config, NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let messages = client.simple_query(sql).await.unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
        let mut values = Vec::new();
        for message in messages {
            if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
                values.extend((0..row.len()).map(|at| row.get(at).unwrap_or("").to_owned()));
            }
        }
        values
    })
}
