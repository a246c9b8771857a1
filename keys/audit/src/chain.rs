use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// Separates the hash of a line from every other use of SHA-256 (RFC 6962, section 2.1
/// uses the same tag for leaves).
const LEAF: [u8; 1] = [0];

/// Where a log ends: the last sequence number and the hash of its line. Kept elsewhere
/// it is an anchor: it shows whether lines were cut off or rewritten. Written as
/// `sequence:hash`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The last sequence number; 0 for a log without lines.
    pub sequence: u64,
    /// The hash of that line; zeroes for a log without lines.
    pub hash: [u8; 32],
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It is not a line of an audit log.
    #[error("the line is not of the log's form")]
    Malformed,
    /// It is longer than a line can be.
    #[error("the line is longer than a line can be")]
    TooLong,
    /// Lines are missing, doubled or in another order.
    #[error("its sequence number is {found}")]
    Sequence {
        /// The number that stands there.
        found: u64,
    },
    /// It does not follow the line before.
    #[error("it does not carry the hash of the line before")]
    Previous,
    /// It was altered.
    #[error("its hash is not that of its content: the line was altered")]
    Hash,
}

/// The text is not `sequence:hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an anchor is a sequence number, a colon and 64 hexadecimal digits in lower case")]
pub struct ParseHeadError;

impl Head {
    /// The head of a log without lines.
    pub const EMPTY: Self = Self { sequence: 0, hash: [0; 32] };
}

/// The hash of a line: SHA-256 over the tag, the hash of the line before, and the line
/// up to its own hash.
pub(crate) fn hash(previous: &[u8; 32], body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(LEAF);
    hash.update(previous);
    hash.update(body);
    hash.finalize().into()
}

/// Appends bytes as hexadecimal digits.
pub(crate) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.extend(DIGITS.get(usize::from(nibble)));
        }
    }
}

/// 64 hexadecimal digits in lower case; nothing else is the form the log writes.
pub(crate) fn parse_hex(digits: &[u8]) -> Option<[u8; 32]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(bytes)
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.sequence)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Head {
    type Err = ParseHeadError;

    fn from_str(text: &str) -> Result<Self, ParseHeadError> {
        let (sequence, hash) = text.split_once(':').ok_or(ParseHeadError)?;
        if !sequence.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseHeadError);
        }
        let sequence = sequence.parse().map_err(|_| ParseHeadError)?;
        let hash = parse_hex(hash.as_bytes()).ok_or(ParseHeadError)?;
        Ok(Self { sequence, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_its_text() {
        let head = Head { sequence: 17, hash: [0xa5; 32] };
        assert_eq!(head.to_string(), format!("17:{}", "a5".repeat(32)));
        assert_eq!(head.to_string().parse(), Ok(head));
        let zeroes = "0".repeat(64);
        for wrong in [
            String::new(),
            "17".into(),
            format!("+17:{zeroes}"),
            format!(":{zeroes}"),
            format!("1:{}", "A5".repeat(32)),
            format!("1:{zeroes}0"),
            format!("99999999999999999999:{zeroes}"),
        ] {
            assert_eq!(wrong.parse::<Head>(), Err(ParseHeadError), "{wrong}");
        }
    }
}
