//! Whom a token is about, so that it can be erased.
//!
//! A row names the one subject that it was issued for. When another is named, or it was
//! issued for nobody and one is named later, the row becomes shared: it names nobody any more, and for each
//! of those who were named a claim is stored, a row of its own that says so. Erasure of
//! one of them leaves the token to the others and says that it did.
//!
//! ```text
//!   claim = 01 subject (16 bytes as hexadecimal) 01 token     in the place of a token
//! ```
//!
//! Claims are stored before the row changes, and a token is acknowledged after it has:
//! whoever was told a token either had it deleted or finds it named or claimed.

use allonym_keyring::Keyring;
use allonym_protect::{Owner, TokenDomain, TokenError};
use allonym_store::{Store, SubjectChange, TokenRow};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::sealing::{Sealer, subject_hash};
use crate::vault::{VaultStore, store_failed};

/// In the place of a subject: more than one.
pub(crate) const SHARED: [u8; 16] = [0xff; 16];
/// What a claim begins with; no token does.
const MARK: char = '\u{1}';
/// What follows it, in the order of bytes.
const AFTER_MARK: char = '\u{2}';
/// What a row begins with that says that a token is spent. No claim does.
const SPENT: &str = "\u{1}spent\u{1}";
/// Claims that are read at a time: with each the row of its token, however large.
const PAGE: usize = 64;

/// A token that was found for a subject, and whom it is about until now.
pub(crate) struct Claim {
    pub(crate) token: String,
    pub(crate) subject: Option<[u8; 16]>,
    /// Who claims it; nobody where it is known to be about several, and not whom.
    pub(crate) by: Option<[u8; 16]>,
}

/// That what is about a data subject was deleted from a domain. Names no value and no
/// token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The domain's permanent id.
    pub domain: String,
    /// How many tokens were deleted, with their values.
    pub deleted: u64,
    /// SHA-256 over the deleted tokens in the order of their bytes, each with its length
    /// before it as four bytes big-endian; hexadecimal.
    pub digest: String,
    /// How many tokens stay because they are about others too.
    pub shared: u64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// It ended early: asked again, it deletes what is left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

/// What an erasure did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// To be kept.
    pub receipt: Receipt,
    /// The tokens that stay because they are about others too: whoever decides that
    /// they go all the same deletes them by name.
    pub shared: Vec<String>,
    /// Why it ended early, if it did: the receipt is of what was deleted until then.
    pub failed: Option<TokenError>,
}

impl VaultStore {
    /// Deletes what is about a data subject: every token that was issued for it alone, in
    /// steps. One that fails ends it early: what the steps before it deleted is in the
    /// receipt, and asked again it deletes the rest, with a receipt of that.
    ///
    /// # Errors
    /// When the store does not know the domain: then nothing was begun.
    pub async fn erase(
        &self,
        domain: &TokenDomain,
        owner: Owner<'_>,
    ) -> Result<Erasure, TokenError> {
        let known = self.domains.of(&self.store, domain)?;
        let subject = subject_hash(&known.subject, owner)?;
        let (mut deleted, mut shared) = (Vec::new(), Vec::new());
        let failed = self.erase_all(domain, subject, (&mut deleted, &mut shared)).await.err();
        if failed.is_some() {
            // The step that failed may have been carried out all the same.
            self.cache.forget_all(known.number);
        }
        deleted.sort_unstable();
        let mut digest = Sha256::new();
        for token in &deleted {
            digest.update(u32::try_from(token.len()).unwrap_or(u32::MAX).to_be_bytes());
            digest.update(token);
        }
        let receipt = Receipt {
            domain: domain.domain.id.to_string(),
            deleted: deleted.len() as u64,
            digest: hex(&digest.finalize()),
            shared: shared.len() as u64,
            at: self.settings.now(),
            incomplete: failed.is_some(),
        };
        Ok(Erasure { receipt, shared, failed })
    }

    /// Deletes and looks for what is shared, as far as it comes.
    async fn erase_all(
        &self,
        domain: &TokenDomain,
        subject: [u8; 16],
        (deleted, shared): (&mut Vec<String>, &mut Vec<String>),
    ) -> Result<(), TokenError> {
        let (id, known) = (domain.domain.id, self.domains.of(&self.store, domain)?);
        loop {
            let some = self.store.token_delete_subject(id, subject).await.map_err(store_failed)?;
            if some.is_empty() {
                return self.shared(domain, subject, shared).await;
            }
            self.cache.forget(known.number, &some);
            deleted.extend(some);
        }
    }

    /// Sees to it that each token is about who claims it too. `false` if something
    /// changed meanwhile: then they have to be looked up again.
    pub(crate) async fn claim(
        &self,
        (domain, keys): (&TokenDomain, &dyn Keyring),
        found: Vec<Claim>,
    ) -> Result<bool, TokenError> {
        if found.is_empty() {
            return Ok(true);
        }
        let (mut claims, mut changes) = (Vec::new(), Vec::new());
        for Claim { token, subject: from, by } in found {
            // Whoever named nobody has been told the token all the same, and keeps it.
            let both = [by, from].into_iter().flatten().filter(|subject| *subject != SHARED);
            claims.extend(both.map(|subject| claim_of(subject, &token)));
            let to = Some(SHARED);
            if from != to {
                changes.push(SubjectChange { token, from, to });
            }
        }
        self.put_claims(domain, keys, claims).await?;
        if changes.is_empty() {
            return Ok(true);
        }
        let set = self.store.token_set_subject(domain.domain.id, changes).await;
        Ok(set.map_err(store_failed)?.into_iter().all(|changed| changed))
    }

    /// Stores the claims that are not there yet.
    async fn put_claims(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        claims: Vec<String>,
    ) -> Result<(), TokenError> {
        if claims.is_empty() {
            return Ok(());
        }
        let id = domain.domain.id;
        let there = self.store.token_by_token(id, claims.clone()).await.map_err(store_failed)?;
        let missing = claims.into_iter().zip(there).filter(|(_, there)| there.is_none());
        let rows = missing
            .map(|(claim, _)| self.claim_row(domain, keys, claim))
            .collect::<Result<Vec<_>, _>>()?;
        if !rows.is_empty() {
            let now = (self.settings.clock)();
            self.store.token_put(id, rows, now).await.map_err(store_failed)?;
        }
        Ok(())
    }

    /// A claim as a row: it holds an empty value, so that it is resealed like others.
    pub(crate) fn claim_row(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        claim: String,
    ) -> Result<TokenRow, TokenError> {
        let known = self.domains.of(&self.store, domain)?;
        let sealer = Sealer::new(domain, keys, keys.active(domain.domain.key)?)?;
        Ok(TokenRow {
            version: sealer.version().number(),
            sealed: sealer.seal(&known.lookup, None, &claim, &[])?,
            token: claim,
            created: self.settings.now(),
            ..TokenRow::default()
        })
    }

    /// The tokens about this subject and others. Claims to tokens that are gone go too.
    async fn shared(
        &self,
        domain: &TokenDomain,
        subject: [u8; 16],
        shared: &mut Vec<String>,
    ) -> Result<(), TokenError> {
        let id = domain.domain.id;
        let before = claim_of(subject, "");
        let mut after = before.clone();
        loop {
            let page = claims_after(&self.store, domain, &before, after).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.clone();
            let tokens: Vec<String> = page
                .iter()
                .map(|claim| claim.get(before.len()..).unwrap_or_default().into())
                .collect();
            let rows = self.store.token_by_token(id, tokens.clone()).await.map_err(store_failed)?;
            let mut stale = Vec::new();
            for ((claim, token), row) in page.into_iter().zip(tokens).zip(rows) {
                match row {
                    Some(_) => shared.push(token),
                    None => stale.push(claim),
                }
            }
            if !stale.is_empty() {
                self.store.token_delete(id, stale).await.map_err(store_failed)?;
            }
        }
    }
}

/// The next claims that begin so.
async fn claims_after(
    store: &Store,
    domain: &TokenDomain,
    before: &str,
    after: String,
) -> Result<Vec<String>, TokenError> {
    // The mark at its end is followed by no claim of another subject.
    let end = format!("{}{AFTER_MARK}", before.trim_end_matches(MARK));
    let page = store.token_page_before(domain.domain.id, Some(after), end, PAGE).await;
    Ok(page.map_err(store_failed)?.into_iter().map(|row| row.token).collect())
}

/// Whether what stands in the place of a token is a claim.
pub(crate) fn is_claim(token: &str) -> bool {
    token.starts_with(MARK)
}

/// What is kept of a token from elsewhere whose number a counter may still come to: it
/// stays when the token goes, so that it is never another value's. `None` for tokens that
/// are drawn at random: those have other characters too.
pub(crate) fn spent_of(token: &str) -> Option<String> {
    let counted = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    counted.then(|| format!("{SPENT}{token}"))
}

/// Whether it says that a token is spent.
pub(crate) fn is_spent(row: &str) -> bool {
    row.starts_with(SPENT)
}

/// The claim of a subject to a token.
pub(crate) fn claim_of(subject: [u8; 16], token: &str) -> String {
    format!("{MARK}{}{MARK}{token}", hex(&subject))
}

/// The subject, in hexadecimal, and the token of a claim.
pub(crate) fn claimed(claim: &str) -> Option<(&str, &str)> {
    claim.strip_prefix(MARK)?.split_once(MARK)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
