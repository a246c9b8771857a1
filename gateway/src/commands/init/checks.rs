//! What a value shows by itself: check digits and shapes.

/// Whether it is 13 to 19 digits with a valid Luhn digit, beginning like a card number.
pub(super) fn card(value: &str) -> bool {
    (13..=19).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_digit())
        && matches!(value.as_bytes().first(), Some(b'2'..=b'6'))
        && luhn(value)
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let digit = u32::from(digit - b'0');
            match index % 2 {
                0 => digit,
                _ => digit * 2 / 10 + digit * 2 % 10,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether its check digits are those of an IBAN (ISO 13616: mod 97 is 1).
pub(super) fn iban(value: &str) -> bool {
    let bytes = value.as_bytes();
    let (Some(country), Some(check), true) =
        (bytes.get(..2), bytes.get(2..4), (15..=34).contains(&bytes.len()))
    else {
        return false;
    };
    country.iter().all(u8::is_ascii_uppercase)
        && check.iter().all(u8::is_ascii_digit)
        && bytes.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        && remainder_97(bytes) == 1
}

fn remainder_97(bytes: &[u8]) -> u32 {
    let (head, rest) = bytes.split_at(4);
    rest.iter().chain(head).fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    })
}

/// Whether it has the shape of an e-mail address.
pub(super) fn email(value: &str) -> bool {
    let Some((local, domain)) = value.rsplit_once('@') else {
        return false;
    };
    value.len() <= 254
        && !local.is_empty()
        && !local.contains('@')
        && !value.chars().any(|c| c.is_whitespace() || c.is_control())
        && domain.split('.').count() >= 2
        && domain.split('.').all(|label| !label.is_empty())
}

/// Whether it is an E.164 number: `+`, then 8 to 15 digits.
pub(super) fn e164(value: &str) -> bool {
    value.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Whether an object's key looks like a value rather than a name: an address, a number,
/// an identifier. Such a key must not be repeated.
pub(super) fn value_like(key: &str) -> bool {
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    let hexadecimal = key.len() >= 16 && key.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    key.is_empty()
        || key.len() > 64
        || digits >= 4
        || hexadecimal
        || key.contains('@')
        || key.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The value without the separators people print.
pub(super) fn compact(value: &str) -> String {
    value.chars().filter(|c| !matches!(c, ' ' | '-' | '.')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let check = |is: fn(&str) -> bool, value: &str, expected: bool| {
            assert_eq!(is(value), expected, "{value}");
        };
        check(card, "4929120000006466", true);
        check(card, "378282246310005", true);
        check(card, "4929120000006467", false);
        check(card, "4929 1200 0000 6466", false);
        check(card, "0000000000000000", false);
        check(iban, "DE89370400440532013000", true);
        check(iban, "GB29NWBK60161331926819", true);
        check(iban, "DE88370400440532013000", false);
        check(iban, "de89370400440532013000", false);
        check(iban, "DÉ", false);
        check(email, "zoë@müller.example", true);
        check(email, "a b@c.example", false);
        check(email, "@c.example", false);
        check(email, "a@b", false);
        check(email, "a@b..c", false);
        check(e164, "+4915112345678", true);
        check(e164, "004915112345678", false);
        check(e164, "+49", false);
        check(value_like, "email", false);
        check(value_like, "address_line_1", false);
        check(value_like, "anna@example.com", true);
        check(value_like, "Anna Muster", true);
        check(value_like, "0b6f2c1e-8f0e-4f3a-9b59-2b6b7a1d9c11", true);
    }
}
