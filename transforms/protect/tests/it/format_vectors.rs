//! Published vectors of ranked formats, declared alphabets and version modes. They were
//! computed by a second, independent implementation; changing one would make stored values
//! unreadable.

use super::*;

use allonym_protect::{DateFormat, EmailPart, TimestampFormat};

use VersionMode::{Epoch, Header, Pinned, Reserved, Sidecar};

/// Template, version mode, scope's tenant, key version, plain value, protected text.
type Vector = (TemplateSpec, VersionMode, Option<&'static str>, u32, &'static str, &'static str);

fn check(vectors: Vec<Vector>) {
    for (template, mode, tenant, number, plain, expected) in vectors {
        let keys = keys_at(number);
        let scope = tenant.map_or(Scope::Global, |_| Scope::Tenant("org".to_owned()));
        let method = built_for(fpe(template, mode), scope, &["acme"]);
        let written = Context { tenant, ..context(&keys) };
        let beside = [Some(version(number))];
        let read = if matches!(mode, Sidecar | Epoch) {
            Context { stated: &beside, ..written }
        } else {
            written
        };
        let plain = Value::text(plain);
        let protected = protect(&*method, &plain, &written);
        assert_eq!(shown(protected.clone()), Ok(expected.to_owned()));
        assert!(reveal(&*method, &protected.unwrap(), &read).unwrap() == plain, "{expected}");
    }
}

pub(super) fn date(format: DateFormat, from: &str, to: &str) -> TemplateSpec {
    TemplateSpec::Date { format, from: from.to_owned(), to: to.to_owned() }
}

pub(super) fn births() -> TemplateSpec {
    date(DateFormat::Iso, "1900-01-01", "2099-12-31")
}

pub(super) fn timestamp(format: TimestampFormat) -> TemplateSpec {
    let (from, to) = ("1970-01-01".to_owned(), "2099-12-31".to_owned());
    TemplateSpec::Timestamp { format, from, to }
}

pub(super) fn integer(from: i64, to: i64) -> TemplateSpec {
    TemplateSpec::Integer { from, to, width: None, reserved: vec![] }
}

pub(super) fn reserved(from: i64, to: i64, reserved: &[i64]) -> TemplateSpec {
    TemplateSpec::Integer { from, to, width: None, reserved: reserved.to_vec() }
}

pub(super) fn decimal(from: i64, to: i64, scale: u8) -> TemplateSpec {
    TemplateSpec::Decimal { from, to, scale }
}

pub(super) fn string(
    alphabet: &str,
    pass: &str,
    keep: (usize, usize),
    (min, max): (usize, usize),
) -> TemplateSpec {
    let (alphabet, pass) = (alphabet.to_owned(), pass.to_owned());
    TemplateSpec::String { alphabet, pass, keep: Keep { first: keep.0, last: keep.1 }, min, max }
}

pub(super) fn email(part: EmailPart) -> TemplateSpec {
    TemplateSpec::Email { part }
}

pub(super) fn card() -> TemplateSpec {
    TemplateSpec::Pan { keep: Keep { first: 6, last: 0 }, min: 13, max: 19 }
}

#[test]
fn dates_and_moments_are_a_stored_format() {
    use DateFormat::{Compact, DayFirst, MonthFirst, Points};
    use TimestampFormat::{EpochMillis, Micros, Millis, Seconds, Sql};
    let noughties = |format| date(format, "2000-01-01", "2009-12-31");
    check(vec![
        (births(), Pinned, None, 1, "1984-02-29", "2078-02-16"),
        (births(), Sidecar, None, 2, "1984-02-29", "1975-11-21"),
        (births(), Pinned, Some("acme"), 1, "1984-02-29", "2065-06-06"),
        (
            date(Points, "1900-01-01", "1999-12-31"),
            Header,
            None,
            1,
            "29.02.1984",
            "alf1.1.10.07.1946",
        ),
        (date(MonthFirst, "0001-01-01", "9999-12-31"), Pinned, None, 1, "02/29/1984", "01/16/1948"),
        (noughties(Compact), Pinned, None, 1, "20000229", "20061021"),
        (noughties(DayFirst), Pinned, None, 1, "29/02/2000", "13/09/2008"),
        (timestamp(Seconds), Pinned, None, 1, "2026-11-23T10:11:12Z", "2091-10-30T04:01:28Z"),
        (
            timestamp(Millis),
            Pinned,
            None,
            1,
            "2026-11-23T10:11:12.123Z",
            "2065-10-16T13:53:32.876Z",
        ),
        (
            timestamp(Micros),
            Pinned,
            None,
            1,
            "2026-11-23T10:11:12.123456Z",
            "2019-05-07T15:54:53.095782Z",
        ),
        (timestamp(Sql), Pinned, None, 1, "2026-11-23 10:11:12", "2063-04-19 17:21:49"),
        (timestamp(TimestampFormat::Epoch), Pinned, None, 1, "1795428672", "699009975"),
        (timestamp(EpochMillis), Pinned, None, 1, "1795428672123", "2712562237276"),
    ]);
}

#[test]
fn numbers_are_a_stored_format() {
    let wide = TemplateSpec::Integer { from: 0, to: 9_999_999, width: Some(7), reserved: vec![] };
    let ranges = || reserved(0, 9_999_999, &[10_000_000, 20_000_000, -10_000_000]);
    let amounts = || decimal(-5_000, 100_000_000, 2);
    check(vec![
        (integer(0, 99), Pinned, None, 1, "0", "47"),
        (integer(0, 99), Pinned, None, 1, "99", "94"),
        (integer(0, 999_998), Pinned, None, 1, "42", "944713"),
        (integer(0, 999_999), Pinned, None, 1, "42", "339477"),
        (integer(0, 1_000_000), Pinned, None, 1, "0", "535106"),
        (integer(0, 1_000_000), Pinned, None, 1, "1000000", "617437"),
        (integer(-5_000_000, 5_000_000), Sidecar, None, 1, "-42", "956174"),
        (wide, Pinned, None, 1, "0000042", "3418962"),
        (integer(i64::MIN, i64::MAX), Pinned, None, 1, "0", "-4084874652081693068"),
        (integer(0, 1 << 32), Pinned, None, 1, "1", "2380042235"),
        (ranges(), Reserved, None, 1, "42", "15145168"),
        (ranges(), Reserved, None, 2, "42", "23306882"),
        (ranges(), Reserved, None, 3, "42", "-2111936"),
        (ranges(), Reserved, None, 4, "42", "17961187"),
        (reserved(1_000, 1_999, &[2_000, 3_000]), Reserved, None, 2, "1234", "3355"),
        (amounts(), Pinned, None, 1, "19.90", "59089.93"),
        (amounts(), Pinned, None, 1, "-0.01", "973911.50"),
        (decimal(0, 99_999, 2), Pinned, None, 1, "0.00", "236.69"),
    ]);
}

#[test]
fn identifiers_and_addresses_are_a_stored_format() {
    let v4 = |keep| TemplateSpec::Ipv4 { keep };
    let v6 = |keep| TemplateSpec::Ipv6 { keep };
    let net = "2001:db8::1";
    check(vec![
        (
            TemplateSpec::Uuid,
            Pinned,
            None,
            1,
            "f81d4fae-7dec-41d0-a765-00a0c91e6bf6",
            "710d0ce3-5b41-46b7-954f-7248c6cd79d9",
        ),
        (
            TemplateSpec::Uuid,
            Header,
            None,
            1,
            "018f81d4-7dec-71d0-a765-00a0c91e6bf6",
            "alf1.1.72d52fd8-37a8-7175-9703-538ac6a6f064",
        ),
        (v4(0), Pinned, None, 1, "192.0.2.1", "74.65.199.5"),
        (v4(8), Pinned, None, 1, "192.0.2.1", "192.86.94.168"),
        (v6(0), Pinned, None, 1, net, "b057:5883:5135:db0e:bef:a233:198e:7a0a"),
        (v6(32), Pinned, None, 1, net, "2001:db8:6ec1:cb0:f5ff:1119:cab8:526b"),
        (v6(64), Sidecar, None, 1, net, "2001:db8::e7c6:534d:7720:713a"),
        (v6(104), Pinned, None, 1, net, "2001:db8::20:e602"),
    ]);
}

#[test]
fn text_of_declared_alphabets_is_a_stored_format() {
    let latin = "az\u{df}\u{f6}\u{f8}\u{ff}";
    let han = format!("{latin}\u{4e00}\u{9fc0}");
    let wide = "\u{4e00}\u{9fbf}\u{20000}\u{2a6d6}";
    let address = "ann.smith+news@mail-2.example.org";
    check(vec![
        (string("09AZ", "-", (2, 0), (8, 20)), Pinned, None, 1, "AB-1234-567Z", "AB-MLUB-2JFW"),
        (string("09az", "", (0, 0), (6, 20)), Header, None, 12, "zoe123", "alf1.12.g63byn"),
        (
            string(&han, " -", (0, 0), (3, 40)),
            Pinned,
            None,
            1,
            "zoë müller-一二三",
            "偛慰瑪 佅嫋湽飲颣椅-谟嵔笵",
        ),
        (
            string(latin, " -", (0, 1), (8, 40)),
            Header,
            Some("acme"),
            1,
            "zoë müller-lüdenscheidt",
            "alf1.1.èåi óþaská-òxõuïtxîïjvt",
        ),
        (
            string("01", "", (0, 0), (20, 40)),
            Pinned,
            None,
            1,
            "01010101010101010101",
            "00111011000100101111",
        ),
        (string(wide, "", (0, 0), (2, 4)), Pinned, None, 1, "一二\u{20000}", "𢋳查羋"),
        (email(EmailPart::Local), Pinned, None, 1, address, "emp.0dhut+jbr7@mail-2.example.org"),
        (email(EmailPart::Domain), Pinned, None, 1, address, "ann.smith+news@fup5-q.fozmtbt.org"),
        (email(EmailPart::Both), Pinned, None, 1, address, "n5w.jsgy5+49jd@9mec-p.si3ng5t.org"),
        (email(EmailPart::Both), Header, None, 1, "anna@shop.example", "alf1.1.q5hm@5pvv.example"),
        (
            email(EmailPart::Local),
            Pinned,
            Some("acme"),
            1,
            "anna@shop.example",
            "sn1c@shop.example",
        ),
    ]);
}

#[test]
fn versions_beside_the_value_are_a_stored_format() {
    let digits = TemplateSpec::Digits { keep: Keep::default(), min: 6, max: 12 };
    check(vec![
        (card(), Sidecar, None, 2, "4929120000006466", "4929124089790198"),
        (card(), Epoch, None, 2, "4929120000006466", "4929125246450907"),
        (digits, Header, None, 3, "0123456789", "alf1.3.3969697718"),
    ]);
}
