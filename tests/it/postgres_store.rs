//! The same product over a store in PostgreSQL: one gateway at a time, and what it does
//! while the database is away.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::roles::{CONFIG, customer};
use crate::server::{PASSWORD, Server};
use crate::stand::{Stand, curl, free_address, program, text};

fn config(server: &Server) -> String {
    CONFIG
        .replace("store: FOLDER/data/store.db", &server.store())
        .replace("  listen: ADMIN\n", "  listen: ADMIN\n  socket: FOLDER/data/allonym.sock\n")
}

fn wait_for(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(seconds), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn with_email(id: &str, email: &str) -> Value {
    let mut body = customer(id);
    body["email"] = json!(email);
    body
}

fn post(stand: &Stand, token: &str, body: &Value) -> crate::stand::Answer {
    stand.as_token(token, "POST", "/v1/customers", Some(&body.to_string()))
}

fn billing(stand: &Stand, token: &str, id: &str) -> crate::stand::Answer {
    let headers = [&*format!("Allonym-Token: {token}"), "X-Purpose: chargeback"];
    stand.curl("GET", &format!("/v1/customers/{id}"), &headers, None)
}

fn ready(stand: &Stand) -> (u16, String) {
    let answer = curl(&format!("http://{}/readyz", stand.admin), "GET", &[], None);
    (answer.status, answer.body)
}

fn metric(stand: &Stand, line: &str) -> bool {
    let metrics = curl(&format!("http://{}/metrics", stand.admin), "GET", &[], None).body;
    metrics.lines().any(|found| found == line)
}

#[test]
fn the_shop_lives_in_postgresql() {
    let server = Server::new();
    let mut stand = Stand::without_gateway(&config(&server));
    stand.environment = vec![("SHOP_PASSWORD".to_owned(), PASSWORD.to_owned())];
    stand.start();
    let (shop, reader) = (stand.token("shop"), stand.token("billing"));
    let sent = with_email("c1", "zoe.canary@example.com");
    let answer = post(&stand, &shop, &sent);
    assert_eq!(answer.status, 201, "{}", answer.body);
    let stored = stand.stored("c1");
    assert!(stored["email"].as_str().unwrap().ends_with("@allonym.invalid"), "{stored}");
    let rotated = stand.allonym(&["keys", "rotate", "contact"]);
    assert!(rotated.status.success(), "{}", text(&rotated));
    assert!(metric(&stand, "allonym_store_held 1"));

    // Another gateway over the same store, in a folder of its own.
    fs::create_dir_all(stand.folder.join("second")).unwrap();
    let second = fs::read_to_string(&stand.config)
        .unwrap()
        .replace("/data/", "/second/")
        .replace(&stand.gateway, &free_address())
        .replace(&stand.admin, &free_address());
    let file = stand.folder.join("second.yaml");
    fs::write(&file, second).unwrap();
    let refused = Command::new(program("allonym"))
        .arg("--config")
        .arg(&file)
        .arg("run")
        .env("SHOP_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    let said = text(&refused);
    assert!(!refused.status.success(), "{said}");
    let holder = format!("process {}", stand.pid());
    assert!(said.contains("in use by another gateway") && said.contains(&holder), "{said}");
    assert_eq!(ready(&stand), (200, "ready\n".to_owned()), "the first one goes on");

    // In good order it waits for nothing; after a kill for the lease, and says so.
    stand.stop();
    let listed = text(&stand.allonym(&["keys", "list"]));
    assert!(listed.contains("1 deactivated, 2 active"), "{listed}");
    stand.start();
    assert!(!stand.log().contains("waiting at most"), "{}", stand.log());
    stand.kill();
    stand.start();
    assert!(stand.log().contains("waiting at most 15 seconds"), "{}", stand.log());
    assert_eq!(billing(&stand, &reader, "c1").json()["email"], "zoe.canary@example.com");
    let again = post(&stand, &shop, &with_email("c2", "zoe.canary@example.com"));
    assert_eq!(again.status, 201, "{}", again.body);
    assert_eq!(
        stand.stored("c2")["email"],
        stored["email"],
        "convergent over restart and rotation"
    );

    let verified = stand.allonym(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", text(&verified));
    let backup = stand.folder.join("allonym.backup");
    let made = stand.allonym(&["backup", backup.to_str().unwrap()]);
    assert!(made.status.success(), "{}", text(&made));
    stand.stop();
    let dump = server.dump();
    assert!(dump.contains("COPY") && dump.contains("tokens"), "nothing was dumped");
    for (what, text) in [("dump", dump), ("log", stand.log()), ("audit", stand.audit())] {
        for canary in ["zoe.canary", "Zoë", "4929120000006466", PASSWORD, "85073003328"] {
            assert!(!text.contains(canary), "{canary} in the {what}");
        }
    }
    // The backup makes a store where there is none: in a file as well.
    let in_file = CONFIG.replace("FOLDER/data/store.db", "FOLDER/restored/store.db");
    stand.configure(&in_file.replace("audit: FOLDER/data", "audit: FOLDER/restored"));
    let restored = stand.allonym(&["restore", backup.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", text(&restored));
    stand.start();
    assert_eq!(billing(&stand, &reader, "c1").json()["email"], "zoe.canary@example.com");
}

#[test]
fn while_the_database_is_away_nothing_is_made_up() {
    let mut server = Server::new();
    let mut stand = Stand::without_gateway(&config(&server));
    stand.environment = vec![("SHOP_PASSWORD".to_owned(), PASSWORD.to_owned())];
    stand.start();
    let (shop, reader) = (stand.token("shop"), stand.token("billing"));
    let sent = with_email("c1", "first@example.com");
    assert_eq!(post(&stand, &shop, &sent).status, 201);
    // From now on the store knows that this place is in use, and is not asked again.
    assert_eq!(billing(&stand, &reader, "c1").status, 200);

    server.kill();
    let refused = post(&stand, &shop, &with_email("c2", "second@example.com"));
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(refused.json()["rule"], "store-unavailable");
    assert!(!refused.body.contains("connection"), "how it failed is not told: {}", refused.body);
    // Computed methods need the keys in memory only; so do reads of them.
    let computed = json!({ "id": "c3", "card": { "number": "4929120000006466" } });
    assert_eq!(post(&stand, &shop, &computed).status, 201);
    let seen = billing(&stand, &reader, "c3");
    assert_eq!(seen.json()["card"]["number"], "4929120000006466", "{}", seen.body);
    wait_for("the lease does not run out", 40, || metric(&stand, "allonym_store_held 0"));
    wait_for("nobody says that the store fails", 20, || {
        stand.log().contains("warning: the token store failed (times: ")
    });
    assert!(!metric(&stand, "allonym_token_store_failures_total 0"));
    let (status, said) = ready(&stand);
    assert!(status == 200 && said.contains("the store is away"), "{status} {said}");
    let rotated = stand.allonym(&["keys", "rotate", "contact"]);
    assert!(text(&rotated).contains("store-unavailable"), "{}", text(&rotated));
    assert_eq!(post(&stand, &shop, &computed.clone()).status, 201);

    server.start();
    wait_for("it does not recover", 40, || ready(&stand) == (200, "ready\n".to_owned()));
    let answer = post(&stand, &shop, &with_email("c2", "second@example.com"));
    assert_eq!(answer.status, 201, "{}", answer.body);
    for (id, email) in [("c1", "first@example.com"), ("c2", "second@example.com")] {
        assert_eq!(billing(&stand, &reader, id).json()["email"], email);
    }
    assert!(stand.log().contains("warning: the store is away"), "{}", stand.log());
    assert!(stand.log().contains("the store is held again"), "{}", stand.log());

    // Without the database there is no start, and the message says where it looked.
    stand.stop();
    server.kill();
    let before = stand.log().len();
    let said = stand.start_fails().split_off(before);
    assert!(said.contains(&server.address()), "{said}");
    assert!(!said.contains(PASSWORD) && !said.contains("shop@"), "{said}");
}

/// Whoever finds its lease taken writes nothing, and is not ready for others.
#[test]
fn a_lease_that_was_taken_stops_every_write() {
    let server = Server::new();
    let mut stand = Stand::without_gateway(&config(&server));
    stand.environment = vec![("SHOP_PASSWORD".to_owned(), PASSWORD.to_owned())];
    stand.start();
    let shop = stand.token("shop");
    assert_eq!(post(&stand, &shop, &with_email("c1", "first@example.com")).status, 201);
    let far = "(extract(epoch from now()) * 1000)::bigint + 600000";
    let taken = format!(
        "UPDATE leases SET holder = 'elsewhere, process 7', fence = fence + 1, until = {far} WHERE name = 'gateway'"
    );
    server.sql("shop", &taken);
    wait_for("nobody notices", 20, || ready(&stand).0 == 503);
    assert!(ready(&stand).1.contains("elsewhere, process 7"), "{:?}", ready(&stand));
    let refused = post(&stand, &shop, &with_email("c2", "second@example.com"));
    assert_eq!((refused.status, &refused.json()["rule"]), (503, &json!("store-unavailable")));
    assert_eq!(server.sql("shop", "SELECT count(*) FROM tokens").trim(), "2");
    // The other one ends: everything is read again, and then written again.
    server.sql("shop", "UPDATE leases SET until = 0 WHERE name = 'gateway'");
    wait_for("it does not recover", 30, || ready(&stand) == (200, "ready\n".to_owned()));
    assert_eq!(post(&stand, &shop, &with_email("c2", "second@example.com")).status, 201);
}

/// A domain that cannot be erased: the receipt is of the others and of what was deleted.
#[test]
fn an_erasure_that_fails_part_way_is_on_the_receipt() {
    let server = Server::new();
    let mut stand = Stand::without_gateway(&config(&server));
    stand.environment = vec![("SHOP_PASSWORD".to_owned(), PASSWORD.to_owned())];
    stand.start();
    let file = stand.folder.join("shop.token");
    fs::write(&file, stand.token("shop")).unwrap();
    for (class, value) in [("email", "ada@example.com"), ("reference", "REF-1")] {
        let of = ["protect", class, "--subject", "customer-17", "--token-file"];
        let output = stand.allonym_with(&[&of[..], &[file.to_str().unwrap()]].concat(), value);
        assert!(output.status.success(), "{}", text(&output));
    }
    let sql = |sql: &str| server.sql("shop", sql);
    sql("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$");
    let guard = |condition: &str| {
        sql(&format!(
            "CREATE TRIGGER no BEFORE DELETE ON tokens FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION no()"
        ));
    };
    let erase = |name: &str| {
        let to = stand.folder.join(name);
        let of = ["tokens", "erase", "--subject", "customer-17", "--to"];
        (stand.allonym(&[&of[..], &[to.to_str().unwrap()]].concat()), to)
    };
    let events = || -> Vec<Value> {
        let log = stand.audit();
        let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events
            .filter(|event| event["action"] == "tokens.erase" && event["kind"] == "result")
            .collect()
    };

    // Nothing was deleted: nothing to keep.
    guard("true");
    let (output, to) = erase("nothing.json");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("store-unavailable") && !to.exists(), "{}", text(&output));
    sql("DROP TRIGGER no ON tokens");

    guard("starts_with(OLD.token, 'tok_')");
    let (output, to) = erase("first.json");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("domain `reference`"), "{}", text(&output));
    let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kept: Value = serde_json::from_slice(&fs::read(to).unwrap()).unwrap();
    assert_eq!(kept, receipt);
    assert_eq!(
        (&receipt["deleted"], &receipt["incomplete"]),
        (&json!(1), &json!("store-unavailable"))
    );
    let domains: Vec<_> = receipt["domains"].as_array().unwrap().iter().collect();
    assert_eq!((&domains[0]["name"], &domains[0]["incomplete"]), (&json!("email"), &Value::Null));
    assert_eq!(
        (&domains[1]["name"], &domains[1]["incomplete"]),
        (&json!("reference"), &json!("store-unavailable"))
    );
    let event = events().pop().unwrap();
    assert_eq!(
        (&event["outcome"], &event["rule"]),
        (&json!("failed"), &json!("store-unavailable"))
    );
    assert_eq!(
        (&event["detail"]["deleted"], &event["detail"]["domains"]),
        (&json!("1"), &json!("2")),
        "{event}"
    );
    sql("DROP TRIGGER no ON tokens");

    let (output, _) = erase("second.json");
    assert!(output.status.success(), "{}", text(&output));
    let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&receipt["deleted"], &receipt["incomplete"]),
        (&json!(1), &Value::Null),
        "{receipt}"
    );
}
