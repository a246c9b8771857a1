//! Arithmetic modulo `radix^digits` in four sizes, and once more for single values, all by reciprocals: hardware division takes time that depends on its operands.

mod choice;
mod digits;
mod divisor;
pub(crate) mod limbs;
mod long;
pub(crate) mod medium;
mod narrow;
mod small;
mod wide;

pub(crate) use long::LongRing;
pub(crate) use medium::MediumRing;
pub(crate) use narrow::NarrowRing;
pub(crate) use small::SmallRing;
pub(crate) use wide::WideRing;

use zeroize::DefaultIsZeroes;

/// The numbers modulo `radix^digits` of one half, as numbers of the machine.
pub(crate) trait Ring {
    /// A number below the modulus.
    type Number: DefaultIsZeroes + Into<u128>;

    /// `stream`, taken modulo the modulus, is added to `number`.
    fn add(&self, number: Self::Number, stream: Stream) -> Self::Number;

    /// `stream`, taken modulo the modulus, is subtracted from `number`.
    fn subtract(&self, number: Self::Number, stream: Stream) -> Self::Number;

    /// The number that big-endian numerals stand for, NUM_radix of the standard.
    fn read(&self, numerals: &[u16]) -> Self::Number;

    /// Writes a number as big-endian numerals, STR_radix of the standard.
    fn write(&self, number: Self::Number, numerals: &mut [u16]);
}

/// The output of the round function before it is cut to the bytes of the standard's `d`, for `d` up to 20.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    /// The first block.
    pub(crate) first: u128,
    /// The first four bytes of the second block; zero where `d` is 16 or less.
    pub(crate) next: u32,
}
