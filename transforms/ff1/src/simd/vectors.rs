//! FF1 with everything in vectors: eight values to a group, one half of each in a 64-bit lane, and their AES blocks in two
//! registers of four. Values 0 to 3 of a group stand in the even lanes, 4 to 7 in the odd ones.

use std::arch::x86_64::*;

use super::blocks::{Keys, Xmm, key512};
use super::plan::{Modulus, Order, Plan, Radix};
use crate::Tweaks;
use crate::engine::{Direction, ROUNDS};
use crate::prefix::Prefixes;
use crate::shape::Geometry;

/// The most groups that run side by side.
const GROUPS: usize = 4;

/// Checked values of a shape that has a plan.
pub(crate) struct Values<'a, S> {
    pub(crate) plan: &'a Plan,
    pub(crate) geometry: &'a Geometry,
    pub(crate) direction: Direction,
    pub(crate) tweaks: Tweaks<'a>,
    pub(crate) symbols: &'a mut [S],
    /// The symbol that stands for numeral 0.
    pub(crate) first: u8,
}

/// What a numeral is stored in.
pub(crate) trait Symbol: Copy {
    /// The low bytes of up to 64 symbols; bytes beyond them are zero.
    ///
    /// # Safety
    /// This and `store` are for where the instructions of the level are.
    unsafe fn load(symbols: &[Self]) -> __m512i;

    /// Stores bytes in up to 64 symbols.
    ///
    /// # Safety
    /// As `load`.
    unsafe fn store(bytes: __m512i, symbols: &mut [Self]);
}

impl Symbol for u8 {
    #[inline(always)]
    unsafe fn load(symbols: &[Self]) -> __m512i {
        // SAFETY: the mask keeps the load in the slice.
        unsafe { _mm512_maskz_loadu_epi8(mask(symbols.len()), symbols.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn store(bytes: __m512i, symbols: &mut [Self]) {
        // SAFETY: the mask keeps the store in the slice.
        unsafe {
            _mm512_mask_storeu_epi8(symbols.as_mut_ptr().cast(), mask(symbols.len()), bytes);
        }
    }
}

impl Symbol for u16 {
    #[inline(always)]
    unsafe fn load(symbols: &[Self]) -> __m512i {
        let (low, high) = symbols.split_at(symbols.len().min(32));
        // SAFETY: the masks keep the loads in the two parts of the slice.
        unsafe {
            let low = _mm512_maskz_loadu_epi16(mask(low.len()) as u32, low.as_ptr().cast());
            let high = _mm512_maskz_loadu_epi16(mask(high.len()) as u32, high.as_ptr().cast());
            let low = _mm512_castsi256_si512(_mm512_cvtepi16_epi8(low));
            _mm512_inserti64x4::<1>(low, _mm512_cvtepi16_epi8(high))
        }
    }

    #[inline(always)]
    unsafe fn store(bytes: __m512i, symbols: &mut [Self]) {
        let (low, high) = symbols.split_at_mut(symbols.len().min(32));
        // SAFETY: the masks keep the stores in the two parts of the slice.
        unsafe {
            let words = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(bytes));
            _mm512_mask_storeu_epi16(low.as_mut_ptr().cast(), mask(low.len()) as u32, words);
            let words = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(bytes));
            _mm512_mask_storeu_epi16(high.as_mut_ptr().cast(), mask(high.len()) as u32, words);
        }
    }
}

/// Ones for `count` places, up to 64.
#[inline(always)]
fn mask(count: usize) -> u64 {
    if count == 0 { 0 } else { u64::MAX >> ((64 - count) & 63) }
}

/// Runs all values.
#[target_feature(
    enable = "aes,sse4.1,vaes,avx2,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512ifma,avx512vbmi"
)]
pub(super) fn run<const N: usize, S: Symbol>(keys: &Keys<N>, values: Values<'_, S>) {
    let Values { plan, geometry, direction, tweaks, symbols, first } = values;
    let mut bound = Prefixes::new(geometry);
    let mut prefixes = [[_mm512_setzero_si512(); 2]; GROUPS];
    let mut each = match tweaks {
        Tweaks::Same(tweak) => {
            let prefix = repeated(bound.bind(&Xmm(keys), tweak));
            prefixes = [[prefix; 2]; GROUPS];
            [].iter()
        }
        Tweaks::Each(each) => each.iter(),
    };
    let mut feistel = Feistel::new(keys, plan, geometry.half_bytes, direction);
    let first = _mm512_set1_epi8(first.cast_signed());
    for symbols in symbols.chunks_mut(8 * GROUPS * plan.length) {
        for (lane, tweak) in blocks_of(&mut prefixes).iter_mut().zip(each.by_ref()) {
            *lane = bound.bind(&Xmm(keys), tweak).to_be_bytes();
        }
        match symbols.len().div_ceil(8 * plan.length) {
            1 => feistel.groups::<1, S>(&prefixes, first, symbols),
            2 => feistel.groups::<2, S>(&prefixes, first, symbols),
            _ => feistel.groups::<GROUPS, S>(&prefixes, first, symbols),
        }
    }
    wipe(prefixes.as_flattened_mut());
    wipe(&mut feistel.rounds);
}

/// The rounds under one key and for one shape.
struct Feistel<'a, const N: usize> {
    keys: &'a Keys<N>,
    plan: &'a Plan,
    /// The round bytes where they stand in a block, with the first round key added, in the order of the direction.
    rounds: [__m512i; ROUNDS as usize],
    left: Ring,
    right: Ring,
    direction: Direction,
    /// See [`Order`].
    even: __m512i,
    odd: __m512i,
    reversed: __m512i,
}

impl<'a, const N: usize> Feistel<'a, N> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
    fn new(keys: &'a Keys<N>, plan: &'a Plan, half_bytes: usize, direction: Direction) -> Self {
        let mut rounds = [_mm512_setzero_si512(); ROUNDS as usize];
        if let Some(key) = keys.first() {
            for (to, round) in rounds.iter_mut().zip(direction.rounds()) {
                let byte = repeated(u128::from(round) << (8 * half_bytes));
                *to = _mm512_xor_si512(byte, key512(key));
            }
        }
        let left = Ring::new(plan.left, direction);
        let right = Ring::new(plan.right, direction);
        let order = |bytes| repeated(u128::from_be_bytes(bytes));
        let Order { even, odd, reversed, .. } = plan.order;
        let (even, odd, reversed) = (order(even), order(odd), order(reversed));
        Self { keys, plan, rounds, left, right, direction, even, odd, reversed }
    }

    /// Runs `G` groups; the last ones may lack values, and what is in their place is not stored.
    #[inline]
    #[target_feature(
        enable = "aes,sse4.1,vaes,avx2,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512ifma,avx512vbmi"
    )]
    fn groups<const G: usize, S: Symbol>(
        &self,
        prefixes: &[[__m512i; 2]; GROUPS],
        first: __m512i,
        symbols: &mut [S],
    ) {
        let mut left = [_mm512_setzero_si512(); G];
        let mut right = [_mm512_setzero_si512(); G];
        let size = 4 * self.plan.length;
        let text = Text::new(self.plan, first);
        for ((left, right), symbols) in
            left.iter_mut().zip(&mut right).zip(symbols.chunks(2 * size))
        {
            let (even, odd) = symbols.split_at(symbols.len().min(size));
            // SAFETY: the instructions are there: this function has them.
            let (even, odd) = unsafe { (S::load(even), S::load(odd)) };
            let (even, odd) = (text.read(even), text.read(odd));
            *left = _mm512_unpacklo_epi64(even, odd);
            *right = _mm512_unpackhi_epi64(even, odd);
        }
        // Encryption begins with the left half, decryption with the right one.
        let (one, two) = ((&self.left, &mut left), (&self.right, &mut right));
        let (one, two) = match self.direction {
            Direction::Encrypt => (one, two),
            Direction::Decrypt => (two, one),
        };
        for [first, second] in self.rounds.as_chunks::<2>().0 {
            // SAFETY: the instructions are there: this function has them.
            unsafe {
                self.round(prefixes, *first, one.0, one.1, two.1);
                self.round(prefixes, *second, two.0, two.1, one.1);
            }
        }
        for ((left, right), symbols) in left.iter().zip(&right).zip(symbols.chunks_mut(2 * size)) {
            let (left, right) = (text.digits(*left), text.digits(*right));
            let (even, odd) = symbols.split_at_mut(symbols.len().min(size));
            // SAFETY: the instructions are there: this function has them.
            unsafe {
                S::store(text.write(_mm512_unpacklo_epi64(left, right)), even);
                S::store(text.write(_mm512_unpackhi_epi64(left, right)), odd);
            }
        }
        wipe(&mut left);
        wipe(&mut right);
    }

    /// One round, which changes `target` by a function of `source`.
    ///
    /// # Safety
    /// The instructions are there. It does not name them, so that it is always inlined and a single value stays in registers.
    #[inline(always)]
    unsafe fn round<const G: usize>(
        &self,
        prefixes: &[[__m512i; 2]; GROUPS],
        round: __m512i,
        ring: &Ring,
        target: &mut [__m512i; G],
        source: &[__m512i; G],
    ) {
        let [_, middle @ .., last] = self.keys.as_slice() else { return };
        // SAFETY: the caller says that the instructions are there.
        unsafe {
            let mut blocks = [[round; 2]; G];
            for ((blocks, prefixes), half) in blocks.iter_mut().zip(prefixes).zip(source) {
                // A block ends in the half, big-endian; the half has four bytes at most.
                let even = _mm512_shuffle_epi8(*half, self.even);
                let odd = _mm512_shuffle_epi8(*half, self.odd);
                *blocks = [xor(even, prefixes[0], round), xor(odd, prefixes[1], round)];
            }
            for key in middle {
                for block in blocks.as_flattened_mut() {
                    *block = _mm512_aesenc_epi128(*block, key512(key));
                }
            }
            for ([even, odd], number) in blocks.iter().zip(target) {
                let even = _mm512_aesenclast_epi128(*even, key512(last));
                let odd = _mm512_aesenclast_epi128(*odd, key512(last));
                // The stream is the first eight bytes of a block, big-endian.
                let stream = _mm512_unpacklo_epi64(even, odd);
                *number = ring.apply(*number, _mm512_shuffle_epi8(stream, self.reversed));
            }
        }
    }
}

/// Adds streams to numbers modulo a modulus, or subtracts them; see [`Modulus`].
struct Ring {
    reciprocal: __m512i,
    shift: __m512i,
    /// `-m` modulo 2^52 to add, `m` to subtract.
    multiplier: __m512i,
    /// All ones to subtract: a stream is then taken as `-1` minus itself.
    flip: __m512i,
    /// `3 m + 1` to subtract, so that nothing is below zero.
    offset: __m512i,
    one: __m512i,
    two: __m512i,
}

impl Ring {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(modulus: Modulus, direction: Direction) -> Self {
        let Modulus { modulus, reciprocal, shift } = modulus;
        let (multiplier, flip, offset) = match direction {
            Direction::Encrypt => ((1 << 52) - modulus, 0, 0),
            Direction::Decrypt => (modulus, u64::MAX, 3 * modulus + 1),
        };
        Self {
            reciprocal: lanes(reciprocal),
            shift: lanes(u64::from(shift)),
            multiplier: lanes(multiplier),
            flip: lanes(flip),
            offset: lanes(offset),
            one: lanes(modulus),
            two: lanes(2 * modulus),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512ifma")]
    fn apply(&self, number: __m512i, stream: __m512i) -> __m512i {
        let zero = _mm512_setzero_si512();
        let high = _mm512_srlv_epi64(stream, self.shift);
        let quotient = _mm512_madd52hi_epu64(zero, high, self.reciprocal);
        let sum = _mm512_add_epi64(number, self.offset);
        let sum = _mm512_add_epi64(sum, _mm512_xor_si512(stream, self.flip));
        let sum = _mm512_madd52lo_epu64(sum, quotient, self.multiplier);
        // The sum is below four times the modulus and so below 2^32. The upper half of a lane is what 52 bits of a product
        // leave over, and nothing reads it.
        let sum = _mm512_min_epu32(sum, _mm512_sub_epi32(sum, self.two));
        _mm512_min_epu32(sum, _mm512_sub_epi32(sum, self.one))
    }
}

/// Turns symbols into numbers and back.
struct Text<'a> {
    radix: &'a Radix,
    first: __m512i,
    spread: __m512i,
    spread_mask: u64,
    gather: __m512i,
}

impl<'a> Text<'a> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(plan: &'a Plan, first: __m512i) -> Self {
        // SAFETY: the loads are of the 64 bytes that the references are to.
        let (spread, gather) = unsafe {
            (
                _mm512_loadu_si512(plan.spread.as_ptr().cast()),
                _mm512_loadu_si512(plan.gather.as_ptr().cast()),
            )
        };
        Self { radix: &plan.radix, first, spread, spread_mask: plan.spread_mask, gather }
    }

    /// Four values as symbols become four pairs of halves.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn read(&self, symbols: __m512i) -> __m512i {
        let radix = self.radix;
        let numerals = _mm512_sub_epi8(symbols, self.first);
        let numerals = _mm512_maskz_permutexvar_epi8(self.spread_mask, self.spread, numerals);
        // The first numeral of a pair counts for more and stands in the lower byte.
        let pairs = _mm512_maddubs_epi16(numerals, _mm512_set1_epi16(0x100 | radix.one as i16));
        let fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x1_0000 | radix.two as i32));
        let high = _mm512_mul_epu32(fours, lanes(radix.four));
        _mm512_add_epi64(high, _mm512_srli_epi64::<32>(fours))
    }

    /// Halves become eight numerals each, a byte for each.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
    fn digits(&self, halves: __m512i) -> __m512i {
        let radix = self.radix;
        let zero = _mm512_setzero_si512();
        let halves = _mm512_and_si512(halves, lanes(u64::from(u32::MAX)));
        let shifted = _mm512_slli_epi64::<20>(halves);
        let high = _mm512_madd52hi_epu64(zero, shifted, lanes(radix.four_reciprocal));
        let high = _mm512_srlv_epi64(high, lanes(u64::from(radix.four_shift)));
        let low = _mm512_sub_epi64(halves, _mm512_mul_epu32(high, lanes(radix.four)));
        let pairs = _mm512_or_si512(self.pairs(high), _mm512_slli_epi64::<32>(self.pairs(low)));
        // A quotient q of x stands below its rest: q + ((x - q * radix) << 8) = (x << 8) - q * ((radix << 8) - 1).
        let reciprocal = _mm512_set1_epi16(radix.one_reciprocal as i16);
        let quotients = _mm512_mulhi_epu16(_mm512_slli_epi16::<2>(pairs), reciprocal);
        let quotients = _mm512_srlv_epi16(quotients, _mm512_set1_epi16(radix.one_shift as i16));
        let products =
            _mm512_mullo_epi16(quotients, _mm512_set1_epi16(((radix.one << 8) - 1) as i16));
        _mm512_sub_epi16(_mm512_slli_epi16::<8>(pairs), products)
    }

    /// Numbers of four numerals become two numbers of two, 16 bits for each.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn pairs(&self, numbers: __m512i) -> __m512i {
        let radix = self.radix;
        let zero = _mm512_setzero_si512();
        let quotients = _mm512_madd52hi_epu64(zero, numbers, lanes(radix.two_reciprocal));
        let products = _mm512_mul_epu32(quotients, lanes((radix.two << 16) - 1));
        _mm512_sub_epi64(_mm512_slli_epi64::<16>(numbers), products)
    }

    /// Numerals of four values, eight for a half, become symbols.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn write(&self, numerals: __m512i) -> __m512i {
        _mm512_add_epi8(_mm512_permutexvar_epi8(self.gather, numerals), self.first)
    }
}

/// The same number in all lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn lanes(number: u64) -> __m512i {
    _mm512_set1_epi64(number.cast_signed())
}

/// A block, given as a big-endian number, four times.
#[inline]
#[target_feature(enable = "avx512f")]
fn repeated(block: u128) -> __m512i {
    let (high, low) = ((block >> 64) as u64, block as u64);
    let (high, low) = (high.swap_bytes().cast_signed(), low.swap_bytes().cast_signed());
    _mm512_broadcast_i32x4(_mm_set_epi64x(low, high))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

/// The prefixes as the blocks of the values, in their order.
fn blocks_of(prefixes: &mut [[__m512i; 2]; GROUPS]) -> &mut [[u8; 16]; 8 * GROUPS] {
    // SAFETY: both are the same number of bytes, any of which may have any value, and the alignment of bytes is 1.
    unsafe { &mut *std::ptr::from_mut(prefixes).cast() }
}

/// Overwrites in a way that the compiler keeps.
fn wipe(vectors: &mut [__m512i]) {
    for vector in vectors {
        // SAFETY: the reference is valid, and a vector of zeros is a vector.
        unsafe { std::ptr::write_volatile(vector, std::mem::zeroed()) };
    }
}
