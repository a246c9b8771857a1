//! The one pipeline: locate, decide, transform, audit.
//!
//! ```text
//!   records ─▶ gather ─▶ mark ─▶ decide ─▶ budget ─▶ intent ─▶ transform ─▶ put back
//!              by class  plain,  policy    values    audited   one call a
//!                        token,  (cached)  a minute  first     class
//!                        neither
//! ```
//!
//! Nothing else in the product calls a transform. A [`Pipeline`] is one pinned snapshot
//! of plan, policy and keys; connectors know it as their [`Guard`].

mod account;
mod inbound;
mod method;
mod outbound;
mod search;
mod transfer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use allonym_audit::{AuditSink, Durability};
use allonym_contract::{
    Caller, Crossing, Direction, Fault, Guard, Principal, PrincipalKind, Refusal, Rules,
};
use allonym_keyring::{KeySet, Keyring};
use allonym_policy::{Budgets, Right};
use allonym_protect::{Context, Method, Scope, Transform};
use allonym_record::{Record, Value};
use allonym_store::{Store, StoreError};
use arc_swap::ArcSwap;
use async_trait::async_trait;

use crate::metrics::Metrics;
use crate::plan::{ClassPlan, PlacePlan, Plan, Protected};
use crate::runtime::Tenure;

/// One pinned snapshot of plan, policy and keys.
pub struct Pipeline {
    plan: Arc<Plan>,
    pinned: Arc<KeySet>,
    shared: Arc<Shared>,
}

/// What all snapshots share: it outlives a reload.
pub struct Shared {
    /// The newest key set; reveals and marks go by it, also in older snapshots.
    pub newest: ArcSwap<KeySet>,
    /// What principals have spent.
    pub budgets: Budgets,
    /// The record.
    pub audit: Arc<dyn AuditSink>,
    /// How durable an intent must be before a single request's reveal leaves.
    pub durability: Durability,
    /// Remembers which domains and places are in use.
    pub store: Store,
    /// Whether this process may write to it.
    pub tenure: Tenure,
    /// Held while a domain comes into use and while a key rotates, so that neither goes by
    /// what the other is changing.
    pub first_use: std::sync::Mutex<()>,
    /// Whether the record took the last event it was given.
    pub on_record: AtomicBool,
    /// What is counted.
    pub metrics: Metrics,
}

/// A selected value on its way through the pipeline.
struct Selection {
    record: usize,
    field: usize,
    rule: usize,
    value: Value,
}

impl Pipeline {
    /// A snapshot of this plan under the newest keys.
    #[must_use]
    pub fn new(plan: Arc<Plan>, shared: Arc<Shared>) -> Self {
        let pinned = shared.newest.load_full();
        Self { plan, pinned, shared }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    fn place(&self, name: &str) -> Result<&PlacePlan, Refusal> {
        self.plan.places.get(name).ok_or_else(|| {
            Refusal::new(Fault::Forbidden, "unlisted", "the place is not in the configuration")
        })
    }

    fn class(&self, place: &PlacePlan, rule: usize) -> Result<(usize, &ClassPlan), Refusal> {
        place
            .fields
            .get(rule)
            .and_then(|field| Some((field.class, self.plan.classes.get(field.class)?)))
            .ok_or_else(|| internal("a rule that the plan does not know"))
    }

    /// The values that hold something, by class.
    fn gather(
        &self,
        place: &PlacePlan,
        records: &mut [&mut dyn Record],
    ) -> Result<BTreeMap<usize, Vec<Selection>>, Refusal> {
        let mut groups: BTreeMap<usize, Vec<Selection>> = BTreeMap::new();
        for (record, fields) in records.iter_mut().enumerate() {
            for (index, field) in fields.fields().iter().enumerate() {
                if field.value().is_empty() {
                    continue;
                }
                let (class, _) = self.class(place, field.rule)?;
                groups.entry(class).or_default().push(Selection {
                    record,
                    field: index,
                    rule: field.rule,
                    value: field.value().clone(),
                });
            }
        }
        Ok(groups)
    }

    /// What a method needs besides the values.
    fn context<'a>(
        &'a self,
        class: &ClassPlan,
        principal: &'a Principal,
        subject: Option<&'a str>,
        newest: &'a KeySet,
    ) -> Context<'a> {
        let tenant = class.method_of().and_then(|protected| match &protected.spec.scope {
            Scope::Global => None,
            Scope::Tenant(claim) => principal.claims.get(claim).map(String::as_str),
        });
        Context { pinned: &*self.pinned as &dyn Keyring, newest, tenant, subject, stated: &[] }
    }

    /// Charges a budget of the first rule that has some left.
    fn charge(&self, crossing: &Crossing, rule: usize, right: Right, values: usize) -> bool {
        let Some(plan) = self.plan.rules.get(rule) else { return false };
        let limit = match right {
            Right::Write => Some(plan.write.unwrap_or(crate::plan::RulePlan::DEFAULT_PER_MINUTE)),
            Right::Search => Some(plan.search.unwrap_or(crate::plan::RulePlan::DEFAULT_PER_MINUTE)),
            Right::Reveal => plan.reveal,
            // What is left to a reader who has spent the right to plain values.
            Right::Mask | Right::WriteToken => None,
        };
        limit.is_none_or(|limit| {
            let values = u64::try_from(values).unwrap_or(u64::MAX);
            let key = &crossing.principal.budget_key;
            let now = std::time::Instant::now();
            self.shared.budgets.take(key, rule, right, values, limit, now)
        })
    }
}

#[async_trait]
impl Guard for Pipeline {
    fn revision(&self) -> u64 {
        self.plan.revision
    }

    fn rules(&self, place: &str) -> Option<Arc<Rules>> {
        self.plan.places.get(place).map(|place| Arc::clone(&place.rules))
    }

    async fn identify(&self, caller: &Caller<'_>) -> Result<Arc<Principal>, Refusal> {
        let identifier = self
            .plan
            .identifiers
            .get(caller.connector)
            .ok_or_else(|| internal("a connector that the plan does not know"))?;
        identifier.judge(caller, SystemTime::now()).map_err(|error| {
            self.shared.metrics.stranger(caller.connector, error.word());
            Refusal::from(error)
        })
    }

    fn knows_purpose(&self, purpose: &str) -> bool {
        self.plan.purposes.iter().any(|known| known == purpose)
    }

    async fn admit(&self, crossing: &mut Crossing) -> Result<(), Refusal> {
        let principal = &crossing.principal;
        if principal.expires.is_some_and(|end| end <= SystemTime::now()) {
            return Err(Refusal::new(
                Fault::Unauthenticated,
                "credential-expired",
                "the credential has ended: bring a new one",
            ));
        }
        if principal.kind != PrincipalKind::Anonymous {
            return Ok(());
        }
        let only_reads = self.plan.places.get(&*crossing.place).is_some_and(|p| p.only_reads);
        if !only_reads {
            return Err(Refusal::new(
                Fault::Unauthenticated,
                "credential-missing",
                "without a credential this place cannot be used: bring a token",
            ));
        }
        let key = &principal.budget_key;
        let now = std::time::Instant::now();
        let limit = ANONYMOUS_REQUESTS_PER_MINUTE;
        if !self.shared.budgets.take(key, ANONYMOUS_RULE, Right::Reveal, 1, limit, now) {
            return Err(spent("requests without a credential"));
        }
        Ok(())
    }

    async fn transform(
        &self,
        crossing: &mut Crossing,
        records: &mut [&mut dyn Record],
    ) -> Result<(), Refusal> {
        let place = self.place(&crossing.place)?;
        let mut groups = self.gather(place, records)?;
        match crossing.direction {
            Direction::ToUpstream => self.protect(crossing, place, &mut groups).await?,
            Direction::ToClient => self.answer(crossing, place, &mut groups).await?,
        }
        for selection in groups.into_values().flatten() {
            let field = records
                .get_mut(selection.record)
                .and_then(|record| record.fields().get_mut(selection.field))
                .ok_or_else(|| internal("a field that is gone"))?;
            field.replace(selection.value);
        }
        Ok(())
    }

    async fn stored_forms(
        &self,
        crossing: &mut Crossing,
        rule: usize,
        operand: &Value,
    ) -> Result<Vec<Value>, Refusal> {
        self.search(crossing, rule, operand).await
    }

    async fn close(&self, crossing: Crossing, result: Result<(), &Refusal>) {
        self.settle(crossing, result).await;
    }
}

impl Pipeline {
    /// Whether what this process stores now is its own to store.
    fn may_store(&self, field: &str) -> Result<(), Refusal> {
        self.shared.tenure.check().map_err(|lost| {
            Refusal::new(Fault::Unavailable, "store-unavailable", lost.to_string()).at(field)
        })
    }

    /// The same, where a method stores anything.
    fn may_protect(
        &self,
        protected: &Protected,
        place: &PlacePlan,
        rule: Option<usize>,
    ) -> Result<(), Refusal> {
        if protected.is_computed() {
            return Ok(());
        }
        let field = rule.and_then(|rule| place.fields.get(rule));
        self.may_store(field.map_or("", |field| &*field.name))
    }

    /// Makes the store remember that a field's domain is in use, before its first value
    /// leaves: from then on neither can change unnoticed.
    async fn pin(&self, place: &PlacePlan, place_name: &str, rule: usize) -> Result<(), Refusal> {
        let (_, class) = self.class(place, rule)?;
        let (Some(protected), Some(field)) = (class.method_of(), place.fields.get(rule)) else {
            return Ok(());
        };
        if protected.key_name.is_empty() {
            return Ok(());
        }
        if protected.used.load(Ordering::Acquire) && field.used.load(Ordering::Acquire) {
            return Ok(());
        }
        self.may_store(&field.name)?;
        let store = self.shared.store.clone();
        let (domain, key, spec) =
            (protected.domain.id, protected.domain.key, protected.spec_text.clone());
        let (place_name, name) = (place_name.to_owned(), field.name.clone());
        // Of a class the upstream holds in plain nothing protected is stored at the place.
        let local = field.is_local || class.protected().is_none();
        let (shared, snapshot) = (Arc::clone(&self.shared), Arc::clone(&self.pinned));
        let transform = match &protected.method {
            Method::Pure(transform) if !protected.used.load(Ordering::Acquire) => {
                Some(Arc::clone(transform))
            }
            _ => None,
        };
        let pinned = tokio::task::spawn_blocking(move || {
            let _first_use = shared.first_use.lock().unwrap_or_else(PoisonError::into_inner);
            if transform.is_some_and(|transform| !has_room(&*transform, &snapshot, &shared)) {
                return Ok(false);
            }
            if local {
                store.mark_domain_used(domain, &spec, key)?;
            } else {
                store.mark_place_used(&place_name, &name, domain, &spec, key)?;
            }
            Ok(true)
        });
        match pinned.await {
            Ok(Ok(false)) => Err(Refusal::new(
                Fault::Unavailable,
                "key-unavailable",
                "the key has more live versions than values of this class can have",
            )
            .at(&field.name)),
            Ok(Ok(true)) => {
                protected.used.store(true, Ordering::Release);
                field.used.store(true, Ordering::Release);
                Ok(())
            }
            Ok(Err(
                StoreError::DomainPinned(_)
                | StoreError::DomainRetired(_)
                | StoreError::PlacePinned { .. },
            )) => Err(Refusal::new(
                Fault::Unavailable,
                "pinned",
                "the store holds another specification or domain for this field: a newer configuration has come into use; try again",
            )
            .at(&field.name)),
            _ => Err(Refusal::new(
                Fault::Unavailable,
                "store-unavailable",
                "the store cannot remember that this class is in use",
            )
            .at(&field.name)),
        }
    }
}

/// Whether what this snapshot protects can still be told apart under the newest keys: a
/// rotation may have come between.
fn has_room(transform: &dyn Transform, pinned: &KeySet, shared: &Shared) -> bool {
    if transform.slots().is_none() && transform.most_versions().is_none() {
        return true;
    }
    let newest = shared.newest.load_full();
    let context = Context { pinned, newest: &*newest, tenant: None, subject: None, stated: &[] };
    transform.writes_under(&context).is_ok()
}

/// Requests a minute for each client address that brings no credential.
const ANONYMOUS_REQUESTS_PER_MINUTE: u64 = 1_200;
/// The budget of anonymous callers belongs to no access rule.
const ANONYMOUS_RULE: usize = usize::MAX;

fn internal(what: &'static str) -> Refusal {
    Refusal::new(Fault::Unavailable, "internal", what)
}

fn spent(what: &str) -> Refusal {
    Refusal::new(
        Fault::TooMany,
        "budget-spent",
        format!("the budget of this minute is spent ({what}): try again in a minute"),
    )
}
