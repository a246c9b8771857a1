//! Version mode `header`: `alf1.` + key version in decimal digits + `.` + enciphered text.
//! A stored format: each protected value has exactly one text.

use allonym_keyring::KeyVersion;
use zeroize::Zeroizing;

use crate::header::HEADED;

/// Whether text carries the mark, whatever follows.
pub(super) fn is_marked(text: &str) -> bool {
    text.starts_with(HEADED)
}

/// Version and enciphered text; `None` if it is not well formed.
pub(super) fn read(text: &str) -> Option<(KeyVersion, &str)> {
    let (version, enciphered) = text.strip_prefix(HEADED)?.split_once('.')?;
    // Neither a sign nor a zero too many: a version has one form.
    if version.starts_with('0') || !version.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some((KeyVersion::new(version.parse().ok()?)?, enciphered))
}

/// Leaves the enciphered text.
pub(super) fn strip(text: &mut Zeroizing<String>) {
    let Some((_, enciphered)) = read(text) else { return };
    let header = text.len() - enciphered.len();
    drop(text.drain(..header));
}

/// Puts the header before enciphered text.
pub(super) fn put(version: KeyVersion, text: &mut Zeroizing<String>) {
    let version = version.number().to_string();
    let room = HEADED.len() + version.len() + 1 + text.len();
    let mut headed = Zeroizing::new(String::with_capacity(room));
    headed.push_str(HEADED);
    headed.push_str(&version);
    headed.push('.');
    headed.push_str(text);
    *text = headed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_one_form() {
        for (number, expected) in [(1, "alf1.1.x.y"), (u32::MAX, "alf1.4294967295.x.y")] {
            let version = KeyVersion::new(number).unwrap();
            let mut text = Zeroizing::new("x.y".to_owned());
            put(version, &mut text);
            assert_eq!(*text, expected);
            assert_eq!(read(&text), Some((version, "x.y")));
            strip(&mut text);
            assert_eq!(*text, "x.y");
        }
        for wrong in [
            "",
            "alf1",
            "alf1.",
            "alf1.1",
            "alf1..x",
            "alf1.0.x",
            "alf1.01.x",
            "alf1.+1.x",
            "alf1.-1.x",
            "alf1.4294967296.x",
            "alf1.99999999999999999999.x",
            "alf2.1.x",
            "ALF1.1.x",
            " alf1.1.x",
            "alf1.1a.x",
            "alf1.١.x",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
