//! Random cases.

use allonym_ff1::{Engine, Ff1, domain_size};
use proptest::prelude::*;

/// One key, radix and length, with values and a tweak for each of them.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) key: Vec<u8>,
    pub(crate) radix: u32,
    pub(crate) length: usize,
    pub(crate) values: Vec<Vec<u16>>,
    pub(crate) tweaks: Vec<Vec<u8>>,
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

pub(crate) fn case(
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

impl Case {
    /// FF1 by every engine of this processor.
    pub(crate) fn engines(&self) -> Vec<Ff1> {
        engines(&self.key, self.radix)
    }
}

/// FF1 by every engine of this processor.
pub(crate) fn engines(key: &[u8], radix: u32) -> Vec<Ff1> {
    Engine::available().map(|engine| Ff1::with_engine(key, radix, engine).unwrap()).collect()
}
