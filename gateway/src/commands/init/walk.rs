//! The fields of samples, by path.

use std::collections::BTreeMap;

use serde_json::Value;

use super::checks;

/// A field as all samples of a route show it.
#[derive(Default)]
pub(super) struct Seen {
    /// The names on the way to it, the field's own last; without array steps.
    pub(super) names: Vec<String>,
    /// How many values were text and not empty.
    pub(super) texts: usize,
    /// How many were numbers.
    pub(super) numbers: usize,
    /// How many looked like each shape.
    pub(super) cards: usize,
    pub(super) printed_cards: usize,
    pub(super) ibans: usize,
    pub(super) printed_ibans: usize,
    pub(super) emails: usize,
    pub(super) e164: usize,
}

/// What was found in the samples of one route.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) by_path: BTreeMap<String, Seen>,
    /// Objects whose keys look like values.
    pub(super) keyed_by_values: Vec<String>,
}

/// How many fields are looked at before the rest is left out.
const MOST_FIELDS: usize = 5_000;

impl Fields {
    /// Takes a document in.
    pub(super) fn add(&mut self, document: &Value) {
        self.walk(document, "$", &[]);
    }

    fn walk(&mut self, value: &Value, path: &str, names: &[&str]) {
        match value {
            Value::Object(map) if map.keys().any(|key| checks::value_like(key)) => {
                if !self.keyed_by_values.iter().any(|known| known == path) {
                    self.keyed_by_values.push(path.to_owned());
                }
                map.values().for_each(|value| self.walk(value, &format!("{path}[*]"), names));
            }
            Value::Object(map) => {
                for (key, value) in map {
                    let names: Vec<&str> = names.iter().copied().chain([key.as_str()]).collect();
                    self.walk(value, &format!("{path}{}", step(key)), &names);
                }
            }
            Value::Array(values) => {
                values.iter().for_each(|value| self.walk(value, &format!("{path}[*]"), names));
            }
            Value::String(text) if !text.is_empty() => {
                if let Some(seen) = self.seen(path, names) {
                    seen.texts += 1;
                    seen.count(text);
                }
            }
            Value::Number(number) => {
                if let Some(seen) = self.seen(path, names) {
                    seen.numbers += 1;
                    seen.count(&number.to_string());
                }
            }
            Value::String(_) | Value::Bool(_) | Value::Null => {}
        }
    }

    fn seen(&mut self, path: &str, names: &[&str]) -> Option<&mut Seen> {
        if self.by_path.len() >= MOST_FIELDS && !self.by_path.contains_key(path) {
            return None;
        }
        let seen = self.by_path.entry(path.to_owned()).or_default();
        if seen.names.is_empty() {
            seen.names = names.iter().map(|&name| name.to_owned()).collect();
        }
        Some(seen)
    }
}

impl Seen {
    pub(super) fn values(&self) -> usize {
        self.texts + self.numbers
    }

    fn count(&mut self, text: &str) {
        let compact = checks::compact(text);
        let printed = compact != text;
        self.cards += usize::from(checks::card(text));
        self.printed_cards += usize::from(printed && checks::card(&compact));
        self.ibans += usize::from(checks::iban(text));
        self.printed_ibans += usize::from(printed && checks::iban(&compact));
        self.emails += usize::from(checks::email(text));
        self.e164 += usize::from(checks::e164(text));
    }
}

/// A member step (RFC 9535, section 2.5.1): short where it may be.
fn step(key: &str) -> String {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let short = key.starts_with(first) && key.chars().all(|c| first(c) || c.is_ascii_digit());
    if short {
        return format!(".{key}");
    }
    let mut quoted = String::from("['");
    for c in key.chars() {
        if matches!(c, '\'' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "']"
}
