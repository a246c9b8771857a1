use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use allonym_keyring::DomainId;
use allonym_protect::{Numbers, TokenError};
use allonym_store::Store;
use futures_util::future::join_all;

use crate::vault::{ROWS, store_failed};

/// Counters of which numbers are held. Beyond it those of one are left out for each that
/// comes: they are not used again.
const COUNTERS: usize = 16_384;
/// How many of them are looked at for one that holds nothing.
const LOOKED_AT: usize = 16;
/// Counters that are remembered as nearly spent.
const PRESSED: usize = 1024;
/// Most numbers that are taken beyond what is wanted now, and of how many at least one.
const AHEAD: u64 = 1024;
const ONE_IN: u64 = 4096;
/// Numbers of one counter that are held at most: all that one batch may give back.
const GIVEN_BACK: usize = ROWS;
/// Numbers that are held of all counters. Beyond it those of some are left out.
const NUMBERS: usize = 1 << 22;
/// Requests to the store at a time.
const AT_A_TIME: usize = 128;

type Counter = (DomainId, [u8; 16]);

/// The numbers this process holds. What was taken from the store is nobody else's, so
/// numbers that are lost with the process are left out and never issued again.
#[derive(Default)]
pub(crate) struct Counters {
    held: Mutex<Pool>,
    pressed: Mutex<HashMap<Counter, Pressure>>,
}

/// What is held of each counter, and how many numbers that is.
#[derive(Default)]
struct Pool {
    counters: HashMap<Counter, Held>,
    numbers: usize,
}

#[derive(Default)]
struct Held {
    numbers: VecDeque<u64>,
    /// How many more than wanted were taken last.
    ahead: u64,
}

/// A counter of which four fifths are used. It does not say which values it is for:
/// that would name what they have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// The domain it belongs to.
    pub domain: DomainId,
    /// How many of its numbers are taken.
    pub used: u64,
    /// How many it has.
    pub limit: u64,
}

impl Counters {
    /// For each counter so many numbers. Where it has fewer than are missing in the store,
    /// those that are held, and it stays as it is.
    pub(crate) async fn take(
        &self,
        store: &Store,
        domain: DomainId,
        wanted: &[Numbers],
    ) -> Result<Vec<Vec<u64>>, TokenError> {
        let (mut given, short) = self.take_held(domain, wanted);
        for short in short.chunks(AT_A_TIME) {
            let requests = short.iter().map(|short| {
                let Short { wanted, need, ahead, .. } = short;
                store.counter_take(domain, wanted.part, *need, *ahead, wanted.limit)
            });
            let taken = join_all(requests).await;
            let mut failed = None;
            for (short, taken) in short.iter().zip(taken) {
                match taken {
                    Ok(range) => self.divide(domain, short, range, &mut given),
                    Err(error) => failed = Some(error),
                }
            }
            if let Some(error) = failed {
                for (wanted, numbers) in wanted.iter().zip(given) {
                    self.give_back(domain, wanted.part, numbers);
                }
                return Err(store_failed(error));
            }
        }
        Ok(given)
    }

    /// Takes back numbers that surely were not used.
    pub(crate) fn give_back(&self, domain: DomainId, part: [u8; 16], numbers: Vec<u64>) {
        self.held().put((domain, part), numbers);
    }

    /// Leaves out what is held of a domain: others may have taken the same numbers.
    pub(crate) fn forget(&self, domain: DomainId) {
        let mut held = self.held();
        held.counters.retain(|(of, _), _| *of != domain);
        held.numbers = held.counters.values().map(|held| held.numbers.len()).sum();
    }

    /// The counters of which four fifths are used, as far as this process took from them.
    pub(crate) fn pressure(&self) -> Vec<Pressure> {
        let pressed = self.pressed.lock().unwrap_or_else(PoisonError::into_inner);
        pressed.values().copied().collect()
    }

    /// What is held, and what is missing.
    fn take_held<'a>(
        &self,
        domain: DomainId,
        wanted: &'a [Numbers],
    ) -> (Vec<Vec<u64>>, Vec<Short<'a>>) {
        let mut pool = self.held();
        let mut short = Vec::new();
        let mut given = Vec::with_capacity(wanted.len());
        for (at, wanted) in wanted.iter().enumerate() {
            let count = usize::try_from(wanted.count).unwrap_or(usize::MAX);
            let (numbers, held) = pool.take((domain, wanted.part), count);
            let need = wanted.count.saturating_sub(numbers.len() as u64);
            if need > 0 {
                short.push(Short { at, wanted, need, ahead: held.ahead });
                // The more is asked for, the more is taken at a time.
                let more = held.ahead.saturating_mul(2).max(need);
                held.ahead = more.min(AHEAD).min(wanted.limit / ONE_IN);
            }
            given.push(numbers);
        }
        (given, short)
    }

    /// What was taken from the store goes to who wants it; what is beyond is held.
    fn divide(
        &self,
        domain: DomainId,
        short: &Short<'_>,
        range: Range<u64>,
        given: &mut [Vec<u64>],
    ) {
        self.note(domain, short.wanted, range.end);
        let mut numbers = range;
        let need = usize::try_from(short.need).unwrap_or(usize::MAX);
        if let Some(given) = given.get_mut(short.at) {
            given.extend(numbers.by_ref().take(need));
        }
        self.held().put((domain, short.wanted.part), numbers);
    }

    fn note(&self, domain: DomainId, wanted: &Numbers, used: u64) {
        let limit = wanted.limit;
        if used < limit - limit / 5 {
            return;
        }
        let counter = (domain, wanted.part);
        let mut pressed = self.pressed.lock().unwrap_or_else(PoisonError::into_inner);
        if pressed.len() < PRESSED || pressed.contains_key(&counter) {
            pressed.insert(counter, Pressure { domain, used, limit });
        }
    }

    fn held(&self) -> MutexGuard<'_, Pool> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Up to so many numbers of a counter.
    fn take(&mut self, counter: Counter, count: usize) -> (Vec<u64>, &mut Held) {
        self.make_room(counter);
        let held = self.counters.entry(counter).or_default();
        let count = held.numbers.len().min(count);
        let numbers = held.numbers.drain(..count).collect();
        if held.numbers.is_empty() {
            held.numbers = VecDeque::new();
        }
        self.numbers -= count;
        (numbers, held)
    }

    fn put(&mut self, counter: Counter, numbers: impl IntoIterator<Item = u64>) {
        self.make_room(counter);
        let held = &mut self.counters.entry(counter).or_default().numbers;
        let before = held.len();
        held.extend(numbers);
        held.truncate(GIVEN_BACK);
        self.numbers = self.numbers + held.len() - before;
        while self.numbers > NUMBERS {
            let other =
                self.counters.iter().find(|(of, held)| **of != counter && !held.numbers.is_empty());
            let Some(other) = other.map(|(other, _)| *other) else { return };
            self.remove(other);
        }
    }

    /// One counter that holds nothing makes way before one that does.
    fn make_room(&mut self, counter: Counter) {
        if self.counters.len() < COUNTERS || self.counters.contains_key(&counter) {
            return;
        }
        let mut some = self.counters.iter().take(LOOKED_AT);
        let empty = some.find(|(_, held)| held.numbers.is_empty()).map(|(counter, _)| *counter);
        if let Some(out) = empty.or_else(|| self.counters.keys().next().copied()) {
            self.remove(out);
        }
    }

    fn remove(&mut self, counter: Counter) {
        let out = self.counters.remove(&counter);
        self.numbers -= out.map_or(0, |held| held.numbers.len());
    }
}

/// A counter of which too few numbers are held.
struct Short<'a> {
    at: usize,
    wanted: &'a Numbers,
    need: u64,
    ahead: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beyond the bound one counter loses what is held of it, and not all of them.
    #[test]
    fn one_counter_makes_way_for_one() {
        let counters = Counters::default();
        let domain = DomainId::from_bytes([7; 16]);
        let part = |number: usize| {
            let mut part = [0; 16];
            part[..8].copy_from_slice(&number.to_be_bytes());
            part
        };
        for number in 0..COUNTERS + 10 {
            counters.give_back(domain, part(number), vec![1, 2, 3]);
        }
        let held = counters.held();
        assert_eq!((held.counters.len(), held.numbers), (COUNTERS, 3 * COUNTERS));
        assert!(held.counters.values().all(|held| held.numbers.len() == 3));
        assert!(held.counters.contains_key(&(domain, part(COUNTERS + 9))));
        drop(held);
        counters.forget(DomainId::from_bytes([8; 16]));
        assert_eq!(counters.held().numbers, 3 * COUNTERS);
        counters.forget(domain);
        assert!(counters.held().counters.is_empty());
        assert_eq!(counters.held().numbers, 0);
    }

    /// Of one batch all is taken back, and of all batches together no more than fits.
    #[test]
    fn what_is_given_back_is_bounded() {
        let counters = Counters::default();
        let domain = DomainId::from_bytes([7; 16]);
        for part in 0..=(NUMBERS / ROWS) as u128 {
            let part = part.to_be_bytes();
            counters.give_back(domain, part, (0..ROWS as u64).collect());
            let mut held = counters.held();
            assert!(held.numbers <= NUMBERS);
            assert_eq!(held.counters[&(domain, part)].numbers.len(), ROWS);
            let sum: usize = held.counters.values().map(|held| held.numbers.len()).sum();
            assert_eq!(held.numbers, sum);
            let (taken, _) = held.take((domain, part), ROWS);
            assert_eq!(taken.len(), ROWS);
            held.put((domain, part), taken);
        }
        let all = counters.held();
        assert_eq!(all.numbers, NUMBERS);
    }
}
