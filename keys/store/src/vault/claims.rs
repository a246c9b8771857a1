use allonym_keyring::DomainId;

use super::{At, check_batch};
use crate::sql::{Param, Transaction, params};
use crate::store::Backend;
use crate::{Store, StoreError};

/// That a token is about another subject from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectChange {
    /// Which token.
    pub token: String,
    /// Whom it is about until now.
    pub from: Option<[u8; 16]>,
    /// Whom it is about then.
    pub to: Option<[u8; 16]>,
}

impl Store {
    /// Whether other processes may change it at the same time: what one remembers of it
    /// may then be out of date.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.backend, Backend::Postgres(_))
    }

    /// Changes whom tokens are about; on disk when this returns. Says for each whether
    /// there is such a token and it was about whom the caller thought: if not, nothing
    /// of it changed.
    ///
    /// # Errors
    /// As for [`Store::token_set_disabled`].
    pub async fn token_set_subject(
        &self,
        domain: DomainId,
        changes: Vec<SubjectChange>,
    ) -> Result<Vec<bool>, StoreError> {
        check_batch(changes.len())?;
        let count = changes.len();
        let set = move |transaction: &Transaction<'_>, at: At| {
            let mut changed = Vec::with_capacity(changes.len());
            for change in &changes {
                changed.push(set_one(transaction, at, change)? > 0);
            }
            Ok(Ok(changed))
        };
        self.change_tokens(domain, count, set).await
    }
}

fn set_one(
    transaction: &Transaction<'_>,
    at: At,
    change: &SubjectChange,
) -> Result<u64, StoreError> {
    let to = change.to.as_ref().map_or(Param::Null, Param::from);
    match &change.from {
        Some(from) => transaction.execute(
            "UPDATE tokens SET subject = ?4
             WHERE namespace = ?1 AND domain = ?2 AND token = ?3 AND subject = ?5",
            params![at.namespace, at.domain, &change.token, to, from],
        ),
        None => transaction.execute(
            "UPDATE tokens SET subject = ?4
             WHERE namespace = ?1 AND domain = ?2 AND token = ?3 AND subject IS NULL",
            params![at.namespace, at.domain, &change.token, to],
        ),
    }
}
