//! Conversion between numerals and numbers, as many numerals at a time as fit a limb.

use std::hint::select_unpredictable;

use super::divisor::Divisor;

/// The digits of one radix.
pub(crate) struct Digits {
    radix: u64,
    /// `floor((2^64 - 1) / radix)`: a product with it gives a quotient that is right or one too small.
    reciprocal: u64,
    /// The numerals of a group: the most for which `radix^group < 2^64`.
    pub(crate) group: usize,
    /// Divides by `radix^group`.
    pub(crate) group_divisor: Divisor,
}

impl Digits {
    pub(crate) fn new(radix: u32) -> Self {
        let radix = u64::from(radix);
        let mut power = radix;
        let mut group = 1;
        while let Some(next) = power.checked_mul(radix) {
            power = next;
            group += 1;
        }
        Self { radix, reciprocal: u64::MAX / radix, group, group_divisor: Divisor::new(power) }
    }

    /// The number of at most a group of big-endian numerals.
    #[inline(always)]
    pub(crate) fn read(&self, numerals: &[u16]) -> u64 {
        numerals.iter().fold(0, |number: u64, numeral| {
            number.wrapping_mul(self.radix).wrapping_add(u64::from(*numeral))
        })
    }

    /// Writes `number` as big-endian numerals, with leading zeros.
    #[inline(always)]
    pub(crate) fn write(&self, mut number: u64, numerals: &mut [u16]) {
        let mut places = numerals.iter_mut().rev();
        if let Some(numeral) = places.next() {
            let quotient = product_high(number, self.reciprocal);
            let remainder = number.wrapping_sub(quotient.wrapping_mul(self.radix));
            let small = remainder >= self.radix;
            *numeral =
                select_unpredictable(small, remainder.wrapping_sub(self.radix), remainder) as u16;
            number = quotient + u64::from(small);
        }
        // From here on number * radix < 2^64, and the reciprocal rounded up, 2^64 / radix + e with e < 1, gives the quotient
        // exactly: number * e / 2^64 is below 1 / radix.
        for numeral in places {
            let quotient = product_high(number, self.reciprocal + 1);
            *numeral = number.wrapping_sub(quotient.wrapping_mul(self.radix)) as u16;
            number = quotient;
        }
    }

    /// The groups of big-endian numerals from the first on, each with the power of the radix that it spans.
    pub(crate) fn groups<'a>(
        &'a self,
        numerals: &'a [u16],
    ) -> impl Iterator<Item = (u64, u64)> + 'a {
        let (first, rest) = numerals.split_at(numerals.len() % self.group);
        let span = |numerals: &[u16]| {
            numerals.iter().fold(1u64, |power, _| power.wrapping_mul(self.radix))
        };
        let full = rest.get(..self.group).map_or(1, span);
        std::iter::once((self.read(first), span(first)))
            .chain(rest.chunks_exact(self.group).map(move |group| (self.read(group), full)))
    }
}

#[inline(always)]
pub(crate) fn product_high(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_numerals_and_back() {
        let all = if cfg!(miri) { 2..12 } else { 2..2000 };
        for radix in all.chain([4095, 4096, 4097, 9999, 10_000, 32_768, 65_535, 65_536]) {
            let digits = Digits::new(radix);
            let group = u32::try_from(digits.group).unwrap();
            let largest = u64::from(radix).pow(group) - 1;
            let edges = (1..group).map(|place| u64::from(radix).pow(place));
            let edges =
                edges.flat_map(|power| [power - 1, power, largest - power, largest - power + 1]);
            for number in edges.chain([0, 1, largest, largest / 3, largest / 2]) {
                let mut rest = number;
                let mut expected: Vec<u16> = (0..group)
                    .map(|_| {
                        let numeral = (rest % u64::from(radix)) as u16;
                        rest /= u64::from(radix);
                        numeral
                    })
                    .collect();
                expected.reverse();
                let mut numerals = vec![0; digits.group];
                digits.write(number, &mut numerals);
                assert_eq!(numerals, expected, "{number} in radix {radix}");
                assert_eq!(digits.read(&numerals), number, "radix {radix}");
            }
        }
    }
}
