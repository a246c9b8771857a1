//! Decisions by reading the rules as they are written, without Cedar and without memory.

use std::time::{Duration, UNIX_EPOCH};

use allonym_policy::{
    AccessRule, Decision, Effect, Missed, Policy, PolicyInput, PurposeRule, Question, Reason, Right,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const ROLES: [&str; 4] = ["a", "b", "c", "stranger"];
const CLASSES: [&str; 3] = ["x", "y", "z"];
const PURPOSES: [&str; 2] = ["p", "q"];
const PLACES: [&str; 3] = ["here", "there", "beyond"];

fn owned(names: Vec<&'static str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn names(from: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    subsequence(from.to_vec(), 1..=from.len()).prop_map(owned)
}

fn purpose() -> impl Strategy<Value = PurposeRule> {
    prop_oneof![
        3 => Just(PurposeRule::None),
        1 => Just(PurposeRule::Required),
        1 => names(&PURPOSES).prop_map(PurposeRule::OneOf),
    ]
}

fn rule() -> impl Strategy<Value = AccessRule> {
    let rights = btree_map(select(Right::ALL.to_vec()), names(&CLASSES), 1..3);
    let times = (option::weighted(0.3, 0u64..6), option::weighted(0.3, 0u64..6));
    let forbids = prop::bool::weighted(0.15);
    (
        select(ROLES[..3].to_vec()),
        rights,
        purpose(),
        option::of(names(&PLACES[..2])),
        times,
        forbids,
    )
        .prop_map(|(role, rights, purpose, places, (from, length), forbids)| {
            let time = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
            AccessRule {
                role: role.to_owned(),
                rights,
                purpose: if forbids { PurposeRule::None } else { purpose },
                places,
                not_before: from.map(time),
                valid_until: length.map(|length| time(from.unwrap_or(0) + 1 + length)),
                effect: if forbids { Effect::Forbid } else { Effect::Permit },
                ..AccessRule::default()
            }
        })
}

#[derive(Debug, Clone)]
struct Asked {
    roles: Vec<String>,
    right: Right,
    class: &'static str,
    place: &'static str,
    purpose: Option<&'static str>,
    seconds: u64,
}

fn asked() -> impl Strategy<Value = Asked> {
    let roles = subsequence(ROLES.to_vec(), 0..=4).prop_shuffle().prop_map(owned);
    let class = select(vec!["x", "y", "z", "unheard-of"]);
    let purpose = option::of(select(vec!["p", "q", "made up", ""]));
    (roles, select(Right::ALL.to_vec()), class, select(PLACES.to_vec()), purpose, 0u64..12)
        .prop_map(|(roles, right, class, place, purpose, seconds)| Asked {
            roles,
            right,
            class,
            place,
            purpose,
            seconds,
        })
}

fn expected(rules: &[AccessRule], asked: &Asked) -> Decision {
    let now = UNIX_EPOCH + Duration::from_secs(asked.seconds);
    let mut permits = vec![];
    let mut missed = vec![];
    let mut forbidden = false;
    for (index, rule) in rules.iter().enumerate() {
        let about_caller = asked.roles.contains(&rule.role);
        let classes = rule.rights.get(&asked.right).cloned().unwrap_or_default();
        let here = match &rule.places {
            None => true,
            Some(places) => places.iter().any(|place| place == asked.place),
        };
        if !about_caller || !classes.iter().any(|class| class == asked.class) || !here {
            continue;
        }
        let ended = rule.valid_until.is_some_and(|until| now >= until);
        let early = rule.not_before.is_some_and(|from| now < from);
        if rule.effect == Effect::Forbid {
            forbidden |= !ended && !early;
            continue;
        }
        let satisfied = match (&rule.purpose, asked.purpose) {
            (PurposeRule::None, _) => true,
            (_, None) => false,
            (PurposeRule::Required, Some(stated)) => PURPOSES.contains(&stated),
            (PurposeRule::OneOf(these), Some(stated)) => these.iter().any(|this| this == stated),
        };
        let reason = match (ended, early, satisfied, asked.purpose) {
            (true, ..) => Reason::Expired,
            (_, true, ..) => Reason::NotYetValid,
            (_, _, true, _) => {
                permits.push(index);
                continue;
            }
            (.., None) => Reason::PurposeRequired,
            (.., Some(_)) => Reason::PurposeUnknown,
        };
        missed.push(Missed { rule: index, right: asked.right, reason });
    }
    if forbidden {
        (permits, missed) = (vec![], vec![]);
    }
    Decision { permits: permits.into(), forbidden, missed: missed.into() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn cedar_and_memory_decide_as_the_rules_are_written(
        rules in vec(rule(), 0..7),
        questions in vec(asked(), 1..40),
    ) {
        let policy = Policy::compile(PolicyInput {
            rules: rules.clone(),
            classes: owned(CLASSES.to_vec()),
            purposes: owned(PURPOSES.to_vec()),
            revision: 1,
        }).unwrap();
        // Twice, so that the second answer is one that was kept.
        for asked in questions.iter().chain(&questions) {
            let decision = policy.decide(&Question {
                roles: &asked.roles,
                right: asked.right,
                class: asked.class,
                place: asked.place,
                purpose: asked.purpose,
                now: UNIX_EPOCH + Duration::from_secs(asked.seconds),
            });
            prop_assert_eq!(decision, expected(&rules, asked), "{:?} of {:?}", asked, rules);
        }
    }
}
