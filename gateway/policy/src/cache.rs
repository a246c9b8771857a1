use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock};

use crate::{Decision, Right};

/// How many decisions are kept at most.
pub(crate) const DECISIONS: usize = 16_384;
/// How many locks they are spread over, so that writers seldom meet readers.
const SHARDS: usize = 16;

/// Decisions that were made, each for as long as it holds.
pub(crate) struct Cache {
    hasher: RandomState,
    shards: Vec<RwLock<HashMap<Key, Held>>>,
}

/// A question in numbers. Only what rules speak of has a number of its own, so that
/// nothing a caller makes up can fill the cache.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Sorted, without duplicates, without roles that no rule names.
    pub(crate) roles: Vec<u32>,
    pub(crate) right: Right,
    pub(crate) class: u32,
    pub(crate) place: u32,
    pub(crate) purpose: u32,
}

/// The span of time in which a decision holds, in microseconds: `from..until`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

struct Held {
    decision: Decision,
    span: Span,
}

impl Cache {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { hasher: RandomState::new(), shards }
    }

    /// The decision, if it was made and holds at this time.
    pub(crate) fn find(&self, key: &Key, now: i64) -> Option<Decision> {
        let shard = self.shard(key)?.read().unwrap_or_else(PoisonError::into_inner);
        let held = shard.get(key)?;
        (held.span.from <= now && now < held.span.until).then(|| held.decision.clone())
    }

    /// Keeps a decision. A full shard starts anew: simple, and what is in use is back
    /// after one evaluation each.
    pub(crate) fn keep(&self, key: Key, decision: Decision, span: Span) {
        let Some(shard) = self.shard(&key) else {
            return;
        };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= DECISIONS / SHARDS && !shard.contains_key(&key) {
            shard.clear();
        }
        shard.insert(key, Held { decision, span });
    }

    fn shard(&self, key: &Key) -> Option<&RwLock<HashMap<Key, Held>>> {
        let hash = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default();
        self.shards.get(hash % SHARDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn key(class: u32) -> Key {
        Key { roles: vec![1], right: Right::Mask, class, place: 0, purpose: 0 }
    }

    #[test]
    fn a_decision_holds_in_its_span_only() {
        let cache = Cache::new();
        let decision =
            Decision { permits: Arc::from([3]), forbidden: false, missed: Arc::from([]) };
        cache.keep(key(0), decision.clone(), Span { from: 10, until: 20 });
        for (now, found) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(cache.find(&key(0), now).is_some(), found, "at {now}");
        }
        assert!(cache.find(&key(1), 15).is_none());
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let cache = Cache::new();
        let bound = u32::try_from(DECISIONS).unwrap();
        for class in 0..bound * 3 {
            cache.keep(key(class), Decision::nothing(), Span { from: 0, until: 1 });
        }
        let kept: usize = cache.shards.iter().map(|shard| shard.read().unwrap().len()).sum();
        assert!(kept <= DECISIONS && kept > 0, "{kept}");
        assert!(cache.find(&key(bound * 3 - 1), 0).is_some());
    }
}
