//! JSON (RFC 8259), read strictly and rewritten by span.
//!
//! The reader validates everything that it lets pass and selects on the way. What it
//! refuses: anything before or after the one document (byte order marks too), invalid
//! UTF-8, control characters and halves of surrogate pairs in strings, numbers that
//! begin with 0, `NaN`, comments, and whatever is over its [`Limits`]. Names are compared
//! after unescaping, and every one of several members of the same name is selected.

mod escape;
mod fold;
mod number;
mod program;
mod run;
mod scanner;
mod skim;

use std::sync::Arc;

use zeroize::Zeroize;

pub use program::Program;

use super::{Codec, CodecError};
use crate::Piece;
use scanner::{Input, Scanner};

/// How much of a document is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many objects and arrays may stand in one another.
    pub depth: usize,
    /// How long a selected value may be, in bytes as written, quotes included. Nothing
    /// limits a value that is not selected: it is never held back.
    pub value_bytes: usize,
    /// How many values may be selected.
    pub fields: usize,
    /// How long the name of a member may be, in bytes as written, quotes included.
    pub key_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 128, value_bytes: 1 << 20, fields: 100_000, key_bytes: 1 << 16 }
    }
}

/// Reads one JSON document.
pub struct Json {
    scanner: Scanner,
    /// Bytes that were read and not handed out: a name or value that is not complete.
    held: Vec<u8>,
    /// How many bytes were handed out.
    base: u64,
    /// What every call answers from now on.
    over: Option<CodecError>,
}

impl Json {
    /// A reader for one document of the program's place.
    #[must_use]
    pub fn new(program: Arc<Program>, limits: Limits) -> Self {
        Self { scanner: Scanner::new(program, limits), held: Vec::new(), base: 0, over: None }
    }

    /// The same, for a document whose next reader may be generous with names: one that
    /// differs in case only from a name that a rule waits for is refused with
    /// [`CodecError::AmbiguousName`], as it would pass unselected here and be taken for
    /// the selected one there.
    #[must_use]
    pub fn strict_names(program: Arc<Program>, limits: Limits) -> Self {
        let mut json = Self::new(program, limits);
        json.scanner.refuse_alike();
        json
    }

    fn read(&mut self, chunk: &[u8]) -> Result<Piece, CodecError> {
        let at = self.held.len();
        append(&mut self.held, chunk);
        let mut fields = Vec::new();
        let mut input = Input { bytes: &self.held, at, base: self.base };
        self.scanner.scan(&mut input, &mut fields)?;
        let whole = self.held.len();
        let keep =
            self.scanner.held_from().map_or(whole, |from| from.saturating_sub(self.base) as usize);
        if keep == 0 {
            return Ok(Piece::new(Vec::new(), fields, escape::ENCODE));
        }
        let mut bytes = std::mem::take(&mut self.held);
        if let Some(open) = bytes.get_mut(keep..) {
            self.held = open.to_vec();
            open.zeroize();
        }
        bytes.truncate(keep);
        self.base += keep as u64;
        Ok(Piece::new(bytes, fields, escape::ENCODE))
    }

    fn end(&mut self) -> Result<Piece, CodecError> {
        let mut fields = Vec::new();
        let input = Input { bytes: &self.held, at: self.held.len(), base: self.base };
        self.scanner.finish(&input, &mut fields)?;
        Ok(Piece::new(std::mem::take(&mut self.held), fields, escape::ENCODE))
    }

    fn fail(&mut self, error: CodecError) -> CodecError {
        self.over = Some(error);
        self.held.as_mut_slice().zeroize();
        self.held.clear();
        error
    }
}

impl Codec for Json {
    fn push(&mut self, chunk: &[u8]) -> Result<Piece, CodecError> {
        match self.over {
            Some(error) => Err(error),
            None => self.read(chunk).map_err(|error| self.fail(error)),
        }
    }

    fn finish(&mut self) -> Result<Piece, CodecError> {
        if let Some(error) = self.over {
            return Err(error);
        }
        let offset = self.base + self.held.len() as u64;
        let rest = self.end().map_err(|error| self.fail(error))?;
        self.over = Some(CodecError::Malformed { reason: "the document has ended", offset });
        Ok(rest)
    }
}

impl Drop for Json {
    fn drop(&mut self) {
        self.held.as_mut_slice().zeroize();
    }
}

/// Appends without leaving a copy of the old bytes behind when the buffer must move.
fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let needed = buffer.len() + bytes.len();
    if needed > buffer.capacity() {
        let mut larger = Vec::with_capacity(needed.max(buffer.capacity() * 2));
        larger.extend_from_slice(buffer);
        buffer.as_mut_slice().zeroize();
        *buffer = larger;
    }
    buffer.extend_from_slice(bytes);
}
