//! Renaming changes no ciphertext; what would reveal a wrong value is refused.

use serde_json::json;

use crate::roles::{CONFIG, customer};
use crate::stand::{Stand, text};

/// A stand in which one customer is stored and the gateway is stopped again.
fn used() -> Stand {
    let mut stand = Stand::new(CONFIG);
    let shop = stand.token("shop");
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    stand.stop();
    stand
}

#[test]
fn a_class_and_a_key_may_be_renamed_with_was() {
    let mut stand = used();
    let renamed = CONFIG
        .replace("\": full_name", "\": customer_name")
        .replace("full_name,", "customer_name,")
        .replace(
            "full_name:   { method: siv, key: contact,",
            "customer_name: { was: full_name, method: siv, key: people,",
        )
        .replace("contact: { rotate: 180d }", "people:  { was: contact, rotate: 180d }")
        .replace("key: contact", "key: people");
    stand.configure(&renamed);
    stand.start();
    let billing = stand.token("billing");
    let headers = [format!("Allonym-Token: {billing}"), "X-Purpose: chargeback".to_owned()];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let seen = stand.curl("GET", "/v1/customers/c1", &headers, None).json();
    assert_eq!(seen["full_name"], customer("c1")["full_name"]);
    assert_eq!(seen["email"], customer("c1")["email"]);
    // And once more, with `was:` still there.
    stand.stop();
    stand.start();
    assert_eq!(stand.curl("GET", "/v1/customers/c1", &headers, None).json(), seen);
}

#[test]
fn what_contradicts_the_store_is_refused() {
    let mut stand = used();
    for (what, from, to, says) in [
        (
            "a rename without `was`",
            "  full_name:   { method: siv, key: contact,",
            "  person:   { method: siv, key: contact,",
            "is in use and no class has it any more",
        ),
        (
            "another specification",
            "template: pan, keep: { first: 6 }",
            "template: pan, keep: { first: 4 }",
            "in use with another specification",
        ),
        (
            "another key",
            "full_name:   { method: siv, key: contact,",
            "full_name:   { method: siv, key: search,",
            "with another key",
        ),
        (
            "another domain at a place",
            "\"$.national_id\": national_id",
            "\"$.national_id\": full_name",
            "is another one",
        ),
        (
            "a plain class at a used place",
            "\"$.national_id\": national_id",
            "\"$.national_id\": birth_date",
            "is another one",
        ),
    ] {
        let mut changed = CONFIG.replace(from, to);
        if what == "a rename without `was`" {
            changed =
                changed.replace("\": full_name", "\": person").replace("full_name,", "person,");
        }
        assert_ne!(changed, CONFIG, "{what}");
        stand.configure(&changed);
        let log = stand.start_fails();
        assert!(log.contains(says), "{what}: {log}");
        let checked = text(&stand.allonym(&["check"]));
        assert!(checked.contains(says) && checked.contains("allonym.yaml:"), "{what}: {checked}");
    }
    stand.configure(CONFIG);
    stand.start();
    assert_eq!(stand.curl("GET", "/v1/customers/c1", &[], None).status, 200);
}

#[test]
fn a_retired_class_stays_readable_and_unused() {
    let mut stand = used();
    let retired = CONFIG
        .replace("reference:   { method: token,", "reference:   { retired: true, method: token,")
        .replace("        \"$.reference\": reference\n", "");
    stand.configure(&retired);
    stand.start();
    let token = stand.stored("c1")["reference"].as_str().unwrap().to_owned();
    let shown = stand.allonym_with(&["reveal", "reference"], &format!("{token}\n"));
    assert_eq!(
        String::from_utf8_lossy(&shown.stdout).trim(),
        "12345678901234567",
        "{}",
        text(&shown)
    );
    stand.stop();
    stand.start();
    stand.stop();
    stand.configure(CONFIG);
    assert!(stand.start_fails().contains("was retired"));
}

#[test]
fn before_first_use_anything_may_change() {
    let mut stand = Stand::new(CONFIG);
    stand.stop();
    stand.configure(
        &CONFIG.replace("template: pan, keep: { first: 6 }", "template: pan, keep: { first: 4 }"),
    );
    stand.start();
    let shop = stand.token("shop");
    let body = json!({ "id": "c1", "card": { "number": "4929120000006466" } }).to_string();
    assert_eq!(stand.as_token(&shop, "POST", "/v1/customers", Some(&body)).status, 201);
}

/// A place that only reads remembers its domain too.
#[test]
fn a_place_that_was_read_keeps_its_domain() {
    let with_other = CONFIG
        .replace(
            "  birth_date:  { stored: plain",
            "  other_card:  { method: fpe, template: pan, keep: { first: 6 }, version: slack, key: pan }\n  birth_date:  { stored: plain",
        )
        .replace(
            "      \"GET /v1/customers/{id}\": *customer\n",
            "      \"GET /v1/customers/{id}\": { holds: protected, \"$.card.number\": card_number }\n",
        );
    let mut stand = Stand::new(&with_other);
    let shop = stand.token("shop");
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(stand.curl("GET", "/v1/customers/c1", &[], None).status, 200);
    let changed = with_other.replace(
        "{ holds: protected, \"$.card.number\": card_number }",
        "{ holds: protected, \"$.card.number\": other_card }",
    );
    assert_ne!(changed, with_other);
    stand.configure(&changed);
    assert!(stand.reload().contains("is another one"));
    stand.stop();
    assert!(stand.start_fails().contains("is another one"));
}

/// A reload that is refused has changed nothing in the store either.
#[test]
fn a_refused_reload_pins_nothing() {
    let mut stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let moved = CONFIG
        .replace("template: pan, keep: { first: 6 }", "template: pan, keep: { first: 4 }")
        .replace("listen: GATEWAY", "listen: 127.0.0.1:1");
    stand.configure(&moved);
    let said = stand.reload();
    assert!(said.contains("not reloaded"), "{said}");
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    stand.stop();
    stand.configure(
        &CONFIG.replace("template: pan, keep: { first: 6 }", "template: pan, keep: { first: 4 }"),
    );
    assert!(stand.start_fails().contains("in use with another specification"));
    stand.configure(CONFIG);
    stand.start();
    let headers = [&*format!("Allonym-Token: {billing}"), "X-Purpose: chargeback"];
    let seen = stand.curl("GET", "/v1/customers/c1", &headers, None).json();
    assert_eq!(seen["card"], customer("c1")["card"]);
    let audit = stand.audit();
    assert!(audit.contains("\"signal:HUP\"") && audit.contains("restart-needed"), "{audit}");
}

#[test]
fn a_field_of_a_used_place_is_not_dropped_in_silence() {
    let mut stand = used();
    stand.configure(&CONFIG.replace("        \"$.national_id\": national_id\n", ""));
    let log = stand.start_fails();
    assert!(log.contains("would pass in plain"), "{log}");
}
