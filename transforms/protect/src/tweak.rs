//! Tweaks: a stored format.
//!
//! The domain is in the derived key, so a tweak carries scope and preserved parts only.
//! They are first written down so that no two can be mistaken for each other:
//!
//! ```text
//!   typed   = scope part*
//!   scope   = 00                     global
//!           | 01 part                the tenant, as a text part
//!   part    = head content
//!   head    = one byte: bit 7 is 0 for digits and 1 for text, bits 0..6 are the length
//!             in characters (digits) or bytes (text) up to 126; 127 says that four
//!             bytes, big-endian, follow with the length
//!   content = text:   its bytes (UTF-8)
//!             digits: two to a byte, the first in the high half; an odd one is
//!                     followed by F
//! ```
//!
//! Parts come in the order in which they stand in the value; an end of which nothing is
//! kept has no part. Where the value decides what stays, each stretch of neighbouring
//! characters that stay is one text part: the position of the first, in characters, as one
//! byte, then the characters. Let b be the bytes of the larger half of what is enciphered
//! (SP 800-38G, algorithm 7, step 3). If `typed` has at most min(7, 15 − b) bytes it is the
//! tweak: FF1 then needs no more than one block for it. Otherwise the tweak is the leftmost h
//! bytes of HMAC-SHA-256(tweak key, `typed`), where h = min(7, 15 − b) if that is at
//! least 5, else 7 (with one more block).

use allonym_keyring::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{FaultRule, Scope};

/// HMAC-SHA-256 under a derived key; wiped when dropped.
pub(crate) type Prf = Hmac<Sha256>;

/// How a preserved part is written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// ASCII digits.
    Digits,
    /// Any bytes.
    Text,
}

/// Which form a tweak takes, for one size of what is enciphered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TweakRule {
    /// Most bytes that are carried as they are.
    direct: usize,
    /// How many bytes of the PRF take the place of more.
    hashed: usize,
}

impl TweakRule {
    /// The rule for halves of at most `half_bytes` bytes.
    pub(crate) fn new(half_bytes: usize) -> Self {
        let direct = 15_usize.saturating_sub(half_bytes).min(7);
        let hashed = if direct >= 5 { direct } else { 7 };
        Self { direct, hashed }
    }

    /// Appends the tweak for what was written down.
    pub(crate) fn append(self, typed: &[u8], prf: &Prf, tweak: &mut Vec<u8>) {
        if typed.len() <= self.direct {
            tweak.extend_from_slice(typed);
        } else {
            let mac = prf.clone().chain_update(typed).finalize().into_bytes();
            tweak.extend(mac.iter().take(self.hashed));
        }
    }
}

/// The PRF under this key.
pub(crate) fn prf(key: &Secret) -> Prf {
    match Prf::new_from_slice(key.expose()) {
        Ok(prf) => prf,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    }
}

/// Writes down the scope, with which every typed encoding begins.
pub(crate) fn scope(scope: &Scope, tenant: Option<&str>) -> Result<Vec<u8>, FaultRule> {
    match (scope, tenant) {
        (Scope::Global, _) => Ok(vec![0]),
        (Scope::Tenant(_), None | Some("")) => Err(FaultRule::NoTenant),
        (Scope::Tenant(_), Some(tenant)) => {
            let mut typed = vec![1];
            append_part(Part::Text, tenant.as_bytes(), &mut typed);
            Ok(typed)
        }
    }
}

/// Writes down characters that stay where they stand, where the value decides where that
/// is: a text part of their position, in characters, as one byte, and the characters.
pub(crate) fn append_placed(position: u8, content: &str, typed: &mut Vec<u8>) {
    append_head(0x80, content.len().saturating_add(1), typed);
    typed.push(position);
    typed.extend_from_slice(content.as_bytes());
}

/// Writes down one part.
pub(crate) fn append_part(part: Part, content: &[u8], typed: &mut Vec<u8>) {
    let kind: u8 = match part {
        Part::Digits => 0,
        Part::Text => 0x80,
    };
    append_head(kind, content.len(), typed);
    match part {
        Part::Text => typed.extend_from_slice(content),
        Part::Digits => typed.extend(content.chunks(2).map(|pair| match *pair {
            [high, low] => (high & 0xf) << 4 | (low & 0xf),
            [high] => (high & 0xf) << 4 | 0xf,
            _ => 0xff,
        })),
    }
}

/// Writes down kind and length of a part.
fn append_head(kind: u8, length: usize, typed: &mut Vec<u8>) {
    match u8::try_from(length) {
        Ok(length) if length < 0x7f => typed.push(kind | length),
        _ => {
            typed.push(kind | 0x7f);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            typed.extend_from_slice(&length.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn typed(tenant: Option<&str>, parts: &[(Part, &str)]) -> Vec<u8> {
        let rule = tenant.map_or(Scope::Global, |_| Scope::Tenant("org".to_owned()));
        let mut typed = scope(&rule, tenant).unwrap();
        for (part, content) in parts {
            append_part(*part, content.as_bytes(), &mut typed);
        }
        typed
    }

    /// Published vectors: changing one would change stored values.
    #[test]
    fn the_typed_encoding_is_a_stored_format() {
        let check = |tenant, parts: &[(Part, &str)], expected: &str| {
            assert_eq!(hex(&typed(tenant, parts)), expected);
        };
        check(None, &[], "00");
        check(None, &[(Part::Digits, "492912")], "0006492912");
        check(None, &[(Part::Digits, "49291200")], "000849291200");
        check(None, &[(Part::Digits, "492"), (Part::Digits, "7")], "0003492f017f");
        check(None, &[(Part::Text, "DE")], "00824445");
        check(None, &[(Part::Text, "CH"), (Part::Digits, "00762")], "008243480500762f");
        check(Some("7"), &[(Part::Digits, "49")], "0181370249");
        check(Some("ü"), &[], "0182c3bc");
        let placed = |position, content| {
            let mut typed = vec![0];
            append_placed(position, content, &mut typed);
            hex(&typed)
        };
        assert_eq!(placed(3, "-"), "0082032d");
        assert_eq!(placed(255, "ü@"), "0084ffc3bc40");
        assert!(placed(0, &"a".repeat(126)).starts_with("00ff0000007f0061"));
        let long = "9".repeat(127);
        assert!(hex(&typed(None, &[(Part::Digits, &long)])).starts_with("007f0000007f99"));
    }

    #[test]
    fn a_long_encoding_is_shortened_by_the_prf() {
        let prf = prf(&Secret::new(Zeroizing::new([0x0b; 32])));
        let check = |half_bytes, typed: &[u8], expected: &str| {
            let mut tweak = Vec::new();
            TweakRule::new(half_bytes).append(typed, &prf, &mut tweak);
            assert_eq!(hex(&tweak), expected, "{half_bytes}");
        };
        let card = [0, 6, 0x49, 0x29, 0x12];
        check(3, &card, "0006492912");
        check(8, &[1; 7], "01010101010101");
        check(8, &[1; 8], PRF_OF_EIGHT_ONES);
        check(9, &[1; 8], &PRF_OF_EIGHT_ONES[..12]);
        check(10, &[1; 8], &PRF_OF_EIGHT_ONES[..10]);
        check(10, &card, "0006492912");
        check(11, &[1; 8], PRF_OF_EIGHT_ONES);
        check(11, &card[..4], "00064929");
        check(200, &[1; 8], PRF_OF_EIGHT_ONES);
        check(200, &[0], PRF_OF_ZERO);
    }

    /// First 7 bytes of HMAC-SHA-256 under 32 bytes 0b of eight bytes 01, and of one byte 00.
    const PRF_OF_EIGHT_ONES: &str = "97f00fa148726c";
    const PRF_OF_ZERO: &str = "8cfba53d3586ec";

    #[test]
    fn a_scope_of_tenants_needs_one() {
        let rule = Scope::Tenant("org".to_owned());
        assert_eq!(scope(&rule, None), Err(FaultRule::NoTenant));
        assert_eq!(scope(&rule, Some("")), Err(FaultRule::NoTenant));
        assert_eq!(scope(&Scope::Global, Some("a")), Ok(vec![0]));
    }
}
