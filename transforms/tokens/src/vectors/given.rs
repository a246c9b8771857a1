use std::sync::{Arc, OnceLock};

use allonym_keyring::{KeyVersion, Keyring, Purpose, Secret};
use allonym_protect::{
    Candidate, Found, Issue, Issued, Numbers, TokenDomain, TokenError, TokenStore,
};
use async_trait::async_trait;

use crate::sealing::{Sealer, fixed_key};

/// A token store that holds the one row of a vector, and never waits.
pub(super) struct Given {
    pub(super) domain_secret: Arc<Secret>,
    pub(super) version: KeyVersion,
    pub(super) token: String,
    pub(super) sealed: Vec<u8>,
    /// The next number of every counter.
    pub(super) number: u64,
    /// The counter that was asked for it.
    pub(super) asked: OnceLock<Numbers>,
}

#[async_trait]
impl TokenStore for Given {
    /// No value has a token yet, and each gets the one that was made for it.
    async fn tokens_for(
        &self,
        _domain: &TokenDomain,
        _keys: &dyn Keyring,
        batch: Vec<Candidate>,
        issue: Issue<'_>,
    ) -> Result<Vec<Issued>, TokenError> {
        let issued = |candidate: Candidate| match issue.insert {
            true => Issued::Token(candidate.token),
            false => Issued::Absent,
        };
        Ok(batch.into_iter().map(issued).collect())
    }

    async fn values_for(
        &self,
        domain: &TokenDomain,
        keys: &dyn Keyring,
        tokens: &[&str],
    ) -> Result<Vec<Found>, TokenError> {
        let sealer = Sealer::new(domain, keys, self.version)?;
        let found = |token: &&str| match **token == self.token {
            true => sealer.open(token, &self.sealed).map(Found::Value),
            false => Ok(Found::Unknown),
        };
        tokens.iter().map(found).collect()
    }

    async fn reseal(
        &self,
        _domain: &TokenDomain,
        _keys: &dyn Keyring,
        _limit: usize,
    ) -> Result<usize, TokenError> {
        Ok(0)
    }

    async fn fixed_key(
        &self,
        domain: &TokenDomain,
        purpose: Purpose,
    ) -> Result<Secret, TokenError> {
        Ok(fixed_key(domain, &self.domain_secret, purpose))
    }

    /// The number of the vector, once, then none.
    async fn numbers(
        &self,
        _domain: &TokenDomain,
        wanted: &[Numbers],
    ) -> Result<Vec<Vec<u64>>, TokenError> {
        let give = |wanted: &Numbers| {
            let first = self.asked.set(*wanted).is_ok();
            if first && self.number < wanted.limit { vec![self.number] } else { Vec::new() }
        };
        Ok(wanted.iter().map(give).collect())
    }

    fn give_back(&self, _domain: &TokenDomain, _part: [u8; 16], _numbers: Vec<u64>) {}
}
