//! Names that readers take for one another.

/// A character is never written in more bytes than this times those of another case.
const WIDEST: usize = 3;

/// Whether two names differ in case at most, for the most generous of readers: `ſ` is
/// `s`, the Kelvin sign is `k`, and an `i` is one with and without its dot.
pub(super) fn alike(one: &str, other: &str) -> bool {
    one.len() <= other.len().saturating_mul(WIDEST)
        && other.len() <= one.len().saturating_mul(WIDEST)
        && one.chars().map(folded).eq(other.chars().map(folded))
}

/// What all cases of a character have in common.
fn folded(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut upper = c.to_uppercase();
    let upper = match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => c,
    };
    upper.to_lowercase().next().unwrap_or(upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case() {
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(alike(one, other), expected, "{one} {other}");
            assert_eq!(alike(other, one), expected, "{other} {one}");
        };
        check("email", "eMAIL", true);
        check("email", "emai", false);
        check("email", "e-mail", false);
        check("e-mail", "e\rmail", false);
        check("street", "\u{17f}treet", true);
        check("k", "\u{212a}", true);
        check("id", "\u{131}D", true);
        check("id", "\u{130}d", true);
        check("größe", "GRÖSSE", false);
        check("größe", "GRÖẞE", true);
        check("ἀριθμός", "ἈΡΙΘΜΌΣ", true);
        check("", "", true);
        check("", "a", false);
    }

    #[test]
    fn no_case_is_wider_than_it_may_be() {
        for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
            let (one, other) = (c.len_utf8(), folded(c).len_utf8());
            assert!(one <= other * WIDEST && other <= one * WIDEST, "{c}");
            // Simple lower case is in it.
            let mut lower = c.to_lowercase();
            if let (Some(lower), None) = (lower.next(), lower.next()) {
                assert_eq!(folded(lower), folded(c), "{c}");
            }
        }
    }
}
