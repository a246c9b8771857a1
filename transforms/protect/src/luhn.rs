//! The check digit of card numbers (ISO/IEC 7812-1, annex B). It is the last digit.

/// How far the check digit is from the valid one; nothing where there is none.
pub(crate) fn distance(digits: &[u8]) -> Option<u32> {
    let (check, body) = digits.split_last()?;
    Some((u32::from(check & 0xf) + 10 - valid(body)) % 10)
}

/// Writes the check digit that is so far from the valid one.
pub(crate) fn set_distance(digits: &mut [u8], distance: u32) {
    if let Some((check, body)) = digits.split_last_mut() {
        *check = b'0' + ((valid(body) + distance) % 10) as u8;
    }
}

/// The valid check digit after these digits.
fn valid(body: &[u8]) -> u32 {
    let sum: u32 = body
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match u32::from(digit & 0xf) {
            digit if index % 2 == 1 => digit,
            digit if digit < 5 => digit * 2,
            digit => digit * 2 - 9,
        })
        .sum();
    (10 - sum % 10) % 10
}
