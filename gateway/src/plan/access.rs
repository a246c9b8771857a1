//! `access:` as a policy, and what its entries say besides.

use std::collections::BTreeMap;
use std::sync::Arc;

use allonym_policy::{
    AccessRule, Budget, Effect, OnBudget, Policy, PolicyInput, PurposeRule, Right,
};

use super::compile::Placed;
use super::{RulePlan, local_place};
use crate::config::{self, Config, ConfigErrors, Located, Purpose, Rule};

/// Compiles `access:` to Cedar.
pub(super) fn policy(
    config: &Config,
    revision: u64,
    placed: &[Placed],
) -> Result<Policy, ConfigErrors> {
    let input = PolicyInput {
        rules: config.access.iter().map(|rule| access_rule(rule, placed)).collect(),
        classes: config.data.iter().map(|class| class.name.clone()).collect(),
        purposes: config.purposes.iter().map(|purpose| purpose.value.clone()).collect(),
        revision,
    };
    Policy::compile(input).map_err(|errors| {
        let located = errors.into_iter().map(|error| {
            let at = config.access.get(error.rule).map(|rule| rule.at).unwrap_or_default();
            config.error_at(at, error.message, None)
        });
        ConfigErrors(located.collect())
    })
}

/// Budgets and the like, for each entry in file order.
pub(super) fn rules(config: &Config) -> Vec<RulePlan> {
    let plan = |rule: &Rule| RulePlan {
        role: rule.role.value.clone(),
        write: rule.budget.write,
        search: rule.budget.search,
        reveal: rule.budget.reveal,
        refuse_when_spent: rule.on_budget == config::OnBudget::Refuse,
    };
    config.access.iter().map(plan).collect()
}

fn access_rule(rule: &Rule, placed: &[Placed]) -> AccessRule {
    let names = |classes: &[Located<String>]| classes.iter().map(|c| c.value.clone()).collect();
    let mut rights: BTreeMap<Right, Vec<String>> = BTreeMap::new();
    for (right, classes) in [
        (Right::Reveal, &rule.reveal),
        (Right::Mask, &rule.mask),
        (Right::Search, &rule.search),
        (Right::Write, &rule.write),
        (Right::WriteToken, &rule.write_token),
    ] {
        if !classes.is_empty() {
            rights.insert(right, names(classes));
        }
    }
    AccessRule {
        role: rule.role.value.clone(),
        rights,
        purpose: match &rule.purpose {
            Purpose::Any => PurposeRule::None,
            Purpose::Required => PurposeRule::Required,
            Purpose::OneOf(purposes) => PurposeRule::OneOf(names(purposes)),
        },
        budget: Budget {
            write: rule.budget.write,
            search: rule.budget.search,
            reveal: rule.budget.reveal,
        },
        on_budget: match rule.on_budget {
            config::OnBudget::NextBest => OnBudget::NextBest,
            config::OnBudget::Refuse => OnBudget::Refuse,
        },
        places: places(rule, placed),
        not_before: None,
        valid_until: rule.until,
        effect: if rule.forbid { Effect::Forbid } else { Effect::Permit },
    }
}

/// A connector's name stands for all of its places; `local` for those of the local socket.
fn places(rule: &Rule, placed: &[Placed]) -> Option<Vec<String>> {
    if rule.places.is_empty() {
        return None;
    }
    let mut names = Vec::new();
    for place in &rule.places {
        if place.value == "local" {
            let classes = rule.rights().into_iter().flat_map(|(_, classes)| classes);
            names.extend(classes.map(|class| local_place(&class.value).to_string()));
            continue;
        }
        let meant =
            |known: &&Placed| known.connector == place.value || *known.spec.name == *place.value;
        names.extend(
            placed.iter().filter(meant).map(|known| Arc::clone(&known.spec.name).to_string()),
        );
    }
    Some(names)
}
