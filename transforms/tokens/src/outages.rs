use std::sync::{Mutex, MutexGuard, PoisonError};

use allonym_protect::TokenError;

/// What failed. Callers of a gateway are not told how; its operator is.
#[derive(Default)]
pub(crate) struct Outages(Mutex<Outage>);

/// How often the store failed, and how it did last. Names no value and no token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// How often.
    pub times: u64,
    /// How it did last; nothing if it never did.
    pub last: Option<TokenError>,
}

impl Outages {
    /// Keeps what failed, but for what is no fault of the store: a key that is missing, a
    /// restore that nobody resumed.
    pub(crate) fn note<T>(&self, outcome: Result<T, TokenError>) -> Result<T, TokenError> {
        if let Err(error) = &outcome
            && !matches!(error, TokenError::Key(_) | TokenError::Waiting)
        {
            self.add(error);
        }
        outcome
    }

    /// The same for what nobody asked for: nobody is told of a missing key either.
    pub(crate) fn note_own<T>(&self, outcome: Result<T, TokenError>) -> Result<T, TokenError> {
        if let Err(error) = &outcome {
            self.add(error);
        }
        outcome
    }

    pub(crate) fn so_far(&self) -> Outage {
        self.lock().clone()
    }

    fn add(&self, error: &TokenError) {
        let mut outage = self.lock();
        outage.times += 1;
        outage.last = Some(error.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Outage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
