use zeroize::Zeroizing;

use super::{Class, Rank, Ranked};
use crate::tweak::{self, Part};
use crate::{FaultRule, SpecError};

/// Where the hyphens are (RFC 9562, section 4).
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const LENGTH: usize = 36;
/// The versions there are (RFC 9562, section 5).
const VERSIONS: std::ops::RangeInclusive<u128> = 1..=8;
/// The variant of RFC 9562, two bits.
const VARIANT: u128 = 0b10;

/// A UUID in lower case. Version and variant stay; the other 122 bits are its number.
struct Uuid {
    classes: [Class; 1],
}

/// The format of a specification.
pub(crate) fn build() -> Result<Box<dyn Ranked>, SpecError> {
    Ok(Box::new(Uuid { classes: [Class { name: "122 bits".to_owned(), size: 1 << 122 }] }))
}

impl Ranked for Uuid {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn rank(&self, text: &str) -> Result<Rank, FaultRule> {
        let bits = parse(text)?;
        let number = (bits >> 80) << 74 | (bits >> 64 & 0xfff) << 62 | (bits & (!0 >> 66));
        Ok(Rank { class: 0, number, slot: 0 })
    }

    fn unrank(&self, rank: Rank, like: &str) -> Result<Zeroizing<String>, FaultRule> {
        let (number, version) = (rank.number, version(parse(like)?));
        if number >> 122 != 0 {
            return Err(FaultRule::Range);
        }
        let bits = (number >> 74) << 80
            | version << 76
            | (number >> 62 & 0xfff) << 64
            | VARIANT << 62
            | (number & (!0 >> 66));
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        for nibble in (0..32_u32).rev() {
            if HYPHENS.contains(&text.len()) {
                text.push('-');
            }
            let digit = (bits >> (nibble * 4) & 0xf) as u32;
            text.push(char::from_digit(digit, 16).ok_or(FaultRule::Range)?);
        }
        Ok(text)
    }

    fn append_kept(&self, text: &str, typed: &mut Vec<u8>) -> Result<(), FaultRule> {
        let kept = u8::try_from(version(parse(text)?) << 4 | VARIANT);
        tweak::append_part(Part::Text, &[kept.map_err(|_| FaultRule::Structure)?], typed);
        Ok(())
    }

    fn keeps(&self) -> bool {
        true
    }
}

const fn version(bits: u128) -> u128 {
    bits >> 76 & 0xf
}

/// The 128 bits of a UUID.
fn parse(text: &str) -> Result<u128, FaultRule> {
    if text.len() != LENGTH {
        return Err(FaultRule::Length);
    }
    let mut bits = 0;
    for (at, symbol) in text.bytes().enumerate() {
        let digit = match (symbol, HYPHENS.contains(&at)) {
            (b'-', true) => continue,
            (b'0'..=b'9', false) => symbol - b'0',
            (b'a'..=b'f', false) => symbol - b'a' + 10,
            (b'-', false) | (b'0'..=b'9' | b'a'..=b'f', true) => return Err(FaultRule::Structure),
            _ => return Err(FaultRule::Alphabet),
        };
        bits = bits << 4 | u128::from(digit);
    }
    if bits >> 62 & 0b11 != VARIANT || !VERSIONS.contains(&version(bits)) {
        return Err(FaultRule::Structure);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bits_but_version_and_variant_are_its_number() {
        let uuid = build().unwrap();
        for (text, expected) in [
            ("00000000-0000-4000-8000-000000000000", Ok(0)),
            ("00000000-0000-7000-8000-000000000001", Ok(1)),
            ("ffffffff-ffff-4fff-bfff-ffffffffffff", Ok((1 << 122) - 1)),
            ("00000000-0000-1001-8000-000000000000", Ok(1 << 62)),
            ("00000000-0001-8000-8000-000000000000", Ok(1 << 74)),
            ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", Ok(0x3e0_753e_b9f7_b074_2765_00a0_c91e_6bf6)),
            ("00000000-0000-0000-0000-000000000000", Err(FaultRule::Structure)),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", Err(FaultRule::Structure)),
            ("00000000-0000-4000-c000-000000000000", Err(FaultRule::Structure)),
            ("00000000-0000-4000-7000-000000000000", Err(FaultRule::Structure)),
            ("00000000-0000-9000-8000-000000000000", Err(FaultRule::Structure)),
            ("F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", Err(FaultRule::Alphabet)),
            ("f81d4fae-7dec-11d0-a765-00a0c91e6bfg", Err(FaultRule::Alphabet)),
            ("f81d4fae07dec011d00a765000a0c91e6bf6", Err(FaultRule::Structure)),
            ("f81d4fa-e7dec-11d0-a765-00a0c91e6bf6", Err(FaultRule::Structure)),
            ("f81d4fae7dec11d0a76500a0c91e6bf6", Err(FaultRule::Length)),
            ("{81d4fae-7dec-11d0-a765-00a0c91e6bf}", Err(FaultRule::Alphabet)),
            ("", Err(FaultRule::Length)),
        ] {
            let rank = uuid.rank(text);
            assert_eq!(rank.map(|rank| rank.number), expected, "{text}");
            if let Ok(rank) = rank {
                assert_eq!(*uuid.unrank(rank, text).unwrap(), text);
            }
        }
    }
}
