mod dfa;
mod nfa;

#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use self::dfa::Dfa;
use self::nfa::Nfa;
use super::{Class, Rank, Ranked};
use crate::mask::has_run_of_x;
use crate::{FaultRule, SpecError};

/// Longest pattern, in bytes.
const LONGEST_PATTERN: usize = 1_000;
/// Longest text a pattern may be asked for.
const LONGEST_TEXT: usize = 256;

/// So many times X, or x, in a row are a mask.
const MASK_RUN: usize = 4;

/// What the sizes of all classes stop at: more values than can be numbered.
const TOO_MANY: u128 = u128::MAX;

/// What a regular expression matches as a whole, of the 95 printable ASCII characters.
///
/// The values of a length are a class, numbered in the order of their bytes. That depends
/// on the language alone: not on how the expression is written, nor on how it is compiled.
struct Regex {
    dfa: Dfa,
    /// How many words of each length lead from each state to the end: those of length 0 of
    /// all states first.
    words: Vec<u128>,
    classes: Vec<Class>,
    /// The class of each length, from 0.
    by_length: Vec<Option<usize>>,
    /// The lengths of the classes.
    lengths: Vec<usize>,
    /// The characters that occur in words, a bit for each.
    alphabet: u128,
}

/// The format of a specification.
///
/// # Errors
/// When the expression cannot be read, is none for printable ASCII, matches nothing of at
/// most `max` characters, is too large, or has more values of a length than fit 128 bits.
pub(crate) fn build(pattern: &str, max: usize) -> Result<Box<dyn Ranked>, SpecError> {
    Ok(Box::new(Regex::new(pattern, max)?))
}

impl Regex {
    fn new(pattern: &str, max: usize) -> Result<Self, SpecError> {
        if pattern.len() > LONGEST_PATTERN || !pattern.is_ascii() {
            return Err(SpecError::Invalid("`pattern` must be ASCII of at most 1000 characters"));
        }
        if max > LONGEST_TEXT {
            return Err(SpecError::Invalid("`max` of a pattern must be at most 256"));
        }
        let dfa = Dfa::new(&Nfa::new(pattern)?, max)?;
        let words = words(&dfa, max);
        let mut regex = Self {
            dfa,
            words,
            classes: Vec::new(),
            by_length: Vec::new(),
            lengths: Vec::new(),
            alphabet: 0,
        };
        for length in 0..=max {
            let size = regex.count(regex.dfa.start(), length);
            if size == TOO_MANY {
                return Err(SpecError::Invalid(
                    "`pattern` has more values of a length than fit 128 bits: lower `max`, or say less with `.`",
                ));
            }
            // The empty text is never protected.
            let class = (size > 0 && length > 0).then_some(regex.classes.len());
            regex.by_length.push(class);
            if class.is_some() {
                regex.classes.push(Class { name: format!("length {length}"), size });
                regex.lengths.push(length);
            }
        }
        if regex.classes.is_empty() {
            return Err(SpecError::Invalid("`pattern` matches no text of 1 to `max` characters"));
        }
        regex.alphabet = regex.alphabet(max);
        Ok(regex)
    }

    /// How many words of this length lead from a state to the end.
    fn count(&self, state: usize, length: usize) -> u128 {
        self.words.get(length * self.dfa.len() + state).copied().unwrap_or_default()
    }

    /// The characters of all words: of each edge that lies on a way short enough.
    fn alphabet(&self, max: usize) -> u128 {
        let mut alphabet = 0;
        for (state, depth) in self.dfa.depths().into_iter().enumerate() {
            let Some(left) = depth.and_then(|depth| max.checked_sub(depth + 1)) else {
                continue;
            };
            for edge in self.dfa.edges(state) {
                if (0..=left).any(|length| self.count(edge.to, length) > 0) {
                    alphabet |= (edge.first..=edge.last).fold(0, |bits, byte| bits | 1 << byte);
                }
            }
        }
        alphabet
    }

    fn number(&self, text: &[u8]) -> Option<u128> {
        let (mut number, mut state) = (0, self.dfa.start());
        for (at, &byte) in text.iter().enumerate() {
            let left = text.len() - at - 1;
            let mut next = None;
            for edge in self.dfa.edges(state) {
                if byte < edge.first {
                    break;
                }
                // No sum goes beyond the words that begin as the text does.
                number += u128::from(edge.before(byte)) * self.count(edge.to, left);
                if byte <= edge.last {
                    next = Some(edge.to);
                    break;
                }
            }
            state = next?;
        }
        (self.count(state, 0) == 1).then_some(number)
    }

    fn word(&self, mut number: u128, length: usize) -> Option<Zeroizing<String>> {
        let mut text = Zeroizing::new(String::with_capacity(length));
        let mut state = self.dfa.start();
        for left in (0..length).rev() {
            let (edge, each) = self.dfa.edges(state).iter().find_map(|edge| {
                let each = self.count(edge.to, left);
                let all = each * u128::from(edge.width());
                if number < all {
                    return Some((edge, each));
                }
                number -= all;
                None
            })?;
            text.push(char::from(edge.first + u8::try_from(number / each).ok()?));
            number %= each;
            state = edge.to;
        }
        Some(text)
    }
}

impl Ranked for Regex {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// One `*` alone may be what the pattern asks for.
    fn looks_masked(&self, text: &str) -> bool {
        text.contains("**") || has_run_of_x(text, MASK_RUN)
    }

    fn rank(&self, text: &str) -> Result<Rank, FaultRule> {
        if !text.bytes().all(|byte| byte.is_ascii() && self.alphabet >> byte & 1 == 1) {
            return Err(FaultRule::Alphabet);
        }
        let class = self.by_length.get(text.len()).copied().flatten().ok_or(FaultRule::Length)?;
        let number = self.number(text.as_bytes()).ok_or(FaultRule::Structure)?;
        Ok(Rank { class, number, slot: 0 })
    }

    fn unrank(&self, rank: Rank, _like: &str) -> Result<Zeroizing<String>, FaultRule> {
        let (class, length) = self
            .classes
            .get(rank.class)
            .zip(self.lengths.get(rank.class))
            .ok_or(FaultRule::Structure)?;
        if rank.number >= class.size || rank.slot != 0 {
            return Err(FaultRule::Structure);
        }
        self.word(rank.number, *length).ok_or(FaultRule::Structure)
    }
}

/// How many words of each length up to `max` lead from each state to the end.
fn words(dfa: &Dfa, max: usize) -> Vec<u128> {
    let mut words: Vec<u128> = Vec::with_capacity(dfa.len() * (max + 1));
    words.extend((0..dfa.len()).map(|state| u128::from(dfa.accepts(state))));
    for length in 1..=max {
        let shorter = (length - 1) * dfa.len();
        for state in 0..dfa.len() {
            let sum = dfa.edges(state).iter().fold(0u128, |sum, edge| {
                let each = words.get(shorter + edge.to).copied().unwrap_or_default();
                sum.saturating_add(each.saturating_mul(u128::from(edge.width())))
            });
            words.push(sum);
        }
    }
    words
}
