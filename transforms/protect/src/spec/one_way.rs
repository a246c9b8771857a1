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
    /// Integers by multiples of this width: `40-49`.
    Width(u32),
    /// Integers by declared ranges, in ascending order, the first and last of which may
    /// be open: `-17`, `18-64`, `65-`.
    Ranges(Vec<String>),
    /// A date's year, month (`2026-11`) or decade (`2020s`).
    Date {
        /// How the date is written.
        format: DateFormat,
        /// What is left of it.
        to: DatePart,
    },
    /// Texts by declared groups: members and what takes their place.
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
