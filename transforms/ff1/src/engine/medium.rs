//! Rounds for halves from 2^128 to 2^256: one value after another, with nothing on the heap.

use aes::Block;
use zeroize::Zeroize;

use super::Direction;
use crate::Tweaks;
use crate::arithmetic::MediumRing;
use crate::arithmetic::medium::Number;
use crate::cipher::{Backend, number};
use crate::prefix::Prefixes;
use crate::shape::{Geometry, Halves};

/// Runs all values.
#[inline(always)]
pub(super) fn run<B: Backend>(
    backend: &B,
    halves: &Halves<MediumRing>,
    direction: Direction,
    tweaks: Tweaks<'_>,
    numerals: &mut [u16],
) {
    let geometry = &halves.geometry;
    let mut prefixes = Prefixes::new(geometry);
    let (shared, mut each) = match tweaks {
        Tweaks::Same(tweak) => (prefixes.bind(backend, tweak), [].iter()),
        Tweaks::Each(each) => (0, each.iter()),
    };
    let mut stream = [0; 3];
    for value in numerals.chunks_exact_mut(geometry.length) {
        let mut prefix = shared;
        if let Some(tweak) = each.next() {
            prefix = prefixes.bind(backend, tweak);
        }
        let (u, v) = value.split_at_mut(geometry.left_length);
        let (mut left, mut right) = (halves.left.read(u), halves.right.read(v));
        for round in direction.rounds() {
            let (ring, target, source) = if round % 2 == 0 {
                (&halves.left, &mut left, &right)
            } else {
                (&halves.right, &mut right, &left)
            };
            stream = apply(backend, geometry, prefix, round, source);
            *target = match direction {
                Direction::Encrypt => ring.add(*target, stream),
                Direction::Decrypt => ring.subtract(*target, stream),
            };
        }
        halves.left.write(left, u);
        halves.right.write(right, v);
        left.zeroize();
        right.zeroize();
    }
    stream.zeroize();
}

/// SP 800-38G, algorithm 7, steps 6.i to 6.iii; the third block is for outputs over 32 bytes.
#[inline(always)]
fn apply<B: Backend>(
    backend: &B,
    geometry: &Geometry,
    prefix: u128,
    round: u8,
    [a, b, c, d]: &Number,
) -> [u128; 3] {
    let join = |high: u64, low: u64| (u128::from(high) << 64) | u128::from(low);
    let (upper, lower) = (join(*d, *c), join(*b, *a));
    let round = u128::from(round);
    let mut first = match geometry.half_bytes {
        16 => backend.encrypt_block(prefix ^ round),
        32 => {
            let state = backend.encrypt_block(prefix ^ round);
            backend.encrypt_block(state ^ upper)
        }
        bytes => backend.encrypt_block(prefix ^ (round << (8 * (bytes % 16))) ^ upper),
    };
    first = backend.encrypt_block(first ^ lower);
    let mut others =
        [Block::from((first ^ 1).to_be_bytes()), Block::from((first ^ 2).to_be_bytes())];
    backend.encrypt_blocks(&mut others);
    let [second, third] = &others;
    [first, number(second), number(third)]
}
