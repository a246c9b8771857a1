//! A computed token: AES-256-SIV (RFC 5297) to text that survives a change of case. A
//! stored format:
//!
//! ```text
//!   text       = "tkv1_" base32(header SIV ciphertext)
//!   base32     = five bits to a digit, the highest first, the last filled up with bits 0
//!   digit      = one of 0123456789abcdefghjkmnpqrstvwxyz; upper case is read as lower
//!   plaintext  = as in method `siv`
//!   associated = "allonym-vaultless-1", header, 02 || domain id (16 bytes), scope
//! ```
//!
//! The keys have purposes of their own.

use std::sync::Arc;

use allonym_keyring::Purpose;

use crate::siv::{Deterministic, Form};
use crate::{Domain, Scope, SpecError, Transform, header};

/// The method of a domain.
pub(crate) fn build(
    domain: Domain,
    specification: [u8; 32],
    scope: Scope,
) -> Result<Arc<dyn Transform>, SpecError> {
    Ok(Arc::new(Deterministic::<TokenText>::new(domain, specification, scope)))
}

/// The form of a computed token.
struct TokenText;

impl Form for TokenText {
    const PURPOSES: [Purpose; 2] = [Purpose::VaultlessMac, Purpose::VaultlessCtr];
    const LABEL: Option<&'static [u8]> = Some(b"allonym-vaultless-1");

    fn is_marked(text: &str) -> bool {
        header::after_vaultless(text).is_some()
    }

    fn write(sealed: &[u8]) -> String {
        let mut text =
            String::with_capacity(header::VAULTLESS.len() + (sealed.len() * 8).div_ceil(5));
        text.push_str(header::VAULTLESS);
        base32::write(sealed, &mut text);
        text
    }

    fn read(text: &str, sealed: &mut Vec<u8>) -> Option<()> {
        base32::read(header::after_vaultless(text)?, sealed)
    }
}

/// Base 32 without the letters that are read as others (after Crockford). Bytes have
/// one text but for its case.
mod base32 {
    const DIGITS: [u8; 32] = *b"0123456789abcdefghjkmnpqrstvwxyz";

    /// Values of digits by their byte; `NONE` where it is no digit.
    #[allow(clippy::indexing_slicing, reason = "it is computed when this is compiled")]
    const VALUES: [u8; 256] = {
        let mut values = [NONE; 256];
        let mut at = 0;
        while at < DIGITS.len() {
            values[DIGITS[at] as usize] = at as u8;
            values[DIGITS[at].to_ascii_uppercase() as usize] = at as u8;
            at += 1;
        }
        values
    };

    const NONE: u8 = 0xff;

    pub(super) fn write(bytes: &[u8], text: &mut String) {
        let mut push = |bits: u32| {
            if let Some(digit) = DIGITS.get((bits & 31) as usize) {
                text.push(char::from(*digit));
            }
        };
        let (mut bits, mut count) = (0_u32, 0);
        for byte in bytes {
            bits = bits << 8 | u32::from(*byte);
            count += 8;
            while count >= 5 {
                count -= 5;
                push(bits >> count);
            }
        }
        if count > 0 {
            push(bits << (5 - count));
        }
    }

    /// Nothing if a character is no digit, bits to spare are not 0, or there are as many
    /// as a whole digit has.
    pub(super) fn read(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
        bytes.reserve(text.len() * 5 / 8);
        let (mut bits, mut count) = (0_u32, 0);
        for byte in text.bytes() {
            let value = *VALUES.get(usize::from(byte))?;
            if value == NONE {
                return None;
            }
            bits = bits << 5 | u32::from(value);
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
            }
        }
        (count < 5 && bits & ((1 << count) - 1) == 0).then_some(())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn written(bytes: &[u8]) -> String {
            let mut text = String::new();
            write(bytes, &mut text);
            text
        }

        fn read_back(text: &str) -> Option<Vec<u8>> {
            let mut bytes = Vec::new();
            read(text, &mut bytes).map(|()| bytes)
        }

        #[test]
        fn bytes_have_one_text_but_for_its_case() {
            let check = |bytes: &[u8], text: &str| {
                assert_eq!(written(bytes), text);
                assert_eq!(read_back(text).as_deref(), Some(bytes));
                assert_eq!(read_back(&text.to_uppercase()).as_deref(), Some(bytes));
            };
            check(&[], "");
            check(&[0], "00");
            check(&[0xff], "zw");
            check(&[1, 2], "0410");
            check(&[0xff; 5], "zzzzzzzz");
            check(b"hello", "d1jprv3f");
            for length in 0..100_u8 {
                let bytes: Vec<u8> = (0..length).map(|at| at.wrapping_mul(167) ^ 0x5a).collect();
                assert_eq!(read_back(&written(&bytes)), Some(bytes));
            }
        }

        #[test]
        fn what_is_not_well_formed_is_nothing() {
            for wrong in [
                "0", "000", "000000", // no whole number of bytes
                "01", "zx", "0411", // bits to spare that are not 0
                "0i", "0l", "0o", "0u", "0I", "0L", "0O", "0U", "0-", "0 ", "0=", "0é", "\0\0",
            ] {
                assert_eq!(read_back(wrong), None, "{wrong}");
            }
        }
    }
}
