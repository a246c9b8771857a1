use stringprep::tables;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A password as PostgreSQL hashes it: prepared by SASLprep (RFC 4013), or as it is where
/// that is not allowed or it is not UTF-8.
///
/// Follows the server to the letter: what is prohibited is looked for before the
/// normalization, not behind it as the RFC has it; otherwise a few passwords that work
/// directly would not work here.
pub(super) fn prepare(password: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(prepared(password).unwrap_or_else(|| password.to_vec()))
}

fn prepared(password: &[u8]) -> Option<Vec<u8>> {
    if password.is_ascii() {
        return None;
    }
    let text = std::str::from_utf8(password).ok()?;
    let mut mapped = Zeroizing::new(String::with_capacity(text.len()));
    for letter in text.chars() {
        if tables::non_ascii_space_character(letter) {
            mapped.push(' ');
        } else if !tables::commonly_mapped_to_nothing(letter) {
            mapped.push(letter);
        }
    }
    if mapped.is_empty() || mapped.contains(is_prohibited) || is_mixed(&mapped) {
        return None;
    }
    // No character grows more than U+FDFA, from 3 bytes to 33: nothing is copied on the way.
    let mut out = String::with_capacity(mapped.len().saturating_mul(11));
    out.extend(mapped.nfkc());
    Some(out.into_bytes())
}

/// Tables C and A.1 of RFC 3454, as SASLprep names them.
fn is_prohibited(letter: char) -> bool {
    tables::non_ascii_space_character(letter)
        || tables::ascii_control_character(letter)
        || tables::non_ascii_control_character(letter)
        || tables::private_use(letter)
        || tables::non_character_code_point(letter)
        || tables::inappropriate_for_plain_text(letter)
        || tables::inappropriate_for_canonical_representation(letter)
        || tables::change_display_properties_or_deprecated(letter)
        || tables::tagging_character(letter)
        || tables::unassigned_code_point(letter)
}

/// Letters of both writing directions where RFC 3454 section 6 allows one.
fn is_mixed(text: &str) -> bool {
    text.contains(tables::bidi_r_or_al)
        && (text.contains(tables::bidi_l)
            || !text.starts_with(tables::bidi_r_or_al)
            || !text.ends_with(tables::bidi_r_or_al))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &[u8], hashed: &[u8]) {
        assert_eq!(prepare(password).as_slice(), hashed, "{password:?}");
    }

    #[test]
    fn as_postgresql_does() {
        let text = |password: &str, hashed: &str| check(password.as_bytes(), hashed.as_bytes());
        text("pencil", "pencil");
        text("", "");
        text("tab\tstays", "tab\tstays");
        // RFC 4013 section 3.
        text("I\u{ad}X", "IX");
        text("\u{aa}", "a");
        text("\u{2168}", "IX");
        text("\u{627}\u{31}", "\u{627}\u{31}");
        // Spaces, and what becomes nothing.
        text("a\u{a0}b\u{3000}c", "a b c");
        text("\u{200b}", " ");
        text("\u{feff}\u{ad}", "\u{feff}\u{ad}");
        // Composed and decomposed are one password.
        text("e\u{301}", "\u{e9}");
        text("\u{e9}", "\u{e9}");
        text(
            "\u{fdfa}",
            "\u{635}\u{644}\u{649} \u{627}\u{644}\u{644}\u{647} \u{639}\u{644}\u{64a}\u{647} \u{648}\u{633}\u{644}\u{645}",
        );
        // Prohibited or unassigned in Unicode 3.2: the bytes themselves, not normalized.
        text("\u{aa}\u{7}", "\u{aa}\u{7}");
        text("\u{aa}\u{e000}", "\u{aa}\u{e000}");
        text("\u{aa}\u{1f600}", "\u{aa}\u{1f600}");
        text("\u{340}a", "\u{340}a");
        // Both directions in one.
        text("\u{aa}\u{627}", "\u{aa}\u{627}");
        text("\u{627}\u{2460}\u{627}", "\u{627}1\u{627}");
        check(b"\xff\xaa", b"\xff\xaa");
    }
}
