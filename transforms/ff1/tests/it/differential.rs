//! Random keys, radices, lengths and tweaks, by every engine: against the crates `fpe` and `fpr-ff1`, and back again.

use aes::{Aes128, Aes192, Aes256};
use allonym_ff1::{Ff1, domain_size};
use fpe::ff1::{FF1, FlexibleNumeralString};
use proptest::prelude::*;

use crate::cases::{Case, case, engines};

fn reference(case: &Case, value: &[u16], tweak: &[u8]) -> Vec<u16> {
    let value = FlexibleNumeralString::from(value.to_vec());
    match case.key.len() {
        16 => FF1::<Aes128>::new(&case.key, case.radix).unwrap().encrypt(tweak, &value),
        24 => FF1::<Aes192>::new(&case.key, case.radix).unwrap().encrypt(tweak, &value),
        _ => FF1::<Aes256>::new(&case.key, case.radix).unwrap().encrypt(tweak, &value),
    }
    .unwrap()
    .into()
}

fn single(ff1: &Ff1, value: &[u16], tweak: &[u8]) -> Vec<u16> {
    let mut value = value.to_vec();
    ff1.encrypt(tweak, &mut value).unwrap();
    value
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    for ff1 in case.engines() {
        for (value, tweak) in case.values.iter().zip(&case.tweaks) {
            prop_assert_eq!(
                single(&ff1, value, tweak),
                reference(case, value, tweak),
                "{}",
                ff1.engine()
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 3_000 }))]

    #[test]
    fn short_values_agree_with_another_implementation(case in case(2..48, 1..4)) {
        check(&case)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 600 }))]

    #[test]
    fn longer_values_agree_with_another_implementation(case in case(48..400, 1..3)) {
        check(&case)?;
    }

    #[test]
    fn a_third_implementation_agrees_both_ways(case in case(2..60, 1..3)) {
        prop_assume!(case.radix < 65_536); // The third one takes 16 bits for the radix.
        let third = fpr_ff1::FF1::new(&case.key, case.radix).unwrap();
        for ff1 in case.engines() {
            for (value, tweak) in case.values.iter().zip(&case.tweaks) {
                let mut own = value.clone();
                ff1.encrypt(tweak, &mut own).unwrap();
                prop_assert_eq!(&own, &third.encrypt_numerals(value, Some(tweak)).unwrap());
                let mut own = value.clone();
                ff1.decrypt(tweak, &mut own).unwrap();
                prop_assert_eq!(own, third.decrypt_numerals(value, Some(tweak)).unwrap());
            }
        }
    }
}

/// `u` is written modulo 256 and `n` in four bytes, which only long strings show.
#[test]
fn very_long_values_agree_with_another_implementation() {
    for (radix, length) in
        [(65_536, 5001), (65_535, 4096), (10, 3001), (2, 2047), (62, 515), (256, 513)]
    {
        let numerals = (0..length as u64).map(|at| (at * at * 40_503 % u64::from(radix)) as u16);
        let case = Case {
            key: vec![7; 32],
            radix,
            length,
            values: vec![numerals.collect()],
            tweaks: vec![vec![9; 300]],
        };
        let expected = reference(&case, &case.values[0], &case.tweaks[0]);
        for ff1 in case.engines() {
            let mut value = single(&ff1, &case.values[0], &case.tweaks[0]);
            assert_eq!(value, expected, "{}: radix {radix}, length {length}", ff1.engine());
            ff1.decrypt(&case.tweaks[0], &mut value).unwrap();
            assert_eq!(value, case.values[0], "{}: radix {radix}, length {length}", ff1.engine());
        }
    }
}

/// Every radix up to 70 and every length up to 70 by turns, so that odd lengths and all stream sizes are met for certain.
#[test]
fn a_grid_of_radices_and_lengths_agrees_with_another_implementation() {
    let mut checked = 0;
    for radix in 2..70u32 {
        let engines = engines(&[radix as u8; 32], radix);
        let largest = (radix - 1) as u16;
        for length in (2..70usize)
            .filter(|length| domain_size(radix, *length).is_none_or(|size| size >= 1_000_000))
        {
            let tweak = vec![length as u8; length % 19];
            let value: Vec<u16> =
                (0..length).map(|at| largest - (at * at) as u16 % radix as u16).collect();
            let case = Case {
                key: vec![radix as u8; 32],
                radix,
                length,
                values: Vec::new(),
                tweaks: Vec::new(),
            };
            let expected = reference(&case, &value, &tweak);
            for ff1 in &engines {
                let own = single(ff1, &value, &tweak);
                assert_eq!(own, expected, "{}: radix {radix}, length {length}", ff1.engine());
            }
            checked += 1;
        }
    }
    assert!(checked > 4300, "{checked}");
}
