//! Numbers of any size as little-endian limbs of 64 bits.

use super::divisor::Divisor;

/// `radix^exponent`, without leading zero limbs.
pub(crate) fn power(radix: u32, exponent: usize) -> Vec<u64> {
    let radix = u64::from(radix);
    let mut number = vec![1];
    let (mut factor, mut gathered) = (1u64, 0);
    while gathered < exponent {
        match factor.checked_mul(radix) {
            Some(next) => {
                factor = next;
                gathered += 1;
            }
            None => {
                grow(&mut number, factor);
                factor = 1;
            }
        }
    }
    grow(&mut number, factor);
    number
}

fn grow(number: &mut Vec<u64>, factor: u64) {
    let carry = multiply_add(number, factor, 0);
    if carry > 0 {
        number.push(carry);
    }
}

/// The position of the top bit, counted from 1; 0 for zero.
pub(crate) fn bits(number: &[u64]) -> u64 {
    let top = number.iter().rposition(|limb| *limb > 0);
    top.and_then(|top| {
        number.get(top).map(|limb| 64 * (top as u64 + 1) - u64::from(limb.leading_zeros()))
    })
    .unwrap_or(0)
}

/// `number = number * factor + addend`; returns the limb carried out.
pub(crate) fn multiply_add(number: &mut [u64], factor: u64, addend: u64) -> u64 {
    number.iter_mut().fold(addend, |carry, limb| {
        let product = u128::from(*limb) * u128::from(factor) + u128::from(carry);
        *limb = product as u64;
        (product >> 64) as u64
    })
}

/// `number = number / divisor`; returns the remainder.
pub(crate) fn divide(number: &mut [u64], divisor: &Divisor) -> u64 {
    number.iter_mut().rev().fold(0, |rest, limb| {
        let (quotient, rest) = divisor.divide(rest, *limb);
        *limb = quotient;
        rest
    })
}

/// `number += addend`, which has no more limbs than `number`; returns whether a bit was carried out.
pub(crate) fn add(number: &mut [u64], addend: &[u64]) -> bool {
    add_masked(number, addend, u64::MAX)
}

/// The same where `mask` is all ones; where it is zero, zero is added.
#[inline(always)]
pub(crate) fn add_masked(number: &mut [u64], addend: &[u64], mask: u64) -> bool {
    let (low, high) = number.split_at_mut(addend.len().min(number.len()));
    let carry = low.iter_mut().zip(addend).fold(false, |carry, (limb, other)| {
        let (sum, first) = limb.overflowing_add(*other & mask);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        *limb = sum;
        first | second
    });
    high.iter_mut().fold(carry, |carry, limb| {
        let (sum, carry) = limb.overflowing_add(u64::from(carry));
        *limb = sum;
        carry
    })
}

/// `number -= factor * other`, which has no more limbs than `number`; returns whether it fell below zero.
pub(crate) fn subtract_product(number: &mut [u64], other: &[u64], factor: u64) -> bool {
    let (low, high) = number.split_at_mut(other.len().min(number.len()));
    let borrow = low.iter_mut().zip(other).fold(0u64, |borrow, (limb, other)| {
        let product = u128::from(*other) * u128::from(factor) + u128::from(borrow);
        let (difference, below) = limb.overflowing_sub(product as u64);
        *limb = difference;
        // The product is at most (2^64 - 1)^2 + 2^64 - 1, so its upper limb has room for one more.
        (product >> 64) as u64 + u64::from(below)
    });
    let last = high.iter_mut().fold(borrow, |borrow, limb| {
        let (difference, below) = limb.overflowing_sub(borrow);
        *limb = difference;
        u64::from(below)
    });
    last > 0
}

/// Whether `number >= other`; both have the same number of limbs.
#[cfg(test)]
pub(crate) fn at_least(number: &[u64], other: &[u64]) -> bool {
    let below = number.iter().zip(other).fold(false, |below, (limb, other)| {
        let (difference, first) = limb.overflowing_sub(*other);
        first | (difference < u64::from(below))
    });
    !below
}

/// `number <<= shift` for a shift below 64; the top limb has the room for it.
pub(crate) fn shift_left(number: &mut [u64], shift: u32) {
    number.iter_mut().fold(0, |carry, limb| {
        let out = (*limb >> 1) >> (63 - shift);
        *limb = (*limb << shift) | carry;
        out
    });
}

/// `number >>= shift` for a shift below 64.
pub(crate) fn shift_right(number: &mut [u64], shift: u32) {
    number.iter_mut().rev().fold(0, |carry, limb| {
        let out = (*limb << 1) << (63 - shift);
        *limb = (*limb >> shift) | carry;
        out
    });
}

/// The number of little-endian bytes; limbs beyond them become zero.
pub(crate) fn read_bytes<'a>(mut bytes: impl Iterator<Item = &'a u8>, number: &mut [u64]) {
    for limb in number {
        *limb = (0..64)
            .step_by(8)
            .zip(&mut bytes)
            .fold(0, |limb, (shift, byte)| limb | (u64::from(*byte) << shift));
    }
}

/// Writes a number as big-endian bytes, with leading zeros.
pub(crate) fn write_bytes(number: &[u64], bytes: &mut [u8]) {
    let source = number.iter().flat_map(|limb| limb.to_le_bytes()).chain(std::iter::repeat(0));
    for (to, from) in bytes.iter_mut().rev().zip(source) {
        *to = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers() {
        for (radix, exponent, expected) in [
            (10, 0, vec![1]),
            (10, 19, vec![10_000_000_000_000_000_000]),
            (2, 64, vec![0, 1]),
            (2, 128, vec![0, 0, 1]),
            (65_536, 12, vec![0, 0, 0, 1]),
            (10, 38, vec![687_399_551_400_673_280, 5_421_010_862_427_522_170]),
        ] {
            assert_eq!(power(radix, exponent), expected, "{radix}^{exponent}");
        }
    }

    #[test]
    fn bytes_and_limbs() {
        let mut number = [9, 9, 9];
        read_bytes([10u8, 9, 8, 7, 6, 5, 4, 3, 2, 1].iter(), &mut number);
        assert_eq!(number, [0x0304_0506_0708_090a, 0x0102, 0]);
        let mut bytes = [0xff; 12];
        write_bytes(&number, &mut bytes);
        assert_eq!(bytes, [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn shifts_move_bits_between_limbs() {
        for shift in [0, 1, 33, 63] {
            let mut number = [u64::MAX, 1, 0];
            shift_left(&mut number, shift);
            let wide = ((1u128 << 64) | u128::from(u64::MAX)).wrapping_shl(shift);
            assert_eq!(number, [wide as u64, (wide >> 64) as u64, 0], "{shift}");
            shift_right(&mut number, shift);
            assert_eq!(number, [u64::MAX, 1, 0], "{shift}");
        }
    }
}
