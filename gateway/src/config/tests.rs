//! What is right is read.

mod classes;
mod wrong;
mod wrong_classes;

use std::time::Duration;

use allonym_contract::{Location, Use};
use allonym_protect::{
    Canonical, Keep, MethodSpec, Scope, TemplateSpec, TokenTemplate, VersionMode,
};

use super::*;

#[test]
fn a_store_is_a_file_or_a_database() {
    let check = |typed: &str, expected: StoreKind| {
        let store = Config::parse(&format!("{SEAL}{typed}"), "a.yaml").unwrap().store;
        assert_eq!(store.kind, expected, "{typed}");
    };
    let database = |url: &str, password: Option<SecretRef>, connections: usize| {
        StoreKind::Postgres(Postgres { url: url.to_owned(), password, connections })
    };
    let url = "postgres://a@db.example:5433/x?sslmode=verify-full&sslrootcert=/etc/ca.pem";
    check("", StoreKind::File("/var/lib/allonym/store.db".into()));
    check("store: data/x.db", StoreKind::File("data/x.db".into()));
    check(&format!("store: {url}"), database(url, None, 8));
    check(
        &format!("store: {{ postgres: \"{url}\", password: {{ env: PW }}, connections: 3 }}"),
        database(url, Some(SecretRef::Env("PW".to_owned())), 3),
    );
    let config = Config::parse(&format!("{SEAL}store: {url}"), "a.yaml").unwrap();
    assert_eq!(config.audit.path, Path::new("/var/lib/allonym/audit"));
    assert_eq!(config.admin.socket, Path::new("/var/lib/allonym/allonym.sock"));
}

const SEAL: &str = "seal: { file: /etc/allonym/seal.key }\n";

const SAMPLE: &str = r#"
seal: { file: /etc/allonym/seal.key }   # no default
store: /var/lib/allonym/store.db
audit: /var/lib/allonym/audit
admin: { listen: 127.0.0.1:9464, operators: { ops: [keys, tokens, audit] } }
keys:
  pan:     { rotate: on_rewrap }
  contact: { rotate: 180d }
purposes: [chargeback, support-call]
data:
  card_number: { method: fpe, template: pan, keep: { first: 6 }, version: slack, key: pan, mask: { keep: { last: 4 } } }
  email:       { method: token, template: email, key: contact }
  full_name:   { method: siv, key: contact }
  birth_date:  { stored: plain, mask: { keep: { first: 4 } } }
access:
  - { role: shop,    write: [card_number, email, full_name, birth_date] }
  - { role: billing, reveal: [card_number, email, full_name], purpose: required }
  - { role: support, reveal: [email], mask: [card_number, birth_date], search: [email] }
connectors:
  payments-api:
    type: http
    listen: 0.0.0.0:8443
    tls: { cert: /etc/allonym/tls.crt, key: { file: /etc/allonym/tls.key } }
    upstream: https://payments.internal
    callers:
      jwt: { issuer: https://id.example, jwks: { url: https://id.example/jwks.json }, audience: payments, roles_claim: groups, purpose_claim: purpose }
      anonymous: refuse
    unlisted: refuse
    routes:
      "POST /v1/charges":
        "$.card.number": card_number
        "$.customer.email": email
        "$.items[*].recipient.name": full_name
      "GET /v1/charges/{id}":
        "$.card.number": card_number
        "$.customer.email": email
        "$.customer.birth_date": birth_date
tests:
  - given: { connector: payments-api, route: "GET /v1/charges/{id}", value: { "$.card.number": "4929120000006466" } }
    as: support
    sees: { "$.card.number": "************6466" }
"#;

#[test]
fn the_sample_is_read() {
    let config = Config::parse(SAMPLE, "allonym.yaml").unwrap();
    assert_eq!(config.seals.len(), 1);
    assert_eq!(config.seals[0].kind, SealKind::File("/etc/allonym/seal.key".into()));
    assert_eq!(config.seals[0].at, Location { line: 2, column: 7 });
    assert_eq!(config.audit.reads, Durability::Process);
    assert_eq!(config.admin.socket, Path::new("/var/lib/allonym/allonym.sock"));
    assert_eq!(config.admin.operators[0].rights.len(), 3);
    let half_a_year = Duration::from_secs(180 * 86_400);
    assert_eq!(config.key("contact").unwrap().rotate, Rotate::Every(half_a_year));
    assert_eq!(config.key("pan").unwrap().rotate, Rotate::OnRewrap);

    let names: Vec<&str> = config.data.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["card_number", "email", "full_name", "birth_date"]);
    let card = config.class("card_number").unwrap();
    let keep = Keep { first: 6, last: 0 };
    let template = TemplateSpec::Pan { keep, min: 13, max: 19 };
    let version = VersionMode::Slack;
    let protection = card.protection.as_ref().unwrap();
    assert_eq!(protection.method, MethodSpec::Fpe { template, version });
    assert_eq!(protection.domain.value, "card_number");
    assert_eq!(card.mask, Some(Keep { first: 0, last: 4 }));
    let email = config.class("email").unwrap().protection.as_ref().unwrap();
    let template = TokenTemplate::Email { token_domain: "allonym.invalid".to_owned() };
    let canonical = Canonical::Exact;
    assert_eq!(email.method, MethodSpec::Token { template, random: false, canonical });
    assert_eq!(email.scope, Scope::Global);
    assert_eq!(config.class("birth_date").unwrap().stored, Stored::Plain);
    assert!(config.class("birth_date").unwrap().protection.is_none());
}

#[test]
fn the_places_of_the_sample_are_read() {
    let config = Config::parse(SAMPLE, "allonym.yaml").unwrap();
    assert_eq!(config.access[1].purpose, Purpose::Required);
    assert_eq!(config.access[2].search[0].value, "email");
    let places = &config.connectors[0].places;
    assert_eq!(&*places[1].name, "payments-api GET /v1/charges/{id}");
    assert_eq!(places[0].fields[2].class, "full_name");
    assert_eq!(places[0].fields[2].usage, Use::Content);
    let case = &config.tests[0];
    assert_eq!(case.role.value, "support");
    assert_eq!(case.sees[0].1, Scalar::Text("************6466".to_owned()));
    let line = SAMPLE.lines().position(|line| line.contains("given:")).unwrap() + 1;
    assert_eq!(case.at, Location { line: u32::try_from(line).unwrap(), column: 5 });
}

#[test]
fn other_forms_are_read() {
    let text = r#"
seal: [ { file: keys/seal.key }, { passphrase: { env: SEAL } } ]
store: data/store.db
audit: { path: log, durability: { reads: power } }
admin: { listen: 0.0.0.0:9464, tls: off, socket: run/a.sock, users: { anna: { role: support, purpose: call } } }
keys: { a: , b: { rotate: never, was: old } }
purposes: [call, letter]
data:
  one: &siv { method: siv, version: header, key: a, scope: { tenant: org } }
  two: { <<: *siv, domain: one }
  pin: { method: fpe, template: digits, lengths: 9, version: pinned, key: b }
  tok: { method: token, key: a, canonical: lower }
  bye: { method: replace, with: "-", irreversible: true }
access:
  - { role: support, reveal: [one], purpose: call, until: 2027-03-31 }
  - { role: support, reveal: [two], purpose: [call, letter], budget: { reveal: 60 }, on_budget: refuse }
  - { role: support, reveal: [pin], forbid: true }
"#;
    let config = Config::parse(text, "a.yaml").unwrap();
    assert_eq!(config.seals[1].kind, SealKind::Passphrase(SecretRef::Env("SEAL".to_owned())));
    assert_eq!(config.audit, Audit { path: "log".into(), reads: Durability::Power });
    assert_eq!(config.admin.listen.as_ref().unwrap().value.port(), 9464);
    assert_eq!(config.admin.socket, Path::new("run/a.sock"));
    assert_eq!(config.key("a").unwrap().rotate, Rotate::Never);
    assert_eq!(config.key("b").unwrap().was.as_ref().unwrap().value, "old");
    let two = config.class("two").unwrap().protection.as_ref().unwrap();
    assert_eq!(two.scope, Scope::Tenant("org".to_owned()));
    assert_eq!(two.domain.value, "one");
    let template = TemplateSpec::Digits { keep: Keep::default(), min: 9, max: 9 };
    let version = VersionMode::Pinned;
    let pin = config.class("pin").unwrap().protection.as_ref().unwrap();
    assert_eq!(pin.method, MethodSpec::Fpe { template, version });
    assert!(config.access[0].until.is_some());
    assert!(matches!(&config.access[1].purpose, Purpose::OneOf(list) if list.len() == 2));
    assert_eq!(config.access[1].budget.reveal, Some(60));
    assert_eq!(config.access[1].on_budget, OnBudget::Refuse);
    assert!(config.access[2].forbid);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let errors = Config::load(Path::new("/no/such/allonym.yaml")).unwrap_err();
    assert!(errors.to_string().starts_with("/no/such/allonym.yaml: cannot be read: "), "{errors}");
}

#[test]
fn a_literal_secret_is_never_repeated() {
    for literal in ["hunter2", "[hunter2]", "{ env: [hunter2] }", "12345678", "true"] {
        let text = format!("seal: {{ passphrase: {literal} }}");
        let errors = Config::parse(&text, "a.yaml").unwrap_err().to_string();
        assert!(!errors.contains("hunter2") && !errors.contains("12345678"), "{errors}");
    }
}

#[test]
fn bombs_are_refused() {
    let deep = format!("{SEAL}access: {}", "[".repeat(5_000));
    assert!(Config::parse(&deep, "a.yaml").is_err());
    let mut wide = format!("{SEAL}purposes: &a [x, x, x, x, x, x, x, x, x]\n");
    for (one, next) in ('a'..'h').zip('b'..) {
        let aliases = vec![format!("*{one}"); 9].join(", ");
        wide.push_str(&format!("{next}: &{next} [{aliases}]\n"));
    }
    assert!(Config::parse(&wide, "a.yaml").is_err());
}

#[test]
fn the_demo_is_read() {
    let text = include_str!("../../../examples/demo.yaml");
    let config = Config::parse(text, "demo.yaml").unwrap();
    let route = |name: &str| {
        let name = format!("customers {name}");
        config.connectors[0].places.iter().find(|place| *place.name == *name).unwrap()
    };
    let (written, read) = (route("POST /v1/customers"), route("GET /v1/customers/{id}"));
    let fields = |place: &allonym_contract::PlaceSpec| {
        place
            .fields
            .iter()
            .map(|field| (field.selector.clone(), field.class.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(written), fields(read));
    assert_eq!(written.fields.len(), config.data.len());
    assert!(written.holds_protected_only && read.holds_protected_only);
}
