//! Halves below 2^32 of a single value: the shortest way from the output of AES to the next input.

use std::hint::select_unpredictable;

use super::digits::product_high;
use crate::engine::Numeral;

/// The most numerals of a half below 2^32.
const MOST: usize = 32;

/// Numbers modulo a modulus up to 2^32; the stream has 8 bytes.
pub(crate) struct SmallRing {
    radix: u64,
    modulus: u64,
    /// `floor((2^64 - 1) / modulus)`: the quotient of a stream is right or one too small.
    reciprocal: u64,
    /// Of each numeral, the first one first.
    places: [Place; MOST],
}

/// What a numeral counts for.
#[derive(Clone, Copy, Default)]
struct Place {
    /// `radix^e`, if `e` numerals follow.
    power: u64,
    /// `ceil(2^64 / radix^(e + 1))`. A product of it with a number below 2^32 gives the quotient exactly: `radix^(e + 1)` is up
    /// to 2^32, and so the excess of the reciprocal adds less than 1 / radix^(e + 1).
    reciprocal: u64,
}

impl SmallRing {
    /// The ring modulo `radix^digits`, none if that is over 2^32.
    pub(crate) fn new(radix: u32, modulus: u64) -> Option<Self> {
        if modulus > 1 << 32 {
            return None;
        }
        let radix = u64::from(radix);
        let mut places = [Place::default(); MOST];
        let mut above = modulus;
        for place in &mut places {
            if above == 1 {
                break;
            }
            *place = Place { power: above / radix, reciprocal: u64::MAX / above + 1 };
            above = place.power;
        }
        Some(Self { radix, modulus, reciprocal: u64::MAX / modulus, places })
    }

    /// `number + stream`. The remainder of the stream is below twice the modulus, so the sum is below three times of it; all
    /// that it may have to lose is taken off at once, since each step is waited for.
    #[inline(always)]
    pub(crate) fn add(&self, number: u64, stream: u64) -> u64 {
        let product = product_high(stream, self.reciprocal).wrapping_mul(self.modulus);
        let sum = number.wrapping_add(stream);
        lowest([
            sum.wrapping_sub(product),
            sum.wrapping_sub(self.modulus).wrapping_sub(product),
            sum.wrapping_sub(2 * self.modulus).wrapping_sub(product),
        ])
    }

    /// `number - stream`, likewise.
    #[inline(always)]
    pub(crate) fn subtract(&self, number: u64, stream: u64) -> u64 {
        let product = product_high(stream, self.reciprocal).wrapping_mul(self.modulus);
        let difference = number.wrapping_sub(stream);
        lowest([
            difference.wrapping_add(2 * self.modulus).wrapping_add(product),
            difference.wrapping_add(self.modulus).wrapping_add(product),
            difference.wrapping_add(product),
        ])
    }

    /// The number that big-endian numerals stand for. No product waits for another.
    #[inline(always)]
    pub(crate) fn read<S: Numeral>(&self, numerals: &[S], first: u8) -> u64 {
        // Of eight numerals, which are common, the compiler unrolls the loop.
        match numerals.as_array::<8>() {
            Some(eight) => self.number(eight, first),
            None => self.number(numerals, first),
        }
    }

    #[inline(always)]
    fn number<S: Numeral>(&self, numerals: &[S], first: u8) -> u64 {
        let places = numerals.iter().zip(&self.places);
        places.fold(0, |sum, (numeral, place)| sum + numeral.number(first) * place.power)
    }

    /// Writes a number as big-endian numerals, with leading zeros. No quotient waits for another.
    #[inline(always)]
    pub(crate) fn write<S: Numeral>(&self, number: u64, numerals: &mut [S], first: u8) {
        match numerals.as_mut_array::<8>() {
            Some(eight) => self.numerals(number, eight, first),
            None => self.numerals(number, numerals, first),
        }
    }

    #[inline(always)]
    fn numerals<S: Numeral>(&self, number: u64, numerals: &mut [S], first: u8) {
        let mut quotient = number;
        for (numeral, place) in numerals.iter_mut().zip(&self.places).rev() {
            let next = product_high(number, place.reciprocal);
            *numeral = S::of(quotient.wrapping_sub(next * self.radix), first);
            quotient = next;
        }
    }
}

/// The last number that is not negative, of falling ones from -2^34 to 2^34, of which the first is not.
#[inline(always)]
fn lowest([high, middle, low]: [u64; 3]) -> u64 {
    let number = select_unpredictable(middle.cast_signed() >= 0, middle, high);
    select_unpredictable(low.cast_signed() >= 0, low, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(modulus: u64) -> impl Iterator<Item = u64> + Clone {
        let multiple = u64::MAX / modulus * modulus;
        let near = [0, 1 << 32, 1 << 63, multiple, multiple - modulus, multiple / 2, 3 * modulus];
        near.into_iter()
            .flat_map(|edge| (0..7).map(move |off| edge.wrapping_add(off).wrapping_sub(3)))
    }

    #[test]
    fn sums_and_differences_are_exact() {
        for (radix, digits) in
            [(10u64, 8), (10, 3), (2, 32), (2, 4), (65_536, 2), (26, 5), (1625, 3)]
        {
            let modulus = radix.pow(digits);
            let ring = SmallRing::new(radix as u32, modulus).unwrap();
            for stream in edges(modulus) {
                for number in [0, 1, modulus / 2, modulus - 2, modulus - 1] {
                    let rest = stream % modulus;
                    assert_eq!(ring.add(number, stream), (number + rest) % modulus);
                    assert_eq!(ring.subtract(number, stream), (number + modulus - rest) % modulus);
                }
            }
        }
    }

    #[test]
    fn numbers_become_numerals_and_back() {
        let radices = [10u64, 65_536, 2, 3, 7, 16, 26, 36, 62, 255, 256, 1625, 65_535];
        for radix in radices.into_iter().take(if cfg!(miri) { 2 } else { radices.len() }) {
            let most = (1..=32).take_while(|digits| u128::from(radix).pow(*digits) <= 1 << 32);
            for digits in most {
                let modulus = radix.pow(digits);
                let ring = SmallRing::new(radix as u32, modulus).unwrap();
                let powers = (0..digits).map(|digits| radix.pow(digits));
                for edge in powers.chain([modulus / 2, modulus / 3, modulus]) {
                    for number in [edge.saturating_sub(1), edge.min(modulus - 1)] {
                        let expected: Vec<u16> = (0..digits)
                            .rev()
                            .map(|place| (number / radix.pow(place) % radix) as u16)
                            .collect();
                        let mut numerals = vec![0u16; digits as usize];
                        ring.write(number, &mut numerals, 0);
                        assert_eq!(numerals, expected, "{number} in radix {radix}");
                        assert_eq!(ring.read(&numerals, 0), number, "radix {radix}");
                    }
                }
            }
            assert!(SmallRing::new(radix as u32, (1 << 32) + 1).is_none());
        }
    }
}
