//! What carries a mark of any domain is not protected again, and no mask is taken for a value.

use super::format_vectors::{births, email, integer, string};
use super::*;

use allonym_protect::EmailPart;

use VersionMode::{Epoch, Header, Pinned, Sidecar};

/// One value for each mark there is; none holds here.
const MARKED: [&str; 9] = [
    "aln1.abcdefgh",
    "alh1.abcdefgh",
    "ale1.abcdefgh",
    "alf1.9.abcdefgh",
    "tkv1_0000000000",
    "TKV1_0000000000",
    "tok_0000000000000000000000000000",
    "TOK_0000000000000000000000000168",
    "000000000000000000@allonym.invalid",
];

/// Much like a mark, but none.
const UNMARKED: [&str; 4] = [
    "tok_abcdefgh",
    "tok_0000000000000000000000000001",
    "someone@allonym.invalid",
    "000000000000000000@allonym.example",
];

fn regex(pattern: &str) -> TemplateSpec {
    TemplateSpec::Regex { pattern: pattern.to_owned(), max: 40 }
}

fn anything() -> TemplateSpec {
    string("09AZaz", "._@", (0, 0), (6, 40))
}

#[test]
fn values_of_other_domains_are_not_protected_again() {
    let keys = keys_without(2, &[]);
    let context = context(&keys);
    let tokens = r"tok_[0-9a-z]{24}0000|al[a-z]1\.[0-9a-z.]{6,20}";
    for method in [
        MethodSpec::Siv,
        MethodSpec::Hash,
        MethodSpec::Encrypt,
        MethodSpec::Vaultless,
        fpe(anything(), Pinned),
        fpe(anything(), Epoch),
        fpe(anything(), Sidecar),
        fpe(anything(), Header),
        fpe(email(EmailPart::Local), Pinned),
        fpe(email(EmailPart::Domain), Sidecar),
        fpe(regex(tokens), Pinned),
        fpe(regex(tokens), Header),
        alphanumeric(0, 0, 6, 40),
    ] {
        let built = global(method.clone());
        for marked in MARKED {
            let value = Value::text(marked);
            let refused = protect(&*built, &value, &context).err();
            assert_eq!(refused, Some(FaultRule::BadMark), "{method:?} {marked}");
            assert_ne!(built.mark(&value, &context), Mark::Plain, "{method:?} {marked}");
            let forms = built.stored_forms(&value, &context).err().map(|fault| fault.rule);
            let searchable = !matches!(method, MethodSpec::Encrypt);
            let rule = if searchable { FaultRule::BadMark } else { FaultRule::NotSearchable };
            assert_eq!(forms, Some(rule), "{method:?} {marked}");
        }
    }
    for method in [MethodSpec::Siv, fpe(anything(), Pinned), fpe(anything(), Header)] {
        for value in UNMARKED {
            let built = global(method.clone());
            let token = protect(&*built, &Value::text(value), &context).unwrap();
            assert!(reveal(&*built, &token, &context) == Ok(Value::text(value)), "{value}");
        }
    }
}

/// An enciphered text may come to look like a mark: it opens all the same.
#[test]
fn what_stands_for_a_value_opens_whatever_it_looks_like() {
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    let beside = [Some(version(1))];
    for marked in MARKED {
        let method = global(fpe(anything(), Pinned));
        assert!(reveal(&*method, &Value::text(marked), &context).is_ok(), "{marked}");
        let method = global(fpe(anything(), Sidecar));
        let known = Context { stated: &beside, ..context };
        assert!(reveal(&*method, &Value::text(marked), &known).is_ok(), "{marked}");
        let method = global(fpe(anything(), Header));
        let headed = Value::text(format!("alf1.1.{marked}"));
        assert!(reveal(&*method, &headed, &context).is_ok(), "{marked}");
    }
}

#[test]
fn no_mask_passes_as_a_value_of_a_pattern() {
    let keys = keys_without(1, &[]);
    let context = context(&keys);
    for mode in [Pinned, Header] {
        let method = global(fpe(regex("[A-Z]{2}[0-9Xx*]{8}"), mode));
        for (value, expected) in [
            ("ABXXXX1234", Some(FaultRule::Masked)),
            ("AB1234xxxx", Some(FaultRule::Masked)),
            ("AB**123456", Some(FaultRule::Masked)),
            ("AB*1234567", None),
            ("ABXXX12345", None),
            ("AB12345678", None),
        ] {
            let refused = protect(&*method, &Value::text(value), &context).err();
            assert_eq!(refused, expected, "{value}");
        }
    }
}

/// Tables of all live versions must have room, or each batch would make them anew.
#[test]
fn formats_with_tables_say_how_many_versions_have_room() {
    let small = || integer(0, 999_998);
    let padded = TemplateSpec::Integer { from: 0, to: 999_998, width: Some(6), reserved: vec![] };
    for (method, expected) in [
        (fpe(small(), Sidecar), Some(33)),
        (fpe(padded, Header), Some(33)),
        (fpe(births(), Header), Some(459)),
        (fpe(births(), Sidecar), Some(459)),
        (pan(VersionMode::Slack), None),
        (fpe(TemplateSpec::Uuid, Sidecar), None),
        (MethodSpec::Siv, None),
    ] {
        assert_eq!(global(method.clone()).most_versions(), expected, "{method:?}");
    }
    let two = Scope::Tenant("org".to_owned());
    let method = built_for(fpe(small(), Sidecar), two, &["a", "b"]);
    assert_eq!(method.most_versions(), Some(16));
}
