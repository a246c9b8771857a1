//! What a configuration means, and what of it cannot be.

use std::sync::Arc;

use allonym_protect::{
    Canonical, Keep, Luhn, Method, MethodSpec, SpecError, TemplateSpec, TokenTemplate, VersionMode,
};

use super::*;
use crate::config::Config;
use crate::sandbox::Sandbox;

const BEGIN: &str = "seal: { file: /etc/allonym/seal.key }
keys: { k: { rotate: on_rewrap }, clock: { rotate: 30d } }
data:
";

/// A configuration with these classes (from line 4 on) and what one route says.
fn text(classes: &[&str], route: &str) -> String {
    let mut text = BEGIN.to_owned();
    for class in classes {
        text.push_str(&format!("  {class}\n"));
    }
    text.push_str("connectors:\n  api:\n    type: http\n    listen: 127.0.0.1:1\n");
    text.push_str("    upstream: http://x\n    routes:\n");
    let method = if route.starts_with("query:") { "GET" } else { "POST" };
    text.push_str(&format!("      \"{method} /a\": {{ {route} }}\n"));
    text
}

fn compile(text: &str) -> Result<Arc<Plan>, String> {
    let config = Config::parse(text, "a.yaml").unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let sandbox = Sandbox::open(config).map_err(|error| error.lines().join("\n"))?;
    Ok(sandbox.gateway.plan())
}

/// What is wrong with a class at a route.
fn check(class: &str, route: &str, expected: &str) {
    let Err(errors) = compile(&text(&[class], route)) else { panic!("{class} is right") };
    assert_eq!(errors, expected, "{class}");
}

#[test]
fn version_modes_that_need_something_beside_the_value() {
    let modes =
        "use `slack`, `header`, `reserved` or `pinned`, whichever the template has room for";
    for (mode, why) in [
        ("sidecar", "nothing is kept beside a value that could say its key version"),
        ("epoch", "no position of a row says which key version a value has"),
    ] {
        for stored in ["protected", "plain"] {
            check(
                &format!(
                    "a: {{ method: fpe, template: pan, version: {mode}, key: k, stored: {stored} }}"
                ),
                "$.a: a, holds: protected",
                &format!(
                    "a.yaml:11:20: `a` cannot be at an HTTP place: with `version: {mode}` {why} here\n  hint: {modes}"
                ),
            );
        }
    }
}

#[test]
fn marks_that_anybody_can_make() {
    let integer = "template: integer, range: 0..999999999, key: k";
    for (class, mark) in [
        (
            "a: { method: fpe, template: pan, key: k }".to_owned(),
            "the mark of `a` is a check digit, and a mistyped number has one too",
        ),
        (
            format!("a: {{ method: fpe, {integer}, version: reserved, reserved: [1000000000] }}"),
            "the mark of `a` is the range it lies in, and a mistyped number can lie there too",
        ),
        (
            "a: { method: token, template: digits, lengths: 9, key: k }".to_owned(),
            "protected values of `a` carry no mark, so they would be protected again",
        ),
        (
            "a: { method: token, template: pan, luhn: valid, key: k }".to_owned(),
            "protected values of `a` carry no mark, so they would be protected again",
        ),
    ] {
        check(
            &class,
            "$.a: a, holds: protected, tokens: accept",
            &format!(
                "a.yaml:11:20: `tokens: accept` cannot be here: {mark}\n  hint: use `tokens: only`, or leave it out"
            ),
        );
    }
}

#[test]
fn unmarked_classes_say_what_the_upstream_holds() {
    for class in [
        "a: { method: fpe, template: uuid, version: pinned, key: k }",
        "a: { method: token, template: alphanumeric, lengths: 8, key: k }",
    ] {
        check(
            class,
            "$.a: a",
            "a.yaml:11:20: protected values of `a` carry no mark, so a plain one could not be told apart here\n  hint: write `holds: protected` at the place if the upstream holds protected values only",
        );
    }
}

#[test]
fn what_cannot_be_looked_up() {
    for class in [
        "a: { method: encrypt, key: k }",
        "a: { method: token, random: true, key: k }",
        "a: { method: date_shift, days: 9, irreversible: true, key: k }",
        "a: { method: truncate, keep: { first: 2 }, irreversible: true }",
        "a: { method: generalize, width: 5, irreversible: true }",
    ] {
        check(
            class,
            "query:a: a",
            "a.yaml:11:19: `a` cannot be looked up: its method gives another value each time, or none\n  hint: leave the rule out of path and query, or use a convergent method",
        );
    }
    check(
        "a: { method: token, vaultless: true, key: clock }",
        "query:a: a",
        "a.yaml:11:19: `a` is looked up here, and its key rotates by the clock: after a rotation old values would not be found\n  hint: give it a key with `rotate: on_rewrap`, or use `method: token`",
    );
}

#[test]
fn methods_that_cannot_be_had_are_told_at_their_template() {
    let small = "a: { method: fpe, template: digits, lengths: 4, version: pinned, key: k }";
    let Err(errors) = compile(&text(&[small], "$.b: a, holds: protected")) else {
        panic!("4 digits are too few")
    };
    assert!(errors.starts_with("a.yaml:4:31: at length 4 only 4 characters change"), "{errors}");
}

/// With a mode that the template has no room for the error is at the mode.
#[test]
fn modes_that_cannot_be_had_are_told_at_the_mode() {
    let class = "a: { method: fpe, template: digits, lengths: 9, version: pinned, key: k }";
    let mut config = Config::parse(&text(&[class], "$.b: a, holds: protected"), "a.yaml").unwrap();
    let protection = config.data[0].protection.as_mut().unwrap();
    let template = TemplateSpec::Digits { keep: Keep::default(), min: 9, max: 9 };
    protection.method = MethodSpec::Fpe { template, version: VersionMode::Slack };
    let Err(error) = Sandbox::open(config) else { panic!("digits have no check digits") };
    let error = error.lines().join("\n");
    let expected = format!("a.yaml:4:60: {}", SpecError::NoSlack("digits"));
    assert!(error.starts_with(&expected), "{error}");
    assert!(error.contains("\n  hint: this template can have `version:` "), "{error}");
    assert!(error.contains("`pinned`"), "{error}");
}

#[test]
fn which_methods_mark() {
    let fpe = |version| MethodSpec::Fpe { template: TemplateSpec::Uuid, version };
    let token =
        |template| MethodSpec::Token { template, random: false, canonical: Canonical::default() };
    let keep = Keep::default();
    let pan = |luhn| token(TokenTemplate::Pan { keep, min: 16, max: 16, luhn });
    for (method, expected) in [
        (fpe(VersionMode::Slack), true),
        (fpe(VersionMode::Header), true),
        (fpe(VersionMode::Reserved), true),
        (fpe(VersionMode::Sidecar), true),
        (fpe(VersionMode::Epoch), false),
        (fpe(VersionMode::Pinned), false),
        (MethodSpec::Siv, true),
        (MethodSpec::Encrypt, true),
        (MethodSpec::Hash, true),
        (MethodSpec::Vaultless, true),
        (token(TokenTemplate::Plain), true),
        (token(TokenTemplate::Email { token_domain: "a.invalid".to_owned() }), true),
        (pan(Luhn::Fails), true),
        (pan(Luhn::Valid), false),
        (token(TokenTemplate::Digits { keep, min: 4, max: 4 }), false),
        (token(TokenTemplate::Alphanumeric { keep, min: 4, max: 4 }), false),
        (MethodSpec::Truncate { keep }, false),
        (MethodSpec::Redact, false),
    ] {
        assert_eq!(is_marked(&method), expected, "{method:?}");
    }
}

#[test]
fn few_values_and_equal_forms_are_warned_of() {
    let warned = |class: &str| {
        let plan = compile(&text(&[class], "$.b: a, holds: protected")).unwrap();
        let warning = plan.warnings.iter().find(|warning| warning.text.contains("frequency"));
        warning.map(|warning| (warning.serious, warning.text.clone()))
    };
    let says = |values: u32, method: &str| {
        format!(
            "class `a` has no more than {values} different values and a deterministic method (`{method}`): equality and frequency give values away; use `token` with `random: true`, or `encrypt`"
        )
    };
    for (class, expected) in [
        ("a: { method: siv, key: k, distinct: 999 }", Some((true, says(999, "siv (header)")))),
        ("a: { method: siv, key: k, distinct: 1000 }", Some((false, says(1_000, "siv (header)")))),
        ("a: { method: siv, key: k, distinct: 10000 }", None),
        ("a: { method: siv, key: k }", None),
        (
            "a: { method: hash, key: k, distinct: 2, irreversible: true }",
            Some((true, says(2, "hash (header)"))),
        ),
        (
            "a: { method: token, key: k, distinct: 50 }",
            Some((true, says(50, "token plain (convergent)"))),
        ),
        ("a: { method: token, random: true, key: k, distinct: 50 }", None),
        (
            "a: { method: siv, key: k, stored: plain, distinct: 50 }",
            Some((true, says(50, "siv (header)"))),
        ),
        ("a: { method: redact, irreversible: true, distinct: 2 }", None),
    ] {
        assert_eq!(warned(class), expected, "{class}");
    }
}

#[test]
fn domains_are_reported_once() {
    let classes = [
        "a: { method: siv, key: k, distinct: 50 }",
        "b: { stored: plain }",
        "c: { method: fpe, template: pan, lengths: 16, keep: { first: 6 }, key: k }",
        "d: { method: siv, key: k, domain: a }",
    ];
    let plan = compile(&text(&classes, "$.b: b")).unwrap();
    let reports = plan.domains();
    let names: Vec<_> =
        reports.iter().map(|report| (&*report.domain, report.classes.join(" "))).collect();
    assert_eq!(names, [("a", "a d".to_owned()), ("c", "c".to_owned())]);
    assert_eq!(reports[0].sizes[0].values.as_deref(), Some("50"));
    assert!(!reports[0].sizes[0].quota.unwrap().helps);
    assert_eq!((reports[1].version, reports[1].live_versions), (Some("slack"), Some(9)));
    let json = serde_json::to_value(&reports).unwrap();
    assert_eq!(json[0]["leaks"][0], "equality");
    assert_eq!(json[0]["sizes"][0]["quota"]["per_hour"], 1);
}

/// A class whose values say nothing of their version alone cannot be used by the command
/// line.
#[test]
fn places_of_the_command_line() {
    let plan = compile(&text(&["a: { method: siv, key: k }"], "$.b: a")).unwrap();
    assert!(plan.places.contains_key(&local_place("a")));
    for (version, expected) in [
        (VersionMode::Pinned, true),
        (VersionMode::Slack, true),
        (VersionMode::Sidecar, false),
        (VersionMode::Epoch, false),
    ] {
        let method = MethodSpec::Fpe { template: TemplateSpec::Uuid, version };
        assert_eq!(class::stands_alone(&method), expected, "{version:?}");
    }
}

/// What the built formats say of themselves reaches rotation and report.
#[test]
fn room_for_versions_is_that_of_the_format() {
    for (class, live, smallest) in [
        ("template: pan, lengths: 16, keep: { first: 6 }", Some(9), "short"),
        ("template: iban", Some(96), "short"),
        (
            "template: integer, range: 0..99999999, version: reserved, reserved: [100000000, 200000000]",
            Some(2),
            "short",
        ),
        ("template: date, version: pinned", Some(1), "table"),
        ("template: uuid, version: pinned", Some(1), "full"),
    ] {
        let class = format!("a: {{ method: fpe, {class}, key: k }}");
        let plan = compile(&text(&[&class], "$.b: a, holds: protected")).unwrap();
        let reports = plan.domains();
        assert_eq!(reports[0].live_versions, live, "{class}");
        let mut sizes = reports[0].sizes.clone();
        sizes.sort_by(|a, b| a.bits.total_cmp(&b.bits));
        assert_eq!(sizes[0].class, Some(smallest), "{class}");
        if smallest != "short" {
            assert_eq!(sizes[0].quota.unwrap().helps, smallest == "full", "{class}");
        }
        let warned = plan.warnings.iter().any(|warning| warning.text.contains("frequency"));
        assert_eq!(warned, smallest == "table", "{class}");
    }
}

/// The room for tables is that of a domain: classes that share it share what has them.
#[test]
fn classes_of_a_domain_have_one_method() {
    let date = "method: fpe, template: date, version: pinned, key: k";
    let token = "method: token, key: k";
    let classes = [
        format!("a: {{ {date} }}"),
        format!("b: {{ {date}, domain: a }}"),
        format!("c: {{ {date} }}"),
        format!("d: {{ {token} }}"),
        format!("e: {{ {token}, domain: d }}"),
    ];
    let classes: Vec<&str> = classes.iter().map(String::as_str).collect();
    let plan = compile(&text(&classes, "$.a: a, holds: protected")).unwrap();
    let method = |name: &str| &plan.class(name).unwrap().method_of().unwrap().method;
    let same = |one: &str, other: &str| match (method(one), method(other)) {
        (Method::Pure(one), Method::Pure(other)) => Arc::ptr_eq(one, other),
        (Method::Stored(one), Method::Stored(other)) => Arc::ptr_eq(one, other),
        _ => false,
    };
    for (one, other, expected) in
        [("a", "b", true), ("a", "c", false), ("d", "e", true), ("a", "d", false)]
    {
        assert_eq!(same(one, other), expected, "{one} {other}");
    }
}

/// What the documentation names as an alphabet, and blocks of scripts in full: they have
/// characters that can be in none.
#[test]
fn alphabets_of_scripts_can_be_had() {
    let page = include_str!("../../../docs/configuration.md");
    let row = page.lines().find(|line| line.starts_with("| `string` | `alphabet` |")).unwrap();
    let named: Vec<&str> =
        row.split('`').filter(|code| code.starts_with(['"', '\'']) && code.len() > 4).collect();
    assert!(named.len() >= 3, "{row}");
    let scripts = [
        r"'[\p{Latin}]'",
        r"'[\p{Cyrillic}]'",
        r"'[\p{Arabic}]'",
        r"'[\p{Devanagari}]'",
        r"'[\p{Hangul}]'",
        r"'[\u{600}-\u{6FF}]'",
        r"'[!-~]'",
        r"'[\p{L}&&[^\p{Han}\p{Hangul}]]'",
    ];
    for alphabet in named.into_iter().chain(scripts) {
        let class = format!(
            "a: {{ method: fpe, template: string, alphabet: {alphabet}, lengths: 6..40, version: pinned, key: k }}"
        );
        let plan = compile(&text(&[&class], "$.a: a, holds: protected"));
        assert!(plan.is_ok(), "{alphabet}: {}", plan.err().unwrap_or_default());
    }
}
