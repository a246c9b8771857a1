//! Runs of string content that need no attention, eight bytes at a time.

const LANES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How far a string goes on without anything special.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Bytes before the first quote, backslash or control character.
    pub(super) len: usize,
    /// Whether a byte among them is not ASCII.
    pub(super) wide: bool,
}

/// A character whose bytes the end of a chunk has cut.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Partial {
    bytes: [u8; 4],
    len: u8,
}

/// Measures the run at the beginning of these bytes.
#[inline]
pub(super) fn measure(bytes: &[u8]) -> Run {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut len = 0;
    let mut seen = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let stops = stops(word);
        if stops != 0 {
            let bits = stops.trailing_zeros() & !7;
            seen |= word & ((1 << bits) - 1);
            return Run { len: len + (bits / 8) as usize, wide: seen & HIGH != 0 };
        }
        seen |= word;
        len += 8;
    }
    let rest = tail.iter().take_while(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\'));
    let (count, wide) =
        rest.fold((0, seen & HIGH != 0), |(n, wide), b| (n + 1, wide | !b.is_ascii()));
    Run { len: len + count, wide }
}

/// How many ASCII characters stand before a quote, without anything else that is
/// special; nothing if these bytes do not show it.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> Option<usize> {
    let mut len = 0;
    for word in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*word);
        let stops = stops(word) | word & HIGH;
        if stops != 0 {
            let bits = stops.trailing_zeros() & !7;
            return ((word >> bits) as u8 == b'"').then_some(len + (bits / 8) as usize);
        }
        len += 8;
    }
    None
}

/// Marks the high bit of bytes that end a run. Up to the first of them it is exact;
/// above it a borrow may mark more.
#[inline]
const fn stops(word: u64) -> u64 {
    let control = word.wrapping_sub(LANES * 0x20) & !word;
    let quote = word ^ (LANES * b'"' as u64);
    let slash = word ^ (LANES * b'\\' as u64);
    let quotes = quote.wrapping_sub(LANES) & !quote;
    let slashes = slash.wrapping_sub(LANES) & !slash;
    (control | quotes | slashes) & HIGH
}

impl Partial {
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Checks that bytes go on as UTF-8 after those of the calls before. `ended` says
    /// that no character may be open after them.
    ///
    /// # Errors
    /// How many bytes before (negative) or after the beginning of these bytes the first
    /// wrong sequence begins.
    pub(super) fn check(&mut self, bytes: &[u8], ended: bool) -> Result<(), i64> {
        let before = -i64::from(self.len);
        let mut rest = bytes;
        while self.len > 0 {
            let Some((byte, tail)) = rest.split_first() else {
                return if ended { Err(before) } else { Ok(()) };
            };
            rest = tail;
            match self.extend(*byte) {
                Ok(()) => self.len = 0,
                Err(open) if open => {}
                Err(_) => return Err(before),
            }
        }
        let Err(error) = std::str::from_utf8(rest) else {
            return Ok(());
        };
        let (_, open) = rest.split_at(error.valid_up_to());
        if ended || error.error_len().is_some() {
            return Err((bytes.len() - open.len()) as i64);
        }
        for (own, byte) in self.bytes.iter_mut().zip(open) {
            *own = *byte;
            self.len += 1;
        }
        Ok(())
    }

    /// Adds a byte. An error says whether the character may still become complete.
    fn extend(&mut self, byte: u8) -> Result<(), bool> {
        let open = self.bytes.get_mut(usize::from(self.len)).ok_or(false)?;
        *open = byte;
        self.len += 1;
        let bytes = self.bytes.get(..usize::from(self.len)).ok_or(false)?;
        std::str::from_utf8(bytes).map(|_| ()).map_err(|error| error.error_len().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_the_first_special_byte() {
        let stop = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        for len in 0..20 {
            for at in 0..len {
                for byte in 0..=255 {
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    let expected = if stop(byte) { at } else { len };
                    let run = measure(&bytes);
                    assert_eq!(
                        (run.len, run.wide),
                        (expected, byte >= 0x80),
                        "{byte} at {at} of {len}"
                    );
                    // Something before and after the byte must not hide it.
                    let mut bytes = vec![0xBF; len];
                    bytes[at] = byte;
                    bytes.extend_from_slice(b"\"\x00\\");
                    assert_eq!(measure(&bytes).len, expected, "{byte} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn utf8_is_checked_the_same_wherever_it_is_cut() {
        let texts: [&[u8]; 12] = [
            "aé€😀z".as_bytes(),
            b"",
            b"\xC0\x80",
            b"a\xE2\x28",
            b"\xF4\x90\x80\x80",
            b"ab\xED\xA0\x80",
            b"\xF0\x9F\x98",
            b"x\xFF",
            b"\x80",
            b"\xE0\x80\x80",
            "ab\u{10FFFF}".as_bytes(),
            b"\xF5\x80\x80\x80",
        ];
        for text in texts {
            let expected =
                std::str::from_utf8(text).map_err(|e| e.valid_up_to() as i64).map(|_| ());
            for cut in 0..=text.len() {
                let (left, right) = text.split_at(cut);
                let mut partial = Partial::default();
                let result = partial
                    .check(left, false)
                    .and_then(|()| partial.check(right, true).map_err(|at| at + cut as i64));
                assert_eq!(result, expected, "{text:?} at {cut}");
            }
        }
    }
}
