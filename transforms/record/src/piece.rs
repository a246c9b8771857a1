use std::ops::Range;

use crate::Value;

/// Something with addressable fields: a JSON body, a header block, a row.
pub trait Record: Send {
    /// The selected fields, in the order in which they stand.
    fn fields(&mut self) -> &mut [Field];

    /// Puts a new member beside a field (a sidecar version, for instance).
    ///
    /// # Errors
    /// When the format or the field's surroundings have no room for a sibling.
    fn insert(&mut self, beside: usize, name: &str, value: Value) -> Result<(), CannotInsert>;
}

/// One selected value.
#[derive(Debug)]
pub struct Field {
    /// Which rule of the place selected it.
    pub rule: usize,
    /// What it holds. Change it by [`Field::replace`].
    value: Value,
    changed: bool,
    /// Where it stands in the piece.
    span: Range<usize>,
    /// Whether it is the member of an object (and may get siblings).
    member: bool,
    sibling: Vec<(String, Value)>,
}

/// There is no room for a sibling here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field cannot get a sibling")]
pub struct CannotInsert;

/// A changed value cannot be written in this format. Names the rule, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EncodeError {
    /// Which rule selected the field.
    pub rule: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl Field {
    /// A field as it was found.
    #[must_use]
    pub fn new(rule: usize, value: Value, span: Range<usize>, member: bool) -> Self {
        Self { rule, value, changed: false, span, member, sibling: Vec::new() }
    }

    /// What it holds.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// Whether a new value was put in.
    #[must_use]
    pub const fn is_changed(&self) -> bool {
        self.changed
    }

    /// Where it stands in its piece, in bytes.
    #[must_use]
    pub const fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// Puts a new value in. The same value again changes nothing: the original bytes stay.
    pub fn replace(&mut self, value: Value) {
        self.changed |= value != self.value;
        self.value = value;
    }
}

/// Bytes that are complete, with the selected values lifted out.
pub struct Piece {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    encode: Encode,
}

/// How a format writes a value in the place of a span, and a sibling after it.
#[derive(Clone, Copy)]
pub struct Encode {
    /// Appends the value as the format writes it.
    pub value: fn(&Value, &mut Vec<u8>) -> Result<(), &'static str>,
    /// Appends a sibling member, with what separates it from the one before.
    pub sibling: fn(&str, &Value, &mut Vec<u8>) -> Result<(), &'static str>,
}

impl Piece {
    /// A piece of these bytes; the fields' spans lie in it, in ascending order.
    #[must_use]
    pub fn new(bytes: Vec<u8>, fields: Vec<Field>, encode: Encode) -> Self {
        Self { bytes, fields, encode }
    }

    /// Whether it holds no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes it holds before any change.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes, with changed values in the place of the old ones. What was not
    /// changed leaves exactly as it came.
    ///
    /// # Errors
    /// When the format cannot write a changed value (a number that would begin with 0).
    pub fn into_bytes(mut self) -> Result<Vec<u8>, EncodeError> {
        if self.fields.iter().all(|field| !field.changed && field.sibling.is_empty()) {
            return Ok(std::mem::take(&mut self.bytes));
        }
        let mut out = Vec::with_capacity(self.bytes.len() + self.bytes.len() / 4);
        let mut done = 0;
        for field in &self.fields {
            let failed = |reason| EncodeError { rule: field.rule, reason };
            let lost = || failed("the field lies outside its piece");
            out.extend_from_slice(self.bytes.get(done..field.span.start).ok_or_else(lost)?);
            if field.changed {
                (self.encode.value)(&field.value, &mut out).map_err(failed)?;
            } else {
                out.extend_from_slice(self.bytes.get(field.span.clone()).ok_or_else(lost)?);
            }
            for (name, value) in &field.sibling {
                (self.encode.sibling)(name, value, &mut out).map_err(failed)?;
            }
            done = field.span.end;
        }
        out.extend_from_slice(self.bytes.get(done..).unwrap_or_default());
        Ok(out)
    }
}

impl Record for Piece {
    fn fields(&mut self) -> &mut [Field] {
        &mut self.fields
    }

    fn insert(&mut self, beside: usize, name: &str, value: Value) -> Result<(), CannotInsert> {
        match self.fields.get_mut(beside) {
            Some(field) if field.member => {
                field.sibling.push((name.to_owned(), value));
                Ok(())
            }
            _ => Err(CannotInsert),
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // As a slice it is wiped in bulk; as a `Vec`, byte by byte.
        zeroize::Zeroize::zeroize(self.bytes.as_mut_slice());
    }
}
