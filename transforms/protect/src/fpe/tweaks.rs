use std::ops::Range;

use allonym_ff1::{Ff1, Ff1Error, Tweaks};

use super::Way;
use crate::FaultRule;
use crate::tweak::{Prf, TweakRule};

/// The longest tweak (see [`crate::tweak`]).
const LONGEST: usize = 7;

/// The tweaks of a group of values, one after another. Nothing here is wiped, since all
/// of it follows from what stays in clear.
pub(super) struct TweakList {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// What is written down for one value, before it becomes a tweak.
    typed: Vec<u8>,
    /// What was written down for the value before.
    before: Vec<u8>,
    /// Whether all are like the first.
    same: bool,
}

impl TweakList {
    pub(super) fn for_values(count: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(LONGEST * count),
            ends: Vec::with_capacity(count),
            typed: Vec::new(),
            before: Vec::with_capacity(64),
            same: true,
        }
    }

    /// Adds the tweak for a scope and what `append_kept` writes down.
    pub(super) fn push(
        &mut self,
        rule: TweakRule,
        prf: &Prf,
        scope: &[u8],
        append_kept: impl FnOnce(&mut Vec<u8>) -> Result<(), FaultRule>,
    ) -> Result<(), FaultRule> {
        std::mem::swap(&mut self.typed, &mut self.before);
        self.typed.clear();
        self.typed.extend_from_slice(scope);
        append_kept(&mut self.typed)?;
        let start = self.bytes.len();
        match self.ends.len().checked_sub(1).and_then(|before| self.range(before)) {
            // The PRF costs more than FF1 does, and neighbours often have the same tweak.
            Some(before) if self.typed == self.before => self.bytes.extend_from_within(before),
            _ => rule.append(&self.typed, prf, &mut self.bytes),
        }
        self.ends.push(self.bytes.len());
        self.same = self.same && self.bytes.get(start..) == self.at(0);
        Ok(())
    }

    /// Takes the numerals of those values through the engine, in one call.
    pub(super) fn run(
        &self,
        way: Way,
        engine: &Ff1,
        length: usize,
        numerals: &mut [u16],
        which: impl Iterator<Item = usize>,
    ) -> Result<(), Ff1Error> {
        let each: Vec<&[u8]>;
        let tweaks = match self.at(0) {
            Some(one) if self.same => Tweaks::Same(one),
            _ => {
                each = which.filter_map(|at| self.at(at)).collect();
                Tweaks::Each(&each)
            }
        };
        match way {
            Way::Protect => engine.encrypt_batch(tweaks, length, numerals),
            Way::Reveal => engine.decrypt_batch(tweaks, length, numerals),
        }
    }

    fn at(&self, index: usize) -> Option<&[u8]> {
        self.bytes.get(self.range(index)?)
    }

    fn range(&self, index: usize) -> Option<Range<usize>> {
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some(start..*self.ends.get(index)?)
    }
}
