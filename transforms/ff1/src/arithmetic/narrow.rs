//! Halves below 2^64.

use std::hint::select_unpredictable;

use super::digits::Digits;
use super::divisor::Divisor;
use super::{Ring, Stream};

/// Numbers modulo a modulus below 2^64; the stream has 8 or 12 bytes.
pub(crate) struct NarrowRing {
    modulus: u64,
    reduction: Reduction,
    digits: Digits,
}

/// How a stream is taken modulo the modulus.
enum Reduction {
    /// 8 bytes, by `floor((2^64 - 1) / modulus)`: the quotient is right or one too small.
    Single { reciprocal: u64 },
    /// 12 bytes; the first four are below a modulus of 2^32 and more.
    Double { divisor: Divisor, large: bool },
}

impl NarrowRing {
    pub(crate) fn new(radix: u32, modulus: u64, stream_bytes: usize) -> Self {
        let reduction = if stream_bytes <= 8 {
            Reduction::Single { reciprocal: u64::MAX / modulus }
        } else {
            Reduction::Double { divisor: Divisor::new(modulus), large: modulus >> 32 > 0 }
        };
        Self { modulus, reduction, digits: Digits::new(radix) }
    }

    #[inline(always)]
    fn reduce(&self, stream: u128) -> u64 {
        match &self.reduction {
            Reduction::Single { reciprocal } => {
                let number = (stream >> 64) as u64;
                let quotient = ((u128::from(number) * u128::from(*reciprocal)) >> 64) as u64;
                let remainder = number.wrapping_sub(quotient.wrapping_mul(self.modulus));
                select_unpredictable(
                    remainder >= self.modulus,
                    remainder.wrapping_sub(self.modulus),
                    remainder,
                )
            }
            Reduction::Double { divisor, large } => {
                let first = (stream >> 96) as u64;
                let high = if *large { first } else { divisor.divide(0, first).1 };
                divisor.divide(high, (stream >> 32) as u64).1
            }
        }
    }
}

impl Ring for NarrowRing {
    type Number = u64;

    #[inline(always)]
    fn add(&self, number: u64, stream: Stream) -> u64 {
        let (sum, carry) = number.overflowing_add(self.reduce(stream.first));
        select_unpredictable(carry | (sum >= self.modulus), sum.wrapping_sub(self.modulus), sum)
    }

    #[inline(always)]
    fn subtract(&self, number: u64, stream: Stream) -> u64 {
        let (difference, borrow) = number.overflowing_sub(self.reduce(stream.first));
        select_unpredictable(borrow, difference.wrapping_add(self.modulus), difference)
    }

    #[inline(always)]
    fn read(&self, numerals: &[u16]) -> u64 {
        self.digits.read(numerals)
    }

    #[inline(always)]
    fn write(&self, number: u64, numerals: &mut [u16]) {
        self.digits.write(number, numerals);
    }
}
