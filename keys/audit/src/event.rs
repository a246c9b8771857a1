use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One thing that happened, or is about to. Names and counts only: whoever makes an
/// event puts no value of a field into any part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What kind of line it is.
    pub kind: EventKind,
    /// The request it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Who did it, as authenticated.
    pub actor: String,
    /// What was done: `reveal`, `protect`, `keys.rotate` …
    pub action: String,
    /// Where data passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How many values of each data class met which outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassCount>,
    /// Why it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The rule that decided, for a refusal the one that refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Which versions of which keys were used.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub key_versions: BTreeMap<String, Vec<u32>>,
    /// What else is to be said, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
    /// The sequence number of the intent a result belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
}

/// What kind of line an event makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Something is about to be done.
    Intent,
    /// What came of an intent.
    Result,
    /// Something was refused.
    Refused,
    /// An act of administration.
    Admin,
    /// The process started.
    Start,
    /// The process stopped in good order.
    Stop,
    /// A line that a crash left incomplete was cut off; written by the log itself.
    Recovered,
}

/// How many values of a class met an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCount {
    /// The data class.
    pub class: String,
    /// The outcome: `plain`, `masked`, `protected`, `refused` …
    pub outcome: String,
    /// How many values.
    pub count: u64,
}

/// What an acknowledged event survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The end of the process: it was handed to the kernel before it was acknowledged,
    /// and is on the disk within the flush time (10 ms by default).
    Process,
    /// The loss of power: it was on the disk before it was acknowledged.
    Power,
}

impl Event {
    /// An event that says no more than who did what.
    #[must_use]
    pub fn new(kind: EventKind, actor: impl Into<String>, action: impl Into<String>) -> Self {
        Self {
            kind,
            request: None,
            actor: actor.into(),
            action: action.into(),
            place: None,
            classes: Vec::new(),
            purpose: None,
            outcome: None,
            rule: None,
            key_versions: BTreeMap::new(),
            detail: BTreeMap::new(),
            of: None,
        }
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with_detail(mut self, name: impl Into<String>, what: impl Into<String>) -> Self {
        self.detail.insert(name.into(), what.into());
        self
    }
}
