//! Each caller sees what `access:` says, and every method comes back as it went.

use serde_json::{Value, json};

use crate::stand::Stand;

pub(crate) const CONFIG: &str = include_str!("shop.yaml");

pub(crate) fn customer(id: &str) -> Value {
    json!({
        "id": id,
        "card": { "number": "4929120000006466", "expiry": "12/29" },
        "iban": "DE89370400440532013000",
        "phone": "+4915112345678",
        "account": "123456789",
        "code": "aZ09bQ",
        "email": "zoë.müller@example.com",
        "reference": 12_345_678_901_234_567_u64,
        "full_name": "Zoë Müller-Ångström",
        "national_id": "85073003328",
        "fingerprint": "fp-canary-1",
        "birth_date": "1985-07-30",
        "notes": ["untouched", 1.50, null]
    })
}

#[test]
fn each_caller_sees_what_access_says() {
    let stand = Stand::new(CONFIG);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let support = stand.token("support");
    let sent = customer("c1");
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&sent.to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);

    let stored = stand.stored("c1");
    for field in [
        "/card/number",
        "/iban",
        "/phone",
        "/account",
        "/code",
        "/email",
        "/reference",
        "/full_name",
        "/national_id",
        "/fingerprint",
    ] {
        assert_ne!(stored.pointer(field), sent.pointer(field), "{field} is stored in plain");
    }
    assert_eq!(stored["birth_date"], sent["birth_date"]);
    assert_eq!(stored["notes"], sent["notes"]);
    assert!(stored["card"]["number"].as_str().unwrap().starts_with("492912"));
    assert!(stored["iban"].as_str().unwrap().starts_with("DE"));
    assert!(stored["phone"].as_str().unwrap().starts_with("+49"));
    assert!(stored["email"].as_str().unwrap().ends_with("@allonym.invalid"));

    let read = |headers: &[&str]| stand.curl("GET", "/v1/customers/c1", headers, None);
    let token = |token: &str| format!("Allonym-Token: {token}");
    let seen = read(&[&token(&billing), "X-Purpose: chargeback"]);
    let mut expected = sent.clone();
    expected["fingerprint"] = stored["fingerprint"].clone();
    assert_eq!(seen.json(), expected);
    assert_eq!(seen.header("cache-control"), Some("no-store"));

    let seen = read(&[&token(&billing)]);
    assert_eq!(seen.json()["full_name"], stored["full_name"]);
    assert!(
        seen.header("allonym-notice").unwrap().contains("purpose-required"),
        "{}",
        seen.headers
    );
    let seen = read(&[&token(&billing), "X-Purpose: curiosity"]);
    assert_eq!(seen.json()["full_name"], stored["full_name"]);

    let seen = read(&[&token(&support)]).json();
    assert_eq!(seen["email"], sent["email"]);
    assert_eq!(seen["card"]["number"], "************6466");
    assert_eq!(seen["birth_date"], "1985-**-**");
    assert_eq!(seen["national_id"], stored["national_id"]);

    let seen = read(&[]).json();
    for field in ["/card/number", "/email", "/full_name", "/national_id", "/reference"] {
        assert_eq!(seen.pointer(field), stored.pointer(field), "{field}");
    }
    assert_eq!(seen["birth_date"], "***");
    assert_eq!(read(&["Allonym-Token: aln_nonsense"]).status, 401);
    let audit = stand.audit();
    assert!(audit.contains("\"intent\"") && audit.contains("token:billing"), "{audit}");
    assert!(!audit.contains("Zoë") && !audit.contains("4929120000006466"));
}

#[test]
fn laundering_and_code_books_are_stopped() {
    let stand = Stand::new(CONFIG);
    let (shop, support) = (stand.token("shop"), stand.token("support"));
    for id in ["victim", "own"] {
        let answer =
            stand.as_token(&shop, "POST", "/v1/customers", Some(&customer(id).to_string()));
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    let stored = stand.stored("victim");
    let put = |body: &Value| {
        stand.as_token(&support, "PUT", "/v1/customers/own", Some(&body.to_string()))
    };
    let before = stand.stored("own");
    for (what, body) in [
        ("another's token", json!({ "id": "own", "email": stored["email"] })),
        (
            "the token in capitals",
            json!({ "id": "own", "email": stored["email"].as_str().unwrap().to_uppercase() }),
        ),
        ("a made-up token", json!({ "id": "own", "email": "abcdefghijklmnop@allonym.invalid" })),
        ("a class without the right", json!({ "id": "own", "full_name": "A. Stranger" })),
    ] {
        let answer = put(&body);
        assert!(matches!(answer.status, 403 | 422), "{what}: {} {}", answer.status, answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    }
    let write =
        |body: Value| stand.as_token(&shop, "PUT", "/v1/customers/own", Some(&body.to_string()));
    for (what, body) in [
        (
            "a mistyped card number",
            json!({ "id": "own", "card": { "number": "4929120000006467" } }),
        ),
        (
            "a stored card number",
            json!({ "id": "own", "card": { "number": stored["card"]["number"] } }),
        ),
        ("a masked card number", json!({ "id": "own", "card": { "number": "************6466" } })),
        ("a masked birth date", json!({ "id": "own", "birth_date": "1985-**-**" })),
        ("a stored name", json!({ "id": "own", "full_name": stored["full_name"] })),
        (
            "a damaged name",
            json!({ "id": "own", "full_name": format!("{}x", stored["full_name"].as_str().unwrap()) }),
        ),
        ("a mistyped iban", json!({ "id": "own", "iban": "DE88370400440532013000" })),
    ] {
        let answer = write(body);
        assert_eq!(answer.status, 422, "{what}: {}", answer.body);
    }
    assert_eq!(stand.stored("own"), before, "nothing of it was stored");
}

#[test]
fn searching_needs_its_right_and_stores_nothing() {
    let stand = Stand::new(CONFIG);
    let shop = stand.token("shop");
    let (support, finder) = (stand.token("support"), stand.token("finder"));
    let mut sent = customer("c1");
    sent["email"] = json!("found@example.com");
    assert_eq!(stand.as_token(&shop, "POST", "/v1/customers", Some(&sent.to_string())).status, 201);
    let path = "/v1/customers?email=found%40example.com";
    let refused = stand.as_token(&support, "GET", path, None);
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert_eq!(refused.json()["rule"], "search-not-allowed");
    let found = stand.as_token(&finder, "GET", path, None);
    assert_eq!(found.status, 200, "{}", found.body);
    assert_eq!(found.json()[0]["email"], "found@example.com");
    let none = stand.as_token(&finder, "GET", "/v1/customers?email=nobody%40example.com", None);
    assert_eq!(none.json(), json!([]));
    let by_id = stand.as_token(&finder, "GET", "/v1/customers?national_id=85073003328", None);
    assert_eq!(by_id.json()[0]["id"], "c1");
    let received = stand.received();
    assert!(!received.contains("found@") && !received.contains("found%40"), "{received}");
    assert!(!received.contains("nobody"), "an operand reached the upstream in plain");
    // The token itself is no operand: whoever holds one must not find whose it is.
    let token = stand.stored("c1")["email"].as_str().unwrap().to_owned();
    // Support reads e-mail in plain all the same, and may search once it is granted.
    assert_eq!(
        stand.as_token(&support, "GET", "/v1/customers/c1", None).json()["email"],
        "found@example.com"
    );
    stand.configure(
        &CONFIG.replace("    write: [email]\n", "    write: [email]\n    search: [email]\n"),
    );
    let reloaded = stand.reload();
    assert!(reloaded.contains("revision 2"), "{reloaded}");
    assert_eq!(stand.as_token(&support, "GET", path, None).status, 200);
    assert_eq!(
        stand.as_token(&finder, "GET", &format!("/v1/customers?email={token}"), None).status,
        422
    );
}

/// Protected values without a mark never reach a caller who may write them anywhere, and
/// what a class shows on its way out does not come back in.
#[test]
fn what_carries_no_mark_is_not_handed_to_writers() {
    let config =
        CONFIG.replace("    mask: [phone, account, code]\n", "    mask: [phone, code]\n").replace(
            "  birth_date:  { stored: plain, mask: { keep: { first: 4 } } }",
            "  birth_date:  { stored: plain, method: siv, key: contact }",
        );
    let stand = Stand::new(&config);
    let (shop, billing) = (stand.token("shop"), stand.token("billing"));
    let sent = customer("c1");
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&sent.to_string()));
    assert_eq!(answer.json()["rule"], "unmarked-and-writable", "{}", answer.body);
    let read = |token: &str, headers: &[&str]| {
        let credential = format!("Allonym-Token: {token}");
        let headers: Vec<&str> =
            [&*credential].into_iter().chain(headers.iter().copied()).collect();
        stand.curl("GET", "/v1/customers/c1", &headers, None)
    };
    assert_eq!(read(&shop, &[]).status, 403);
    assert_eq!(read(&billing, &["X-Purpose: chargeback"]).json()["account"], sent["account"]);
    // `birth_date` is stored in plain and protected on the way out.
    assert_eq!(stand.stored("c1")["birth_date"], sent["birth_date"]);
    let shown = stand.curl("GET", "/v1/customers/c1", &[], None).json()["birth_date"].clone();
    assert!(shown.as_str().unwrap().starts_with("aln1."), "{shown}");
    let body = json!({ "id": "c1", "birth_date": shown }).to_string();
    let answer = stand.as_token(&shop, "PUT", "/v1/customers/c1", Some(&body));
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert_eq!(stand.stored("c1")["birth_date"], sent["birth_date"]);
    let checked = crate::stand::text(&stand.allonym(&["check"]));
    assert!(checked.contains("role `shop` may write `account`"), "{checked}");
}

/// A mask may hide a single character; written back it would replace the value.
#[test]
fn a_mask_is_never_taken_for_a_value() {
    let stand = Stand::new(&CONFIG.replace(
        "email:       { method: token, template: email, key: contact }",
        "email:       { method: token, template: email, key: contact, mask: { keep: { first: 2, last: 1 } } }",
    ));
    let shop = stand.token("shop");
    for body in [
        json!({ "id": "c1", "email": "jo@x.d*" }),
        json!({ "id": "c1", "full_name": "Bo*" }),
        json!({ "id": "c1", "reference": "***" }),
        json!({ "id": "c1", "birth_date": "1985-0*-30" }),
    ] {
        let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&body.to_string()));
        assert_eq!(answer.status, 422, "{body}: {}", answer.body);
        assert_eq!(answer.json()["rule"], "outside-template", "{body}");
    }
    // A request refused for one field stores no token of another.
    let body = json!({ "id": "c1", "reference": "no token for this", "full_name": "Bo*" });
    assert_eq!(stand.as_token(&shop, "POST", "/v1/customers", Some(&body.to_string())).status, 422);
    let report =
        crate::stand::text(&stand.allonym(&["backup", stand.folder.join("b").to_str().unwrap()]));
    assert!(report.contains(" 0 vaulted tokens"), "{report}");
}

#[test]
fn a_purpose_nobody_declared_is_not_on_the_record() {
    let stand = Stand::new(CONFIG);
    let (shop, support) = (stand.token("shop"), stand.token("support"));
    assert_eq!(
        stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string())).status,
        201
    );
    let headers = [&*format!("Allonym-Token: {support}"), "X-Purpose: canary-4929120000006466"];
    assert_eq!(stand.curl("GET", "/v1/customers/c1", &headers, None).status, 200);
    let audit = stand.audit();
    assert!(audit.contains("\"(unknown)\"") && !audit.contains("canary-4929"), "{audit}");
}

/// Where a place says so, protected values are taken as they are, from those with the right.
#[test]
fn tokens_are_taken_where_the_place_says_so() {
    let config = CONFIG
        .replace(
            "  - role: finder\n",
            "  - role: mover\n    write_token: [email, card_number]\n  - role: finder\n",
        )
        .replace(
            "      \"PUT /v1/customers/{id}\": *customer\n",
            "      \"PUT /v1/customers/{id}\": { tokens: accept, \"$.email\": email }\n      \"PATCH /v1/customers/{id}\": { tokens: only, \"$.card.number\": card_number }\n",
        );
    let stand = Stand::new(&config);
    let (shop, mover) = (stand.token("shop"), stand.token("mover"));
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&customer("c1").to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let stored = stand.stored("c1");
    let put = |token: &str, email: &Value| {
        let body = json!({ "id": "c2", "email": email }).to_string();
        stand.as_token(token, "PUT", "/v1/customers/c2", Some(&body))
    };
    let refused = put(&shop, &stored["email"]);
    assert_eq!(refused.json()["rule"], "write-token-not-allowed", "{}", refused.body);
    let taken = put(&mover, &stored["email"]);
    assert!(taken.status < 300 || taken.status == 404, "{} {}", taken.status, taken.body);
    assert!(stand.received().matches(stored["email"].as_str().unwrap()).count() >= 1);
    // The store has the last word, and a mover writes no plain values.
    let made_up = put(&mover, &json!("abcdefghijklmnop@allonym.invalid"));
    assert_eq!(made_up.status, 422, "{}", made_up.body);
    assert_eq!(put(&mover, &json!("plain@example.com")).json()["rule"], "write-not-allowed");
    let patch = |number: &str| {
        let body = json!({ "id": "c1", "card": { "number": number } }).to_string();
        stand.as_token(&mover, "PATCH", "/v1/customers/c1", Some(&body))
    };
    assert_eq!(patch("4929120000006466").json()["rule"], "tokens-only");
    let passed = patch(stored["card"]["number"].as_str().unwrap());
    assert!(passed.json()["rule"].is_null(), "{}", passed.body);
    // A check digit is no proof: `tokens: accept` is not for such classes.
    stand.configure(&config.replace("tokens: only", "tokens: accept"));
    let checked = crate::stand::text(&stand.allonym(&["check"]));
    assert!(checked.contains("`tokens: accept` cannot be here"), "{checked}");
    // Nor for those that carry no mark: what is protected would be protected again.
    let unmarked = "tokens: accept, holds: protected, \"$.phone\": phone";
    stand.configure(&config.replace("tokens: accept, \"$.email\": email", unmarked));
    let checked = crate::stand::text(&stand.allonym(&["check"]));
    assert!(checked.contains("they would be protected again"), "{checked}");
}

/// When a budget is spent the next best outcome holds, or the request is refused.
#[test]
fn a_spent_reveal_budget_leaves_the_next_best() {
    let config = CONFIG.replace(
        "    reveal: [email]\n    mask: [card_number",
        "    reveal: [email, full_name]\n    budget: { reveal: 8 }\n    mask: [card_number",
    );
    let stand = Stand::new(&config);
    let (shop, support) = (stand.token("shop"), stand.token("support"));
    let sent = customer("c1");
    let answer = stand.as_token(&shop, "POST", "/v1/customers", Some(&sent.to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let read = || stand.as_token(&support, "GET", "/v1/customers/c1", None);
    for _ in 0..4 {
        assert_eq!(read().json()["full_name"], sent["full_name"]);
    }
    let less = read();
    assert_eq!(less.json()["full_name"], "Z** ******-********", "masked is the next best");
    assert_eq!(less.json()["email"], stand.stored("c1")["email"], "no rule gives less than plain");
    assert!(less.header("allonym-notice").unwrap().contains("budget-spent"), "{}", less.headers);
    assert!(stand.audit().contains("budget-spent"));
    stand.configure(
        &config.replace("budget: { reveal: 8 }", "budget: { reveal: 8 }\n    on_budget: refuse"),
    );
    assert!(stand.reload().contains("revision 2"));
    let refused = read();
    assert_eq!((refused.status, &refused.json()["rule"]), (429, &json!("budget-spent")));
}

#[test]
fn programs_can_read_what_commands_print() {
    let stand = Stand::new(CONFIG);
    for arguments in [
        &["--json", "keys", "list"][..],
        &["--json", "api-tokens", "list"],
        &["--json", "check"],
        &["--json", "audit", "verify"],
        &["--json", "explain", "customers-api", "GET /v1/customers/{id}", "--as", "support"],
    ] {
        let printed = stand.allonym(arguments);
        assert!(printed.status.success(), "{arguments:?}: {}", crate::stand::text(&printed));
        let document: Value = serde_json::from_slice(&printed.stdout).expect("one JSON document");
        assert!(document.is_array() || document.is_object(), "{arguments:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = crate::stand::text(&stand.allonym(&["completions", shell]));
        assert!(script.contains("allonym") && script.contains("api-tokens"), "{shell}");
    }
}

/// A value without a token, where nearly every form is one: the refusal says so.
#[test]
fn a_search_in_a_counter_that_is_nearly_spent_says_why_not() {
    let config = CONFIG
        .replace(
            "reference:   { method: token, key: contact }",
            "reference:   { method: token, template: digits, lengths: 4, keep: { first: 1, last: 1 }, key: contact }",
        )
        .replace("    search: [email, national_id]\n", "    search: [email, national_id, reference]\n")
        .replace("        \"query:email\": email\n", "        \"query:email\": email\n        \"query:reference\": reference\n");
    let stand = Stand::new(&config);
    let (file, finder) = (stand.folder.join("shop.token"), stand.token("finder"));
    std::fs::write(&file, stand.token("shop")).unwrap();
    // 99 of 100 tokens.
    let values: String = (0..99).map(|n| format!("7{n:02}3\n")).collect();
    let protect = ["protect", "reference", "--token-file", file.to_str().unwrap()];
    let output = stand.allonym_with(&protect, &values);
    assert!(output.status.success(), "{}", crate::stand::text(&output));
    let search = |value: &str| {
        stand.as_token(&finder, "GET", &format!("/v1/customers?reference={value}"), None)
    };
    // Now and then the free one is looked at.
    let mut refused = (0..30).map(|_| search("7993")).skip_while(|answer| answer.status == 200);
    let refused = refused.next().unwrap();
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(refused.json()["rule"], "outside-template");
    assert!(
        refused.body.contains("nearly all tokens of its format are issued"),
        "{}",
        refused.body
    );
    let outside = search("79");
    assert!(outside.body.contains("search by a plain value"), "{}", outside.body);
    for answer in [refused, outside] {
        assert!(!answer.body.contains("only when you change it"), "{}", answer.body);
    }
}
