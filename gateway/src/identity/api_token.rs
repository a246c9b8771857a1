use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use allonym_contract::{Principal, PrincipalKind};
use allonym_keyring::Secret;
use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{IdentityError, Reason};

const PREFIX: &str = "aln_";
/// 50 random bits in base32: names a token, is no secret.
const ID: usize = 10;
/// 256 random bits in base32.
const SECRET: usize = 52;
/// 30 bits of SHA-256 over everything before it, in base32.
const CHECKSUM: usize = 6;
const LENGTH: usize = PREFIX.len() + ID + 1 + SECRET + CHECKSUM;
/// What is hashed begins with this, so that the hash is good for nothing else.
const LABEL: &[u8] = b"allonym api token v1\0";
/// RFC 4648 section 6, lower case: one word to select, nothing to mistake.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// An API token: `aln_`, an id, `_`, a secret and a checksum. Its text is shown once,
/// when it is made, and is kept nowhere.
pub struct ApiToken(Zeroizing<String>);

impl ApiToken {
    /// A fresh one.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn mint() -> Result<Self, getrandom::Error> {
        let mut id = [0; 7];
        getrandom::fill(&mut id)?;
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut_slice())?;
        // Room for all of it, so that no part is left behind by a growing buffer.
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        text.push_str(PREFIX);
        push_base32(&mut text, &id, ID);
        text.push('_');
        push_base32(&mut text, secret.as_slice(), SECRET);
        let digest = Sha256::digest(text.as_bytes());
        push_base32(&mut text, &digest, CHECKSUM);
        Ok(Self(text))
    }

    /// Reads one as it was typed; nothing around it, nothing else about it.
    ///
    /// # Errors
    /// [`Reason::Damaged`] where it begins like an API token and is not whole,
    /// [`Reason::Malformed`] where it does not.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let rest = text.strip_prefix(PREFIX).ok_or(Reason::Malformed)?;
        let (body, checksum) = text.split_at_checked(LENGTH - CHECKSUM).ok_or(Reason::Damaged)?;
        let mut expected = String::with_capacity(CHECKSUM);
        push_base32(&mut expected, &Sha256::digest(body.as_bytes()), CHECKSUM);
        let in_alphabet = |(at, byte): (usize, u8)| {
            if at == ID { byte == b'_' } else { BASE32.contains(&byte) }
        };
        if checksum != expected || !rest.bytes().enumerate().all(in_alphabet) {
            return Err(Reason::Damaged);
        }
        let mut kept = Zeroizing::new(String::with_capacity(LENGTH));
        kept.push_str(text);
        Ok(Self(kept))
    }

    /// Its id: what it is found by, and no secret.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.get(PREFIX.len()..PREFIX.len() + ID).unwrap_or_default()
    }

    /// All of it, to be shown to its owner once.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// What is known of an API token: everything but its text.
#[derive(Clone, Debug)]
pub struct TokenRecord {
    /// Its id.
    pub id: String,
    /// Its name, for people and for the audit log.
    pub name: String,
    /// The roles it gives.
    pub roles: Vec<String>,
    /// The purpose it is bound to, if it is.
    pub purpose: Option<String>,
    /// Claims a tweak scope may use.
    pub claims: BTreeMap<String, String>,
    /// [`TokenBook::hash`] of it.
    pub hash: [u8; 32],
    /// When it ends.
    pub expires: Option<SystemTime>,
    /// When it was revoked, if it was: from then on, whatever the clock says.
    pub revoked: Option<SystemTime>,
}

/// All API tokens of an installation. Replaced as a whole, at once: a revocation holds
/// for the next request.
pub struct TokenBook {
    key: hmac::Key,
    entries: ArcSwap<HashMap<String, Entry>>,
}

struct Entry {
    principal: Arc<Principal>,
    hash: [u8; 32],
    revoked: bool,
}

impl TokenBook {
    /// An empty one; the key is the installation's own and for nothing else.
    #[must_use]
    pub fn new(key: Secret) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()),
            entries: ArcSwap::from_pointee(HashMap::new()),
        }
    }

    /// What is stored of a token: HMAC-SHA-256 under the installation's key, so that
    /// a stolen store helps nobody to a token.
    #[must_use]
    pub fn hash(&self, token: &ApiToken) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(LABEL);
        context.update(token.text().as_bytes());
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        hash
    }

    /// From now on these tokens are known and no others. An id that occurs twice is
    /// ambiguous and counts as revoked.
    pub fn replace(&self, records: Vec<TokenRecord>) {
        let mut entries: HashMap<String, Entry> = HashMap::with_capacity(records.len());
        for record in records {
            let twice = entries.contains_key(&record.id);
            let (id, mut entry) = Entry::of(record);
            entry.revoked |= twice;
            entries.insert(id, entry);
        }
        self.entries.store(Arc::new(entries));
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`], with the reason for the audit log.
    pub fn verify(&self, text: &str, now: SystemTime) -> Result<Arc<Principal>, IdentityError> {
        if text.len() > LENGTH {
            return Err(Reason::TooLarge.into());
        }
        let token = ApiToken::parse(text)?;
        let hash = self.hash(&token);
        let entries = self.entries.load();
        let entry = entries.get(token.id()).ok_or(Reason::UnknownToken)?;
        // First the secret: whoever does not have it must not learn what became of it.
        if !bool::from(entry.hash.ct_eq(&hash)) {
            return Err(Reason::WrongSecret.into());
        }
        if entry.revoked {
            return Err(Reason::Revoked.into());
        }
        if entry.principal.expires.is_some_and(|end| now >= end) {
            return Err(Reason::Expired.into());
        }
        Ok(Arc::clone(&entry.principal))
    }
}

impl Entry {
    fn of(record: TokenRecord) -> (String, Self) {
        let name = format!("token:{}", record.name);
        let principal = Principal {
            budget_key: name.clone(),
            name,
            kind: PrincipalKind::ApiToken,
            roles: record.roles,
            purpose: record.purpose,
            claims: record.claims,
            expires: record.expires,
        };
        let revoked = record.revoked.is_some();
        (record.id, Self { principal: Arc::new(principal), hash: record.hash, revoked })
    }
}

/// Appends the first characters of the base32 form of some bytes; missing bits are 0.
fn push_base32(text: &mut String, bytes: &[u8], characters: usize) {
    let bit = |at: usize| {
        let byte = bytes.get(at / 8).copied().unwrap_or_default();
        usize::from((byte >> (7 - at % 8)) & 1)
    };
    for first in (0..characters).map(|character| character * 5) {
        let index = (first..first + 5).fold(0, |index, at| (index << 1) | bit(at));
        text.push(BASE32.get(index).copied().unwrap_or_default().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn book() -> TokenBook {
        TokenBook::new(Secret::new(Zeroizing::new([7; 32])))
    }

    fn record(book: &TokenBook, token: &ApiToken) -> TokenRecord {
        TokenRecord {
            id: token.id().to_owned(),
            name: "ci".to_owned(),
            roles: vec!["shop".to_owned()],
            purpose: Some("chargeback".to_owned()),
            claims: BTreeMap::from([("tenant".to_owned(), "t1".to_owned())]),
            hash: book.hash(token),
            expires: None,
            revoked: None,
        }
    }

    fn time(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (plain, expected) in [
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
            ("foobar", "mzxw6ytboi"),
        ] {
            let mut text = String::new();
            push_base32(&mut text, plain.as_bytes(), expected.len());
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_minted_token_is_read_back_and_differs_from_the_next() {
        let (one, two) = (ApiToken::mint().unwrap(), ApiToken::mint().unwrap());
        assert_eq!(one.text().len(), 73);
        assert!(one.text().starts_with(&format!("aln_{}_", one.id())));
        assert_eq!(ApiToken::parse(one.text()).unwrap().text(), one.text());
        assert_ne!(one.id(), two.id());
        assert_ne!(one.text()[15..67], two.text()[15..67]);
    }

    #[test]
    fn a_damaged_token_is_told_apart() {
        let token = ApiToken::mint().unwrap();
        let text = token.text();
        let other = ApiToken::mint().unwrap();
        let check = |text: &str, expected: Reason| {
            assert_eq!(ApiToken::parse(text).err(), Some(expected), "length {}", text.len());
        };
        for cut in 4..text.len() {
            check(&text[..cut], Reason::Damaged);
        }
        for cut in 0..4 {
            check(&text[..cut], Reason::Malformed);
        }
        for at in 4..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            check(std::str::from_utf8(&changed).unwrap(), Reason::Damaged);
        }
        check(&format!("{text}a"), Reason::Damaged);
        check(&format!(" {text}"), Reason::Malformed);
        check(&format!("{text} "), Reason::Damaged);
        check(&text.to_uppercase(), Reason::Malformed);
        check(&format!("{}{}", &text[..40], &other.text()[40..]), Reason::Damaged);
        check(&format!("aln_{}", "é".repeat(35)), Reason::Damaged);
        check("aln_", Reason::Damaged);
        check("eyJhbGciOiJub25lIn0.e30.", Reason::Malformed);
    }

    #[test]
    fn only_a_living_token_has_a_principal() {
        let book = book();
        let (good, stranger) = (ApiToken::mint().unwrap(), ApiToken::mint().unwrap());
        let base = record(&book, &good);
        let ends = Some(time(100));
        let check = |records: Vec<TokenRecord>, token: &ApiToken, now, expected: Option<Reason>| {
            book.replace(records);
            let verdict = book.verify(token.text(), time(now));
            assert_eq!(verdict.err(), expected.map(IdentityError::Invalid));
        };
        check(vec![], &good, 0, Some(Reason::UnknownToken));
        check(vec![base.clone()], &good, 0, None);
        check(vec![base.clone()], &stranger, 0, Some(Reason::UnknownToken));
        let swapped = TokenRecord { hash: book.hash(&stranger), ..base.clone() };
        check(vec![swapped], &good, 0, Some(Reason::WrongSecret));
        let revoked = TokenRecord { revoked: Some(time(500)), ..base.clone() };
        check(vec![revoked.clone()], &good, 0, Some(Reason::Revoked));
        check(vec![revoked, base.clone()], &good, 0, Some(Reason::Revoked));
        check(vec![base.clone(), base.clone()], &good, 0, Some(Reason::Revoked));
        let ending = TokenRecord { expires: ends, ..base.clone() };
        check(vec![ending.clone()], &good, 99, None);
        check(vec![ending], &good, 100, Some(Reason::Expired));
    }

    #[test]
    fn the_principal_says_what_the_record_says() {
        let book = book();
        let token = ApiToken::mint().unwrap();
        book.replace(vec![record(&book, &token)]);
        let principal = book.verify(token.text(), time(0)).unwrap();
        assert_eq!(principal.name, "token:ci");
        assert_eq!(principal.budget_key, "token:ci");
        assert_eq!(principal.kind, PrincipalKind::ApiToken);
        assert_eq!(principal.roles, ["shop"]);
        assert_eq!(principal.purpose.as_deref(), Some("chargeback"));
        assert_eq!(principal.claims["tenant"], "t1");
    }

    #[test]
    fn a_hash_depends_on_the_key_and_is_stable() {
        let token = ApiToken::mint().unwrap();
        let other = TokenBook::new(Secret::new(Zeroizing::new([8; 32])));
        assert_eq!(book().hash(&token), book().hash(&token));
        assert_ne!(book().hash(&token), other.hash(&token));
        let book = book();
        book.replace(vec![record(&other, &token)]);
        assert_eq!(
            book.verify(token.text(), time(0)).err(),
            Some(IdentityError::Invalid(Reason::WrongSecret))
        );
    }
}
