//! Enciphering an integer below a size of 10^6 or more: a stored format.
//!
//! ```text
//!   n = the smallest even number, at least 2, with 65536^n >= size
//!   r = the smallest integer with r^n >= size
//! ```
//!
//! The number is written as n numerals of radix r, the most significant first, and goes
//! through FF1. If the result is not below the size it goes through again (cycle walking),
//! which ends, since the permutation leads back to where it began. Because r^n is at most
//! 1.016 times the size (n = 4, size just over 2^32, r = 257), fewer than one number in 63
//! needs a second turn, and how many turns one takes says no more than that.

use allonym_ff1::{Ff1, Ff1Error, larger_half_bytes};
use zeroize::Zeroizing;

use super::Way;
use super::tweaks::TweakList;
use crate::tweak::TweakRule;

/// How integers of one size are enciphered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct IntegerCipher {
    size: u128,
    pub(super) radix: u32,
    length: usize,
    pub(super) tweak: TweakRule,
}

impl IntegerCipher {
    /// For sizes of 10^6 and more.
    pub(super) fn new(size: u128) -> Self {
        let length =
            [2_u32, 4, 6].into_iter().find(|length| 65_536_u128.pow(*length) >= size).unwrap_or(8);
        let holds = |radix: u32| {
            u128::from(radix).checked_pow(length).is_none_or(|numbers| numbers >= size)
        };
        // The smallest radix that holds all numbers, by bisection.
        let (mut low, mut high) = (2, 65_536);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let length = length as usize;
        let tweak = TweakRule::new(larger_half_bytes(low, length));
        Self { size, radix: low, length, tweak }
    }

    /// Takes numbers below the size through the engine, each under its tweak.
    pub(super) fn run(
        &self,
        way: Way,
        engine: &Ff1,
        tweaks: &TweakList,
        numbers: &mut [u128],
    ) -> Result<(), Ff1Error> {
        let mut numerals = Zeroizing::new(Vec::with_capacity(self.length * numbers.len()));
        let mut pending: Vec<usize> = (0..numbers.len()).collect();
        while !pending.is_empty() {
            numerals.clear();
            for at in &pending {
                let number = numbers.get(*at).copied().unwrap_or_default();
                self.write(number, &mut numerals);
            }
            tweaks.run(way, engine, self.length, &mut numerals, pending.iter().copied())?;
            for (at, numerals) in pending.iter().zip(numerals.chunks_exact(self.length)) {
                if let Some(number) = numbers.get_mut(*at) {
                    *number = self.read(numerals);
                }
            }
            pending.retain(|at| numbers.get(*at).is_some_and(|number| *number >= self.size));
        }
        Ok(())
    }

    /// Appends the numerals of a number.
    fn write(&self, number: u128, numerals: &mut Vec<u16>) {
        let mut written = [0; 8];
        let digits = written.iter_mut().rev().take(self.length);
        // Dividing 128 bits is many times slower, and the size is no secret.
        if let (Ok(mut rest), true) = (u64::try_from(number), self.length <= 4) {
            let radix = u64::from(self.radix);
            for digit in digits {
                *digit = (rest % radix) as u16;
                rest /= radix;
            }
        } else {
            let (mut rest, radix) = (number, u128::from(self.radix));
            for digit in digits {
                *digit = (rest % radix) as u16;
                rest /= radix;
            }
        }
        numerals.extend(written.iter().skip(8 - self.length));
        zeroize::Zeroize::zeroize(&mut written);
    }

    /// The number of numerals; with 8 of radix 65536 it takes all of 128 bits.
    fn read(&self, numerals: &[u16]) -> u128 {
        let radix = u128::from(self.radix);
        numerals.iter().fold(0_u128, |number, numeral| {
            number.wrapping_mul(radix).wrapping_add(u128::from(*numeral))
        })
    }
}

#[cfg(test)]
mod tests {
    use allonym_keyring::Secret;

    use super::*;

    #[test]
    fn numerals_and_radix_are_the_smallest_that_hold_the_size() {
        for (size, length, radix) in [
            (1_000_000, 2, 1_000),
            (1_000_001, 2, 1_001),
            (1_002_001, 2, 1_001),
            (1_002_002, 2, 1_002),
            (1 << 32, 2, 65_536),
            ((1 << 32) - 1, 2, 65_536),
            ((1 << 32) + 1, 4, 257),
            (1 << 64, 4, 65_536),
            ((1 << 64) + 1, 6, 1_626),
            (1 << 96, 6, 65_536),
            ((1 << 96) + 1, 8, 4_097),
            (1 << 122, 8, 38_968),
            (u128::MAX, 8, 65_536),
        ] {
            let cipher = IntegerCipher::new(size);
            assert_eq!((cipher.length, cipher.radix), (length, radix), "{size}");
            let all = u128::from(radix).checked_pow(length as u32).unwrap_or(u128::MAX);
            let ratio = all as f64 / size as f64;
            assert!((1.0..1.016).contains(&ratio), "{size}: {ratio}");
        }
    }

    /// Published vectors under an FF1 key of zeros and a tweak key of ones, with a global
    /// scope: changing one would change stored values.
    #[test]
    fn the_cipher_is_a_stored_format() {
        let prf = crate::tweak::prf(&Secret::new(Zeroizing::new([1; 32])));
        let check = |size, numbers: [u128; 3], expected: [u128; 3]| {
            let cipher = IntegerCipher::new(size);
            let engine = Ff1::new(&[0; 32], cipher.radix).unwrap();
            let mut tweaks = TweakList::for_values(3);
            for _ in numbers {
                tweaks.push(cipher.tweak, &prf, &[0], |_| Ok(())).unwrap();
            }
            let mut moved = numbers;
            cipher.run(Way::Protect, &engine, &tweaks, &mut moved).unwrap();
            assert_eq!(moved, expected, "{size}");
            cipher.run(Way::Reveal, &engine, &tweaks, &mut moved).unwrap();
            assert_eq!(moved, numbers, "{size}");
        };
        check(1_000_000, [0, 1, 999_999], [901_914, 623_693, 273_379]);
        check(1_000_001, [0, 1, 1_000_000], [263_208, 261_566, 396_417]);
        // The second of these leaves the range and goes through once more.
        let (size, last) = ((1 << 32) + 1, 1 << 32);
        check(size, [0, 195, last], [858_117_393, 1_424_505_773, 542_479_433]);
        let (size, last) = ((1 << 64) + 1, 1 << 64);
        let moved = [12_243_535_325_233_995_363, 3_460_147_011_353_340_852];
        check(size, [0, 1, last], [moved[0], moved[1], 7_238_653_103_375_948_461]);
        let moved = [
            12_980_730_585_207_560_989_072_608_911,
            1_375_523_954_065_263_759_760_383_806,
            32_879_839_297_814_162_899_365_979_094,
        ];
        check((1 << 96) + 1, [0, 1, 1 << 96], moved);
        let moved = [
            1_698_806_846_270_018_363_435_894_293_078_215_461,
            4_458_121_768_369_541_060_802_585_867_589_267_917,
            5_272_620_003_961_384_093_596_103_391_577_880_825,
        ];
        check(1 << 122, [0, 1, (1 << 122) - 1], moved);
        let moved = [
            193_305_011_985_631_081_114_027_129_547_784_581_374,
            231_353_607_041_399_202_435_134_612_130_795_960_859,
            168_352_386_334_946_901_417_499_660_802_285_585_903,
        ];
        check(u128::MAX, [0, 1, u128::MAX - 1], moved);
    }

    #[test]
    fn every_number_goes_to_another_below_the_size_and_back() {
        let key = [7; 32];
        let prf = crate::tweak::prf(&Secret::new(Zeroizing::new([8; 32])));
        for size in [1_000_000, 1_000_001, (1 << 32) + 1, (1 << 64) + 1, (1 << 96) + 1, u128::MAX] {
            let cipher = IntegerCipher::new(size);
            let engine = Ff1::new(&key, cipher.radix).unwrap();
            let numbers: Vec<u128> = (0..500).chain((1..=500).map(|back| size - back)).collect();
            let mut tweaks = TweakList::for_values(numbers.len());
            for _ in &numbers {
                tweaks.push(cipher.tweak, &prf, &[0], |_| Ok(())).unwrap();
            }
            let mut moved = numbers.clone();
            cipher.run(Way::Protect, &engine, &tweaks, &mut moved).unwrap();
            assert!(moved.iter().all(|number| *number < size));
            assert_ne!(moved, numbers);
            let mut distinct = moved.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), numbers.len());
            cipher.run(Way::Reveal, &engine, &tweaks, &mut moved).unwrap();
            assert_eq!(moved, numbers);
        }
    }

    /// At 2^32 + 1 one number in 64 leaves the range and comes back: all of them do, and
    /// each to a place of its own.
    #[test]
    fn a_number_that_leaves_the_range_walks_on() {
        let cipher = IntegerCipher::new((1 << 32) + 1);
        let engine = Ff1::new(&[7; 32], cipher.radix).unwrap();
        let walks = (0..10_000_u128)
            .filter(|number| {
                let mut numerals = Vec::new();
                cipher.write(*number, &mut numerals);
                engine.encrypt(&[0], &mut numerals).unwrap();
                cipher.read(&numerals) >= cipher.size
            })
            .count();
        assert!((50..350).contains(&walks), "{walks}");
    }
}
