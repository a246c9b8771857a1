//! Characters that are enciphered where a template finds them, and those that stay.

use zeroize::Zeroizing;

use crate::{FaultRule, tweak};

/// What becomes of one character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Symbol {
    /// It stays, and enters the tweak.
    Stays,
    /// It is enciphered, as this numeral.
    Numeral(u16),
}

/// Appends the numerals among these symbols.
pub(super) fn read(symbols: impl Iterator<Item = Symbol>, numerals: &mut Vec<u16>) {
    numerals.extend(symbols.filter_map(|symbol| match symbol {
        Symbol::Stays => None,
        Symbol::Numeral(numeral) => Some(numeral),
    }));
}

/// The text with other numerals where numerals are.
pub(super) fn write(
    text: &str,
    symbols: impl Iterator<Item = Symbol>,
    numerals: &[u16],
    character: impl Fn(u16) -> Option<char>,
) -> Result<Zeroizing<String>, FaultRule> {
    let mut rest = numerals.iter();
    // Four bytes are the most a character has, so the text never grows beyond.
    let room = text.len().saturating_add(numerals.len().saturating_mul(4));
    let mut written = Zeroizing::new(String::with_capacity(room));
    for (kept, symbol) in text.chars().zip(symbols) {
        written.push(match symbol {
            Symbol::Stays => kept,
            Symbol::Numeral(_) => {
                rest.next().and_then(|numeral| character(*numeral)).ok_or(FaultRule::Alphabet)?
            }
        });
    }
    Ok(written)
}

/// Writes down each stretch of neighbouring characters that stay.
pub(super) fn append_kept(
    text: &str,
    symbols: impl Iterator<Item = Symbol>,
    typed: &mut Vec<u8>,
) -> Result<(), FaultRule> {
    let mut start = None;
    let ends = text.char_indices().zip(symbols).zip(0_usize..);
    for (((at, _), symbol), position) in ends {
        match (symbol, start) {
            (Symbol::Stays, None) => start = Some((at, position)),
            (Symbol::Numeral(_), Some((from, first))) => {
                append(text.get(from..at), first, typed)?;
                start = None;
            }
            _ => {}
        }
    }
    match start {
        Some((from, first)) => append(text.get(from..), first, typed),
        None => Ok(()),
    }
}

fn append(stretch: Option<&str>, position: usize, typed: &mut Vec<u8>) -> Result<(), FaultRule> {
    let position = u8::try_from(position).map_err(|_| FaultRule::Length)?;
    tweak::append_placed(position, stretch.ok_or(FaultRule::Length)?, typed);
    Ok(())
}
