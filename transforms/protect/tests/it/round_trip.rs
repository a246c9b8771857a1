//! `reveal(protect(x)) == x`, for every template, mode, scope and key version.

use super::*;

use proptest::prelude::*;

use VersionMode::{Pinned, Slack};

/// Shapes of BBANs: country, and for each character `n`, `a` or `c` (digit, letter, both).
const BBANS: &[(&str, &str)] = &[
    ("DE", "nnnnnnnnnnnnnnnnnn"),
    ("FR", "nnnnnnnnnncccccccccccnn"),
    ("GB", "aaaannnnnnnnnnnnnn"),
    ("CH", "nnnnncccccccccccc"),
    ("NO", "nnnnnnnnnnn"),
    ("IT", "annnnnnnnnncccccccccccc"),
    ("NL", "aaaannnnnnnnnn"),
];

fn luhn(body: &str) -> u32 {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let digits = body.bytes().rev().map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { doubled(digit) } else { digit })
        .sum();
    (10 - sum % 10) % 10
}

fn remainder(iban: &str) -> u32 {
    let turned = iban[4..].chars().chain(iban[..4].chars());
    let digits: String = turned.map(|symbol| symbol.to_digit(36).unwrap().to_string()).collect();
    digits.bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97)
}

fn iban() -> impl Strategy<Value = String> {
    (prop::sample::select(BBANS), prop::collection::vec(0_u32..36, 30)).prop_map(
        |((country, shape), random)| {
            let bban: String = shape
                .chars()
                .zip(random)
                .map(|(kind, random)| match kind {
                    'n' => char::from_digit(random % 10, 36).unwrap(),
                    'a' => char::from_digit(10 + random % 26, 36).unwrap().to_ascii_uppercase(),
                    _ => char::from_digit(random, 36).unwrap().to_ascii_uppercase(),
                })
                .collect();
            let check = 98 - remainder(&format!("{country}00{bban}"));
            format!("{country}{check:02}{bban}")
        },
    )
}

fn card() -> impl Strategy<Value = String> {
    "[1-9][0-9]{11,17}".prop_map(|body| format!("{body}{}", luhn(&body)))
}

fn phone() -> impl Strategy<Value = String> {
    "\\+(1|7|49|33|44|351|358|420)[0-9]{6,12}".prop_map(String::from)
}

/// A method, a plain value of its template, and a judge of the protected form's shape.
type Case = (MethodSpec, Value, fn(&str, &str) -> bool);

fn case() -> impl Strategy<Value = Case> {
    let same_length = |plain: &str, token: &str| plain.len() == token.len();
    let mode = || prop::sample::select(vec![Slack, Pinned]);
    prop_oneof![
        (card(), mode()).prop_map(|(card, mode)| {
            let shape = |plain: &str, token: &str| {
                plain.len() == token.len()
                    && plain[..6] == token[..6]
                    && token.bytes().all(|symbol| symbol.is_ascii_digit())
            };
            (pan(mode), Value::text(card), shape as fn(&str, &str) -> bool)
        }),
        (card(), mode()).prop_map(move |(card, mode)| (
            pan(mode),
            Value::number(card),
            same_length as _
        )),
        "[0-9]{9,60}".prop_map(|text| {
            let shape = |plain: &str, token: &str| {
                plain[..2] == token[..2]
                    && plain[plain.len() - 1..] == token[plain.len() - 1..]
                    && token.bytes().all(|symbol| symbol.is_ascii_digit())
            };
            (digits(2, 1, 9, 60), Value::text(text), shape as _)
        }),
        "[0-9A-Za-z]{7,60}".prop_map(|text| {
            let shape = |plain: &str, token: &str| {
                plain[..2] == token[..2]
                    && plain[plain.len() - 1..] == token[plain.len() - 1..]
                    && token.bytes().all(|symbol| symbol.is_ascii_alphanumeric())
            };
            (alphanumeric(2, 1, 7, 60), Value::text(text), shape as _)
        }),
        phone().prop_map(|text| {
            let shape = |plain: &str, token: &str| {
                plain[..2] == token[..2] && token[1..].bytes().all(|symbol| symbol.is_ascii_digit())
            };
            (fpe(TemplateSpec::Phone, Pinned), Value::text(text), shape as _)
        }),
        (iban(), mode()).prop_map(|(text, mode)| {
            let shape = |plain: &str, token: &str| {
                plain[..2] == token[..2]
                    && plain[4..].chars().zip(token[4..].chars()).all(|(plain, token)| {
                        token.is_ascii_digit()
                            || token.is_ascii_uppercase()
                                && (plain == token || token.is_ascii_alphanumeric())
                    })
            };
            (fpe(TemplateSpec::Iban, mode), Value::text(text), shape as _)
        }),
        ".{1,80}".prop_map(|text| {
            let shape = |_: &str, token: &str| token.starts_with("aln1.");
            (MethodSpec::Siv, Value::text(text), shape as _)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn what_is_protected_is_revealed(
        (method, plain, shape) in case(),
        number in 1_u32..9,
        tenant in prop::option::of("[a-z]{1,12}"),
    ) {
        let scope = tenant.as_ref().map_or(Scope::Global, |_| Scope::Tenant("org".to_owned()));
        let method = built(method, scope);
        let (old, all) = (keys_without(number, &[]), keys_without(9, &[]));
        let tenant = tenant.as_deref();
        // Pinned values are under the one active version; marked ones under any.
        let newest = if method.is_marked() { &all } else { &old };
        let context = Context { pinned: &old, newest, tenant, subject: None, stated: &[] };
        let token = match protect(&*method, &plain, &context) {
            Ok(token) => token,
            Err(rule) => {
                prop_assert_eq!(rule, FaultRule::Masked);
                prop_assert!(plain.as_str().is_some_and(|text| text.contains(['*', '•', 'X', 'x'])));
                return Ok(());
            }
        };
        prop_assert!(shape(plain.as_str().unwrap(), token.as_str().unwrap()));
        prop_assert!(reveal(&*method, &token, &context) == Ok(plain.clone()));
        if method.is_marked() {
            prop_assert_eq!(method.mark(&plain, &context), Mark::Plain);
            prop_assert_eq!(method.mark(&token, &context), Mark::Protected(Some(version(number))));
            prop_assert!(token != plain);
        } else {
            prop_assert_eq!(method.mark(&token, &context), Mark::Unmarked);
        }
    }

    #[test]
    fn a_batch_is_its_values_one_by_one(
        cards in prop::collection::vec(card(), 1..40),
        // Four X in a row are taken for a mask, and refused.
        ibans in prop::collection::vec(iban().prop_filter("masked", |iban| !iban.contains("XXXX")), 1..40),
    ) {
        let keys = keys_without(3, &[]);
        let context = context(&keys);
        for (method, plain) in [(pan(Slack), cards), (fpe(TemplateSpec::Iban, Slack), ibans)] {
            let method = global(method);
            let mut values: Vec<Value> = plain.iter().map(Value::text).collect();
            values.insert(values.len() / 2, Value::Null);
            let before = values.clone();
            let singly: Vec<Value> =
                values.iter().map(|value| protect(&*method, value, &context).unwrap()).collect();
            let mut batch: Vec<&mut Value> = values.iter_mut().collect();
            prop_assert_eq!(method.protect(&mut batch, &context), Ok(()));
            prop_assert!(values == singly);
            // Values of several versions are revealed together.
            let first = keys_without(1, &[]);
            let older = Context { pinned: &first, ..context };
            let mut batch: Vec<Value> =
                before.iter().map(|value| protect(&*method, value, &older).unwrap()).collect();
            batch.extend(values);
            let mut mixed: Vec<&mut Value> = batch.iter_mut().collect();
            prop_assert_eq!(method.reveal(&mut mixed, &context), Ok(()));
            prop_assert!(batch == [before.clone(), before].concat());
        }
    }
}

#[test]
fn tenants_do_not_share_values() {
    let keys = keys_without(1, &[]);
    let card = Value::text("4929120000006466");
    let at = |tenant| Context { tenant, ..context(&keys) };
    for method in [
        pan(Slack),
        pan(Pinned),
        fpe(TemplateSpec::Pan { keep: Keep::default(), min: 13, max: 19 }, Slack),
        digits(0, 0, 6, 20),
        alphanumeric(0, 0, 6, 20),
        MethodSpec::Siv,
        MethodSpec::Hash,
    ] {
        let method = tenants(method);
        let token = protect(&*method, &card, &at(Some("a"))).unwrap();
        let long = "a tenant with a name too long for a tweak";
        let others =
            ["b", "aa", long].map(|name| protect(&*method, &card, &at(Some(name))).unwrap());
        assert!(others.iter().all(|other| *other != token));
        assert!(others[0] != others[1] && others[1] != others[2]);
        for nobody in [None, Some("")] {
            assert_eq!(protect(&*method, &card, &at(nobody)).err(), Some(FaultRule::NoTenant));
            let forms = method.stored_forms(&card, &at(nobody)).err();
            assert_eq!(forms, Some(Fault { index: 0, rule: FaultRule::NoTenant }));
        }
        if method.is_reversible() {
            assert!(reveal(&*method, &token, &at(Some("a"))).unwrap() == card);
            assert!(reveal(&*method, &token, &at(Some("b"))) != Ok(card.clone()));
            assert_eq!(reveal(&*method, &token, &at(None)).err(), Some(FaultRule::NoTenant));
        }
    }
}

#[test]
fn domains_and_specifications_do_not_share_values() {
    let keys = keys_without(1, &[]);
    let value = Value::text("0123456789");
    let build_at =
        |method, domain| match build(&spec(method, Scope::Global), domain, Means::default())
            .unwrap()
        {
            Method::Pure(transform) => protect(&*transform, &value, &context(&keys)).unwrap(),
            Method::Stored(_) => panic!("not a computed method"),
        };
    let elsewhere = Domain { id: DomainId::from_bytes([8; 16]), ..DOMAIN };
    let base = build_at(digits(0, 0, 6, 20), DOMAIN);
    assert!(base != build_at(digits(0, 0, 6, 20), elsewhere));
    assert!(base != build_at(digits(0, 0, 6, 21), DOMAIN));
    assert!(base == build_at(digits(0, 0, 6, 20), DOMAIN));
}

/// What is kept is in the tweak: the same digits after another beginning are others.
#[test]
fn preserved_parts_are_in_the_tweak() {
    let keys = keys_without(1, &[]);
    let token = |method, text: &str| {
        let token = protect(&*global(method), &Value::text(text), &context(&keys)).unwrap();
        token.as_str().unwrap().to_owned()
    };
    let method = || digits(3, 2, 12, 12);
    let middle = |text: &str| token(method(), text)[3..10].to_owned();
    assert_ne!(middle("123456789099"), middle("124456789099"));
    assert_ne!(middle("123456789099"), middle("123456789098"));
    let phone = || fpe(TemplateSpec::Phone, Pinned);
    assert_ne!(token(phone(), "+4915112345678")[3..], token(phone(), "+4815112345678")[3..]);
}
