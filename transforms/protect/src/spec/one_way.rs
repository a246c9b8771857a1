use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DateFormat;

/// What moves by the same number of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftPer {
    /// All dates of the domain and scope: the days between them stay.
    Domain,
    /// Equal dates.
    Value,
}

/// The buckets of method `generalize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Buckets {
    /// Integers by multiples of this width, which is 2 or more: `40-49`, below 0 `-10..-1`.
    Width(u32),
    /// Integers by declared ranges `low..high`, both ends included, either of which may be
    /// negative. They ascend, and each begins where the one before it ends; only the first
    /// may be open below and the last above: `..17`, `18..64`, `65..`. The range takes the
    /// value's place as it is declared; a value in none is refused.
    Ranges(Vec<String>),
    /// A date's year, month (`2026-11`) or decade (`2020s`).
    Date {
        /// How the date is written.
        format: DateFormat,
        /// What is left of it.
        to: DatePart,
    },
    /// Texts by declared groups: what takes a value's place, and of which values. A value
    /// in no group is refused.
    Groups(BTreeMap<String, Vec<String>>),
}

/// What is left of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatePart {
    /// `2026-11`.
    Month,
    /// `2026`.
    Year,
    /// `2020s`.
    Decade,
}
