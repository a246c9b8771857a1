use super::{Alphabet, Layout, Run, Template};
use crate::FaultRule;
use crate::tweak::Part;

/// Fewest digits after the country code: 10^6 numbers.
const NATIONAL_MIN: usize = 6;
/// Digits in all (ITU-T E.164, section 6.1: at most 15).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Longest national number: 15 digits less the shortest country code.
const NATIONAL_MAX: usize = 14;

/// Country codes that are in use (list of ITU-T Recommendation E.164 assigned country
/// codes). No code begins another.
const COUNTRY_CODES: &[&[u16]] = &[
    &[1, 7],
    &[
        20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55,
        56, 57, 58, 60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
    ],
    &[
        211, 212, 213, 216, 218, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232,
        233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250,
        251, 252, 253, 254, 255, 256, 257, 258, 260, 261, 262, 263, 264, 265, 266, 267, 268, 269,
        290, 291, 297, 298, 299, 350, 351, 352, 353, 354, 355, 356, 357, 358, 359, 370, 371, 372,
        373, 374, 375, 376, 377, 378, 379, 380, 381, 382, 383, 385, 386, 387, 389, 420, 421, 423,
        500, 501, 502, 503, 504, 505, 506, 507, 508, 509, 590, 591, 592, 593, 594, 595, 596, 597,
        598, 599, 670, 672, 673, 674, 675, 676, 677, 678, 679, 680, 681, 682, 683, 685, 686, 687,
        688, 689, 690, 691, 692, 800, 808, 850, 852, 853, 855, 856, 870, 878, 880, 881, 882, 883,
        886, 888, 960, 961, 962, 963, 964, 965, 966, 967, 968, 970, 971, 972, 973, 974, 975, 976,
        977, 979, 992, 993, 994, 995, 996, 998,
    ],
];

/// An E.164 number: `+`, country code, national digits, without separators. Sign and
/// country code stay.
pub(crate) struct Phone {
    layouts: Vec<Layout>,
}

impl Phone {
    pub(crate) fn new() -> Self {
        let lengths = (1..=COUNTRY_CODES.len())
            .flat_map(|code| (NATIONAL_MIN..=NATIONAL_MAX).map(move |national| (code, national)));
        let layouts = lengths
            .map(|(code, national)| {
                let start = 1 + code;
                let run = Run::new(Alphabet::Decimal, (start..start + national).collect());
                let digits = if code == 1 { "digit" } else { "digits" };
                let name = format!("country code of {code} {digits}, then {national}");
                Layout::new(name, vec![run], vec![(Part::Digits, 1..start)])
            })
            .collect();
        Self { layouts }
    }
}

impl Template for Phone {
    fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    fn fit(&self, text: &str) -> Result<usize, FaultRule> {
        let digits = text.strip_prefix('+').ok_or(FaultRule::Structure)?;
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(FaultRule::Alphabet);
        }
        if !DIGITS.contains(&digits.len()) {
            return Err(FaultRule::Length);
        }
        let code = country_code(digits).ok_or(FaultRule::Structure)?;
        let national = (digits.len() - code).checked_sub(NATIONAL_MIN).ok_or(FaultRule::Length)?;
        Ok((code - 1) * (NATIONAL_MAX - NATIONAL_MIN + 1) + national)
    }
}

/// How many digits the country code has with which these digits begin.
fn country_code(digits: &str) -> Option<usize> {
    COUNTRY_CODES.iter().zip(1..).find_map(|(codes, length)| {
        let code = digits.get(..length)?.parse().ok()?;
        // A code does not begin with 0, so parsing cannot have dropped a digit.
        (!digits.starts_with('0') && codes.binary_search(&code).is_ok()).then_some(length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn country_codes_are_sorted_and_none_begins_another() {
        let all: Vec<String> =
            COUNTRY_CODES.iter().flat_map(|codes| codes.iter().map(u16::to_string)).collect();
        for (codes, length) in COUNTRY_CODES.iter().zip(1..) {
            assert!(codes.is_sorted());
            assert!(codes.iter().all(|code| code.to_string().len() == length));
        }
        for code in &all {
            assert_eq!(all.iter().filter(|other| code.starts_with(*other)).count(), 1, "{code}");
        }
    }

    #[test]
    fn a_number_is_taken_apart_by_its_country_code() {
        let phone = Phone::new();
        let check = |text: &str, expected: Result<&str, FaultRule>| {
            let country = phone.fit(text).map(|index| {
                let layout = &phone.layouts()[index];
                let run = &layout.runs[0];
                assert_eq!(run.positions().last(), Some(&(text.len() - 1)), "{text}");
                assert!(run.domain_size() >= super::super::SMALLEST_DOMAIN);
                &text[layout.kept[0].1.clone()]
            });
            assert_eq!(country, expected, "{text}");
        };
        check("+14155550100", Ok("1"));
        check("+4915112345678", Ok("49"));
        check("+358401234567", Ok("358"));
        check("+1415555", Ok("1"));
        check("+14155501001234", Ok("1"));
        check("+123456789012345", Ok("1"));
        check("+358123456", Ok("358"));
        check("+1234567890123456", Err(FaultRule::Length));
        check("+358123", Err(FaultRule::Length));
        check("+35812345", Err(FaultRule::Length));
        check("+4912345", Err(FaultRule::Length));
        check("+", Err(FaultRule::Length));
        check("+0012345678", Err(FaultRule::Structure));
        check("+21012345678", Err(FaultRule::Structure));
        check("4915112345678", Err(FaultRule::Structure));
        check("+49 15112345678", Err(FaultRule::Alphabet));
        check("+49١5112345678", Err(FaultRule::Alphabet));
    }
}
