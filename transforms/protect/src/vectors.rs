//! Holds this build to published vectors, one JSON object a line.
//!
//! ```text
//!   {"alg":"FF1","key":"<hex>","tweak":"<hex>","radix":36,"pt":[1,2,…],"ct":[3,4,…]}
//!   {"alg":"AES-SIV","key":"<hex>","aad":["<hex>"],"pt":"<hex>","ct":"<hex>"}
//!   {"alg":"allonym","spec":{…},"domain":"<hex>","secret":"<hex>","version":1,
//!    "plain":"4929120000006466","protected":"4929129782745945"}
//! ```
//!
//! Each is checked in both directions, FF1 by every engine of this processor, alone and in
//! a batch. The bounds of the standards hold, those of configured transformations only for
//! `allonym`. Members that are not known are passed over, so that a vector may carry a
//! number or a comment.

mod cipher;
mod siv;
mod transformation;

use serde::Deserialize;
use serde_json::error::Category;

pub use transformation::{domain, keys, secret, value};

/// Why a vector does not hold, or is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// The line is no vector.
    #[error("not a vector: {0}")]
    Unreadable(String),
    /// The line is of none of these kinds.
    #[error("not a vector: `alg` is of no known kind; known are {0}")]
    UnknownKind(&'static str),
    /// This build gives something else.
    #[error("{0}")]
    Wrong(String),
}

/// Checks one line.
///
/// # Errors
/// When the line is no vector, or this build gives something else in either direction.
pub fn check(line: &str) -> Result<(), VectorError> {
    #[derive(Deserialize)]
    struct Head {
        alg: String,
    }

    let head: Head = read(line)?;
    match head.alg.as_str() {
        "FF1" => cipher::ff1(&read(line)?),
        "AES-SIV" => cipher::aes_siv(&read(line)?),
        "allonym" => transformation::check(&read(line)?),
        _ => Err(VectorError::UnknownKind("FF1, AES-SIV and allonym")),
    }
}

/// The members of a line.
///
/// # Errors
/// Where it cannot be read, and nothing of what it holds: it may be a file of secrets that
/// was named by mistake.
pub fn read<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, VectorError> {
    serde_json::from_str(line).map_err(|error| {
        let what = match error.classify() {
            Category::Syntax => "it is not JSON",
            Category::Eof => "it ends too early",
            Category::Data | Category::Io => "a member is missing, or of the wrong form",
        };
        VectorError::Unreadable(format!("{what} (column {})", error.column()))
    })
}

fn wrong(what: impl Into<String>) -> VectorError {
    VectorError::Wrong(what.into())
}

/// Bytes written as two hexadecimal digits each.
pub struct Hex(pub Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |symbol: u8| char::from(symbol).to_digit(16);
        let byte = |pair: &[u8]| match *pair {
            [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        let odd = || serde::de::Error::custom("bytes are written as pairs of hexadecimal digits");
        bytes.map(Self).ok_or_else(odd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SP 800-38G, FF1 sample 2, and what is wrong with it after a change.
    #[test]
    fn an_ff1_vector_holds_or_says_why_not() {
        let line = |key: &str, radix: u32, pt: &str, ct: &str| {
            format!(
                r#"{{"alg":"FF1","id":7,"key":"{key}","tweak":"39383736353433323130","radix":{radix},"pt":[{pt}],"ct":[{ct}]}}"#
            )
        };
        const KEY: &str = "2b7e151628aed2a6abf7158809cf4f3c";
        const PLAIN: &str = "0,1,2,3,4,5,6,7,8,9";
        const CIPHER: &str = "6,1,2,4,2,0,0,7,7,3";
        assert_eq!(check(&line(KEY, 10, PLAIN, CIPHER)), Ok(()));
        for (line, expected) in [
            (line(KEY, 10, PLAIN, "6,1,2,4,2,0,0,7,7,4"), "gives another ciphertext"),
            (line(KEY, 10, "0,1,2,3,4,5,6,7,8,8", CIPHER), "gives another ciphertext"),
            (line(KEY, 11, PLAIN, CIPHER), "gives another ciphertext"),
            (line(&KEY[2..], 10, PLAIN, CIPHER), "an FF1 key has 16, 24 or 32 bytes"),
            (line(KEY, 1, PLAIN, CIPHER), "an FF1 radix is from 2 to 65536"),
            (line(KEY, 10, "1", "2"), "FF1 needs from 2"),
            (line(KEY, 10, PLAIN, "6"), "as many numerals"),
            (line(KEY, 10, "0,1,2,3,4,5,6,7,8,10", CIPHER), "not below the radix"),
            (line(KEY, 10, "0,1,2,3,4,5,6,7,8,65536", CIPHER), "not below the radix"),
            (line("2b7", 10, PLAIN, CIPHER), "of the wrong form"),
            (line("zz", 10, PLAIN, CIPHER), "of the wrong form"),
            ("{}".to_owned(), "a member is missing"),
            ("{".to_owned(), "ends too early (column 1)"),
            ("{]".to_owned(), "not JSON (column 2)"),
            (r#"{"alg":"ROT13"}"#.to_owned(), "known are"),
            (r#"{"alg":"FF1"}"#.to_owned(), "a member is missing"),
        ] {
            let error = check(&line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn errors_say_nothing_of_the_line() {
        for line in [
            r#""anna""#,
            "anna",
            r#"{"alg":"anna"}"#,
            r#"{"alg":{"anna":1}}"#,
            r#"{"alg":"FF1","key":"anna"}"#,
            r#"{"alg":"FF1","key":"","tweak":"","radix":"anna","pt":[],"ct":[]}"#,
            r#"{"alg":"AES-SIV","key":["anna"]}"#,
            r#"{"alg":"allonym","spec":{"revision":1,"method":{"method":"anna"},"scope":"global"}}"#,
            r#"{"alg":"allonym","spec":{"revision":1,"method":{"method":"siv","anna":1},"scope":"anna"}}"#,
        ] {
            let error = check(line).unwrap_err().to_string();
            assert!(!error.contains("anna"), "{error}");
        }
    }

    /// RFC 5297, appendix A.1 and A.2, and an empty plaintext.
    #[test]
    fn a_siv_vector_holds_or_says_why_not() {
        const KEY_1: &str = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
        const AAD_1: &str = r#""101112131415161718191a1b1c1d1e1f2021222324252627""#;
        const CIPHER_1: &str = "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c";
        const KEY_2: &str = "7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f";
        const AAD_2: &str = r#""00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100","102030405060708090a0","09f911029d74e35bd84156c5635688c0""#;
        const PLAIN_2: &str = "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553";
        const CIPHER_2: &str = "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d";
        let line = |key: &str, aad: &str, pt: &str, ct: &str| {
            format!(r#"{{"alg":"AES-SIV","key":"{key}","aad":[{aad}],"pt":"{pt}","ct":"{ct}"}}"#)
        };
        assert_eq!(check(&line(KEY_1, AAD_1, "112233445566778899aabbccddee", CIPHER_1)), Ok(()));
        assert_eq!(check(&line(KEY_2, AAD_2, PLAIN_2, CIPHER_2)), Ok(()));
        for (line, expected) in [
            (line(KEY_1, "", "112233445566778899aabbccddee", CIPHER_1), "another ciphertext"),
            (line(KEY_1, AAD_1, "112233445566778899aabbccddef", CIPHER_1), "another ciphertext"),
            (line(KEY_1, AAD_1, "112233445566778899aabbccddee", "85"), "another ciphertext"),
            (line("00", AAD_1, "", ""), "32, 48 or 64 bytes"),
        ] {
            let error = check(&line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
