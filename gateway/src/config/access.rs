use std::fmt;
use std::time::SystemTime;

use allonym_contract::Location;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Located;
use super::error::Problems;
use super::units;

/// One entry of `access:`: what a role may do. What no entry allows is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub at: Location,
    /// Whom it is about.
    pub role: Located<String>,
    /// Classes that are read in plain.
    pub reveal: Vec<Located<String>>,
    /// Classes that are read masked.
    pub mask: Vec<Located<String>>,
    /// Classes that are looked up by equality.
    pub search: Vec<Located<String>>,
    /// Classes whose plain values are written.
    pub write: Vec<Located<String>>,
    /// Classes whose protected values are written as they are.
    pub write_token: Vec<Located<String>>,
    /// Which purpose must be given.
    pub purpose: Purpose,
    /// How much, in values per minute and principal.
    pub budget: Budget,
    /// What happens when it is spent.
    pub on_budget: OnBudget,
    /// Where it holds; empty: everywhere. `connector` or `connector place`.
    pub places: Vec<Located<String>>,
    /// Until when it holds; a date means until its end in UTC.
    pub until: Option<SystemTime>,
    /// It forbids what it lists, whatever other entries allow.
    pub forbid: bool,
}

impl Rule {
    /// The five rights by name, each with the classes it is given for.
    pub fn rights(&self) -> [(&'static str, &[Located<String>]); 5] {
        [
            ("reveal", &self.reveal),
            ("mask", &self.mask),
            ("search", &self.search),
            ("write", &self.write),
            ("write_token", &self.write_token),
        ]
    }
}

/// Which purpose must be given for a rule to apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// None.
    #[default]
    Any,
    /// One of `purposes:`.
    Required,
    /// One of these.
    OneOf(Vec<Located<String>>),
}

/// Values per minute and principal; absent: not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Plain values that are protected.
    pub write: Option<u64>,
    /// Operands that are looked up.
    pub search: Option<u64>,
    /// Values that are revealed.
    pub reveal: Option<u64>,
}

/// What happens when a budget is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBudget {
    /// The rule does not apply, and the next best outcome holds.
    #[default]
    NextBest,
    /// The request is refused (429).
    Refuse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleTyped {
    role: Located<String>,
    #[serde(default)]
    reveal: Vec<Located<String>>,
    #[serde(default)]
    mask: Vec<Located<String>>,
    #[serde(default)]
    search: Vec<Located<String>>,
    #[serde(default)]
    write: Vec<Located<String>>,
    #[serde(default)]
    write_token: Vec<Located<String>>,
    #[serde(default)]
    purpose: PurposeTyped,
    budget: Option<Located<Budget>>,
    on_budget: Option<Located<OnBudget>>,
    #[serde(default)]
    places: Vec<Located<String>>,
    until: Option<Located<String>>,
    #[serde(default)]
    forbid: bool,
}

/// `purpose:` as typed: a word or a list.
#[derive(Default)]
struct PurposeTyped(Vec<Located<String>>);

impl<'de> Deserialize<'de> for PurposeTyped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrList;

        impl<'de> Visitor<'de> for WordOrList {
            type Value = Vec<Located<String>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`required`, a purpose, or a list of purposes")
            }

            fn visit_str<E>(self, word: &str) -> Result<Self::Value, E> {
                Ok(vec![Located::new(word.to_owned(), Location::default())])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq))
            }
        }

        struct Words(Vec<Located<String>>);
        impl<'de> Deserialize<'de> for Words {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(WordOrList).map(Words)
            }
        }

        let Located { value: Words(mut words), at } = Located::<Words>::deserialize(deserializer)?;
        for word in &mut words {
            if word.at == Location::default() {
                word.at = at;
            }
        }
        Ok(Self(words))
    }
}

pub(super) fn convert(typed: Located<RuleTyped>, problems: &mut Problems) -> Rule {
    let Located { value: typed, at } = typed;
    let until = typed.until.as_ref().and_then(|until| {
        let instant = units::instant(&until.value);
        if instant.is_none() {
            let hint = "for instance `2027-03-31` (until its end, UTC) or `2027-03-31T12:00:00Z`";
            problems.add(until.at, "`until` is neither a date nor a date-time", hint);
        }
        instant
    });
    let budget = typed.budget.as_ref().map(|budget| budget.value).unwrap_or_default();
    if let Some(typed) = &typed.budget {
        let zero = [budget.write, budget.search, budget.reveal].contains(&Some(0));
        if zero {
            problems.add(
                typed.at,
                "a budget of 0 lets nothing through",
                "leave the right out instead",
            );
        }
    }
    let purpose = match typed.purpose.0.as_slice() {
        [] => Purpose::Any,
        [word] if word.value == "required" => Purpose::Required,
        _ => Purpose::OneOf(typed.purpose.0),
    };
    let rule = Rule {
        at,
        role: typed.role,
        reveal: typed.reveal,
        mask: typed.mask,
        search: typed.search,
        write: typed.write,
        write_token: typed.write_token,
        purpose,
        budget,
        on_budget: typed.on_budget.map(|on| on.value).unwrap_or_default(),
        places: typed.places,
        until,
        forbid: typed.forbid,
    };
    check_sense(&rule, problems);
    rule
}

/// Entries that say nothing, or mean less than they look like.
fn check_sense(rule: &Rule, problems: &mut Problems) {
    if rule.role.value.is_empty() {
        problems.add(rule.role.at, "`role` is empty", "");
    }
    if rule.role.value == "anonymous" {
        let hint = "callers without a credential have no role and no right: what they see is protected or masked";
        problems.add(rule.role.at, "`anonymous` is not a role", hint);
    }
    if rule.rights().iter().all(|(_, classes)| classes.is_empty()) {
        let hint = "list classes under `reveal`, `mask`, `search`, `write` or `write_token`";
        problems.add(rule.at, "this entry gives no right", hint);
    }
    if rule.forbid && (rule.budget != Budget::default() || rule.purpose != Purpose::Any) {
        let hint = "what is forbidden is forbidden for every purpose and from the first value on";
        problems.add(rule.at, "`forbid` with a `budget` or a `purpose` has no meaning", hint);
    }
    for (right, spent, classes) in [
        ("write", rule.budget.write, &rule.write),
        ("search", rule.budget.search, &rule.search),
        ("reveal", rule.budget.reveal, &rule.reveal),
    ] {
        if spent.is_some() && classes.is_empty() {
            let message = format!("a budget for `{right}`, but no class to {right}");
            problems.add(rule.at, message, "a budget counts against the entry it stands in");
        }
    }
}
