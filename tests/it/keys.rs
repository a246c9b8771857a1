//! Keys: rotation, backup and restore, seals.

use std::fs;

use serde_json::json;

use crate::roles::{CONFIG, customer};
use crate::stand::{Stand, text};

#[test]
fn a_rotation_leaves_old_values_readable() {
    let stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let post = |id: &str| {
        let answer =
            stand.as_token(&shop, "POST", "/v1/customers", Some(&customer(id).to_string()));
        assert_eq!(answer.status, 201, "{}", answer.body);
    };
    post("old");
    let rotated = stand.allonym(&["keys", "rotate", "contact"]);
    assert!(rotated.status.success(), "{}", text(&rotated));
    post("new");
    assert_ne!(stand.stored("old")["full_name"], stand.stored("new")["full_name"]);
    assert_eq!(stand.stored("old")["email"], stand.stored("new")["email"], "tokens stay");
    for id in ["old", "new"] {
        let headers = [&*format!("Allonym-Token: {billing}"), "X-Purpose: chargeback"];
        let seen = stand.curl("GET", &format!("/v1/customers/{id}"), &headers, None).json();
        assert_eq!(seen["full_name"], customer(id)["full_name"]);
        assert_eq!(seen["email"], customer(id)["email"]);
    }
    let listed = text(&stand.allonym(&["keys", "list"]));
    assert!(listed.contains("1 deactivated, 2 active"), "{listed}");
}

#[test]
fn keys_that_need_a_rewrap_do_not_rotate() {
    let stand = Stand::new(CONFIG);
    for (key, why) in [
        ("pan", "on_rewrap"),
        ("phone", "version: pinned"),
        ("search", "on_rewrap"),
        ("nothing", "there is no key"),
    ] {
        let refused = stand.allonym(&["keys", "rotate", key]);
        assert!(
            !refused.status.success() && text(&refused).contains(why),
            "{key}: {}",
            text(&refused)
        );
    }
}

#[test]
fn a_key_of_looked_up_values_does_not_rotate_by_the_clock() {
    let stand = Stand::without_gateway(
        &CONFIG.replace("search:  { rotate: on_rewrap }", "search:  { rotate: 90d }"),
    );
    let refused = text(&stand.allonym(&["check"]));
    assert!(refused.contains("rotates by the clock"), "{refused}");
    let stand =
        Stand::new(&CONFIG.replace("search:  { rotate: on_rewrap }", "search:  { rotate: never }"));
    let refused = stand.allonym(&["keys", "rotate", "search"]);
    assert!(
        !refused.status.success() && text(&refused).contains("looked up"),
        "{}",
        text(&refused)
    );
}

#[test]
fn the_clock_rotates() {
    let stand = Stand::new(&CONFIG.replace("contact: { rotate: 180d }", "contact: { rotate: 1s }"));
    let start = std::time::Instant::now();
    while !text(&stand.allonym(&["keys", "list"])).contains("2 active") {
        assert!(start.elapsed().as_secs() < 30, "it did not rotate");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// The drill: everything that cannot be made again is in this one file.
#[test]
fn a_backup_brings_everything_back() {
    let mut stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let warned = text(&stand.allonym(&["check"]));
    assert!(
        warned.contains("no backup was ever verified") && warned.contains("only one seal"),
        "{warned}"
    );

    let file = stand.folder.join("allonym.backup");
    let made = stand.allonym(&["backup", file.to_str().unwrap()]);
    assert!(made.status.success(), "{}", text(&made));
    assert!(!text(&stand.allonym(&["check"])).contains("no backup was ever verified"));
    let sealed = fs::read(&file).unwrap();
    for canary in ["customers-api", "card_number", "SQLite", "example.com"] {
        assert!(
            !sealed.windows(canary.len()).any(|window| window == canary.as_bytes()),
            "{canary}"
        );
    }

    stand.stop();
    let refused = stand.allonym(&["restore", file.to_str().unwrap()]);
    assert!(!refused.status.success(), "an existing store is not overwritten");
    fs::remove_dir_all(stand.folder.join("data")).unwrap();
    fs::create_dir_all(stand.folder.join("data")).unwrap();
    let restored = stand.allonym(&["restore", file.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", text(&restored));
    stand.start();
    let headers = [&*format!("Allonym-Token: {billing}"), "X-Purpose: chargeback"];
    let seen = stand.curl("GET", "/v1/customers/c1", &headers, None);
    assert_eq!(seen.json()["email"], customer("c1")["email"], "{}", seen.body);
    assert_eq!(seen.json()["card"], customer("c1")["card"]);
    // Versions made after the backup are gone: their numbers must not come back.
    let refused = stand.allonym(&["keys", "rotate", "contact"]);
    assert!(
        !refused.status.success() && text(&refused).contains("audit log"),
        "{}",
        text(&refused)
    );
    assert!(text(&stand.allonym(&["check"])).contains("--from-version"));
    let rotated = stand.allonym(&["keys", "rotate", "contact", "--from-version", "5"]);
    assert!(rotated.status.success() && text(&rotated).contains("version 5"), "{}", text(&rotated));
    let seen = stand.curl("GET", "/v1/customers/c1", &headers, None);
    assert_eq!(seen.json()["full_name"], customer("c1")["full_name"], "{}", seen.body);
    // A damaged copy is refused, and says so.
    let mut damaged = sealed.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&file, damaged).unwrap();
    stand.stop();
    fs::remove_dir_all(stand.folder.join("data")).unwrap();
    fs::create_dir_all(stand.folder.join("data")).unwrap();
    assert!(!stand.allonym(&["restore", file.to_str().unwrap()]).status.success());
}

#[test]
fn a_passphrase_is_a_seal_too() {
    let both = CONFIG.replace(
        "seal: { file: FOLDER/seal.key }",
        "seal: [ { file: FOLDER/seal.key }, { passphrase: { file: FOLDER/passphrase } } ]",
    );
    let mut stand = Stand::without_gateway(&both);
    let passphrase = stand.folder.join("passphrase");
    fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    stand.start();
    let shop = stand.token("shop");
    stand.stop();
    let alone = "seal: { passphrase: { file: FOLDER/passphrase } }";
    stand.configure(&CONFIG.replace("seal: { file: FOLDER/seal.key }", alone));
    stand.start();
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    stand.stop();
    fs::write(&passphrase, "wrong horse battery staple\n").unwrap();
    assert!(stand.start_fails().contains("does not open"));
}

#[test]
fn a_second_seal_opens_alone() {
    let two = CONFIG.replace(
        "seal: { file: FOLDER/seal.key }",
        "seal: [ { file: FOLDER/seal.key }, { file: FOLDER/second.key } ]",
    );
    let mut stand = Stand::without_gateway(&two);
    let second = stand.folder.join("second.key");
    assert!(stand.allonym(&["seal", "create", second.to_str().unwrap()]).status.success());
    stand.start();
    let shop = stand.token("shop");
    assert_eq!(
        stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string())).status,
        201
    );
    assert!(!text(&stand.allonym(&["check"])).contains("only one seal"));
    stand.stop();
    fs::remove_file(stand.folder.join("seal.key")).unwrap();
    stand.configure(&CONFIG.replace("FOLDER/seal.key", "FOLDER/second.key"));
    stand.start();
    assert_eq!(
        stand
            .as_token(&shop, "PUT", "/v1/customers/c1", Some(&json!({ "id": "c1" }).to_string()))
            .status,
        200
    );
    stand.stop();
    // Another key file opens nothing.
    let other = stand.folder.join("other.key");
    assert!(stand.allonym(&["seal", "create", other.to_str().unwrap()]).status.success());
    stand.configure(&CONFIG.replace("FOLDER/seal.key", "FOLDER/other.key"));
    assert!(stand.start_fails().contains("does not open"));
}

/// Check digits tell nine versions apart: the tenth would bear the mark of the first.
#[test]
fn a_slot_is_not_used_twice() {
    let stand =
        Stand::new(&CONFIG.replace("pan:     { rotate: on_rewrap }", "pan:     { rotate: 30d }"));
    let shop = stand.token("shop");
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let rotate = || stand.allonym(&["keys", "rotate", "pan"]);
    for version in 2..=9 {
        let rotated = rotate();
        assert!(rotated.status.success(), "{version}: {}", text(&rotated));
    }
    let refused = rotate();
    assert!(
        !refused.status.success() && text(&refused).contains("mark of version 1"),
        "{}",
        text(&refused)
    );
    let warned = text(&stand.allonym(&["check"]));
    assert!(warned.contains("will be refused on 20"), "{warned}");
}

/// A class that comes to a key with a history must have room for it: its values could not be
/// told apart, or their tables would be made anew with every request.
#[test]
fn a_class_has_room_for_the_versions_of_its_key() {
    let base = CONFIG.replace("contact: { rotate: 180d }", "contact: { rotate: never }");
    let mut stand = Stand::new(&base);
    for _ in 2..=34 {
        let rotated = stand.allonym(&["keys", "rotate", "contact"]);
        assert!(rotated.status.success(), "{}", text(&rotated));
    }
    let with = |class: &str| base.replace("access:\n", &format!("  {class}\naccess:\n"));
    let line = 1 + base.lines().position(|line| line == "access:").unwrap();
    let wrong = [
        (
            "new: { method: fpe, template: pan, key: contact }",
            "marks for 9 key versions, and versions 1 and 10 of key `contact` would share one",
        ),
        (
            "new: { method: fpe, template: integer, range: 0..999, version: reserved, reserved: [1000, 2000], key: contact }",
            "marks for 2 key versions, and versions 1 and 3 of key `contact` would share one",
        ),
        (
            "new: { method: fpe, template: integer, range: 0..999998, width: 6, version: header, key: contact }",
            "room for 33 live key versions, and key `contact` has 34",
        ),
    ];
    let refused = |said: &str, why: &str| {
        let expected = format!("allonym.yaml:{line}:");
        assert!(said.contains(&expected), "{said}");
        assert!(said.contains("class `new` cannot have this key: it has"), "{said}");
        assert!(said.contains(why), "{said}");
    };
    for (class, why) in wrong {
        stand.configure(&with(class));
        let checked = text(&stand.allonym(&["check"]));
        refused(&checked, why);
        assert!(checked.contains("hint: give the class another key"), "{checked}");
        refused(&stand.reload(), why);
    }
    stand.stop();
    for (class, why) in wrong {
        stand.configure(&with(class));
        refused(&text(&stand.allonym(&["check"])), why);
        refused(&stand.start_fails(), why);
    }
    for class in [
        "new: { method: fpe, template: pan, key: phone }",
        "new: { method: fpe, template: pan, version: pinned, key: contact }",
        "new: { method: fpe, template: integer, range: 0..999998, width: 6, version: pinned, key: contact }",
        "new: { method: fpe, template: integer, range: 0..99998, width: 6, version: header, key: contact }",
        "new: { method: fpe, template: pan, key: contact, retired: true }",
    ] {
        stand.configure(&with(class));
        let checked = stand.allonym(&["check"]);
        assert!(checked.status.success(), "{class}: {}", text(&checked));
    }
}

/// A class that never protected a value has nothing that a rotation could make unreadable.
/// Where it has no room for the versions that live then, it protects nothing, and stays so.
#[test]
fn a_class_without_values_locks_no_key() {
    let classes = "  spare: { method: fpe, template: integer, range: 0..999, version: reserved, reserved: [1000], key: contact }
  coded: { method: fpe, template: integer, range: 0..999998, width: 6, version: header, key: contact }
  old: { method: fpe, template: pan, key: contact, retired: true }
access:\n";
    let config = CONFIG
        .replace("access:\n", classes)
        .replace("write: [card_number,", "write: [spare, coded, card_number,");
    let mut stand = Stand::new(&config);
    let token = stand.folder.join("shop.token");
    fs::write(&token, stand.token("shop")).unwrap();
    let protect = |stand: &Stand, class: &str, value: &str| {
        stand.allonym_with(
            &["protect", class, "--token-file", token.to_str().unwrap()],
            &format!("{value}\n"),
        )
    };
    let rotate = |stand: &Stand| {
        let rotated = stand.allonym(&["keys", "rotate", "contact"]);
        assert!(rotated.status.success(), "{}", text(&rotated));
    };
    for _ in 2..=34 {
        rotate(&stand);
    }
    for _ in 0..2 {
        for (class, value) in [("spare", "5"), ("coded", "000005")] {
            let refused = protect(&stand, class, value);
            assert!(
                !refused.status.success() && text(&refused).contains("key-unavailable"),
                "{class}: {}",
                text(&refused)
            );
        }
        // What failed is no first use.
        rotate(&stand);
        let warned = text(&stand.allonym(&["check"]));
        for class in ["spare", "coded"] {
            let warning = format!("class `{class}` can protect nothing any more: it has");
            assert!(warned.contains(&warning), "{warned}");
        }
        assert!(!warned.contains("class `old`"), "{warned}");
        stand.stop();
        stand.start();
    }
}

/// The same class with a value: its key keeps the version that made it.
#[test]
fn a_class_with_values_keeps_its_key() {
    let class = "  spare: { method: fpe, template: integer, range: 0..999, version: reserved, reserved: [1000], key: contact }\naccess:\n";
    let config = CONFIG
        .replace("access:\n", class)
        .replace("write: [card_number,", "write: [spare, card_number,");
    let stand = Stand::new(&config);
    let token = stand.folder.join("shop.token");
    fs::write(&token, stand.token("shop")).unwrap();
    let protect = |value: &str| {
        let arguments = ["protect", "spare", "--token-file", token.to_str().unwrap()];
        stand.allonym_with(&arguments, &format!("{value}\n"))
    };
    let made = protect("5");
    assert!(made.status.success(), "{}", text(&made));
    let again = protect(String::from_utf8_lossy(&made.stdout).trim());
    let expected = "already protected, or mistyped (it lies in a range of protected ones)";
    assert!(!again.status.success() && text(&again).contains(expected), "{}", text(&again));
    let refused = stand.allonym(&["keys", "rotate", "contact"]);
    assert!(
        !refused.status.success()
            && text(&refused).contains("version 2 would have the mark of version 1"),
        "{}",
        text(&refused)
    );
}
