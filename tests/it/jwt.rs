//! JSON Web Tokens through the whole product: a key set in a file, real signatures.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::roles::{CONFIG, customer};
use crate::stand::{Stand, text};

/// A signer whose key is made and used by the `openssl` command.
struct Issuer<'a>(&'a Stand);

impl Issuer<'_> {
    fn key_set(&self) -> String {
        let key = self.0.folder.join("issuer.pem");
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "ed25519", "-out"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        let public = Command::new("openssl")
            .args(["pkey", "-pubout", "-outform", "DER", "-in"])
            .arg(&key)
            .output()
            .unwrap();
        // The last 32 bytes of the DER form are the key (RFC 8410).
        let x = base64url(&public.stdout[public.stdout.len() - 32..]);
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "one", "x": x }] }).to_string()
    }

    fn sign(&self, claims: &Value) -> String {
        let header =
            base64url(json!({ "alg": "EdDSA", "typ": "JWT", "kid": "one" }).to_string().as_bytes());
        let signed = format!("{header}.{}", base64url(claims.to_string().as_bytes()));
        let input = self.0.folder.join("to-sign");
        fs::write(&input, &signed).unwrap();
        let key = self.0.folder.join("issuer.pem");
        let signature = Command::new("openssl")
            .args(["pkeyutl", "-sign", "-rawin", "-inkey"])
            .arg(key)
            .arg("-in")
            .arg(input)
            .output();
        format!("{signed}.{}", base64url(&signature.unwrap().stdout))
    }
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(ALPHABET[(word >> (18 - 6 * place)) as usize & 63] as char);
        }
    }
    text
}

#[test]
fn roles_and_purpose_come_from_the_token() {
    let config = CONFIG.replace(
        "callers: { anonymous: read, purpose_header: X-Purpose }",
        "callers:\n      anonymous: read\n      jwt: { issuer: 'https://id.example', audience: customers, jwks: { file: FOLDER/jwks.json }, roles_claim: realm.groups, purpose_claim: purpose }",
    );
    let mut stand = Stand::without_gateway(&config);
    let keys = Issuer(&stand).key_set();
    fs::write(stand.folder.join("jwks.json"), keys).unwrap();
    stand.start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = |roles: &[&str], purpose: &str| json!({ "iss": "https://id.example", "aud": "customers", "sub": "zoe", "exp": now + 60, "realm": { "groups": roles }, "purpose": purpose });
    let call = |token: &str, method: &str, path: &str, body: Option<&str>| {
        stand.curl(method, path, &[&format!("Authorization: Bearer {token}")], body)
    };
    let issuer = Issuer(&stand);
    let shop = issuer.sign(&claims(&["shop"], "chargeback"));
    let sent = customer("c1");
    let answer = call(&shop, "POST", "/v1/customers", Some(&sent.to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert!(stand.received().contains(&shop), "the token passes on unchanged");

    let billing = issuer.sign(&claims(&["other", "billing"], "chargeback"));
    assert_eq!(
        call(&billing, "GET", "/v1/customers/c1", None).json()["full_name"],
        sent["full_name"]
    );
    let aimless = issuer.sign(&claims(&["billing"], "curiosity"));
    assert_eq!(
        call(&aimless, "GET", "/v1/customers/c1", None).json()["full_name"],
        stand.stored("c1")["full_name"]
    );
    assert!(stand.audit().contains("\"jwt:zoe\""));

    let mut late = claims(&["billing"], "chargeback");
    late["exp"] = json!(now - 120);
    let mut elsewhere = claims(&["billing"], "chargeback");
    elsewhere["aud"] = json!("others");
    let mut timeless = claims(&["billing"], "chargeback");
    timeless.as_object_mut().unwrap().remove("exp");
    for (what, claims) in
        [("expired", late), ("for others", elsewhere), ("without an end", timeless)]
    {
        let answer = call(&issuer.sign(&claims), "GET", "/v1/customers/c1", None);
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
    }
    let forged = format!("{}AAAA", &billing[..billing.len() - 4]);
    assert_eq!(call(&forged, "GET", "/v1/customers/c1", None).status, 401);
}

/// The same value has a token of its own in each tenant, one tenant's protected values
/// mean nothing to another, and who has no tenant has no values at all.
#[test]
fn a_tenant_is_a_world_of_its_own() {
    let config = CONFIG
        .replace(
            "callers: { anonymous: read, purpose_header: X-Purpose }",
            "callers:\n      anonymous: read\n      jwt: { issuer: 'https://id.example', audience: customers, jwks: { file: FOLDER/jwks.json }, roles_claim: groups, purpose_claim: purpose, tenant_claims: [org] }",
        )
        .replace(
            "reference:   { method: token, key: contact }",
            "reference:   { method: token, key: contact, scope: { tenant: org } }",
        )
        .replace(
            "full_name:   { method: siv, key: contact, mask: { keep: { first: 1 } } }",
            "full_name:   { method: siv, key: contact, scope: { tenant: org } }",
        );
    let mut stand = Stand::without_gateway(&config);
    let keys = Issuer(&stand).key_set();
    fs::write(stand.folder.join("jwks.json"), keys).unwrap();
    stand.start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let issuer = Issuer(&stand);
    let signed = |role: &str, org: Option<&str>| {
        let mut claims = json!({ "iss": "https://id.example", "aud": "customers", "sub": "zoe", "exp": now + 60, "groups": [role], "purpose": "chargeback" });
        if let Some(org) = org {
            claims["org"] = json!(org);
        }
        format!("Authorization: Bearer {}", issuer.sign(&claims))
    };
    let body = |id: &str| json!({ "id": id, "full_name": "Zoë", "reference": 17 });
    for org in ["acme", "bolt"] {
        let sent = body(org).to_string();
        let headers = [&*signed("shop", Some(org))];
        let answer = stand.curl("POST", "/v1/customers", &headers, Some(&sent));
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    let (acme, bolt) = (stand.stored("acme"), stand.stored("bolt"));
    for field in ["full_name", "reference"] {
        assert_ne!(acme[field], bolt[field], "{field}");
        assert_ne!(acme[field], body("acme")[field], "{field}");
    }
    let sent = body("none").to_string();
    for none in [None, Some("")] {
        let refused = stand.curl("POST", "/v1/customers", &[&*signed("shop", none)], Some(&sent));
        assert!(matches!(refused.status, 401 | 403 | 422), "{none:?}: {}", refused.body);
    }
    let read = |id: &str, org: Option<&str>| {
        stand.curl("GET", &format!("/v1/customers/{id}"), &[&*signed("billing", org)], None)
    };
    assert_eq!(read("acme", Some("acme")).json(), body("acme"));
    for (id, org) in [("acme", Some("bolt")), ("bolt", Some("acme")), ("acme", None)] {
        let seen = read(id, org);
        // A refusal ends with the number of the request, which is at random.
        let body = seen.body.split("\"request\"").next().unwrap();
        assert!(!body.contains("Zoë") && !body.contains("17"), "{org:?}: {}", seen.body);
    }

    // What is about a subject is looked for in the domains that can be looked at.
    let erase = ["tokens", "erase", "--subject", "customer-17"];
    let output = stand.allonym(&erase);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(receipt["skipped"], json!(["reference"]), "{receipt}");
    assert!(text(&output).contains("name it with --tenant"), "{}", text(&output));
    // With a tenant, and not in those whose scope is global: there it is somebody else.
    let output = stand.allonym(&[&erase[..], &["--tenant", "acme"]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(receipt["skipped"], json!(["email"]), "{receipt}");
    assert_eq!(receipt["domains"][0]["name"], "reference", "{receipt}");
    assert!(text(&output).contains("name its class with --class"), "{}", text(&output));
    for (class, names) in [("email", "email"), ("reference", "reference")] {
        let of_class = ["--tenant", "acme", "--class", class];
        let output = stand.allonym(&[&erase[..], &of_class].concat());
        assert!(output.status.success(), "{}", text(&output));
        let receipt: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(receipt["skipped"], Value::Null, "{receipt}");
        assert_eq!(receipt["domains"][0]["name"], names, "{receipt}");
    }
}
