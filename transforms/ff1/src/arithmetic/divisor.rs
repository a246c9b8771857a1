//! Division by a fixed number without a division instruction.
//!
//! The reciprocals and the two division steps are those of N. Möller and T. Granlund, "Improved division by invariant
//! integers", IEEE Transactions on Computers 60 (2011): algorithms 4 (2 limbs by 1), 5 (3 by 2) and 6 (the 3 by 2 reciprocal).

use std::hint::select_unpredictable;

use super::choice::choose;

/// A divisor of one limb.
pub(crate) struct Divisor {
    normalized: u64,
    shift: u32,
    reciprocal: u64,
}

impl Divisor {
    /// Prepares division by `divisor`, which is not zero.
    pub(crate) fn new(divisor: u64) -> Self {
        let shift = divisor.leading_zeros();
        let normalized = divisor << shift;
        Self { normalized, shift, reciprocal: reciprocal(normalized) }
    }

    /// Quotient and remainder of `high * 2^64 + low`; `high` is below the divisor.
    #[inline(always)]
    pub(crate) fn divide(&self, high: u64, low: u64) -> (u64, u64) {
        let top = (high << self.shift) | ((low >> 1) >> (63 - self.shift));
        let bottom = low << self.shift;
        let (q1, q0) = split(wide_product(self.reciprocal, top).wrapping_add(join(top, bottom)));
        let quotient = q1.wrapping_add(1);
        let remainder = bottom.wrapping_sub(quotient.wrapping_mul(self.normalized));
        let above = remainder > q0;
        let quotient = quotient.wrapping_sub(u64::from(above));
        let remainder =
            select_unpredictable(above, remainder.wrapping_add(self.normalized), remainder);
        let below = remainder >= self.normalized;
        let remainder =
            select_unpredictable(below, remainder.wrapping_sub(self.normalized), remainder);
        (quotient.wrapping_add(u64::from(below)), remainder >> self.shift)
    }
}

/// A divisor of two limbs, its top bit set.
pub(crate) struct WideDivisor {
    pub(crate) normalized: u128,
    reciprocal: u64,
}

impl WideDivisor {
    /// Prepares division by `normalized`, the top bit of which is set.
    pub(crate) fn new(normalized: u128) -> Self {
        let (d1, d0) = split(normalized);
        let mut v = reciprocal(d1);
        let mut p = d1.wrapping_mul(v).wrapping_add(d0);
        if p < d0 {
            v = v.wrapping_sub(1);
            if p >= d1 {
                v = v.wrapping_sub(1);
                p = p.wrapping_sub(d1);
            }
            p = p.wrapping_sub(d1);
        }
        let (t1, t0) = split(wide_product(v, d0));
        p = p.wrapping_add(t1);
        if p < t1 {
            v = v.wrapping_sub(1);
            if join(p, t0) >= normalized {
                v = v.wrapping_sub(1);
            }
        }
        Self { normalized, reciprocal: v }
    }

    /// Quotient and remainder of `high * 2^64 + low`; `high` is below the divisor.
    #[inline(always)]
    pub(crate) fn divide(&self, high: u128, low: u64) -> (u64, u128) {
        let (d1, d0) = split(self.normalized);
        let (u2, u1) = split(high);
        let (q1, q0) = split(wide_product(self.reciprocal, u2).wrapping_add(high));
        let r1 = u1.wrapping_sub(q1.wrapping_mul(d1));
        let quotient = q1.wrapping_add(1);
        let remainder =
            join(r1, low).wrapping_sub(wide_product(d0, q1)).wrapping_sub(self.normalized);
        let above = (remainder >> 64) as u64 >= q0;
        let quotient = quotient.wrapping_sub(u64::from(above));
        let remainder = choose(above, remainder.wrapping_add(self.normalized), remainder);
        let below = remainder >= self.normalized;
        let remainder = choose(below, remainder.wrapping_sub(self.normalized), remainder);
        (quotient.wrapping_add(u64::from(below)), remainder)
    }
}

/// `floor((2^128 - 1) / normalized) - 2^64`, which needs the top bit set.
fn reciprocal(normalized: u64) -> u64 {
    (join(!normalized, u64::MAX) / u128::from(normalized)) as u64
}

#[inline(always)]
fn wide_product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

#[inline(always)]
fn split(number: u128) -> (u64, u64) {
    ((number >> 64) as u64, number as u64)
}

#[inline(always)]
fn join(high: u64, low: u64) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers of every size, with runs of equal bits more often than chance gives them.
    fn edgy() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64u32, 0..4u8).prop_map(|(number, shift, kind)| match kind {
            0 => number >> shift,
            1 => u64::MAX << shift,
            2 => u64::MAX >> shift,
            _ => (1 << shift) ^ (number & 3),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 20_000 }))]

        #[test]
        fn one_limb_divides_exactly(divisor in edgy(), high in edgy(), low in edgy()) {
            let divisor = divisor.max(1);
            let high = high % divisor;
            let number = join(high, low);
            let expected = ((number / u128::from(divisor)) as u64, (number % u128::from(divisor)) as u64);
            prop_assert_eq!(Divisor::new(divisor).divide(high, low), expected);
        }

        #[test]
        fn two_limbs_divide_exactly(d1 in edgy(), d0 in edgy(), u2 in edgy(), u1 in edgy(), u0 in edgy()) {
            let divisor = join(d1 | (1 << 63), d0);
            let high = join(u2, u1) % divisor;
            let (quotient, remainder) = WideDivisor::new(divisor).divide(high, u0);
            // quotient * divisor + remainder, in limbs of 64 bits, must be the number again.
            let (d1, d0) = split(divisor);
            let low_part = wide_product(quotient, d0) + (remainder & u128::from(u64::MAX));
            let high_part = wide_product(quotient, d1) + (remainder >> 64) + (low_part >> 64);
            prop_assert!(remainder < divisor);
            prop_assert_eq!((high_part, low_part as u64), (high, u0));
        }
    }
}
