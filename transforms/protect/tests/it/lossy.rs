//! One-way methods that leave something of the value: `truncate`, `date_shift`,
//! `generalize`.

use super::*;

use std::collections::{BTreeMap, BTreeSet};

use allonym_protect::{Buckets, DateFormat, DatePart, ShiftPer, SpecError};
use proptest::prelude::*;

use DateFormat::{Compact, Iso, MonthFirst, Points};
use FaultRule::{
    Alphabet, BadMark, Irreversible, Kind, Length, Masked, NoKey, NoTenant, NotANumber,
    NotSearchable, Range, Structure,
};

fn truncate(first: usize, last: usize) -> MethodSpec {
    MethodSpec::Truncate { keep: Keep { first, last } }
}

fn shift(format: DateFormat, days: u32, per: ShiftPer) -> MethodSpec {
    MethodSpec::DateShift { format, days, per }
}

fn generalize(to: Buckets) -> MethodSpec {
    MethodSpec::Generalize { to }
}

fn ranges(declared: &[&str]) -> MethodSpec {
    generalize(Buckets::Ranges(declared.iter().map(|&range| range.to_owned()).collect()))
}

fn groups(declared: &[(&str, &[&str])]) -> MethodSpec {
    let group = |(name, members): &(&str, &[&str])| {
        ((*name).to_owned(), members.iter().map(|&member| member.to_owned()).collect())
    };
    generalize(Buckets::Groups(declared.iter().map(group).collect::<BTreeMap<_, _>>()))
}

fn cities() -> MethodSpec {
    groups(&[("north", &["hamburg", "kiel"]), ("south", &["münchen"])])
}

fn part(format: DateFormat, to: DatePart) -> MethodSpec {
    generalize(Buckets::Date { format, to })
}

fn text(content: &str) -> Value {
    Value::text(content)
}

fn number(written: &str) -> Value {
    Value::number(written)
}

fn all() -> Vec<MethodSpec> {
    vec![
        truncate(2, 1),
        shift(Iso, 30, ShiftPer::Value),
        shift(Compact, 3650, ShiftPer::Domain),
        generalize(Buckets::Width(10)),
        ranges(&["..17", "18..64", "65.."]),
        part(Iso, DatePart::Year),
        cities(),
    ]
}

/// What each method makes of each value, or which rule it breaks.
fn check(method: MethodSpec, cases: &[(Value, Result<Value, FaultRule>)]) {
    let keys = keys_without(1, &[]);
    let method = global(method);
    for (value, expected) in cases {
        let made = protect(&*method, value, &context(&keys));
        assert!(made == *expected, "{:?} {:?}", shown(made), shown(expected.clone()));
    }
}

#[test]
fn only_the_kept_ends_are_left() {
    check(
        truncate(2, 1),
        &[
            (text("Müller"), Ok(text("Mür"))),
            (text("Zoë!"), Ok(text("Zo!"))),
            (text("🦀ab👍"), Ok(text("🦀a👍"))),
            (number("4929"), Ok(number("499"))),
            (text("0001"), Ok(text("001"))),
            (number("0"), Err(Length)),
            (text("Zoë"), Err(Length)),
            (text("Z"), Err(Length)),
            (number("123"), Err(Length)),
            (number("-123"), Err(Alphabet)),
            (number("12.34"), Err(Alphabet)),
            (number("1e10"), Err(Alphabet)),
            (Value::Bool(true), Err(Kind)),
            (text("Mü***r"), Err(Masked)),
            (text("xxxxx"), Err(Masked)),
            (text("aln1.AQE"), Err(BadMark)),
            (text("TKV1_00"), Err(BadMark)),
            (text(""), Ok(text(""))),
            (Value::Null, Ok(Value::Null)),
        ],
    );
    check(
        truncate(0, 2),
        &[
            (number("1205"), Err(NotANumber)),
            (number("1200"), Err(NotANumber)),
            (number("1250"), Ok(number("50"))),
            (text("1205"), Ok(text("05"))),
        ],
    );
    check(truncate(0, 1), &[(number("120"), Ok(number("0")))]);
    check(truncate(3, 0), &[(text("DE-12345"), Ok(text("DE-")))]);
    check(truncate(usize::MAX, usize::MAX), &[(text("anything"), Err(Length))]);
}

#[test]
fn nothing_of_the_length_is_left() {
    let keys = keys_without(1, &[]);
    let method = global(truncate(2, 2));
    let left: Vec<Value> = (5..50)
        .map(|length| {
            let value = text(&format!("ab{}yz", "-".repeat(length - 4)));
            protect(&*method, &value, &context(&keys)).unwrap()
        })
        .collect();
    assert!(left.iter().all(|left| *left == text("abyz")));
}

#[test]
fn integers_fall_into_buckets() {
    check(
        generalize(Buckets::Width(10)),
        &[
            (number("0"), Ok(text("0-9"))),
            (number("9"), Ok(text("0-9"))),
            (number("10"), Ok(text("10-19"))),
            (text("45"), Ok(text("40-49"))),
            (number("-1"), Ok(text("-10..-1"))),
            (number("-10"), Ok(text("-10..-1"))),
            (number("-11"), Ok(text("-20..-11"))),
            (number("9223372036854775807"), Ok(text("9223372036854775800-9223372036854775809"))),
            (
                number("-9223372036854775808"),
                Ok(text("-9223372036854775810..-9223372036854775801")),
            ),
            (number("9223372036854775808"), Err(Range)),
            (number("1.5"), Err(Structure)),
            (number("1e1"), Err(Structure)),
            (number("-0"), Err(Structure)),
            (text("007"), Err(Structure)),
            (text("+7"), Err(Structure)),
            (text("-"), Err(Structure)),
            (text(" 7"), Err(Structure)),
            (text("٣"), Err(Structure)),
            (text("40-49"), Err(Structure)),
            (text("**"), Err(Masked)),
            (text("alh1.AQE"), Err(BadMark)),
            (Value::Bool(true), Err(Kind)),
            (Value::Null, Ok(Value::Null)),
            (text(""), Ok(text(""))),
        ],
    );
    check(generalize(Buckets::Width(u32::MAX)), &[(number("5"), Ok(text("0-4294967294")))]);
    check(
        ranges(&["..17", "18..64", "65.."]),
        &[
            (number("-9223372036854775808"), Ok(text("..17"))),
            (number("17"), Ok(text("..17"))),
            (number("18"), Ok(text("18..64"))),
            (text("64"), Ok(text("18..64"))),
            (number("65"), Ok(text("65.."))),
            (number("9223372036854775807"), Ok(text("65.."))),
            (text("18..64"), Err(Structure)),
            (number("18.5"), Err(Structure)),
        ],
    );
    check(
        ranges(&["-5..-1", "0..0", "1..9"]),
        &[
            (number("-6"), Err(Range)),
            (number("-5"), Ok(text("-5..-1"))),
            (number("0"), Ok(text("0..0"))),
            (number("9"), Ok(text("1..9"))),
            (number("10"), Err(Range)),
        ],
    );
}

#[test]
fn dates_and_texts_fall_into_buckets() {
    check(
        part(Iso, DatePart::Month),
        &[
            (text("2026-11-23"), Ok(text("2026-11"))),
            (text("0987-01-31"), Ok(text("0987-01"))),
            (text("2026-11"), Err(Structure)),
            (text("2026-02-29"), Err(Structure)),
            (text("1984-**-**"), Err(Masked)),
            (number("20261123"), Err(Kind)),
        ],
    );
    check(part(Points, DatePart::Year), &[(text("31.12.1999"), Ok(text("1999")))]);
    check(
        part(Compact, DatePart::Decade),
        &[
            (number("20261123"), Ok(text("2020s"))),
            (text("00090101"), Ok(text("0000s"))),
            (text("99991231"), Ok(text("9990s"))),
        ],
    );
    check(
        cities(),
        &[
            (text("hamburg"), Ok(text("north"))),
            (text("kiel"), Ok(text("north"))),
            (text("münchen"), Ok(text("south"))),
            (text("Hamburg"), Err(Range)),
            (text("berlin"), Err(Range)),
            (text("north"), Err(Range)),
            (text("***"), Err(Masked)),
            (number("1"), Err(Kind)),
            (text(""), Ok(text(""))),
        ],
    );
}

/// Published vectors; each was computed by a second, independent implementation.
#[test]
fn the_days_a_date_moves_are_a_stored_format() {
    let domain = ShiftPer::Domain;
    for (format, days, per, tenant, number, plain, expected) in [
        (Iso, 30, ShiftPer::Value, None, 1, "2026-11-23", "2026-10-24"),
        (Iso, 30, ShiftPer::Value, None, 1, "2000-02-29", "2000-02-10"),
        (Iso, 30, ShiftPer::Value, None, 2, "2000-02-29", "2000-03-20"),
        (Iso, 30, ShiftPer::Value, Some("acme"), 1, "1984-01-01", "1984-01-12"),
        (Iso, 30, domain, None, 1, "2026-11-23", "2026-11-16"),
        (Iso, 30, domain, None, 1, "1984-01-01", "1983-12-25"),
        (Iso, 30, domain, None, 2, "1984-01-01", "1983-12-07"),
        (Iso, 30, domain, Some("acme"), 1, "2000-02-29", "2000-03-15"),
        (Points, 3650, ShiftPer::Value, None, 1, "01.01.1984", "13.05.1984"),
        (Compact, 365, domain, None, 1, "20261123", "20270115"),
    ] {
        let keys = keys_at(number);
        let context = Context { tenant, ..context(&keys) };
        let method = shift(format, days, per);
        let method = if tenant.is_some() { tenants(method) } else { global(method) };
        let made = protect(&*method, &text(plain), &context);
        assert_eq!(shown(made), Ok(expected.to_owned()), "{plain}");
    }
}

#[test]
fn a_date_moves_and_stays_a_date() {
    for (format, value, expected) in [
        (Iso, text("2026-02-30"), Err(Structure)),
        (Iso, text("23.11.2026"), Err(Structure)),
        (Iso, text("2026-11-23T00:00:00Z"), Err(Structure)),
        (Iso, text("1984-**-**"), Err(Masked)),
        (Iso, text("aln1.AQ"), Err(BadMark)),
        (Iso, number("20261123"), Err(Kind)),
        (Iso, Value::Bool(true), Err(Kind)),
        (Iso, Value::Null, Ok(Value::Null)),
        (Iso, text(""), Ok(text(""))),
        // The offset of the domain is -7 in format `YYYY-MM-DD` with 30 days.
        (Iso, text("0001-01-08"), Ok(text("0001-01-01"))),
        (Iso, text("0001-01-07"), Err(Range)),
        (Iso, text("9999-12-31"), Ok(text("9999-12-24"))),
        (MonthFirst, text("23/11/2026"), Err(Structure)),
    ] {
        check(shift(format, 30, ShiftPer::Domain), &[(value, expected)]);
    }
    // 365 days, +53 of them: the calendar ends.
    check(
        shift(Compact, 365, ShiftPer::Domain),
        &[
            (number("20261123"), Ok(number("20270115"))),
            (text("99991231"), Err(Range)),
            (text("09991231"), Ok(text("10000222"))),
            (number("09991231"), Ok(number("10000222"))),
        ],
    );
    let none = KeySet::default();
    let method = global(shift(Iso, 30, ShiftPer::Value));
    assert_eq!(protect(&*method, &text("2026-11-23"), &context(&none)).err(), Some(NoKey));
    let keys = keys_without(1, &[]);
    let scoped = tenants(shift(Iso, 30, ShiftPer::Value));
    assert_eq!(protect(&*scoped, &text("2026-11-23"), &context(&keys)).err(), Some(NoTenant));
}

#[test]
fn days_between_dates_stay_within_a_domain_only() {
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    let moved = |per| {
        let method = global(shift(Iso, 30, per));
        (1..=28).map(move |day| (day, format!("2001-01-{day:02}"))).map({
            move |(day, plain)| {
                let made = protect(&*method, &text(&plain), &context).unwrap();
                assert!(protect(&*method, &text(&plain), &context).unwrap() == made);
                let made = made.as_str().unwrap().to_owned();
                // December and January have 31 days each.
                let at: i32 = made[8..].parse().unwrap();
                let month: i32 =
                    made[..4].parse::<i32>().unwrap() * 12 + made[5..7].parse::<i32>().unwrap();
                (month - (2001 * 12 + 1)) * 31 + at - day
            }
        })
    };
    let domain: BTreeSet<i32> = moved(ShiftPer::Domain).collect();
    assert_eq!(domain, BTreeSet::from([-7]));
    let value: BTreeSet<i32> = moved(ShiftPer::Value).collect();
    assert!(value.len() > 10 && !value.contains(&0), "{value:?}");
}

#[test]
fn there_is_no_way_back_and_no_search() {
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    for method in all().into_iter().map(global) {
        assert!(!method.is_marked() && !method.is_reversible());
        for value in [text("2026-11-23"), number("45"), text("***"), text("aln1.AQ")] {
            assert_eq!(method.mark(&value, &context), Mark::Unmarked);
            assert_eq!(reveal(&*method, &value, &context).err(), Some(Irreversible));
            let forms = method.stored_forms(&value, &context).err();
            assert_eq!(forms, Some(Fault { index: 0, rule: NotSearchable }));
        }
        let mut values = [Value::Null, text(""), text("***")];
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        assert_eq!(method.reveal(&mut batch[..2], &context), Ok(()));
        assert_eq!(method.protect(&mut [], &context), Ok(()));
        let fault = Fault { index: 2, rule: Masked };
        assert_eq!(method.protect(&mut batch, &context), Err(fault));
    }
}

#[test]
fn what_cannot_be_had_is_refused() {
    let refused = |method: MethodSpec, expected: &str| {
        let error = build(&spec(method, Scope::Global), DOMAIN, Means::default()).err().unwrap();
        assert!(matches!(error, SpecError::Invalid(_)));
        assert!(error.to_string().contains(expected), "{error}");
    };
    refused(truncate(0, 0), "keeps nothing");
    for days in [0, 3651, u32::MAX] {
        refused(shift(Iso, days, ShiftPer::Value), "1 to 3650");
    }
    for width in [0, 1] {
        refused(generalize(Buckets::Width(width)), "2 or more");
    }
    refused(ranges(&[]), "needs ranges");
    for form in [
        "",
        "17",
        "-17",
        "18-64",
        "..",
        "...",
        "1...2",
        "01..2",
        "1..02",
        "+1..2",
        "-0..2",
        "1..-0",
        " 1..2",
        "1 ..2",
        "a..b",
        "1..2..3",
        "9223372036854775808..",
        "..-9223372036854775809",
    ] {
        refused(ranges(&[form]), "of the form");
    }
    for wrong in [&["1..2", "..5"][..], &["1..", "2..5"], &["..", "1..2"]] {
        let expected = if wrong[0] == ".." { "of the form" } else { "only the first" };
        refused(ranges(wrong), expected);
    }
    for wrong in [
        &["2..1"][..],
        &["1..2", "2..3"],
        &["1..2", "4..5"],
        &["3..4", "1..2"],
        &["..9223372036854775807", "-5..5"],
        &["1..2", "1..2"],
    ] {
        refused(ranges(wrong), "ascend");
    }
    refused(groups(&[]), "needs groups");
    refused(groups(&[("", &["a"])]), "no name, or no members");
    refused(groups(&[("a", &[])]), "no name, or no members");
    refused(groups(&[("a", &["x", "y"]), ("b", &["y"])]), "in two groups");
    refused(groups(&[("a", &["x", "x"])]), "twice");
    for member in ["", "***", "aln1.x", "tkv1_"] {
        refused(groups(&[("a", &[member])]), "a member");
    }
}

/// Published vectors: the digest is in the key that moves dates.
#[test]
fn the_digests_are_a_stored_format() {
    for (method, json, digest) in [
        (
            MethodSpec::Encrypt,
            r#"{"method":"encrypt"}"#,
            "d7edcb879468330d9d167b027ebae0f84e2f4764382da9027c07b224a01c725e",
        ),
        (
            MethodSpec::Vaultless,
            r#"{"method":"vaultless"}"#,
            "226386c9aeac173d7f4cfa9a2dbdc9c7212047d87f5e4b0b786c5a9666b1a115",
        ),
        (
            truncate(3, 0),
            r#"{"method":"truncate","keep":{"first":3,"last":0}}"#,
            "bab37b6386c1882f470e5eabab9e0cb7fc55b651a9f7af8eff6ae8e416d2843a",
        ),
        (
            shift(Iso, 30, ShiftPer::Value),
            r#"{"method":"date_shift","format":"YYYY-MM-DD","days":30,"per":"value"}"#,
            "2bd805fc8b36aff8485cdb8b1ddd4de2b1d93600678a740b620aa97e5655d894",
        ),
        (
            shift(Points, 3650, ShiftPer::Domain),
            r#"{"method":"date_shift","format":"DD.MM.YYYY","days":3650,"per":"domain"}"#,
            "bda1cc2058464d06dbf0cd35ddb7442702c36c733c0bfc8437ad21283a7b0df5",
        ),
        (
            generalize(Buckets::Width(10)),
            r#"{"method":"generalize","to":{"width":10}}"#,
            "dd9d2aa6e006387eaf23d476707b13b398f5b442f9d82480b075ff34570ea44a",
        ),
        (
            ranges(&["..17", "18..64", "65.."]),
            r#"{"method":"generalize","to":{"ranges":["..17","18..64","65.."]}}"#,
            "8f1e3f7f878f9ffe9c7abf8bb28fa316e3c51ce24bad0ed42f0779756e09f866",
        ),
        (
            part(Iso, DatePart::Year),
            r#"{"method":"generalize","to":{"date":{"format":"YYYY-MM-DD","to":"year"}}}"#,
            "558212bd47e8c20c612aedc7ac15f82c4cddb204005fa827ff82a52a98671a80",
        ),
        (
            groups(&[("north", &["hamburg", "kiel"])]),
            r#"{"method":"generalize","to":{"groups":{"north":["hamburg","kiel"]}}}"#,
            "071ca5b2fc7ef0365213020235d911a74cf5f74ed472b540a00ab214e34df1c8",
        ),
    ] {
        let spec = spec(method, Scope::Global);
        let json = format!(r#"{{"revision":1,"method":{json},"scope":"global"}}"#);
        let hex: String = spec.digest().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((serde_json::to_string(&spec).unwrap(), hex.as_str()), (json.clone(), digest));
        assert_eq!(serde_json::from_str::<Spec>(&json).unwrap(), spec);
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,20}".prop_map(Value::text),
        "[0-9]{1,4}[-./]?[0-9]{2}[-./]?[0-9]{2,4}".prop_map(Value::text),
        "-?[0-9]{0,25}".prop_map(Value::text),
        "-?[0-9]{1,25}(\\.[0-9]{1,3})?(e[0-9])?".prop_map(Value::number),
        "[0-9]{8}".prop_map(Value::number),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn no_value_passes_as_it_is(value in value()) {
        let keys = keys_without(1, &[]);
        for method in all() {
            let made = protect(&*global(method), &value, &context(&keys));
            prop_assert_eq!(made == Ok(value.clone()), value.is_empty());
        }
    }

    #[test]
    fn a_date_moves_by_no_more_than_was_said(day in 0_u32..3_000, days in 1_u32..=3650) {
        // Offsets are seen where they land: the date is one of the window, and another.
        let plain = format!("{:04}-{:02}-{:02}", 2000 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
        let keys = keys_without(1, &[]);
        for per in [ShiftPer::Value, ShiftPer::Domain] {
            let made = protect(&*global(shift(Iso, days, per)), &text(&plain), &context(&keys)).unwrap();
            let years = i64::from(days / 365 + 1);
            let year = |text: &str| text[..4].parse::<i64>().unwrap();
            let moved = year(made.as_str().unwrap()) - year(&plain);
            prop_assert!(made != text(&plain) && moved.abs() <= years, "{moved}");
        }
    }
}
