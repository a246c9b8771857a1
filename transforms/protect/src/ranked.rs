//! Ranked formats: the values of a format are numbered, the number is enciphered, and the
//! value of the new number takes the place of the old one.
//!
//! ```text
//!   text ──rank──▶ (class, number, slot) ──encipher 0..size──▶ number ──unrank──▶ text
//! ```
//!
//! What can be told of a value from outside (its length, its country) is its class: values
//! of a class are enciphered among themselves.

mod date;
mod decimal;
mod integer;
mod ip;
mod national;
mod regex;
mod timestamp;
mod uuid;
mod window;

use zeroize::Zeroizing;

use crate::{FaultRule, SpecError, TemplateSpec};

/// A format whose values are numbered.
pub(crate) trait Ranked: Send + Sync {
    /// All classes there are.
    fn classes(&self) -> &[Class];

    /// Class, number and slot of a value; refuses what is not of the format. Of two texts
    /// that are not the same, never both have the same class, number, slot and kept parts.
    fn rank(&self, text: &str) -> Result<Rank, FaultRule>;

    /// The same of a value written as a number, where numbers have more forms than text.
    fn rank_number(&self, written: &str) -> Result<Rank, FaultRule> {
        self.rank(written)
    }

    /// The value of this rank, with the kept parts of `like`, which is of the same class.
    /// The inverse of [`Ranked::rank`].
    fn unrank(&self, rank: Rank, like: &str) -> Result<Zeroizing<String>, FaultRule>;

    /// Writes down the parts of a value that stay in clear, as [`crate::tweak`] says.
    fn append_kept(&self, _text: &str, _typed: &mut Vec<u8>) -> Result<(), FaultRule> {
        Ok(())
    }

    /// Whether anything stays in clear: then no class may be so small that it needs a table.
    fn keeps(&self) -> bool {
        false
    }

    /// Whether values written as a number fit too, digit for digit as text.
    fn takes_numbers(&self) -> bool {
        false
    }

    /// Whether a value that fits is a mask all the same.
    fn looks_masked(&self, _text: &str) -> bool {
        false
    }

    /// How many versions a value can carry in its check digits or by its range: slots 1 to
    /// this number. 0: it has no room.
    fn slots(&self) -> u32 {
        0
    }
}

/// Values that are enciphered among themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    /// What they have in common, as reports name it: `length 9`.
    pub(crate) name: String,
    /// How many there are.
    pub(crate) size: u128,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rank {
    /// The index of its class.
    pub(crate) class: usize,
    /// Its number in the class, from 0.
    pub(crate) number: u128,
    /// Which version's slot it shows; 0 where check digits hold, or there are none.
    pub(crate) slot: u32,
}

/// The ranked format of a specification; `None` if it is not of a ranked format.
pub(crate) fn build(spec: &TemplateSpec) -> Option<Result<Box<dyn Ranked>, SpecError>> {
    Some(match spec {
        TemplateSpec::Integer { from, to, width, reserved } => {
            integer::build(*from, *to, *width, reserved)
        }
        TemplateSpec::Decimal { from, to, scale } => decimal::build(*from, *to, *scale),
        TemplateSpec::Date { format, from, to } => date::build(*format, from, to),
        TemplateSpec::Timestamp { format, from, to } => timestamp::build(*format, from, to),
        TemplateSpec::Uuid => uuid::build(),
        TemplateSpec::Ipv4 { keep } => ip::build_v4(*keep),
        TemplateSpec::Ipv6 { keep } => ip::build_v6(*keep),
        TemplateSpec::National { id } => national::build(id),
        TemplateSpec::Regex { pattern, max } => regex::build(pattern, *max),
        TemplateSpec::Pan { .. }
        | TemplateSpec::Digits { .. }
        | TemplateSpec::Alphanumeric { .. }
        | TemplateSpec::Phone
        | TemplateSpec::Iban
        | TemplateSpec::String { .. }
        | TemplateSpec::Email { .. } => return None,
    })
}
