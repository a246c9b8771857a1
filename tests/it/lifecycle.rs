//! Reload, drain, and being killed without warning.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// kill -9 under load, with rotations, token creations and revocations in the loop.
#[test]
fn what_was_acknowledged_survives_kill_9() {
    let kills = if std::env::var_os("ALLONYM_SOAK").is_some() { 50 } else { 5 };
    let mut stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let acknowledged: Arc<Mutex<HashMap<String, String>>> = Arc::default();
    let mut tokens: Vec<(String, bool)> = Vec::new();
    for round in 0..kills {
        let stop = Arc::new(AtomicBool::new(false));
        let posted = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (gateway, shop) = (stand.gateway.clone(), shop.clone());
                let (stop, posted) = (Arc::clone(&stop), Arc::clone(&posted));
                let acknowledged = Arc::clone(&acknowledged);
                std::thread::spawn(move || {
                    for number in 0.. {
                        if stop.load(Ordering::Acquire) {
                            return;
                        }
                        let id = format!("r{round}-w{writer}-{number}");
                        let email = format!("{id}@example.com");
                        let mut body = customer(&id);
                        body["email"] = email.clone().into();
                        let done = Command::new("curl")
                            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"])
                            .args([
                                "-H",
                                &format!("Allonym-Token: {shop}"),
                                "-H",
                                "Content-Type: application/json",
                            ])
                            .args(["--data-binary", &body.to_string()])
                            .arg(format!("http://{gateway}/v1/customers"))
                            .output()
                            .unwrap();
                        if done.stdout == b"201" {
                            acknowledged.lock().unwrap().insert(id, email);
                            posted.fetch_add(1, Ordering::AcqRel);
                        }
                    }
                })
            })
            .collect();
        let rotated = stand.allonym(&["keys", "rotate", "contact"]);
        assert!(rotated.status.success(), "{}", text(&rotated));
        let name = format!("round-{round}");
        let made = stand.allonym(&["api-tokens", "create", "--name", &name, "--role", "billing"]);
        assert!(made.status.success(), "{}", text(&made));
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let revoke = round % 2 == 0;
        if revoke {
            assert!(stand.allonym(&["api-tokens", "revoke", &name]).status.success());
        }
        tokens.push((token, revoke));
        wait_for("no traffic", || posted.load(Ordering::Acquire) >= 10);
        stand.kill();
        stop.store(true, Ordering::Release);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        stand.start();
        for (token, revoked) in &tokens {
            let answer = stand.as_token(token, "GET", "/v1/customers/nobody", None);
            assert_eq!(answer.status == 401, *revoked, "{}", answer.body);
        }
        let verified = stand.allonym(&["audit", "verify"]);
        assert!(verified.status.success(), "{}", text(&verified));
    }
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.len() >= kills * 10);
    for (id, email) in acknowledged.iter() {
        let headers = [&*format!("Allonym-Token: {billing}"), "X-Purpose: chargeback"];
        let seen = stand.curl("GET", &format!("/v1/customers/{id}"), &headers, None);
        assert_eq!(seen.status, 200, "{id}: {}", seen.body);
        assert_eq!(seen.json()["email"], **email, "{id}");
        assert_eq!(seen.json()["full_name"], customer(id)["full_name"], "{id}");
    }
    let versions = text(&stand.allonym(&["keys", "list"]));
    assert!(versions.contains(&format!("{} active", kills + 1)), "{versions}");
}
