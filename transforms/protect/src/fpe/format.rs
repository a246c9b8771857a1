use allonym_record::Value;

use super::numbers::Numbers;
use crate::mask::{has_mask_symbol, has_run_of_x};
use crate::template::{self, Template};
use crate::{FaultRule, SpecError, TemplateSpec, TimestampFormat, VersionMode, ranked};

/// A format of either kind.
pub(crate) enum Format {
    /// Characters are enciphered where they stand.
    Positional(Box<dyn Template>),
    /// Values are numbered, and the numbers are enciphered.
    Ranked(Numbers),
}

/// A value that is inside a format.
pub(crate) struct Fit {
    /// Its layout or class: values of one are enciphered together.
    pub(crate) group: usize,
    /// 0 if its check digits are valid, or there are none.
    pub(crate) slot: u32,
    /// Its number, where values are numbered.
    pub(crate) number: u128,
}

impl Format {
    pub(crate) fn build(spec: &TemplateSpec) -> Result<Self, SpecError> {
        Ok(match ranked::build(spec) {
            Some(ranked) => Self::Ranked(Numbers::new(ranked?)?),
            None => Self::Positional(template::build(spec)?),
        })
    }

    /// What a value is by the form of its text alone (of what follows its header, if it has
    /// one).
    pub(super) fn fit(&self, value: &Value, text: &str) -> Result<Fit, FaultRule> {
        let masked = |rule| {
            if has_mask_symbol(text) || has_run_of_x(text, 2) { FaultRule::Masked } else { rule }
        };
        match self {
            Self::Positional(template) => {
                let group = template.fit(text).map_err(masked)?;
                Ok(Fit { group, slot: template.slot(text.as_bytes())?, number: 0 })
            }
            Self::Ranked(numbers) => numbers.fit(value, text).map_err(masked),
        }
    }

    pub(super) fn takes_numbers(&self) -> bool {
        match self {
            Self::Positional(template) => template.takes_numbers(),
            Self::Ranked(numbers) => numbers.format.takes_numbers(),
        }
    }

    pub(super) fn looks_masked(&self, text: &str) -> bool {
        match self {
            Self::Positional(template) => template.looks_masked(text),
            Self::Ranked(numbers) => numbers.format.looks_masked(text),
        }
    }

    pub(super) fn slots(&self) -> u32 {
        match self {
            Self::Positional(template) => template.slots(),
            Self::Ranked(numbers) => numbers.format.slots(),
        }
    }

    /// The radices of FF1.
    pub(super) fn radices(&self) -> Vec<u32> {
        let mut radices: Vec<u32> = match self {
            Self::Positional(template) => template
                .layouts()
                .iter()
                .flat_map(|layout| layout.runs.iter().map(|run| run.radix))
                .collect(),
            Self::Ranked(numbers) => numbers.radices().collect(),
        };
        radices.sort_unstable();
        radices.dedup();
        radices
    }

    /// How many tables one key version and scope has, and how many bytes they take.
    pub(super) fn tables(&self) -> (usize, usize) {
        match self {
            Self::Positional(_) => (0, 0),
            Self::Ranked(numbers) => numbers.tables(),
        }
    }
}

/// Refuses a version mode that a template cannot have.
pub(super) fn check_mode(
    template: &TemplateSpec,
    mode: VersionMode,
    slots: u32,
) -> Result<(), SpecError> {
    let refused = |why| Err(SpecError::Mode { template: template.name(), mode: mode.name(), why });
    let has_ranges =
        matches!(template, TemplateSpec::Integer { reserved, .. } if !reserved.is_empty());
    match mode {
        VersionMode::Reserved if !matches!(template, TemplateSpec::Integer { .. }) => refused(
            "only integers have ranges to reserve; use `version: sidecar`, `version: pinned` or, for text that may grow, `version: header`",
        ),
        VersionMode::Reserved if !has_ranges => {
            refused("it needs `reserved:`, where the range of each key version begins")
        }
        VersionMode::Reserved => Ok(()),
        _ if has_ranges => refused("`reserved:` is for `version: reserved` only"),
        VersionMode::Slack if slots == 0 => Err(SpecError::NoSlack(template.name())),
        VersionMode::Header => match template {
            TemplateSpec::Pan { .. } | TemplateSpec::Iban => refused(
                "its check digits carry the version and its length is fixed by a standard; use `version: slack`",
            ),
            TemplateSpec::Integer { width: None, .. }
            | TemplateSpec::Decimal { .. }
            | TemplateSpec::Timestamp {
                format: TimestampFormat::Epoch | TimestampFormat::EpochMillis,
                ..
            } => refused(
                "a number cannot have a header; use `version: sidecar` or `version: pinned`, for integers also `version: reserved`",
            ),
            _ => Ok(()),
        },
        VersionMode::Slack | VersionMode::Sidecar | VersionMode::Epoch | VersionMode::Pinned => {
            Ok(())
        }
    }
}
