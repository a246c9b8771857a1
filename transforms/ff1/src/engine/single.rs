//! Rounds for a single value with short halves: one after another, with everything in registers.

use zeroize::Zeroize;

use super::{Direction, ROUNDS};
use crate::arithmetic::SmallRing;
use crate::cipher::{Backend, Work};
use crate::prefix::Prefixes;
use crate::shape::Geometry;

/// What a numeral is stored in: the numeral itself, or a byte that is the first byte plus the numeral.
pub(crate) trait Numeral: Copy {
    /// The numeral.
    fn number(self, first: u8) -> u64;

    /// What stores a numeral, which fits.
    fn of(number: u64, first: u8) -> Self;
}

impl Numeral for u8 {
    #[inline(always)]
    fn number(self, first: u8) -> u64 {
        u64::from(self.wrapping_sub(first))
    }

    #[inline(always)]
    fn of(number: u64, first: u8) -> Self {
        (number as u8).wrapping_add(first)
    }
}

impl Numeral for u16 {
    #[inline(always)]
    fn number(self, _: u8) -> u64 {
        u64::from(self)
    }

    #[inline(always)]
    fn of(number: u64, _: u8) -> Self {
        number as u16
    }
}

/// The halves of a checked value, to be run through the rounds inside an AES back end.
///
/// They are read and written outside of it: with its instructions the compiler would make vectors of the few numerals, which
/// takes longer.
pub(crate) struct Single<'a> {
    pub(crate) geometry: &'a Geometry,
    /// Of the left and of the right half.
    pub(crate) rings: &'a [SmallRing; 2],
    pub(crate) direction: Direction,
    pub(crate) tweak: &'a [u8],
    pub(crate) halves: &'a mut [u64; 2],
}

impl<'a> Single<'a> {
    /// Reads a value, has its halves run, and writes it.
    #[inline(always)]
    pub(crate) fn through<S: Numeral>(
        (geometry, rings): (&'a Geometry, &'a [SmallRing; 2]),
        direction: Direction,
        tweak: &'a [u8],
        (first, symbols): (u8, &mut [S]),
        run: impl FnOnce(Single<'_>),
    ) {
        let [left, right] = rings;
        let (u, v) = symbols.split_at_mut(geometry.left_length);
        let mut halves = [left.read(u, first), right.read(v, first)];
        run(Single { geometry, rings, direction, tweak, halves: &mut halves });
        left.write(halves[0], u, first);
        right.write(halves[1], v, first);
        halves.zeroize();
    }
}

impl Work for Single<'_> {
    #[inline(always)]
    fn run<B: Backend>(self, backend: &B) {
        let Self { geometry, rings: [left_ring, right_ring], direction, tweak, halves } = self;
        let prefix = Prefixes::new(geometry).bind(backend, tweak);
        let [mut left, mut right] = *halves;
        // The halves have four bytes at most, so the round byte and a half stand in one block.
        let stream = |round: u8, half: u64| {
            let round = u64::from(round) << (8 * geometry.half_bytes);
            backend.stream(prefix ^ u128::from(round), half)
        };
        match direction {
            Direction::Encrypt => {
                for round in (0..ROUNDS).step_by(2) {
                    left = left_ring.add(left, stream(round, right));
                    right = right_ring.add(right, stream(round + 1, left));
                }
            }
            Direction::Decrypt => {
                for round in (0..ROUNDS).step_by(2).rev() {
                    right = right_ring.subtract(right, stream(round + 1, left));
                    left = left_ring.subtract(left, stream(round, right));
                }
            }
        }
        *halves = [left, right];
    }
}
