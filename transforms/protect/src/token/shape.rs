use allonym_record::Value;

use super::sequence::Sequence;
use crate::{FaultRule, Mark, SpecError, TokenError, TokenTemplate, header};

/// What tokens look like.
pub(super) enum Shape {
    /// `tok_`, 26 digits for 128 random bits, two check digits.
    Plain,
    /// 16 digits for 80 random bits, two check digits, `@` and the token domain.
    Email { suffix: String },
    /// The format of the value: a counter enciphered between its kept ends.
    Sequence(Box<Sequence>),
}

/// The longest value that is kept, in bytes.
const LONGEST: usize = 256 * 1024;

impl Shape {
    const PREFIX: &str = "tok_";
    const PLAIN_DIGITS: usize = 26;
    const EMAIL_DIGITS: usize = 16;

    /// The shape of a template's tokens.
    pub(super) fn new(template: &TokenTemplate) -> Result<Self, SpecError> {
        Ok(match template {
            TokenTemplate::Plain => Self::Plain,
            TokenTemplate::Email { token_domain } => {
                check_token_domain(token_domain)?;
                Self::Email { suffix: format!("@{}", token_domain.to_ascii_lowercase()) }
            }
            TokenTemplate::Pan { keep, min, max, luhn } => {
                Self::Sequence(Box::new(Sequence::pan(*keep, *min, *max, *luhn)?))
            }
            TokenTemplate::Digits { keep, min, max } => {
                Self::Sequence(Box::new(Sequence::digits(*keep, *min, *max)?))
            }
            TokenTemplate::Alphanumeric { keep, min, max } => {
                Self::Sequence(Box::new(Sequence::alphanumeric(*keep, *min, *max)?))
            }
        })
    }

    /// The format of the value, where tokens have it.
    pub(super) const fn sequence(&self) -> Option<&Sequence> {
        match self {
            Self::Plain | Self::Email { .. } => None,
            Self::Sequence(sequence) => Some(sequence),
        }
    }

    /// Whether a token shows that it is one.
    pub(super) const fn is_marked(&self) -> bool {
        match self {
            Self::Plain | Self::Email { .. } => true,
            Self::Sequence(sequence) => sequence.is_marked(),
        }
    }

    /// A token as it was issued, whatever became of its case on the way.
    pub(super) fn issued(&self, token: &str) -> String {
        match self {
            // Mail systems change the case of addresses; a token is in lower case.
            Self::Plain | Self::Email { .. } => token.to_ascii_lowercase(),
            Self::Sequence(_) => token.to_owned(),
        }
    }

    /// Fresh random tokens of this form; none of a sequence, which are not random.
    pub(super) fn draw(&self, count: usize) -> Result<Vec<String>, TokenError> {
        let mut bytes = vec![0; count * 16];
        getrandom::fill(&mut bytes).map_err(|_| no_randomness())?;
        let (numbers, _) = bytes.as_chunks::<16>();
        let numbers = numbers.iter().map(|bytes| u128::from_be_bytes(*bytes));
        Ok(match self {
            Self::Plain => numbers
                .map(|n| Self::PREFIX.to_owned() + &digits::write(n, Self::PLAIN_DIGITS))
                .collect(),
            Self::Email { suffix } => {
                numbers.map(|n| digits::write(n, Self::EMAIL_DIGITS) + suffix).collect()
            }
            Self::Sequence(_) => Vec::new(),
        })
    }

    /// What a value shows by itself.
    pub(super) fn mark(&self, value: &Value) -> Mark {
        if value.is_empty() {
            return if self.is_marked() { Mark::Plain } else { Mark::Unmarked };
        }
        if value.as_str().is_some_and(|content| content.len() > LONGEST) {
            return Mark::Neither(FaultRule::Length);
        }
        match (self, value) {
            (_, Value::Text(text)) if !self.is_own(text) && header::is_marked(text) => {
                Mark::Neither(FaultRule::BadMark)
            }
            (Self::Sequence(sequence), _) => sequence.mark(value),
            (_, Value::Text(text)) => self.mark_text(text),
            (Self::Plain, _) => Mark::Plain,
            (Self::Email { .. }, _) => Mark::Neither(FaultRule::Kind),
        }
    }

    /// Whether text has what all tokens of this shape have, and no others.
    fn is_own(&self, text: &str) -> bool {
        match self {
            Self::Plain => after_ignoring_case(text, Self::PREFIX).is_some(),
            Self::Email { suffix } => before_ignoring_case(text, suffix).is_some(),
            Self::Sequence(_) => false,
        }
    }

    fn mark_text(&self, text: &str) -> Mark {
        let (digits, count) = match self {
            Self::Email { suffix } => {
                // A fully qualified name ends with a dot: the same domain, but no token.
                let undotted = text.strip_suffix('.').unwrap_or(text);
                if undotted.len() != text.len() && before_ignoring_case(undotted, suffix).is_some()
                {
                    return Mark::Neither(FaultRule::BadMark);
                }
                if !is_email(text) {
                    let masked = text.contains(MASK);
                    return Mark::Neither(if masked {
                        FaultRule::Masked
                    } else {
                        FaultRule::Structure
                    });
                }
                (before_ignoring_case(text, suffix), Self::EMAIL_DIGITS)
            }
            _ => (after_ignoring_case(text, Self::PREFIX), Self::PLAIN_DIGITS),
        };
        match digits {
            Some(digits) if digits::is_well_formed(digits, count) => Mark::Protected(None),
            Some(_) => Mark::Neither(FaultRule::BadMark),
            None if text.contains(MASK) => Mark::Neither(FaultRule::Masked),
            None => Mark::Plain,
        }
    }
}

/// Whether text has the form of a token, in any case: a plain one, or an address at the
/// default token domain. Those of other token domains are known to their own domain only.
pub(crate) fn is_token(text: &str) -> bool {
    if let Some(digits) = after_ignoring_case(text, Shape::PREFIX) {
        return digits::is_well_formed(digits, Shape::PLAIN_DIGITS);
    }
    before_ignoring_case(text, DEFAULT_SUFFIX)
        .is_some_and(|digits| digits::is_well_formed(digits, Shape::EMAIL_DIGITS))
}

/// What addresses at the default token domain end with.
const DEFAULT_SUFFIX: &str = "@allonym.invalid";

/// The system gives no randomness.
pub(super) fn no_randomness() -> TokenError {
    TokenError::Unavailable("no randomness from the system".into())
}

/// A domain under which no token could be recognised is refused.
fn check_token_domain(token_domain: &str) -> Result<(), SpecError> {
    let labels = token_domain.split('.').all(|label| {
        let inner = |symbol: u8| symbol.is_ascii_alphanumeric() || symbol == b'-';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(inner)
    });
    if labels && token_domain.len() <= 200 {
        return Ok(());
    }
    Err(SpecError::Invalid("`token_domain` is not a domain name"))
}

/// What masks leave in the place of characters.
const MASK: &str = "***";

fn after_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn before_ignoring_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(rest)
}

/// Whether text looks like an e-mail address: one `@` outside of quotes with something
/// on both sides, at most 254 bytes (RFC 5321, 4.5.3.1.3), none of the characters that
/// set an address apart from what surrounds it (RFC 5322, 3.2.3).
fn is_email(text: &str) -> bool {
    let mut quoted = false;
    let mut escaped = false;
    let mut at = None;
    for (index, char) in text.char_indices() {
        if char.is_control() || char.is_whitespace() {
            return false;
        }
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if at.is_none() => quoted = !quoted,
            '@' if !quoted && at.replace(index).is_some() => return false,
            '(' | ')' | '<' | '>' | ',' | ';' | '\\' | '"' if !quoted => return false,
            _ => {}
        }
    }
    !quoted && text.len() <= 254 && at.is_some_and(|at| at > 0 && at + 1 < text.len())
}

/// Digits of base 32 in lower case, without the letters that are read as others (after
/// Crockford), and two check digits: a Reed-Solomon code over GF(32), which no one or two
/// mistyped digits and no two exchanged ones get past.
mod digits {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    /// The low `5 * count` bits of a number, lowest first, and the check digits.
    pub(super) fn write(number: u128, count: usize) -> String {
        let symbols = (0..count).map(|at| (number.unbounded_shr(5 * at as u32) & 31) as u8);
        let check = check(symbols.clone());
        symbols
            .chain(check)
            .filter_map(|symbol| DIGITS.get(usize::from(symbol)).map(|digit| char::from(*digit)))
            .collect()
    }

    /// Whether these are so many digits, in any case, and their check digits.
    pub(super) fn is_well_formed(text: &str, count: usize) -> bool {
        let symbol = |byte: u8| {
            let digit = byte.to_ascii_lowercase();
            DIGITS.iter().position(|known| *known == digit).map(|at| at as u8)
        };
        let symbols: Option<Vec<u8>> = text.bytes().map(symbol).collect();
        let split = |symbols: Vec<u8>| {
            let (data, given) = symbols.split_at_checked(count)?;
            Some(given == check(data.iter().copied()))
        };
        symbols.and_then(split).unwrap_or(false)
    }

    /// The remainder by x² + 6x + 8, whose roots are 2 and 4, neighbouring powers of the
    /// generator 2: any two of up to 31 symbols may be wrong and it is seen.
    fn check(symbols: impl Iterator<Item = u8>) -> [u8; 2] {
        symbols.fold([0, 0], |[high, low], symbol| {
            let out = high ^ symbol;
            [low ^ times(out, 6), times(out, 8)]
        })
    }

    /// The product in GF(32) with x⁵ + x² + 1.
    fn times(left: u8, right: u8) -> u8 {
        (0..5).rev().fold(0, |product: u8, bit| {
            let doubled = product << 1;
            let reduced = if doubled & 32 == 0 { doubled } else { doubled ^ 0b10_0101 };
            if right >> bit & 1 == 0 { reduced } else { reduced ^ left }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email() -> Shape {
        Shape::Email { suffix: "@allonym.invalid".into() }
    }

    #[test]
    fn a_token_has_the_form_of_its_template() {
        for (shape, length) in [(Shape::Plain, 32), (email(), 34)] {
            for token in shape.draw(100).unwrap() {
                assert_eq!(token.len(), length);
                assert_eq!(shape.mark_text(&token), Mark::Protected(None), "{token}");
                let upper = shape.mark_text(&token.to_uppercase());
                assert_eq!(upper, Mark::Protected(None), "{token}");
            }
        }
        // Published vectors: what is stored must stay a token.
        assert_eq!(digits::write(0, 26), "0".repeat(28));
        assert_eq!(digits::write(1 << 125, 26), "0000000000000000000000000168");
    }

    #[test]
    fn a_mistyped_token_is_neither() {
        let bad = Mark::Neither(FaultRule::BadMark);
        for shape in [Shape::Plain, email()] {
            let token = shape.draw(1).unwrap().remove(0);
            let digits = match shape {
                Shape::Plain => 4..32,
                _ => 0..18,
            };
            for at in digits.clone() {
                for digit in '0'..='z' {
                    let mut wrong = token.clone();
                    wrong.replace_range(at..=at, &digit.to_string());
                    if wrong != token
                        && digit.is_ascii_alphanumeric()
                        && !digit.is_ascii_uppercase()
                    {
                        assert_eq!(shape.mark_text(&wrong), bad, "{token} {wrong}");
                    }
                    if at + 1 < digits.end {
                        let mut swapped: Vec<char> = token.chars().collect();
                        swapped.swap(at, at + 1);
                        let swapped: String = swapped.into_iter().collect();
                        assert!(
                            swapped == token || shape.mark_text(&swapped) == bad,
                            "{token} {swapped}"
                        );
                    }
                }
            }
            let cut = format!("{}{}", &token[..digits.end - 1], &token[digits.end..]);
            assert_eq!(shape.mark_text(&cut), bad, "{cut}");
        }
    }

    #[test]
    fn only_an_address_fits_the_email_template() {
        let check =
            |text: &str, expected: Mark| assert_eq!(email().mark_text(text), expected, "{text}");
        let structure = Mark::Neither(FaultRule::Structure);
        for right in [
            "a@b",
            "Jörg.Müller@exämple.de",
            "\"a@b\\\"c\"@d.e",
            "a+b@[IPv6:::1]",
            "x@sub.allonym.invalid",
        ] {
            check(right, Mark::Plain);
        }
        for wrong in [
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@b\n",
            "<a@b>",
            "a@b,c",
            "\"a@b",
            "a@b\"c@d\"",
            "A <a@b>",
        ] {
            check(wrong, structure);
        }
        check(&format!("{}@b", "a".repeat(252)), Mark::Plain);
        check(&format!("{}@b", "a".repeat(253)), structure);
        check("j***@example.org", Mark::Neither(FaultRule::Masked));
        check("***", Mark::Neither(FaultRule::Masked));
        for forged in [
            "someone@allonym.invalid",
            "someone@ALLONYM.invalid",
            "000000000000000000@allonym.invalid.",
        ] {
            check(forged, Mark::Neither(FaultRule::BadMark));
        }
        check("000000000000000000@Allonym.Invalid", Mark::Protected(None));
    }

    #[test]
    fn anything_but_a_broken_mark_fits_the_plain_template() {
        let check = |text: &str, expected: Mark| {
            assert_eq!(Shape::Plain.mark_text(text), expected, "{text}")
        };
        check("Zoë", Mark::Plain);
        check("token", Mark::Plain);
        check("tök", Mark::Plain);
        check("tok_", Mark::Neither(FaultRule::BadMark));
        check("TOK_123", Mark::Neither(FaultRule::BadMark));
        check("***", Mark::Neither(FaultRule::Masked));
        for marked in ["aln1.x", "alh1.x", "ale1.x", "alf1.1.x", "TKV1_x"] {
            let bad = Mark::Neither(FaultRule::BadMark);
            assert_eq!(Shape::Plain.mark(&Value::text(marked)), bad, "{marked}");
        }
    }

    #[test]
    fn a_token_of_another_shape_is_none() {
        const PLAIN: &str = "TOK_0000000000000000000000000168";
        const EMAIL: &str = "000000000000000000@Allonym.invalid";
        let elsewhere = || Shape::Email { suffix: "@tokens.example".into() };
        let alphanumeric = || {
            let keep = crate::Keep::default();
            Shape::new(&TokenTemplate::Alphanumeric { keep, min: 6, max: 40 }).unwrap()
        };
        let bad = Mark::Neither(FaultRule::BadMark);
        for (shape, token, expected) in [
            (Shape::Plain, PLAIN, Mark::Protected(None)),
            (Shape::Plain, EMAIL, bad),
            (email(), EMAIL, Mark::Protected(None)),
            (email(), PLAIN, bad),
            (elsewhere(), EMAIL, bad),
            (elsewhere(), "000000000000000000@tokens.example", Mark::Protected(None)),
            // Known to its own domain only.
            (Shape::Plain, "000000000000000000@tokens.example", Mark::Plain),
            (alphanumeric(), PLAIN, bad),
            (alphanumeric(), EMAIL, bad),
            (alphanumeric(), "tkv1_0000", bad),
        ] {
            assert_eq!(shape.mark(&Value::text(token)), expected, "{token}");
        }
    }
}
