use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::Right;

/// How many counters are kept at most.
const COUNTERS: usize = 65_536;
/// How many locks they are spread over.
const SHARDS: usize = 16;
/// A minute is counted in slots of five seconds.
const SLOT_SECONDS: u64 = 5;
/// The slots that cover every minute ending now: twelve whole ones and a begun one.
const SLOTS: usize = 13;

/// Who has used how much of which rule in the last minute. Kept in memory, in bounded
/// space; what is forgotten could not have mattered, so forgetting never grants more.
pub struct Budgets {
    start: Instant,
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
    room: usize,
}

impl Budgets {
    /// Nothing used yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self::with_room(now, COUNTERS)
    }

    fn with_room(now: Instant, counters: usize) -> Self {
        Self {
            start: now,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            room: (counters / SHARDS).max(1),
        }
    }

    /// Takes an amount out of the budget that `key` has for a right under a rule: all of
    /// it or nothing. No minute, wherever it begins, sees more than the limit. Where
    /// there is no room for another counter, all newcomers share one.
    #[must_use]
    pub fn take(
        &self,
        key: &str,
        rule: usize,
        right: Right,
        amount: u64,
        limit_per_minute: u64,
        now: Instant,
    ) -> bool {
        let slot = now.saturating_duration_since(self.start).as_secs() / SLOT_SECONDS;
        let hash = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default();
        let Some(shard) = self.shards.get(hash % SHARDS) else {
            return false;
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let request = Request { slot, amount, limit: limit_per_minute };
        shard.take(key, (rule, right), request, self.room)
    }
}

impl Default for Budgets {
    fn default() -> Self {
        Self::new(Instant::now())
    }
}

/// What a counter is for, besides its key.
type Use = (usize, Right);

#[derive(Clone, Copy)]
struct Request {
    slot: u64,
    amount: u64,
    limit: u64,
}

#[derive(Default)]
struct Shard {
    counters: HashMap<Box<str>, Vec<(Use, Counter)>>,
    held: usize,
    /// Shared by those for whom there was no room; one for each rule and right.
    shared: HashMap<Use, Counter>,
    swept: u64,
}

impl Shard {
    fn take(&mut self, key: &str, used: Use, request: Request, room: usize) -> bool {
        let known = self.counters.get_mut(key);
        if let Some((_, counter)) =
            known.and_then(|list| list.iter_mut().find(|(of, _)| *of == used))
        {
            return counter.take(request);
        }
        if self.held >= room {
            self.sweep(request.slot);
        }
        if self.held >= room {
            return self.shared.entry(used).or_default().take(request);
        }
        // Whoever used the shared counter a moment ago must not start from nothing.
        let mut counter = self.shared.get(&used).copied().unwrap_or_default();
        let granted = counter.take(request);
        self.counters.entry(key.into()).or_default().push((used, counter));
        self.held += 1;
        granted
    }

    /// Forgets counters that have nothing left to remember; once per slot at most, so
    /// that a flood of keys costs no more than one pass.
    fn sweep(&mut self, slot: u64) {
        if slot == self.swept {
            return;
        }
        self.swept = slot;
        let mut held = 0;
        self.counters.retain(|_, list| {
            list.retain(|(_, counter)| !counter.is_over(slot));
            held += list.len();
            !list.is_empty()
        });
        self.held = held;
        self.shared.retain(|_, counter| !counter.is_over(slot));
    }
}

/// What was taken in each of the last slots.
#[derive(Clone, Copy, Default)]
struct Counter {
    latest: u64,
    slots: [u64; SLOTS],
}

impl Counter {
    fn take(&mut self, Request { slot, amount, limit }: Request) -> bool {
        self.advance(slot);
        let used = self.slots.iter().fold(0u64, |sum, slot| sum.saturating_add(*slot));
        if used.saturating_add(amount) > limit {
            return false;
        }
        if let Some(slot) = self.slots.first_mut() {
            *slot += amount;
        }
        true
    }

    /// Moves to a slot; the newest is first. A time before the latest one counts as the
    /// latest: threads may arrive out of order.
    fn advance(&mut self, slot: u64) {
        let steps = usize::try_from(slot.saturating_sub(self.latest)).unwrap_or(SLOTS).min(SLOTS);
        self.slots.rotate_right(steps % SLOTS);
        self.slots.iter_mut().take(steps).for_each(|slot| *slot = 0);
        self.latest = self.latest.max(slot);
    }

    fn is_over(&self, slot: u64) -> bool {
        slot.saturating_sub(self.latest) >= SLOTS as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(budgets: &Budgets, seconds: u64) -> Instant {
        budgets.start + Duration::from_secs(seconds)
    }

    #[test]
    fn an_amount_is_taken_whole_or_not_at_all() {
        let budgets = Budgets::new(Instant::now());
        // (seconds, key, rule, right, amount, granted) under a limit of 10
        let table = [
            (0, "a", 0, Right::Reveal, 11, false),
            (0, "a", 0, Right::Reveal, 10, true),
            (1, "a", 0, Right::Reveal, 1, false),
            (1, "a", 0, Right::Reveal, 0, true),
            (1, "b", 0, Right::Reveal, 10, true),
            (1, "a", 1, Right::Reveal, 10, true),
            (1, "a", 0, Right::Search, 10, true),
            (59, "a", 0, Right::Reveal, 1, false),
            (66, "a", 0, Right::Reveal, 10, true),
            (0, "a", 0, Right::Reveal, 1, false),
            (66, "a", 0, Right::Reveal, u64::MAX, false),
        ];
        for (step, (seconds, key, rule, right, amount, granted)) in table.into_iter().enumerate() {
            let taken = budgets.take(key, rule, right, amount, 10, at(&budgets, seconds));
            assert_eq!(taken, granted, "step {step}");
        }
    }

    #[test]
    fn a_limit_of_nothing_grants_nothing() {
        let budgets = Budgets::new(Instant::now());
        assert!(!budgets.take("a", 0, Right::Write, 1, 0, at(&budgets, 0)));
    }

    #[test]
    fn a_full_table_makes_newcomers_share() {
        let budgets = Budgets::with_room(Instant::now(), 64);
        let granted = (0..10_000)
            .filter(|n| budgets.take(&format!("k{n}"), 0, Right::Write, 1, 1, at(&budgets, 0)))
            .count();
        // Each of 64 counters once, and each shard's shared counter once.
        assert!((64..=64 + SHARDS).contains(&granted), "{granted}");
        for shard in &budgets.shards {
            assert!(shard.lock().unwrap().held <= 4);
        }
    }

    #[test]
    fn leaving_the_shared_counter_grants_nothing_anew() {
        let budgets = Budgets::with_room(Instant::now(), 1);
        let shard =
            |key: &str| usize::try_from(budgets.hasher.hash_one(key) >> 32).unwrap() % SHARDS;
        let other = (0..).map(|n| format!("k{n}")).find(|key| shard(key) == shard("late")).unwrap();
        assert!(budgets.take(&other, 0, Right::Write, 5, 5, at(&budgets, 0)));
        assert!(budgets.take("late", 0, Right::Write, 5, 5, at(&budgets, 50)), "shared");
        // The first counter is forgotten at 65 s, and there is room for a new one.
        assert!(!budgets.take("late", 0, Right::Write, 1, 5, at(&budgets, 66)));
        assert_eq!(budgets.shards[shard("late")].lock().unwrap().held, 1);
        assert!(budgets.take("late", 0, Right::Write, 5, 5, at(&budgets, 116)));
    }

    proptest! {
        #[test]
        fn no_minute_sees_more_than_the_limit(
            calls in prop::collection::vec((0u64..20_000, 0u64..8, 0usize..40), 1..300),
            limit in 1u64..20,
        ) {
            let budgets = Budgets::with_room(Instant::now(), 16);
            let mut time = 0;
            let mut granted: Vec<(u64, usize, u64)> = Vec::new();
            for (millis, amount, key) in calls {
                time += millis;
                let now = budgets.start + Duration::from_millis(time);
                if budgets.take(&format!("k{key}"), 0, Right::Write, amount, limit, now) {
                    granted.push((time, key, amount));
                }
            }
            for &(end, key, _) in &granted {
                let sum: u64 = granted
                    .iter()
                    .filter(|(t, k, _)| *k == key && *t <= end && t + 60_000 > end)
                    .map(|(_, _, amount)| amount)
                    .sum();
                prop_assert!(sum <= limit, "{sum} in the minute before {end}");
            }
        }
    }
}
