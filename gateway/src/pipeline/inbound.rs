//! Toward the upstream: plain values become protected ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use allonym_contract::{Crossing, Fault, Refusal, Tokens};
use allonym_policy::{Question, Right};
use allonym_protect::{Context, FaultRule, Mark, Method, TokenError, VaultedFault};
use allonym_record::{Record, Value};

use super::{Pipeline, Selection, internal, method, spent};
use crate::plan::{ClassPlan, PlacePlan, Protected};

/// What of one class is to be protected, once everything of the request may pass.
pub(super) struct Writing {
    class: usize,
    plain: Vec<usize>,
}

impl Pipeline {
    /// Judges and then protects the values of a request, class by class. Nothing is
    /// transformed, and nothing stored, before all of it may pass.
    pub(super) async fn protect(
        &self,
        crossing: &mut Crossing,
        place: &PlacePlan,
        groups: &mut BTreeMap<usize, Vec<Selection>>,
    ) -> Result<(), Refusal> {
        let mut writings = Vec::with_capacity(groups.len());
        for (class, batch) in groups.iter() {
            writings.push(self.judge(crossing, place, *class, batch).await?);
        }
        for writing in writings {
            if let Some(batch) = groups.get_mut(&writing.class) {
                self.write(crossing, place, &writing, batch).await?;
            }
        }
        Ok(())
    }

    /// Whether the values of one class may be written here. One that looks protected, is
    /// a mask, or lies outside the template is refused, never passed.
    async fn judge(
        &self,
        crossing: &mut Crossing,
        place: &PlacePlan,
        class_index: usize,
        batch: &[Selection],
    ) -> Result<Writing, Refusal> {
        let class = self.plan.classes.get(class_index).ok_or_else(|| internal("no such class"))?;
        if let Some(masked) = batch.iter().find(|s| is_mask(class, &s.value)) {
            return Err(outside(place, masked, FaultRule::Masked));
        }
        let newest = self.shared.newest.load_full();
        let principal = Arc::clone(&crossing.principal);
        let context = self.context(class, &principal, None, &newest);
        let (mut plain, mut tokens) = (Vec::new(), Vec::new());
        for (index, selection) in batch.iter().enumerate() {
            match class.mark(&selection.value, &context) {
                Mark::Protected(_) => tokens.push(index),
                Mark::Unmarked if place.tokens == Tokens::Only => tokens.push(index),
                Mark::Plain | Mark::Unmarked => plain.push(index),
                Mark::Neither(rule) => return Err(outside(place, selection, rule)),
            }
        }
        if let Some(selection) = tokens.first().and_then(|index| batch.get(*index)) {
            self.accept_tokens(crossing, place, class, selection)?;
            if let Some(protected) = class.protected() {
                self.check_stored(protected, &context, batch, &tokens, place).await?;
            }
            for rule in rules(batch, &tokens) {
                self.pin(place, &crossing.place, rule).await?;
            }
            crossing.ledger.count(&class.name, "passed", count(tokens.len()));
        }
        if let Some(selection) = plain.first().and_then(|index| batch.get(*index)) {
            self.may_write(crossing, place, class, selection, plain.len())?;
        }
        Ok(Writing { class: class_index, plain })
    }

    fn may_write(
        &self,
        crossing: &Crossing,
        place: &PlacePlan,
        class: &ClassPlan,
        selection: &Selection,
        values: usize,
    ) -> Result<(), Refusal> {
        let refused = |rule: &'static str, detail: &'static str| {
            Err(Refusal::new(Fault::Unacceptable, rule, detail).at(field(place, selection)))
        };
        if place.tokens == Tokens::Only && class.protected().is_some() {
            return refused("tokens-only", "this place takes protected values only");
        }
        if class.retired {
            return refused("class-retired", "nothing new is protected under a retired class");
        }
        self.allow(crossing, place, selection, Right::Write, values)
    }

    /// Protects what was judged. A class the upstream holds in plain passes as it is.
    async fn write(
        &self,
        crossing: &mut Crossing,
        place: &PlacePlan,
        writing: &Writing,
        batch: &mut [Selection],
    ) -> Result<(), Refusal> {
        let class =
            self.plan.classes.get(writing.class).ok_or_else(|| internal("no such class"))?;
        let Some(protected) = class.protected() else {
            crossing.ledger.count(&class.name, "written", count(writing.plain.len()));
            return Ok(());
        };
        if writing.plain.is_empty() {
            return Ok(());
        }
        // A token is stored when it is made; what is computed is in use when it leaves.
        if !protected.is_computed() {
            self.pin_all(crossing, place, batch, &writing.plain).await?;
        }
        let first = writing.plain.first().and_then(|position| batch.get(*position));
        self.may_protect(protected, place, first.map(|selection| selection.rule))?;
        let newest = self.shared.newest.load_full();
        let (principal, subject) = (Arc::clone(&crossing.principal), crossing.subject.clone());
        let context = self.context(class, &principal, subject.as_deref(), &newest);
        method::protect(&protected.method, batch, &writing.plain, &context)
            .await
            .map_err(|fault| fault_to_refusal(&fault, place, batch, &writing.plain))?;
        if protected.is_computed() {
            self.pin_all(crossing, place, batch, &writing.plain).await?;
        }
        crossing.ledger.count(&class.name, "protected", count(writing.plain.len()));
        Ok(())
    }

    /// Remembers that the fields these values are in are in use.
    pub(super) async fn pin_all(
        &self,
        crossing: &Crossing,
        place: &PlacePlan,
        batch: &[Selection],
        positions: &[usize],
    ) -> Result<(), Refusal> {
        for rule in rules(batch, positions) {
            self.pin(place, &crossing.place, rule).await?;
        }
        Ok(())
    }

    /// Protects the values of a record as the upstream would hold them, whoever asks:
    /// what the configuration's own tests begin with.
    ///
    /// # Errors
    /// As any write.
    pub async fn protect_for_test(
        &self,
        place_name: &str,
        record: &mut dyn Record,
    ) -> Result<(), Refusal> {
        let place = self.place(place_name)?;
        let groups = self.gather(place, &mut [&mut *record])?;
        let newest = self.shared.newest.load_full();
        for (class, mut batch) in groups {
            let Some(protected) = self.plan.classes.get(class).and_then(ClassPlan::protected)
            else {
                continue;
            };
            let context = Context {
                pinned: &*self.pinned,
                newest: &*newest,
                tenant: None,
                subject: None,
                stated: &[],
            };
            let order: Vec<usize> = (0..batch.len()).collect();
            method::protect(&protected.method, &mut batch, &order, &context)
                .await
                .map_err(|fault| fault_to_refusal(&fault, place, &batch, &order))?;
            for selection in batch {
                if let Some(field) = record.fields().get_mut(selection.field) {
                    field.replace(selection.value);
                }
            }
        }
        Ok(())
    }

    /// Whether protected values may be written here by this principal.
    fn accept_tokens(
        &self,
        crossing: &Crossing,
        place: &PlacePlan,
        class: &ClassPlan,
        selection: &Selection,
    ) -> Result<(), Refusal> {
        if place.tokens == Tokens::Refuse || class.protected().is_none() {
            let mistyped = class.mistakable_mark();
            let mistyped =
                mistyped.map_or_else(String::new, |why| format!(", or mistyped ({why})"));
            let detail = format!(
                "the value is already protected{mistyped}: send the field only when you change it"
            );
            let refusal = Refusal::new(Fault::Unacceptable, "token-refused", detail);
            return Err(refusal.at(field(place, selection)));
        }
        let decision = self.plan.policy.decide(&question(crossing, &class.name, Right::WriteToken));
        if decision.forbidden || decision.permits.is_empty() {
            return Err(Refusal::new(
                Fault::Forbidden,
                "write-token-not-allowed",
                "the value is already protected, and the caller has no right `write_token` for it",
            )
            .at(field(place, selection)));
        }
        Ok(())
    }

    /// Of vaulted tokens the store has the last word.
    async fn check_stored(
        &self,
        protected: &Protected,
        context: &Context<'_>,
        batch: &[Selection],
        tokens: &[usize],
        place: &PlacePlan,
    ) -> Result<(), Refusal> {
        let Method::Stored(vaulted) = &protected.method else { return Ok(()) };
        let chosen: Vec<&Selection> = tokens.iter().filter_map(|index| batch.get(*index)).collect();
        let values: Vec<&Value> = chosen.iter().map(|selection| &selection.value).collect();
        let stored = vaulted
            .is_stored(&values, context)
            .await
            .map_err(|fault| fault_to_refusal(&fault, place, batch, tokens))?;
        match chosen.iter().zip(stored).find(|(_, stored)| !stored) {
            Some((selection, _)) => Err(outside(place, selection, FaultRule::BadMark)),
            None => Ok(()),
        }
    }

    /// Whether the principal has a right with something left in its budget.
    pub(super) fn allow(
        &self,
        crossing: &Crossing,
        place: &PlacePlan,
        selection: &Selection,
        right: Right,
        values: usize,
    ) -> Result<(), Refusal> {
        let (_, class) = self.class(place, selection.rule)?;
        let decision = self.plan.policy.decide(&question(crossing, &class.name, right));
        let (rule, verb) = match right {
            Right::Search => ("search-not-allowed", "search"),
            _ => ("write-not-allowed", "write"),
        };
        if decision.forbidden || decision.permits.is_empty() {
            let why = decision.missed.first().map_or_else(String::new, |missed| {
                format!(" (a rule that gives it {})", crate::explain::reason(missed.reason))
            });
            return Err(Refusal::new(
                Fault::Forbidden,
                rule,
                format!("the caller has no right `{verb}` for `{}`{why}", class.name),
            )
            .at(field(place, selection)));
        }
        for permit in decision.permits.iter() {
            if self.charge(crossing, *permit, right, values) {
                return Ok(());
            }
            self.shared.metrics.budget_spent(&class.name, verb);
            if self.plan.rules.get(*permit).is_some_and(|rule| rule.refuse_when_spent) {
                break;
            }
        }
        Err(spent(&format!("{verb} `{}`", class.name)).at(field(place, selection)))
    }
}

/// The question a right raises at this crossing.
pub(super) fn question<'a>(crossing: &'a Crossing, class: &'a str, right: Right) -> Question<'a> {
    Question {
        roles: &crossing.principal.roles,
        right,
        class,
        place: &crossing.place,
        purpose: crossing.purpose.as_deref(),
        now: std::time::SystemTime::now(),
    }
}

/// The selector of a selection, as errors name it.
pub(super) fn field(place: &PlacePlan, selection: &Selection) -> String {
    place.fields.get(selection.rule).map_or_else(String::new, |field| field.name.clone())
}

/// The rules that selected these values, each once.
pub(super) fn rules(batch: &[Selection], positions: &[usize]) -> Vec<usize> {
    let mut rules: Vec<usize> =
        positions.iter().filter_map(|position| Some(batch.get(*position)?.rule)).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// A value that may not be written here.
pub(super) fn outside(place: &PlacePlan, selection: &Selection, rule: FaultRule) -> Refusal {
    let detail = match rule {
        // No other value of the format would fare better.
        FaultRule::Exhausted => rule.to_string(),
        _ => format!("{rule}: send the field only when you change it, as a plain value"),
    };
    Refusal::new(Fault::Unacceptable, "outside-template", detail).at(field(place, selection))
}

/// A method's fault as a refusal. `order` maps the method's indices to the batch's.
pub(super) fn fault_to_refusal(
    fault: &VaultedFault,
    place: &PlacePlan,
    batch: &[Selection],
    order: &[usize],
) -> Refusal {
    let selection = |index: usize| order.get(index).and_then(|index| batch.get(*index));
    match fault {
        VaultedFault::Fault(fault) if fault.rule == FaultRule::NoKey => {
            Refusal::new(Fault::Unavailable, "key-unavailable", fault.rule.to_string())
        }
        VaultedFault::Fault(fault) => match selection(fault.index) {
            Some(selection) => outside(place, selection, fault.rule),
            None => Refusal::new(Fault::Unacceptable, "outside-template", fault.rule.to_string()),
        },
        VaultedFault::Store(TokenError::Key(_)) => {
            Refusal::new(Fault::Unavailable, "key-unavailable", "no usable key version")
        }
        VaultedFault::Store(TokenError::Waiting) => Refusal::new(
            Fault::Unavailable,
            "tokens-waiting",
            "the store was restored, and new tokens of this class wait for its operator (`allonym tokens resume`)",
        ),
        VaultedFault::Store(_) => store_away(),
    }
}

/// Callers are not told how the store failed.
pub(super) fn store_away() -> Refusal {
    Refusal::new(Fault::Unavailable, "store-unavailable", "the token store is not available")
}

/// Whether a value is what a masked reader was shown: a mask with `keep` may hide a single
/// character, so any star counts there; one without shows `***` and nothing else.
fn is_mask(class: &ClassPlan, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    match class.mask.keep {
        Some(_) => text.contains('*'),
        None => text == "***",
    }
}

pub(super) fn count(values: usize) -> u64 {
    u64::try_from(values).unwrap_or(u64::MAX)
}
