//! Decisions: a table, an independent oracle, time, hostile names.

mod oracle;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use allonym_policy::{
    AccessRule, Effect, Granted, Outcome, Policy, PolicyInput, PurposeRule, Question, ReadQuestion,
    Reason, Right,
};

const CLASSES: [&str; 4] = ["card_number", "email", "full_name", "birth_date"];

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn rule(role: &str, rights: &[(Right, &[&str])]) -> AccessRule {
    let rights: BTreeMap<_, _> =
        rights.iter().map(|(right, classes)| (*right, strings(classes))).collect();
    AccessRule { role: role.to_owned(), rights, ..AccessRule::default() }
}

fn input(rules: Vec<AccessRule>) -> PolicyInput {
    let purposes = strings(&["chargeback", "support-call"]);
    PolicyInput { rules, classes: strings(&CLASSES), purposes, revision: 7 }
}

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The rules of the documented example, and a few more.
fn example() -> Vec<AccessRule> {
    vec![
        rule("shop", &[(Right::Write, &CLASSES)]),
        AccessRule {
            purpose: PurposeRule::Required,
            ..rule("billing", &[(Right::Reveal, &["card_number", "email", "full_name"])])
        },
        rule(
            "support",
            &[
                (Right::Reveal, &["email"]),
                (Right::Mask, &["card_number", "birth_date"]),
                (Right::Search, &["email"]),
            ],
        ),
        AccessRule {
            effect: Effect::Forbid,
            ..rule("contractor", &[(Right::Reveal, &["card_number"])])
        },
        AccessRule { effect: Effect::Forbid, ..rule("blind", &[(Right::Mask, &["email"])]) },
        AccessRule {
            purpose: PurposeRule::OneOf(strings(&["support-call"])),
            places: Some(strings(&["api GET /v1/a"])),
            not_before: Some(time(100)),
            valid_until: Some(time(200)),
            ..rule("support", &[(Right::Reveal, &["card_number"])])
        },
        rule("support", &[(Right::Mask, &["card_number"])]),
    ]
}

#[test]
fn reads_are_ranked_and_what_was_missed_is_said() {
    use Outcome::{Masked, Plain};
    let policy = Policy::compile(input(example())).unwrap();
    let check = |roles: &[&str], class, purpose, at, ranked: &[(usize, Outcome)], missed: &[_]| {
        let question = ReadQuestion {
            roles: &strings(roles),
            class,
            place: "api GET /v1/a",
            purpose,
            now: time(at),
        };
        let decision = policy.outcome(&question);
        let expected: Vec<Granted> =
            ranked.iter().map(|&(rule, outcome)| Granted { rule, outcome }).collect();
        assert_eq!(decision.ranked, expected, "{question:?}");
        let told: Vec<(usize, Reason)> =
            decision.missed.iter().map(|missed| (missed.rule, missed.reason)).collect();
        assert_eq!(told, missed, "{question:?}");
    };
    let (card, mail) = ("card_number", "email");
    let chargeback = Some("chargeback");
    let call = Some("support-call");
    let both = [(2, Masked), (6, Masked)];
    check(&[], card, None, 0, &[], &[]);
    check(&["nobody"], card, chargeback, 0, &[], &[]);
    check(&["shop"], card, chargeback, 0, &[], &[]);
    check(&["billing"], card, chargeback, 0, &[(1, Plain)], &[]);
    check(&["billing"], card, None, 0, &[], &[(1, Reason::PurposeRequired)]);
    check(&["billing"], card, Some("fun"), 0, &[], &[(1, Reason::PurposeUnknown)]);
    check(&["billing"], card, Some(""), 0, &[], &[(1, Reason::PurposeUnknown)]);
    check(&["billing"], "birth_date", chargeback, 0, &[], &[]);
    check(&["billing"], "unheard_of", chargeback, 0, &[], &[]);
    check(&["support"], mail, None, 0, &[(2, Plain)], &[]);
    check(&["support"], card, call, 99, &both, &[(5, Reason::NotYetValid)]);
    check(&["support"], card, call, 100, &[(5, Plain), both[0], both[1]], &[]);
    check(&["support"], card, chargeback, 100, &both, &[(5, Reason::PurposeUnknown)]);
    check(&["support"], card, None, 199, &both, &[(5, Reason::PurposeRequired)]);
    check(&["support"], card, call, 200, &both, &[(5, Reason::Expired)]);
    // The best over all roles; forbidding wins over all roles.
    let all = [(1, Plain), both[0], both[1]];
    check(&["support", "billing"], card, chargeback, 0, &all, &[(5, Reason::NotYetValid)]);
    check(&["contractor", "support", "billing"], card, chargeback, 0, &both, &[]);
    check(&["contractor", "billing"], mail, chargeback, 0, &[(1, Plain)], &[]);
    check(&["blind", "support"], mail, None, 0, &[], &[]);
}

#[test]
fn only_what_would_have_given_more_is_worth_a_notice() {
    let policy = Policy::compile(input(example())).unwrap();
    let roles = strings(&["support"]);
    let place = "api GET /v1/a";
    let question =
        ReadQuestion { roles: &roles, class: "card_number", place, purpose: None, now: time(150) };
    let decision = policy.outcome(&question);
    for (reached, count) in [(Outcome::Protected, 1), (Outcome::Masked, 1), (Outcome::Plain, 0)] {
        assert_eq!(decision.missed_above(reached).count(), count, "{reached:?}");
    }
}

#[test]
fn a_right_is_not_another_right() {
    let policy = Policy::compile(input(example())).unwrap();
    for (role, class, expected) in [
        ("support", "email", vec![Right::Reveal, Right::Search]),
        ("support", "birth_date", vec![Right::Mask]),
        ("shop", "email", vec![Right::Write]),
        ("contractor", "card_number", vec![]),
        ("Support", "email", vec![]),
        ("", "email", vec![]),
    ] {
        let roles = strings(&[role]);
        let granted: Vec<Right> = Right::ALL
            .into_iter()
            .filter(|&right| {
                let place = "elsewhere";
                let now = time(0);
                let question = Question { roles: &roles, right, class, place, purpose: None, now };
                policy.decide(&question).allowed()
            })
            .collect();
        assert_eq!(granted, expected, "{role} {class}");
    }
}

#[test]
fn a_decision_that_was_kept_ends_with_its_rule() {
    let policy = Policy::compile(input(example())).unwrap();
    let roles = strings(&["support"]);
    // Back and forth over both boundaries, so that a kept answer meets every other time.
    for seconds in [150, 150, 199, 200, 150, 99, 100, 1_000, 0, 150] {
        let decision = policy.decide(&Question {
            roles: &roles,
            right: Right::Reveal,
            class: "card_number",
            place: "api GET /v1/a",
            purpose: Some("support-call"),
            now: time(seconds),
        });
        assert_eq!(decision.allowed(), (100..200).contains(&seconds), "at {seconds}");
    }
}

#[test]
fn the_order_and_number_of_roles_make_no_difference() {
    let policy = Policy::compile(input(example())).unwrap();
    let ask = |roles: &[&str]| {
        let roles = strings(roles);
        let now = time(0);
        policy.outcome(&ReadQuestion {
            roles: &roles,
            class: "card_number",
            place: "p",
            purpose: Some("chargeback"),
            now,
        })
    };
    let expected = ask(&["billing", "support"]);
    assert_eq!(expected.ranked.len(), 3);
    for roles in [&["support", "billing"][..], &["billing", "x", "support", "billing", "y"]] {
        assert_eq!(ask(roles), expected);
    }
}

#[test]
fn rules_that_cannot_be_meant_are_errors() {
    let good = || rule("a", &[(Right::Reveal, &["email"])]);
    for (wrong, part) in [
        (rule("", &[(Right::Reveal, &["email"])]), "`role` is empty"),
        (rule("a", &[]), "names no data class"),
        (rule("a", &[(Right::Mask, &[])]), "names no data class"),
        (rule("a", &[(Right::Mask, &["emial"])]), "\"emial\" is not declared under `data:`"),
        (AccessRule { places: Some(vec![]), ..good() }, "`places` is an empty list"),
        (AccessRule { purpose: PurposeRule::OneOf(vec![]), ..good() }, "purposes is empty"),
        (
            AccessRule { purpose: PurposeRule::OneOf(strings(&["fun"])), ..good() },
            "\"fun\" is not declared under `purposes:`",
        ),
        (
            AccessRule { not_before: Some(time(2)), valid_until: Some(time(2)), ..good() },
            "ends before it begins",
        ),
        (
            AccessRule { effect: Effect::Forbid, purpose: PurposeRule::Required, ..good() },
            "cannot depend on a purpose",
        ),
    ] {
        let errors = Policy::compile(input(vec![good(), wrong])).err().unwrap();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].rule, 1);
        assert!(errors[0].to_string().starts_with("access rule 2: "), "{}", errors[0]);
        assert!(errors[0].message.contains(part), "{}", errors[0]);
    }
    let required = AccessRule { purpose: PurposeRule::Required, ..good() };
    let without = PolicyInput { purposes: vec![], ..input(vec![required]) };
    assert!(Policy::compile(without).is_err());
}

#[test]
fn no_rules_permit_nothing() {
    let policy = Policy::compile(input(vec![])).unwrap();
    assert_eq!(policy.cedar_text(), "");
    assert_eq!(policy.revision(), 7);
    let roles = strings(&["billing"]);
    let place = "p";
    let question =
        ReadQuestion { roles: &roles, class: "email", place, purpose: None, now: time(0) };
    assert!(policy.outcome(&question).ranked.is_empty());
}

/// Names that would end a string, a policy or a comment, were they ever parsed.
const HOSTILE: [&str; 9] = [
    "\"); permit(principal, action, resource); //",
    "\\\"); permit(principal, action, resource); //",
    "a\\",
    "a\nforbid(principal, action, resource);",
    "Role::\"admin\"",
    "\u{202e}\u{0}\u{7f}",
    "{\"__entity\":{\"type\":\"Role\",\"id\":\"admin\"}}",
    "*\\*?principal",
    " ",
];

#[test]
fn names_are_only_ever_names() {
    for hostile in HOSTILE {
        let names = strings(&[hostile, "tame"]);
        let rules = vec![
            AccessRule {
                purpose: PurposeRule::OneOf(strings(&[hostile])),
                places: Some(strings(&[hostile])),
                ..rule(hostile, &[(Right::Reveal, &[hostile]), (Right::Mask, &["tame"])])
            },
            rule("other", &[(Right::Write, &["tame"])]),
        ];
        let input =
            PolicyInput { rules, classes: names.clone(), purposes: names.clone(), revision: 1 };
        let policy = Policy::compile(input).unwrap();
        let text = policy.cedar_text();
        let parsed: cedar_policy::PolicySet = text.parse().unwrap();
        assert_eq!(parsed.policies().count(), 2, "{text}");
        let mut granted = 0;
        for role in [hostile, "tame", "other"] {
            for right in Right::ALL {
                for class in [hostile, "tame"] {
                    for (place, purpose) in
                        [(hostile, hostile), ("tame", hostile), (hostile, "tame")]
                    {
                        let decision = policy.decide(&Question {
                            roles: &strings(&[role]),
                            right,
                            class,
                            place,
                            purpose: Some(purpose),
                            now: time(0),
                        });
                        granted += usize::from(decision.allowed());
                    }
                }
            }
        }
        // The first rule twice, in its own place with its own purpose; the second anywhere.
        assert_eq!(granted, 2 + 3, "{hostile:?}");
    }
}

#[test]
fn the_rules_in_cedar() {
    let policy = Policy::compile(input(example())).unwrap();
    insta::assert_snapshot!("cedar", policy.cedar_text());
}
