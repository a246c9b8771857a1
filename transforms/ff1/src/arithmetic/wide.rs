//! Halves from 2^64 to below 2^128.

use super::choice::choose;
use super::digits::Digits;
use super::divisor::WideDivisor;
use super::{Ring, Stream};

/// Numbers modulo a modulus from 2^48 to below 2^128; the stream has 12, 16 or 20 bytes.
///
/// The larger half is at least 2^64 here and the smaller has at most one numeral less, so no modulus is below 2^48.
pub(crate) struct WideRing {
    modulus: u128,
    shift: u32,
    divisor: WideDivisor,
    stream_bytes: usize,
    /// Whether the quotient may have more than 64 bits.
    two_steps: bool,
    digits: Digits,
}

impl WideRing {
    pub(crate) fn new(radix: u32, modulus: u128, stream_bytes: usize) -> Self {
        let shift = modulus.leading_zeros();
        Self {
            modulus,
            shift,
            divisor: WideDivisor::new(modulus << shift),
            stream_bytes,
            two_steps: 8 * stream_bytes as u32 > 63 + (128 - shift),
            digits: Digits::new(radix),
        }
    }

    #[inline(always)]
    fn reduce(&self, stream: Stream) -> u128 {
        let (top, low) = match self.stream_bytes {
            20 => (stream.first >> 96, (stream.first << 32) | u128::from(stream.next)),
            16 => (0, stream.first),
            _ => (0, stream.first >> 32),
        };
        let high = (top << self.shift) | low.checked_shr(128 - self.shift).unwrap_or(0);
        let low = low << self.shift;
        // What is left of the first step is the upper limbs as they are where they are below the divisor anyway.
        let upper = if self.two_steps {
            self.divisor.divide(high, (low >> 64) as u64).1
        } else {
            (high << 64) | (low >> 64)
        };
        let (_, remainder) = self.divisor.divide(upper, low as u64);
        remainder >> self.shift
    }
}

impl Ring for WideRing {
    type Number = u128;

    #[inline(always)]
    fn add(&self, number: u128, stream: Stream) -> u128 {
        let (sum, carry) = number.overflowing_add(self.reduce(stream));
        choose(carry | (sum >= self.modulus), sum.wrapping_sub(self.modulus), sum)
    }

    #[inline(always)]
    fn subtract(&self, number: u128, stream: Stream) -> u128 {
        let (difference, borrow) = number.overflowing_sub(self.reduce(stream));
        choose(borrow, difference.wrapping_add(self.modulus), difference)
    }

    #[inline(always)]
    fn read(&self, numerals: &[u16]) -> u128 {
        self.digits.groups(numerals).fold(0, |number: u128, (group, span)| {
            number.wrapping_mul(u128::from(span)).wrapping_add(u128::from(group))
        })
    }

    #[inline(always)]
    fn write(&self, number: u128, numerals: &mut [u16]) {
        let (mut high, mut low) = ((number >> 64) as u64, number as u64);
        for group in numerals.rchunks_mut(self.digits.group) {
            let (high_quotient, rest) = self.digits.group_divisor.divide(0, high);
            let (low_quotient, rest) = self.digits.group_divisor.divide(rest, low);
            self.digits.write(rest, group);
            (high, low) = (high_quotient, low_quotient);
        }
    }
}
