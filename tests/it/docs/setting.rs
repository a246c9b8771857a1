//! Where the commands of a page run.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{DATABASE, Step, WRITTEN, matches_lines};
use crate::server::Server;
use crate::stand::{Stand, curl, free_address, program};

/// Beside a gateway of `examples/demo.yaml`, or, where the page starts its own, beside an
/// upstream that holds one customer; and beside a database, where the page has one.
pub(super) struct Setting {
    stand: Stand,
    folder: PathBuf,
    addresses: [String; 5],
    started: Vec<Child>,
    _database: Option<Server>,
}

impl Setting {
    pub(super) fn of(steps: &[Step]) -> Self {
        let config = include_str!("../../../examples/demo.yaml")
            .replace(
                "admin: { listen: 127.0.0.1:9464 }",
                "admin: { listen: ADMIN, operators: { USER: [keys, tokens, audit] } }",
            )
            .replace(WRITTEN[0], "GATEWAY")
            .replace(WRITTEN[1], "UPSTREAM")
            .replace(" ./", " FOLDER/")
            .replace("\nconnectors:\n", &format!("\nconnectors:\n{LEDGER}"));
        let own = steps.iter().any(|step| step.command.starts_with("allonym run"));
        let stand = if own { Stand::without_gateway(&config) } else { Stand::new(&config) };
        let folder = if own { stand.folder.join("own") } else { stand.folder.clone() };
        fs::create_dir_all(&folder).unwrap();
        let database = steps.iter().any(|step| step.command.contains(DATABASE)).then(database);
        let served = database.as_ref().map_or_else(free_address, Server::address);
        let relay = free_address();
        let addresses = if own {
            let url = format!("http://{}/v1/customers", stand.upstream);
            assert_eq!(curl(&url, "POST", &[], Some(CUSTOMER)).status, 201);
            [free_address(), stand.upstream.clone(), free_address(), relay, served]
        } else {
            let [gateway, upstream, admin] = [&stand.gateway, &stand.upstream, &stand.admin];
            [gateway.clone(), upstream.clone(), admin.clone(), relay, served]
        };
        Self { stand, folder, addresses, started: Vec::new(), _database: database }
    }

    /// Runs a command, and fails where it does not print what its page says.
    pub(super) fn carry_out(&mut self, step: &Step) {
        // Pages name files of the checkout from its root; commands run elsewhere.
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/vectors/");
        let mut command = step.command.replace("docs/vectors/", root);
        for (written, real) in WRITTEN.iter().zip(&self.addresses) {
            command = command.replace(written, real);
        }
        if let Some(command) = command.strip_suffix(" &") {
            self.start(command, step);
            return;
        }
        let start = Instant::now();
        loop {
            let (printed, succeeded) = self.run(&command);
            let same = match step.expected.as_slice() {
                [] => succeeded,
                expected => matches_lines(expected, &printed),
            };
            if same {
                break;
            }
            // A request is counted a moment after it was answered.
            let may_follow = command.contains("/metrics") && start.elapsed() < PATIENCE;
            assert!(
                may_follow,
                "{}: {}\nprints\n{printed}\nand not\n{}\n{}",
                step.at,
                step.command,
                step.expected.join("\n"),
                self.stand.log()
            );
        }
        self.give_free_ports();
    }

    /// What a command prints, and whether it succeeds.
    fn run(&self, command: &str) -> (String, bool) {
        let mut shell = Command::new("timeout");
        shell.args(["60", "bash", "-c", &format!("{}\nexec 2>&1\n{command}", path())]);
        let output = shell.current_dir(&self.folder).stdin(Stdio::null()).output().unwrap();
        (self.as_written(&String::from_utf8_lossy(&output.stdout)), output.status.success())
    }

    /// Starts what keeps running, and waits until it has said what the page says.
    fn start(&mut self, command: &str, step: &Step) {
        let log = self.folder.join("started.log");
        let output = fs::File::create(&log).unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("{}\nexec {command}", path())]);
        shell.current_dir(&self.folder).stdin(Stdio::null());
        let child = shell.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        self.started.push(child);
        let start = Instant::now();
        loop {
            let printed = self.as_written(&fs::read_to_string(&log).unwrap());
            if matches_lines(&step.expected, &printed) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{}: {command} prints\n{printed}", step.at);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What was printed, with the addresses that the page writes.
    fn as_written(&self, printed: &str) -> String {
        let written = WRITTEN.iter().zip(&self.addresses);
        written.fold(printed.to_owned(), |text, (written, real)| text.replace(real, written))
    }

    /// A proposed configuration listens on the usual ports; tests run side by side.
    fn give_free_ports(&self) {
        let file = self.folder.join("allonym.yaml");
        if let Ok(mut config) = fs::read_to_string(&file) {
            for (written, real) in WRITTEN.iter().zip(&self.addresses) {
                config = config.replace(written, real);
            }
            fs::write(&file, config).unwrap();
        }
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        for child in &mut self.started {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A database that has nothing yet, and will ask the role of the page for a password.
fn database() -> Server {
    let server = Server::new();
    server.rule("host all app_billing all scram-sha-256");
    server
}

/// A database whose users are administered; nobody listens there.
const LEDGER: &str = "  ledger:
    type: postgres
    listen: 127.0.0.1:0
    upstream: postgres://127.0.0.1:1
    upstream_tls: off
    callers: { users: { app_billing: { role: billing } } }
";

/// Puts this workspace's programs before all others.
fn path() -> String {
    let programs = program("allonym").parent().unwrap().to_owned();
    format!("export PATH='{}':\"$PATH\"", programs.display())
}

/// How long something may take to show.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the user's own API holds.
const CUSTOMER: &str = r#"{"id":"c-1","full_name":"Zoë Müller","email":"zoe@example.com","card":{"number":"4929120000006466","expiry":"12/29"},"birth_date":"1985-07-30","address":{"city":"Bonn"},"note":"called twice"}"#;
