//! Rounds for halves over 2^256: one value after another, in buffers of the caller's.

use aes::Block;
use zeroize::Zeroizing;

use super::Direction;
use crate::Tweaks;
use crate::arithmetic::{LongRing, limbs};
use crate::cipher::Backend;
use crate::prefix::Prefixes;
use crate::scratch::{Blocks, Scratch, room};
use crate::shape::{Geometry, Halves};

/// Runs all values.
#[inline(always)]
pub(super) fn run<B: Backend>(
    backend: &B,
    halves: &Halves<LongRing>,
    direction: Direction,
    tweaks: Tweaks<'_>,
    numerals: &mut [u16],
    scratch: &mut Scratch,
) {
    let geometry = &halves.geometry;
    let mut prefixes = Prefixes::new(geometry);
    let Scratch { left, right, input, output, stream, .. } = scratch;
    let mut function = RoundFunction::new(geometry, input, output, stream);
    room(left, halves.left.limbs());
    room(right, halves.right.limbs());
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
        halves.left.read(u, left);
        halves.right.read(v, right);
        for round in direction.rounds() {
            let (ring, target, source) = if round % 2 == 0 {
                (&halves.left, &mut *left, &*right)
            } else {
                (&halves.right, &mut *right, &*left)
            };
            let stream = function.apply(backend, prefix, round, source);
            match direction {
                Direction::Encrypt => ring.add(target, stream),
                Direction::Decrypt => ring.subtract(target, stream),
            }
        }
        halves.left.write(left, u);
        halves.right.write(right, v);
    }
}

/// The round function and its buffers.
struct RoundFunction<'s> {
    stream_bytes: usize,
    /// Where the half begins in `input`; the round byte stands before it.
    half_start: usize,
    input: &'s mut [u8],
    output: &'s mut [Block],
    stream: &'s mut [u64],
}

impl<'s> RoundFunction<'s> {
    fn new(
        geometry: &Geometry,
        input: &'s mut Zeroizing<Vec<u8>>,
        output: &'s mut Blocks,
        stream: &'s mut Zeroizing<Vec<u64>>,
    ) -> Self {
        let half_start = 16 - geometry.half_bytes % 16;
        room(input, half_start + geometry.half_bytes);
        output.room(geometry.stream_bytes.div_ceil(16));
        room(stream, geometry.stream_bytes.div_ceil(8) + 1);
        let output = output.as_mut_slice();
        Self { stream_bytes: geometry.stream_bytes, half_start, input, output, stream }
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
        if let [_, others @ ..] = &mut *self.output {
            backend.encrypt_blocks(others);
        }
        let unused = 16 * self.output.len() - self.stream_bytes;
        limbs::read_bytes(
            self.output.iter().flat_map(|block| block.0.iter()).rev().skip(unused),
            self.stream,
        );
        self.stream
    }
}
