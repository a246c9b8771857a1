//! FF1 of one value in vectors of 128 bits: each half stays in the lower lane of a register, and nothing leaves the vectors
//! between the first round and the last, which is what a single value would wait for.

use std::arch::x86_64::*;

use super::blocks::{Keys, Xmm};
use super::plan::{BYTES_SHIFT, Modulus, Order, Plan};
use crate::engine::{Direction, ROUNDS, Single};
use crate::prefix::Prefixes;

/// Runs the value, which has the tweak.
#[target_feature(enable = "aes,sse4.1,vaes,avx2,bmi2,avx512f,avx512vl,avx512ifma")]
pub(super) fn run<const N: usize>(keys: &Keys<N>, plan: &Plan, value: Single<'_>) {
    let Single { geometry, direction, tweak, halves: [left_half, right_half], .. } = value;
    let keys = Xmm(keys);
    let prefix = Prefixes::new(geometry).bind(&keys, tweak);
    let mut left = _mm_cvtsi64_si128(left_half.cast_signed());
    let mut right = _mm_cvtsi64_si128(right_half.cast_signed());
    let function = RoundFunction::new(keys, plan, prefix, geometry.half_bytes);
    let rings = (Ring::new(plan.left, direction), Ring::new(plan.right, direction));
    let step = |ring: &Ring, target: __m128i, round: u8, source: __m128i| {
        // SAFETY: the instructions are there: the function around has them.
        unsafe { function.apply(ring, target, round, source) }
    };
    match direction {
        Direction::Encrypt => {
            for round in (0..ROUNDS).step_by(2) {
                left = step(&rings.0, left, round, right);
                right = step(&rings.1, right, round + 1, left);
            }
        }
        Direction::Decrypt => {
            for round in (0..ROUNDS).step_by(2).rev() {
                right = step(&rings.1, right, round + 1, left);
                left = step(&rings.0, left, round, right);
            }
        }
    }
    // The upper half of a lane may hold anything.
    let number = |lanes: __m128i| u64::from(_mm_cvtsi128_si32(lanes).cast_unsigned());
    (*left_half, *right_half) = (number(left), number(right));
}

/// The rounds' blocks under one key and one prefix.
struct RoundFunction<'a, const N: usize> {
    keys: Xmm<'a, N>,
    /// The prefix, with the first round key added.
    prefix: __m128i,
    /// The place of the round byte.
    byte: u32,
    /// See [`Order`].
    half: __m128i,
    reversed: __m128i,
    shifted: __m128i,
}

impl<'a, const N: usize> RoundFunction<'a, N> {
    #[inline]
    #[target_feature(enable = "aes,sse4.1,avx512f,avx512vl")]
    fn new(keys: Xmm<'a, N>, plan: &Plan, prefix: u128, half_bytes: usize) -> Self {
        let Order { even, reversed, shifted, .. } = plan.order;
        let prefix = _mm_xor_si128(block(prefix), keys.first());
        let order = |bytes| block(u128::from_be_bytes(bytes));
        let (half, reversed, shifted) = (order(even), order(reversed), order(shifted));
        // A block ends in the half; the round byte stands before it, and both fit its last eight bytes.
        Self { keys, prefix, byte: 56 - 8 * half_bytes as u32, half, reversed, shifted }
    }

    /// One round, which changes `target` by a function of `source`.
    ///
    /// # Safety
    /// The instructions are there. It does not name them, so that it is always inlined and the value stays in registers.
    #[inline(always)]
    unsafe fn apply(&self, ring: &Ring, target: __m128i, round: u8, source: __m128i) -> __m128i {
        // SAFETY: the caller says that the instructions are there.
        unsafe {
            let round = _mm_set_epi64x((u64::from(round) << self.byte).cast_signed(), 0);
            let prefix = _mm_xor_si128(self.prefix, round);
            let input = _mm_xor_si128(prefix, _mm_shuffle_epi8(source, self.half));
            let [output] = self.keys.rounds([input]);
            let stream = _mm_shuffle_epi8(output, self.reversed);
            // The shift costs a step of its own only where it is not of whole bytes.
            let high = if ring.shift == BYTES_SHIFT {
                _mm_shuffle_epi8(output, self.shifted)
            } else {
                _mm_srl_epi64(stream, _mm_cvtsi32_si128(ring.shift.cast_signed()))
            };
            ring.apply(target, stream, high)
        }
    }
}

/// Adds streams to numbers modulo a modulus, or subtracts them, as the ring of `vectors` does. What does not need the quotient
/// is done while AES is not yet through with it.
struct Ring {
    shift: u32,
    reciprocal: __m128i,
    multiplier: __m128i,
    flip: __m128i,
    offset: __m128i,
    one: __m128i,
    two: __m128i,
}

impl Ring {
    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn new(modulus: Modulus, direction: Direction) -> Self {
        let Modulus { modulus, reciprocal, shift } = modulus;
        let (multiplier, flip, offset) = match direction {
            Direction::Encrypt => ((1 << 52) - modulus, 0, 0),
            Direction::Decrypt => (modulus, u64::MAX, 3 * modulus + 1),
        };
        Self {
            shift,
            reciprocal: lanes(reciprocal),
            multiplier: lanes(multiplier),
            flip: lanes(flip),
            offset: lanes(offset),
            one: lanes(modulus),
            two: lanes(2 * modulus),
        }
    }

    /// # Safety
    /// The instructions are there.
    #[inline(always)]
    unsafe fn apply(&self, number: __m128i, stream: __m128i, high: __m128i) -> __m128i {
        // SAFETY: the caller says that the instructions are there.
        unsafe {
            let quotient = _mm_madd52hi_epu64(_mm_setzero_si128(), high, self.reciprocal);
            let sum = _mm_add_epi64(number, self.offset);
            let sum = _mm_add_epi64(sum, _mm_xor_si128(stream, self.flip));
            let less = _mm_sub_epi64(sum, self.two);
            let sum = _mm_madd52lo_epu64(sum, quotient, self.multiplier);
            let less = _mm_madd52lo_epu64(less, quotient, self.multiplier);
            let sum = _mm_min_epu32(sum, less);
            _mm_min_epu32(sum, _mm_sub_epi32(sum, self.one))
        }
    }
}

/// The same number in both lanes.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn lanes(number: u64) -> __m128i {
    _mm_set1_epi64x(number.cast_signed())
}

/// A block, given as a big-endian number.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn block(block: u128) -> __m128i {
    let (high, low) = ((block >> 64) as u64, block as u64);
    _mm_set_epi64x(low.swap_bytes().cast_signed(), high.swap_bytes().cast_signed())
}
