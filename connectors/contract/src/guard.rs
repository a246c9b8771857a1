use std::sync::Arc;

use allonym_record::{Record, Value};
use async_trait::async_trait;

use crate::{Caller, Crossing, Principal, Refusal, Rules};

/// The only door between protocol and protection. A `Guard` is one pinned snapshot of
/// configuration, policy and keys: a connector takes it once per request, record batch
/// or statement and uses it to the end.
#[async_trait]
pub trait Guard: Send + Sync {
    /// Which revision this snapshot is.
    fn revision(&self) -> u64;

    /// Which rules hold at a place; `None` for a place that is not in the plan.
    fn rules(&self, place: &str) -> Option<Arc<Rules>>;

    /// Who is on the wire. Authenticated from what the caller brought, or anonymous
    /// where the connector allows that.
    ///
    /// # Errors
    /// No credential where one is needed, or one that is not valid (never anonymous then).
    async fn identify(&self, caller: &Caller<'_>) -> Result<Arc<Principal>, Refusal>;

    /// Whether this is one of the purposes of the configuration. Any other satisfies no
    /// rule, and is not written into a log: a caller can declare anything.
    fn knows_purpose(&self, purpose: &str) -> bool;

    /// May this crossing pass at all? Asked before anything is sent onward.
    ///
    /// # Errors
    /// When it may not.
    async fn admit(&self, crossing: &mut Crossing) -> Result<(), Refusal>;

    /// Transforms the selected values of these records, as one batch: toward the
    /// upstream they are protected, toward the client the policy decides. A value that
    /// is to be revealed is on the audit record before this returns.
    ///
    /// # Errors
    /// When a single value cannot be decided or transformed. Nothing of the records may
    /// be forwarded then.
    async fn transform(
        &self,
        crossing: &mut Crossing,
        records: &mut [&mut dyn Record],
    ) -> Result<(), Refusal>;

    /// The stored forms a search operand can have: one for each live key version of a
    /// deterministic class, never fewer than one. It looks up and never stores.
    ///
    /// # Errors
    /// When the principal may not search this class, or the class cannot be searched.
    async fn stored_forms(
        &self,
        crossing: &mut Crossing,
        rule: usize,
        operand: &Value,
    ) -> Result<Vec<Value>, Refusal>;

    /// The crossing is over; its result goes on the record.
    async fn close(&self, crossing: Crossing, result: Result<(), &Refusal>);
}
