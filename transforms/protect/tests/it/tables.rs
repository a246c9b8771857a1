//! Formats with so few values that they go through tables, and what their sizes are.

use super::format_vectors::{births, card, date, decimal, email, integer, reserved, string};
use super::*;

use allonym_protect::{DateFormat, EmailPart, SizeClass, SpecError, sizes};

use VersionMode::{Epoch, Header, Pinned, Reserved, Sidecar, Slack};

fn refused(template: TemplateSpec, mode: VersionMode, scope: Scope, tenants: &[&str]) -> SpecError {
    let tenants = tenants.iter().map(|tenant| (*tenant).to_owned()).collect();
    let means = Means { tenants, ..Means::default() };
    build(&spec(fpe(template, mode), scope), DOMAIN, means).err().unwrap()
}

fn tenant() -> Scope {
    Scope::Tenant("org".to_owned())
}

#[test]
fn a_small_domain_is_a_permutation_of_itself() {
    let keys = keys_without(1, &[]);
    for size in [100, 101, 1_000] {
        let method = global(fpe(integer(0, size - 1), Pinned));
        let mut values: Vec<Value> = (0..size).map(|n| Value::number(n.to_string())).collect();
        let plain = values.clone();
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        method.protect(&mut batch, &context(&keys)).unwrap();
        let mut numbers: Vec<i64> =
            values.iter().map(|value| value.as_str().unwrap().parse().unwrap()).collect();
        assert!(values != plain);
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..size));
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        method.reveal(&mut batch, &context(&keys)).unwrap();
        assert!(values == plain);
    }
}

#[test]
fn fewer_than_a_hundred_values_cannot_be_had() {
    for template in [
        integer(0, 98),
        integer(5, 5),
        decimal(0, 98, 1),
        date(DateFormat::Iso, "2000-01-01", "2000-04-08"),
    ] {
        let error = refused(template, Pinned, Scope::Global, &[]);
        assert!(matches!(error, SpecError::ClassTooSmall { size: ..100, .. }));
        let text = error.to_string();
        assert!(text.contains("`method: token`") && text.contains("`method: siv`"), "{text}");
    }
    for template in [integer(0, 99), date(DateFormat::Iso, "2000-01-01", "2000-04-09")] {
        assert!(global(fpe(template, Pinned)).is_reversible());
    }
}

#[test]
fn tables_are_for_declared_tenants_only() {
    let error = refused(births(), Pinned, tenant(), &[]).to_string();
    assert!(error.contains("declare the tenants"), "{error}");
    let method = built_for(fpe(births(), Pinned), tenant(), &["acme", "b", "acme"]);
    let keys = keys_without(1, &[]);
    let at = |tenant| Context { tenant, ..context(&keys) };
    let plain = Value::text("1984-02-29");
    let token = protect(&*method, &plain, &at(Some("acme"))).unwrap();
    assert!(reveal(&*method, &token, &at(Some("acme"))).unwrap() == plain);
    assert!(protect(&*method, &plain, &at(Some("b"))).unwrap() != token);
    for (tenant, rule) in [
        (Some("c"), FaultRule::UnknownTenant),
        (Some("acm"), FaultRule::UnknownTenant),
        (Some("ACME"), FaultRule::UnknownTenant),
        (Some(""), FaultRule::NoTenant),
        (None, FaultRule::NoTenant),
    ] {
        assert_eq!(protect(&*method, &plain, &at(tenant)).err(), Some(rule));
        assert_eq!(reveal(&*method, &token, &at(tenant)).err(), Some(rule));
        let forms = method.stored_forms(&plain, &at(tenant)).err();
        assert_eq!(forms, Some(Fault { index: 0, rule }));
    }
    // A domain that needs no table takes any tenant.
    let method = built_for(fpe(integer(0, 999_999), Pinned), tenant(), &[]);
    assert!(protect(&*method, &Value::text("1"), &at(Some("c"))).is_ok());
}

#[test]
fn more_tables_than_there_is_room_for_cannot_be_had() {
    let tenants: Vec<String> = (0..600).map(|number| format!("tenant {number}")).collect();
    let tenants: Vec<&str> = tenants.iter().map(String::as_str).collect();
    let check = |template, count: usize, possible: bool| {
        let means = Means {
            tenants: tenants[..count].iter().map(|tenant| (*tenant).to_owned()).collect(),
            ..Means::default()
        };
        let built = build(&spec(fpe(template, Pinned), tenant()), DOMAIN, means);
        let error = built.err().map(|error| error.to_string());
        assert_eq!(error.is_none(), possible, "{error:?}");
        assert!(error.is_none_or(|error| error.contains("128 MiB")));
    };
    check(integer(0, 99), 512, true);
    check(integer(0, 99), 513, false);
    check(integer(0, 999_998), 16, true);
    check(integer(0, 999_998), 17, false);
}

#[test]
fn at_a_million_the_engine_takes_over() {
    let keys = keys_without(1, &[]);
    for (highest, class) in [(999_998, SizeClass::Table), (999_999, SizeClass::Short)] {
        let template = integer(0, highest);
        let size = &sizes(&spec(fpe(template.clone(), Pinned), Scope::Global)).unwrap()[0];
        assert_eq!((size.values, size.cipher), (Some(highest as u128 + 1), class));
        let method = global(fpe(template, Pinned));
        for plain in [0, 1, highest - 1, highest] {
            let plain = Value::number(plain.to_string());
            let token = protect(&*method, &plain, &context(&keys)).unwrap();
            assert!(reveal(&*method, &token, &context(&keys)).unwrap() == plain);
        }
        let outside = Value::number((highest + 1).to_string());
        assert_eq!(protect(&*method, &outside, &context(&keys)).err(), Some(FaultRule::Range));
    }
}

/// A mode that a template cannot have says what to use.
#[test]
fn a_mode_that_cannot_be_had_says_what_to_use() {
    let ranges = || reserved(0, 999_999, &[1_000_000]);
    let keep = Keep::default();
    for (template, mode, expected) in [
        (births(), Slack, "version: pinned"),
        (email(EmailPart::Local), Slack, "version: pinned"),
        (births(), Reserved, "version: header"),
        (card(), Reserved, "version: sidecar"),
        (integer(0, 999_999), Reserved, "`reserved:`"),
        (ranges(), Slack, "version: reserved"),
        (ranges(), Header, "version: reserved"),
        (ranges(), Sidecar, "version: reserved"),
        (ranges(), Epoch, "version: reserved"),
        (ranges(), Pinned, "version: reserved"),
        (card(), Header, "version: slack"),
        (TemplateSpec::Iban, Header, "version: slack"),
        (integer(0, 999_999), Header, "version: sidecar"),
        (decimal(0, 999_999, 2), Header, "version: sidecar"),
        (
            TemplateSpec::Timestamp {
                format: allonym_protect::TimestampFormat::Epoch,
                from: "2000-01-01".to_owned(),
                to: "2010-01-01".to_owned(),
            },
            Header,
            "version: pinned",
        ),
        (integer(0, 999_999), Slack, "version: pinned"),
        (TemplateSpec::Digits { keep, min: 6, max: 9 }, Reserved, "version: header"),
    ] {
        let name = template.name();
        let error = refused(template, mode, Scope::Global, &[]).to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
    }
}

#[test]
fn the_sizes_of_a_domain() {
    let check = |template, mode, expected: &[(&str, Option<u128>, f64, SizeClass)]| {
        let all = sizes(&spec(fpe(template, mode), Scope::Global)).unwrap();
        for (what, values, bits, cipher) in expected {
            let size = all.iter().find(|size| size.what == *what);
            let size = size.unwrap_or_else(|| panic!("{what}: {all:?}"));
            assert_eq!((size.values, size.cipher), (*values, *cipher), "{what}");
            assert!((size.bits - bits).abs() < 0.01, "{what}: {}", size.bits);
        }
        all.len()
    };
    use SizeClass::{Full, Short, Table};
    let lengths = [("length 13", Some(1_000_000), 19.93, Short)];
    assert_eq!(check(card(), Slack, &lengths), 7);
    let last = TemplateSpec::Pan { keep: Keep { first: 6, last: 4 }, min: 17, max: 19 };
    let known = "length 17, the check digit being known";
    check(last, Slack, &[(known, Some(1_000_000), 19.93, Short)]);
    check(births(), Pinned, &[("days from 1900-01-01 to 2099-12-31", Some(73_049), 16.16, Table)]);
    check(TemplateSpec::Uuid, Pinned, &[("122 bits", Some(1 << 122), 122.0, Full)]);
    let everything = [("the last 128 bits", Some(u128::MAX), 128.0, Full)];
    check(TemplateSpec::Ipv6 { keep: 0 }, Pinned, &everything);
    check(
        TemplateSpec::Iban,
        Slack,
        &[
            ("country DE", Some(10_u128.pow(18)), 59.79, Full),
            ("country FR: 12 characters of 10", Some(10_u128.pow(12)), 39.86, Short),
            ("country IT: 10 characters of 10", Some(10_u128.pow(10)), 33.22, Short),
        ],
    );
    check(
        string("09az", "", (0, 0), (4, 40)),
        Pinned,
        &[
            ("4 characters enciphered", Some(1_679_616), 20.68, Short),
            ("40 characters enciphered", None, 206.80, Full),
        ],
    );
    let numbers = [("country code of 1 digit, then 6", Some(1_000_000), 19.93, Short)];
    check(TemplateSpec::Phone, Pinned, &numbers);
    check(
        email(EmailPart::Local),
        Pinned,
        &[("4 letters and digits enciphered", Some(1_679_616), 20.68, Short)],
    );
    assert_eq!(sizes(&spec(MethodSpec::Siv, Scope::Global)), Ok(vec![]));
    assert!(sizes(&spec(fpe(integer(0, 9), Pinned), Scope::Global)).is_err());
}
