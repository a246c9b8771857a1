//! Halves over 2^256.

use std::hint::select_unpredictable;

use super::choice::mask;
use super::digits::Digits;
use super::divisor::WideDivisor;
use super::limbs;

/// Numbers modulo a modulus of two limbs or more.
pub(crate) struct LongRing {
    modulus: Vec<u64>,
    /// The modulus shifted so that its top bit is set.
    normalized: Vec<u64>,
    shift: u32,
    /// Divides by the upper two limbs of `normalized`.
    divisor: WideDivisor,
    digits: Digits,
}

impl LongRing {
    /// The ring of `modulus`, which has no leading zero limb and is at least 2^64.
    pub(crate) fn new(radix: u32, modulus: Vec<u64>) -> Self {
        let shift = modulus.last().map_or(0, |limb| limb.leading_zeros());
        let mut normalized = modulus.clone();
        limbs::shift_left(&mut normalized, shift);
        let upper = normalized
            .iter()
            .rev()
            .take(2)
            .fold(0, |upper, limb| (upper << 64) | u128::from(*limb));
        Self {
            modulus,
            normalized,
            shift,
            divisor: WideDivisor::new(upper),
            digits: Digits::new(radix),
        }
    }

    /// The limbs of a number of this ring.
    pub(crate) fn limbs(&self) -> usize {
        self.modulus.len()
    }

    /// `number += stream`, modulo the modulus; `stream` has a zero limb on top and is overwritten.
    pub(crate) fn add(&self, number: &mut [u64], stream: &mut [u64]) {
        self.reduce(stream);
        let (remainder, _) = stream.split_at(self.limbs());
        let carry = limbs::add(number, remainder);
        let below = limbs::subtract_product(number, &self.modulus, 1);
        limbs::add_masked(number, &self.modulus, mask(below & !carry));
    }

    /// `number -= stream`, modulo the modulus; `stream` has a zero limb on top and is overwritten.
    pub(crate) fn subtract(&self, number: &mut [u64], stream: &mut [u64]) {
        self.reduce(stream);
        let (remainder, _) = stream.split_at(self.limbs());
        let below = mask(limbs::subtract_product(number, remainder, 1));
        limbs::add_masked(number, &self.modulus, below);
    }

    /// The number that big-endian numerals stand for.
    pub(crate) fn read(&self, numerals: &[u16], number: &mut [u64]) {
        number.fill(0);
        for (group, span) in self.digits.groups(numerals) {
            limbs::multiply_add(number, span, group);
        }
    }

    /// Writes `number` as big-endian numerals and leaves zero in it.
    pub(crate) fn write(&self, number: &mut [u64], numerals: &mut [u16]) {
        for group in numerals.rchunks_mut(self.digits.group) {
            self.digits.write(limbs::divide(number, &self.digits.group_divisor), group);
        }
    }

    /// Long division (Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D); the remainder stays in the lower limbs.
    fn reduce(&self, stream: &mut [u64]) {
        limbs::shift_left(stream, self.shift);
        for start in (0..stream.len().saturating_sub(self.limbs())).rev() {
            let (_, upper) = stream.split_at_mut(start);
            let (window, _) = upper.split_at_mut(self.limbs() + 1);
            let quotient = match window {
                [.., low, middle, top] => {
                    self.quotient((u128::from(*top) << 64) | u128::from(*middle), *low)
                }
                _ => 0,
            };
            let mut below = limbs::subtract_product(window, &self.normalized, quotient);
            while below {
                below = !limbs::add(window, &self.normalized);
            }
        }
        limbs::shift_right(stream, self.shift);
    }

    /// A quotient that is never too small; the limbs below these three may make it too large by one.
    fn quotient(&self, high: u128, low: u64) -> u64 {
        let (quotient, _) = self.divisor.divide(high, low);
        select_unpredictable(high >= self.divisor.normalized, u64::MAX, quotient)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edgy_limb() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(0),
            Just(1),
            Just(u64::MAX),
            Just(1 << 63),
            Just(u64::MAX >> 1),
            any::<u64>()
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 5_000 }))]

        /// The stream is built as `quotient * modulus + remainder`, so the remainder is known.
        #[test]
        fn a_stream_is_reduced_exactly(
            modulus in prop::collection::vec(edgy_limb(), 2..7),
            remainder in prop::collection::vec(edgy_limb(), 7),
            quotient in prop::collection::vec(edgy_limb(), 1..3),
            start in prop::collection::vec(edgy_limb(), 7),
        ) {
            let mut modulus = modulus;
            if let Some(top) = modulus.last_mut() {
                *top |= 1 << 50;
            }
            let size = modulus.len();
            let below = |limbs: &[u64]| {
                // Cutting the top limb below that of the modulus makes the number smaller than it.
                let mut number = limbs[..size].to_vec();
                number[size - 1] %= modulus[size - 1];
                number
            };
            let (remainder, start) = (below(&remainder), below(&start));
            let mut stream = remainder.clone();
            stream.resize(size + quotient.len() + 1, 0);
            for (place, factor) in quotient.iter().enumerate() {
                let mut product = modulus.clone();
                let carry = limbs::multiply_add(&mut product, *factor, 0);
                product.push(carry);
                limbs::add(&mut stream[place..], &product);
            }
            let ring = LongRing::new(10, modulus.clone());
            let mut number = start.clone();
            ring.add(&mut number, &mut stream.clone());
            prop_assert!(!limbs::at_least(&number, &modulus));
            let mut expected = start.clone();
            expected.push(0);
            limbs::add(&mut expected, &remainder);
            let mut wide_modulus = modulus.clone();
            wide_modulus.push(0);
            if limbs::at_least(&expected, &wide_modulus) {
                limbs::subtract_product(&mut expected, &wide_modulus, 1);
            }
            prop_assert_eq!(&number, &expected[..size]);
            ring.subtract(&mut number, &mut stream);
            prop_assert_eq!(number, start);
        }
    }
}
