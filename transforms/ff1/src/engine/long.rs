//! Rounds for halves over 2^256: one value after another, in buffers that the whole batch shares.

use aes::Block;
use zeroize::{Zeroize, Zeroizing};

use super::Direction;
use crate::Tweaks;
use crate::arithmetic::{LongRing, limbs};
use crate::cipher::Backend;
use crate::prefix::Prefixes;
use crate::shape::{Geometry, Halves};

/// Runs all values.
#[inline(always)]
pub(super) fn run<B: Backend>(
    backend: &B,
    halves: &Halves<LongRing>,
    direction: Direction,
    tweaks: Tweaks<'_>,
    numerals: &mut [u16],
) {
    let geometry = &halves.geometry;
    let mut prefixes = Prefixes::new(geometry);
    let mut function = RoundFunction::new(geometry);
    let mut left = Zeroizing::new(vec![0; halves.left.limbs()]);
    let mut right = Zeroizing::new(vec![0; halves.right.limbs()]);
    let shared = match tweaks {
        Tweaks::Same(tweak) => prefixes.bind(backend, tweak),
        Tweaks::Each(_) => 0,
    };
    for (index, value) in numerals.chunks_exact_mut(geometry.length).enumerate() {
        let prefix = match tweaks {
            Tweaks::Same(_) => shared,
            Tweaks::Each(each) => {
                prefixes.bind(backend, each.get(index).copied().unwrap_or_default())
            }
        };
        let (u, v) = value.split_at_mut(geometry.left_length);
        halves.left.read(u, &mut left);
        halves.right.read(v, &mut right);
        for round in direction.rounds() {
            let (ring, target, source) = if round % 2 == 0 {
                (&halves.left, &mut left, &right)
            } else {
                (&halves.right, &mut right, &left)
            };
            let stream = function.apply(backend, prefix, round, source);
            match direction {
                Direction::Encrypt => ring.add(target, stream),
                Direction::Decrypt => ring.subtract(target, stream),
            }
        }
        halves.left.write(&mut left, u);
        halves.right.write(&mut right, v);
    }
}

/// The round function and its buffers.
struct RoundFunction {
    stream_bytes: usize,
    /// Where the half begins in `input`; the round byte stands before it.
    half_start: usize,
    /// The blocks of the input after those of the prefix.
    input: Vec<u8>,
    /// The blocks of the output.
    output: Vec<Block>,
    /// The output as a number, with a zero limb on top.
    stream: Vec<u64>,
}

impl RoundFunction {
    fn new(geometry: &Geometry) -> Self {
        let half_start = 16 - geometry.half_bytes % 16;
        Self {
            stream_bytes: geometry.stream_bytes,
            half_start,
            input: vec![0; half_start + geometry.half_bytes],
            output: vec![Block::default(); geometry.stream_bytes.div_ceil(16)],
            stream: vec![0; geometry.stream_bytes.div_ceil(8) + 1],
        }
    }

    /// SP 800-38G, algorithm 7, steps 6.i to 6.iv.
    #[inline(always)]
    fn apply<B: Backend>(
        &mut self,
        backend: &B,
        prefix: u128,
        round: u8,
        half: &[u64],
    ) -> &mut [u64] {
        let (front, back) = self.input.split_at_mut(self.half_start);
        if let Some(byte) = front.last_mut() {
            *byte = round;
        }
        limbs::write_bytes(half, back);
        let (blocks, _) = self.input.as_chunks::<16>();
        let mut first = prefix;
        for block in blocks {
            first = backend.encrypt_block(first ^ u128::from_be_bytes(*block));
        }
        for (block, counter) in self.output.iter_mut().zip(0u128..) {
            *block = Block::from((first ^ counter).to_be_bytes());
        }
        if let [_, others @ ..] = self.output.as_mut_slice() {
            backend.encrypt_blocks(others);
        }
        let unused = 16 * self.output.len() - self.stream_bytes;
        limbs::read_bytes(
            self.output.iter().flat_map(|block| block.0.iter()).rev().skip(unused),
            &mut self.stream,
        );
        &mut self.stream
    }
}

impl Drop for RoundFunction {
    fn drop(&mut self) {
        self.input.zeroize();
        self.output.fill(Block::default());
        zeroize::optimization_barrier(self.output.as_slice());
        self.stream.zeroize();
    }
}
