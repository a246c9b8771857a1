//! What a specification says, and which cannot be had.

use super::*;

use allonym_protect::{Canonical, Mask, SpecError, TokenTemplate};

/// Published vectors: the digest is in every derived key.
#[test]
fn the_digest_is_a_stored_format() {
    let hide = MethodSpec::Mask;
    let token = MethodSpec::Token {
        template: TokenTemplate::Email { token_domain: "allonym.invalid".to_owned() },
        random: false,
        canonical: Canonical::Exact,
    };
    let tenant = || Scope::Tenant("org".to_owned());
    for (method, scope, json, digest) in [
        (
            pan(VersionMode::Slack),
            Scope::Global,
            r#"{"revision":1,"method":{"method":"fpe","template":{"template":"pan","keep":{"first":6,"last":0},"min":13,"max":19},"version":"slack"},"scope":"global"}"#,
            "8e3e867a21b53dffa4006f6b97d6f9b09b741f476f11b25d44649d9c5974ca3a",
        ),
        (
            fpe(TemplateSpec::Phone, VersionMode::Pinned),
            Scope::Global,
            r#"{"revision":1,"method":{"method":"fpe","template":{"template":"phone"},"version":"pinned"},"scope":"global"}"#,
            "e57a7e63e88c45d0783c077f22a7bfa4293c8a0413fd0c7214f733dacf2ced85",
        ),
        (
            MethodSpec::Siv,
            Scope::Global,
            r#"{"revision":1,"method":{"method":"siv"},"scope":"global"}"#,
            "ab1c0a9279485bfa540d2d72ed9b7c726ca999c53f888878cf47075ff64b61f9",
        ),
        (
            MethodSpec::Siv,
            tenant(),
            r#"{"revision":1,"method":{"method":"siv"},"scope":{"tenant":"org"}}"#,
            "f71a5876984f35b0e34ab825d610adfd922d5fd4ed9f0dddabf8afce05a4f125",
        ),
        (
            MethodSpec::Hash,
            Scope::Global,
            r#"{"revision":1,"method":{"method":"hash"},"scope":"global"}"#,
            "0708486a3ee4a540debb0af365a1dd9adcca72d3799fa55fd030c67b0b666fe3",
        ),
        (
            token,
            Scope::Global,
            r#"{"revision":1,"method":{"method":"token","template":{"template":"email","token_domain":"allonym.invalid"},"random":false,"canonical":"exact"},"scope":"global"}"#,
            "3c1b092019d2d968bf3c9ec6a3ddf40b5ca1f14cdb2bb7ee977344850c201492",
        ),
        (
            hide(Mask::default()),
            Scope::Global,
            r#"{"revision":1,"method":{"method":"mask"},"scope":"global"}"#,
            "0035a04119a1cf5c310485fa1bd173dc7f4a2702f0b361ed359f8bcd44f2cc98",
        ),
        (
            hide(Mask::keeping(Keep { first: 0, last: 4 })),
            Scope::Global,
            r#"{"revision":1,"method":{"method":"mask","keep":{"first":0,"last":4}},"scope":"global"}"#,
            "48ad5fe82d71b555587151c0f032170fe03d9848477730dfd79e7037e47e67e5",
        ),
        (
            MethodSpec::Redact,
            Scope::Global,
            r#"{"revision":1,"method":{"method":"redact"},"scope":"global"}"#,
            "0527a51095a2cac6014b2445827b302512075813fa4ecdbd9dadbbdb5a62f07f",
        ),
        (
            MethodSpec::Replace { with: "x".to_owned() },
            Scope::Global,
            r#"{"revision":1,"method":{"method":"replace","with":"x"},"scope":"global"}"#,
            "bdb72a085da533d8cf3fbffacabf0ed79a98195a1097a43dedb819cafe4f0b2c",
        ),
    ] {
        let spec = spec(method, scope);
        let hex: String = spec.digest().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((serde_json::to_string(&spec).unwrap().as_str(), hex.as_str()), (json, digest));
        assert_eq!(serde_json::from_str::<Spec>(json).unwrap(), spec);
    }
}

#[test]
fn a_specification_that_cannot_be_had_says_what_to_use_instead() {
    let check = |method: MethodSpec, expected: &[&str]| {
        let error = build(&spec(method, Scope::Global), DOMAIN, Means::default())
            .err()
            .unwrap()
            .to_string();
        for part in expected {
            assert!(error.contains(part), "{error}: {part}");
        }
    };
    let card = |first, last, min, max| {
        fpe(TemplateSpec::Pan { keep: Keep { first, last }, min, max }, VersionMode::Slack)
    };
    check(card(8, 0, 13, 19), &["length 13", "only 4", "10000 values", "15..19", "method: token"]);
    check(card(6, 4, 16, 16), &["length 16", "only 6", "100000 values", "method: token"]);
    check(digits(0, 0, 5, 9), &["length 5", "100000 values", "method: token"]);
    check(digits(3, 3, 9, 11), &["length 9", "only 3", "1000 values"]);
    check(digits(9, 9, 9, 11), &["length 9", "only 0", "1 values"]);
    check(alphanumeric(0, 0, 3, 9), &["length 3", "238328 values", "method: token"]);
    check(digits(0, 0, 9, 6), &["lengths"]);
    check(digits(0, 0, 0, 6), &["lengths"]);
    check(digits(0, 0, 6, usize::MAX), &["lengths"]);
    check(digits(usize::MAX, usize::MAX, 6, 9), &["only 0"]);
    let slack = |template| fpe(template, VersionMode::Slack);
    check(slack(TemplateSpec::Phone), &["phone", "version: pinned"]);
    let keep = Keep::default();
    check(slack(TemplateSpec::Digits { keep, min: 6, max: 9 }), &["digits", "version: pinned"]);
    check(slack(TemplateSpec::Alphanumeric { keep, min: 6, max: 9 }), &["alphanumeric"]);
    let token = TokenTemplate::Plain;
    let token = MethodSpec::Token { template: token, random: false, canonical: Canonical::Exact };
    check(token, &["token store"]);
    let later = Spec { revision: 2, ..spec(MethodSpec::Siv, Scope::Global) };
    assert!(matches!(build(&later, DOMAIN, Means::default()), Err(SpecError::Invalid(_))));
    let nameless = spec(MethodSpec::Siv, Scope::Tenant(String::new()));
    assert!(matches!(build(&nameless, DOMAIN, Means::default()), Err(SpecError::Invalid(_))));
}

#[test]
fn the_smallest_domains_can_be_had() {
    for method in [
        pan(VersionMode::Slack),
        pan(VersionMode::Pinned),
        digits(0, 0, 6, 256),
        digits(4, 4, 14, 20),
        alphanumeric(0, 0, 4, 256),
    ] {
        let Method::Pure(transform) =
            build(&spec(method, Scope::Global), DOMAIN, Means::default()).unwrap()
        else {
            panic!("fpe is computed")
        };
        assert!(transform.is_reversible());
    }
}

#[test]
fn marks_and_ways_back_are_known_beforehand() {
    for (method, marked, reversible) in [
        (pan(VersionMode::Slack), true, true),
        (pan(VersionMode::Pinned), false, true),
        (MethodSpec::Siv, true, true),
        (MethodSpec::Hash, true, false),
        (MethodSpec::Mask(Mask::default()), false, false),
        (MethodSpec::Redact, false, false),
        (MethodSpec::Replace { with: "x".to_owned() }, false, false),
    ] {
        let built = global(method);
        assert_eq!((built.is_marked(), built.is_reversible()), (marked, reversible));
    }
}

#[test]
fn a_stored_specification_with_unknown_fields_is_refused() {
    for json in [
        r#"{"revision":1,"method":{"method":"siv"},"scope":"global","more":1}"#,
        r#"{"revision":1,"method":{"method":"mask","keeps":{}},"scope":"global"}"#,
        r#"{"revision":1,"method":{"method":"replace","with":"x","more":1},"scope":"global"}"#,
        r#"{"revision":1,"method":{"method":"fpe","template":{"template":"phone"},"version":"pinned","more":1},"scope":"global"}"#,
        r#"{"revision":1,"method":{"method":"rot13"},"scope":"global"}"#,
    ] {
        assert!(serde_json::from_str::<Spec>(json).is_err(), "{json}");
    }
}
