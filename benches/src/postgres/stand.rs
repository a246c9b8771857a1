//! The server and the two relays in front of it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Running, accepts, free_address};
use crate::tokens::server::Server;
use crate::{Outcome, machine};

const GATEWAY: &str = include_str!("../../peers/postgres.yaml");
const BOUNCER: &str = include_str!("../../peers/pgbouncer.ini");
/// The core of whatever relay is under load.
const UNDER_TEST: usize = 0;
pub(super) const PASSWORD: &str = "of the bench";
/// What 10,000 idle backends fit in, and none is busy with.
const SETTINGS: [&str; 6] = [
    "shared_buffers=128MB",
    "max_connections=10500",
    "superuser_reserved_connections=3",
    "autovacuum=off",
    "huge_pages=off",
    "password_encryption=scram-sha-256",
];

/// How the server is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Relay,
    Bouncer,
    Direct,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Relay, Self::Bouncer, Self::Direct];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Relay => "allonym",
            Self::Bouncer => "PgBouncer",
            Self::Direct => "direct",
        }
    }
}

/// Everything that runs; dropping it ends it.
pub(super) struct Stand {
    relay: (Running, SocketAddr),
    bouncer: (Running, SocketAddr),
    server: Server,
    direct: SocketAddr,
}

impl Stand {
    /// Starts everything in a fresh folder; nothing where no PostgreSQL is installed.
    pub(super) fn new(folder: &Path) -> Outcome<Option<Self>> {
        let Some(server) = Server::start(&folder.join("server"), &SETTINGS)? else {
            return Ok(None);
        };
        let direct = server.address();
        sql(direct, &format!("CREATE ROLE bench LOGIN SUPERUSER PASSWORD '{PASSWORD}'"))?;
        let pgbench = ["-h", "127.0.0.1", "-U", "postgres", "-i", "-s", "5", "-q"];
        let port = direct.port().to_string();
        run(Command::new("pgbench").args(pgbench).args(["-p", &port, "postgres"]), None)?;
        let relay = gateway(folder, direct)?;
        let bouncer = bouncer(folder, direct)?;
        let stand = Self { relay, bouncer, server, direct };
        stand.pin("0", "1")?;
        Ok(Some(stand))
    }

    pub(super) const fn address(&self, way: Way) -> SocketAddr {
        match way {
            Way::Relay => self.relay.1,
            Way::Bouncer => self.bouncer.1,
            Way::Direct => self.direct,
        }
    }

    /// Of the relay; a direct way has none.
    pub(super) fn cpu_seconds(&self, way: Way) -> Outcome<f64> {
        match way {
            Way::Relay => self.relay.0.scheduled_seconds(),
            Way::Bouncer => self.bouncer.0.scheduled_seconds(),
            Way::Direct => Ok(0.0),
        }
    }

    /// A line of `/proc/PID/status` of the relay, in bytes.
    pub(super) fn memory(&self, way: Way, line: &str) -> Outcome<f64> {
        match way {
            Way::Relay => self.relay.0.memory(line),
            Way::Bouncer => self.bouncer.0.memory(line),
            Way::Direct => Err("nothing is on the direct way".into()),
        }
    }

    /// Forgets the peak of the relay's memory.
    pub(super) fn forget_peak(&self, way: Way) -> Outcome<()> {
        match way {
            Way::Relay => self.relay.0.forget_peak(),
            Way::Bouncer => self.bouncer.0.forget_peak(),
            Way::Direct => Ok(()),
        }
    }

    /// Which cores the relays have, and which the server.
    pub(super) fn pin(&self, relays: &str, server: &str) -> Outcome<()> {
        for (process, cores) in
            [(self.relay.0.id(), relays), (self.bouncer.0.id(), relays), (self.server.id(), server)]
        {
            run(
                Command::new("taskset").args(["-a", "-p", "-c", cores, &process.to_string()]),
                None,
            )?;
        }
        Ok(())
    }
}

/// Runs a statement at the server itself.
pub(super) fn sql(server: SocketAddr, statement: &str) -> Outcome<()> {
    let port = server.port().to_string();
    let to = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-Xqc"];
    run(Command::new("psql").args(to).arg(statement), None)
}

fn gateway(folder: &Path, upstream: SocketAddr) -> Outcome<(Running, SocketAddr)> {
    let (listen, admin) = (free_address()?, free_address()?);
    let user = String::from_utf8(Command::new("id").arg("-un").output()?.stdout)?;
    let text = GATEWAY
        .replace("LISTEN", &listen.to_string())
        .replace("UPSTREAM", &upstream.to_string())
        .replace("ADMIN", &admin.to_string())
        .replace("USER", user.trim())
        .replace("FOLDER", &folder.display().to_string());
    let config = folder.join("allonym.yaml");
    fs::write(&config, text)?;
    fs::create_dir_all(folder.join("data"))?;
    let program = machine::program("allonym")?;
    let allonym = |arguments: &[&str], input| {
        let mut command = Command::new(&program);
        command.arg("--config").arg(&config).args(arguments).env("BENCH_PASSWORD", PASSWORD);
        run(&mut command, input)
    };
    allonym(&["seal", "create", &folder.join("seal.key").display().to_string()], None)?;
    let path = config.display().to_string();
    let run_it = ["--config", &path, "run"];
    let variable = format!("BENCH_PASSWORD={PASSWORD}");
    let mut running = start("relay", folder, &program, &run_it, &[&variable])?;
    running.wait(|| accepts(listen))?;
    allonym(&["db-users", "add", "bench"], Some(PASSWORD))?;
    Ok((running, listen))
}

fn bouncer(folder: &Path, upstream: SocketAddr) -> Outcome<(Running, SocketAddr)> {
    let listen = free_address()?;
    fs::write(folder.join("users.txt"), format!("\"bench\" \"{PASSWORD}\"\n"))?;
    let text = BOUNCER
        .replace("LISTEN", &listen.port().to_string())
        .replace("PORT", &upstream.port().to_string())
        .replace("FOLDER", &folder.display().to_string());
    let config = folder.join("pgbouncer.ini");
    fs::write(&config, text)?;
    let (program, path) = (machine::installed("pgbouncer")?, config.display().to_string());
    // It refuses to be root.
    let root =
        fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)?;
    let passage = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"];
    let user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"];
    let program_text = program.display().to_string();
    let as_other = [&user[..], &passage[..], &[&program_text, &path]].concat();
    let mut running = if root {
        start("pgbouncer", folder, Path::new("setpriv"), &as_other, &[])?
    } else {
        start("pgbouncer", folder, &program, &[&path], &[])?
    };
    running.wait(|| accepts(listen))?;
    Ok((running, listen))
}

/// A relay, with as many files as it may have.
fn start(
    name: &'static str,
    folder: &Path,
    program: &Path,
    arguments: &[&str],
    variables: &[&str],
) -> Outcome<Running> {
    let files = "ulimit -n 65536 2>/dev/null || ulimit -n $(ulimit -Hn); exec \"$@\"";
    let program = program.display().to_string();
    let shell = [&["-c", files, name, "env"], variables, &[&program], arguments].concat();
    Running::start(name, UNDER_TEST, folder, Path::new("/bin/sh"), &shell)
}

fn run(command: &mut Command, input: Option<&str>) -> Outcome<()> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        std::io::Write::write_all(&mut pipe, input.as_bytes())?;
    }
    let done = child.wait_with_output()?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(format!("{}: {why}", command.get_program().display()).into())
}
