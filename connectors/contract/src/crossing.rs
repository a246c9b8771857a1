use std::fmt;
use std::sync::Arc;

use crate::Principal;

/// One passage over the trust boundary, in one direction, for one principal.
///
/// A request is a crossing toward the upstream; its answer is another, toward the
/// client. A crossing may carry many pieces; it has one audit intent.
pub struct Crossing {
    /// Names the request in the audit log, the access log and error answers.
    pub request: RequestId,
    /// Whose world this is.
    pub namespace: Namespace,
    /// The place, as [`crate::PlaceSpec::name`] says it.
    pub place: Arc<str>,
    /// Which way the values go.
    pub direction: Direction,
    /// Who is on the wire, as authenticated.
    pub principal: Arc<Principal>,
    /// Why it is done, if the caller has said so.
    pub purpose: Option<Arc<str>>,
    /// Whose data it is, where a connector knows.
    pub subject: Option<Arc<str>>,
    /// The position of the row, where a connector supplies one.
    pub row: Option<u64>,
    /// The revision of configuration, policy and key set that is pinned for it.
    pub revision: u64,
    /// Why an outcome was less than the caller's best: to be told to the caller.
    pub notices: Vec<Notice>,
    /// The guard's own account of this crossing.
    pub ledger: Ledger,
}

/// Which way values go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Direction {
    /// From the client to the upstream: plain values become protected ones.
    ToUpstream,
    /// From the upstream to the client: the policy decides who sees what.
    ToClient,
}

/// The id of a namespace; the default one is `NamespaceId::DEFAULT` of the keyring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Namespace(pub [u8; 16]);

/// 128 random bits that name one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct RequestId(pub u128);

impl RequestId {
    /// A fresh one.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Why a rule that would have given more did not apply. Goes into the header
/// `Allonym-Notice` and into the audit record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The data class.
    pub class: Arc<str>,
    /// `purpose-required`, `purpose-unknown`, `budget-spent`, `unprotected`.
    pub reason: &'static str,
}

/// The guard's account of a crossing: what its audit records will say.
#[derive(Default, Debug)]
pub struct Ledger {
    /// Set once the intent to reveal has been accepted.
    pub intent: Option<u64>,
    /// How many values of each class met which fate.
    pub counts: Vec<(Arc<str>, &'static str, u64)>,
}

impl Ledger {
    /// Counts values of a class that met the same fate.
    pub fn count(&mut self, class: &Arc<str>, fate: &'static str, values: u64) {
        if values == 0 {
            return;
        }
        match self.counts.iter_mut().find(|(c, f, _)| c == class && *f == fate) {
            Some((_, _, total)) => *total += values,
            None => self.counts.push((Arc::clone(class), fate, values)),
        }
    }
}
