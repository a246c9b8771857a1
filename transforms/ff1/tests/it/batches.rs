//! Batches of every size against single values, numerals against bytes, and every engine against the portable one.

use allonym_ff1::{Engine, Ff1, Tweaks, domain_size};
use proptest::prelude::*;

use crate::cases::{Case, case, engines};

type Run = fn(&Ff1, Tweaks<'_>, usize, &mut [u16]) -> Result<(), allonym_ff1::Ff1Error>;
type RunBytes = fn(&Ff1, Tweaks<'_>, usize, u8, &mut [u8]) -> Result<(), allonym_ff1::Ff1Error>;

const WAYS: [(Run, RunBytes); 2] = [
    (Ff1::encrypt_batch, Ff1::encrypt_bytes_batch),
    (Ff1::decrypt_batch, Ff1::decrypt_bytes_batch),
];

/// Holds every engine to the portable one, which takes the values one by one.
fn check(case: &Case) -> Result<(), TestCaseError> {
    let portable = Ff1::with_engine(&case.key, case.radix, Engine::Portable).unwrap();
    let plain = case.values.concat();
    let each: Vec<&[u8]> = case.tweaks.iter().map(Vec::as_slice).collect();
    let same = each.first().copied().unwrap_or_default();
    for (run, run_bytes) in WAYS {
        for tweaks in [Tweaks::Same(same), Tweaks::Each(&each)] {
            let mut expected = plain.clone();
            for (index, value) in expected.chunks_exact_mut(case.length).enumerate() {
                let tweak = if let Tweaks::Each(each) = tweaks { each[index] } else { same };
                run(&portable, Tweaks::Same(tweak), case.length, value).unwrap();
            }
            for ff1 in case.engines() {
                let mut batch = plain.clone();
                run(&ff1, tweaks, case.length, &mut batch).unwrap();
                prop_assert_eq!(&batch, &expected, "{}", ff1.engine());
                if case.radix > 256 {
                    continue;
                }
                let first = if case.radix < 200 { b'0' } else { 0 };
                let bytes = |numerals: &[u16]| {
                    numerals.iter().map(|numeral| *numeral as u8 + first).collect::<Vec<_>>()
                };
                let mut batch = bytes(&plain);
                run_bytes(&ff1, tweaks, case.length, first, &mut batch).unwrap();
                prop_assert_eq!(batch, bytes(&expected), "{} in bytes", ff1.engine());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 600 }))]

    #[test]
    fn short_batches(case in case(2..24, 0..41)) {
        check(&case)?;
    }

    #[test]
    fn longer_batches(case in case(20..90, 0..41)) {
        check(&case)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 60 }))]

    #[test]
    fn large_batches(case in case(2..40, 100..300)) {
        check(&case)?;
    }
}

/// All lengths and batch sizes that the vectors of the fastest engine can be filled with, and some beyond.
#[test]
fn a_grid_of_lengths_and_batch_sizes() {
    let mut checked = 0;
    for radix in [4u32, 10, 26, 36, 62, 85, 127, 128, 256] {
        for length in 2..=20usize {
            if domain_size(radix, length).is_some_and(|size| size < 100) {
                continue;
            }
            let engines = engines(&[radix as u8; 32], radix);
            for count in (0..=40).chain([63, 64, 65, 129]) {
                let plain: Vec<u16> = (0..(count * length) as u64)
                    .map(|at| (at * at * 2_654_435_761 % 65_521 % u64::from(radix)) as u16)
                    .collect();
                let tweaks: Vec<Vec<u8>> =
                    (0..count).map(|at| vec![at as u8; at % 3 + length % 13]).collect();
                let tweaks: Vec<&[u8]> = tweaks.iter().map(Vec::as_slice).collect();
                let run = |ff1: &Ff1| {
                    let mut batch = plain.clone();
                    ff1.encrypt_batch(Tweaks::Each(&tweaks), length, &mut batch).unwrap();
                    let cipher = batch.clone();
                    ff1.decrypt_batch(Tweaks::Each(&tweaks), length, &mut batch).unwrap();
                    assert_eq!(batch, plain, "{}: {count} of {radix}^{length}", ff1.engine());
                    cipher
                };
                let expected = run(&engines[0]);
                for ff1 in &engines[1..] {
                    assert_eq!(run(ff1), expected, "{}: {count} of {radix}^{length}", ff1.engine());
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 6500, "{checked}");
}
