//! Random keys, radices, lengths and tweaks: against the crate `fpe`, batches against single values, and back again.

use aes::{Aes128, Aes192, Aes256};
use allonym_ff1::{Ff1, Tweaks, domain_size};
use fpe::ff1::{FF1, FlexibleNumeralString};
use proptest::prelude::*;

/// One key, radix and length, with values and a tweak for each of them.
#[derive(Clone, Debug)]
struct Case {
    key: Vec<u8>,
    radix: u32,
    length: usize,
    values: Vec<Vec<u16>>,
    tweaks: Vec<Vec<u8>>,
}

fn radix() -> impl Strategy<Value = u32> {
    prop_oneof![
        prop::sample::select(vec![
            2, 3, 10, 16, 26, 36, 62, 64, 85, 255, 256, 257, 1000, 4096, 65_535, 65_536
        ]),
        2..100u32,
        2..=65_536u32,
    ]
}

/// Values of random numerals, and now and then of the least or the largest one only.
fn value(radix: u32, length: usize) -> impl Strategy<Value = Vec<u16>> {
    let largest = (radix - 1) as u16;
    prop_oneof![
        8 => prop::collection::vec(0..=largest, length),
        1 => Just(vec![0; length]),
        1 => Just(vec![largest; length]),
    ]
}

fn case(
    lengths: std::ops::Range<usize>,
    values: std::ops::Range<usize>,
) -> impl Strategy<Value = Case> {
    let key = prop::sample::select(vec![16usize, 24, 32])
        .prop_flat_map(|size| prop::collection::vec(any::<u8>(), size));
    (key, radix(), lengths, values).prop_flat_map(|(key, radix, length, count)| {
        let shortest = (2..).find(|length| domain_size(radix, *length).is_none_or(|size| size >= 1_000_000)).unwrap();
        let length = length.max(shortest);
        let tweak = prop_oneof![4 => prop::collection::vec(any::<u8>(), 0..16), 1 => prop::collection::vec(any::<u8>(), 0..70)];
        (
            prop::collection::vec(value(radix, length), count),
            prop::collection::vec(tweak, count),
        )
            .prop_map(move |(values, tweaks)| Case { key: key.clone(), radix, length, values, tweaks })
    })
}

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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn short_values_agree_with_another_implementation(case in case(2..48, 1..4)) {
        let ff1 = Ff1::new(&case.key, case.radix).unwrap();
        for (value, tweak) in case.values.iter().zip(&case.tweaks) {
            prop_assert_eq!(single(&ff1, value, tweak), reference(&case, value, tweak));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn longer_values_agree_with_another_implementation(case in case(48..400, 1..3)) {
        let ff1 = Ff1::new(&case.key, case.radix).unwrap();
        for (value, tweak) in case.values.iter().zip(&case.tweaks) {
            prop_assert_eq!(single(&ff1, value, tweak), reference(&case, value, tweak));
        }
    }

    /// Batches smaller than, equal to and larger than the lanes of any back end, with a partly filled last group.
    #[test]
    fn a_batch_is_its_values_one_by_one(case in case(2..90, 0..150)) {
        let ff1 = Ff1::new(&case.key, case.radix).unwrap();
        let plain = case.values.concat();
        let each: Vec<&[u8]> = case.tweaks.iter().map(Vec::as_slice).collect();
        let shared = each.first().copied().unwrap_or_default();

        let mut batch = plain.clone();
        ff1.encrypt_batch(Tweaks::Each(&each), case.length, &mut batch).unwrap();
        let singles = case.values.iter().zip(&each).map(|(value, tweak)| single(&ff1, value, tweak));
        prop_assert_eq!(&batch, &singles.collect::<Vec<_>>().concat());
        ff1.decrypt_batch(Tweaks::Each(&each), case.length, &mut batch).unwrap();
        prop_assert_eq!(&batch, &plain);

        ff1.encrypt_batch(Tweaks::Same(shared), case.length, &mut batch).unwrap();
        let singles = case.values.iter().map(|value| single(&ff1, value, shared));
        prop_assert_eq!(&batch, &singles.collect::<Vec<_>>().concat());
        ff1.decrypt_batch(Tweaks::Same(shared), case.length, &mut batch).unwrap();
        prop_assert_eq!(&batch, &plain);
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
        let ff1 = Ff1::new(&case.key, radix).unwrap();
        let mut value = single(&ff1, &case.values[0], &case.tweaks[0]);
        assert_eq!(
            value,
            reference(&case, &case.values[0], &case.tweaks[0]),
            "radix {radix}, length {length}"
        );
        ff1.decrypt(&case.tweaks[0], &mut value).unwrap();
        assert_eq!(value, case.values[0], "radix {radix}, length {length}");
    }
}

/// Every radix up to 70 and every length up to 70 by turns, so that odd lengths and all stream sizes are met for certain.
#[test]
fn a_grid_of_radices_and_lengths_agrees_with_another_implementation() {
    let mut checked = 0;
    for radix in 2..70u32 {
        let ff1 = Ff1::new(&[radix as u8; 32], radix).unwrap();
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
            assert_eq!(
                single(&ff1, &value, &tweak),
                reference(&case, &value, &tweak),
                "radix {radix}, length {length}"
            );
            checked += 1;
        }
    }
    assert!(checked > 4300, "{checked}");
}
