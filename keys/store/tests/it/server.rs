use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use allonym_servers::postgres::{Cluster, programs};
use allonym_store::PostgresConfig;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_postgres::NoTls;

/// A PostgreSQL server of this test run, on a port of its own on this machine. It ends
/// with the process that started it, however that ends.
pub(crate) struct Server {
    cluster: Cluster,
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
        let programs = programs(&["initdb", "postgres", "pg_isready"]).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.join(format!("postgres-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let cluster = Cluster::create(&folder, &programs, port, &["--no-sync"]).unwrap();
        let rules = "host all locked all scram-sha-256\nhost all all all trust\n";
        cluster.write("pg_hba.conf", rules).unwrap();
        let server = Self { cluster, process: Mutex::default() };
        server.certify();
        server
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut process = self.spawn();
            if self.cluster.wait_ready(&mut process.server, deadline).unwrap() {
                *self.process.lock().unwrap() = Some(process);
                return;
            }
            process.unwatch();
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap().take().unwrap();
        process.server.kill().unwrap();
        process.server.wait().unwrap();
        process.unwatch();
    }

    /// Where it is, for this role and in this schema.
    pub(crate) fn config(&self, role: &str, schema: &str) -> PostgresConfig {
        PostgresConfig::new(format!(
            "postgresql://{role}@127.0.0.1:{}/postgres?options=-csearch_path%3D{schema}",
            self.port()
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
        let port = self.port();
        let config = format!("host=127.0.0.1 port={port} user=postgres dbname={database}");
        std::thread::scope(|scope| scope.spawn(|| ask(&config, sql)).join().unwrap())
    }

    pub(crate) fn port(&self) -> u16 {
        self.cluster.port()
    }

    /// The certificate of who signed the server's.
    pub(crate) fn authority(&self) -> PathBuf {
        self.cluster.folder().join("authority.pem")
    }

    fn spawn(&self) -> Process {
        let settings = ["max_connections=300", "fsync=off", "deadlock_timeout=50ms", "ssl=on"];
        let server = self.cluster.spawn(&settings).unwrap();
        // Until its input ends with this process. The server may be gone by then.
        let watch = Command::new("sh")
            .args(["-c", AT_THE_END, "sh", &server.id().to_string()])
            .arg(self.cluster.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Process { server, watch }
    }

    fn certify(&self) {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap());
        let authority = authority.unwrap();
        let key = KeyPair::generate().unwrap();
        let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = names.signed_by(&key, &authority).unwrap();
        self.cluster.write("server.key", &key.serialize_pem()).unwrap();
        self.cluster.write("server.crt", &certificate.pem()).unwrap();
        std::fs::write(self.authority(), authority.pem()).unwrap();
    }
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
