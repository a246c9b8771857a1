//! A PostgreSQL server for one comparison, with its data under the bench folder.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// A server that ends with this value. It writes as it would in earnest: what it
/// acknowledges is on disk.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Makes one in a folder and waits until it answers; nothing where no PostgreSQL is
    /// installed.
    pub(crate) fn start(folder: &Path, settings: &[&str]) -> Outcome<Option<Self>> {
        let Some(programs) = programs() else { return Ok(None) };
        std::fs::create_dir_all(folder)?;
        if as_root()? {
            run(Command::new("chown").arg("postgres").arg(folder))?;
        }
        let data = folder.join("data");
        let mut initdb = program(&programs, folder, "initdb")?;
        initdb.args(["-U", "postgres", "-A", "trust", "--locale=C", "-E", "UTF8", "-D"]).arg(&data);
        run(&mut initdb)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = File::create(folder.join("log"))?;
        let mut server = program(&programs, folder, "postgres")?;
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        let always = ["listen_addresses=127.0.0.1", "unix_socket_directories="];
        for setting in always.iter().chain(settings) {
            server.args(["-c", setting]);
        }
        server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut server = Self { process: server.spawn()?, port };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut ready = Command::new(programs.join("pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
            if ready.status()?.success() {
                return Ok(Some(server));
            }
            if server.process.try_wait()?.is_some() || Instant::now() > deadline {
                return Err("PostgreSQL does not start".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where it is, for the store.
    pub(crate) fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Where it is, for another client.
    pub(crate) fn plain_url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: an end in order, which leaves no process of it behind.
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// The folder of the newest server there is.
fn programs() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.into_iter().find(|folder| {
        ["initdb", "postgres", "pg_isready"].iter().all(|name| folder.join(name).is_file())
    })
}

/// A program of the server's, as whom it accepts: it refuses root.
fn program(programs: &Path, folder: &Path, name: &str) -> Outcome<Command> {
    let path = programs.join(name);
    if !as_root()? {
        return Ok(Command::new(path));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command.args(passage(folder)).args(["env", "HOME=/"]);
    command.arg(path);
    command.current_dir("/");
    Ok(command)
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

fn as_root() -> Outcome<bool> {
    Ok(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self")?) == 0)
}

fn run(command: &mut Command) -> Outcome<()> {
    let done = command.output()?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(format!("{}: {why}", command.get_program().display()).into())
}
