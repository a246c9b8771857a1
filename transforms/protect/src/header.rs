//! The header of protected text: `prefix` + base64url without padding of
//! `01 || version || body`, the version as unsigned LEB128 in its shortest form.
//! A stored format: each protected value has exactly one text.

use allonym_keyring::KeyVersion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Text from which the value can be had back.
pub(crate) const SIV: &str = "aln1.";
/// One-way text.
pub(crate) const HASH: &str = "alh1.";

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
pub(crate) fn write(prefix: &str, header: &[u8], body: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(header.len() + body.len());
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(body);
    let mut text = String::with_capacity(prefix.len() + bytes.len().div_ceil(3) * 4);
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(&bytes, &mut text);
    text
}

/// Version and body of a text with this prefix; `None` if it is not well formed.
pub(crate) fn read(prefix: &str, text: &str) -> Option<(KeyVersion, Vec<u8>)> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix)?).ok()?;
    let (&format, mut rest) = bytes.split_first()?;
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
            return Some((version, rest.to_vec()));
        }
    }
    None
}

/// Whether text carries the mark of any domain of this installation.
pub(crate) fn is_marked(text: &str) -> bool {
    text.starts_with(SIV) || text.starts_with(HASH)
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
            let text = write(SIV, &header(version), b"body");
            assert_eq!(read(SIV, &text), Some((version, b"body".to_vec())));
        }
    }

    #[test]
    fn what_is_not_well_formed_is_nothing() {
        let text = |bytes: &[u8]| format!("{SIV}{}", URL_SAFE_NO_PAD.encode(bytes));
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
            assert_eq!(read(SIV, &wrong), None, "{wrong}");
        }
        assert_eq!(read(SIV, &text(&[1, 1])), Some((KeyVersion::FIRST, vec![])));
    }
}
