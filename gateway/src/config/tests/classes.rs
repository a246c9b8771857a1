//! Data classes: every method, template and version mode.

use std::collections::BTreeMap;
use std::time::Duration;

use allonym_protect::{
    Buckets, Canonical, DateFormat, DatePart, EmailPart, Keep, Luhn, MethodSpec, Scope, ShiftPer,
    TemplateSpec, TimestampFormat, TokenTemplate, VersionMode,
};

use super::SEAL;
use crate::config::{Config, Protection};

pub(super) const KEYS: &str =
    "keys: { k: { rotate: on_rewrap }, clock: { rotate: 30d }, still: }\n";

/// How a class of these words is protected.
fn read(class: &str) -> Protection {
    let text = format!("{SEAL}{KEYS}data:\n  a: {{ {class} }}");
    let config = Config::parse(&text, "a.yaml").unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    config.class("a").unwrap().protection.clone().unwrap()
}

const KEEP: Keep = Keep { first: 0, last: 0 };

#[test]
fn templates_of_fpe_are_read() {
    let string = |alphabet: &str, pass: &str| TemplateSpec::String {
        alphabet: alphabet.to_owned(),
        pass: pass.to_owned(),
        keep: KEEP,
        min: 8,
        max: 40,
    };
    let days = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let (from, to) = days("1900-01-01", "2099-12-31");
    let national = |id: &str| TemplateSpec::National { id: id.to_owned() };
    for (typed, expected) in [
        (
            r#"string, alphabet: "[0-9A-Za-z]", pass: "-/ ", lengths: 8..40"#,
            string("09AZaz", "-/ "),
        ),
        (r"string, alphabet: '[\u{3b1}-\u{3c9}]', lengths: 8..40", string("αω", "")),
        ("email", TemplateSpec::Email { part: EmailPart::Local }),
        ("email, part: both", TemplateSpec::Email { part: EmailPart::Both }),
        (
            "integer, range: 0..999999999, width: 9",
            TemplateSpec::Integer { from: 0, to: 999_999_999, width: Some(9), reserved: vec![] },
        ),
        (
            "integer, range: -5..999999999",
            TemplateSpec::Integer { from: -5, to: 999_999_999, width: None, reserved: vec![] },
        ),
        (
            "decimal, range: 0.00..99999.99",
            TemplateSpec::Decimal { from: 0, to: 9_999_999, scale: 2 },
        ),
        (
            "date",
            TemplateSpec::Date { format: DateFormat::Iso, from: from.clone(), to: to.clone() },
        ),
        (
            "date, format: DD.MM.YYYY, range: 1900-01-01..2099-12-31",
            TemplateSpec::Date { format: DateFormat::Points, from, to: to.clone() },
        ),
        (
            "timestamp",
            TemplateSpec::Timestamp {
                format: TimestampFormat::Seconds,
                from: "1970-01-01".to_owned(),
                to: to.clone(),
            },
        ),
        (
            "timestamp, format: epoch_millis, range: 2020-01-01..2099-12-31",
            TemplateSpec::Timestamp {
                format: TimestampFormat::EpochMillis,
                from: "2020-01-01".to_owned(),
                to,
            },
        ),
        ("uuid", TemplateSpec::Uuid),
        ("ipv4", TemplateSpec::Ipv4 { keep: 0 }),
        ("ipv6, keep_bits: 48", TemplateSpec::Ipv6 { keep: 48 }),
        ("national, id: de_tax_id", national("de_tax_id")),
        ("ssn", national("us_ssn")),
        (
            r#"regex, pattern: "[A-Z]{2}[0-9]{6}""#,
            TemplateSpec::Regex { pattern: "[A-Z]{2}[0-9]{6}".to_owned(), max: 64 },
        ),
        (
            "regex, pattern: '[a-z]+', lengths: 1..20",
            TemplateSpec::Regex { pattern: "[a-z]+".to_owned(), max: 20 },
        ),
    ] {
        let read = read(&format!("method: fpe, template: {typed}, version: pinned, key: k"));
        let version = VersionMode::Pinned;
        assert_eq!(read.method, MethodSpec::Fpe { template: expected, version }, "{typed}");
    }
}

#[test]
fn version_modes_are_read() {
    for (typed, expected) in [
        ("pan", VersionMode::Slack),
        ("iban", VersionMode::Slack),
        ("iban, version: pinned", VersionMode::Pinned),
        ("pan, version: sidecar", VersionMode::Sidecar),
        ("ssn", VersionMode::Pinned),
        ("ssn, version: slack", VersionMode::Slack),
        ("national, id: de_tax_id", VersionMode::Pinned),
        ("uuid, version: epoch", VersionMode::Epoch),
        ("digits, lengths: 9, version: header", VersionMode::Header),
        ("integer, range: 0..99, version: reserved, reserved: [100, 200]", VersionMode::Reserved),
    ] {
        let read = read(&format!("method: fpe, template: {typed}, key: k"));
        let MethodSpec::Fpe { version, template } = read.method else { panic!("{typed}") };
        assert_eq!(version, expected, "{typed}");
        assert_eq!(read.version_at.is_some(), typed.contains("version:"), "{typed}");
        assert_eq!(read.template_at.map(|at| at.column), Some(31), "{typed}");
        if let TemplateSpec::Integer { reserved, .. } = template {
            assert_eq!(reserved, [100, 200]);
        }
    }
}

#[test]
fn tokens_are_read() {
    let token =
        |template, random| MethodSpec::Token { template, random, canonical: Canonical::Exact };
    let keep = Keep { first: 6, last: 4 };
    for (typed, expected) in [
        ("vaultless: true", MethodSpec::Vaultless),
        ("vaultless: true, template: plain, random: false", MethodSpec::Vaultless),
        ("vaultless: false", token(TokenTemplate::Plain, false)),
        ("random: true", token(TokenTemplate::Plain, true)),
        (
            "template: pan, keep: { first: 6, last: 4 }",
            token(TokenTemplate::Pan { keep, min: 13, max: 19, luhn: Luhn::Fails }, false),
        ),
        (
            "template: pan, lengths: 16, luhn: valid",
            token(TokenTemplate::Pan { keep: KEEP, min: 16, max: 16, luhn: Luhn::Valid }, false),
        ),
        (
            "template: digits, lengths: 4..6, random: true",
            token(TokenTemplate::Digits { keep: KEEP, min: 4, max: 6 }, true),
        ),
        (
            "template: alphanumeric, lengths: 8",
            token(TokenTemplate::Alphanumeric { keep: KEEP, min: 8, max: 8 }, false),
        ),
    ] {
        let read = read(&format!("method: token, {typed}, key: k"));
        assert_eq!(read.method, expected, "{typed}");
        assert_eq!(read.ttl, None, "{typed}");
    }
    let ends = read("method: token, ttl: 90d, key: k");
    assert_eq!(ends.ttl, Some(Duration::from_secs(90 * 86_400)));
}

#[test]
fn one_way_methods_are_read() {
    let shift = |format, days, per| MethodSpec::DateShift { format, days, per };
    let general = |to| MethodSpec::Generalize { to };
    let groups =
        BTreeMap::from([("north".to_owned(), vec!["oslo".to_owned(), "turku".to_owned()])]);
    let ranges = ["..17", "18..64", "65.."].map(str::to_owned).to_vec();
    for (typed, expected) in [
        ("truncate, keep: { first: 3 }", MethodSpec::Truncate { keep: Keep { first: 3, last: 0 } }),
        ("date_shift, days: 180, key: k", shift(DateFormat::Iso, 180, ShiftPer::Domain)),
        (
            "date_shift, days: 9, per: value, format: YYYYMMDD, key: k",
            shift(DateFormat::Compact, 9, ShiftPer::Value),
        ),
        ("generalize, width: 10", general(Buckets::Width(10))),
        (r#"generalize, ranges: ["..17", 18..64, "65.."]"#, general(Buckets::Ranges(ranges))),
        ("generalize, groups: { north: [oslo, turku] }", general(Buckets::Groups(groups))),
        (
            "generalize, to: year",
            general(Buckets::Date { format: DateFormat::Iso, to: DatePart::Year }),
        ),
        (
            "generalize, to: decade, format: MM/DD/YYYY",
            general(Buckets::Date { format: DateFormat::MonthFirst, to: DatePart::Decade }),
        ),
    ] {
        let read = read(&format!("method: {typed}, irreversible: true"));
        assert_eq!(read.method, expected, "{typed}");
    }
    assert_eq!(read("method: encrypt, version: header, key: k").method, MethodSpec::Encrypt);
}

#[test]
fn scopes_and_numbers_of_values_are_read() {
    let of = read("method: siv, key: k, scope: { tenant: org, of: [north, south] }, distinct: 50");
    assert_eq!(of.scope, Scope::Tenant("org".to_owned()));
    assert_eq!(of.tenants, ["north", "south"]);
    assert_eq!(of.distinct, Some(50));
    let global = read("method: redact, irreversible: true, distinct: 2");
    assert_eq!((global.scope, global.tenants.len(), global.distinct), (Scope::Global, 0, Some(2)));
}
