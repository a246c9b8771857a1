//! Every template, over generated values, in every version mode it can have.

use super::format_vectors::{card, date, decimal, email, integer, reserved, string, timestamp};
use super::*;

use allonym_protect::{DateFormat, EmailPart, TimestampFormat};
use proptest::prelude::*;

use VersionMode::{Epoch, Header, Pinned, Reserved, Sidecar, Slack};

const MODES: [VersionMode; 6] = [Slack, Header, Reserved, Sidecar, Epoch, Pinned];
const LATIN: &str = "az\u{df}\u{f6}\u{f8}\u{ff}";
const HAN: &str = "\u{4e00}\u{9fa5}\u{20000}\u{2a6d6}";

/// All templates there are, each with something to keep or pass where it can have that.
fn templates() -> Vec<TemplateSpec> {
    use DateFormat::{Compact, DayFirst, Iso, MonthFirst, Points};
    use TimestampFormat::{EpochMillis, Micros, Millis, Seconds, Sql};
    let keep = Keep { first: 2, last: 1 };
    let mut all = vec![
        card(),
        TemplateSpec::Digits { keep, min: 9, max: 30 },
        TemplateSpec::Alphanumeric { keep, min: 9, max: 30 },
        TemplateSpec::Phone,
        TemplateSpec::Iban,
        string("09AZ", "-. ", (2, 1), (9, 30)),
        string(LATIN, " -", (0, 0), (6, 30)),
        string(HAN, "·", (0, 0), (2, 12)),
        email(EmailPart::Local),
        email(EmailPart::Domain),
        email(EmailPart::Both),
        integer(-500, 500),
        integer(-5_000_000, 5_000_000),
        integer(i64::MIN, i64::MAX),
        TemplateSpec::Integer { from: 0, to: 99_999, width: Some(5), reserved: vec![] },
        TemplateSpec::Integer { from: 5, to: 999_999_999, width: Some(12), reserved: vec![] },
        reserved(0, 999, &[1_000, 2_000, -1_000]),
        reserved(-1_000_000, 1_000_000, &[5_000_000, -9_000_000, 8_000_000]),
        decimal(-50_000, 50_000, 2),
        decimal(-5_000_000, 500_000_000, 4),
        TemplateSpec::Uuid,
        TemplateSpec::Ipv4 { keep: 0 },
        TemplateSpec::Ipv4 { keep: 8 },
        TemplateSpec::Ipv6 { keep: 0 },
        TemplateSpec::Ipv6 { keep: 48 },
        TemplateSpec::Ipv6 { keep: 104 },
        national("us_ssn"),
        national("fr_siren"),
        national("br_cpf"),
        regex("[A-W]{2}[0-9]{6}"),
        regex("[a-f]{3}(-[0-9]{2}){1,3}"),
    ];
    for format in [Iso, Compact, Points, DayFirst, MonthFirst] {
        all.push(date(format, "1900-01-01", "2099-12-31"));
    }
    for format in [Seconds, Millis, Micros, Sql, TimestampFormat::Epoch, EpochMillis] {
        all.push(timestamp(format));
    }
    all
}

fn national(id: &str) -> TemplateSpec {
    TemplateSpec::National { id: id.to_owned() }
}

fn regex(pattern: &str) -> TemplateSpec {
    TemplateSpec::Regex { pattern: pattern.to_owned(), max: 12 }
}

/// A value of a template, of its kind: `seed` decides which.
fn value_of(template: &TemplateSpec, seed: u128) -> Value {
    let pick = |range: i64| (seed % u128::from(range.unsigned_abs())) as i64;
    let letters = |alphabet: &[char], count: usize| -> String {
        let mut rest = seed;
        let next = |_| {
            let letter = alphabet[(rest % alphabet.len() as u128) as usize];
            rest = (rest / alphabet.len() as u128) ^ rest.rotate_left(29);
            letter
        };
        (0..count).map(next).collect()
    };
    let digits: Vec<char> = ('0'..='9').collect();
    let length = |min: usize, max: usize| min + (seed >> 64) as usize % (max - min + 1);
    match template {
        TemplateSpec::Pan { min, max, .. } => {
            let body = letters(&digits, length(*min, *max) - 1);
            Value::text(format!("{body}{}", luhn(&body)))
        }
        TemplateSpec::Digits { min, max, .. } => Value::text(letters(&digits, length(*min, *max))),
        TemplateSpec::Alphanumeric { min, max, .. } => {
            let all: Vec<char> = ('0'..='9').chain('A'..='W').chain('a'..='w').collect();
            Value::text(letters(&all, length(*min, *max)))
        }
        TemplateSpec::Phone => Value::text(format!("+49{}", letters(&digits, length(6, 13)))),
        TemplateSpec::Iban => {
            let bban = letters(&digits, 18);
            let number = format!("{bban}131400");
            let rest =
                number.bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
            Value::text(format!("DE{:02}{bban}", 98 - rest))
        }
        TemplateSpec::String { alphabet, pass, keep, min, max } => {
            let pairs: Vec<char> = alphabet.chars().collect();
            let all: Vec<char> = pairs.chunks(2).flat_map(|pair| pair[0]..=pair[1]).collect();
            let mut text: Vec<char> = letters(&all, length(*min, *max)).chars().collect();
            // Separators, as many as leave enough to encipher.
            let spare = text.len() - *min;
            for (at, symbol) in pass.chars().cycle().take(spare.min(3)).enumerate() {
                let place = keep.first
                    + (seed >> (at * 7)) as usize % (text.len() - keep.first - keep.last);
                text[place] = symbol;
            }
            Value::text(text.into_iter().collect::<String>())
        }
        TemplateSpec::Email { .. } => {
            let all: Vec<char> = ('0'..='9').chain('a'..='w').collect();
            let (local, domain) = (letters(&all, length(5, 20)), letters(&all, length(4, 12)));
            Value::text(format!("{}.{}@mx-1.{domain}.example", &local[..2], &local[1..]))
        }
        TemplateSpec::Integer { from, to, width, .. } => {
            let value =
                i128::from(*from) + (seed % (*to as i128 - *from as i128 + 1) as u128) as i128;
            match width {
                Some(width) => Value::text(format!("{value:0width$}")),
                None => Value::number(value.to_string()),
            }
        }
        TemplateSpec::Decimal { from, to, scale } => {
            let value = from + pick(to - from + 1);
            let one = 10_i64.pow(u32::from(*scale));
            let sign = if value < 0 { "-" } else { "" };
            let (whole, part) = (value.abs() / one, value.abs() % one);
            Value::number(format!("{sign}{whole}.{part:0width$}", width = usize::from(*scale)))
        }
        TemplateSpec::Date { format, .. } => {
            let (year, month, day) = (1900 + pick(200), 1 + pick(12), 1 + pick(28));
            Value::text(match format {
                DateFormat::Iso => format!("{year}-{month:02}-{day:02}"),
                DateFormat::Compact => format!("{year}{month:02}{day:02}"),
                DateFormat::Points => format!("{day:02}.{month:02}.{year}"),
                DateFormat::DayFirst => format!("{day:02}/{month:02}/{year}"),
                DateFormat::MonthFirst => format!("{month:02}/{day:02}/{year}"),
            })
        }
        TemplateSpec::Timestamp { format, .. } => {
            let date = format!("{}-{:02}-{:02}", 1970 + pick(130), 1 + pick(12), 1 + pick(28));
            let time = format!("{:02}:{:02}:{:02}", pick(24), pick(60), pick(59));
            let (millis, micros) = (pick(1_000), pick(1_000_000));
            match format {
                TimestampFormat::Seconds => Value::text(format!("{date}T{time}Z")),
                TimestampFormat::Millis => Value::text(format!("{date}T{time}.{millis:03}Z")),
                TimestampFormat::Micros => Value::text(format!("{date}T{time}.{micros:06}Z")),
                TimestampFormat::Sql => Value::text(format!("{date} {time}")),
                TimestampFormat::Epoch => Value::number(pick(4_000_000_000).to_string()),
                TimestampFormat::EpochMillis => Value::number(pick(4_000_000_000_000).to_string()),
            }
        }
        TemplateSpec::Uuid => {
            let hex = format!("{seed:032x}");
            let (version, variant) = (1 + pick(8), ["8", "9", "a", "b"][pick(4) as usize]);
            Value::text(format!(
                "{}-{}-{version}{}-{variant}{}-{}",
                &hex[..8],
                &hex[8..12],
                &hex[13..16],
                &hex[17..20],
                &hex[20..]
            ))
        }
        TemplateSpec::Ipv4 { .. } => {
            Value::text(std::net::Ipv4Addr::from_bits(seed as u32).to_string())
        }
        TemplateSpec::Ipv6 { .. } => Value::text(std::net::Ipv6Addr::from_bits(seed).to_string()),
        TemplateSpec::National { id } => Value::text(identifier(id, seed)),
        TemplateSpec::Regex { pattern, .. } if pattern.starts_with("[A-W]") => {
            let capitals: Vec<char> = ('A'..='W').collect();
            Value::text(letters(&capitals, 2) + &letters(&digits, 6))
        }
        TemplateSpec::Regex { .. } => {
            let some: Vec<char> = ('a'..='f').collect();
            let parts = (0..length(1, 3)).map(|at| format!("-{:02}", (seed >> (at * 9)) % 100));
            Value::text(letters(&some, 3) + &parts.collect::<String>())
        }
    }
}

/// A valid identifier, with separators every other time.
fn identifier(id: &str, seed: u128) -> String {
    let number = |shift: u32, from: u128, to: u128| from + (seed >> shift) % (to - from + 1);
    let spaced = seed.count_ones().is_multiple_of(2);
    let bare = match id {
        "us_ssn" => {
            format!("{:03}{:02}{:04}", number(0, 1, 665), number(20, 1, 99), number(40, 1, 9_999))
        }
        "fr_siren" => {
            let body = format!("{:08}", number(0, 1, 99_999_999));
            format!("{body}{}", luhn(&body))
        }
        _ => {
            let mut body = format!("{:09}", number(0, 1, 111_111_110));
            for _ in 0..2 {
                let weights = (2..).take(body.len()).collect::<Vec<u32>>();
                let terms = body.bytes().zip(weights.iter().rev());
                let sum: u32 = terms.map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
                body.push_str(&(sum * 10 % 11 % 10).to_string());
            }
            body
        }
    };
    match id {
        _ if !spaced => bare,
        "us_ssn" => format!("{}-{}-{}", &bare[..3], &bare[3..5], &bare[5..]),
        "fr_siren" => format!("{} {} {}", &bare[..3], &bare[3..6], &bare[6..]),
        _ => format!("{}.{}.{}-{}", &bare[..3], &bare[3..6], &bare[6..9], &bare[9..]),
    }
}

fn luhn(body: &str) -> u32 {
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| match u32::from(digit - b'0') * (2 - at as u32 % 2) {
            doubled @ 10.. => doubled - 9,
            digit => digit,
        })
        .sum();
    (10 - sum % 10) % 10
}

/// Whether a protected text has as many characters as the plain one: all do, but for
/// integers without a width, decimals, moments as numbers, and addresses.
fn keeps_length(template: &TemplateSpec) -> bool {
    !matches!(
        template,
        TemplateSpec::Integer { width: None, .. }
            | TemplateSpec::Decimal { .. }
            | TemplateSpec::Timestamp {
                format: TimestampFormat::Epoch | TimestampFormat::EpochMillis,
                ..
            }
            | TemplateSpec::Ipv4 { .. }
            | TemplateSpec::Ipv6 { .. }
    )
}

/// Each template in each mode that it can have.
static METHODS: LazyLock<Vec<Case>> = LazyLock::new(methods);

type Case = (TemplateSpec, VersionMode, Arc<dyn Transform>);

fn methods() -> Vec<Case> {
    let mut all = Vec::new();
    for template in templates() {
        for mode in MODES {
            let spec = spec(fpe(template.clone(), mode), Scope::Global);
            if let Ok(Method::Pure(method)) = build(&spec, DOMAIN, Means::default()) {
                all.push((template.clone(), mode, method));
            }
        }
    }
    all
}

/// What can be had is what the design says, no more and no less.
#[test]
fn every_template_has_its_modes() {
    let all = &*METHODS;
    for template in templates() {
        let modes: Vec<VersionMode> =
            all.iter().filter(|(other, ..)| *other == template).map(|(_, mode, _)| *mode).collect();
        let expected: &[VersionMode] = match &template {
            TemplateSpec::Pan { .. } | TemplateSpec::Iban => &[Slack, Sidecar, Epoch, Pinned],
            TemplateSpec::Integer { reserved, .. } if !reserved.is_empty() => &[Reserved],
            TemplateSpec::Integer { width: None, .. } | TemplateSpec::Decimal { .. } => {
                &[Sidecar, Epoch, Pinned]
            }
            TemplateSpec::Timestamp {
                format: TimestampFormat::Epoch | TimestampFormat::EpochMillis,
                ..
            } => &[Sidecar, Epoch, Pinned],
            TemplateSpec::National { id } if id != "us_ssn" => {
                &[Slack, Header, Sidecar, Epoch, Pinned]
            }
            _ => &[Header, Sidecar, Epoch, Pinned],
        };
        assert_eq!(modes, expected, "{}", template.name());
    }
}

/// One round trip, with all that must hold on the way.
fn holds(
    template: &TemplateSpec,
    mode: VersionMode,
    method: &dyn Transform,
    plain: &Value,
    number: u32,
) {
    let name = template.name();
    let (keys, all) = (keys_without(number, &[]), keys_without(3, &[]));
    let newest = if mode == Pinned { &keys } else { &all };
    let written = Context { pinned: &keys, newest, tenant: None, subject: None, stated: &[] };
    let token = match protect(method, plain, &written) {
        Ok(token) => token,
        Err(rule) => {
            // Four x in a row are a mask, and a number cannot begin with a zero.
            let rules = [FaultRule::Masked, FaultRule::NotANumber];
            assert!(rules.contains(&rule), "{name} {mode:?}: {rule}");
            return;
        }
    };
    let beside = [Some(version(number))];
    let read = match mode {
        Sidecar | Epoch => Context { stated: &beside, ..written },
        _ => written,
    };
    assert!(reveal(method, &token, &read) == Ok(plain.clone()), "{name} {mode:?}");
    assert_eq!(token.kind(), plain.kind(), "{name}");
    let expected = match mode {
        Epoch | Pinned => Mark::Unmarked,
        _ => Mark::Protected(Some(version(number))),
    };
    assert_eq!(method.mark(&token, &read), expected, "{name} {mode:?}");
    let (plain, token) = (plain.as_str().unwrap(), token.as_str().unwrap());
    let body = match mode {
        Header => token.strip_prefix(&format!("alf1.{number}.")).unwrap(),
        _ => token,
    };
    if keeps_length(template) {
        assert_eq!(plain.chars().count(), body.chars().count(), "{name}");
    }
    // What comes out is inside the template: as a plain value it would be taken.
    let unmarked = METHODS
        .iter()
        .find(|(other, mode, _)| other == template && matches!(mode, Pinned | Reserved));
    let valid = if mode == Slack { return } else { &unmarked.unwrap().2 };
    let valid = valid.mark(&Value::text(body), &written);
    assert!(!matches!(valid, Mark::Neither(_)), "{name} {mode:?}: {valid:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn every_template_comes_back_in_every_mode(seed in any::<u128>(), number in 1_u32..=3) {
        for (template, mode, method) in &*METHODS {
            holds(template, *mode, &**method, &value_of(template, seed), number);
        }
    }

    #[test]
    fn a_batch_is_its_values_one_by_one(seeds in prop::collection::vec(any::<u128>(), 1..30)) {
        let keys = keys_without(2, &[]);
        let context = context(&keys);
        for (template, mode, method) in &*METHODS {
            if *mode == Epoch {
                continue;
            }
            let mut values = Vec::new();
            let mut singly = Vec::new();
            for seed in &seeds {
                let value = value_of(template, *seed);
                if let Ok(token) = protect(&**method, &value, &context) {
                    values.push(value);
                    singly.push(token);
                }
            }
            let plain = values.clone();
            let mut batch: Vec<&mut Value> = values.iter_mut().collect();
            prop_assert_eq!(method.protect(&mut batch, &context), Ok(()));
            prop_assert!(values == singly, "{} {:?}", template.name(), mode);
            let stated = vec![Some(version(2)); if *mode == Sidecar { values.len() } else { 0 }];
            let mut batch: Vec<&mut Value> = values.iter_mut().collect();
            let read = Context { stated: &stated, ..context };
            prop_assert_eq!(method.reveal(&mut batch, &read), Ok(()));
            prop_assert!(values == plain, "{} {:?}", template.name(), mode);
        }
    }

    /// Whatever a value holds, there is an answer, the same on every way, and nothing outside
    /// of a template comes through.
    #[test]
    fn any_value_gets_an_answer(value in any_value(), stated in prop::option::of(1_u32..5)) {
        let keys = keys_without(3, &[1]);
        let stated = [stated.map(version)];
        let context = Context { stated: &stated, ..context(&keys) };
        for (template, mode, method) in &*METHODS {
            let name = template.name();
            let mark = method.mark(&value, &context);
            let protected = protect(&**method, &value, &context);
            let revealed = reveal(&**method, &value, &context);
            let _ = method.stored_forms(&value, &context);
            if value.is_empty() {
                prop_assert!(protected == Ok(value.clone()) && revealed == Ok(value.clone()));
                continue;
            }
            match mark {
                Mark::Plain => {
                    let refused = protected.err();
                    prop_assert!(refused.is_none_or(|rule| rule == FaultRule::NotANumber), "{name}");
                    let rules = [FaultRule::NotProtected, FaultRule::NoVersion];
                    prop_assert!(rules.contains(&revealed.err().unwrap()), "{name} {mode:?}");
                }
                Mark::Protected(_) => {
                    prop_assert_eq!(protected.err(), Some(FaultRule::BadMark), "{} {:?}", name, mode);
                }
                Mark::Neither(rule) => {
                    prop_assert_eq!(protected.err(), Some(rule), "{} {:?}", name, mode);
                    prop_assert!(revealed.is_err(), "{name} {mode:?}");
                }
                Mark::Unmarked => prop_assert!(matches!(mode, Epoch | Pinned)),
            }
        }
    }
}

/// Values of no template, of every template, and nearly of one.
fn any_value() -> impl Strategy<Value = Value> {
    let near =
        (any::<prop::sample::Index>(), any::<u128>(), any::<prop::sample::Index>(), any::<char>());
    let near = near.prop_map(|(which, seed, at, other)| {
        let all = templates();
        let value = value_of(&all[which.index(all.len())], seed);
        let mut symbols: Vec<char> = value.as_str().unwrap_or_default().chars().collect();
        let at = at.index(symbols.len());
        symbols[at] = other;
        value.with(symbols.into_iter().collect())
    });
    prop_oneof![
        4 => near,
        1 => ".{0,40}".prop_map(Value::text),
        1 => "alf1\\.[0-9]{0,3}\\.?[0-9a-z.-]{0,30}".prop_map(Value::text),
        1 => "-?[0-9]{0,25}(\\.[0-9]{0,5})?".prop_map(Value::number),
        1 => "[0-9:.a-f]{0,40}".prop_map(Value::text),
        1 => "[0-9]{2,4}[-/.][0-9]{2}[-/.][0-9]{2,4}([T ][0-9:.]{5,20}Z?)?".prop_map(Value::text),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
    ]
}

#[test]
fn the_ends_of_a_range_come_back() {
    use DateFormat::Iso;
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    for (template, values, outside) in [
        (integer(-500, 500), vec!["-500", "0", "500"], vec!["-501", "501", "-0", "0500"]),
        (
            integer(i64::MIN, i64::MAX),
            vec!["-9223372036854775808", "9223372036854775807"],
            vec!["9223372036854775808"],
        ),
        (decimal(-1_000_000, 0, 3), vec!["-1000.000", "-0.001", "0.000"], vec!["-0.000", "0.001"]),
        (
            date(Iso, "2000-02-29", "2024-02-29"),
            vec!["2000-02-29", "2004-02-29", "2024-02-29", "2023-12-31"],
            vec!["2000-02-28", "2024-03-01", "2023-02-29"],
        ),
        (
            date(Iso, "0001-01-01", "9999-12-31"),
            vec!["0001-01-01", "9999-12-31"],
            vec!["0000-12-31"],
        ),
        (
            timestamp(TimestampFormat::Seconds),
            vec!["1970-01-01T00:00:00Z", "2099-12-31T23:59:59Z"],
            vec!["1969-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "2016-12-31T23:59:60Z"],
        ),
        (TemplateSpec::Ipv4 { keep: 0 }, vec!["0.0.0.0", "255.255.255.255"], vec!["0.0.0.256"]),
        (
            TemplateSpec::Ipv6 { keep: 0 },
            vec!["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"],
            vec!["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0::0"],
        ),
    ] {
        let method = global(fpe(template, Pinned));
        for plain in values.into_iter().map(Value::text) {
            let token = protect(&*method, &plain, &context).unwrap();
            assert!(reveal(&*method, &token, &context).unwrap() == plain);
        }
        for value in outside.into_iter().map(Value::text) {
            assert!(protect(&*method, &value, &context).is_err());
            assert!(reveal(&*method, &value, &context).is_err());
        }
    }
}

/// What stays is in the tweak: the same characters beside others become others.
#[test]
fn what_stays_decides_what_becomes_of_the_rest() {
    let keys = keys_without(1, &[]);
    let token = |template: TemplateSpec, text: &str| {
        let method = global(fpe(template, Pinned));
        let token = protect(&*method, &Value::text(text), &context(&keys)).unwrap();
        token.as_str().unwrap().to_owned()
    };
    let differ = |template: TemplateSpec, one: &str, other: &str, rest: &dyn Fn(&str) -> String| {
        let (one, other) = (token(template.clone(), one), token(template, other));
        assert_ne!(rest(&one), rest(&other));
    };
    let without = |symbols: &'static [char]| move |text: &str| text.replace(symbols, "");
    let serial = || string("09AZ", "-.", (1, 1), (8, 20));
    differ(serial(), "A123-456Z", "A12-3456Z", &|text| text[1..8].replace('-', ""));
    differ(serial(), "A123-456Z", "A123.456Z", &|text| text[1..8].replace(['-', '.'], ""));
    differ(serial(), "A1234567Z", "B1234567Z", &|text| text[1..8].to_owned());
    differ(serial(), "A1234567Z", "A1234567Y", &|text| text[1..8].to_owned());
    let local = || email(EmailPart::Local);
    differ(local(), "anna@a.example", "anna@b.example", &|text| text[..4].to_owned());
    differ(local(), "an.nab@a.example", "ann.ab@a.example", &without(&['.']));
    differ(email(EmailPart::Domain), "a@shop.example", "b@shop.example", &|text| {
        text[2..6].to_owned()
    });
    let uuid = |version| format!("f81d4fae-7dec-{version}1d0-a765-00a0c91e6bf6");
    differ(TemplateSpec::Uuid, &uuid(4), &uuid(7), &|text| text[..8].to_owned());
    let v4 = TemplateSpec::Ipv4 { keep: 8 };
    differ(v4, "10.1.2.3", "11.1.2.3", &|text| text[3..].to_owned());
}
