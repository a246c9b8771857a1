//! `allonym explain`: field → class → outcome → key version, and why. Asks the same
//! policy as the pipeline and reveals nothing.

use std::time::SystemTime;

use allonym_contract::Use;
use allonym_keyring::KeySet;
use allonym_policy::{Outcome, Question, ReadQuestion, Reason, Right};

use crate::api::{Explained, Problem};
use crate::plan::{ClassPlan, FieldPlan, PlacePlan, Plan, Stored};

/// What a role would see at a place.
///
/// # Errors
/// When the connector has no such place.
pub fn explain(
    plan: &Plan,
    keys: &KeySet,
    connector: &str,
    place: &str,
    role: &str,
    purpose: Option<&str>,
) -> Result<Vec<Explained>, Problem> {
    let (name, found) = find(plan, connector, place)?;
    let asked = Asked { plan, keys, place: &name, roles: &[role.to_owned()], purpose };
    Ok(found.fields.iter().filter_map(|field| asked.field(field)).collect())
}

/// Finds a place by its name, or by a concrete path that matches it.
fn find<'a>(
    plan: &'a Plan,
    connector: &str,
    place: &str,
) -> Result<(String, &'a PlacePlan), Problem> {
    let exact = format!("{connector} {place}");
    if let Some(found) = plan.places.get(exact.as_str()) {
        return Ok((exact, found));
    }
    let prefix = format!("{connector} ");
    let mut known: Vec<&str> = Vec::new();
    for (name, found) in &plan.places {
        let Some(template) = name.strip_prefix(&prefix) else { continue };
        if matches(template, place) {
            return Ok((name.to_string(), found));
        }
        known.push(template);
    }
    known.sort_unstable();
    Err(Problem::new(
        "place-unknown",
        format!("connector `{connector}` has no place `{place}`; it has: {}", known.join(", ")),
    ))
}

/// `GET /v1/charges/{id}` matches `GET /v1/charges/ch_1`.
fn matches(template: &str, place: &str) -> bool {
    let (mut left, mut right) = (template.split('/'), place.split('/'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || (a.starts_with('{') && !b.is_empty()) => {}
            _ => return false,
        }
    }
}

struct Asked<'a> {
    plan: &'a Plan,
    keys: &'a KeySet,
    place: &'a str,
    roles: &'a [String],
    purpose: Option<&'a str>,
}

impl Asked<'_> {
    fn field(&self, field: &FieldPlan) -> Option<Explained> {
        let class = self.plan.classes.get(field.class)?;
        let (outcome, because) = self.outcome(class);
        let right = match field.usage {
            Use::Content => Right::Write,
            Use::Search => Right::Search,
        };
        let may = self.may(right, class);
        let protected = class.method_of();
        Some(Explained {
            field: field.name.clone(),
            class: class.name.to_string(),
            method: protected.map_or_else(|| "stored plain".to_owned(), |p| p.method_name()),
            request: if may { right.word() } else { "refused" }.to_owned(),
            outcome: outcome.to_owned(),
            key_version: protected
                .and_then(|p| p.active_version(self.keys))
                .map(|version| version.to_string()),
            because,
        })
    }

    fn may(&self, right: Right, class: &ClassPlan) -> bool {
        let decision = self.plan.policy.decide(&Question {
            roles: self.roles,
            right,
            class: &class.name,
            place: self.place,
            purpose: self.purpose,
            now: SystemTime::now(),
        });
        !decision.forbidden && !decision.permits.is_empty()
    }

    fn outcome(&self, class: &ClassPlan) -> (&'static str, String) {
        let decision = self.plan.policy.outcome(&ReadQuestion {
            roles: self.roles,
            class: &class.name,
            place: self.place,
            purpose: self.purpose,
            now: SystemTime::now(),
        });
        let missed: Vec<String> = decision
            .missed
            .iter()
            .map(|missed| format!("access[{}] {}", missed.rule, reason(missed.reason)))
            .collect();
        let missed =
            if missed.is_empty() { String::new() } else { format!(" ({})", missed.join(", ")) };
        match decision.ranked.first() {
            Some(granted) => {
                let word = if granted.outcome == Outcome::Plain { "plain" } else { "masked" };
                (word, format!("access[{}]{missed}", granted.rule))
            }
            None => {
                let word = match &class.stored {
                    Stored::Plain(None) => "withheld",
                    _ => "protected",
                };
                (word, format!("no rule gives more{missed}"))
            }
        }
    }
}

/// Why a rule did not apply, for people.
#[must_use]
pub const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::PurposeRequired => "needs a purpose",
        Reason::PurposeUnknown => "needs another purpose",
        Reason::Expired => "has ended",
        Reason::NotYetValid => "has not begun",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_concrete_path_finds_its_place() {
        for (template, place, expected) in [
            ("GET /v1/charges/{id}", "GET /v1/charges/ch_1", true),
            ("GET /v1/charges/{id}", "GET /v1/charges/{id}", true),
            ("GET /v1/charges/{id}", "GET /v1/charges/", false),
            ("GET /v1/charges/{id}", "GET /v1/charges/ch_1/x", false),
            ("GET /v1/charges/{id}", "POST /v1/charges/ch_1", false),
        ] {
            assert_eq!(matches(template, place), expected, "{place}");
        }
    }
}
