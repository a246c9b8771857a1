//! What the vector engine precomputes for a shape, and which shapes it takes.

/// Constants for halves of up to 8 numerals whose arithmetic fits the 52-bit multiplication of vectors.
pub(crate) struct Plan {
    pub(super) length: usize,
    pub(super) left: Modulus,
    pub(super) right: Modulus,
    pub(super) radix: Radix,
    /// Where the bytes of four values go: to 16 bytes each, 8 for a half, right-aligned.
    pub(super) spread: [u8; 64],
    /// Which of these 64 bytes are numerals; the others are zero.
    pub(super) spread_mask: u64,
    /// The way back.
    pub(super) gather: [u8; 64],
    pub(super) order: Order,
}

/// Where bytes go between lanes and blocks. These are constants, but known ones the compiler merges with its neighbours to a
/// permutation over two registers, which takes four times as long as both.
pub(super) struct Order {
    /// The number in the lower of two lanes, which is below 2^32, as the big-endian end of a block.
    pub(super) even: [u8; 16],
    /// The same of the upper of two lanes.
    pub(super) odd: [u8; 16],
    /// Two lanes, the bytes of each reversed.
    pub(super) reversed: [u8; 16],
    /// The lower lane, its bytes reversed and then shifted right by [`BYTES_SHIFT`].
    pub(super) shifted: [u8; 16],
}

/// What most streams are shifted by: whole bytes, so that reversing them shifts them for nothing.
pub(super) const BYTES_SHIFT: u32 = 16;

const ORDER: Order = {
    const NO: u8 = 0x80;
    Order {
        even: [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 3, 2, 1, 0],
        odd: [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 11, 10, 9, 8],
        reversed: [7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8],
        shifted: [5, 4, 3, 2, 1, 0, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO],
    }
};

impl Plan {
    /// The plan of halves of `u` and `v` numerals, none where the vector engine does not take them.
    pub(crate) fn new(radix: u32, u: usize, v: usize) -> Option<Box<Self>> {
        // Up to radix 127 pairs of numerals can be multiplied as signed bytes.
        if !(4..=127).contains(&radix) || v > 8 {
            return None;
        }
        let power = |digits: usize| u64::from(radix).checked_pow(u32::try_from(digits).ok()?);
        let (left, right) = (Modulus::new(power(u)?)?, Modulus::new(power(v)?)?);
        let length = u + v;
        let (mut spread, mut gather) = ([0; 64], [0; 64]);
        let mut spread_mask = 0;
        let values = 0..4;
        let places = values.flat_map(|value| (0..length).map(move |numeral| (value, numeral)));
        for (packed, (value, numeral)) in places.enumerate() {
            let field =
                16 * value + if numeral < u { 8 - u + numeral } else { 16 - length + numeral };
            spread_mask |= 1 << field;
            if let (Some(to), Some(from)) = (spread.get_mut(field), gather.get_mut(packed)) {
                // Both are below 64.
                (*to, *from) = (packed as u8, field as u8);
            }
        }
        let radix = Radix::new(u64::from(radix));
        Some(Box::new(Self {
            length,
            left,
            right,
            radix,
            spread,
            spread_mask,
            gather,
            order: ORDER,
        }))
    }
}

/// A modulus `m` from 2^13 to below 2^30, and what reduces 64 bits by it.
///
/// The quotient of `S` is taken as `(S >> shift) * reciprocal >> 52` with
/// `shift = min(floor(log2(m)), 16)` and
/// `reciprocal = floor((2^(52 + shift) - 1) / m)`, both factors below 2^52. Rounding the one down costs less than 1, rounding
/// the other down less than 2, so before it is rounded down itself it falls short by less than 2 of `S / m`, and then by 2 at
/// most. With a number below `m` added, the remainder is below `4 m`, which fits 32 bits.
#[derive(Clone, Copy)]
pub(super) struct Modulus {
    pub(super) modulus: u64,
    pub(super) reciprocal: u64,
    pub(super) shift: u32,
}

impl Modulus {
    fn new(modulus: u64) -> Option<Self> {
        if !(1 << 13..1 << 30).contains(&modulus) {
            return None;
        }
        let shift = modulus.ilog2().min(BYTES_SHIFT);
        let reciprocal = ((1u128 << (52 + shift)) - 1) / u128::from(modulus);
        // It is below 2^52, since the modulus is at least 2^shift.
        Some(Self { modulus, reciprocal: reciprocal as u64, shift })
    }
}

/// What splits numbers of 8, 4 and 2 numerals in halves. With a reciprocal `c = ceil(2^k / d)` the quotient `x * c >> k` is
/// exact while `x * d <= 2^k`, since `c` is less than 1 too large.
pub(super) struct Radix {
    pub(super) one: u64,
    /// The square, below 2^14.
    pub(super) two: u64,
    /// The fourth power, below 2^28.
    pub(super) four: u64,
    /// `ceil(2^(32 + four_shift) / four)`, for numbers below 2^30: `2^30 * four <= 2^(32 + four_shift)`.
    pub(super) four_reciprocal: u64,
    pub(super) four_shift: u32,
    /// `ceil(2^52 / two)`, for numbers below `four`.
    pub(super) two_reciprocal: u64,
    /// `ceil(2^(14 + one_shift) / one)`, for numbers below `two`: `one^3 <= 2^(14 + one_shift)`.
    pub(super) one_reciprocal: u64,
    pub(super) one_shift: u32,
}

impl Radix {
    fn new(one: u64) -> Self {
        let (two, four) = (one.pow(2), one.pow(4));
        let four_shift = 19 + four.ilog2();
        let one_shift = 1 + one.ilog2();
        Self {
            one,
            two,
            four,
            four_reciprocal: (1u128 << (32 + four_shift)).div_ceil(u128::from(four)) as u64,
            four_shift,
            two_reciprocal: (1u64 << 52).div_ceil(two),
            one_reciprocal: (1u64 << (14 + one_shift)).div_ceil(one),
            one_shift,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The claims that the comments make, in exact arithmetic.
    #[test]
    fn quotients_are_right_or_two_too_small_at_most() {
        let moduli = (2..=127u64)
            .flat_map(|radix| (1..=8).map(move |digits| radix.pow(digits)))
            .chain([8192, 8193, 16_383, 16_384, (1 << 30) - 1, 1_000_000_000]);
        let mut checked = 0;
        for modulus in moduli.filter_map(Modulus::new) {
            let m = modulus.modulus;
            assert!(modulus.reciprocal < 1 << 52, "{m}");
            let edges = (0..64).flat_map(|bit| {
                [1u64 << bit, (1 << bit) - 1, u64::MAX << bit, (u64::MAX >> bit) / m * m]
            });
            for stream in edges.flat_map(|edge| (0..8).map(move |near| edge.wrapping_sub(near))) {
                assert!(stream >> modulus.shift < 1 << 52, "{stream} by {m}");
                let product = u128::from(stream >> modulus.shift) * u128::from(modulus.reciprocal);
                let quotient = (product >> 52) as u64;
                assert!(quotient < 1 << 52, "{stream} by {m}");
                assert!([0, 1, 2].contains(&(stream / m - quotient)), "{stream} by {m}");
            }
            checked += 1;
        }
        assert!(checked > 270, "{checked}");
    }

    #[test]
    fn numbers_are_split_exactly() {
        for one in 4..=127u64 {
            let radix = Radix::new(one);
            let split =
                |number: u64, c: u64, k: u32| ((u128::from(number) * u128::from(c)) >> k) as u64;
            let near = |power: u64, limit: u64| {
                let multiples = (0..=200).map(move |part| limit / power * part / 200 * power);
                multiples
                    .flat_map(|edge| [edge.saturating_sub(1), edge, edge + 1])
                    .filter(move |number| *number < limit)
            };
            assert!(radix.four_reciprocal < 1 << 52);
            assert!(radix.one_reciprocal < 1 << 16 && radix.two_reciprocal < 1 << 52);
            for number in near(radix.four, (1 << 30).min(one.pow(8))) {
                let quotient = split(number, radix.four_reciprocal, 32 + radix.four_shift);
                assert_eq!(quotient, number / radix.four, "{number}, radix {one}");
            }
            for number in near(radix.two, radix.four) {
                assert_eq!(split(number, radix.two_reciprocal, 52), number / radix.two);
            }
            for number in 0..radix.two {
                assert_eq!(split(number, radix.one_reciprocal, 14 + radix.one_shift), number / one);
            }
        }
    }

    #[test]
    fn shapes_that_vectors_take() {
        for (radix, u, v, expected) in [
            (10, 8, 8, true),
            (10, 4, 4, true),
            (10, 4, 5, true),
            (10, 3, 4, false),
            (10, 8, 9, false),
            (3, 8, 8, false),
            (127, 4, 4, true),
            (128, 4, 4, false),
            (62, 5, 5, true),
            (62, 5, 6, false),
        ] {
            assert_eq!(Plan::new(radix, u, v).is_some(), expected, "radix {radix}, {u} and {v}");
        }
    }
}
