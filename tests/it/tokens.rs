//! Tokens from the outside: switched off and on, ended, deleted, erased with a receipt,
//! exported and imported; each act on the record, and no value anywhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::roles::{CONFIG, customer};
use crate::stand::{Stand, curl, text};

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Stores a customer with this address over HTTP; the token the upstream holds.
fn stored(stand: &Stand, shop: &str, id: &str, email: &str) -> String {
    let mut body = customer(id);
    body["email"] = json!(email);
    let answer = stand.as_token(shop, "POST", "/v1/customers", Some(&body.to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    stand.stored(id)["email"].as_str().unwrap().to_owned()
}

/// What a reader with every right sees over HTTP.
fn read(stand: &Stand, billing: &str, id: &str) -> crate::stand::Answer {
    let headers = [&*format!("Allonym-Token: {billing}"), "X-Purpose: chargeback"];
    stand.curl("GET", &format!("/v1/customers/{id}"), &headers, None)
}

fn done(stand: &Stand, arguments: &[&str]) -> String {
    let output = stand.allonym(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn events(stand: &Stand, action: &str) -> Vec<Value> {
    let log = stand.audit();
    let events = log.lines().map(|line| serde_json::from_str(line).unwrap());
    events.filter(|event: &Value| event["action"] == action).collect()
}

/// Whether text is in any file below a folder.
fn is_found(folder: &Path, needle: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_found(&path, needle);
        }
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

#[test]
fn tokens_are_switched_ended_and_deleted() {
    let stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let token = stored(&stand, &shop, "c1", "ada.canary@example.com");
    assert_eq!(read(&stand, &billing, "c1").json()["email"], "ada.canary@example.com");

    assert_eq!(read(&stand, &billing, "c1").json()["email"], "ada.canary@example.com");
    wait_for("nothing is found in memory", || {
        let metrics = curl(&format!("http://{}/metrics", stand.admin), "GET", &[], None).body;
        let hits = metrics.lines().find_map(|l| l.strip_prefix("allonym_token_cache_hits_total "));
        hits.is_some_and(|hits| hits != "0")
    });

    assert!(done(&stand, &["tokens", "disable", "email", &token]).contains("1 of 1"));
    let refused = read(&stand, &billing, "c1");
    assert!(!refused.body.contains("ada.canary"), "{}", refused.body);
    assert_ne!(refused.status, 200, "{}", refused.body);
    let listed = done(&stand, &["tokens", "list", "email"]);
    assert!(listed.contains(&token) && listed.contains("disabled"), "{listed}");
    // In capitals, as a mail system may have left it, and one a line.
    let enabled =
        stand.allonym_with(&["tokens", "enable", "email"], &format!("{}\n", token.to_uppercase()));
    assert!(enabled.status.success(), "{}", text(&enabled));
    assert_eq!(read(&stand, &billing, "c1").json()["email"], "ada.canary@example.com");

    done(&stand, &["tokens", "expire", "email", &token, "--in", "1s"]);
    wait_for("it does not end", || read(&stand, &billing, "c1").status != 200);
    // Whoever tidies deletes it, and the value gets another token then.
    wait_for("nobody tidies", || !done(&stand, &["tokens", "list", "email"]).contains(&token));
    let second = stored(&stand, &shop, "c2", "ada.canary@example.com");
    assert_ne!(second, token);
    done(&stand, &["tokens", "expire", "email", &second, "--in", "1h"]);
    done(&stand, &["tokens", "expire", "email", &second, "--never"]);
    let listed: Value =
        serde_json::from_str(&done(&stand, &["--json", "tokens", "list", "email"])).expect("JSON");
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["expires"], Value::Null);

    assert!(done(&stand, &["tokens", "delete", "email", &second]).contains("1 of 1"));
    assert_ne!(read(&stand, &billing, "c2").status, 200);
    assert_ne!(stored(&stand, &shop, "c3", "ada.canary@example.com"), second);
    let unknown = stand.allonym(&["tokens", "delete", "email", &second, "no token at all"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", text(&unknown));
    assert!(text(&unknown).contains("0 of 2"), "{}", text(&unknown));
    let counted = done(&stand, &["tokens", "count"]);
    assert!(counted.contains("email") && counted.contains("reference"), "{counted}");

    for (action, times) in [
        ("tokens.disable", 1),
        ("tokens.enable", 1),
        ("tokens.expire", 3),
        ("tokens.delete", 2),
        ("tokens.count", 1),
    ] {
        let events = events(&stand, action);
        assert_eq!(events.len(), 2 * times, "{action}: {events:?}");
        assert_eq!(events[0]["kind"], "intent", "{action}");
        assert_eq!(events[1]["outcome"], "done", "{action}");
        assert!(!events.iter().any(|event| event.to_string().contains(&token)), "{action}");
    }
    assert!(done(&stand, &["audit", "verify"]).contains("every link"));
    assert!(!is_found(&stand.folder.join("data"), "ada.canary"));
    assert!(!stand.log().contains("ada.canary"), "{}", stand.log());
}

/// A class says how long its tokens are good for.
#[test]
fn tokens_end_by_themselves() {
    let config = CONFIG.replace(
        "{ method: token, template: email, key: contact }",
        "{ method: token, template: email, key: contact, ttl: 2s }",
    );
    let stand = Stand::new(&config);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let token = stored(&stand, &shop, "c1", "ada@example.com");
    let listed = done(&stand, &["--json", "tokens", "list", "email"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let (created, expires) = (&listed[0]["created"], &listed[0]["expires"]);
    assert_eq!(expires.as_i64().unwrap() - created.as_i64().unwrap(), 2_000, "{listed}");
    wait_for("it does not end", || read(&stand, &billing, "c1").status != 200);
    assert_ne!(stored(&stand, &shop, "c2", "ada@example.com"), token);
    wait_for("nobody tidies", || !done(&stand, &["tokens", "list", "email"]).contains("@"));
}

#[test]
fn a_subject_is_erased_with_a_receipt() {
    let stand = Stand::new(CONFIG);
    let (shop, file) = (stand.token("shop"), stand.folder.join("shop.token"));
    fs::write(&file, &shop).unwrap();
    let protect = |class: &str, subject: &str, value: &str| {
        let token_file = file.to_str().unwrap();
        let arguments = ["protect", class, "--subject", subject, "--token-file", token_file];
        let output = stand.allonym_with(&arguments, &format!("{value}\n"));
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let own = protect("email", "customer-17", "ada@example.com");
    protect("reference", "customer-17", "REF-1");
    let shared = protect("email", "customer-17", "family@example.com");
    assert_eq!(protect("email", "customer-18", "family@example.com"), shared);
    let other = protect("email", "customer-18", "bob@example.com");

    let receipt_file = stand.folder.join("receipt.json");
    let erase = ["tokens", "erase", "--subject", "customer-17", "--to"];
    let output = stand.allonym(&[&erase[..], &[receipt_file.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", text(&output));
    let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kept: Value = serde_json::from_slice(&fs::read(&receipt_file).unwrap()).unwrap();
    assert_eq!(kept, receipt);
    assert_eq!(fs::metadata(&receipt_file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(receipt["deleted"], 2, "{receipt}");
    let domains = receipt["domains"].as_array().unwrap();
    let email = domains.iter().find(|domain| domain["name"] == "email").unwrap();
    assert_eq!((&email["deleted"], &email["shared"]), (&json!(1), &json!(1)), "{email}");
    assert!(text(&output).contains(&shared), "what stays is named: {}", text(&output));
    let intent = &events(&stand, "tokens.erase")[0];
    assert_eq!(intent["seq"], receipt["audit"]);
    assert!(!stand.audit().contains("customer-17"), "{}", stand.audit());

    let listed = done(&stand, &["tokens", "list", "email"]);
    assert!(!listed.contains(&own), "{listed}");
    assert!(listed.contains(&shared) && listed.contains(&other), "{listed}");
    assert!(done(&stand, &["tokens", "count", "email"]).contains("tokens: 2 "), "claims are none");
    assert_ne!(protect("email", "customer-17", "ada@example.com"), own);
    // A receipt that could not be kept: nothing is deleted.
    let refused = stand.allonym(&[&erase[..], &[receipt_file.to_str().unwrap()]].concat());
    assert!(!refused.status.success());
    assert_eq!(events(&stand, "tokens.erase").len(), 2);
}

/// A place says whom its values are about: what was protected there is found.
#[test]
fn a_place_names_the_subject() {
    let config = CONFIG.replace(
        "\"PUT /v1/customers/{id}\": *customer",
        "\"PUT /v1/customers/{id}\": { subject: \"path:id\", \"$.email\": email }",
    );
    let stand = Stand::new(&config);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    for (id, email) in [("c1", "ada@example.com"), ("c2", "bob@example.com")] {
        stored(&stand, &shop, id, "before@example.com");
        let body = json!({ "id": id, "email": email }).to_string();
        let answer = stand.as_token(&shop, "PUT", &format!("/v1/customers/{id}"), Some(&body));
        assert!(answer.status < 300, "{}", answer.body);
    }
    let erased = done(&stand, &["tokens", "erase", "--subject", "c1", "--class", "email"]);
    let receipt: Value = serde_json::from_str(&erased).unwrap();
    assert_eq!(receipt["deleted"], 1, "{receipt}");
    assert_eq!(read(&stand, &billing, "c2").json()["email"], "bob@example.com");
    assert!(done(&stand, &["tokens", "count", "email"]).contains("tokens: 2 "));
    for wrong in ["path:name", "id", "$.id"] {
        stand.configure(&config.replace("path:id", wrong));
        let checked = text(&stand.allonym(&["check"]));
        assert!(checked.contains("subject: is path:"), "{wrong}: {checked}");
    }
}

/// Rights that import needs: `billing` reveals, `mover` writes tokens of its own.
fn movable() -> String {
    CONFIG.replace(
        "  - role: finder\n",
        "  - role: mover\n    write: [email, reference]\n    write_token: [email, reference]\n  - role: finder\n",
    )
}

#[test]
fn an_export_makes_the_same_tokens_elsewhere() {
    let (from, to) = (Stand::new(&movable()), Stand::new(&movable()));
    let shop = from.token("shop");
    let mut tokens = Vec::new();
    for number in 0..1_200 {
        tokens.push(format!("person{number}@example.com\n"));
    }
    let shop_file = from.folder.join("shop.token");
    fs::write(&shop_file, &shop).unwrap();
    let protect = ["protect", "email", "--token-file", shop_file.to_str().unwrap()];
    let output = from.allonym_with(&protect, &tokens.concat());
    assert!(output.status.success(), "{}", text(&output));
    let issued = String::from_utf8(output.stdout).unwrap();
    let off = issued.lines().next().unwrap();
    done(&from, &["tokens", "disable", "email", off]);

    // The local user is billing, for the purpose `chargeback`; shop may not reveal.
    let file = from.folder.join("email.jsonl");
    let path = file.to_str().unwrap();
    let as_shop =
        ["tokens", "export", "email", "--to", path, "--token-file", shop_file.to_str().unwrap()];
    let refused = from.allonym(&as_shop);
    assert!(text(&refused).contains("reveal-not-allowed"), "{}", text(&refused));
    assert!(!file.exists());
    let left = fs::read_dir(&from.folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains("jsonl")));
    let exported = done(&from, &["tokens", "export", "email", "--to", path]);
    assert!(exported.starts_with("1200 lines exported"), "{exported}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let acts = events(&from, "tokens.export");
    assert_eq!(acts.len(), 4, "{acts:?}");
    assert_eq!((&acts[1]["outcome"], &acts[3]["outcome"]), (&json!("failed"), &json!("done")));
    assert_eq!(acts[3]["detail"]["values"], "1200", "{acts:?}");
    let reveals = events(&from, "reveal");
    let kinds: Vec<&Value> = reveals.iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["refused", "intent", "result"], "of the callers' own right: {reveals:?}");
    assert!(!from.audit().contains("person7@"));
    let again = from.allonym(&["tokens", "export", "email", "--to", path]);
    assert!(!again.status.success(), "an existing file is not overwritten");

    let import = |stand: &Stand, role: &str| {
        let credential = stand.folder.join(format!("{role}.token"));
        fs::write(&credential, stand.token(role)).unwrap();
        let credential = credential.to_str().unwrap();
        stand.allonym(&["tokens", "import", "email", path, "--token-file", credential])
    };
    let refused = import(&to, "shop");
    assert!(text(&refused).contains("write-token-not-allowed"), "{}", text(&refused));
    let imported = import(&to, "mover");
    assert!(imported.status.success(), "{}", text(&imported));
    assert!(text(&imported).contains("1200 tokens imported"), "{}", text(&imported));
    let twice = import(&to, "mover");
    assert!(text(&twice).contains("1200 were there already"), "{}", text(&twice));
    let acts = events(&to, "tokens.import");
    let counts: Vec<&Value> = acts.iter().map(|event| &event["detail"]["imported"]).collect();
    assert!(counts.contains(&&json!("1200")) && counts.contains(&&json!("0")), "{acts:?}");
    assert!(acts.iter().any(|event| event["rule"] == "write-token-not-allowed"), "{acts:?}");

    // The same value has the same token there, and what was off is off.
    let shop_there = to.folder.join("there.token");
    fs::write(&shop_there, to.token("shop")).unwrap();
    let protect = ["protect", "email", "--token-file", shop_there.to_str().unwrap()];
    let output = to.allonym_with(&protect, &tokens[1..].concat());
    let expected: String = issued.lines().skip(1).map(|line| format!("{line}\n")).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let revealed = to.allonym_with(&["reveal", "email"], &format!("{off}\n"));
    assert!(!text(&revealed).contains("person0@"), "{}", text(&revealed));
    for (what, change) in [("cut", "\n{\"end\":true"), ("no header", "allonym-tokens")] {
        let whole = fs::read_to_string(&file).unwrap();
        let broken = whole.split(change).next().unwrap();
        let broken = if what == "cut" { format!("{broken}\n") } else { "{}\n".to_owned() };
        let path = to.folder.join("broken.jsonl");
        fs::write(&path, broken).unwrap();
        let credential = to.folder.join("mover.token");
        let arguments = ["tokens", "import", "email", path.to_str().unwrap(), "--token-file"];
        let refused = to.allonym(&[&arguments[..], &[credential.to_str().unwrap()]].concat());
        assert!(text(&refused).contains("import-invalid"), "{what}: {}", text(&refused));
    }
    for stand in [&from, &to] {
        assert!(done(stand, &["audit", "verify"]).contains("every link"));
        assert!(!is_found(&stand.folder.join("data"), "person7@example.com"));
        assert!(!stand.log().contains("person7@"));
    }
}

#[test]
fn token_administration_needs_its_right() {
    let few = CONFIG.replace(
        "operators: { USER: [keys, tokens, audit] }",
        "operators: { USER: [keys, audit] }",
    );
    let mut stand = Stand::new(&few);
    let all = |stand: &Stand| {
        for arguments in [
            &["tokens", "list", "email"][..],
            &["tokens", "count"],
            &["tokens", "disable", "email", "x"],
            &["tokens", "erase", "--subject", "customer-17"],
        ] {
            let refused = stand.allonym(arguments);
            assert!(text(&refused).contains("not-allowed"), "{arguments:?}: {}", text(&refused));
            assert!(text(&refused).contains("`tokens`"), "{arguments:?}: {}", text(&refused));
        }
    };
    all(&stand);
    let path = stand.folder.join("x.jsonl");
    let refused = stand.allonym(&["tokens", "export", "email", "--to", path.to_str().unwrap()]);
    assert!(text(&refused).contains("not-allowed") && !path.exists(), "{}", text(&refused));
    assert_eq!(events(&stand, "tokens.erase")[0]["kind"], "refused");
    assert_eq!(events(&stand, "tokens.export")[0]["kind"], "refused");
    stand.stop();
    all(&stand);
    // With the right, and without a gateway.
    stand.configure(CONFIG);
    assert!(done(&stand, &["tokens", "count"]).contains("email"));
    for (arguments, rule) in [
        (&["tokens", "list", "full_name"][..], "class-not-vaulted"),
        (&["tokens", "list", "nothing"], "class-unknown"),
        (&["tokens", "expire", "email", "x", "--in", "36501d"], "expiry-invalid"),
        (&["tokens", "expire", "email", "x", "--in", "soon"], "expiry-invalid"),
        (&["tokens", "export", "email", "--to", "x"], "not-serving"),
    ] {
        let refused = stand.allonym(arguments);
        assert!(text(&refused).contains(rule), "{arguments:?}: {}", text(&refused));
    }
    let metrics =
        |stand: &Stand| curl(&format!("http://{}/metrics", stand.admin), "GET", &[], None);
    stand.start();
    wait_for("tokens are not counted", || {
        metrics(&stand).body.contains("allonym_tokens{domain=\"email\"} 0")
    });
}

/// A number that came twice would give one token to two values, so after a restore new
/// tokens of a counter wait for somebody who says how far it was.
#[test]
fn counted_tokens_wait_after_a_restore() {
    let config = CONFIG.replace(
        "account:     { method: fpe, template: digits, lengths: 8..12, version: pinned, key: phone }",
        "account:     { method: token, template: digits, lengths: 8..12, key: phone }",
    );
    let mut stand = Stand::new(&config);
    let credential = stand.folder.join("shop.token");
    fs::write(&credential, stand.token("shop")).unwrap();
    let protect = |stand: &Stand, values: &str| {
        let arguments = ["protect", "account", "--token-file", credential.to_str().unwrap()];
        stand.allonym_with(&arguments, values)
    };
    let token = protect(&stand, "123456789\n");
    assert!(token.status.success(), "{}", text(&token));
    assert!(!text(&stand.allonym(&["check"])).contains("tokens resume"));
    let backup = stand.folder.join("allonym.backup");
    done(&stand, &["backup", backup.to_str().unwrap()]);
    let lost = protect(&stand, "987654321\n");
    assert!(lost.status.success(), "{}", text(&lost));

    stand.stop();
    fs::remove_dir_all(stand.folder.join("data")).unwrap();
    fs::create_dir_all(stand.folder.join("data")).unwrap();
    done(&stand, &["restore", backup.to_str().unwrap()]);
    let warned = text(&stand.allonym(&["check"]));
    assert!(warned.contains("allonym tokens resume account --skip"), "without a gateway: {warned}");
    stand.start();
    let warned = text(&stand.allonym(&["check"]));
    assert!(warned.contains("allonym tokens resume account --skip"), "of a gateway: {warned}");
    assert_eq!(protect(&stand, "123456789\n").stdout, token.stdout, "what is there is there");
    let refused = protect(&stand, "111111111\n");
    let said = text(&refused);
    assert!(!refused.status.success() && said.contains("tokens-waiting"), "{said}");
    assert!(said.contains("tokens resume") && !said.contains("111111111"), "{said}");
    let body = json!({ "id": "c1", "account": "111111111" }).to_string();
    let shop = fs::read_to_string(&credential).unwrap();
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&body));
    assert_eq!((answer.status, &answer.json()["rule"]), (503, &json!("tokens-waiting")));
    assert!(done(&stand, &["tokens", "resume", "account", "--skip", "2000"]).contains("again"));
    assert!(!text(&stand.allonym(&["check"])).contains("tokens resume"));
    let mut tokens = vec![token.stdout, lost.stdout];
    for number in 0..100 {
        let fresh = protect(&stand, &format!("2{number:08}\n"));
        assert!(fresh.status.success(), "{}", text(&fresh));
        assert!(!tokens.contains(&fresh.stdout), "one token for two values");
        tokens.push(fresh.stdout);
    }
}
