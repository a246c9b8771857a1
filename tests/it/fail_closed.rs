//! Whatever cannot be judged is refused: nothing of it reaches the upstream in the clear,
//! and no log, error or metric repeats it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::roles::{CONFIG, customer};
use crate::stand::{Answer, Stand, curl};

/// Planted in every refused request; must never be found on the other side.
const CANARY: &str = "canary7f3a9";

fn canary_body() -> String {
    json!({ "id": "canary", "email": format!("{CANARY}@example.com"), "full_name": format!("{CANARY} Smith") }).to_string()
}

/// Nothing that was refused is anywhere.
fn assert_no_canary(stand: &Stand) {
    let metrics = curl(&format!("http://{}/metrics", stand.admin), "GET", &[], None).body;
    for (what, text) in [
        ("the upstream", stand.received()),
        ("the gateway's output", stand.log()),
        ("the audit log", stand.audit()),
        ("the metrics", metrics),
    ] {
        assert!(!text.contains(CANARY), "the canary is in {what}");
    }
}

#[test]
fn requests_that_cannot_be_judged() {
    let stand = Stand::new(CONFIG);
    let shop = stand.token("shop");
    let credential = format!("Allonym-Token: {shop}");
    let valid = canary_body();
    let cut = &valid[..valid.len() - 1];
    let twice = format!("{valid}{valid}");
    let bom = format!("\u{feff}{valid}");
    let deep = format!(
        "{{\"email\":\"{CANARY}@example.com\",\"x\":{}{}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let long = json!({ "full_name": CANARY.repeat(200_000) }).to_string();
    let surrogate = format!("{{\"full_name\":\"{CANARY}\\ud800\"}}");
    let object = format!("{{\"full_name\":{{\"first\":\"{CANARY}\"}}}}");
    let json = "Content-Type: application/json";
    for (what, status, rule, headers, body) in [
        ("cut short", 400, "malformed-json", vec![json], cut),
        ("two documents", 400, "malformed-json", vec![json], &*twice),
        ("a byte order mark", 400, "malformed-json", vec![json], &bom),
        ("too deep", 413, "json-limit", vec![json], &deep),
        ("a value too long", 413, "json-limit", vec![json], &long),
        ("a lone surrogate", 400, "malformed-json", vec![json], &surrogate),
        ("an object where a value is meant", 422, "not-a-single-value", vec![json], &object),
        ("text", 415, "content-type", vec!["Content-Type: text/plain"], &valid),
        (
            "another charset",
            415,
            "content-type",
            vec!["Content-Type: application/json; charset=utf-16"],
            &valid,
        ),
        ("no type", 415, "content-type", vec!["Content-Type:"], &valid),
        ("an unknown coding", 415, "content-encoding", vec![json, "Content-Encoding: br"], &valid),
        ("a coding that lies", 400, "bad-gzip", vec![json, "Content-Encoding: gzip"], &valid),
        (
            "an upgrade",
            400,
            "upgrade",
            vec![json, "Connection: Upgrade", "Upgrade: websocket"],
            &valid,
        ),
        ("a range", 400, "range", vec![json, "Range: bytes=0-3"], &valid),
    ] {
        let mut all = vec![&*credential];
        all.extend(headers);
        let answer = stand.curl("POST", "/v1/customers", &all, Some(body));
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert_problem(what, &answer);
        assert_eq!(answer.json()["rule"], rule, "{what}");
    }
    assert_no_canary(&stand);
}

fn assert_problem(what: &str, answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    let problem = answer.json();
    assert!(problem["rule"].is_string() && problem["detail"].is_string(), "{what}: {problem}");
    assert!(!answer.body.contains(CANARY), "{what}: {problem}");
}

#[test]
fn callers_that_cannot_be_judged() {
    let stand = Stand::new(CONFIG);
    let shop = stand.token("shop");
    let half = &shop[..shop.len() / 2];
    let valid = canary_body();
    let twice = [format!("Allonym-Token: {shop}"), "Allonym-Token: other".to_owned()];
    for (what, headers) in [
        ("no credential", vec![]),
        ("half a token", vec![format!("Allonym-Token: {half}")]),
        ("an empty token", vec!["Allonym-Token;".to_owned()]),
        ("two tokens", twice.to_vec()),
        (
            "a token nobody made",
            vec!["Allonym-Token: aln_abcdefghij_abcdefghijklmnopqrstuvwxyz".to_owned()],
        ),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = stand.curl("POST", "/v1/customers", &headers, Some(&valid));
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        assert!(answer.header("www-authenticate").is_some(), "{what}");
    }
    for (what, path) in [
        ("an unlisted place", "/v1/other"),
        ("an encoded slash", "/v1%2fcustomers"),
        ("dots", "/v1/x/../customers"),
        ("two slashes", "//v1/customers"),
    ] {
        let credential = format!("Allonym-Token: {shop}");
        let answer = stand.curl("POST", path, &[&credential], Some(&valid));
        assert!(matches!(answer.status, 400 | 403), "{what}: {} {}", answer.status, answer.body);
    }
    assert_no_canary(&stand);
}

#[test]
fn framing_that_could_be_read_in_two_ways() {
    let stand = Stand::new(CONFIG);
    let shop = stand.token("shop");
    let body = canary_body();
    let length = body.len();
    for (what, head) in [
        ("both lengths", format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n")),
        ("two lengths", format!("Content-Length: {length}\r\nContent-Length: 3\r\n")),
        ("a length that is no number", "Content-Length: 1x\r\n".to_owned()),
        ("an unknown transfer coding", "Transfer-Encoding: gzip, chunked\r\n".to_owned()),
    ] {
        let request = format!(
            "POST /v1/customers HTTP/1.1\r\nHost: x\r\nAllonym-Token: {shop}\r\nContent-Type: application/json\r\n{head}\r\n{body}"
        );
        let answer = raw(&stand, request.as_bytes());
        let refused = answer.is_empty()
            || answer.starts_with("HTTP/1.1 4")
            || answer.starts_with("HTTP/1.1 5");
        assert!(refused, "{what}: {answer}");
        assert!(!answer.contains(CANARY), "{what}");
    }
    let connect = raw(&stand, b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n");
    assert!(!connect.starts_with("HTTP/1.1 2"), "{connect}");
    assert_no_canary(&stand);
}

/// Sends bytes, reads what comes until the connection ends or falls silent.
fn raw(stand: &Stand, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(&stand.gateway).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(1_500))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_code_book_runs_out_of_budget() {
    let stand =
        Stand::new(&CONFIG.replace("budget: { write: 1000000 }", "budget: { write: 50 }").replace(
            "  - role: finder\n    search: [email, national_id]\n",
            "  - role: finder\n    budget: { search: 5 }\n    search: [email, national_id]\n",
        ));
    let (shop, finder) = (stand.token("shop"), stand.token("finder"));
    let mut refused = 0;
    for number in 0..60 {
        let body = json!({ "id": format!("n{number}"), "email": format!("n{number}@example.com") });
        let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&body.to_string()));
        match answer.status {
            201 => {}
            429 => refused += 1,
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert_eq!(refused, 10);
    let searches: Vec<u16> = (0..7)
        .map(|number| {
            stand
                .as_token(
                    &finder,
                    "GET",
                    &format!("/v1/customers?email=n{number}%40example.com"),
                    None,
                )
                .status
        })
        .collect();
    assert_eq!(searches, [200, 200, 200, 200, 200, 429, 429]);
    assert!(stand.audit().contains("budget-spent"), "an attempt is on the record");
}

/// Nothing is revealed that cannot be put on the record. The files of this gateway may
/// not grow beyond a limit: what a full disk looks like from inside.
#[test]
fn no_record_no_reveal() {
    let mut stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let audit = stand.folder.join("data/audit/audit.jsonl");
    let read = |stand: &Stand| {
        let headers = [&*format!("Allonym-Token: {billing}"), "X-Purpose: chargeback"];
        stand.curl("GET", "/v1/customers/c1", &headers, None)
    };
    assert_eq!(read(&stand).status, 200);
    let many = format!("http://{}/v1/customers/c1?n=[1-1500]", stand.gateway);
    let credential = format!("Allonym-Token: {billing}");
    let read_many = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-H", &credential, "-H", "X-Purpose: chargeback", &many])
        .status();
    assert!(read_many.unwrap().success());
    stand.stop();
    // A limit just above where the log is now, and well above what the store needs.
    let limit = std::fs::metadata(&audit).unwrap().len() / 1024 + 2;
    stand.start_with(|command| {
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut limited = Command::new("bash");
        limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"")]);
        limited.arg(program).args(arguments).stdin(Stdio::null());
        limited
    });
    let mut statuses = Vec::new();
    for _ in 0..40 {
        let answer = read(&stand);
        statuses.push(answer.status);
        if answer.status == 503 {
            assert_eq!(answer.json()["rule"], "audit-unavailable");
            assert!(!answer.body.contains("4929120000006466"));
            break;
        }
    }
    assert_eq!(statuses.last(), Some(&503), "{statuses:?}");
    // The smaller event that `/readyz` tries may still find room a few times.
    let unready = (0..20).any(|_| {
        assert_eq!(read(&stand).status, 503);
        !stand.is_ready()
    });
    assert!(unready, "a gateway whose record is full is not ready");
    // Those who see protected values only need no record.
    let anyone = stand.curl("GET", "/v1/customers/c1", &[], None);
    assert_eq!(anyone.status, 200, "{}", anyone.body);
    stand.kill();
    stand.start();
    assert_eq!(read(&stand).status, 200, "with room again it reveals again");
    let verified = stand.allonym(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", crate::stand::text(&verified));
}

/// Answers of the upstream that cannot be judged.
#[test]
fn answers_that_cannot_be_judged() {
    let stand = Stand::new(CONFIG);
    let billing = stand.token("billing");
    // Written around the gateway, straight into the upstream.
    let put = |id: &str, body: &str| {
        let answer =
            curl(&format!("http://{}/v1/customers", stand.upstream), "POST", &[], Some(body));
        assert_eq!(answer.status, 201, "{id}: {}", answer.body);
    };
    let read = |id: &str, headers: &[&str]| {
        stand.curl("GET", &format!("/v1/customers/{id}"), headers, None)
    };
    put("residue", r#"{"id":"residue","card":{"number":"4929120000006468"}}"#);
    assert_eq!(read("residue", &[]).status, 502, "a residue could be a damaged token");
    put("forged", r#"{"id":"forged","full_name":"aln1.AAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#);
    assert_eq!(read("forged", &[]).status, 502);
    put(
        "plain",
        r#"{"id":"plain","full_name":"Plain Canary","card":{"number":"4929120000006466"}}"#,
    );
    let seen = read("plain", &[]);
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert!(
        !seen.body.contains("Plain Canary") && !seen.body.contains("4929120000006466"),
        "{}",
        seen.body
    );
    let credential = format!("Allonym-Token: {billing}");
    let seen = read("plain", &[&credential, "X-Purpose: chargeback"]);
    assert_eq!(seen.json()["full_name"], "Plain Canary", "by access");
    assert!(seen.header("allonym-notice").unwrap().contains("unprotected"));
    let metrics = curl(&format!("http://{}/metrics", stand.admin), "GET", &[], None).body;
    assert!(metrics.contains("fate=\"unprotected\""), "{metrics}");
}

/// The upstream spells what it was given otherwise. Where it holds protected values only,
/// nothing of that is taken for a plain value that somebody may see.
#[test]
fn protected_values_that_come_back_in_another_spelling() {
    let stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let sent = customer("c1");
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&sent.to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let stored = stand.stored("c1");
    let text = |field: &str| stored.pointer(field).unwrap().as_str().unwrap().to_owned();
    let (card, iban, phone) = (text("/card/number"), text("/iban"), text("/phone"));
    let (account, code) = (text("/account"), text("/code"));
    let in_fours = |text: &str| {
        let parts: Vec<&str> =
            text.as_bytes().chunks(4).map(|p| str::from_utf8(p).unwrap()).collect();
        parts.join(" ")
    };
    let put = |body: &serde_json::Value| {
        let at = format!("http://{}/v1/customers", stand.upstream);
        assert_eq!(curl(&at, "POST", &[], Some(&body.to_string())).status, 201);
    };
    let credential = format!("Allonym-Token: {billing}");
    let headers = [&*credential, "X-Purpose: chargeback"];
    for (number, (field, value)) in [
        ("$.card.number", json!({ "card": { "number": in_fours(&card) } })),
        ("$.card.number", json!({ "card": { "number": format!("{card}0000") } })),
        ("$.card.number", json!({ "card": { "number": format!("****{}", &card[4..]) } })),
        ("$.card.number", json!({ "card": { "number": true } })),
        ("$.iban", json!({ "iban": in_fours(&iban) })),
        ("$.iban", json!({ "iban": iban.to_lowercase() })),
        ("$.phone", json!({ "phone": phone.replace('+', "00") })),
        ("$.account", json!({ "account": format!("{}-{}", &account[..3], &account[3..]) })),
        ("$.code", json!({ "code": format!("{code} ") })),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = value.clone();
        body["id"] = format!("r{number}").into();
        put(&body);
        for headers in [&headers[..], &[]] {
            let seen = stand.curl("GET", &format!("/v1/customers/r{number}"), headers, None);
            assert_eq!(seen.status, 502, "{value}: {}", seen.body);
            let problem = seen.json();
            assert_eq!(
                (&problem["rule"], &problem["field"]),
                (&json!("unreadable"), &json!(field))
            );
        }
    }
    // What holds nothing is no spelling of anything, and what is plain is judged by access.
    for (id, value) in [
        ("nothing", json!({ "card": { "number": null }, "iban": "", "phone": null })),
        ("absent", json!({ "card": {} })),
        ("plain", json!({ "card": { "number": "4929120000006466" } })),
        ("as-it-was", stored.clone()),
    ] {
        let mut body = value.clone();
        body["id"] = id.into();
        put(&body);
        let seen = stand.curl("GET", &format!("/v1/customers/{id}"), &headers, None);
        assert_eq!(seen.status, 200, "{id}: {}", seen.body);
        if id != "as-it-was" {
            assert_eq!(seen.json(), body, "{id}");
        }
    }
    let whole = "\"GET /v1/customers/{id}\": *customer\n";
    let one = "\"GET /v1/customers/{id}\": { \"$.card.number\": card_number }\n";
    let mixed = Stand::new(&CONFIG.replace(whole, one));
    let body = json!({ "id": "c1", "card": { "number": in_fours(&card) } });
    let at = format!("http://{}/v1/customers", mixed.upstream);
    assert_eq!(curl(&at, "POST", &[], Some(&body.to_string())).status, 201);
    let credential = format!("Allonym-Token: {}", mixed.token("billing"));
    let seen = mixed.curl("GET", "/v1/customers/c1", &[&credential, "X-Purpose: chargeback"], None);
    assert_eq!(seen.status, 200, "plain values may be here: {}", seen.body);
    assert!(seen.header("allonym-notice").unwrap().contains("unprotected"), "{}", seen.headers);
}

/// JavaScript and Python write a number without the zeros it ends with.
#[test]
fn a_number_may_lose_the_zeros_it_ends_with() {
    let class = "  amount: { method: fpe, template: decimal, range: 0.00..99999999.99, version: pinned, key: phone }\n";
    let config = CONFIG
        .replace("access:\n", &format!("{class}access:\n"))
        .replace("[card_number,", "[amount, card_number,")
        .replace("mask: [phone,", "mask: [amount, phone,")
        .replace("\"$.iban\": iban", "\"$.amount\": amount\n        \"$.iban\": iban");
    let stand = Stand::new(&config);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let credential = format!("Allonym-Token: {billing}");
    let headers = [&*credential, "X-Purpose: chargeback"];
    // Protected numbers end with a zero now and then: one of them is cut as such a program
    // would cut it.
    let (mut number, mut stored) = (0, String::new());
    while !stored.ends_with('0') {
        number += 1;
        assert!(number < 500, "no protected number ends with 0");
        let body = format!("{{\"id\":\"c1\",\"amount\":{number}.5}}");
        let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&body));
        assert_eq!(answer.status, 201, "{}", answer.body);
        let at = format!("http://{}/debug/stored/c1", stand.upstream);
        let body = curl(&at, "GET", &[], None).body;
        stored = body.trim_end_matches('}').rsplit(':').next().unwrap().to_owned();
        assert_eq!(stored.split_once('.').unwrap().1.len(), 2, "{body}");
    }
    let cut = stored.trim_end_matches('0').trim_end_matches('.');
    let at = format!("http://{}/v1/customers", stand.upstream);
    let put = |body: &str| assert_eq!(curl(&at, "POST", &[], Some(body)).status, 201);
    put(&format!("{{\"id\":\"c1\",\"amount\":{cut}}}"));
    let seen = stand.curl("GET", "/v1/customers/c1", &headers, None);
    assert_eq!(seen.body, format!("{{\"id\":\"c1\",\"amount\":{number}.50}}"));
    // A text has one form.
    put(&format!("{{\"id\":\"c1\",\"amount\":\"{cut}\"}}"));
    assert_eq!(stand.curl("GET", "/v1/customers/c1", &headers, None).status, 502);
}

/// The token store takes no writes: another process holds it, as a full or failing disk
/// would. What needs it is refused before anything is sent; what does not goes on.
#[test]
fn a_store_that_takes_nothing() {
    let stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let post = |body: &serde_json::Value| {
        stand.as_token(&shop, "POST", "/v1/customers", Some(&body.to_string()))
    };
    assert_eq!(post(&customer("c1")).status, 201);
    let headers = [&*format!("Allonym-Token: {billing}"), "X-Purpose: chargeback"];
    let read = || stand.curl("GET", "/v1/customers/c1", &headers, None);
    // A place is remembered when it is first read; from then on reading writes nothing.
    assert_eq!(read().status, 200);
    let database = rusqlite::Connection::open(stand.folder.join("data/store.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = post(&json!({ "id": "c2", "email": format!("{CANARY}@example.com") }));
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(refused.json()["rule"], "store-unavailable");
    // Computed methods and reveals need no write.
    let computed =
        json!({ "id": "c3", "full_name": "Zoë", "card": { "number": "4929120000006466" } });
    assert_eq!(post(&computed).status, 201);
    let seen = read();
    assert_eq!(seen.json()["email"], customer("c1")["email"], "{}", seen.body);
    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(post(&json!({ "id": "c4", "email": "again@example.com" })).status, 201);
    assert_no_canary(&stand);
}

/// The token store cannot be read: its values stay protected, the caller is told, and
/// what needs no store is revealed all the same.
#[test]
fn a_store_that_gives_nothing() {
    let stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let sent = customer("c1");
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&sent.to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let headers = [&*format!("Allonym-Token: {billing}"), "X-Purpose: chargeback"];
    let read = || stand.curl("GET", "/v1/customers/c1", &headers, None);
    assert_eq!(read().json()["email"], sent["email"]);
    let database = rusqlite::Connection::open(stand.folder.join("data/store.db")).unwrap();
    database.execute_batch("ALTER TABLE tokens RENAME TO tokens_away").unwrap();
    // What was read a moment ago is remembered for ten seconds, and no longer.
    let (token, start) = (stand.stored("c1")["email"].clone(), Instant::now());
    let less = loop {
        let seen = read();
        assert_eq!(seen.status, 200, "{}", seen.body);
        if seen.json()["email"] == token {
            break seen;
        }
        assert_eq!(seen.json()["email"], sent["email"]);
        assert!(start.elapsed() < Duration::from_secs(20), "it is remembered for too long");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(less.json()["full_name"], sent["full_name"]);
    let notice = less.header("allonym-notice").unwrap();
    assert!(notice.contains("email; reveal-unavailable"), "{notice}");
    database.execute_batch("ALTER TABLE tokens_away RENAME TO tokens").unwrap();
    assert_eq!(read().json()["email"], sent["email"]);
}
