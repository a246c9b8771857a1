use std::net::{Ipv4Addr, Ipv6Addr};

use zeroize::Zeroizing;

use super::{Class, Rank, Ranked};
use crate::tweak::{self, Part};
use crate::{FaultRule, SpecError};

/// Longest text of an address: eight groups of four digits.
const LONGEST: usize = 39;

/// Addresses in their canonical text; the bits that do not stay are their number.
struct Addresses {
    family: Family,
    /// Leading bytes that stay.
    keep: u8,
    classes: [Class; 1],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// IPv4 addresses of which the first `keep` bits stay.
pub(crate) fn build_v4(keep: u8) -> Result<Box<dyn Ranked>, SpecError> {
    if !matches!(keep, 0 | 8) {
        return Err(SpecError::Invalid(
            "of an IPv4 address 0 or 8 bits can stay: more would leave fewer than 10^6 addresses",
        ));
    }
    Ok(addresses(Family::V4, keep, 1 << (32 - keep)))
}

/// IPv6 addresses of which the first `keep` bits stay.
pub(crate) fn build_v6(keep: u8) -> Result<Box<dyn Ranked>, SpecError> {
    if !keep.is_multiple_of(8) || keep > 104 {
        return Err(SpecError::Invalid(
            "of an IPv6 address a multiple of 8 bits can stay, at most 104: more would leave fewer than 10^6 addresses",
        ));
    }
    // Where nothing stays, the address whose bits are all set has no number: with it there
    // would be more than 128 bits hold.
    let size = if keep == 0 { u128::MAX } else { 1 << (128 - keep) };
    Ok(addresses(Family::V6, keep, size))
}

fn addresses(family: Family, keep: u8, size: u128) -> Box<dyn Ranked> {
    let classes = [Class { name: format!("the last {} bits", family.bits() - keep), size }];
    Box::new(Addresses { family, keep: keep / 8, classes })
}

impl Ranked for Addresses {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn rank(&self, text: &str) -> Result<Rank, FaultRule> {
        let number = self.family.parse(text)? & self.mask();
        if self.classes.iter().all(|all| number >= all.size) {
            return Err(FaultRule::Range);
        }
        Ok(Rank { class: 0, number, slot: 0 })
    }

    fn unrank(&self, rank: Rank, like: &str) -> Result<Zeroizing<String>, FaultRule> {
        let mask = self.mask();
        if rank.number & !mask != 0 {
            return Err(FaultRule::Range);
        }
        self.family.text(self.family.parse(like)? & !mask | rank.number)
    }

    fn append_kept(&self, text: &str, typed: &mut Vec<u8>) -> Result<(), FaultRule> {
        if self.keep > 0 {
            let bits = self.family.parse(text)? << (128 - self.family.bits());
            let kept = bits.to_be_bytes();
            let kept = kept.get(..self.keep.into()).ok_or(FaultRule::Length)?;
            tweak::append_part(Part::Text, kept, typed);
        }
        Ok(())
    }

    fn keeps(&self) -> bool {
        self.keep > 0
    }
}

impl Addresses {
    /// The bits of the number.
    const fn mask(&self) -> u128 {
        u128::MAX >> (128 - self.family.bits() + self.keep * 8)
    }
}

impl Family {
    const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The bits of an address that is written in its only form.
    fn parse(self, text: &str) -> Result<u128, FaultRule> {
        if text.len() > LONGEST {
            return Err(FaultRule::Length);
        }
        let (symbols, bits) = match self {
            Self::V4 => ("0123456789.", text.parse::<Ipv4Addr>().map(|ip| ip.to_bits().into())),
            Self::V6 => ("0123456789abcdef:.", text.parse::<Ipv6Addr>().map(|ip| ip.to_bits())),
        };
        if !text.bytes().all(|symbol| symbols.as_bytes().contains(&symbol)) {
            return Err(FaultRule::Alphabet);
        }
        let bits = bits.map_err(|_| FaultRule::Structure)?;
        if *self.text(bits)? == text { Ok(bits) } else { Err(FaultRule::Structure) }
    }

    fn text(self, bits: u128) -> Result<Zeroizing<String>, FaultRule> {
        Ok(Zeroizing::new(match self {
            Self::V4 => {
                let bits = u32::try_from(bits).map_err(|_| FaultRule::Range)?;
                Ipv4Addr::from_bits(bits).to_string()
            }
            Self::V6 => Ipv6Addr::from_bits(bits).to_string(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &dyn Ranked, text: &str, expected: Result<(u128, &[u8]), FaultRule>) {
        let rank = addresses.rank(text);
        assert_eq!(rank.map(|rank| rank.number), expected.map(|(number, _)| number), "{text}");
        let (Ok(rank), Ok((_, kept))) = (rank, expected) else { return };
        assert_eq!(*addresses.unrank(rank, text).unwrap(), text);
        let mut typed = Vec::new();
        addresses.append_kept(text, &mut typed).unwrap();
        let mut wanted = Vec::new();
        if !kept.is_empty() {
            tweak::append_part(Part::Text, kept, &mut wanted);
        }
        assert_eq!(typed, wanted, "{text}");
    }

    #[test]
    fn an_ipv4_address_has_one_form() {
        let all = build_v4(0).unwrap();
        check(&*all, "0.0.0.0", Ok((0, &[])));
        check(&*all, "192.0.2.1", Ok((0xc000_0201, &[])));
        check(&*all, "255.255.255.255", Ok((0xffff_ffff, &[])));
        let rest = build_v4(8).unwrap();
        check(&*rest, "192.0.2.1", Ok((0x0201, &[192])));
        check(&*rest, "10.255.255.255", Ok((0xff_ffff, &[10])));
        for (text, rule) in [
            ("192.0.2", FaultRule::Structure),
            ("192.0.2.1.1", FaultRule::Structure),
            ("192.0.2.01", FaultRule::Structure),
            ("192.0.2.256", FaultRule::Structure),
            ("192.0.2.1 ", FaultRule::Alphabet),
            ("0xc0.0.2.1", FaultRule::Alphabet),
            ("", FaultRule::Structure),
            ("::1", FaultRule::Alphabet),
        ] {
            check(&*all, text, Err(rule));
        }
        for keep in [1, 16, 24, 32, 255] {
            assert!(build_v4(keep).is_err());
        }
    }

    #[test]
    fn an_ipv6_address_has_one_form() {
        let all = build_v6(0).unwrap();
        check(&*all, "::", Ok((0, &[])));
        check(&*all, "::1", Ok((1, &[])));
        check(&*all, "::ffff:192.0.2.1", Ok((0xffff_c000_0201, &[])));
        check(&*all, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", Ok((u128::MAX - 1, &[])));
        check(&*all, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Err(FaultRule::Range));
        let net = build_v6(32).unwrap();
        check(&*net, "2001:db8::1", Ok((1, &[0x20, 0x01, 0x0d, 0xb8])));
        let most = build_v6(104).unwrap();
        check(
            &*most,
            "2001:db8::ff:ffff",
            Ok((0xff_ffff, &[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        );
        check(&*most, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Ok((0xff_ffff, &[0xff; 13])));
        for (text, rule) in [
            ("2001:DB8::1", FaultRule::Alphabet),
            ("2001:0db8::1", FaultRule::Structure),
            ("2001:db8:0:0:0:0:0:1", FaultRule::Structure),
            ("2001:db8::0:1", FaultRule::Structure),
            ("2001:db8::1::2", FaultRule::Structure),
            ("::ffff:c000:201", FaultRule::Structure),
            ("fe80::1%eth0", FaultRule::Alphabet),
            ("[::1]", FaultRule::Alphabet),
            ("", FaultRule::Structure),
            ("1:2:3:4:5:6:7:8:9", FaultRule::Structure),
            ("0000:0000:0000:0000:0000:0000:0000:00001", FaultRule::Length),
        ] {
            check(&*all, text, Err(rule));
        }
        for keep in [1, 4, 112, 128, 255] {
            assert!(build_v6(keep).is_err());
        }
    }
}
