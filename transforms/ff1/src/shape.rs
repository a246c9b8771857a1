//! What follows from radix and length: the split into halves, the sizes of the round function and its arithmetic.

use zeroize::Zeroize;

use crate::arithmetic::{LongRing, MediumRing, NarrowRing, SmallRing, WideRing, limbs};
use crate::cipher::Cipher;
use crate::prefix::{EncryptP, SHORT_TWEAKS};
use crate::size::larger_half_bytes;

/// The arithmetic by the size of the larger half.
pub(crate) enum Shape {
    /// Halves below 2^64.
    Narrow(Halves<NarrowRing>),
    /// Halves below 2^128.
    Wide(Halves<WideRing>),
    /// Halves up to 2^256.
    Medium(Halves<MediumRing>),
    /// Anything larger.
    Long(Halves<LongRing>),
}

impl Shape {
    /// The shape of `length` numerals; radix and length have been checked.
    pub(crate) fn new(radix: u32, length: usize) -> Self {
        let geometry = Geometry::new(radix, length);
        let (left, right) = (geometry.left_length, geometry.right_length);
        let power = |digits: usize| u128::from(radix).checked_pow(u32::try_from(digits).ok()?);
        match (power(left), power(right)) {
            (Some(small), Some(large)) => match (u64::try_from(small), u64::try_from(large)) {
                (Ok(small), Ok(large)) => Self::Narrow(Halves {
                    left: NarrowRing::new(radix, small, geometry.stream_bytes),
                    right: NarrowRing::new(radix, large, geometry.stream_bytes),
                    geometry,
                }),
                _ => Self::Wide(Halves {
                    left: WideRing::new(radix, small, geometry.stream_bytes),
                    right: WideRing::new(radix, large, geometry.stream_bytes),
                    geometry,
                }),
            },
            _ => Self::beyond(radix, geometry),
        }
    }

    /// The shape of halves of 2^128 and more.
    fn beyond(radix: u32, geometry: Geometry) -> Self {
        let left = limbs::power(radix, geometry.left_length);
        let right = limbs::power(radix, geometry.right_length);
        let medium = |modulus: &[u64]| MediumRing::new(radix, modulus, geometry.stream_bytes);
        match (medium(&left), medium(&right)) {
            (Some(left), Some(right)) => Self::Medium(Halves { geometry, left, right }),
            _ => Self::Long(Halves {
                left: LongRing::new(radix, left),
                right: LongRing::new(radix, right),
                geometry,
            }),
        }
    }
}

impl Shape {
    /// Precomputes what depends on the key.
    pub(crate) fn bind(mut self, cipher: &Cipher) -> Self {
        let geometry = match &mut self {
            Self::Narrow(halves) => &mut halves.geometry,
            Self::Wide(halves) => &mut halves.geometry,
            Self::Medium(halves) => &mut halves.geometry,
            Self::Long(halves) => &mut halves.geometry,
        };
        cipher.run(EncryptP(geometry));
        self
    }

    /// The sizes.
    pub(crate) fn geometry(&self) -> &Geometry {
        match self {
            Self::Narrow(halves) => &halves.geometry,
            Self::Wide(halves) => &halves.geometry,
            Self::Medium(halves) => &halves.geometry,
            Self::Long(halves) => &halves.geometry,
        }
    }
}

/// The two halves of a value and the numbers modulo `radix^u` and `radix^v` that they are.
pub(crate) struct Halves<R> {
    pub(crate) geometry: Geometry,
    pub(crate) left: R,
    pub(crate) right: R,
}

/// The sizes of SP 800-38G, algorithm 7, steps 1 to 4.
pub(crate) struct Geometry {
    radix: u32,
    /// `n`, the numerals of a value.
    pub(crate) length: usize,
    /// `u`, the numerals of the left half.
    pub(crate) left_length: usize,
    /// `v`, the numerals of the right half; `u` or one more.
    right_length: usize,
    /// `b`, the bytes of a half in the round function's input.
    pub(crate) half_bytes: usize,
    /// `d`, the bytes of the round function's output.
    pub(crate) stream_bytes: usize,
    /// Block P under the key, for each short tweak length; it is filled before the shape is used.
    pub(crate) encrypted_p: [u128; SHORT_TWEAKS],
    /// The arithmetic of single values, where the halves and the stream are short.
    pub(crate) small: Option<Box<[SmallRing; 2]>>,
    /// What the vector engine needs, where it takes the shape.
    #[cfg(target_arch = "x86_64")]
    pub(crate) plan: Option<Box<crate::simd::Plan>>,
}

impl Geometry {
    fn new(radix: u32, length: usize) -> Self {
        let left_length = length / 2;
        let half_bytes = larger_half_bytes(radix, length);
        let small = |digits: usize| {
            let modulus = u64::from(radix).checked_pow(u32::try_from(digits).ok()?)?;
            SmallRing::new(radix, modulus)
        };
        let small = |u, v| Some(Box::new([small(u)?, small(v)?]));
        Self {
            radix,
            length,
            left_length,
            right_length: length - left_length,
            half_bytes,
            stream_bytes: 4 * half_bytes.div_ceil(4) + 4,
            encrypted_p: [0; SHORT_TWEAKS],
            small: small(left_length, length - left_length),
            #[cfg(target_arch = "x86_64")]
            plan: crate::simd::Plan::new(radix, left_length, length - left_length),
        }
    }

    /// Block P for tweaks of `tweak_length` bytes: 1, 2, 1, the radix in 3 bytes, 10 rounds, `u` modulo 256, `n` and `t` in 4 bytes.
    pub(crate) fn block_p(&self, tweak_length: usize) -> u128 {
        let low = |number: usize| number as u128 & 0xffff_ffff;
        (0x0001_0201 << 104)
            | (u128::from(self.radix) << 80)
            | (10 << 72)
            | ((self.left_length as u128 & 0xff) << 64)
            | (low(self.length) << 32)
            | low(tweak_length)
    }
}

impl Drop for Geometry {
    fn drop(&mut self) {
        self.encrypted_p.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_p_is_laid_out_as_in_the_samples() {
        // The intermediate values of NIST's FF1 samples 1 and 2.
        for (tweak_length, end) in [(0, 0), (10, 10)] {
            let expected = [1, 2, 1, 0, 0, 10, 10, 5, 0, 0, 0, 10, 0, 0, 0, end];
            assert_eq!(Geometry::new(10, 10).block_p(tweak_length).to_be_bytes(), expected);
        }
        let expected = [1, 2, 1, 1, 0, 0, 10, 1, 0, 0, 2, 3, 0, 1, 0, 2];
        assert_eq!(Geometry::new(65_536, 515).block_p(65_538).to_be_bytes(), expected);
    }

    #[test]
    fn the_arithmetic_is_chosen_by_the_larger_half() {
        for (radix, length, expected) in [
            (10, 38, "narrow"),
            (10, 39, "wide"),
            (2, 126, "narrow"),
            (2, 127, "wide"), // The larger half is 2^64 exactly.
            (65_536, 7, "wide"),
            (65_535, 8, "narrow"),
            (10, 76, "wide"),
            (10, 77, "medium"),
            (2, 254, "wide"),
            (2, 255, "medium"), // The larger half is 2^128 exactly.
            (10, 154, "medium"),
            (10, 155, "long"),
            (2, 511, "medium"), // The larger half is 2^256 exactly.
            (2, 512, "medium"),
            (2, 513, "long"),
        ] {
            let kind = match Shape::new(radix, length) {
                Shape::Narrow(_) => "narrow",
                Shape::Wide(_) => "wide",
                Shape::Medium(_) => "medium",
                Shape::Long(_) => "long",
            };
            assert_eq!(kind, expected, "radix {radix}, length {length}");
        }
    }
}
