//! The selected headers, query parameters and path segments of a message, as a record.

use allonym_contract::{Fault, Refusal, Use};
use allonym_record::{CannotInsert, EncodeError, Field, Record, Value};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::place::Place;
use crate::target::Target;

/// Texts that stand outside of a body.
#[derive(Default)]
pub(crate) struct Texts {
    fields: Vec<Field>,
    spots: Vec<Spot>,
}

/// A text that is only looked up.
pub(crate) struct Search {
    pub(crate) rule: usize,
    pub(crate) operand: Value,
    spot: Spot,
}

/// Where a text stands.
#[derive(Clone, PartialEq, Eq)]
enum Spot {
    /// The n-th line of this name.
    Header(HeaderName, usize),
    /// The n-th parameter.
    Query(usize),
    /// The n-th segment.
    Segment(usize),
}

impl Texts {
    /// The selected headers of a message.
    ///
    /// # Errors
    /// When one of them is not text.
    pub(crate) fn of_headers(place: &Place, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut texts = Self::default();
        for (rule, name) in &place.headers {
            for (index, value) in headers.get_all(name).iter().enumerate() {
                let text = std::str::from_utf8(value.as_bytes()).map_err(|_| {
                    Refusal::new(Fault::Malformed, "not-text", "the header is not text")
                        .at(place.rule(*rule))
                })?;
                texts.add(*rule, text, Spot::Header(name.clone(), index));
            }
        }
        Ok(texts)
    }

    /// Adds the selected parts of a target; those that are only looked up are returned.
    ///
    /// # Errors
    /// When the upstream could read the target differently.
    pub(crate) fn add_target(
        &mut self,
        place: &Place,
        target: &mut Target,
    ) -> Result<Vec<Search>, Refusal> {
        let mut searches = Vec::new();
        for operand in &place.params {
            let Some(segment) = target.segment(operand.at) else {
                continue;
            };
            let spot = Spot::Segment(operand.at);
            searches.extend(self.place(operand.rule, operand.usage, segment.as_str(), spot));
        }
        if place.query.is_empty() {
            return Ok(searches);
        }
        let pairs = target
            .pairs()
            .map_err(|says| Refusal::new(Fault::Malformed, "query-ambiguous", says))?;
        for (index, pair) in pairs.iter().enumerate() {
            for operand in &place.query {
                let name = pair.name.as_str();
                if name == operand.at {
                    let Some(value) = &pair.value else { continue };
                    let spot = Spot::Query(index);
                    searches.extend(self.place(operand.rule, operand.usage, value.as_str(), spot));
                } else if reads_like(name, &operand.at) {
                    let says = "a parameter is written so that some readers take it for another";
                    return Err(ambiguous("query-ambiguous", says, place.rule(operand.rule)));
                }
            }
        }
        Ok(searches)
    }

    /// Writes what was changed back.
    ///
    /// # Errors
    /// When a header cannot hold the new text.
    pub(crate) fn write_back(
        &self,
        place: &Place,
        headers: &mut HeaderMap,
        target: Option<&mut Target>,
    ) -> Result<(), Refusal> {
        let mut target = target;
        for (field, spot) in self.fields.iter().zip(&self.spots) {
            if field.is_changed() {
                let text = field.value().as_str().unwrap_or_default();
                put(spot, text, headers, target.as_deref_mut())
                    .map_err(|refusal| refusal.at(place.rule(field.rule)))?;
            }
        }
        Ok(())
    }

    /// Whether there is nothing to transform.
    pub(crate) const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn place(&mut self, rule: usize, usage: Use, text: &str, spot: Spot) -> Option<Search> {
        match usage {
            Use::Search => Some(Search { rule, operand: Value::text(text), spot }),
            Use::Content => {
                self.add(rule, text, spot);
                None
            }
        }
    }

    fn add(&mut self, rule: usize, text: &str, spot: Spot) {
        self.fields.push(Field::new(rule, Value::text(text), 0..0, false));
        self.spots.push(spot);
    }
}

impl Search {
    /// Puts the stored form in the place of the operand.
    pub(crate) fn write_back(&self, stored: &Value, target: &mut Target) -> Result<(), Refusal> {
        let text = stored.as_str().unwrap_or_default();
        put(&self.spot, text, &mut HeaderMap::new(), Some(target))
    }
}

impl Record for Texts {
    fn fields(&mut self) -> &mut [Field] {
        &mut self.fields
    }

    fn insert(&mut self, _: usize, _: &str, _: Value) -> Result<(), CannotInsert> {
        Err(CannotInsert)
    }
}

/// A changed value that the body's format cannot hold.
pub(crate) fn not_encodable(place: &Place, error: EncodeError) -> Refusal {
    Refusal::new(Fault::Unacceptable, "not-encodable", error.reason).at(place.rule(error.rule))
}

fn put(
    spot: &Spot,
    text: &str,
    headers: &mut HeaderMap,
    target: Option<&mut Target>,
) -> Result<(), Refusal> {
    match (spot, target) {
        (Spot::Header(name, index), _) => {
            let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
                Refusal::new(Fault::Unacceptable, "not-encodable", "a header cannot hold this")
            })?;
            value.set_sensitive(true);
            if let http::header::Entry::Occupied(mut lines) = headers.entry(name)
                && let Some(line) = lines.iter_mut().nth(*index)
            {
                *line = value;
            }
        }
        (Spot::Query(index), Some(target)) => {
            let pair = target.pairs().ok().and_then(|pairs| pairs.get_mut(*index));
            if let Some(value) = pair.and_then(|pair| pair.value.as_mut()) {
                value.replace(text);
            }
        }
        (Spot::Segment(index), Some(target)) => {
            if let Some(segment) = target.segment(*index) {
                segment.replace(text);
            }
        }
        (Spot::Query(_) | Spot::Segment(_), None) => {}
    }
    Ok(())
}

/// `email[]`, `email[0]`, `Email`, `email.` and ` email` are `email` to some readers, and
/// `full.name`, `full name` and `full[name` are `full_name`.
fn reads_like(name: &str, selected: &str) -> bool {
    let marks = |c: char| c.is_whitespace() || matches!(c, '.' | '[');
    let folded = |text: &str| -> String {
        let text = text.trim_matches(marks).chars();
        text.flat_map(char::to_lowercase).map(|c| if marks(c) { '_' } else { c }).collect()
    };
    let selected = folded(selected);
    let bare = name.trim_start_matches(marks).split('[').next().unwrap_or_default();
    folded(name) == selected || folded(bare) == selected
}

fn ambiguous(rule: &'static str, says: &'static str, field: &str) -> Refusal {
    Refusal::new(Fault::Malformed, rule, says).at(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_readers_take_for_another() {
        let check = |name: &str, selected: &str, expected: bool| {
            assert_eq!(reads_like(name, selected), expected, "{name} for {selected}");
        };
        for name in ["Email", "email[]", "email[0]", "email[a][b]", " email", "email ", "email."] {
            check(name, "email", true);
        }
        for name in ["email[", ".email", "[email", "EMAIL.[", "\u{a0}email"] {
            check(name, "email", true);
        }
        for name in ["full.name", "full name", "full[name", "Full.Name", "full_name[]"] {
            check(name, "full_name", true);
        }
        check("full_name", "full.name", true);
        for name in ["mail", "email2", "e.mail", "x[email]", "email_x", ""] {
            check(name, "email", false);
        }
        check("full-name", "full_name", false);
    }
}
