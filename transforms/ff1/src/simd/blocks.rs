//! AES over one block and over many, in registers of 128, 256 and 512 bits.

use std::arch::x86_64::*;

use aes::Block;
use aes::cipher::consts::U16;

use super::level::Level;
use super::schedule::Schedule;
use crate::cipher::{Backend, Work};

/// Round keys, one more than there are rounds.
pub(super) type Keys<const N: usize> = [[[u8; 16]; 4]; N];

/// Runs `work` with the instructions of `level`.
///
/// # Safety
/// This processor has the level.
pub(super) unsafe fn run(schedule: &Schedule, level: Level, work: impl Work) {
    // SAFETY: the caller says that the instructions are there.
    unsafe {
        match (level, schedule.rounds) {
            (Level::Xmm, 10) => xmm::<11>(schedule.keys(), work),
            (Level::Xmm, 12) => xmm::<13>(schedule.keys(), work),
            (Level::Xmm, _) => xmm::<15>(schedule.keys(), work),
            (Level::Ymm, 10) => ymm::<11>(schedule.keys(), work),
            (Level::Ymm, 12) => ymm::<13>(schedule.keys(), work),
            (Level::Ymm, _) => ymm::<15>(schedule.keys(), work),
            (Level::Zmm, 10) => zmm::<11>(schedule.keys(), work),
            (Level::Zmm, 12) => zmm::<13>(schedule.keys(), work),
            (Level::Zmm, _) => zmm::<15>(schedule.keys(), work),
        }
    }
}

#[target_feature(enable = "aes,sse4.1")]
fn xmm<const N: usize>(keys: &Keys<N>, work: impl Work) {
    work.run(&Xmm(keys));
}

#[target_feature(enable = "aes,sse4.1,vaes,avx2,bmi2")]
fn ymm<const N: usize>(keys: &Keys<N>, work: impl Work) {
    work.run(&Ymm(Xmm(keys)));
}

#[target_feature(
    enable = "aes,sse4.1,vaes,avx2,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512ifma,avx512vbmi"
)]
fn zmm<const N: usize>(keys: &Keys<N>, work: impl Work) {
    work.run(&Zmm(Xmm(keys)));
}

/// One block to a register. It exists only where `xmm` or a wider function has been entered, which is what the SAFETY
/// comments below stand on; all of its functions are inlined there. They keep to plain
/// loops: the body of a closure is a function of its own, without the instructions, until it is inlined.
pub(super) struct Xmm<'a, const N: usize>(pub(super) &'a Keys<N>);

impl<const N: usize> Xmm<'_, N> {
    /// Encrypts `W` blocks side by side.
    #[inline(always)]
    fn encrypt<const W: usize>(&self, mut states: [__m128i; W]) -> [__m128i; W] {
        // SAFETY: the instructions are there.
        unsafe {
            for state in &mut states {
                *state = _mm_xor_si128(*state, self.first());
            }
            self.rounds(states)
        }
    }

    /// The first round key, which is added to a block before `rounds`.
    #[inline(always)]
    pub(super) fn first(&self) -> __m128i {
        match self.0.first() {
            Some(first) => key(first),
            None => unreachable!(),
        }
    }

    /// What is added to each block of a round before `rounds`: the first round key and the round byte.
    ///
    /// # Safety
    /// The instructions are there.
    #[inline(always)]
    unsafe fn added(&self, byte: u64) -> __m128i {
        // SAFETY: the caller says so.
        unsafe {
            let byte = _mm_shuffle_epi8(_mm_cvtsi64_si128(byte.cast_signed()), reversed());
            _mm_xor_si128(byte, self.first())
        }
    }

    /// Encrypts `W` blocks side by side, to which the first round key has been added.
    #[inline(always)]
    pub(super) fn rounds<const W: usize>(&self, mut states: [__m128i; W]) -> [__m128i; W] {
        // SAFETY: the instructions are there.
        unsafe {
            let [_, middle @ .., last] = self.0.as_slice() else { return states };
            for round in middle {
                for state in &mut states {
                    *state = _mm_aesenc_si128(*state, key(round));
                }
            }
            for state in &mut states {
                *state = _mm_aesenclast_si128(*state, key(last));
            }
            states
        }
    }

    #[inline(always)]
    fn encrypt_in_place<const W: usize>(&self, blocks: &mut [Block; W]) {
        // SAFETY: the instructions are there, and the loads and stores are of the 16 bytes that a reference is to.
        unsafe {
            let mut states = [_mm_setzero_si128(); W];
            for (state, block) in states.iter_mut().zip(blocks.iter()) {
                *state = _mm_loadu_si128(std::ptr::from_ref(block).cast());
            }
            let states = self.encrypt(states);
            for (block, state) in blocks.iter_mut().zip(states) {
                _mm_storeu_si128(std::ptr::from_mut(block).cast(), state);
            }
        }
    }
}

impl<const N: usize> Backend for Xmm<'_, N> {
    type Lanes = U16;

    #[inline(always)]
    fn encrypt_block(&self, block: u128) -> u128 {
        // SAFETY: the instructions are there.
        unsafe {
            let (high, low) = ((block >> 64) as u64, block as u64);
            let state =
                _mm_set_epi64x(low.swap_bytes().cast_signed(), high.swap_bytes().cast_signed());
            let [state] = self.encrypt([state]);
            let high = _mm_cvtsi128_si64(state).cast_unsigned().swap_bytes();
            let low = _mm_extract_epi64::<1>(state).cast_unsigned().swap_bytes();
            (u128::from(high) << 64) | u128::from(low)
        }
    }

    #[inline(always)]
    fn stream(&self, rest: u128, half: u64) -> u64 {
        // SAFETY: the instructions are there.
        unsafe {
            let (high, low) = ((rest >> 64) as u64, rest as u64);
            let rest = _mm_set_epi64x(high.cast_signed(), low.cast_signed());
            let rest = _mm_xor_si128(_mm_shuffle_epi8(rest, reversed()), self.first());
            let half = _mm_shuffle_epi8(_mm_cvtsi64_si128(half.cast_signed()), reversed());
            let [state] = self.rounds([_mm_xor_si128(rest, half)]);
            stream(state)
        }
    }

    #[inline(always)]
    fn streams<const W: usize>(
        &self,
        prefixes: &[Block; W],
        halves: &[u64; W],
        byte: u64,
    ) -> [u64; W] {
        // SAFETY: the instructions are there.
        unsafe {
            let added = self.added(byte);
            let mut streams = [0; W];
            let outputs = streams.chunks_mut(8);
            for ((to, prefixes), halves) in outputs.zip(prefixes.chunks(8)).zip(halves.chunks(8)) {
                let mut states = [_mm_setzero_si128(); 8];
                for ((state, prefix), half) in states.iter_mut().zip(prefixes).zip(halves) {
                    *state = input(prefix, *half, added);
                }
                let states = self.rounds(states);
                for (to, state) in to.iter_mut().zip(states) {
                    *to = stream(state);
                }
            }
            streams
        }
    }

    #[inline(always)]
    fn encrypt_blocks(&self, blocks: &mut [Block]) {
        let (groups, rest) = blocks.as_chunks_mut::<8>();
        for group in groups {
            self.encrypt_in_place(group);
        }
        let (pairs, rest) = rest.as_chunks_mut::<2>();
        for pair in pairs {
            self.encrypt_in_place(pair);
        }
        for block in rest.as_chunks_mut::<1>().0 {
            self.encrypt_in_place(block);
        }
    }
}

/// Two blocks to a register.
struct Ymm<'a, const N: usize>(Xmm<'a, N>);

impl<const N: usize> Ymm<'_, N> {
    /// Encrypts `2 * W` blocks side by side, to which the first round key has been added.
    #[inline(always)]
    fn rounds<const W: usize>(&self, mut states: [__m256i; W]) -> [__m256i; W] {
        // SAFETY: the instructions are there.
        unsafe {
            let [_, middle @ .., last] = self.0.0.as_slice() else { return states };
            for round in middle {
                for state in &mut states {
                    *state = _mm256_aesenc_epi128(*state, key256(round));
                }
            }
            for state in &mut states {
                *state = _mm256_aesenclast_epi128(*state, key256(last));
            }
            states
        }
    }

    /// Encrypts `2 * W` blocks side by side.
    #[inline(always)]
    fn encrypt_in_place<const W: usize>(&self, blocks: &mut [[Block; 2]; W]) {
        // SAFETY: the instructions are there, and the loads and stores are of the 32 bytes that a reference is to.
        unsafe {
            let [first, middle @ .., last] = self.0.0.as_slice() else { return };
            let mut states = [_mm256_setzero_si256(); W];
            for (state, pair) in states.iter_mut().zip(blocks.iter()) {
                let pair = _mm256_loadu_si256(std::ptr::from_ref(pair).cast());
                *state = _mm256_xor_si256(pair, key256(first));
            }
            for round in middle {
                for state in &mut states {
                    *state = _mm256_aesenc_epi128(*state, key256(round));
                }
            }
            for (pair, state) in blocks.iter_mut().zip(states) {
                let state = _mm256_aesenclast_epi128(state, key256(last));
                _mm256_storeu_si256(std::ptr::from_mut(pair).cast(), state);
            }
        }
    }
}

impl<const N: usize> Backend for Ymm<'_, N> {
    type Lanes = U16;

    #[inline(always)]
    fn streams<const W: usize>(
        &self,
        prefixes: &[Block; W],
        halves: &[u64; W],
        byte: u64,
    ) -> [u64; W] {
        // SAFETY: the instructions are there.
        unsafe {
            let added = self.0.added(byte);
            let mut streams = [0; W];
            let outputs = streams.chunks_mut(16);
            for ((to, prefixes), halves) in outputs.zip(prefixes.chunks(16)).zip(halves.chunks(16))
            {
                let mut states = [_mm256_setzero_si256(); 8];
                let pairs = prefixes.as_chunks::<2>().0.iter().zip(halves.as_chunks::<2>().0);
                for (state, ([a, b], [x, y])) in states.iter_mut().zip(pairs) {
                    *state = _mm256_set_m128i(input(b, *y, added), input(a, *x, added));
                }
                let states = self.rounds(states);
                for ([a, b], state) in to.as_chunks_mut::<2>().0.iter_mut().zip(states) {
                    *a = stream(_mm256_castsi256_si128(state));
                    *b = stream(_mm256_extracti128_si256::<1>(state));
                }
            }
            streams
        }
    }

    #[inline(always)]
    fn encrypt_block(&self, block: u128) -> u128 {
        self.0.encrypt_block(block)
    }

    #[inline(always)]
    fn stream(&self, rest: u128, half: u64) -> u64 {
        self.0.stream(rest, half)
    }

    #[inline(always)]
    fn encrypt_blocks(&self, blocks: &mut [Block]) {
        let (pairs, rest) = blocks.as_chunks_mut::<2>();
        let (groups, pairs) = pairs.as_chunks_mut::<8>();
        for group in groups {
            self.encrypt_in_place(group);
        }
        for pair in pairs.as_chunks_mut::<1>().0 {
            self.encrypt_in_place(pair);
        }
        self.0.encrypt_blocks(rest);
    }
}

/// Four blocks to a register.
struct Zmm<'a, const N: usize>(Xmm<'a, N>);

impl<const N: usize> Zmm<'_, N> {
    /// Encrypts `4 * W` blocks side by side.
    #[inline(always)]
    fn encrypt_in_place<const W: usize>(&self, blocks: &mut [[Block; 4]; W]) {
        // SAFETY: the instructions are there, and the loads and stores are of the 64 bytes that a reference is to.
        unsafe {
            let [first, middle @ .., last] = self.0.0.as_slice() else { return };
            let mut states = [_mm512_setzero_si512(); W];
            for (state, four) in states.iter_mut().zip(blocks.iter()) {
                let four = _mm512_loadu_si512(std::ptr::from_ref(four).cast());
                *state = _mm512_xor_si512(four, key512(first));
            }
            for round in middle {
                for state in &mut states {
                    *state = _mm512_aesenc_epi128(*state, key512(round));
                }
            }
            for (four, state) in blocks.iter_mut().zip(states) {
                let state = _mm512_aesenclast_epi128(state, key512(last));
                _mm512_storeu_si512(std::ptr::from_mut(four).cast(), state);
            }
        }
    }
}

impl<const N: usize> Backend for Zmm<'_, N> {
    type Lanes = U16;

    #[inline(always)]
    fn streams<const W: usize>(
        &self,
        prefixes: &[Block; W],
        halves: &[u64; W],
        byte: u64,
    ) -> [u64; W] {
        Ymm(Xmm(self.0.0)).streams(prefixes, halves, byte)
    }

    #[inline(always)]
    fn encrypt_block(&self, block: u128) -> u128 {
        self.0.encrypt_block(block)
    }

    #[inline(always)]
    fn stream(&self, rest: u128, half: u64) -> u64 {
        self.0.stream(rest, half)
    }

    #[inline(always)]
    fn encrypt_blocks(&self, blocks: &mut [Block]) {
        let (fours, rest) = blocks.as_chunks_mut::<4>();
        let (groups, fours) = fours.as_chunks_mut::<4>();
        for group in groups {
            self.encrypt_in_place(group);
        }
        for four in fours.as_chunks_mut::<1>().0 {
            self.encrypt_in_place(four);
        }
        self.0.encrypt_blocks(rest);
    }
}

/// What reverses the bytes of a block.
#[inline(always)]
fn reversed() -> __m128i {
    // SAFETY: every processor of this architecture has the instruction.
    unsafe { _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) }
}

/// A block that ends in the half, big-endian, with the prefix and what every block gets added to it.
///
/// # Safety
/// The instructions are there.
#[inline(always)]
unsafe fn input(prefix: &Block, half: u64, added: __m128i) -> __m128i {
    // SAFETY: the caller says so, and the load is of the 16 bytes that the reference is to.
    unsafe {
        let prefix = _mm_loadu_si128(std::ptr::from_ref(prefix).cast());
        let half = _mm_shuffle_epi8(_mm_cvtsi64_si128(half.cast_signed()), reversed());
        _mm_xor_si128(half, _mm_xor_si128(prefix, added))
    }
}

/// The first eight bytes of a block as a number.
///
/// # Safety
/// The instructions are there.
#[inline(always)]
unsafe fn stream(block: __m128i) -> u64 {
    // SAFETY: the caller says so.
    unsafe { _mm_cvtsi128_si64(_mm_shuffle_epi8(block, upper())).cast_unsigned() }
}

/// What reverses the first eight bytes of a block.
#[inline(always)]
fn upper() -> __m128i {
    // SAFETY: every processor of this architecture has the instruction.
    unsafe { _mm_set_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 2, 3, 4, 5, 6, 7) }
}

/// A round key for one block. This and its likes are inlined where the instructions are.
#[inline(always)]
fn key([key, ..]: &[[u8; 16]; 4]) -> __m128i {
    // SAFETY: the load is of the 16 bytes that the reference is to.
    unsafe { _mm_loadu_si128(std::ptr::from_ref(key).cast()) }
}

/// A round key for two blocks.
#[inline(always)]
fn key256(keys: &[[u8; 16]; 4]) -> __m256i {
    // SAFETY: the load is of half of the 64 bytes that the reference is to.
    unsafe { _mm256_loadu_si256(std::ptr::from_ref(keys).cast()) }
}

/// A round key for four blocks.
#[inline(always)]
pub(super) fn key512(keys: &[[u8; 16]; 4]) -> __m512i {
    // SAFETY: the load is of the 64 bytes that the reference is to.
    unsafe { _mm512_loadu_si512(std::ptr::from_ref(keys).cast()) }
}
