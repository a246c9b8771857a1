//! What goes on the record: the intent before a value is revealed, the result after.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use allonym_audit::{ClassCount, Event, EventKind};
use allonym_contract::{Crossing, Direction, Fault, Guard, Refusal};
use allonym_policy::{Outcome, ReadQuestion};

use super::Pipeline;
use crate::plan::PlacePlan;

impl Pipeline {
    /// Puts the intent on the record: who is about to see what, where and why. One for
    /// each crossing; it names every class of the place this reader may see, since a
    /// streamed answer meets them one after another.
    pub(super) async fn intend(
        &self,
        crossing: &mut Crossing,
        place: &PlacePlan,
    ) -> Result<(), Refusal> {
        if crossing.ledger.intent.is_some() {
            return Ok(());
        }
        let mut event = self.event(EventKind::Intent, crossing, "reveal");
        event.classes = self.readable(crossing, place);
        let accepted = self.shared.audit.accept(event, self.shared.durability).await;
        self.shared.on_record.store(accepted.is_ok(), Ordering::Release);
        match accepted {
            Ok(sequence) => {
                crossing.ledger.intent = Some(sequence);
                Ok(())
            }
            Err(error) => {
                self.shared.metrics.audit_refused();
                Err(Refusal::new(
                    Fault::Unavailable,
                    "audit-unavailable",
                    format!("nothing is revealed that is not on the record: {error}"),
                ))
            }
        }
    }

    /// The classes of a place that a reader may see, with their outcome.
    fn readable(&self, crossing: &Crossing, place: &PlacePlan) -> Vec<ClassCount> {
        let mut classes: Vec<usize> = place.fields.iter().map(|field| field.class).collect();
        classes.sort_unstable();
        classes.dedup();
        let seen = classes.into_iter().filter_map(|index| {
            let class = self.plan.classes.get(index)?;
            let decision = self.plan.policy.outcome(&ReadQuestion {
                roles: &crossing.principal.roles,
                class: &class.name,
                place: &crossing.place,
                purpose: crossing.purpose.as_deref(),
                now: SystemTime::now(),
            });
            let outcome = decision.ranked.first()?.outcome;
            let outcome = if outcome == Outcome::Plain { "plain" } else { "masked" };
            Some(ClassCount {
                class: class.name.to_string(),
                outcome: outcome.to_owned(),
                count: 0,
            })
        });
        seen.collect()
    }

    /// Ends a crossing: counts it, and puts its result (or its refusal) on the record.
    pub(super) async fn settle(&self, crossing: Crossing, result: Result<(), &Refusal>) {
        for (class, fate, values) in &crossing.ledger.counts {
            self.shared.metrics.fields(class, fate, *values);
        }
        let kind = match (crossing.ledger.intent, result) {
            (Some(_), _) => EventKind::Result,
            // Refusals of the way in are attempts: a laundered token, a code book.
            (None, Err(refusal)) if is_attempt(refusal) => EventKind::Refused,
            // Nothing was revealed, since a budget was spent: somebody should know.
            (None, Ok(())) if is_reduced(&crossing) => EventKind::Refused,
            _ => return,
        };
        let mut event = self.event(kind, &crossing, direction(crossing.direction));
        event.of = crossing.ledger.intent;
        event.outcome = Some(if result.is_ok() { "done" } else { "refused" }.to_owned());
        for notice in &crossing.notices {
            event.detail.insert(format!("notice.{}", notice.class), notice.reason.to_owned());
        }
        if let Err(refusal) = result {
            event.rule = Some(refusal.rule.to_owned());
            if let Some(field) = &refusal.field {
                event.detail.insert("field".to_owned(), field.clone());
            }
        }
        let counts = crossing.ledger.counts.iter();
        event.classes = counts
            .map(|(class, fate, values)| ClassCount {
                class: class.to_string(),
                outcome: (*fate).to_owned(),
                count: *values,
            })
            .collect();
        // The intent is on the record already: a result that cannot be written is an
        // alert, not a reason to take back what was answered.
        if self.shared.audit.accept(event, allonym_audit::Durability::Process).await.is_err() {
            self.shared.metrics.audit_refused();
        }
    }

    /// The purpose as the record may hold it: a caller can write anything into a header.
    fn purpose(&self, crossing: &Crossing) -> Option<String> {
        let said = crossing.purpose.as_deref()?;
        Some(if self.knows_purpose(said) { said } else { "(unknown)" }.to_owned())
    }

    fn event(&self, kind: EventKind, crossing: &Crossing, action: &str) -> Event {
        let event = Event::new(kind, crossing.principal.name.clone(), action);
        Event {
            request: Some(crossing.request.to_string()),
            place: Some(crossing.place.to_string()),
            purpose: self.purpose(crossing),
            ..event
        }
        .with_detail("revision", self.plan.revision.to_string())
    }
}

fn is_reduced(crossing: &Crossing) -> bool {
    crossing.notices.iter().any(|notice| notice.reason == "budget-spent")
}

fn is_attempt(refusal: &Refusal) -> bool {
    matches!(refusal.fault, Fault::Forbidden | Fault::TooMany | Fault::Unacceptable)
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::ToUpstream => "write",
        Direction::ToClient => "reveal",
    }
}
