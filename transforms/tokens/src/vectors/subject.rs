use allonym_keyring::Purpose;
use allonym_protect::Owner;
use allonym_protect::vectors::{Hex, VectorError};
use serde::Deserialize;

use super::{Place, failed, wrong};
use crate::claims::claim_of;
use crate::sealing::{fixed_key, subject_hash};

#[derive(Deserialize)]
pub(super) struct Subject {
    /// As the caller names it.
    subject: String,
    /// What finds the tokens about it, 16 bytes.
    hash: Hex,
    /// A token that is about others too.
    token: String,
    /// The row that says so, in the place of a token.
    claim: String,
    /// The empty value of that row.
    sealed: Hex,
}

/// Whom a token is about.
pub(super) fn check(place: &Place, line: &Subject) -> Result<(), VectorError> {
    let key = fixed_key(&place.domain, &place.domain_secret, Purpose::TokenSubject);
    let owner = Owner { tenant: &place.tenant, subject: &line.subject };
    let hash = subject_hash(&key, owner).map_err(failed)?;
    if hash.as_slice() != line.hash.0 {
        return Err(wrong("the subject has another hash"));
    }
    if claim_of(hash, &line.token) != line.claim {
        return Err(wrong("the claim is written in another way"));
    }
    place.opens(None, &line.claim, &line.sealed, &[])
}
