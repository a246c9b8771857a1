//! Holds this build to published vectors of vaulted tokens, one JSON object a line.
//!
//! ```text
//!   {"alg":"allonym-token","spec":{…},"domain":"<hex>","domain_secret":"<hex>","version":1,
//!    "secret":"<hex>","plain":"123456789","number":7,"counter":"<hex>","token":"917765517",
//!    "lookup":"<hex>","sealed":"<hex>"}
//!   {"alg":"allonym-token-subject",…,"subject":"customer-17","hash":"<hex>",
//!    "token":"917765517","claim":"<text>","sealed":"<hex>"}
//! ```
//!
//! The first is a row of the token store: from the number of a counter to the token, from
//! the value to what finds it, and from what is sealed back to the value. The second is
//! whom a token is about, and the claim that says so. What is sealed has a nonce, so it is
//! opened and not made. Lines of other kinds are those of [`allonym_protect::vectors`].

mod given;
mod row;
mod subject;

use std::sync::Arc;

use allonym_keyring::{KeySet, KeyVersion, Secret};
use allonym_protect::vectors::{self, Hex, VectorError};
use allonym_protect::{MethodSpec, Scope, Spec, TokenDomain, TokenError};
use serde::Deserialize;

use crate::sealing::{Lookup, Sealer};

/// Checks one line, of whatever kind.
///
/// # Errors
/// When the line is no vector, or this build gives something else.
pub fn check(line: &str) -> Result<(), VectorError> {
    #[derive(Deserialize)]
    struct Head {
        alg: String,
    }

    let head: Head = vectors::read(line)?;
    match head.alg.as_str() {
        "allonym-token" => row::check(&Place::of(line)?, &vectors::read(line)?),
        "allonym-token-subject" => subject::check(&Place::of(line)?, &vectors::read(line)?),
        _ => vectors::check(line).map_err(|error| match error {
            VectorError::UnknownKind(_) => VectorError::UnknownKind(
                "FF1, AES-SIV, allonym, allonym-token and allonym-token-subject",
            ),
            other => other,
        }),
    }
}

/// Where a row is, and the secrets it is under.
struct Place {
    method: MethodSpec,
    scope: Scope,
    domain: TokenDomain,
    domain_secret: Arc<Secret>,
    keys: KeySet,
    version: KeyVersion,
    /// Empty for a global scope.
    tenant: String,
}

impl Place {
    fn of(line: &str) -> Result<Self, VectorError> {
        #[derive(Deserialize)]
        struct Written {
            /// As it is pinned.
            spec: Spec,
            /// The id of the domain, 16 bytes.
            domain: Hex,
            /// The secret of the domain, which no rotation changes, 32 bytes.
            domain_secret: Hex,
            /// The secret of the key version, 32 bytes.
            secret: Hex,
            version: u32,
            /// The tenant, where the scope is one.
            tenant: Option<String>,
        }

        let written: Written = vectors::read(line)?;
        let (keys, version) = vectors::keys(written.version, &written.secret)?;
        let domain = vectors::domain(&written.domain)?;
        let tenant = written.tenant.unwrap_or_default();
        if tenant.is_empty() != (written.spec.scope == Scope::Global) {
            return Err(unreadable("`tenant` is there where the scope is one, and not empty"));
        }
        Ok(Self {
            domain: TokenDomain { domain, specification: written.spec.digest() },
            domain_secret: Arc::new(vectors::secret("domain_secret", &written.domain_secret)?),
            method: written.spec.method,
            scope: written.spec.scope,
            keys,
            version,
            tenant,
        })
    }

    fn lookup(&self) -> Result<Lookup, VectorError> {
        Lookup::new(&self.domain, &self.domain_secret).map_err(failed)
    }

    fn sealer(&self) -> Result<Sealer<'_>, VectorError> {
        Sealer::new(&self.domain, &self.keys, self.version).map_err(failed)
    }

    /// Opens what is sealed in the row of a token, and holds it to what it has to be.
    fn opens(
        &self,
        found_by: Option<[u8; 16]>,
        token: &str,
        sealed: &Hex,
        expected: &[u8],
    ) -> Result<(), VectorError> {
        self.lookup()?
            .holds(found_by, token, &sealed.0)
            .map_err(|_| wrong("what is sealed is bound to another look-up or token"))?;
        let opened = self.sealer()?.open(token, &sealed.0);
        let value = opened.map_err(|_| wrong("the sealed value does not open"))?;
        if **value == *expected { Ok(()) } else { Err(wrong("another value is sealed")) }
    }
}

fn failed(error: TokenError) -> VectorError {
    wrong(error.to_string())
}

fn wrong(what: impl Into<String>) -> VectorError {
    VectorError::Wrong(what.into())
}

fn unreadable(what: &str) -> VectorError {
    VectorError::Unreadable(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    const PUBLISHED: &str = include_str!("../../../docs/vectors/token.jsonl");

    /// The first published line of a kind and template whose value has one spelling.
    fn published(alg: &str, template: &str, with: &str) -> Json {
        let lines = PUBLISHED.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        let mut of_kind = lines.filter(|line| {
            line["alg"] == alg
                && line["spec"]["method"]["template"]["template"] == template
                && line.get(with).is_some()
                && !line["plain"].is_number()
        });
        of_kind.next().unwrap()
    }

    fn with(line: &Json, member: &str, value: Json) -> Json {
        let mut line = line.clone();
        line[member] = value;
        line
    }

    fn without(line: &Json, member: &str) -> Json {
        let mut line = line.clone();
        line.as_object_mut().unwrap().remove(member);
        line
    }

    /// The same with another last digit, where the member is text of digits.
    fn altered(line: &Json, member: &str) -> Json {
        let text = line[member].as_str().unwrap();
        let (start, last) = text.split_at(text.len() - 1);
        with(line, member, json!(format!("{start}{}", if last == "0" { "1" } else { "0" })))
    }

    fn check_wrong(line: &Json, expected: &str) {
        let error = check(&line.to_string()).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }

    #[test]
    fn a_numbered_row_holds_or_says_why_not() {
        let digits = published("allonym-token", "digits", "number");
        let digits = &digits;
        assert_eq!(check(&digits.to_string()), Ok(()));
        for (line, expected) in [
            (altered(digits, "counter"), "the number is of another counter"),
            (with(digits, "number", json!(3)), "the number gives another token"),
            (with(digits, "number", json!(100)), "the counter does not have this number"),
            (with(digits, "number", json!(u64::MAX)), "the counter does not have this number"),
            (with(digits, "number", json!(-1)), "of the wrong form"),
            (altered(digits, "token"), "the number gives another token"),
            (with(digits, "token", json!("1")), "the value cannot have this token"),
            (with(digits, "token", digits["plain"].clone()), "the value cannot have this token"),
            (with(digits, "plain", json!("46")), "the look-up is another"),
            (with(digits, "plain", json!(47.5)), "the value cannot have this token"),
            (with(digits, "plain", json!(null)), "the value cannot have this token"),
            (with(digits, "plain", json!([])), "a value is text"),
            (altered(digits, "lookup"), "the look-up is another"),
            (without(digits, "lookup"), "the look-up is another"),
            (altered(digits, "domain_secret"), "the number is of another counter"),
            (altered(digits, "domain"), "the number is of another counter"),
            (altered(digits, "secret"), "the sealed value does not open"),
            (with(digits, "version", json!(2)), "the sealed value does not open"),
            (with(digits, "version", json!(0)), "`version` is from 1 on"),
            (altered(digits, "sealed"), "the sealed value does not open"),
            (with(digits, "sealed", json!("")), "bound to another look-up or token"),
            (with(digits, "sealed", json!("01")), "bound to another look-up or token"),
            (with(digits, "domain_secret", json!("00")), "`domain_secret` has 32 bytes"),
            (with(digits, "secret", json!("00")), "`secret` has 32 bytes"),
            (with(digits, "domain", json!("00")), "`domain` has 16 bytes"),
            (with(digits, "tenant", json!("a")), "`tenant` is there where the scope is one"),
            (with(digits, "spent", digits["token"].clone()), "in another way"),
            (with(digits, "meta", json!({})), "`meta` and `sealed_meta` go together"),
            (without(digits, "number"), "has `number` and `counter`"),
            (without(digits, "counter"), "has `number` and `counter`"),
            (without(digits, "sealed"), "a member is missing"),
            (without(digits, "domain_secret"), "a member is missing"),
        ] {
            check_wrong(&line, expected);
        }
    }

    #[test]
    fn a_drawn_row_holds_or_says_why_not() {
        let plain = &published("allonym-token", "plain", "meta");
        let tenant = &published("allonym-token", "plain", "tenant");
        for line in [plain, tenant] {
            assert_eq!(check(&line.to_string()), Ok(()));
        }
        let upper = plain["token"].as_str().unwrap().to_uppercase();
        for (line, expected) in [
            (altered(plain, "token"), "the value cannot have this token"),
            (with(plain, "token", json!(upper)), "the value cannot have this token"),
            (with(plain, "number", json!(1)), "a token that is drawn has no `number`"),
            (with(plain, "counter", json!("00")), "a token that is drawn has no `number`"),
            (with(plain, "plain", json!("Anna")), "the look-up is another"),
            (altered(plain, "sealed_meta"), "the sealed metadata does not open"),
            (with(plain, "sealed_meta", json!("")), "the sealed metadata does not open"),
            (with(plain, "meta", json!({"owner": "sales"})), "other metadata is sealed"),
            (with(plain, "meta", json!({"owner": 1})), "of the wrong form"),
            (without(plain, "meta"), "`meta` and `sealed_meta` go together"),
            (without(plain, "sealed_meta"), "`meta` and `sealed_meta` go together"),
            (with(plain, "spent", json!("")), "in another way"),
            (with(tenant, "tenant", json!("")), "`tenant` is there where the scope is one"),
            (without(tenant, "tenant"), "`tenant` is there where the scope is one"),
            (with(tenant, "tenant", json!("other")), "the look-up is another"),
        ] {
            check_wrong(&line, expected);
        }
        let mut siv = plain.clone();
        siv["spec"]["method"] = json!({"method": "siv"});
        check_wrong(&siv, "`spec` is not of a vaulted token");
        let mut small = published("allonym-token", "digits", "number");
        small["spec"]["method"]["template"]["min"] = json!(1);
        check_wrong(&small, "fewer than 100 tokens");
    }

    /// A value of which another form is sealed: its look-up and binding hold.
    #[test]
    fn what_is_sealed_has_to_be_the_value() {
        let mut line = published("allonym-token", "plain", "lookup");
        let place = Place::of(&line.to_string()).unwrap();
        let token = line["token"].as_str().unwrap().to_owned();
        let vectors::Hex(found_by) = serde_json::from_value(line["lookup"].clone()).unwrap();
        let found_by = Some(found_by.try_into().unwrap());
        let lookup = place.lookup().unwrap();
        for (value, expected) in [
            (&b"t\0\0\0\0Zo\xc3\xab M\xc3\xbcller"[..], Ok(())),
            (b"t\0\0\0\0zo\xc3\xab m\xc3\xbcller", Err(wrong("another value is sealed"))),
            (b"", Err(wrong("another value is sealed"))),
        ] {
            let sealed = place.sealer().unwrap().seal(&lookup, found_by, &token, value).unwrap();
            line["sealed"] = json!(crate::claims::hex(&sealed));
            assert_eq!(check(&line.to_string()), expected);
        }
    }

    #[test]
    fn whom_a_token_is_about_holds_or_says_why_not() {
        let line = &published("allonym-token-subject", "plain", "tenant");
        assert_eq!(check(&line.to_string()), Ok(()));
        for (line, expected) in [
            (with(line, "subject", json!("customer-18")), "the subject has another hash"),
            (with(line, "tenant", json!("b")), "the subject has another hash"),
            (altered(line, "hash"), "the subject has another hash"),
            (altered(line, "domain_secret"), "the subject has another hash"),
            (altered(line, "claim"), "the claim is written in another way"),
            (altered(line, "token"), "the claim is written in another way"),
            (altered(line, "sealed"), "the sealed value does not open"),
            (altered(line, "secret"), "the sealed value does not open"),
            (without(line, "tenant"), "`tenant` is there where the scope is one"),
            (without(line, "claim"), "a member is missing"),
        ] {
            check_wrong(&line, expected);
        }
    }

    #[test]
    fn other_lines_are_those_of_protect() {
        let siv = r#"{"alg":"AES-SIV","key":"00","pt":"","ct":""}"#;
        assert_eq!(check(siv), allonym_protect::vectors::check(siv));
        for (line, expected) in [
            (r#"{"alg":"ROT13"}"#, "known are FF1, AES-SIV, allonym, allonym-token and"),
            (r#"{"alg":"allonym-token"}"#, "a member is missing"),
            (r#"{"alg":"allonym-token-subject"}"#, "a member is missing"),
            ("{}", "a member is missing"),
            ("{", "ends too early (column 1)"),
        ] {
            let error = check(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn errors_say_nothing_of_the_line() {
        let line = published("allonym-token", "digits", "number");
        for (member, _) in line.as_object().unwrap() {
            for value in [json!("anna"), json!(["anna"]), json!({"anna": 1})] {
                if let Err(error) = check(&with(&line, member, value).to_string()) {
                    assert!(!error.to_string().contains("anna"), "{member}: {error}");
                }
            }
        }
    }
}
