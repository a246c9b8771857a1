//! Reload, drain, and being killed without warning.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::roles::{CONFIG, customer};
use crate::stand::{Stand, curl, program, text};

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_reload_swaps_and_an_invalid_one_changes_nothing() {
    let stand = Stand::new(CONFIG);
    let (shop, support) = (stand.token("shop"), stand.token("support"));
    assert_eq!(
        stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string())).status,
        201
    );
    let name =
        || stand.as_token(&support, "GET", "/v1/customers/c1", None).json()["full_name"].clone();
    let masked = name();

    stand.configure(
        &CONFIG
            .replace("    reveal: [email]\n    mask:", "    reveal: [email, full_name]\n    mask:"),
    );
    stand.signal("HUP");
    wait_for("the reload did not happen", || stand.log().contains("revision 2 is in force"));
    assert_eq!(name(), customer("c1")["full_name"]);

    stand.configure(&CONFIG.replace("template: pan", "template: pam"));
    stand.signal("HUP");
    wait_for("the reload was not refused", || stand.log().contains("not reloaded"));
    assert!(stand.log().contains("allonym.yaml:"), "{}", stand.log());
    assert_eq!(name(), customer("c1")["full_name"], "the old configuration stays");

    stand.configure(CONFIG);
    stand.signal("HUP");
    wait_for("the third reload did not happen", || stand.log().contains("revision 3 is in force"));
    assert_eq!(name(), masked);
    let metrics = curl(&format!("http://{}/metrics", stand.admin), "GET", &[], None).body;
    assert!(metrics.contains("allonym_reloads_total{result=\"refused\"} 1"), "{metrics}");
    assert!(metrics.contains("http_server_request_duration_seconds"), "{metrics}");
}

#[test]
fn sigterm_finishes_what_is_running() {
    let mut stand = Stand::new(CONFIG);
    let shop = stand.token("shop");
    // A request whose body comes slowly is under way when the signal comes.
    let mut slow = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--limit-rate", "300", "-X", "POST"])
        .args(["-H", &format!("Allonym-Token: {shop}"), "-H", "Content-Type: application/json"])
        .args(["--data-binary", &customer("slow").to_string()])
        .arg(format!("http://{}/v1/customers", stand.gateway))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the request did not begin", || {
        curl(&format!("http://{}/metrics", stand.admin), "GET", &[], None)
            .body
            .lines()
            .any(|line| line.starts_with("http_server_active_requests") && line.ends_with(" 1"))
    });
    let status = stand.stop();
    assert!(status.success(), "{}", stand.log());
    assert!(slow.wait().unwrap().success());
    let mut code = String::new();
    std::io::Read::read_to_string(&mut slow.stdout.take().unwrap(), &mut code).unwrap();
    assert_eq!(code, "201");
    assert_eq!(stand.stored("slow")["birth_date"], customer("slow")["birth_date"]);
}

/// More lines than a pipe holds, whose reader comes late.
#[test]
fn the_access_log_is_written_to_its_end() {
    const REQUESTS: usize = 1_000;
    let mut stand = Stand::without_gateway(CONFIG);
    let pipe = stand.folder.join("access.log");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Nobody waits for the other side to open it.
    let both = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    stand.start_with(|command| {
        let mut shell = Command::new("bash");
        shell.args(["-c", "exec \"$@\" > \"$0\""]).arg(&pipe);
        shell.arg(command.get_program()).args(command.get_args());
        shell
    });
    let mut reader = fs::File::open(&pipe).unwrap();
    drop(both);
    let asked = Command::new("curl")
        .args(["-s", "--max-time", "60", "-o", "/dev/null"])
        .arg(format!("http://{}/v1/customers/[1-{REQUESTS}]", stand.gateway))
        .status();
    assert!(asked.unwrap().success());
    stand.signal("TERM");
    // Time to end, for a gateway that would not wait for its reader.
    let status = format!("/proc/{}/status", stand.pid());
    let has_ended = || fs::read_to_string(&status).unwrap_or_default().contains("Z (zombie)");
    let start = Instant::now();
    while !has_ended() && start.elapsed() < Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut lines = String::new();
    std::io::Read::read_to_string(&mut reader, &mut lines).unwrap();
    assert_eq!(lines.matches("\"request\":").count(), REQUESTS);
    assert!(stand.wait().success(), "{}", stand.log());
}

#[test]
fn a_second_gateway_on_one_store_is_refused() {
    let stand = Stand::new(CONFIG);
    let second = Command::new(program("allonym"))
        .arg("--config")
        .arg(&stand.config)
        .arg("run")
        .output()
        .unwrap();
    assert!(!second.status.success());
    assert!(text(&second).contains("in use"), "{}", text(&second));
}

/// What the gateway has acknowledged, by those who asked.
#[derive(Default)]
struct Acknowledged {
    /// Customers with their e-mail addresses.
    customers: HashMap<String, String>,
    /// Rotations that were asked for, and those that were acknowledged.
    asked: usize,
    rotations: usize,
    /// API tokens, and what is known of their revocation.
    tokens: Vec<(String, Revocation)>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Revocation {
    NotAsked,
    Unknown,
    Acknowledged,
}

/// What the threads of one round need: they run until the gateway was killed.
struct Load {
    gateway: String,
    config: PathBuf,
    shop: String,
    round: usize,
    killed: AtomicBool,
    acknowledged: Arc<Mutex<Acknowledged>>,
}

/// Ends the threads of a round when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Load {
    fn write(&self, writer: usize) {
        for number in 0.. {
            if self.killed.load(Ordering::Acquire) {
                return;
            }
            let id = format!("r{}-w{writer}-{number}", self.round);
            let email = format!("{id}@example.com");
            let mut body = customer(&id);
            body["email"] = email.clone().into();
            let done = Command::new("curl")
                .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"])
                .args(["-H", &format!("Allonym-Token: {}", self.shop)])
                .args(["-H", "Content-Type: application/json"])
                .args(["--data-binary", &body.to_string()])
                .arg(format!("http://{}/v1/customers", self.gateway))
                .output()
                .unwrap();
            if done.stdout == b"201" {
                self.acknowledged.lock().unwrap().customers.insert(id, email);
            }
        }
    }

    /// A command of the gateway; what it printed if it was acknowledged. Once the gateway
    /// is gone, commands open the store themselves: that is acknowledged as well.
    fn command(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new(program("allonym"))
            .arg("--config")
            .arg(&self.config)
            .args(arguments)
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    fn rotate(&self) {
        while !self.killed.load(Ordering::Acquire) {
            self.acknowledged.lock().unwrap().asked += 1;
            if self.command(&["keys", "rotate", "contact"]).is_some() {
                self.acknowledged.lock().unwrap().rotations += 1;
            }
        }
    }

    /// Every second token is revoked at once.
    fn administer(&self) {
        for number in 0.. {
            if self.killed.load(Ordering::Acquire) {
                return;
            }
            let name = format!("r{}-{number}", self.round);
            let create = ["api-tokens", "create", "--role", "billing", "--name", &name];
            let Some(token) = self.command(&create) else { continue };
            let mut revocation = Revocation::NotAsked;
            if number % 2 == 0 {
                let done = self.command(&["api-tokens", "revoke", &name]).is_some();
                revocation = if done { Revocation::Acknowledged } else { Revocation::Unknown };
            }
            let token = token.trim().to_owned();
            self.acknowledged.lock().unwrap().tokens.push((token, revocation));
        }
    }
}

/// kill -9 while values are written, a key rotates, and tokens are made and revoked.
#[test]
fn what_was_acknowledged_survives_kill_9() {
    let kills = if std::env::var_os("ALLONYM_SOAK").is_some() { 50 } else { 5 };
    let mut stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let acknowledged: Arc<Mutex<Acknowledged>> = Arc::default();
    for round in 0..kills {
        let load = Load {
            gateway: stand.gateway.clone(),
            config: stand.config.clone(),
            shop: shop.clone(),
            round,
            killed: AtomicBool::new(false),
            acknowledged: Arc::clone(&acknowledged),
        };
        let counts = || {
            let all = acknowledged.lock().unwrap();
            (all.customers.len(), all.rotations, all.tokens.len())
        };
        let before = counts();
        std::thread::scope(|threads| {
            // Also where this thread fails: the others would go on for ever.
            let _end = End(&load.killed);
            threads.spawn(|| load.write(0));
            threads.spawn(|| load.write(1));
            threads.spawn(|| load.rotate());
            threads.spawn(|| load.administer());
            wait_for("no traffic", || {
                let now = counts();
                now.0 >= before.0 + 10 && now.1 > before.1 && now.2 > before.2 + 1
            });
            stand.kill();
        });
        stand.start();
        let verified = stand.allonym(&["audit", "verify"]);
        assert!(verified.status.success(), "{}", text(&verified));
        let versions = versions(&stand, "contact");
        let all = acknowledged.lock().unwrap();
        // One that was not acknowledged may have happened or not.
        assert!((all.rotations + 1..=all.asked + 1).contains(&versions), "{versions} versions");
        for (token, revocation) in &all.tokens {
            let answer = stand.as_token(token, "GET", "/v1/customers/nobody", None);
            match revocation {
                Revocation::NotAsked => assert_eq!(answer.status, 404, "{}", answer.body),
                Revocation::Acknowledged => assert_eq!(answer.status, 401, "{}", answer.body),
                Revocation::Unknown => assert!(matches!(answer.status, 401 | 404)),
            }
        }
    }
    let all = acknowledged.lock().unwrap();
    assert!(all.customers.len() >= kills * 10 && all.rotations >= kills);
    for (id, email) in &all.customers {
        let headers = [&*format!("Allonym-Token: {billing}"), "X-Purpose: chargeback"];
        let seen = stand.curl("GET", &format!("/v1/customers/{id}"), &headers, None);
        assert_eq!(seen.status, 200, "{id}: {}", seen.body);
        assert_eq!(seen.json()["email"], **email, "{id}");
        assert_eq!(seen.json()["full_name"], customer(id)["full_name"], "{id}");
    }
}

/// How many versions a key has.
fn versions(stand: &Stand, key: &str) -> usize {
    let listed = stand.allonym(&["--json", "keys", "list"]);
    let keys: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let found = keys.as_array().unwrap().iter().find(|view| view["name"] == key);
    found.unwrap()["versions"].as_array().unwrap().len()
}
