//! Toward the client: the policy decides who sees what.

use std::collections::BTreeMap;
use std::time::SystemTime;

use allonym_contract::{Crossing, Fault, Notice, OnUnprotected, Refusal};
use allonym_policy::{Outcome, ReadQuestion, Reason, Right};
use allonym_protect::{Context, Mark, Mask, TokenError, VaultedFault};
use allonym_record::Value;

use super::inbound::{count, field, rules, store_away};
use super::{Pipeline, Selection, internal, method, spent};
use crate::plan::{ClassPlan, PlacePlan, Protected, Stored, is_foreign};

/// What one class is to this reader in this batch.
struct Reading<'a> {
    class: &'a ClassPlan,
    outcome: Outcome,
    /// Positions of values the upstream holds protected.
    held_protected: Vec<usize>,
    /// Positions of values the upstream holds in plain.
    held_plain: Vec<usize>,
}

impl Pipeline {
    /// Decides and transforms the values of an answer. The intent to reveal is accepted
    /// before the first of them is revealed.
    pub(super) async fn answer(
        &self,
        crossing: &mut Crossing,
        place: &PlacePlan,
        groups: &mut BTreeMap<usize, Vec<Selection>>,
    ) -> Result<(), Refusal> {
        let newest = self.shared.newest.load_full();
        let mut readings = Vec::with_capacity(groups.len());
        for (class, batch) in groups.iter() {
            readings.push(self.read(crossing, place, *class, batch, &newest)?);
        }
        if readings.iter().any(|reading| reading.outcome != Outcome::Protected) {
            self.intend(crossing, place).await?;
        }
        for (reading, batch) in readings.iter().zip(groups.values_mut()) {
            let principal = std::sync::Arc::clone(&crossing.principal);
            let context = self.context(reading.class, &principal, None, &newest);
            self.deliver(crossing, place, reading, batch, &context).await?;
        }
        Ok(())
    }

    /// Sorts the values of one class by what the upstream holds, and decides.
    fn read<'a>(
        &'a self,
        crossing: &mut Crossing,
        place: &PlacePlan,
        class_index: usize,
        batch: &[Selection],
        newest: &allonym_keyring::KeySet,
    ) -> Result<Reading<'a>, Refusal> {
        let class = self.plan.classes.get(class_index).ok_or_else(|| internal("no such class"))?;
        let (mut held_protected, mut held_plain) = (Vec::new(), Vec::new());
        match class.protected() {
            None => held_plain.extend(0..batch.len()),
            Some(protected) => {
                let principal = std::sync::Arc::clone(&crossing.principal);
                let context = self.context(class, &principal, None, newest);
                for (index, selection) in batch.iter().enumerate() {
                    if is_held_protected(protected, place, selection, &context)? {
                        held_protected.push(index);
                    } else {
                        held_plain.push(index);
                    }
                }
                if !held_plain.is_empty() {
                    crossing.ledger.count(&class.name, "unprotected", count(held_plain.len()));
                    notice(crossing, class, "unprotected");
                }
            }
        }
        let mut outcome = self.outcome(crossing, class, batch.len())?;
        let irreversible = class.protected().is_some_and(|protected| !protected.is_reversible());
        if irreversible && held_plain.is_empty() {
            outcome = Outcome::Protected;
        }
        let handed_out =
            !held_protected.is_empty() || matches!(class.stored, Stored::Plain(Some(_)));
        if outcome == Outcome::Protected && !class.is_marked() && handed_out {
            self.refuse_unmarked_for_writers(crossing, place, class, batch)?;
        }
        Ok(Reading { class, outcome, held_protected, held_plain })
    }

    /// The best outcome whose rule has a purpose and a budget for it.
    pub(super) fn outcome(
        &self,
        crossing: &mut Crossing,
        class: &ClassPlan,
        values: usize,
    ) -> Result<Outcome, Refusal> {
        let decision = self.plan.policy.outcome(&ReadQuestion {
            roles: &crossing.principal.roles,
            class: &class.name,
            place: &crossing.place,
            purpose: crossing.purpose.as_deref(),
            now: SystemTime::now(),
        });
        let best = decision.ranked.first().map_or(Outcome::Protected, |granted| granted.outcome);
        for missed in decision.missed_above(best) {
            notice(crossing, class, word(missed.reason));
        }
        for granted in decision.ranked.iter() {
            let right = match granted.outcome {
                Outcome::Plain => Right::Reveal,
                _ => Right::Mask,
            };
            if self.charge(crossing, granted.rule, right, values) {
                return Ok(granted.outcome);
            }
            self.shared.metrics.budget_spent(&class.name, "reveal");
            if self.plan.rules.get(granted.rule).is_some_and(|rule| rule.refuse_when_spent) {
                return Err(spent(&format!("reveal `{}`", class.name)));
            }
            notice(crossing, class, "budget-spent");
        }
        Ok(Outcome::Protected)
    }

    /// An unmarked value that a writer got in protected form would be protected twice
    /// when it comes back.
    fn refuse_unmarked_for_writers(
        &self,
        crossing: &Crossing,
        place: &PlacePlan,
        class: &ClassPlan,
        batch: &[Selection],
    ) -> Result<(), Refusal> {
        // Wherever and for whatever purpose it may write it: the value travels.
        let writes = self.plan.policy.could(&crossing.principal.roles, Right::Write, &class.name);
        let (true, Some(selection)) = (writes, batch.first()) else { return Ok(()) };
        Err(Refusal::new(
            Fault::Forbidden,
            "unmarked-and-writable",
            "the protected form carries no mark, so a caller who may write this class must see it plain or masked",
        )
        .at(field(place, selection)))
    }

    /// Carries the outcome out.
    async fn deliver(
        &self,
        crossing: &mut Crossing,
        place: &PlacePlan,
        reading: &Reading<'_>,
        batch: &mut [Selection],
        context: &Context<'_>,
    ) -> Result<(), Refusal> {
        let class = reading.class;
        // What is read here now must not be read under another domain later.
        for rule in rules(batch, &reading.held_protected) {
            self.pin(place, &crossing.place, rule).await?;
        }
        if reading.outcome == Outcome::Protected {
            return self.withhold(crossing, place, reading, batch, context).await;
        }
        let mut shown = reading.held_plain.clone();
        match self.reveal_held(place, reading, batch, context).await {
            Ok(()) => shown.extend(&reading.held_protected),
            // A key or the vault is away: the protected value may stay as it is if it
            // can be told from a plain one.
            Err(refusal) if refusal.fault == Fault::Unavailable && class.is_marked() => {
                notice(crossing, class, "reveal-unavailable");
                crossing.ledger.count(
                    &class.name,
                    "protected",
                    count(reading.held_protected.len()),
                );
            }
            Err(refusal) => return Err(refusal),
        }
        let fate = if reading.outcome == Outcome::Masked {
            shown.sort_unstable();
            for_each(batch, &shown, |value| *value = class.mask.apply(value));
            "masked"
        } else {
            "revealed"
        };
        crossing.ledger.count(&class.name, fate, count(shown.len()));
        Ok(())
    }

    /// For a reader without a right: protected values stay as they are; plain ones are
    /// protected on the way out if their class says how, else nothing of them is shown.
    async fn withhold(
        &self,
        crossing: &mut Crossing,
        place: &PlacePlan,
        reading: &Reading<'_>,
        batch: &mut [Selection],
        context: &Context<'_>,
    ) -> Result<(), Refusal> {
        let class = reading.class;
        crossing.ledger.count(&class.name, "protected", count(reading.held_protected.len()));
        let Stored::Plain(Some(protected)) = &class.stored else {
            let nothing = Mask::default();
            for_each(batch, &reading.held_plain, |value| *value = nothing.apply(value));
            crossing.ledger.count(&class.name, "withheld", count(reading.held_plain.len()));
            return Ok(());
        };
        let order: Vec<usize> = (0..batch.len()).collect();
        if !protected.is_computed() {
            self.pin_all(crossing, place, batch, &order).await?;
        }
        self.may_protect(protected, place, batch.first().map(|selection| selection.rule))?;
        method::protect(&protected.method, batch, &order, context)
            .await
            .map_err(|fault| unreadable(&fault, place, batch, &order))?;
        if protected.is_computed() {
            self.pin_all(crossing, place, batch, &order).await?;
        }
        crossing.ledger.count(&class.name, "protected", count(batch.len()));
        Ok(())
    }

    async fn reveal_held(
        &self,
        place: &PlacePlan,
        reading: &Reading<'_>,
        batch: &mut [Selection],
        context: &Context<'_>,
    ) -> Result<(), Refusal> {
        let Some(protected) = reading.class.protected() else { return Ok(()) };
        method::reveal(&protected.method, batch, &reading.held_protected, context)
            .await
            .map_err(|fault| unreadable(&fault, place, batch, &reading.held_protected))
    }
}

/// Whether the upstream holds this value protected. A value that could be a damaged
/// token is refused: it must be shown neither as plain nor as protected. Where the upstream
/// holds protected values only, one spelled otherwise than its format could be such too.
fn is_held_protected(
    protected: &Protected,
    place: &PlacePlan,
    selection: &Selection,
    context: &Context<'_>,
) -> Result<bool, Refusal> {
    let refused = |rule: &'static str, detail: String| {
        Err(Refusal::new(Fault::Upstream, rule, detail).at(field(place, selection)))
    };
    match protected.mark(&selection.value, context) {
        Mark::Protected(_) | Mark::Unmarked => Ok(true),
        Mark::Plain if place.on_unprotected == OnUnprotected::ByAccess => Ok(false),
        Mark::Neither(rule)
            if place.on_unprotected == OnUnprotected::ByAccess
                && is_foreign(rule)
                && !(place.holds_protected_only && protected.has_format()) =>
        {
            Ok(false)
        }
        Mark::Plain => refused(
            "unprotected",
            "there is a plain value where a protected one should be".to_owned(),
        ),
        Mark::Neither(rule) => refused("unreadable", format!("the value cannot be judged: {rule}")),
    }
}

fn unreadable(
    fault: &VaultedFault,
    place: &PlacePlan,
    batch: &[Selection],
    order: &[usize],
) -> Refusal {
    match fault {
        VaultedFault::Store(TokenError::Altered) => {
            Refusal::new(Fault::Upstream, "unreadable", "a stored value does not open")
        }
        VaultedFault::Store(_) => store_away(),
        VaultedFault::Fault(fault) => {
            let at = order.get(fault.index).and_then(|index| batch.get(*index));
            let whose = if fault.rule == allonym_protect::FaultRule::NoKey {
                (Fault::Unavailable, "key-unavailable")
            } else {
                (Fault::Upstream, "unreadable")
            };
            let refusal = Refusal::new(
                whose.0,
                whose.1,
                format!("the value cannot be revealed: {}", fault.rule),
            );
            match at {
                Some(selection) => refusal.at(field(place, selection)),
                None => refusal,
            }
        }
    }
}

/// Why a rule did not apply, as a notice says it.
const fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::PurposeRequired => "purpose-required",
        Reason::PurposeUnknown => "purpose-unknown",
        Reason::Expired => "rule-expired",
        Reason::NotYetValid => "rule-not-yet-valid",
    }
}

fn notice(crossing: &mut Crossing, class: &ClassPlan, reason: &'static str) {
    let notice = Notice { class: std::sync::Arc::clone(&class.name), reason };
    if !crossing.notices.contains(&notice) {
        crossing.notices.push(notice);
    }
}

fn for_each(batch: &mut [Selection], positions: &[usize], mut change: impl FnMut(&mut Value)) {
    for position in positions {
        if let Some(selection) = batch.get_mut(*position) {
            change(&mut selection.value);
        }
    }
}
