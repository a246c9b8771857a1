//! One-way: the bucket of a value takes its place, as text. How many values share a bucket
//! is for whoever declares the buckets to know.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use allonym_record::Value;

use crate::mask::irreversible;
use crate::{
    Buckets, Context, DateFormat, DatePart, Fault, FaultRule, Mark, SpecError, Transform, header,
};

/// The method of a domain.
pub(crate) fn build(buckets: &Buckets) -> Result<Arc<dyn Transform>, SpecError> {
    Ok(match buckets {
        // Buckets of one integer would hold the value itself.
        Buckets::Width(0 | 1) => {
            return Err(SpecError::Invalid("`width` of method `generalize` is 2 or more"));
        }
        Buckets::Width(width) => Arc::new(Generalize::Width(i128::from(*width))),
        Buckets::Ranges(declared) => Arc::new(Generalize::Ranges(ranges(declared)?)),
        Buckets::Date { format, to } => Arc::new(Generalize::Date { format: *format, to: *to }),
        Buckets::Groups(groups) => Arc::new(Generalize::Groups(members(groups)?)),
    })
}

/// The bucket of a value takes its place.
enum Generalize {
    Width(i128),
    /// In ascending order, without gaps.
    Ranges(Vec<Range>),
    Date {
        format: DateFormat,
        to: DatePart,
    },
    /// The group of each member.
    Groups(HashMap<String, String>),
}

/// A declared range of integers, both ends included.
struct Range {
    from: i64,
    to: i64,
    declared: String,
}

impl Generalize {
    fn bucket(&self, value: &Value) -> Result<String, FaultRule> {
        header::judge(value)?;
        match self {
            Self::Width(width) => {
                let from = i128::from(integer(value)?).div_euclid(*width) * width;
                // A hyphen before a negative number would be read as two.
                let between = if from < 0 { ".." } else { "-" };
                Ok(format!("{from}{between}{}", from + width - 1))
            }
            Self::Ranges(ranges) => {
                let value = integer(value)?;
                let at = ranges.partition_point(|range| range.to < value);
                let range = ranges.get(at).filter(|range| range.from <= value);
                range.map(|range| range.declared.clone()).ok_or(FaultRule::Range)
            }
            Self::Date { format, to } => {
                let date = format.of(value)?;
                Ok(match to {
                    DatePart::Month => format!("{:04}-{:02}", date.year(), date.month()),
                    DatePart::Year => format!("{:04}", date.year()),
                    DatePart::Decade => format!("{:03}0s", date.year() / 10),
                })
            }
            Self::Groups(members) => match value {
                Value::Text(text) => members.get(text.as_str()).cloned().ok_or(FaultRule::Range),
                _ => Err(FaultRule::Kind),
            },
        }
    }
}

impl Transform for Generalize {
    fn protect(&self, batch: &mut [&mut Value], _: &Context<'_>) -> Result<(), Fault> {
        for (index, value) in batch.iter_mut().enumerate().filter(|(_, value)| !value.is_empty()) {
            **value = Value::text(self.bucket(value).map_err(|rule| Fault { index, rule })?);
        }
        Ok(())
    }

    fn reveal(&self, batch: &mut [&mut Value], _: &Context<'_>) -> Result<(), Fault> {
        irreversible(batch)
    }

    fn mark(&self, _: &Value, _: &Context<'_>) -> Mark {
        Mark::Unmarked
    }

    fn stored_forms(&self, _: &Value, _: &Context<'_>) -> Result<Vec<Value>, Fault> {
        Err(Fault { index: 0, rule: FaultRule::NotSearchable })
    }

    fn is_marked(&self) -> bool {
        false
    }

    fn is_reversible(&self) -> bool {
        false
    }
}

/// The integer of a number or a text.
fn integer(value: &Value) -> Result<i64, FaultRule> {
    let text = value.as_str().ok_or(FaultRule::Kind)?;
    if !is_integer(text) {
        return Err(FaultRule::Structure);
    }
    text.parse().map_err(|_| FaultRule::Range)
}

/// Whether text is an integer in the one form it has: no plus, no zero before it, no -0.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let numeric = !digits.is_empty() && digits.bytes().all(|symbol| symbol.is_ascii_digit());
    numeric && (text == "0" || !digits.starts_with('0'))
}

/// The ranges that were declared.
fn ranges(declared: &[String]) -> Result<Vec<Range>, SpecError> {
    let mut ranges: Vec<Range> = Vec::with_capacity(declared.len());
    for (at, text) in declared.iter().enumerate() {
        let (from, to) = ends(text).ok_or(SpecError::Invalid(
            "a range of method `generalize` is not of the form `..17`, `18..64` or `65..`",
        ))?;
        if (from.is_none() && at > 0) || (to.is_none() && at + 1 < declared.len()) {
            return Err(SpecError::Invalid(
                "only the first range of method `generalize` is open below, and the last above",
            ));
        }
        let (from, to) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
        let follows = ranges.last().is_none_or(|last| last.to.checked_add(1) == Some(from));
        if !follows || from > to {
            return Err(SpecError::Invalid(
                "ranges of method `generalize` ascend, and each begins where the one before it ends",
            ));
        }
        ranges.push(Range { from, to, declared: text.clone() });
    }
    if ranges.is_empty() {
        return Err(SpecError::Invalid("method `generalize` needs ranges"));
    }
    Ok(ranges)
}

/// Both ends of a range, of which one may be open.
fn ends(text: &str) -> Option<(Option<i64>, Option<i64>)> {
    let end = |text: &str| match text {
        "" => Some(None),
        _ if is_integer(text) => text.parse().ok().map(Some),
        _ => None,
    };
    let (from, to) = text.split_once("..")?;
    match (end(from)?, end(to)?) {
        (None, None) => None,
        ends => Some(ends),
    }
}

/// The group of each member.
fn members(groups: &BTreeMap<String, Vec<String>>) -> Result<HashMap<String, String>, SpecError> {
    let mut known = HashMap::new();
    for (group, members) in groups {
        if group.is_empty() || members.is_empty() {
            return Err(SpecError::Invalid(
                "a group of method `generalize` has no name, or no members",
            ));
        }
        for member in members {
            if member.is_empty() || header::judge(&Value::text(member.as_str())).is_err() {
                return Err(SpecError::Invalid(
                    "a member of a group of method `generalize` is empty, looks like a mask, or carries a mark",
                ));
            }
            if known.insert(member.clone(), group.clone()).is_some() {
                return Err(SpecError::Invalid(
                    "a member of a group of method `generalize` is in two groups, or twice in one",
                ));
            }
        }
    }
    if known.is_empty() {
        return Err(SpecError::Invalid("method `generalize` needs groups"));
    }
    Ok(known)
}
