//! Lines whose token is there already.

use allonym_protect::TokenError;
use allonym_store::TokenRow;

use super::{Entry, ImportError, Imported, Importer};
use crate::claims::Claim;
use crate::vault::{ROUNDS, Sealers, store_failed};

impl Importer<'_> {
    /// A taken token that is this value's is there already: what is not found by its
    /// value is compared with it.
    pub(super) async fn tell_equal<'e>(
        &self,
        fresh: &[&'e Entry],
        outcomes: &mut [Imported],
        shared: &mut Vec<(&'e Entry, TokenRow)>,
    ) -> Result<(), ImportError> {
        let domain = self.method.domain();
        let taken =
            fresh.iter().copied().zip(outcomes).filter(|(_, outcome)| **outcome == Imported::Taken);
        let taken: Vec<_> = taken.filter(|(entry, _)| entry.row.lookup.is_none()).collect();
        let asked = taken.iter().map(|(entry, _)| entry.row.token.clone()).collect();
        let rows = self.vault.store.token_by_token(domain.domain.id, asked).await;
        let mut sealers = Sealers::new(domain, self.keys);
        for ((entry, outcome), row) in taken.into_iter().zip(rows.map_err(store_failed)?) {
            let Some(row) = row else { continue };
            let equal = match &entry.value {
                None => true,
                Some(value) => {
                    *sealers.of(row.version)?.open(&entry.row.token, &row.sealed)? == **value
                }
            };
            if equal {
                *outcome = existing(row, entry, shared);
            }
        }
        Ok(())
    }

    /// What is there, and is about others than its line says, is about several from now
    /// on: an erasure of one of them leaves it to the others.
    pub(super) async fn share(
        &self,
        mut found: Vec<(&Entry, TokenRow)>,
    ) -> Result<(), ImportError> {
        let domain = self.method.domain();
        for _ in 0..ROUNDS {
            let claim = |(entry, row): &(&Entry, TokenRow)| Claim {
                token: row.token.clone(),
                subject: row.subject,
                by: entry.row.subject,
            };
            let claims = found.iter().map(claim).collect();
            if self.vault.claim((domain, self.keys), claims).await? {
                return Ok(());
            }
            let asked = found.iter().map(|(_, row)| row.token.clone()).collect();
            let rows = self.vault.store.token_by_token(domain.domain.id, asked).await;
            let rows = rows.map_err(store_failed)?.into_iter();
            let entries = found.into_iter().map(|(entry, _)| entry);
            found = entries.zip(rows).filter_map(|(entry, row)| Some((entry, row?))).collect();
        }
        Err(TokenError::Unavailable("its tokens change".into()).into())
    }
}

/// What an entry is whose value has this token. What is about others than it says is
/// kept apart.
pub(super) fn existing<'e>(
    row: TokenRow,
    entry: &'e Entry,
    shared: &mut Vec<(&'e Entry, TokenRow)>,
) -> Imported {
    if row.token != entry.row.token {
        return Imported::Conflict;
    }
    if entry.value.is_none() {
        return Imported::Already;
    }
    if (row.disabled, row.expires) != (entry.row.disabled, entry.row.expires) {
        return Imported::Conflict;
    }
    if entry.row.subject.is_some() && entry.row.subject != row.subject {
        shared.push((entry, row));
    }
    Imported::Already
}
