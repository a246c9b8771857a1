//! The ten Feistel rounds over a batch.
//!
//! The standard swaps the halves after each round; here they stay in place, and even rounds change the left one, odd rounds
//! the right one. After ten rounds that is the same.

mod long;
mod medium;
mod several;
mod short;
mod single;

use aes::cipher::consts::U1;

use crate::Tweaks;
use crate::arithmetic::Ring;
use crate::cipher::{Backend, Work};
use crate::scratch::Scratch;
use crate::shape::{Halves, Shape};

pub(crate) use several::Several;
pub(crate) use single::{Numeral, Single};

pub(crate) const ROUNDS: u8 = 10;

/// Which way the rounds run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Encrypt,
    Decrypt,
}

impl Direction {
    /// The round numbers in the order of this direction.
    #[inline(always)]
    pub(crate) fn rounds(self) -> impl Iterator<Item = u8> {
        (0..ROUNDS).map(move |step| match self {
            Self::Encrypt => step,
            Self::Decrypt => ROUNDS - 1 - step,
        })
    }
}

/// Checked values of one shape, to be run through the rounds inside an AES back end.
pub(crate) struct Batch<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) direction: Direction,
    pub(crate) tweaks: Tweaks<'a>,
    pub(crate) numerals: &'a mut [u16],
    pub(crate) scratch: &'a mut Scratch,
}

impl Work for Batch<'_> {
    #[inline(always)]
    fn run<B: Backend>(self, backend: &B) {
        match self.shape {
            Shape::Narrow(halves) => self.short(backend, halves),
            Shape::Wide(halves) => self.short(backend, halves),
            Shape::Medium(halves) => {
                medium::run(backend, halves, self.direction, self.tweaks, self.numerals)
            }
            Shape::Long(halves) => {
                let Self { direction, tweaks, numerals, scratch, .. } = self;
                long::run(backend, halves, direction, tweaks, numerals, scratch)
            }
        }
    }
}

impl Batch<'_> {
    /// Few values do not pay for as many lanes as the back end has.
    #[inline(always)]
    fn short<R: Ring, B: Backend>(self, backend: &B, halves: &Halves<R>) {
        if self.numerals.len() == halves.geometry.length {
            short::run::<R, B, U1>(backend, halves, self.direction, self.tweaks, self.numerals);
        } else {
            short::run::<R, B, B::Lanes>(
                backend,
                halves,
                self.direction,
                self.tweaks,
                self.numerals,
            );
        }
    }
}
