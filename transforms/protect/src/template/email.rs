use std::ops::RangeInclusive;

use zeroize::Zeroizing;

use super::found::{self, Symbol};
use super::{Layout, Run, Template};
use crate::{EmailPart, FaultRule};

/// How many letters and digits can be enciphered: at least 10^6 values, and no more than
/// an address has (RFC 5321, section 4.5.3.1).
const ENCIPHERED: RangeInclusive<usize> = 4..=LONGEST;
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
const LONGEST_LABEL: usize = 63;

/// 0-9, a-z.
const RADIX: u32 = 36;

/// A run of this many x is a mask, not an address.
const MASK_RUN: usize = 4;

/// An e-mail address in lower case. Letters and digits of the chosen part are enciphered
/// as one string; whatever else there is stays where it stands.
pub(crate) struct Email {
    part: EmailPart,
    layouts: Vec<Layout>,
}

impl Email {
    pub(crate) fn new(part: EmailPart) -> Self {
        let layout = |length| {
            Layout::found(format!("{length} letters and digits enciphered"), RADIX, length)
        };
        Self { part, layouts: ENCIPHERED.map(layout).collect() }
    }

    /// What becomes of each character of an address.
    fn symbols<'a>(&self, text: &'a str) -> impl Iterator<Item = Symbol> + 'a {
        let at = text.find('@').unwrap_or(text.len());
        // The last label has no part in it: a domain stays under its registry.
        let end = text.rfind('.').unwrap_or(text.len());
        let (from, to) = match self.part {
            EmailPart::Local => (0, at),
            EmailPart::Domain => (at, end),
            EmailPart::Both => (0, end),
        };
        text.bytes().enumerate().map(move |(position, symbol)| {
            if position < from || position >= to {
                return Symbol::Stays;
            }
            numeral(symbol).map_or(Symbol::Stays, Symbol::Numeral)
        })
    }
}

impl Template for Email {
    fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    fn fit(&self, text: &str) -> Result<usize, FaultRule> {
        let (local, domain) = text.split_once('@').ok_or(FaultRule::Structure)?;
        let admits = |text: &str, others: &[u8]| {
            text.bytes().all(|symbol| numeral(symbol).is_some() || others.contains(&symbol))
        };
        if !admits(local, b"._+-") || !admits(domain, b".-") {
            return Err(FaultRule::Alphabet);
        }
        if text.len() > LONGEST || local.len() > LONGEST_LOCAL {
            return Err(FaultRule::Length);
        }
        let labels = || domain.split('.');
        if local.split('.').any(str::is_empty) || !labels().all(is_label) || labels().count() < 2 {
            return Err(FaultRule::Structure);
        }
        let enciphered =
            self.symbols(text).filter(|symbol| matches!(symbol, Symbol::Numeral(_))).count();
        let layout = enciphered.checked_sub(*ENCIPHERED.start());
        layout.filter(|index| *index < self.layouts.len()).ok_or(FaultRule::Length)
    }

    fn looks_masked(&self, text: &str) -> bool {
        crate::mask::has_run_of_x(text, MASK_RUN)
    }

    fn read(&self, _: &Run, text: &str, numerals: &mut Vec<u16>) -> Result<(), FaultRule> {
        found::read(self.symbols(text), numerals);
        Ok(())
    }

    fn write(
        &self,
        _: &Run,
        numerals: &[u16],
        _slot: Option<u32>,
        text: &mut Zeroizing<String>,
    ) -> Result<(), FaultRule> {
        *text = found::write(text, self.symbols(text), numerals, character)?;
        Ok(())
    }

    fn append_kept(&self, _: &Layout, text: &str, typed: &mut Vec<u8>) -> Result<(), FaultRule> {
        found::append_kept(text, self.symbols(text), typed)
    }
}

/// Whether it is a label of a domain name (RFC 5321, section 4.1.2, `sub-domain`).
fn is_label(label: &str) -> bool {
    let inner = |symbol: Option<&u8>| symbol.is_some_and(|symbol| *symbol != b'-');
    let bytes = label.as_bytes();
    bytes.len() <= LONGEST_LABEL && inner(bytes.first()) && inner(bytes.last())
}

const fn numeral(symbol: u8) -> Option<u16> {
    match symbol {
        b'0'..=b'9' => Some((symbol - b'0') as u16),
        b'a'..=b'z' => Some((symbol - b'a') as u16 + 10),
        _ => None,
    }
}

const fn character(numeral: u16) -> Option<char> {
    match numeral {
        0..=9 => Some((b'0' + numeral as u8) as char),
        10..=35 => Some((b'a' + numeral as u8 - 10) as char),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits_of_the_chosen_part_are_enciphered() {
        let check = |part, text: &str, expected: Result<&str, FaultRule>| {
            let email = Email::new(part);
            let enciphered = email.fit(text).map(|index| {
                let mut numerals = Vec::new();
                let run = &email.layouts[index].runs[0];
                email.read(run, text, &mut numerals).unwrap();
                assert_eq!(numerals.len(), run.len(), "{text}");
                numerals.into_iter().filter_map(character).collect::<String>()
            });
            assert_eq!(enciphered.as_deref().map_err(|rule| *rule), expected, "{text}");
        };
        use EmailPart::{Both, Domain, Local};
        check(Local, "ann.smith+x_1@mail.example.org", Ok("annsmithx1"));
        check(Domain, "ann.smith+x_1@mail-2.example.org", Ok("mail2example"));
        check(Both, "ann.smith@mail-2.example.org", Ok("annsmithmail2example"));
        check(Local, "anna@example.org", Ok("anna"));
        check(Local, "ann@example.org", Err(FaultRule::Length));
        check(Local, "a.n-n@example.org", Err(FaultRule::Length));
        check(Domain, "anna@abc.example", Err(FaultRule::Length));
        check(Domain, "anna@abcd.example", Ok("abcd"));
        check(Both, "a@abc.example", Ok("aabc"));
        check(Local, "anna@example", Err(FaultRule::Structure));
        check(Local, "anna.example.org", Err(FaultRule::Structure));
        check(Local, "@example.org", Err(FaultRule::Structure));
        check(Local, "anna@", Err(FaultRule::Structure));
        check(Local, ".anna@example.org", Err(FaultRule::Structure));
        check(Local, "an..na@example.org", Err(FaultRule::Structure));
        check(Local, "anna.@example.org", Err(FaultRule::Structure));
        check(Local, "anna@.example.org", Err(FaultRule::Structure));
        check(Local, "anna@example..org", Err(FaultRule::Structure));
        check(Local, "anna@-example.org", Err(FaultRule::Structure));
        check(Local, "anna@example-.org", Err(FaultRule::Structure));
        check(Local, "anna@ex@mple.org", Err(FaultRule::Alphabet));
        check(Local, "Anna@example.org", Err(FaultRule::Alphabet));
        check(Local, "anna@Example.org", Err(FaultRule::Alphabet));
        check(Local, "zoë.m@example.org", Err(FaultRule::Alphabet));
        check(Local, "anna @example.org", Err(FaultRule::Alphabet));
        check(Local, "anna@ex_ample.org", Err(FaultRule::Alphabet));
        check(Local, &format!("{}@example.org", "a".repeat(65)), Err(FaultRule::Length));
        check(Local, &format!("anna@{}.org", "a".repeat(64)), Err(FaultRule::Structure));
        check(Local, &format!("anna@{}org", "abcdefgh.".repeat(30)), Err(FaultRule::Length));
    }
}
