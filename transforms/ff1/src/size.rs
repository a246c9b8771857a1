//! Sizes that follow from radix and length alone, in exact integer arithmetic.

use crate::arithmetic::limbs;

/// The number of different values, `radix^length`; none when it is over [`u128::MAX`].
pub fn domain_size(radix: u32, length: usize) -> Option<u128> {
    u128::from(radix).checked_pow(u32::try_from(length).ok()?)
}

/// The bytes of the larger half, `b` of SP 800-38G: `ceil(ceil(v * log2(radix)) / 8)` for `v = ceil(length / 2)`.
///
/// A tweak of `t` bytes costs no AES block of its own while `t + b + 1 <= 16`. Lengths over the standard's 2^32 - 1 count as that.
pub fn larger_half_bytes(radix: u32, length: usize) -> usize {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let bits = power_bits(radix, length.div_ceil(2));
    usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
}

/// The least length that the standard admits: `radix^length >= 100`, and at least 2.
pub(crate) fn minimum_length(radix: u32) -> usize {
    (2..)
        .find(|length| domain_size(radix, *length).is_none_or(|size| size >= 100))
        .unwrap_or(usize::MAX)
}

/// The bits of the largest number with `digits` digits, `radix^digits - 1`.
fn power_bits(radix: u32, digits: u32) -> u64 {
    if radix.is_power_of_two() {
        return u64::from(radix.trailing_zeros()) * u64::from(digits);
    }
    match u128::from(radix).checked_pow(digits) {
        Some(power) => u64::from(128 - power.saturating_sub(1).leading_zeros()),
        None => bounded_bits(radix, digits).unwrap_or_else(|| exact_bits(radix, digits)),
    }
}

/// The bits of `radix^digits` when a bound from below and one from above agree on them; time grows with log `digits`.
fn bounded_bits(radix: u32, digits: u32) -> Option<u64> {
    let power = |round_up| {
        let mut result = Bound::new(1);
        let mut square = Bound::new(radix);
        let mut rest = digits;
        while rest > 0 {
            if rest & 1 == 1 {
                result = result.times(square, round_up);
            }
            square = square.times(square, round_up);
            rest >>= 1;
        }
        u64::try_from(result.exponent + 64).ok()
    };
    let (low, high) = (power(false), power(true));
    if low == high { low } else { None }
}

/// The bits of `radix^digits`, for the rare case that the bounds leave open; time grows with the square of `digits`.
fn exact_bits(radix: u32, digits: u32) -> u64 {
    limbs::bits(&limbs::power(radix, digits as usize))
}

/// A bound of a number: `mantissa * 2^exponent`, the top bit of the mantissa set.
#[derive(Clone, Copy)]
struct Bound {
    mantissa: u64,
    exponent: i64,
}

impl Bound {
    fn new(number: u32) -> Self {
        let shift = u64::from(number.max(1)).leading_zeros();
        Self { mantissa: u64::from(number.max(1)) << shift, exponent: -i64::from(shift) }
    }

    fn times(self, other: Self, round_up: bool) -> Self {
        let product = u128::from(self.mantissa) * u128::from(other.mantissa);
        let shift = 64 - product.leading_zeros();
        let kept = product >> shift;
        let lost = (kept << shift) != product;
        let mantissa = kept + u128::from(round_up && lost);
        let carry = u32::from(mantissa >> 64 != 0);
        let exponent = self.exponent + other.exponent + i64::from(shift + carry);
        Self { mantissa: (mantissa >> carry) as u64, exponent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_sizes() {
        for (radix, length, expected) in [
            (10, 0, Some(1)),
            (10, 6, Some(1_000_000)),
            (65_536, 7, Some(1 << 112)),
            (65_536, 8, None),
            (2, 127, Some(1 << 127)),
            (2, 128, None),
            (10, usize::MAX, None),
        ] {
            assert_eq!(domain_size(radix, length), expected, "{radix}^{length}");
        }
    }

    #[test]
    fn minimum_lengths() {
        for (radix, expected) in
            [(2, 7), (3, 5), (4, 4), (5, 3), (9, 3), (10, 2), (36, 2), (65_536, 2)]
        {
            assert_eq!(minimum_length(radix), expected, "radix {radix}");
        }
    }

    #[test]
    fn bytes_of_the_larger_half() {
        for (radix, length, expected) in [
            (10, 16, 4),
            (10, 9, 3),
            (10, 19, 5),
            (256, 58, 29), // Floating-point logarithms give 30.
            (2, 7, 1),
            (2, 16, 1),
            (2, 17, 2),
            (65_536, 4000, 4000),
            (62, 20, 8),
            (10, 1_000_000, 207_621),
            (65_536, usize::MAX, 1 << 32),
            (0, 10, 0),
            (1, 10, 0),
            (10, 0, 0),
        ] {
            assert_eq!(larger_half_bytes(radix, length), expected, "{radix}^{length}");
        }
    }

    #[test]
    fn bounds_agree_with_exact_powers() {
        let mut answered = 0;
        let all = if cfg!(miri) { 298..300 } else { 3..300u32 };
        for radix in all.chain([999, 1000, 4097, 65_535]).filter(|radix| !radix.is_power_of_two()) {
            for digits in [1, 2, 3, 7, 20, 41, 64, 129, 500] {
                let exact = exact_bits(radix, digits);
                if let Some(bits) = bounded_bits(radix, digits) {
                    assert_eq!(bits, exact, "{radix}^{digits}");
                    answered += 1;
                }
            }
        }
        assert!(answered > if cfg!(miri) { 40 } else { 2600 }, "{answered}");
    }
}
