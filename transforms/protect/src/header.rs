//! The header of protected text: `prefix` + base64url without padding of
//! `01 || version || body`, the version as unsigned LEB128 in its shortest form.
//! A stored format: each protected value has exactly one text.

use allonym_keyring::KeyVersion;
use allonym_record::Value;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{FaultRule, mask, token};

/// Text from which the value can be had back.
pub(crate) const SIV: &str = "aln1.";
/// One-way text.
pub(crate) const HASH: &str = "alh1.";
/// Text from which the value can be had back, another one each time.
pub(crate) const ENCRYPT: &str = "ale1.";
/// Enciphered text of a fixed format, in version mode `header`.
pub(crate) const HEADED: &str = "alf1.";
/// Computed tokens, in any case.
pub(crate) const VAULTLESS: &str = "tkv1_";

const FORMAT: u8 = 1;

/// Format byte and key version, as bytes.
pub(crate) fn header(version: KeyVersion) -> Vec<u8> {
    let mut header = vec![FORMAT];
    let mut rest = version.number();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            header.push(low);
            return header;
        }
        header.push(low | 0x80);
    }
}

/// Prefix, header and body as text.
pub(crate) fn write(prefix: &str, sealed: &[u8]) -> String {
    let length = prefix.len() + sealed.len().div_ceil(3) * 4;
    let mut text = String::with_capacity(length);
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(sealed, &mut text);
    text
}

/// Header and body of a text with this prefix, into an empty buffer; nothing if it is
/// not well formed.
pub(crate) fn read(prefix: &str, text: &str, sealed: &mut Vec<u8>) -> Option<()> {
    URL_SAFE_NO_PAD.decode_vec(text.strip_prefix(prefix)?, sealed).ok()
}

/// The version, and the length of the header, of what was in a text.
pub(crate) fn version(sealed: &[u8]) -> Option<(KeyVersion, usize)> {
    let (&format, mut rest) = sealed.split_first()?;
    if format != FORMAT {
        return None;
    }
    let mut number: u64 = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // A zero at the end would be a second way to write the same version.
            if byte == 0 {
                return None;
            }
            let version = KeyVersion::new(u32::try_from(number).ok()?)?;
            return Some((version, sealed.len() - rest.len()));
        }
    }
    None
}

/// Whether text carries the mark of any domain of this installation: one of the prefixes,
/// or the form of a stored token, plain or at the default token domain.
pub(crate) fn is_marked(text: &str) -> bool {
    let prefixed = match text.as_bytes().first() {
        Some(b'a') => [SIV, HASH, ENCRYPT, HEADED].iter().any(|prefix| text.starts_with(prefix)),
        Some(b't' | b'T') => after_vaultless(text).is_some(),
        _ => false,
    };
    prefixed || token::is_token(text)
}

/// What follows the mark of a computed token, in whatever case that is.
pub(crate) fn after_vaultless(text: &str) -> Option<&str> {
    let (start, rest) = text.split_at_checked(VAULTLESS.len())?;
    start.eq_ignore_ascii_case(VAULTLESS).then_some(rest)
}

/// Whether a value is plain; if not, why it is not protected.
pub(crate) fn judge(value: &Value) -> Result<(), FaultRule> {
    match value {
        Value::Text(text) if is_marked(text) => Err(FaultRule::BadMark),
        Value::Text(text) if mask::looks_masked(text) => Err(FaultRule::Masked),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_one_form() {
        for (number, expected) in [
            (1, &[1, 1][..]),
            (127, &[1, 0x7f]),
            (128, &[1, 0x80, 1]),
            (300, &[1, 0xac, 2]),
            (u32::MAX, &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let version = KeyVersion::new(number).unwrap();
            assert_eq!(header(version), expected);
            let sealed = [&header(version)[..], b"body"].concat();
            let (mut read_back, text) = (Vec::new(), write(SIV, &sealed));
            assert_eq!(read(SIV, &text, &mut read_back), Some(()));
            assert_eq!(read_back, sealed);
            assert_eq!(super::version(&read_back), Some((version, expected.len())));
        }
    }

    #[test]
    fn what_is_not_well_formed_is_nothing() {
        let text = |bytes: &[u8]| format!("{SIV}{}", URL_SAFE_NO_PAD.encode(bytes));
        let parsed = |text: &str| {
            let mut sealed = Vec::new();
            read(SIV, text, &mut sealed).and_then(|()| version(&sealed))
        };
        for wrong in [
            String::new(),
            SIV.to_owned(),
            "aln1.AQE=".to_owned(),                      // padding
            "aln1.AQF".to_owned(),                       // bits to spare that are not 0
            "aln1.A+E".to_owned(),                       // the other base64 alphabet
            "alh1.AQE".to_owned(),                       // the other prefix
            text(&[2, 1]),                               // another format
            text(&[1]),                                  // no version
            text(&[1, 0]),                               // version 0
            text(&[1, 0x81, 0]),                         // not the shortest form
            text(&[1, 0xff, 0xff, 0xff, 0xff, 0x1f]),    // more than 32 bits
            text(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), // longer than it may be
        ] {
            assert_eq!(parsed(&wrong), None, "{wrong}");
        }
        assert_eq!(parsed(&text(&[1, 1])), Some((KeyVersion::FIRST, 2)));
    }

    #[test]
    fn marks_of_every_method_are_known() {
        for (text, expected) in [
            ("aln1.", true),
            ("alh1.x", true),
            ("ale1.x", true),
            ("tkv1_", true),
            ("TKV1_0", true),
            ("tKv1_0", true),
            ("ALN1.", false),
            ("aln2.", false),
            ("tkv1", false),
            ("tkv2_", false),
            ("tkvé_", false),
            (" tkv1_", false),
            ("tok_0000000000000000000000000000", true),
            ("ToK_0000000000000000000000000168", true),
            ("tok_0000000000000000000000000001", false),
            ("tok_000000000000000000000000000", false),
            ("tok_", false),
            ("000000000000000000@allonym.invalid", true),
            ("000000000000000000@ALLONYM.Invalid", true),
            ("000000000000000001@allonym.invalid", false),
            ("someone@allonym.invalid", false),
            ("000000000000000000@allonym.example", false),
            ("", false),
        ] {
            assert_eq!(is_marked(text), expected, "{text}");
        }
    }
}
