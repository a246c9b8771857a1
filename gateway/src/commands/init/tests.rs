use super::*;
use crate::config::Config;

fn posted(body: &str) -> Vec<Sample> {
    let route = Some("POST /v1/customers".to_owned());
    vec![Sample { route, name: "body.json".to_owned(), body: body.as_bytes().to_vec() }]
}

/// Path, class (`-` for none) and whether it is sure, of everything found.
fn check(body: &str, expected: &[(&str, &str, bool)]) {
    let proposal = propose("http://127.0.0.1:9000", "operator-name", &posted(body)).unwrap();
    let of = |findings: &[Finding], sure: bool| {
        let told = |f: &Finding| (f.path.clone(), f.class.clone().unwrap_or("-".to_owned()), sure);
        findings.iter().map(told).collect::<Vec<_>>()
    };
    let mut found = of(&proposal.sure, true);
    found.extend(of(&proposal.unsure, false));
    found.sort();
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(path, class, sure)| ((*path).to_owned(), (*class).to_owned(), *sure))
        .collect();
    expected.sort();
    assert_eq!(found, expected, "{body}");
    if let Err(errors) = Config::parse(&proposal.yaml, "proposal") {
        panic!("{errors}\n{}", proposal.yaml);
    }
}

#[test]
fn fields_are_told_by_key_and_by_value() {
    check(
        r#"{"id":"c-1","full_name":"Zoë Müller","email":"zoe@example.com","phone":"+4915112345678",
            "card":{"number":"4929120000006466","cvv":"123","expiry":"12/29"},"iban":"DE89370400440532013000",
            "national_id":"12 345678 9","birth_date":"1980-02-29","notes":"likes tea",
            "address":{"street":"Hauptstraße 1","city":"Köln","postcode":"50667","line1":"x"}}"#,
        &[
            ("$.full_name", "full_name", true),
            ("$.email", "email", true),
            ("$.phone", "phone", true),
            ("$.card.number", "card_number", true),
            ("$.card.cvv", "-", false),
            ("$.iban", "iban", true),
            ("$.national_id", "national_id", true),
            ("$.birth_date", "birth_date", true),
            ("$.notes", "-", false),
            ("$.address.street", "street", true),
            ("$.address.line1", "street", true),
            ("$.address.city", "-", false),
            ("$.address.postcode", "-", false),
        ],
    );
}

#[test]
fn other_languages_are_understood() {
    for (key, value, class) in [
        ("Geburtsdatum", "29.02.1980", "birth_date"),
        ("Straße", "Hauptstr. 1", "street"),
        ("nachname", "Müller", "full_name"),
        ("prénom", "Zoé", "full_name"),
        ("dateNaissance", "29/02/1980", "birth_date"),
        ("apellidos", "García", "full_name"),
        ("teléfono", "91 555 01 02", "phone"),
        ("cpf", "123.456.789-09", "national_id"),
        ("endereço", "Rua A, 1", "street"),
    ] {
        let body = serde_json::json!({ key: value }).to_string();
        check(&body, &[(&format!("$.{key}"), class, true)]);
    }
}

#[test]
fn what_is_not_clear_is_said() {
    for (body, expected) in [
        // The check digit holds by chance in one of ten numbers.
        (r#"{"reference_no_x":"4929120000006466"}"#, ("$.reference_no_x", "-", false)),
        (r#"{"foo":"4929120000006466"}"#, ("$.foo", "card_number", false)),
        (r#"{"order_id":"4929120000006466"}"#, ("$.order_id", "-", false)),
        (r#"{"pan":"4929120000006467"}"#, ("$.pan", "-", false)),
        (r#"{"pan":"4929 1200 0000 6466"}"#, ("$.pan", "card_text", false)),
        (r#"{"pan":4929120000006466}"#, ("$.pan", "card_number", true)),
        (r#"{"iban":"DE89 3704 0044 0532 0130 00"}"#, ("$.iban", "iban_text", false)),
        (r#"{"iban":"?"}"#, ("$.iban", "-", false)),
        (r#"{"email":"unknown"}"#, ("$.email", "-", false)),
        (r#"{"ssn":123456789}"#, ("$.ssn", "-", false)),
        (r#"{"x":"+4915112345678"}"#, ("$.x", "phone", false)),
        (r#"{"name":"Zoë"}"#, ("$.name", "full_name", false)),
        (r#"{"customer":{"name":"Zoë"}}"#, ("$.customer.name", "full_name", true)),
        (r#"{"password":"x"}"#, ("$.password", "-", false)),
        (r#"{"ip_address":"192.0.2.1"}"#, ("$.ip_address", "-", false)),
        (
            r#"{"items":[{"recipient":{"email":"a@example.com"}}]}"#,
            ("$.items[*].recipient.email", "email", true),
        ),
        (r#"[["a@example.com"],["b@example.com"]]"#, ("$[*][*]", "email", true)),
    ] {
        check(body, &[expected]);
    }
}

#[test]
fn what_is_nobodys_is_left_alone() {
    check(
        r#"{"version":"1.2.3","trace_id":"0af7651916cd43dd8448eb211c80319c","sha256":"9f86d081","count":3,
            "product":{"name":"Tea"},"file_name":"a.txt","currency":"EUR","ok":true,"none":null,"empty":""}"#,
        &[],
    );
}

#[test]
fn several_documents_and_odd_keys() {
    check(
        "{\"email\":\"a@example.com\"}\n{\"email\":\"b@example.com\"}\n",
        &[("$.email", "email", true)],
    );
    check("{\"email\":\"a@example.com\"}\n{\"email\":\"none\"}\n", &[("$.email", "-", false)]);
    check(r#"{"first name'":"Zoë"}"#, &[("$", "-", false)]);
    check(r#"{"first-name":"Zoë"}"#, &[("$['first-name']", "full_name", true)]);
    check(
        r#"{"it's\\-name":{"surname":"x"}}"#,
        &[(r"$['it\'s\\-name'].surname", "full_name", true)],
    );
}

#[test]
fn keys_that_are_values_are_not_repeated() {
    let body =
        r#"{"by_mail":{"zoe@example.com":{"surname":"Müller"},"max@example.com":{"surname":"x"}}}"#;
    check(body, &[("$.by_mail", "-", false), ("$.by_mail[*].surname", "full_name", true)]);
    let proposal = propose("http://127.0.0.1:9000", "operator-name", &posted(body)).unwrap();
    let told = serde_json::to_string(&proposal).unwrap();
    for secret in ["zoe", "max@", "Müller"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn a_sample_without_a_route_says_so() {
    let samples = [Sample { route: None, name: "b".to_owned(), body: b"{}".to_vec() }];
    let proposal = propose("https://api.internal", "operator-name", &samples).unwrap();
    assert_eq!(proposal.unsure.len(), 1);
    assert!(proposal.unsure[0].reason.contains("route"));
    Config::parse(&proposal.yaml, "proposal").unwrap();
}

#[test]
fn what_is_not_json_is_named() {
    let samples =
        [Sample { route: None, name: "b".to_owned(), body: b"{\n\"a\": secret}".to_vec() }];
    let error = propose("https://api.internal", "operator-name", &samples).unwrap_err();
    assert_eq!(error.to_string(), "b: not JSON at line 2, column 6");
}

#[test]
fn an_upstream_that_is_none_is_an_error_of_the_proposal() {
    let proposal = propose("not a url\"\n", "operator-name", &posted("{}")).unwrap();
    let errors = Config::parse(&proposal.yaml, "proposal").unwrap_err().to_string();
    assert!(errors.contains("upstream"), "{errors}");
}

#[test]
fn samples_are_read_with_and_without_a_route() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a=b.json");
    std::fs::write(&file, "{}").unwrap();
    let name = file.display().to_string();
    let check = |typed: String, route: Option<&str>| {
        let sample = sample(&typed).unwrap();
        assert_eq!((sample.route.as_deref(), sample.name.as_str()), (route, name.as_str()));
    };
    check(name.clone(), None);
    check(format!("POST /v1/a={name}"), Some("POST /v1/a"));
    assert!(sample("no/such/file").is_err());
}

#[test]
fn a_file_that_is_there_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("allonym.yaml");
    save(&file, "a", false).unwrap();
    assert!(save(&file, "b", false).unwrap_err().contains("--force"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a");
    save(&file, "b", true).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "b");
}
