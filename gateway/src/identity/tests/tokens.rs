//! Which tokens are believed.

use std::time::Duration;

use allonym_contract::PrincipalKind;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::issuer::{Issuer, at, claims, config, key_set, key_set_file, now};
use crate::identity::{
    IdentityError, JwksSource, JwtAlgorithm, JwtConfig, JwtConfigError, JwtVerifier, Reason,
};

fn verdict(verifier: &JwtVerifier, token: &str) -> Option<Reason> {
    match verifier.verify(token, now()) {
        Ok(_) => None,
        Err(IdentityError::Invalid(reason)) => Some(reason),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn each_algorithm_with_a_key_of_its_own() {
    let issuers = [Issuer::rsa("r"), Issuer::p256("e"), Issuer::ed25519("o")];
    let (_folder, config) = key_set_file(&issuers.each_ref());
    let verifier = JwtVerifier::start(config.clone()).unwrap();
    for issuer in &issuers {
        let token = issuer.sign_plain(&claims());
        let principal = verifier.verify(&token, now()).unwrap();
        assert_eq!(principal.name, "jwt:alice");
        assert_eq!(principal.budget_key, "jwt:alice");
        assert_eq!(principal.kind, PrincipalKind::Jwt);
        assert_eq!(principal.roles, ["billing", "support"]);
        assert_eq!(principal.purpose.as_deref(), Some("chargeback"));
        assert_eq!(principal.claims.len(), 1);
        assert_eq!(principal.claims["org.tenant"], "t1");
        assert_eq!(principal.expires, Some(at(630)));
        // Any changed byte of the signature or of what is signed.
        for place in [token.len() - 10, token.len() / 2, 20] {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verifier.verify(&changed, now()).is_err(), "{} at {place}", issuer.alg());
        }
        // Accepted only where the configuration accepts it.
        let other = JwtAlgorithm::ALL.into_iter().find(|other| other.word() != issuer.alg());
        let narrow = JwtConfig { algorithms: vec![other.unwrap()], ..config.clone() };
        let narrow = JwtVerifier::start(narrow).unwrap();
        assert_eq!(verdict(&narrow, &token), Some(Reason::Algorithm));
    }
    // Signed by one key, naming another one, with either's algorithm.
    for (signer, named) in [(0, 1), (1, 2), (2, 0)] {
        for alg in [issuers[signer].alg(), issuers[named].alg()] {
            let header = json!({ "alg": alg, "kid": issuers[named].kid }).to_string();
            let token = issuers[signer].sign(&header, &claims().to_string());
            assert!(verifier.verify(&token, now()).is_err(), "{header}");
        }
    }
}

#[test]
fn a_header_only_chooses_among_what_is_accepted() {
    let issuer = Issuer::p256("k1");
    let stranger = Issuer::p256("k1");
    let (_folder, config) = key_set_file(&[&issuer]);
    let verifier = JwtVerifier::start(config).unwrap();
    let own_key = stranger.jwk();
    let body = claims().to_string();
    for (header, expected) in [
        (r#"{"alg":"ES256","kid":"k1"}"#.to_owned(), None),
        (r#"{"alg":"ES256"}"#.to_owned(), None),
        (r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#.to_owned(), None),
        (r#"{"alg":"ES256","kid":"k1","typ":"application/AT+JWT"}"#.to_owned(), None),
        (r#"{"alg":"ES256","kid":"k1","typ":"logout+jwt"}"#.to_owned(), Some(Reason::Extension)),
        (r#"{"alg":"ES256","kid":"k1","crit":["exp"]}"#.to_owned(), Some(Reason::Extension)),
        (r#"{"alg":"ES256","kid":"k1","crit":[]}"#.to_owned(), Some(Reason::Extension)),
        (r#"{"alg":"ES256","kid":"k2"}"#.to_owned(), Some(Reason::UnknownKey)),
        (r#"{"alg":"ES256","kid":"../k1"}"#.to_owned(), Some(Reason::UnknownKey)),
        (r#"{"alg":"RS256","kid":"k1"}"#.to_owned(), Some(Reason::UnknownKey)),
        (r#"{"alg":"ES256","kid":7}"#.to_owned(), Some(Reason::Claims)),
        (r#"{"alg":"es256","kid":"k1"}"#.to_owned(), Some(Reason::Algorithm)),
        (r#"{"alg":"ES384","kid":"k1"}"#.to_owned(), Some(Reason::Algorithm)),
        (r#"{"alg":"none","kid":"k1"}"#.to_owned(), Some(Reason::Algorithm)),
        (r#"{"alg":["ES256"],"kid":"k1"}"#.to_owned(), Some(Reason::Algorithm)),
        (r#"{"kid":"k1"}"#.to_owned(), Some(Reason::Algorithm)),
        (r#"{"alg":"none","alg":"ES256","kid":"k1"}"#.to_owned(), Some(Reason::Malformed)),
        (r#"["ES256"]"#.to_owned(), Some(Reason::Malformed)),
        ("ES256".to_owned(), Some(Reason::Malformed)),
    ] {
        assert_eq!(verdict(&verifier, &issuer.sign(&header, &body)), expected, "{header}");
    }
    let smuggled = json!({ "alg": "ES256", "kid": "k1", "jwk": own_key }).to_string();
    assert_eq!(verdict(&verifier, &stranger.sign(&smuggled, &body)), Some(Reason::Signature));
}

#[test]
fn no_signature_and_a_public_key_taken_for_a_secret_are_refused() {
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    for issuer in [Issuer::rsa("k1"), Issuer::p256("k1"), Issuer::ed25519("k1")] {
        let (_folder, config) = key_set_file(&[&issuer]);
        let verifier = JwtVerifier::start(config).unwrap();
        let body = b64(claims().to_string().as_bytes());
        for alg in ["none", "None", "NONE", ""] {
            let header = b64(json!({ "alg": alg, "kid": "k1" }).to_string().as_bytes());
            assert!(verifier.verify(&format!("{header}.{body}."), now()).is_err(), "{alg}");
        }
        let named = b64(json!({ "alg": issuer.alg(), "kid": "k1" }).to_string().as_bytes());
        assert_eq!(verdict(&verifier, &format!("{named}.{body}.")), Some(Reason::Signature));
        for alg in ["HS256", issuer.alg()] {
            let header = b64(json!({ "alg": alg, "kid": "k1" }).to_string().as_bytes());
            let message = format!("{header}.{body}");
            let key = hmac::Key::new(hmac::HMAC_SHA256, &issuer.public_bytes());
            let tag = hmac::sign(&key, message.as_bytes());
            let token = format!("{message}.{}", b64(tag.as_ref()));
            let expected = if alg == "HS256" { Reason::Algorithm } else { Reason::Signature };
            assert_eq!(verdict(&verifier, &token), Some(expected), "{alg}");
        }
    }
}

#[test]
fn claims_have_to_be_there_and_of_their_type() {
    let issuer = Issuer::ed25519("k1");
    let (_folder, config) = key_set_file(&[&issuer]);
    let verifier = JwtVerifier::start(config).unwrap();
    let check = |name: &str, value: Option<Value>, expected: Option<Reason>| {
        let mut body = claims();
        match &value {
            Some(value) => body[name] = value.clone(),
            None => drop(body.as_object_mut().unwrap().remove(name)),
        }
        let shown = body.to_string();
        assert_eq!(verdict(&verifier, &issuer.sign_plain(&body)), expected, "{shown}");
    };
    let wrong = Some(Reason::Claims);
    for required in ["iss", "aud", "exp", "sub"] {
        check(required, None, wrong);
        check(required, Some(Value::Null), wrong);
        check(required, Some(json!({})), wrong);
        check(required, Some(json!(true)), wrong);
        check(required, Some(json!("")), wrong);
    }
    check("iss", Some(json!("https://id.example/")), Some(Reason::Issuer));
    check("iss", Some(json!(["https://id.example"])), wrong);
    check("aud", Some(json!("other")), Some(Reason::Audience));
    check("aud", Some(json!(["other", "payments"])), None);
    check("aud", Some(json!(["other"])), Some(Reason::Audience));
    check("aud", Some(json!([])), Some(Reason::Audience));
    check("aud", Some(json!(["payments", 5])), wrong);
    check("exp", Some(json!("1800000600")), wrong);
    check("exp", Some(json!("x")), wrong);
    check("exp", Some(json!(1_800_000_600.5)), wrong);
    check("exp", Some(json!(-5)), wrong);
    check("exp", Some(json!(u64::MAX)), wrong);
    check("exp", Some(json!(0)), Some(Reason::Expired));
    check("exp", Some(json!(1_799_999_970)), Some(Reason::Expired));
    check("exp", Some(json!(1_799_999_971)), None);
    check("nbf", Some(json!(1_800_000_030)), None);
    check("nbf", Some(json!(1_800_000_031)), Some(Reason::NotYetValid));
    check("nbf", Some(json!("0")), wrong);
    check("nbf", Some(json!(0.5)), wrong);
    check("sub", Some(json!("x".repeat(256))), None);
    check("sub", Some(json!("x".repeat(257))), wrong);
    check("sub", Some(json!("a\nb")), wrong);
    check("sub", Some(json!(7)), wrong);
    check("groups", None, None);
    check("groups", Some(json!("billing")), None);
    check("groups", Some(json!([])), None);
    check("groups", Some(json!({"a": "billing"})), wrong);
    check("groups", Some(json!(["billing", null])), wrong);
    check("groups", Some(json!(vec!["x"; 257])), wrong);
    check("purpose", None, None);
    check("purpose", Some(json!(["chargeback"])), wrong);
    check("org", Some(json!({ "tenant": 5 })), wrong);
    check("org", None, None);
}

#[test]
fn a_body_that_two_readers_could_read_differently_is_refused() {
    let issuer = Issuer::ed25519("k1");
    let (_folder, config) = key_set_file(&[&issuer]);
    let verifier = JwtVerifier::start(config).unwrap();
    let header = r#"{"alg":"EdDSA","kid":"k1"}"#;
    let whole = claims().to_string();
    let twice = format!("{},\"sub\":\"mallory\"}}", &whole[..whole.len() - 1]);
    for body in [twice.as_str(), "", "{", "[]", "\u{feff}{}", &"[".repeat(8_000)] {
        assert!(verifier.verify(&issuer.sign(header, body), now()).is_err(), "{body:.20}");
    }
    let token = issuer.sign(header, &whole);
    for form in [
        format!("{token}."),
        format!(".{token}"),
        format!("{token}="),
        format!(" {token}"),
        format!("Bearer {token}"),
        token.replacen('.', "", 1),
        token.replace('.', ". "),
        "..".to_owned(),
        ".".to_owned(),
        "é.é.é".to_owned(),
    ] {
        assert!(verifier.verify(&form, now()).is_err(), "{form}");
    }
    let huge = json!({ "alg": "EdDSA", "kid": "k1", "x": "y".repeat(16_000) }).to_string();
    assert_eq!(verdict(&verifier, &issuer.sign(&huge, &whole)), Some(Reason::TooLarge));
    assert_eq!(verdict(&verifier, &"a".repeat(10_000_000)), Some(Reason::TooLarge));
    assert_eq!(verdict(&verifier, &token), None);
}

#[test]
fn a_remembered_token_ends_in_time() {
    let issuer = Issuer::ed25519("k1");
    let (_folder, config) = key_set_file(&[&issuer]);
    let exact = JwtConfig { leeway: Duration::ZERO, ..config };
    let verifier = JwtVerifier::start(exact).unwrap();
    let mut body = claims();
    body["exp"] = json!(1_800_000_020);
    let token = issuer.sign_plain(&body);
    let first = verifier.verify(&token, now()).unwrap();
    let again = verifier.verify(&token, at(19)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &again), "it was not remembered");
    let expired = Some(IdentityError::Invalid(Reason::Expired));
    assert_eq!(verifier.verify(&token, at(20)).err(), expired);
    // A token that lasts is verified anew after a minute.
    let lasting = issuer.sign_plain(&claims());
    let first = verifier.verify(&lasting, now()).unwrap();
    for (seconds, remembered) in [(59, true), (60, false)] {
        let again = verifier.verify(&lasting, at(seconds)).unwrap();
        assert_eq!(std::sync::Arc::ptr_eq(&first, &again), remembered, "after {seconds} s");
    }
}

#[test]
fn keys_that_are_for_something_else_are_passed_over() {
    let issuer = Issuer::p256("k1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let check = |change: &dyn Fn(&mut Value), usable: bool| {
        let mut jwk = issuer.jwk();
        change(&mut jwk);
        std::fs::write(&path, json!({ "keys": [jwk] }).to_string()).unwrap();
        let started = JwtVerifier::start(config(JwksSource::File(path.clone())));
        assert_eq!(started.is_ok(), usable, "{jwk}");
    };
    check(&|_| {}, true);
    check(&|jwk| drop(jwk.as_object_mut().unwrap().remove("alg")), true);
    check(&|jwk| jwk["key_ops"] = json!(["verify"]), true);
    check(&|jwk| jwk["key_ops"] = json!(["deriveKey"]), false);
    check(&|jwk| jwk["use"] = json!("enc"), false);
    check(&|jwk| jwk["alg"] = json!("ES384"), false);
    check(&|jwk| jwk["alg"] = json!("HS256"), false);
    check(&|jwk| jwk["crv"] = json!("P-384"), false);
    check(&|jwk| jwk["kty"] = json!("oct"), false);
    check(&|jwk| jwk["kty"] = json!("RSA"), false);
    check(&|jwk| jwk["x"] = json!("AAAA"), false);
    check(&|jwk| jwk["y"] = json!("*"), false);
    // A short RSA key, plain and dressed up with zeros.
    for zeros in [0, 128] {
        let modulus = [vec![0; zeros], vec![0xC1; 128]].concat();
        let n = URL_SAFE_NO_PAD.encode(modulus);
        check(&|jwk| *jwk = json!({ "kty": "RSA", "n": n, "e": "AQAB" }), false);
    }
    let oct = json!({ "kty": "oct", "kid": "s", "k": "AAAA" });
    let mixed = json!({ "keys": [oct, 7, null, {}, issuer.jwk()] }).to_string();
    std::fs::write(&path, mixed).unwrap();
    let verifier = JwtVerifier::start(config(JwksSource::File(path.clone()))).unwrap();
    assert_eq!(verdict(&verifier, &issuer.sign_plain(&claims())), None);
    for text in ["", "{}", "[]", "{\"keys\":[]}", "{\"keys\":{}}", "\u{0}"] {
        std::fs::write(&path, text).unwrap();
        assert!(JwtVerifier::start(config(JwksSource::File(path.clone()))).is_err(), "{text}");
    }
}

#[test]
fn without_a_kid_there_must_be_one_key_only() {
    let (one, two) = (Issuer::ed25519("k1"), Issuer::ed25519("k2"));
    let token = one.sign(r#"{"alg":"EdDSA"}"#, &claims().to_string());
    for (issuers, expected) in [
        (vec![&one], None),
        (vec![&one, &two], Some(Reason::UnknownKey)),
        (vec![&two], Some(Reason::Signature)),
    ] {
        let (_folder, config) = key_set_file(&issuers);
        assert_eq!(verdict(&JwtVerifier::start(config).unwrap(), &token), expected);
    }
}

#[test]
fn a_configuration_that_cannot_be_meant_is_an_error() {
    let issuer = Issuer::ed25519("k1");
    let (folder, good) = key_set_file(&[&issuer]);
    let check = |config: JwtConfig| JwtVerifier::start(config).err();
    assert_eq!(check(good.clone()), None);
    let wrong = |change: &dyn Fn(&mut JwtConfig)| {
        let mut config = good.clone();
        change(&mut config);
        check(config)
    };
    let empty = |what| Some(JwtConfigError::Empty(what));
    assert_eq!(wrong(&|config| config.issuer.clear()), empty("issuer"));
    assert_eq!(wrong(&|config| config.audiences.clear()), empty("audience"));
    assert_eq!(wrong(&|config| config.audiences.push(String::new())), empty("audience"));
    assert_eq!(wrong(&|config| config.algorithms.clear()), empty("algorithms"));
    let long = Duration::from_secs(31);
    assert_eq!(wrong(&|config| config.leeway = long), Some(JwtConfigError::Leeway));
    let missing = JwksSource::File(folder.path().join("absent.json"));
    assert!(matches!(check(config(missing)), Some(JwtConfigError::KeySet(_))));
    let large = folder.path().join("large.json");
    let padding = " ".repeat(1 << 20);
    std::fs::write(&large, format!("{}{padding}", key_set(&[&issuer]))).unwrap();
    assert!(matches!(check(config(JwksSource::File(large))), Some(JwtConfigError::KeySet(_))));
}
