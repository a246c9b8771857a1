use std::fmt;

use super::SelectorError;
use super::parse::Parser;

/// A place in a document: the part of RFC 9535 (`JSONPath`) that can be decided while
/// the document streams by. Names, non-negative indices, wildcards and descendants;
/// no filters, slices, negative indices or unions. What it selects must be single
/// values, so `$` alone is for documents that are one scalar.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    segments: Vec<Segment>,
}

/// One step down a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Whether it applies at any depth below (`..`), not only to the direct children.
    pub descendant: bool,
    /// Which children it takes.
    pub step: Step,
}

/// Which children of an object or array a [`Segment`] takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The members of this name (unescaped), in objects.
    Name(String),
    /// The element of this index, counted from 0, in arrays.
    Index(u64),
    /// All members and elements.
    Any,
}

impl Path {
    /// Reads a path such as `$.items[*].card['number']` or `$..email`.
    ///
    /// # Errors
    /// When the text is not a path, or uses a part of RFC 9535 that a stream cannot serve.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser::new(text);
        if !parser.take("$") {
            return Err(parser.wrong("a path begins with $"));
        }
        let mut segments = Vec::new();
        while let Some(segment) = parser.segment()? {
            segments.push(segment);
        }
        Ok(Self { segments })
    }

    /// The steps from the root; none for `$`, which is the whole document.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl From<Vec<Segment>> for Path {
    fn from(segments: Vec<Segment>) -> Self {
        Self { segments }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        self.segments.iter().try_for_each(|segment| segment.fmt(f))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.descendant {
            f.write_str("..")?;
        }
        match &self.step {
            Step::Any if self.descendant => f.write_str("*"),
            Step::Any => f.write_str("[*]"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Name(name) if is_plain(name) => {
                f.write_str(if self.descendant { "" } else { "." })?;
                f.write_str(name)
            }
            Step::Name(name) => quoted(name, f),
        }
    }
}

/// Whether a character may begin a name that is written without quotes (RFC 9535, 2.5.1.1).
pub(super) const fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

/// Whether a character may follow in a name that is written without quotes.
pub(super) const fn continues_name(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit()
}

fn is_plain(name: &str) -> bool {
    name.starts_with(begins_name) && name.chars().all(continues_name)
}

/// Writes a name as in a normalized path (RFC 9535, 2.7).
fn quoted(name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("['")?;
    for c in name.chars() {
        match c {
            '\'' => f.write_str("\\'")?,
            '\\' => f.write_str("\\\\")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("']")
}
