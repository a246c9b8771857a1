use allonym_record::Value;
use serde::{Deserialize, Serialize};

use crate::{Context, Fault, FaultRule, Keep, Mark, Transform};

/// Characters that a mask with `keep` leaves where they are.
const SEPARATORS: [char; 10] = [' ', '-', '.', '/', ':', '@', '_', '(', ')', '+'];

/// What takes the place of a text without `keep`: it does not even tell the length.
const HIDDEN: &str = "***";

/// Which characters are hidden.
///
/// Without `keep`, text becomes `***`, numbers and booleans null. With it, every
/// character but the kept ones and the separators space `-` `.` `/` `:` `@` `_` `(` `)`
/// `+` becomes `*`; a number becomes text, a boolean null. Ends are counted in characters,
/// separators too. Where that would hide nothing, every character is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// What stays in clear; nothing, not even the length, where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
}

impl Mask {
    /// A mask that leaves these characters, and separators, in clear.
    #[must_use]
    pub const fn keeping(keep: Keep) -> Self {
        Self { keep: Some(keep) }
    }

    /// The masked form. Null and empty text stay as they are.
    #[must_use]
    pub fn apply(&self, value: &Value) -> Value {
        match (value, self.keep) {
            _ if value.is_empty() => value.clone(),
            (Value::Text(_), None) => Value::text(HIDDEN),
            (Value::Text(content) | Value::Number(content), Some(keep)) => {
                Value::text(hide(content, keep))
            }
            _ => Value::Null,
        }
    }
}

/// The characters of a text but for those kept, which are hidden too if they are all.
fn hide(text: &str, keep: Keep) -> String {
    let length = text.chars().count();
    let end = length.saturating_sub(keep.last);
    let mut hidden = 0;
    let masked = text
        .chars()
        .enumerate()
        .map(|(at, symbol)| {
            if at < keep.first || at >= end || SEPARATORS.contains(&symbol) {
                symbol
            } else {
                hidden += 1;
                '*'
            }
        })
        .collect();
    if hidden == 0 { "*".repeat(length) } else { masked }
}

impl Transform for Mask {
    fn protect(&self, batch: &mut [&mut Value], _: &Context<'_>) -> Result<(), Fault> {
        for value in batch {
            **value = self.apply(value);
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

/// Refuses to reveal anything that holds something.
pub(crate) fn irreversible(batch: &[&mut Value]) -> Result<(), Fault> {
    match batch.iter().position(|value| !value.is_empty()) {
        Some(index) => Err(Fault { index, rule: FaultRule::Irreversible }),
        None => Ok(()),
    }
}

/// Whether text of no alphabet in particular looks like a mask: it has a mask character,
/// or holds nothing but X.
pub(crate) fn looks_masked(text: &str) -> bool {
    let only_x = || {
        let mut symbols = text.chars().filter(|symbol| !SEPARATORS.contains(symbol));
        symbols.all(|symbol| matches!(symbol, 'X' | 'x'))
    };
    has_mask_symbol(text) || (has_run_of_x(text, 3) && only_x())
}

/// Whether text has a character that stands for a hidden one.
pub(crate) fn has_mask_symbol(text: &str) -> bool {
    text.contains(['*', '•'])
}

/// Whether text has `length` times X, or x, in a row.
pub(crate) fn has_run_of_x(text: &str, length: usize) -> bool {
    text.as_bytes()
        .chunk_by(|one, next| one == next)
        .any(|run| run.len() >= length && matches!(run.first(), Some(b'X' | b'x')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_and_what_is_hidden() {
        let keep = |first, last| Some(Keep { first, last });
        let text = Value::text;
        for (keep, value, expected) in [
            (None, text("Anna"), text("***")),
            (None, text(""), text("")),
            (None, Value::Null, Value::Null),
            (None, Value::number("42"), Value::Null),
            (None, Value::Bool(true), Value::Null),
            (keep(0, 4), text("4929120000006466"), text("************6466")),
            (keep(0, 4), Value::number("4929120000006466"), text("************6466")),
            (keep(0, 4), text("4929-1200-0000-6466"), text("****-****-****-6466")),
            (keep(4, 0), text("1984-02-29"), text("1984-**-**")),
            (keep(1, 0), text("ann@example.com"), text("a**@*******.***")),
            (keep(2, 2), text("Zoë Müller"), text("Zo* ****er")),
            (keep(0, 0), text("+49 (30) 1"), text("+** (**) *")),
            (keep(4, 0), text("Anna"), text("****")),
            (keep(2, 2), text("Eve"), text("***")),
            (keep(4, 0), text("Anna."), text("*****")),
            (keep(0, 0), text("-"), text("*")),
            (keep(usize::MAX, usize::MAX), text("Anna"), text("****")),
            (keep(4, 0), text(""), text("")),
            (keep(4, 0), Value::Null, Value::Null),
            (keep(4, 0), Value::Bool(false), Value::Null),
        ] {
            let masked = Mask { keep }.apply(&value);
            assert_eq!(masked.as_str(), expected.as_str());
            assert!(masked == expected, "{keep:?}");
        }
    }

    #[test]
    fn masks_are_told_from_values() {
        for (text, expected) in [
            ("***", true),
            ("Anna*", true),
            ("•••• 1234", true),
            ("XXX", true),
            ("xx-xxx", true),
            ("XX", false),
            ("XXXL", false),
            ("Anna", false),
            ("Maxx Exxon", false),
        ] {
            assert_eq!(looks_masked(text), expected, "{text}");
        }
    }

    #[test]
    fn the_configuration_has_no_other_fields() {
        let parse = |json| serde_json::from_str::<Mask>(json).ok();
        assert_eq!(parse("{}"), Some(Mask { keep: None }));
        let last = Some(Keep { first: 0, last: 4 });
        assert_eq!(parse(r#"{"keep":{"last":4}}"#), Some(Mask { keep: last }));
        assert_eq!(parse(r#"{"keeps":{"last":4}}"#), None);
        assert_eq!(parse(r#"{"keep":{"lest":4}}"#), None);
    }
}
