//! Text that opens again: `encrypt` and computed tokens.

use super::*;

use proptest::prelude::*;

use MethodSpec::{Encrypt, Vaultless};

const BOTH: [MethodSpec; 2] = [Encrypt, Vaultless];

fn name() -> Value {
    Value::text("Zoë Müller")
}

fn at(domain: Domain, method: MethodSpec, scope: Scope) -> Arc<dyn Transform> {
    match build(&spec(method, scope), domain, Means::default()).unwrap() {
        Method::Pure(transform) => transform,
        Method::Stored(_) => panic!("not a computed method"),
    }
}

/// What does not hold is no mark, is never revealed, and is never protected again.
fn refused(method: &dyn Transform, text: &str, context: &Context<'_>) {
    let value = Value::text(text);
    assert_eq!(method.mark(&value, context), Mark::Neither(FaultRule::BadMark), "{text}");
    assert_eq!(reveal(method, &value, context).err(), Some(FaultRule::BadMark), "{text}");
    assert_eq!(protect(method, &value, context).err(), Some(FaultRule::BadMark), "{text}");
}

/// Published vectors; each was computed by a second, independent implementation.
#[test]
fn computed_tokens_are_a_stored_format() {
    for (tenant, number, plain, expected) in [
        (None, 1, name(), "tkv1_040mrfe0g8gnmf21nqp7chtwg8ehp2jk6zzxr5nz6bkzkenf7w"),
        (None, 2, name(), "tkv1_04146s9gghsw2f8nk0z9b2k9t2zdkkvxvw5sr1x29g717x54fr"),
        (None, 200, name(), "tkv1_07402fxy5mkwmnc3aza917fyt9r7072xfzch1gy1ds1pavszne20"),
        (None, 1, Value::number("42.50"), "tkv1_040pdv3wa4sjbrpfhhmm1f561s1609sw0mag510"),
        (None, 1, Value::Bool(true), "tkv1_040yjfc4y13bjeffmqh0cdemqx75qqbm"),
        (Some("acme"), 1, name(), "tkv1_040gkna9wk8zb23m5g5nsgwt771b7nsyr34496g9shmjg0b98m"),
    ] {
        let keys = keys_at(number);
        let context = Context { tenant, ..context(&keys) };
        let method = if tenant.is_some() { tenants(Vaultless) } else { global(Vaultless) };
        let token = protect(&*method, &plain, &context);
        assert_eq!(shown(token.clone()), Ok(expected.to_owned()));
        for token in [expected.to_owned(), expected.to_uppercase()] {
            let token = Value::text(token);
            assert!(reveal(&*method, &token, &context).unwrap() == plain, "{expected}");
            assert_eq!(method.mark(&token, &context), Mark::Protected(Some(version(number))));
        }
    }
}

/// Published vectors for opening: nonces are random when values are protected; those here
/// are the bytes 0 to 11.
#[test]
fn encrypted_text_is_a_stored_format() {
    for (tenant, number, plain, text) in [
        (None, 1, name(), "ale1.AQEAAQIDBAUGBwgJCgs1EZWlZymGUNB1n4nNaE7d6IuDWJSvxQiJzDw2UQ"),
        (None, 2, name(), "ale1.AQIAAQIDBAUGBwgJCgv-BSIH_27cgOr2WDgSGD-M33Ce6CTisqN7UTEF9w"),
        (None, 200, name(), "ale1.AcgBAAECAwQFBgcICQoL-I6VV4fd6X2Ecks_0GrEtlUjvJbRwGOvcakdm_0"),
        (None, 1, Value::number("42.50"), "ale1.AQEAAQIDBAUGBwgJCguXMEYHucoeW1Ggu-eQR2vpW9prUbSv"),
        (None, 1, Value::Bool(true), "ale1.AQEAAQIDBAUGBwgJCgu2WAifE-zA-V0L0yPibKAdFKo"),
        (
            Some("acme"),
            1,
            name(),
            "ale1.AQEAAQIDBAUGBwgJCguvcnF0QWf4R5P2bK2YlbXI6bnYZ5wfifVkQLmMdA",
        ),
    ] {
        let keys = keys_at(number);
        let context = Context { tenant, ..context(&keys) };
        let method = if tenant.is_some() { tenants(Encrypt) } else { global(Encrypt) };
        assert!(reveal(&*method, &Value::text(text), &context).unwrap() == plain, "{text}");
    }
}

#[test]
fn a_text_that_was_tampered_with_never_opens() {
    let keys = keys_without(2, &[]);
    let context = context(&keys);
    for (method, alphabet) in [
        (Encrypt, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="),
        (Vaultless, "0123456789abcdefghijklmnopqrstuvwxyz-_"),
    ] {
        let method = global(method);
        let sealed = protect(&*method, &name(), &context).unwrap();
        let text = sealed.as_str().unwrap();
        for at in 5..text.len() {
            for symbol in alphabet.chars().filter(|symbol| !text[at..].starts_with(*symbol)) {
                let mut wrong = text.to_owned();
                wrong.replace_range(at..=at, &symbol.to_string());
                refused(&*method, &wrong, &context);
            }
            refused(&*method, &text[..at], &context);
            refused(&*method, &format!("{}{}", &text[..at], &text[at + 1..]), &context);
            refused(&*method, &format!("{}{}", &text[..5], &text[at + 1..]), &context);
        }
        for end in ["=", "0", "00", "A", "AAAAAAAA", " ", "\n", "é"] {
            refused(&*method, &format!("{text}{end}"), &context);
        }
        assert!(reveal(&*method, &sealed, &context).unwrap() == name());
    }
}

#[test]
fn a_text_opens_in_its_domain_scope_and_version_only() {
    for method in BOTH {
        let keys = keys_without(3, &[]);
        let here = context(&keys);
        let acme = Context { tenant: Some("acme"), ..here };
        let sealed = protect(&*global(method.clone()), &name(), &here).unwrap();
        let text = sealed.as_str().unwrap();
        let elsewhere = [
            Domain { id: DomainId::from_bytes([8; 16]), ..DOMAIN },
            Domain { namespace: NamespaceId::from_bytes([1; 16]), ..DOMAIN },
        ];
        for domain in elsewhere {
            refused(&*at(domain, method.clone(), Scope::Global), text, &here);
        }
        let scoped = tenants(method.clone());
        refused(&*scoped, text, &acme);
        let scoped_text = protect(&*scoped, &name(), &acme).unwrap();
        let other = Context { tenant: Some("acne"), ..here };
        refused(&*scoped, scoped_text.as_str().unwrap(), &other);
        for missing in [None, Some("")] {
            let nobody = Context { tenant: missing, ..here };
            assert_eq!(protect(&*scoped, &name(), &nobody).err(), Some(FaultRule::NoTenant));
            assert_eq!(reveal(&*scoped, &scoped_text, &nobody).err(), Some(FaultRule::NoTenant));
            assert_eq!(scoped.mark(&scoped_text, &nobody), Mark::Neither(FaultRule::NoTenant));
        }
        let later = keys_without(4, &[]);
        let method = global(method);
        assert_eq!(method.mark(&sealed, &context(&later)), Mark::Protected(Some(version(3))));
        assert!(reveal(&*method, &sealed, &context(&later)).unwrap() == name());
        refused(&*method, text, &context(&keys_without(4, &[3])));
        refused(&*method, text, &context(&keys_at(2)));
    }
}

#[test]
fn marks_of_the_methods_are_kept_apart() {
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    let methods = [Encrypt, Vaultless, MethodSpec::Siv, MethodSpec::Hash].map(global);
    for maker in &methods {
        let sealed = protect(&**maker, &name(), &context).unwrap();
        for method in &methods {
            let expected = if Arc::ptr_eq(maker, method) {
                Mark::Protected(Some(KeyVersion::FIRST))
            } else {
                Mark::Neither(FaultRule::BadMark)
            };
            assert_eq!(method.mark(&sealed, &context), expected);
            let again = protect(&**method, &sealed, &context).err();
            assert_eq!(again, Some(FaultRule::BadMark));
        }
    }
    // The same bytes under another mark are nothing.
    let token = "ale1.AQFFW7HFDQzk8FaxCF_EIqiQlqyaOxm_KPp5pK5Tqg";
    refused(&*global(Encrypt), token, &context);
}

#[test]
fn a_computed_token_survives_a_change_of_case() {
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    let method = global(Vaultless);
    let token = protect(&*method, &name(), &context).unwrap();
    let mixed: String = token
        .as_str()
        .unwrap()
        .chars()
        .enumerate()
        .map(|(at, symbol)| if at % 2 == 0 { symbol.to_ascii_uppercase() } else { symbol })
        .collect();
    assert!(reveal(&*method, &Value::text(mixed), &context).unwrap() == name());
}

#[test]
fn what_is_randomised_cannot_be_searched() {
    let keys = keys_without(3, &[1]);
    let context = context(&keys);
    let encrypt = global(Encrypt);
    let mut seen = Vec::new();
    for _ in 0..100 {
        let sealed = protect(&*encrypt, &name(), &context).unwrap();
        assert!(!seen.contains(&sealed));
        seen.push(sealed);
    }
    let fault = Fault { index: 0, rule: FaultRule::NotSearchable };
    assert_eq!(encrypt.stored_forms(&name(), &context).err(), Some(fault));

    let vaultless = global(Vaultless);
    let token = protect(&*vaultless, &name(), &context).unwrap();
    assert!(protect(&*vaultless, &name(), &context).unwrap() == token);
    let forms = vaultless.stored_forms(&name(), &context).unwrap();
    assert_eq!(forms.len(), 2);
    assert!(forms.contains(&token));
    for form in forms {
        assert!(reveal(&*vaultless, &form, &context).unwrap() == name());
    }
    let masked = vaultless.stored_forms(&Value::text("***"), &context).err();
    assert_eq!(masked.map(|fault| fault.rule), Some(FaultRule::Masked));
}

#[test]
fn masks_are_refused_and_nothing_stays_nothing() {
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    for method in BOTH.map(global) {
        assert!(method.is_marked() && method.is_reversible());
        for mask in ["***", "Anna*", "•••", "XXX-XX-XXXX"] {
            let mask = Value::text(mask);
            assert_eq!(protect(&*method, &mask, &context).err(), Some(FaultRule::Masked));
            assert_eq!(method.mark(&mask, &context), Mark::Neither(FaultRule::Masked));
        }
        for plain in [name(), Value::number("1"), Value::Bool(true)] {
            assert_eq!(method.mark(&plain, &context), Mark::Plain);
            assert_eq!(reveal(&*method, &plain, &context).err(), Some(FaultRule::NotProtected));
        }
        let none = KeySet::default();
        for empty in [Value::Null, Value::text("")] {
            assert!(protect(&*method, &empty, &super::context(&none)).unwrap() == empty);
            assert!(reveal(&*method, &empty, &super::context(&none)).unwrap() == empty);
        }
        let refused = protect(&*method, &name(), &super::context(&none)).err();
        assert_eq!(refused, Some(FaultRule::NoKey));
        let mut values = [Value::Null, name(), Value::text("***")];
        let fault = Fault { index: 2, rule: FaultRule::Masked };
        let mut batch: Vec<&mut Value> = values.iter_mut().collect();
        assert_eq!(method.protect(&mut batch, &context), Err(fault));
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{1,200}".prop_map(Value::text),
        "-?[0-9]{1,20}(\\.[0-9]{1,3})?".prop_map(Value::number),
        any::<bool>().prop_map(Value::Bool),
    ]
}

fn hostile() -> impl Strategy<Value = Value> {
    prop_oneof![
        value(),
        "(ale1\\.|aln1\\.)[A-Za-z0-9_-]{0,90}".prop_map(Value::text),
        "ale1\\.AQ[A-Za-z0-9_-]{0,90}".prop_map(Value::text),
        "[tT][kK][vV]1_[0-9A-Za-z]{0,90}".prop_map(Value::text),
        "tkv1_04[0-9a-hjkmnp-tv-z]{0,90}".prop_map(Value::text),
        "(ale1\\.|tkv1_).{0,20}".prop_map(Value::text),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_is_sealed_opens(mut values in prop::collection::vec(value(), 1..20), active in 1..4_u32) {
        values.retain(|value| !value.as_str().is_some_and(|text| text.contains(['*', '•', 'x', 'X'])));
        let keys = keys_without(active, &[]);
        let context = context(&keys);
        for method in BOTH.map(global) {
            let mut batch = values.clone();
            method.protect(&mut batch.iter_mut().collect::<Vec<_>>(), &context).unwrap();
            for (sealed, plain) in batch.iter().zip(&values) {
                prop_assert_eq!(method.mark(sealed, &context), Mark::Protected(Some(version(active))));
                let hidden = plain.as_str().is_some_and(|plain| plain.len() > 9);
                prop_assert!(!hidden || !sealed.as_str().unwrap().contains(plain.as_str().unwrap()));
            }
            method.reveal(&mut batch.iter_mut().collect::<Vec<_>>(), &context).unwrap();
            prop_assert!(batch == values);
        }
    }

    #[test]
    fn any_value_gets_one_answer(value in hostile()) {
        let keys = keys_without(3, &[1]);
        let context = context(&keys);
        for method in BOTH.map(global) {
            let protected = protect(&*method, &value, &context);
            let revealed = reveal(&*method, &value, &context);
            match method.mark(&value, &context) {
                Mark::Plain => {
                    prop_assert!(protected.is_ok());
                    prop_assert_eq!(revealed.err(), Some(FaultRule::NotProtected));
                }
                Mark::Neither(rule) => {
                    prop_assert_eq!(protected.err(), Some(rule));
                    prop_assert!(revealed.is_err());
                }
                mark => panic!("{mark:?}"),
            }
        }
    }
}
