//! What an operator is told before the start.

use super::*;

/// What `check` prints; it takes the configuration, whatever it warns of.
fn check(relay: &Relay) -> String {
    let checked = relay.stand.allonym(&["check"]);
    let said = text(&checked);
    assert!(checked.status.success() && said.contains("allonym.yaml: valid"), "{said}");
    said
}

#[test]
fn what_is_missing_here_is_a_warning() {
    let folder = crate::stand::folder();
    let certificates = Certificates::new(&folder, "nobody");
    let [cert, key] = ["server.pem", "client.key"].map(|name| certificates.path(name));
    let mut relay = Relay::stopped(Server::new(), USERS);
    assert!(!check(&relay).contains("would not start"), "{}", check(&relay));
    relay.configure(&format!(
        "    tls: {{ cert: {cert}, key: {{ file: {key} }} }}
    upstream_tls: {{ ca: /no/such/ca.pem }}
    callers:
      users:
        one: {{ role: clerk, upstream_password: {{ env: NO_SUCH_VARIABLE }} }}
        two: {{ role: clerk, upstream_password: {{ file: /no/such/password }} }}
        three: {{ role: clerk }}
  api:
    type: http
    listen: GATEWAY
    tls: {{ cert: /no/such/cert.pem, key: {{ file: {key} }} }}
    upstream: https://UPSTREAM
    upstream_tls: {{ ca: {key} }}
"
    ));
    fs::rename(relay.stand.folder.join("seal.key"), relay.stand.folder.join("kept")).unwrap();
    let said = check(&relay);
    for expected in [
        "seal: ",
        &format!("connector `ledger`: tls.key.file: {key}: not the key of the first certificate"),
        "connector `ledger`: upstream_tls.ca: /no/such/ca.pem: cannot be read: No such file",
        "user `one`: upstream_password: the environment variable NO_SUCH_VARIABLE is not set",
        "user `two`: upstream_password: /no/such/password: No such file",
        "connector `api`: tls.cert: /no/such/cert.pem: cannot be read: No such file",
        "connector `api`: upstream_tls: there is no authority to trust",
    ] {
        let warned = |line: &str| {
            line.starts_with("warning: a gateway would not start here: ")
                && line.contains("allonym.yaml:")
                && line.contains(expected)
        };
        assert_eq!(said.lines().filter(|line| warned(line)).count(), 1, "{expected}: {said}");
    }
    assert!(said.contains("note: connector `ledger`: user `three` has no `upstream_password`"));
    let json = relay.stand.allonym(&["--json", "check"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["missing"].as_array().unwrap().len(), 7, "{json}");
    fs::rename(relay.stand.folder.join("kept"), relay.stand.folder.join("seal.key")).unwrap();

    relay.configure("    upstream_tls: off\n");
    assert!(check(&relay).contains("connector `ledger`: nobody can log in"));
    relay.configure(USERS);
    relay.start();
    // A gateway that runs has its own variables, whatever those of the command are.
    relay.stand.environment.clear();
    let said = check(&relay);
    assert!(!said.contains("would not start") && !said.contains("has no password"), "{said}");
    assert!(relay.stand.allonym(&["db-users", "remove", "shop"]).status.success());
    let warning = "connector `ledger`: user `shop` has no password and cannot log in";
    assert!(check(&relay).contains(warning));
    relay.stand.stop();
    let said = check(&relay);
    assert!(said.contains(warning), "{said}");
    assert!(said.contains("the environment variable SHOP_PASSWORD is not set"), "{said}");
    let _ = fs::remove_dir_all(folder);
}
