//! Rounds for several values with short halves, side by side: numbers in registers of the machine, blocks in vectors.

use aes::Block;
use zeroize::Zeroize;

use super::{Direction, Numeral};
use crate::Tweaks;
use crate::arithmetic::SmallRing;
use crate::cipher::{Backend, Work};
use crate::prefix::Prefixes;
use crate::shape::Geometry;

/// Left and right halves of up to `W` checked values, to be run through the rounds inside an AES back end.
pub(crate) struct Several<'a, const W: usize> {
    geometry: &'a Geometry,
    rings: &'a [SmallRing; 2],
    direction: Direction,
    /// The same for all, or for each of the values.
    tweaks: Tweaks<'a>,
    halves: &'a mut [[u64; W]; 2],
}

impl<'a, const W: usize> Several<'a, W> {
    /// Reads values, has their halves run, and writes them, `W` at a time; they are read and written outside of `run` for the
    /// reason that a single one is.
    #[inline(always)]
    pub(crate) fn through<S: Numeral>(
        (geometry, rings): (&Geometry, &[SmallRing; 2]),
        direction: Direction,
        tweaks: Tweaks<'_>,
        (first, symbols): (u8, &mut [S]),
        run: impl Fn(Several<'_, W>),
    ) {
        let [left_ring, right_ring] = rings;
        let mut halves = [[0; W]; 2];
        for (index, values) in symbols.chunks_mut(W * geometry.length).enumerate() {
            let [left, right] = &mut halves;
            let each = left.iter_mut().zip(right).zip(values.chunks_exact(geometry.length));
            for ((left, right), value) in each {
                let (u, v) = value.split_at(geometry.left_length);
                (*left, *right) = (left_ring.read(u, first), right_ring.read(v, first));
            }
            let tweaks = match tweaks {
                Tweaks::Same(tweak) => Tweaks::Same(tweak),
                Tweaks::Each(each) => Tweaks::Each(each.split_at(index * W).1),
            };
            run(Several { geometry, rings, direction, tweaks, halves: &mut halves });
            let [left, right] = &halves;
            let each = left.iter().zip(right).zip(values.chunks_exact_mut(geometry.length));
            for ((left, right), value) in each {
                let (u, v) = value.split_at_mut(geometry.left_length);
                left_ring.write(*left, u, first);
                right_ring.write(*right, v, first);
            }
        }
        halves.as_flattened_mut().zeroize();
    }
}

impl<const W: usize> Work for Several<'_, W> {
    #[inline(always)]
    fn run<B: Backend>(self, backend: &B) {
        let Self { geometry, rings: [left_ring, right_ring], direction, tweaks, halves } = self;
        let mut bound = Prefixes::new(geometry);
        let mut block = |tweak: &[u8]| Block::from(bound.bind(backend, tweak).to_be_bytes());
        let mut prefixes = [Block::default(); W];
        match tweaks {
            Tweaks::Same(tweak) => prefixes = [block(tweak); W],
            Tweaks::Each(each) => {
                for (prefix, tweak) in prefixes.iter_mut().zip(each) {
                    *prefix = block(tweak);
                }
            }
        }
        let [left, right] = halves;
        for round in direction.rounds() {
            let (ring, target, source) = if round % 2 == 0 {
                (left_ring, &mut *left, &*right)
            } else {
                (right_ring, &mut *right, &*left)
            };
            // A half has four bytes at most, so the round byte before it stands in the same eight bytes.
            let byte = u64::from(round) << (8 * geometry.half_bytes);
            let streams = backend.streams(&prefixes, source, byte);
            for (number, stream) in target.iter_mut().zip(streams) {
                *number = match direction {
                    Direction::Encrypt => ring.add(*number, stream),
                    Direction::Decrypt => ring.subtract(*number, stream),
                };
            }
        }
    }
}
