//! The control socket and what is asked over it: who may, how often, and what is on the
//! record.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::roles::CONFIG;
use crate::stand::{Stand, text};

const OPERATORS: &str = "operators: { USER: [keys, tokens, audit] }";

fn connect(stand: &Stand) -> UnixStream {
    let stream = UnixStream::connect(stand.folder.join("data/allonym.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// The next answer on a connection.
fn answer(stream: &UnixStream) -> Value {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn ask(stand: &Stand, request: &str) -> Value {
    let mut stream = connect(stand);
    writeln!(stream, "{request}").unwrap();
    answer(&stream)
}

/// The events with this action.
fn events(stand: &Stand, action: &str) -> Vec<Value> {
    let log = stand.audit();
    let events = log.lines().map(|line| serde_json::from_str(line).unwrap());
    events.filter(|event: &Value| event["action"] == action).collect()
}

/// Whatever happens to the log while nobody serves, the next start finds it, and no later
/// one forgets it, until an operator has accepted it.
#[test]
fn a_cut_log_stays_known_until_it_is_accepted() {
    let lost = "the audit log is not what the store remembers";
    for what in ["cut", "gone", "written anew"] {
        let mut stand = Stand::new(CONFIG);
        let first = stand.token("support");
        let refused = stand.allonym(&["audit", "accept-cut"]);
        assert!(text(&refused).contains("audit-not-cut"), "{}", text(&refused));
        stand.stop();
        let path = stand.folder.join("data/audit/audit.jsonl");
        let whole = fs::read_to_string(&path).unwrap();
        match what {
            "cut" => {
                let lines: Vec<&str> = whole.lines().collect();
                let left = lines[..lines.len() - 2].join("\n");
                fs::write(&path, left + "\n").unwrap();
            }
            "gone" => fs::remove_file(&path).unwrap(),
            _ => {
                fs::remove_file(&path).unwrap();
                // Commands without a gateway go on the record too: as many lines as there were.
                while stand.audit().lines().count() <= whole.lines().count() {
                    stand.token("support");
                }
            }
        }
        stand.start();
        assert!(stand.log().contains(lost), "{what}: {}", stand.log());
        assert_eq!(events(&stand, "audit.cut").len(), 1, "{what}");
        // Stopping in good order is when the anchor would be dropped; twice, to be sure.
        for _ in 0..2 {
            let verified = stand.allonym(&["audit", "verify"]);
            assert!(!verified.status.success(), "{what}");
            let said = text(&verified);
            assert!(said.contains("allonym audit accept-cut"), "{said}");
            assert!(!said.contains("was not what"), "the anchor still shows it by itself: {said}");
            assert!(text(&stand.allonym(&["check"])).contains(lost), "{what}");
            let status = ask(&stand, r#"{"request":"status"}"#);
            assert!(status["content"]["warnings"].to_string().contains(lost), "{what}: {status}");
            stand.stop();
            assert!(text(&stand.allonym(&["check"])).contains(lost), "{what}, not running");
            stand.start();
        }
        assert_eq!(events(&stand, "audit.cut").len(), 1, "{what}: found once");
        assert_eq!(stand.as_token(&first, "GET", "/v1/customers/none", None).status, 404);

        let accepted = stand.allonym(&["audit", "accept-cut"]);
        assert!(accepted.status.success(), "{what}: {}", text(&accepted));
        let acts = events(&stand, "audit.accept-cut");
        assert_eq!(acts.len(), 2, "an intent and a result: {acts:?}");
        assert!(acts[0]["actor"].as_str().unwrap().starts_with("operator:"), "{acts:?}");
        let starts = stand.log().matches(lost).count();
        stand.stop();
        stand.start();
        assert_eq!(stand.log().matches(lost).count(), starts, "{what}: {}", stand.log());
        let verified = stand.allonym(&["audit", "verify"]);
        assert!(verified.status.success(), "{what}: {}", text(&verified));
        assert!(text(&verified).contains("the store's anchor is in it"), "{}", text(&verified));
        assert!(!text(&stand.allonym(&["check"])).contains(lost), "{what}");
    }
}

#[test]
fn users_without_rights_cannot_shut_operators_out() {
    let none = CONFIG.replace(OPERATORS, "operators: { USER: [] }");
    let stand = Stand::new(&none);
    let mut held: Vec<UnixStream> = (0..4).map(|_| connect(&stand)).collect();
    for stream in &mut held {
        stream.write_all(b"{\"request\"").unwrap();
    }
    let turned_away = answer(&connect(&stand));
    assert_eq!(turned_away["content"]["rule"], "too-many-connections", "{turned_away}");
    let command = stand.allonym(&["keys", "list"]);
    assert!(text(&command).contains("too-many-connections"), "{}", text(&command));

    stand.configure(CONFIG);
    let reloaded = stand.reload();
    assert!(reloaded.contains("in force"), "{reloaded}");
    let listed = ask(&stand, r#"{"request":"keys"}"#);
    assert_eq!(listed["reply"], "keys", "{listed}");
    // Those who hold were listened to all the while, and may do now what they may now.
    for stream in &mut held {
        stream.write_all(b":\"status\"}\n").unwrap();
        assert_eq!(answer(stream)["reply"], "status");
    }
}

#[test]
fn who_has_no_right_is_on_the_record() {
    let few = CONFIG
        .replace(OPERATORS, "operators: { USER: [audit] }")
        .replace("  users: { USER: { role: billing, purpose: chargeback } }\n", "");
    let stand = Stand::new(&few);
    for (action, arguments) in [
        ("keys.rotate", &["keys", "rotate", "contact"][..]),
        ("api-tokens.create", &["api-tokens", "create", "--name", "x", "--role", "billing"]),
        ("reveal", &["reveal", "email"]),
    ] {
        let refused = stand.allonym_with(arguments, "someone@example.com\n");
        assert!(!refused.status.success() && text(&refused).contains("not-allowed"), "{action}");
        let events = events(&stand, action);
        assert_eq!(events.len(), 1, "{action}: {events:?}");
        assert_eq!(events[0]["kind"], "refused", "{action}");
        assert_eq!(events[0]["rule"], "not-allowed", "{action}");
        assert!(events[0]["actor"].as_str().unwrap().starts_with("operator:"), "{action}");
    }
    assert!(!stand.audit().contains("someone@"));
    assert!(stand.allonym(&["audit", "verify"]).status.success());
}

#[test]
fn a_token_whose_end_cannot_be_kept_is_not_made() {
    let stand = Stand::new(CONFIG);
    let hundred_years = 36_500_u64 * 86_400;
    for (name, seconds) in
        [("none", 0), ("long", hundred_years + 1), ("signed", 1 << 63), ("most", u64::MAX)]
    {
        let request = json!({
            "request": "create_api_token", "name": name, "role": "support",
            "purpose": null, "claims": {}, "expires_in": seconds,
        });
        let refused = ask(&stand, &request.to_string());
        assert_eq!(refused["content"]["rule"], "expiry-invalid", "{name}: {refused}");
    }
    let create = ["api-tokens", "create", "--role", "support", "--name"];
    for days in ["0", "36501", "213503982334602", "18446744073709551615"] {
        let refused =
            stand.allonym(&[&create[..], &[&format!("d{days}"), "--days", days]].concat());
        assert!(text(&refused).contains("expiry-invalid"), "{days}: {}", text(&refused));
    }
    let made = stand.allonym(&[&create[..], &["kept", "--days", "36500"]].concat());
    assert!(made.status.success(), "{}", text(&made));
    let listed = ask(&stand, r#"{"request":"api_tokens"}"#);
    let tokens = listed["content"].as_array().unwrap();
    assert_eq!(tokens.len(), 1, "{listed}");
    assert_eq!(tokens[0]["name"], "kept");
    assert!(tokens[0]["expires"].as_u64().unwrap() > hundred_years, "{listed}");
}

/// `allonym protect` or `reveal` as the holder of a token: exit code, both outputs.
fn as_role(stand: &Stand, role: &str, arguments: &[&str], input: &str) -> (i32, String, String) {
    let file = stand.folder.join(format!("{role}.token"));
    if !file.exists() {
        fs::write(&file, stand.token(role)).unwrap();
    }
    let all = [arguments, &["--token-file", file.to_str().unwrap()]].concat();
    let output = stand.allonym_with(&all, input);
    let code = output.status.code().unwrap();
    let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (code, said(output.stdout), said(output.stderr))
}

#[test]
fn a_class_that_is_stored_plain_has_nothing_to_reveal() {
    let stand = Stand::new(CONFIG);
    for verb in ["protect", "reveal"] {
        let (code, out, error) = as_role(&stand, "shop", &[verb, "birth_date"], "1985-07-30\n");
        assert_eq!((code, &*out), (1, ""), "{verb}: {error}");
        assert!(error.contains("class-plain") && error.contains("birth_date"), "{verb}: {error}");
        assert!(!error.contains("1985"), "{verb}: {error}");
    }
}

#[test]
fn a_retired_class_is_revealed_and_not_protected() {
    let live = CONFIG
        .replace("  birth_date:  {", "  nickname: { method: siv, key: contact }\n  birth_date:  {")
        .replace("    write: [card_number, iban", "    write: [nickname, card_number, iban")
        .replace("    reveal: [card_number, iban", "    reveal: [nickname, card_number, iban");
    let stand = Stand::new(&live);
    let (code, token, error) = as_role(&stand, "shop", &["protect", "nickname"], "Zoë\n");
    assert_eq!(code, 0, "{error}");
    assert_ne!(token, "Zoë\n");
    stand.configure(&live.replace(
        "nickname: { method: siv, key: contact }",
        "nickname: { method: siv, key: contact, retired: true }",
    ));
    let reloaded = stand.reload();
    assert!(reloaded.contains("in force"), "{reloaded}");
    let (code, out, error) = as_role(&stand, "shop", &["protect", "nickname"], "Zoë\n");
    assert_eq!((code, &*out), (1, ""), "{error}");
    assert!(error.contains("class-retired"), "{error}");
    let arguments = ["reveal", "nickname", "--purpose", "chargeback"];
    let (code, out, error) = as_role(&stand, "billing", &arguments, &token);
    assert_eq!((code, &*out), (0, "Zoë\n"), "{error}");
}

/// Whoever reads the output of `reveal` can tell a token from a value.
#[test]
fn a_reveal_says_what_it_shows() {
    let stand = Stand::new(CONFIG);
    let tokens = |class: &str, value: &str| {
        let (code, token, error) = as_role(&stand, "shop", &["protect", class], value);
        assert!(code == 0 && error.is_empty() && token != value, "{class}: {error}");
        token
    };
    let (email, name) = (tokens("email", "a@example.com\n"), tokens("full_name", "Zoë\n"));
    let id = tokens("national_id", "85073003328\n");
    let hash = tokens("fingerprint", "fp-1\n");
    let more = "note: shown protected: no rule gives more\n";
    let purpose = "note: shown protected: purpose-required\n";
    let unknown = "note: shown protected: purpose-unknown\n";
    for (role, class, with, input, code, out, note) in [
        ("support", "email", &[][..], &email, 0, "a@example.com\n", ""),
        ("support", "full_name", &[], &name, 0, "Z**\n", ""),
        ("support", "national_id", &[], &id, 3, &*id, more),
        ("billing", "national_id", &[], &id, 3, &*id, purpose),
        ("billing", "national_id", &["--purpose", "curiosity"], &id, 3, &*id, unknown),
        ("billing", "national_id", &["--purpose", "chargeback"], &id, 0, "85073003328\n", ""),
        ("billing", "fingerprint", &[], &hash, 3, &*hash, more),
    ] {
        let arguments = [&["reveal", class][..], with].concat();
        let seen = as_role(&stand, role, &arguments, input);
        assert_eq!(seen, (code, out.to_owned(), note.to_owned()), "{role}, {class}");
    }
    // More than one round trip: every value comes, the note once.
    let many = id.repeat(1_500);
    assert_eq!(
        as_role(&stand, "support", &["reveal", "national_id"], &many),
        (3, many.clone(), more.to_owned())
    );
}

#[test]
fn only_a_socket_is_removed_for_the_socket() {
    let elsewhere =
        CONFIG.replace("  listen: ADMIN\n", "  listen: ADMIN\n  socket: FOLDER/control.sock\n");
    let mut stand = Stand::without_gateway(&elsewhere);
    let path = stand.folder.join("control.sock");
    fs::write(&path, "somebody's file").unwrap();
    let said = stand.start_fails();
    assert!(said.contains("control.sock") && said.contains("not a socket"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's file");
    fs::remove_file(&path).unwrap();
    stand.start();
    stand.kill();
    assert!(path.exists(), "a killed gateway leaves its socket");
    stand.start();
    assert!(stand.allonym(&["keys", "list"]).status.success());
}
