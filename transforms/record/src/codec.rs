//! Formats. A codec turns bytes into [`Piece`]s and never panics on any bytes.

pub mod json;

use crate::Piece;

/// Reads one format, chunk by chunk. Cutting the input anywhere gives the same result.
pub trait Codec: Send {
    /// Takes the next bytes and hands out what is complete. A selected value that is
    /// not complete yet is held back (up to a limit) and comes with a later piece.
    ///
    /// # Errors
    /// When the bytes are not of this format, or exceed a limit. After an error the
    /// codec is of no further use; nothing of the refused chunk may be forwarded.
    fn push(&mut self, chunk: &[u8]) -> Result<Piece, CodecError>;

    /// Ends the input and hands out the rest.
    ///
    /// # Errors
    /// When the document is not complete.
    fn finish(&mut self) -> Result<Piece, CodecError>;
}

/// Why bytes were refused: what and where, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Not of the format.
    #[error("not valid: {reason} at byte {offset}")]
    Malformed {
        /// What the grammar says.
        reason: &'static str,
        /// Offset from the start of the document, in bytes.
        offset: u64,
    },
    /// Valid, but over a configured limit.
    #[error("over the limit: {limit} at byte {offset}")]
    Limit {
        /// Which limit.
        limit: &'static str,
        /// Offset from the start of the document, in bytes.
        offset: u64,
    },
    /// A rule selects an object or an array; only single values can be transformed.
    #[error("rule {rule} selects an object or array at byte {offset}")]
    Composite {
        /// Which rule.
        rule: usize,
        /// Offset from the start of the document, in bytes.
        offset: u64,
    },
    /// A name differs in case only from one that a rule waits for at this place, and some
    /// readers take the one for the other.
    #[error("holding a name at byte {offset} that differs in case only from one of rule {rule}")]
    AmbiguousName {
        /// Which rule.
        rule: usize,
        /// Offset from the start of the document, in bytes.
        offset: u64,
    },
    /// Two rules select the same value and do not agree.
    #[error("rules {first} and {second} both select the value at byte {offset}")]
    Ambiguous {
        /// One rule.
        first: usize,
        /// The other.
        second: usize,
        /// Offset from the start of the document, in bytes.
        offset: u64,
    },
}
