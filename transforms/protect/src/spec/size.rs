use super::{MethodSpec, Spec, SpecError};
use crate::fpe::Format;
use crate::token;

/// From how many values on FF1 has its full strength (10^13, halves of 22 bits and more).
const FULL: u128 = 10_000_000_000_000;

/// How many values are enciphered among themselves, for one kind of value of a domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Size {
    /// What they have in common: `length 16`.
    pub what: String,
    /// How many there are; `None` if they are more than a `u128` holds.
    pub values: Option<u128>,
    /// The logarithm of that to base 2.
    pub bits: f64,
    /// How they are enciphered, and how well.
    pub cipher: SizeClass,
}

/// How a domain of some size is enciphered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeClass {
    /// Fewer than 10^6 values: a keyed permutation table.
    Table,
    /// Fewer than 10^13: FF1, where tweaks and quotas are advised.
    Short,
    /// FF1 at its full strength.
    Full,
    /// Not enciphered: so many tokens can be issued to values with the same kept parts.
    Counter,
}

impl Size {
    fn new(what: String, values: Option<u128>, bits: f64) -> Self {
        let cipher = match values {
            Some(values) if values < crate::template::SMALLEST_DOMAIN => SizeClass::Table,
            Some(values) if values < FULL => SizeClass::Short,
            _ => SizeClass::Full,
        };
        Self { what, values, bits, cipher }
    }
}

/// The sizes of a specification's domain, one for each kind of value that can be told from
/// outside: what a domain report shows. Empty for methods that do not encipher among the
/// values of a format.
///
/// # Errors
/// When the specification cannot be had.
pub fn sizes(spec: &Spec) -> Result<Vec<Size>, SpecError> {
    let template = match &spec.method {
        MethodSpec::Fpe { template, .. } => template,
        MethodSpec::Token { template, .. } => {
            let rooms = token::rooms(template)?;
            return Ok(rooms.into_iter().map(|(length, room)| of_counter(length, room)).collect());
        }
        _ => return Ok(Vec::new()),
    };
    Ok(match Format::build(template)? {
        Format::Positional(template) => template.layouts().iter().filter_map(of_layout).collect(),
        Format::Ranked(numbers) => numbers
            .classes()
            .iter()
            .map(|class| Size::new(class.name.clone(), Some(class.size), bits(class.size)))
            .collect(),
    })
}

/// The size of a layout is that of its smallest run.
fn of_layout(layout: &crate::template::Layout) -> Option<Size> {
    let run = layout.smallest()?;
    let mut what = layout.name.clone();
    if layout.runs.len() > 1 {
        what = format!("{what}: {} characters of {}", run.len(), run.radix);
    }
    if layout.given_away > 1 {
        what.push_str(", the check digit being known");
    }
    let values = run.size().map(|size| size / u128::from(layout.given_away));
    Some(Size::new(what, values, values.map_or_else(|| run.bits(), bits)))
}

fn of_counter(length: usize, room: u64) -> Size {
    let (what, values) = (format!("length {length}, of one kept part"), u128::from(room));
    Size { what, values: Some(values), bits: bits(values), cipher: SizeClass::Counter }
}

#[expect(clippy::cast_precision_loss, reason = "a report shows a few digits")]
fn bits(size: u128) -> f64 {
    (size as f64).log2()
}
