use allonym_protect::can_be_in_alphabet;
use regex_syntax::ast::{self, Ast, ClassSetItem, Visitor};
use regex_syntax::hir::translate::Translator;
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
    /// A character that is written out and can be in no alphabet.
    Unfit(char),
}

/// The characters of a class in the syntax of regular expressions, as first and last of
/// each range in the order of their code points: `09AZaz` for `[0-9A-Za-z]`. Of ranges and
/// named classes those that can be in no alphabet are left out.
pub(super) fn expand(typed: &str) -> Result<String, AlphabetError> {
    let parsed = ast::parse::ParserBuilder::new().nest_limit(16).build().parse(typed);
    let ast = parsed.map_err(|_| AlphabetError::NotAClass)?;
    let parsed = Translator::new().translate(typed, &ast).map_err(|_| AlphabetError::NotAClass)?;
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
    let has = |symbol| ranges.iter().any(|(first, last)| (*first..=*last).contains(&symbol));
    let unfit = |symbol: &char| has(*symbol) && !can_be_in_alphabet(*symbol);
    if let Some(symbol) = written_out(&ast).into_iter().find(unfit) {
        return Err(AlphabetError::Unfit(symbol));
    }
    let (alphabet, size) = fitting(&ranges);
    match size {
        0..2 => Err(AlphabetError::TooFew),
        2..=MOST => Ok(alphabet),
        _ => Err(AlphabetError::TooMany),
    }
}

/// The same ranges without the characters that can be in no alphabet, and how many are left.
fn fitting(ranges: &[(char, char)]) -> (String, u32) {
    let (mut alphabet, mut size) = (String::new(), 0_u32);
    let mut run: Option<(char, char)> = None;
    let all = ranges.iter().flat_map(|(first, last)| *first..=*last);
    for symbol in all.filter(|symbol| can_be_in_alphabet(*symbol)) {
        size = size.saturating_add(1);
        run = match run {
            Some((first, last)) if u32::from(last) + 1 == u32::from(symbol) => {
                Some((first, symbol))
            }
            ended => {
                alphabet.extend(ended.into_iter().flat_map(|(first, last)| [first, last]));
                Some((symbol, symbol))
            }
        };
    }
    alphabet.extend(run.into_iter().flat_map(|(first, last)| [first, last]));
    (alphabet, size)
}

/// The characters that are written out one by one, not as a range or by a name.
fn written_out(ast: &Ast) -> Vec<char> {
    struct Literals(Vec<char>);

    impl Visitor for Literals {
        type Output = Vec<char>;
        type Err = std::convert::Infallible;

        fn finish(self) -> Result<Vec<char>, Self::Err> {
            Ok(self.0)
        }

        fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
            if let Ast::Literal(literal) = ast {
                self.0.push(literal.c);
            }
            Ok(())
        }

        fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
            if let ClassSetItem::Literal(literal) = item {
                self.0.push(literal.c);
            }
            Ok(())
        }
    }

    let Ok(literals) = ast::visit(ast, Literals(Vec::new()));
    literals
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
            (r"[\u{3B1}-\u{3C9}]", Ok("\u{3B1}\u{3C9}")),
            // A comma that is a Greek question mark changes, and two are not assigned.
            (r"[\u{376}-\u{37F}]", Ok("\u{376}\u{377}\u{37A}\u{37D}\u{37F}\u{37F}")),
            ("[!-/]", Ok("!)+/")),
            (r"[ab\u{300}-\u{302}]", Ok("ab")),
            (r"[ab\u{301}]", Err(AlphabetError::Unfit('\u{301}'))),
            (r"a|b|\u{301}", Err(AlphabetError::Unfit('\u{301}'))),
            (r"[ab\u{378}]", Err(AlphabetError::Unfit('\u{378}'))),
            (r"[ab\u{212B}]", Err(AlphabetError::Unfit('\u{212B}'))),
            ("[ab*]", Err(AlphabetError::Unfit('*'))),
            (r"[a-z&&[^\u{301}]]", Ok("az")),
            (r"[ab\u{301}&&[a-z]]", Ok("ab")),
            (r"[\u{300}-\u{302}]", Err(AlphabetError::TooFew)),
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
            (r"[\u{0}-\u{10FFFF}]", Err(AlphabetError::TooMany)),
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
