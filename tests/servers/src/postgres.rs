//! PostgreSQL, as it is installed. It refuses root, so root runs it as `postgres`.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Between two looks at a server that starts.
const PAUSE: Duration = Duration::from_millis(20);
/// Before a server is started again.
const LONG_PAUSE: Duration = Duration::from_millis(50);

/// A database cluster: what one server serves on 127.0.0.1. Its superuser `postgres` needs
/// no password.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    /// Asks whether a server answers.
    pg_isready: PathBuf,
    port: u16,
}

impl Cluster {
    /// Makes one in a folder that is there, by the programs in another one; `options` are
    /// for `initdb`. No server runs yet.
    ///
    /// # Errors
    /// When a program is missing or fails.
    pub fn create(folder: &Path, programs: &Path, port: u16, options: &[&str]) -> io::Result<Self> {
        let pg_isready = self::programs(&["pg_isready"])?.join("pg_isready");
        let (folder, programs) = (folder.to_owned(), programs.to_owned());
        give_away(&folder)?;
        let cluster = Self { folder, programs, pg_isready, port };
        let mut initdb = cluster.program("initdb")?;
        initdb.args(["-U", "postgres", "-A", "trust", "--locale=C", "-E", "UTF8"]);
        run(initdb.args(options).arg("-D").arg(cluster.data()))?;
        Ok(cluster)
    }

    /// The port it is served on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder it was made in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of its data and its settings.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("db")
    }

    /// Writes a file of its settings, which only the server may read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.data().join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        give_away(&path)
    }

    /// Starts a server with these settings, each `name=value`, and does not wait for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, settings: &[&str]) -> io::Result<Child> {
        let log = File::create(self.log())?;
        let mut server = self.program("postgres")?;
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories="] {
            server.args(["-c", setting]);
        }
        for setting in settings {
            server.args(["-c", setting]);
        }
        server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
    }

    /// Waits until a server answers. Says whether it does: after a kill the next one waits
    /// for processes that were left behind, and ends; it may be started again at once.
    ///
    /// # Errors
    /// When it does not answer, or has ended, by the deadline.
    pub fn wait_ready(&self, server: &mut Child, deadline: Instant) -> io::Result<bool> {
        while server.try_wait()?.is_none() {
            if self.answers()? {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Err(io::Error::other("PostgreSQL does not answer"));
            }
            std::thread::sleep(PAUSE);
        }
        if Instant::now() >= deadline {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            return Err(io::Error::other(format!("PostgreSQL does not start: {log}")));
        }
        std::thread::sleep(LONG_PAUSE);
        Ok(false)
    }

    fn answers(&self) -> io::Result<bool> {
        let mut ready = Command::new(&self.pg_isready);
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        Ok(ready.status()?.success())
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// A program of the server's, as whom it accepts.
    fn program(&self, name: &str) -> io::Result<Command> {
        let path = self.programs.join(name);
        if !as_root()? {
            return Ok(Command::new(path));
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        if !(is_open(&self.folder) && is_open(&self.programs)) {
            command.args(["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]);
        }
        command.args(["env", "HOME=/"]).arg(path).current_dir("/");
        Ok(command)
    }
}

/// Ends a server in order, so that it leaves no process behind.
pub fn stop(server: &mut Child) {
    let _ = Command::new("kill").args(["-INT", &server.id().to_string()]).status();
    let _ = server.wait();
}

/// The folder of the newest PostgreSQL that has all of these programs.
///
/// # Errors
/// When there is none.
pub fn programs(wanted: &[&str]) -> io::Result<PathBuf> {
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let whole = |folder: &PathBuf| wanted.iter().all(|name| folder.join(name).is_file());
    folders.into_iter().find(whole).ok_or_else(|| {
        let says = "PostgreSQL's server is not installed: run `deploy/setup.sh test`";
        io::Error::new(io::ErrorKind::NotFound, says)
    })
}

/// Whether this process is root's.
///
/// # Errors
/// When the system does not say.
pub fn as_root() -> io::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

/// Whether the server's user may pass through the folders above this one: those in the
/// home of root, such as a cache, may be closed to others.
fn is_open(folder: &Path) -> bool {
    let open = |folder: &Path| {
        fs::metadata(folder).is_ok_and(|folder| folder.permissions().mode() & 1 == 1)
    };
    folder.ancestors().skip(1).all(open)
}

/// Gives what root made to the server's user.
fn give_away(path: &Path) -> io::Result<()> {
    match as_root()? {
        true => run(Command::new("chown").arg("postgres").arg(path)),
        false => Ok(()),
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let done = command.output()?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(format!("{}: {why}", command.get_program().display())))
}
