use crate::codec::CodecError;
use crate::codec::json::skim;

/// The bytes at hand. The scanner goes on at `at`; what is before is held from earlier.
pub(in super::super) struct Input<'a> {
    pub(in super::super) bytes: &'a [u8],
    pub(in super::super) at: usize,
    /// Where the bytes begin, in bytes from the start of the document.
    pub(in super::super) base: u64,
}

impl<'a> Input<'a> {
    #[inline]
    pub(super) const fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Where an offset in the document is in these bytes.
    #[inline]
    pub(super) const fn position(&self, offset: u64) -> usize {
        offset.saturating_sub(self.base) as usize
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub(super) fn peek_before(&self, until: u64) -> Option<u8> {
        if self.offset() < until { self.peek() } else { None }
    }

    /// The bytes ahead, at most to an offset.
    #[inline]
    pub(super) fn window(&self, until: u64) -> &'a [u8] {
        let end = self.bytes.len().min(self.position(until));
        self.bytes.get(self.at..end).unwrap_or_default()
    }

    /// The next byte that is not blank. It is not taken.
    #[inline]
    pub(super) fn skip_blanks(&mut self) -> Option<u8> {
        self.at = skim::blanks(self.bytes, self.at);
        self.peek()
    }

    pub(super) const fn malformed(&self, reason: &'static str) -> CodecError {
        CodecError::Malformed { reason, offset: self.offset() }
    }
}
