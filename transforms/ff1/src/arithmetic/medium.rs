//! Halves from 2^128 to 2^256.

use std::hint::select_unpredictable;

use super::digits::Digits;
use super::divisor::WideDivisor;
use super::limbs;

/// A number below 2^256 as little-endian limbs.
pub(crate) type Number = [u64; 4];

/// Numbers modulo a modulus from 2^112 to 2^256: the larger half is at least 2^128, the smaller has at most one numeral less.
pub(crate) struct MediumRing {
    /// Zero stands for 2^256, which all of the arithmetic here takes it for.
    modulus: Number,
    /// The modulus shifted so that its top bit is set.
    normalized: Number,
    shift: u32,
    /// Divides by the upper two limbs of `normalized`.
    divisor: WideDivisor,
    /// How far three output blocks are shifted right to be the stream times `2^shift`. What is below stays below `2^shift`.
    stream_shift: u32,
    /// Whether the quotient may have more than one limb.
    two_steps: bool,
    digits: Digits,
}

impl MediumRing {
    /// The ring of `modulus`, none where it is over 2^256; it has no leading zero limb.
    pub(crate) fn new(radix: u32, modulus: &[u64], stream_bytes: usize) -> Option<Self> {
        let bits = u32::try_from(limbs::bits(modulus)).ok()?;
        let stream_bits = u32::try_from(8 * stream_bytes).ok()?;
        let digits = Digits::new(radix);
        if bits == 257 && modulus == [0, 0, 0, 0, 1] {
            let divisor = WideDivisor::new(1 << 127);
            let (modulus, stream_shift) = ([0; 4], 384 - stream_bits);
            let normalized = modulus;
            let two_steps = false;
            return Some(Self {
                modulus,
                normalized,
                shift: 0,
                divisor,
                stream_shift,
                two_steps,
                digits,
            });
        }
        let mut number = [0; 4];
        number.get_mut(..modulus.len())?.copy_from_slice(modulus);
        let shift = 256 - bits;
        let normalized = shifted_left(number, shift);
        let [.., low, high] = normalized;
        let excess = stream_bits - bits;
        Some(Self {
            modulus: number,
            normalized,
            shift,
            divisor: WideDivisor::new((u128::from(high) << 64) | u128::from(low)),
            stream_shift: 128 - excess,
            two_steps: excess > 63,
            digits,
        })
    }

    /// `number + stream`, modulo the modulus; the stream begins three blocks.
    #[inline(always)]
    pub(crate) fn add(&self, mut number: Number, blocks: [u128; 3]) -> Number {
        let carry = limbs::add(&mut number, &self.reduce(blocks));
        let mut less = number;
        let below = limbs::subtract_product(&mut less, &self.modulus, 1);
        select(carry | !below, less, number)
    }

    /// `number - stream`, modulo the modulus; the stream begins three blocks.
    #[inline(always)]
    pub(crate) fn subtract(&self, mut number: Number, blocks: [u128; 3]) -> Number {
        let below = limbs::subtract_product(&mut number, &self.reduce(blocks), 1);
        let mut more = number;
        limbs::add(&mut more, &self.modulus);
        select(below, more, number)
    }

    /// The number that big-endian numerals stand for.
    pub(crate) fn read(&self, numerals: &[u16]) -> Number {
        let mut number = [0; 4];
        for (group, span) in self.digits.groups(numerals) {
            limbs::multiply_add(&mut number, span, group);
        }
        number
    }

    /// Writes `number` as big-endian numerals.
    pub(crate) fn write(&self, mut number: Number, mut numerals: &mut [u16]) {
        let group = self.digits.group;
        while numerals.len() > group {
            let (rest, last) = numerals.split_at_mut(numerals.len() - group);
            // A group's span is below 2^64, so as many groups as are left need no more limbs than that.
            let (used, _) = number.split_at_mut((rest.len().div_ceil(group) + 1).min(4));
            self.digits.write(limbs::divide(used, &self.digits.group_divisor), last);
            numerals = rest;
        }
        self.digits.write(number[0], numerals);
    }

    /// Long division (Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D) in two steps at most.
    #[inline(always)]
    fn reduce(&self, [first, second, third]: [u128; 3]) -> Number {
        let limb =
            |block: u128, upper: bool| if upper { (block >> 64) as u64 } else { block as u64 };
        let stream = [
            limb(third, false),
            limb(third, true),
            limb(second, false),
            limb(second, true),
            limb(first, false),
            limb(first, true),
        ];
        let [a, b, c, d, e, f] = shifted_right(stream, self.stream_shift);
        if self.modulus == [0; 4] {
            return [a, b, c, d];
        }
        let [b, c, d, e] = if self.two_steps { self.step([b, c, d, e, f]) } else { [b, c, d, e] };
        shifted_right(self.step([a, b, c, d, e]), self.shift)
    }

    /// The remainder of a window of which the upper four limbs are below `normalized`.
    #[inline(always)]
    fn step(&self, mut window: [u64; 5]) -> Number {
        let [.., low, middle, top] = window;
        let high = (u128::from(top) << 64) | u128::from(middle);
        // Never too small; the limbs below these three may make it too large by one, which is as rare as it looks.
        let quotient = select_unpredictable(
            high >= self.divisor.normalized,
            u64::MAX,
            self.divisor.divide(high, low).0,
        );
        let mut below = limbs::subtract_product(&mut window, &self.normalized, quotient);
        while below {
            below = !limbs::add(&mut window, &self.normalized);
        }
        let [a, b, c, d, _] = window;
        [a, b, c, d]
    }
}

#[inline(always)]
fn select(condition: bool, one: Number, other: Number) -> Number {
    let ([a, b, c, d], [e, f, g, h]) = (one, other);
    [
        select_unpredictable(condition, a, e),
        select_unpredictable(condition, b, f),
        select_unpredictable(condition, c, g),
        select_unpredictable(condition, d, h),
    ]
}

/// `number << shift`; what is shifted out is lost.
fn shifted_left(number: Number, shift: u32) -> Number {
    let mut result = number;
    for _ in 0..shift / 64 {
        let [a, b, c, _] = result;
        result = [0, a, b, c];
    }
    limbs::shift_left(&mut result, shift % 64);
    result
}

/// `number >> shift` for a shift below 192.
#[inline(always)]
fn shifted_right<const N: usize>(mut number: [u64; N], shift: u32) -> [u64; N] {
    // Which limbs move depends on the modulus alone, not on a secret.
    let limbs = match shift / 64 {
        0 => 0,
        1 => 1,
        _ => 2,
    };
    if limbs > 0 {
        number.copy_within(limbs.., 0);
        number.iter_mut().rev().take(limbs).for_each(|limb| *limb = 0);
    }
    limbs::shift_right(&mut number, shift % 64);
    number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::LongRing;
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

        /// Against the ring of any size, which has its own test.
        #[test]
        fn streams_are_added_and_subtracted_as_in_a_larger_ring(
            modulus in prop::collection::vec(edgy_limb(), 4),
            bits in 113..=256u32,
            number in prop::collection::vec(edgy_limb(), 4),
            blocks in prop::array::uniform6(edgy_limb()),
            spare in 0..16usize,
        ) {
            let top = bits as usize - 1;
            let mut modulus: Vec<u64> = modulus;
            modulus.truncate(top / 64 + 1);
            modulus[top / 64] = (modulus[top / 64] | 1 << 63) >> (63 - top % 64);
            let mut number = number;
            number.truncate(modulus.len());
            number[top / 64] %= modulus[top / 64];
            // The stream is 4 bytes longer than the larger half, which may be two bytes longer than this modulus.
            let half_bytes = top.div_ceil(8).max(16) + if spare > 12 { 2 } else { 0 };
            let stream_bytes = 4 * half_bytes.div_ceil(4) + 4;
            prop_assume!(stream_bytes <= 36);
            let ring = MediumRing::new(10, &modulus, stream_bytes).unwrap();
            let larger = LongRing::new(10, modulus.clone());
            let block = |at: usize| (u128::from(blocks[at + 1]) << 64) | u128::from(blocks[at]);
            let blocks3 = [block(4), block(2), block(0)];
            let mut stream = shifted_right(blocks, 0).to_vec();
            let unused = 48 - stream_bytes;
            let bytes: Vec<u8> = stream.iter().flat_map(|limb| limb.to_le_bytes()).skip(unused).collect();
            stream = vec![0; stream_bytes.div_ceil(8) + 1];
            limbs::read_bytes(bytes.iter(), &mut stream);
            let mut own = [0; 4];
            own[..number.len()].copy_from_slice(&number);
            for add in [true, false] {
                let mut expected = number.clone();
                let result = if add {
                    larger.add(&mut expected, &mut stream.clone());
                    ring.add(own, blocks3)
                } else {
                    larger.subtract(&mut expected, &mut stream.clone());
                    ring.subtract(own, blocks3)
                };
                expected.resize(4, 0);
                prop_assert_eq!(result.to_vec(), expected);
            }
        }
    }
}
