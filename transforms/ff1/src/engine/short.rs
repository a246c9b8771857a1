//! Rounds for halves that are numbers of the machine: many values side by side, one in each lane.

use aes::Block;
use aes::cipher::array::{Array, ArraySize};
use zeroize::Zeroize;

use super::Direction;
use crate::Tweaks;
use crate::arithmetic::{Ring, Stream};
use crate::cipher::{Backend, number};
use crate::prefix::Prefixes;
use crate::shape::{Geometry, Halves};

/// Runs all values, as many at a time as there are lanes.
#[inline(always)]
pub(super) fn run<R: Ring, B: Backend, N: ArraySize>(
    backend: &B,
    halves: &Halves<R>,
    direction: Direction,
    tweaks: Tweaks<'_>,
    numerals: &mut [u16],
) {
    let geometry = &halves.geometry;
    let mut prefixes = Prefixes::new(geometry);
    let mut lanes = Lanes::<R, N>::new();
    let mut each = match tweaks {
        Tweaks::Same(tweak) => {
            let prefix = prefixes.bind(backend, tweak);
            lanes.function.prefixes.iter_mut().for_each(|lane| *lane = prefix);
            [].iter()
        }
        Tweaks::Each(each) => each.iter(),
    };
    for values in numerals.chunks_mut(geometry.length * N::USIZE) {
        for (prefix, tweak) in lanes.function.prefixes.iter_mut().zip(each.by_ref().take(N::USIZE))
        {
            *prefix = prefixes.bind(backend, tweak);
        }
        lanes.read(halves, values);
        lanes.run(backend, halves, direction, values.len() / geometry.length);
        lanes.write(halves, values);
    }
}

/// The state of as many values as run side by side; unused lanes hold some earlier value or zero.
struct Lanes<R: Ring, N: ArraySize> {
    left: Array<R::Number, N>,
    right: Array<R::Number, N>,
    function: RoundFunction<N>,
}

impl<R: Ring, N: ArraySize> Lanes<R, N> {
    #[inline(always)]
    fn new() -> Self {
        Self {
            left: Array::from_fn(|_| R::Number::default()),
            right: Array::from_fn(|_| R::Number::default()),
            function: RoundFunction {
                prefixes: Array::from_fn(|_| 0),
                blocks: Array::from_fn(|_| Block::default()),
                next: Array::from_fn(|_| 0),
            },
        }
    }

    #[inline(always)]
    fn read(&mut self, halves: &Halves<R>, values: &[u16]) {
        let values = values.chunks_exact(halves.geometry.length);
        for ((left, right), value) in self.left.iter_mut().zip(&mut self.right).zip(values) {
            let (u, v) = value.split_at(halves.geometry.left_length);
            *left = halves.left.read(u);
            *right = halves.right.read(v);
        }
    }

    #[inline(always)]
    fn write(&self, halves: &Halves<R>, values: &mut [u16]) {
        let values = values.chunks_exact_mut(halves.geometry.length);
        for ((left, right), value) in self.left.iter().zip(&self.right).zip(values) {
            let (u, v) = value.split_at_mut(halves.geometry.left_length);
            halves.left.write(*left, u);
            halves.right.write(*right, v);
        }
    }

    #[inline(always)]
    fn run<B: Backend>(
        &mut self,
        backend: &B,
        halves: &Halves<R>,
        direction: Direction,
        values: usize,
    ) {
        for round in direction.rounds() {
            let (ring, target, source) = if round % 2 == 0 {
                (&halves.left, &mut self.left, &self.right)
            } else {
                (&halves.right, &mut self.right, &self.left)
            };
            self.function.apply(backend, &halves.geometry, round, values, source);
            for (number, stream) in target.iter_mut().zip(self.function.streams().take(values)) {
                *number = match direction {
                    Direction::Encrypt => ring.add(*number, stream),
                    Direction::Decrypt => ring.subtract(*number, stream),
                };
            }
        }
    }
}

impl<R: Ring, N: ArraySize> Drop for Lanes<R, N> {
    fn drop(&mut self) {
        self.left.as_mut_slice().zeroize();
        self.right.as_mut_slice().zeroize();
    }
}

/// The round function of every lane: its prefixes, its blocks, and its output.
struct RoundFunction<N: ArraySize> {
    prefixes: Array<u128, N>,
    blocks: Array<Block, N>,
    /// The first bytes of the second output block, where the standard's `d` is over 16.
    next: Array<u32, N>,
}

impl<N: ArraySize> Drop for RoundFunction<N> {
    fn drop(&mut self) {
        self.prefixes.as_mut_slice().zeroize();
        self.next.as_mut_slice().zeroize();
        wipe(&mut self.blocks);
    }
}

/// Overwrites whole blocks; byte by byte it would take longer than a round.
#[inline(always)]
fn wipe(blocks: &mut [Block]) {
    blocks.fill(Block::default());
    zeroize::optimization_barrier(blocks);
}

impl<N: ArraySize> RoundFunction<N> {
    /// SP 800-38G, algorithm 7, steps 6.i to 6.iii, for the first `values` lanes.
    #[inline(always)]
    fn apply<B: Backend>(
        &mut self,
        backend: &B,
        geometry: &Geometry,
        round: u8,
        values: usize,
        halves: &[impl Copy + Into<u128>],
    ) {
        // AES over all lanes at once costs less than over some of them one by one; unused lanes hold whatever they held.
        let active = if values * 16 >= N::USIZE { N::USIZE } else { values };
        let (blocks, _) = self.blocks.split_at_mut(active);
        // The round byte stands before the half, which fills a block of its own when it has 16 bytes.
        let own_block = geometry.half_bytes == 16;
        let round = if own_block {
            u128::from(round)
        } else {
            u128::from(round) << (8 * geometry.half_bytes)
        };
        for (block, prefix) in blocks.iter_mut().zip(&self.prefixes).take(values) {
            *block = Block::from((prefix ^ round).to_be_bytes());
        }
        if own_block {
            backend.encrypt_blocks(blocks);
        }
        for (block, half) in blocks.iter_mut().zip(halves).take(values) {
            let half: u128 = (*half).into();
            *block = Block::from((number(block) ^ half).to_be_bytes());
        }
        backend.encrypt_blocks(blocks);
        if geometry.stream_bytes > 16 {
            let mut second = self.blocks.clone();
            let (second, _) = second.split_at_mut(active);
            for block in second.iter_mut().take(values) {
                *block = Block::from((number(block) ^ 1).to_be_bytes());
            }
            backend.encrypt_blocks(second);
            for (next, block) in self.next.iter_mut().zip(second.iter()).take(values) {
                *next = (number(block) >> 96) as u32;
            }
            wipe(second);
        }
    }

    #[inline(always)]
    fn streams(&self) -> impl Iterator<Item = Stream> {
        self.blocks
            .iter()
            .zip(&self.next)
            .map(|(block, next)| Stream { first: number(block), next: *next })
    }
}
