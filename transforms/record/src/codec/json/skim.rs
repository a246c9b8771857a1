//! Whole tokens that need no attention, found in the bytes at hand without any state.
//!
//! Each function answers where a token ends, or nothing if it is not whole, not plain or
//! not valid: the scanner then reads it step by step and says what is wrong with it.

use super::number::{Next, Part};
use super::run::plain;

/// Where the blanks that may begin here end.
#[inline]
pub(super) fn blanks(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(0..=b' ') => at + blank_run(bytes.get(at..).unwrap_or_default()),
        _ => at,
    }
}

/// How many blanks these bytes begin with.
pub(super) fn blank_run(bytes: &[u8]) -> usize {
    let words = bytes.as_chunks::<8>().0.iter().take_while(|word| **word == [b' '; 8]).count();
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    words * 8 + bytes.iter().skip(words * 8).take_while(blank).count()
}

/// Where the content of the ASCII string without escapes that begins here ends.
#[inline]
pub(super) fn string(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..)?.split_first()? {
        (b'"', content) => plain(content).map(|len| at + 1 + len),
        _ => None,
    }
}

/// Where the scalar that begins here ends.
#[inline]
pub(super) fn scalar(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let word = |word: &[u8]| rest.starts_with(word).then_some(at + word.len());
    match rest.first()? {
        b'"' => string(bytes, at).map(|end| end + 1),
        b't' => word(b"true"),
        b'f' => word(b"false"),
        b'n' => word(b"null"),
        first => number(Part::first(*first)?, rest).map(|len| at + len),
    }
}

#[inline]
fn number(mut part: Part, bytes: &[u8]) -> Option<usize> {
    let mut len = 1;
    loop {
        match part.next(*bytes.get(len)?) {
            Next::More(next) => part = next,
            Next::End => return Some(len),
            Next::Wrong(_) => return None,
        }
        len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_plain_valid_tokens_are_found() {
        let check = |text: &str, expected: Option<usize>| {
            let padded = format!("[ {text}");
            let end = expected.map(|len| len + 2);
            assert_eq!(scalar(padded.as_bytes(), 2), end, "{text}");
        };
        check("\"\",       ", Some(2));
        check("\"plain text, long enough\"       ", Some(25));
        check("true", Some(4));
        check("false]", Some(5));
        check("null,", Some(4));
        check("-12.5e+3,", Some(8));
        check("0 ", Some(1));
        for other in [
            "",
            "\"open       ",
            "\"\\n\"      ",
            "\"é\"        ",
            "\"a\u{1}\"     ",
            "tru",
            "trux",
            "12",
            "01,",
            "1.,",
            "{",
            "x",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn blanks_end_where_something_else_begins() {
        for (text, expected) in [
            ("", 0),
            ("x ", 0),
            (" x", 1),
            ("\n\t\r x", 4),
            (" \u{b}", 1),
            ("                   x", 19),
        ] {
            assert_eq!(blanks(text.as_bytes(), 0), expected, "{text:?}");
        }
    }
}
