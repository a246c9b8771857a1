//! Tokens signed with real keys, key sets behind a real server, and who is let in.

mod issuer;
mod key_sets;
mod tokens;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use allonym_contract::{Caller, Credential, Fault, PrincipalKind};
use allonym_keyring::Secret;
use zeroize::Zeroizing;

use super::*;
use issuer::{Issuer, at, key_set_file, now};

fn token_book() -> (Arc<TokenBook>, String) {
    let book = TokenBook::new(Secret::new(Zeroizing::new([1; 32])));
    let token = ApiToken::mint().unwrap();
    book.replace(vec![TokenRecord {
        id: token.id().to_owned(),
        name: "shop".to_owned(),
        roles: vec!["shop".to_owned()],
        purpose: None,
        claims: BTreeMap::new(),
        hash: book.hash(&token),
        expires: None,
        revoked: None,
    }]);
    (Arc::new(book), token.text().to_owned())
}

#[derive(Clone, Copy)]
enum Brings<'a> {
    Token(&'a str),
    Jwt(&'a str),
    Junk,
}

fn caller(brought: &[Brings<'_>], address: Option<IpAddr>) -> Caller<'static> {
    let credential = |brings: &Brings<'_>| match brings {
        Brings::Token(text) => Credential::ApiToken(Zeroizing::new((*text).to_owned())),
        Brings::Jwt(text) => Credential::Jwt(Zeroizing::new((*text).to_owned())),
        Brings::Junk => Credential::Unreadable,
    };
    let credentials = brought.iter().map(credential).collect();
    Caller { connector: "c", address, credentials, purpose: None }
}

#[test]
fn one_valid_credential_or_nobody() {
    let issuer = Issuer::ed25519("k1");
    let (_folder, config) = key_set_file(&[&issuer]);
    let jwt = JwtVerifier::start(config).unwrap();
    let (book, token) = token_book();
    let signed = issuer.sign_plain(&issuer::claims());
    let bad_jwt = &signed[..signed.len() - 4];
    let bad_token = &token[..token.len() - 1];
    let invalid = |reason| Err(IdentityError::Invalid(reason));
    use Brings::{Junk, Jwt, Token};
    let table: [(&[Brings<'_>], Result<&str, IdentityError>); 13] = [
        (&[], Err(IdentityError::Missing)),
        (&[Token(&token)], Ok("token:shop")),
        (&[Jwt(&signed)], Ok("jwt:alice")),
        (&[Token(bad_token)], invalid(Reason::Damaged)),
        (&[Token(&signed)], invalid(Reason::TooLarge)),
        (&[Token("")], invalid(Reason::Malformed)),
        (&[Jwt(bad_jwt)], invalid(Reason::Signature)),
        (&[Jwt(&token)], invalid(Reason::Malformed)),
        (&[Jwt("")], invalid(Reason::Malformed)),
        (&[Junk], invalid(Reason::Malformed)),
        (&[Token(&token), Jwt(&signed)], invalid(Reason::Ambiguous)),
        (&[Token(&token), Jwt(bad_jwt)], invalid(Reason::Ambiguous)),
        (&[Token(&token), Junk], invalid(Reason::Ambiguous)),
    ];
    for anonymous in [Anonymous::Refuse, Anonymous::Read] {
        let identifier = Identifier::new(Arc::clone(&book), Some(Arc::clone(&jwt)), anonymous);
        for (row, (brought, expected)) in table.iter().enumerate() {
            let judged = identifier.judge(&caller(brought, None), now());
            let name = judged.map(|principal| principal.name.clone());
            let expected = match expected {
                Err(IdentityError::Missing) if anonymous == Anonymous::Read => Ok("anonymous"),
                expected => *expected,
            };
            assert_eq!(name.as_deref().map_err(|error| *error), expected, "row {row}");
        }
    }
    let without = Identifier::new(book, None, Anonymous::Read);
    let judged = without.judge(&caller(&[Jwt(&signed)], None), now());
    assert_eq!(judged.err(), Some(IdentityError::Invalid(Reason::NotAccepted)));
}

#[test]
fn a_caller_cannot_tell_one_invalid_credential_from_another() {
    let (book, token) = token_book();
    let other = ApiToken::mint().unwrap();
    let identifier = Identifier::new(book, None, Anonymous::Refuse);
    let mut told = Vec::new();
    for brought in [
        Brings::Token(other.text()),
        Brings::Token(&token[..20]),
        Brings::Jwt("a.b.c"),
        Brings::Junk,
    ] {
        told.push(identifier.identify(&caller(&[brought], None)).unwrap_err());
    }
    assert!(told.iter().all(|refusal| *refusal == told[0]), "{told:?}");
    assert_eq!((told[0].fault, told[0].rule), (Fault::Unauthenticated, "credential-invalid"));
    let missing = identifier.identify(&caller(&[], None)).unwrap_err();
    assert_eq!((missing.fault, missing.rule), (Fault::Unauthenticated, "credential-missing"));
    let away = Refusal::from(IdentityError::Unavailable);
    assert_eq!((away.fault, away.rule), (Fault::Unavailable, "identity-unavailable"));
}

#[test]
fn strangers_have_no_roles_and_a_budget_per_address() {
    let (book, _) = token_book();
    let identifier = Identifier::new(book, None, Anonymous::Read);
    for (address, expected) in [
        (Some("192.0.2.7"), "anonymous:192.0.2.7"),
        (Some("::ffff:192.0.2.7"), "anonymous:192.0.2.7"),
        (Some("2001:db8:1:2:3:4:5:6"), "anonymous:2001:db8:1:2::/64"),
        (Some("2001:db8:1:2:ffff::1"), "anonymous:2001:db8:1:2::/64"),
        (Some("2001:db8:1:3::1"), "anonymous:2001:db8:1:3::/64"),
        (None, "anonymous:unknown"),
    ] {
        let address = address.map(|address| address.parse().unwrap());
        let principal = identifier.identify(&caller(&[], address)).unwrap();
        assert_eq!(principal.budget_key, expected);
        assert_eq!(principal.kind, PrincipalKind::Anonymous);
        assert!(principal.roles.is_empty() && principal.claims.is_empty());
    }
}

#[test]
fn a_revocation_holds_for_the_next_request() {
    let (book, token) = token_book();
    let identifier = Identifier::new(Arc::clone(&book), None, Anonymous::Read);
    let known = identifier.judge(&caller(&[Brings::Token(&token)], None), now()).unwrap();
    assert_eq!((&*known.name, &*known.roles), ("token:shop", &["shop".to_owned()][..]));
    book.replace(Vec::new());
    let judged = identifier.judge(&caller(&[Brings::Token(&token)], None), at(0));
    assert_eq!(judged.err(), Some(IdentityError::Invalid(Reason::UnknownToken)));
}
