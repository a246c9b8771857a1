use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, HirKind};

/// Most characters an alphabet can have: FF1 takes a radix up to 2^16.
const MOST: u32 = 1 << 16;

/// Why an alphabet cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AlphabetError {
    /// Not one character class in the syntax of regular expressions.
    NotAClass,
    /// Fewer than two characters.
    TooFew,
    /// More than 2^16 characters.
    TooMany,
}

/// The characters of a class in the syntax of regular expressions, as first and last of
/// each range in the order of their code points: `09AZaz` for `[0-9A-Za-z]`.
pub(super) fn expand(typed: &str) -> Result<String, AlphabetError> {
    let parsed = ParserBuilder::new().nest_limit(16).build().parse(typed);
    let parsed = parsed.map_err(|_| AlphabetError::NotAClass)?;
    let ranges: Vec<(char, char)> = match parsed.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().map(|range| (range.start(), range.end())).collect()
        }
        HirKind::Class(Class::Bytes(class)) if class.is_ascii() => {
            class.iter().map(|range| (range.start().into(), range.end().into())).collect()
        }
        // A class of one character is parsed as that character.
        HirKind::Literal(literal) if typed.starts_with('[') && one(&literal.0) => {
            return Err(AlphabetError::TooFew);
        }
        _ => return Err(AlphabetError::NotAClass),
    };
    let count = |(first, last): &(char, char)| {
        (*first..=*last).size_hint().1.map_or(u32::MAX, |n| u32::try_from(n).unwrap_or(u32::MAX))
    };
    let size = ranges.iter().map(count).fold(0_u32, u32::saturating_add);
    match size {
        0..2 => Err(AlphabetError::TooFew),
        2..=MOST => Ok(ranges.iter().flat_map(|(first, last)| [*first, *last]).collect()),
        _ => Err(AlphabetError::TooMany),
    }
}

/// Whether an expanded alphabet has this character.
pub(super) fn has(alphabet: &str, symbol: char) -> bool {
    let mut ends = alphabet.chars();
    while let (Some(first), Some(last)) = (ends.next(), ends.next()) {
        if (first..=last).contains(&symbol) {
            return true;
        }
    }
    false
}

fn one(literal: &[u8]) -> bool {
    std::str::from_utf8(literal).is_ok_and(|text| text.chars().count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_become_ranges() {
        for (typed, expected) in [
            ("[0-9A-Za-z]", Ok("09AZaz")),
            ("[abc]", Ok("ac")),
            ("[bdfa]", Ok("abddff")),
            ("[a-z&&[^aeiou]]", Ok("bdfhjnptvz")),
            (r"[\u{370}-\u{3FF}]", Ok("\u{370}\u{3FF}")),
            (r"[\x30-\x31]", Ok("01")),
            ("(?i)[a-b]", Ok("ABab")),
            ("[a-zé]", Ok("azéé")),
            ("a|b", Ok("ab")),
            ("[a]", Err(AlphabetError::TooFew)),
            ("[a&&b]", Err(AlphabetError::TooFew)),
            ("a", Err(AlphabetError::NotAClass)),
            ("", Err(AlphabetError::NotAClass)),
            ("[a-z]+", Err(AlphabetError::NotAClass)),
            ("[a-z][0-9]", Err(AlphabetError::NotAClass)),
            ("[z-a]", Err(AlphabetError::NotAClass)),
            (r"[\p{Nonsense}]", Err(AlphabetError::NotAClass)),
            (".", Err(AlphabetError::TooMany)),
            (r"\w", Err(AlphabetError::TooMany)),
            (r"[\u{0}-\u{FFFF}]", Ok("\u{0}\u{FFFF}")),
            (r"[\u{0}-\u{10FFF}]", Err(AlphabetError::TooMany)),
        ] {
            assert_eq!(expand(typed), expected.map(str::to_owned), "{typed}");
        }
    }

    #[test]
    fn scripts_become_ranges() {
        let greek = expand(r"[\p{Greek}&&\p{Ll}]").unwrap();
        for (symbol, expected) in
            [('α', true), ('ω', true), ('Α', false), ('a', false), ('ͱ', true)]
        {
            assert_eq!(has(&greek, symbol), expected, "{symbol}");
        }
        assert!(greek.chars().count().is_multiple_of(2));
    }

    #[test]
    fn nested_classes_are_bounded() {
        let deep = format!("{}a-z{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(expand(&deep), Err(AlphabetError::NotAClass));
    }
}
