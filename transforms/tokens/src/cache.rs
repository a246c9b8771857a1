use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use allonym_keyring::KeyVersion;
use zeroize::Zeroizing;

use crate::settings::CacheSettings;

/// Independently locked parts.
const SHARDS: usize = 16;
/// What an entry costs besides its characters, about.
const OVERHEAD: usize = 128;

/// What was found in the store a moment ago: tokens by look-up, values by token. Bounded
/// in entries, bytes and age; values are wiped when they leave. What is not there is not
/// remembered, and neither is a token that is switched off.
pub(crate) struct Cache {
    tokens: Map<[u8; 16], KnownToken>,
    values: Map<str, KnownValue>,
    /// Counts what this node changed, so that what was read before is not remembered.
    changes: AtomicU64,
    settings: CacheSettings,
}

/// Before which change something was read.
#[derive(Clone, Copy)]
pub(crate) struct Moment(u64);

/// The token of a look-up.
#[derive(Clone)]
pub(crate) struct KnownToken {
    pub(crate) token: String,
    pub(crate) subject: Option<[u8; 16]>,
    pub(crate) expires: Option<i64>,
}

/// The value of a token, and the version it is sealed under: without it nobody may
/// see it.
pub(crate) struct KnownValue {
    pub(crate) value: Zeroizing<Vec<u8>>,
    pub(crate) version: KeyVersion,
    pub(crate) expires: Option<i64>,
}

impl Cache {
    pub(crate) fn new(settings: CacheSettings) -> Self {
        Self {
            tokens: Map::new(settings),
            values: Map::new(settings),
            changes: AtomicU64::new(0),
            settings,
        }
    }

    /// Taken before the store is asked.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.changes.load(Ordering::SeqCst))
    }

    /// The token of a look-up in a domain, unless it ended by `now`.
    pub(crate) fn token(&self, domain: u64, lookup: &[u8; 16], now: i64) -> Option<KnownToken> {
        let from = self.oldest(now)?;
        self.tokens.find(domain, lookup, from, |known| {
            (!has_ended(known.expires, now)).then(|| known.clone())
        })
    }

    /// The value of a token in a domain, unless it ended by `now` or its version is
    /// not to be had.
    pub(crate) fn value(
        &self,
        domain: u64,
        token: &str,
        now: i64,
        has: impl Fn(KeyVersion) -> bool,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let from = self.oldest(now)?;
        self.values.find(domain, token, from, |known| {
            (!has_ended(known.expires, now) && has(known.version)).then(|| known.value.clone())
        })
    }

    pub(crate) fn know_token(
        &self,
        moment: Moment,
        domain: u64,
        lookup: &[u8; 16],
        known: KnownToken,
        now: i64,
    ) {
        let bytes = known.token.len();
        self.tokens
            .put(domain, (lookup, Box::new(*lookup)), (known, bytes), now, || self.still(moment));
    }

    pub(crate) fn know_value(
        &self,
        moment: Moment,
        domain: u64,
        token: &str,
        known: KnownValue,
        now: i64,
    ) {
        let bytes = token.len() + known.value.len();
        self.values.put(domain, (token, token.into()), (known, bytes), now, || self.still(moment));
    }

    /// Forgets tokens of which this node changed something in the store, and what was
    /// read of the store before.
    pub(crate) fn forget(&self, domain: u64, tokens: &[impl AsRef<str>]) {
        self.forget_values(domain, tokens);
        // By which look-ups they are found is not known here; changes are few.
        if !tokens.is_empty() {
            self.tokens.clear();
        }
    }

    /// Forgets the values of tokens, whose tokens stay.
    pub(crate) fn forget_values(&self, domain: u64, tokens: &[impl AsRef<str>]) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        for token in tokens {
            self.values.remove(domain, token.as_ref());
        }
    }

    fn still(&self, moment: Moment) -> bool {
        self.changes.load(Ordering::SeqCst) == moment.0
    }

    /// The earliest time at which what is still good was remembered; none where nothing
    /// is ever.
    fn oldest(&self, now: i64) -> Option<(i64, i64)> {
        let age = i64::try_from(self.settings.age.as_millis()).unwrap_or(i64::MAX);
        (age > 0).then(|| (now.saturating_sub(age), now))
    }
}

fn has_ended(expires: Option<i64>, now: i64) -> bool {
    expires.is_some_and(|expires| expires <= now)
}

/// A map in shards. An entry that was asked for since the hand of the clock passed it
/// last stays for another round.
struct Map<K: ?Sized, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    hasher: RandomState,
    entries: usize,
    bytes: usize,
}

struct Shard<K: ?Sized, V> {
    slots: Vec<Slot<K, V>>,
    at: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    hand: usize,
    bytes: usize,
}

struct Slot<K: ?Sized, V> {
    hash: u64,
    domain: u64,
    key: Box<K>,
    value: V,
    bytes: usize,
    since: i64,
    used: bool,
}

impl<K: ?Sized + Eq + std::hash::Hash, V> Map<K, V> {
    fn new(settings: CacheSettings) -> Self {
        let off = settings.entries == 0 || settings.bytes == 0 || settings.age.is_zero();
        let share = |whole: usize| if off { 0 } else { whole.div_ceil(SHARDS) };
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::new())).collect(),
            hasher: RandomState::new(),
            entries: share(settings.entries),
            bytes: share(settings.bytes),
        }
    }

    /// What `give` makes of an entry that was remembered between the two times; one it
    /// makes nothing of is forgotten.
    fn find<T>(
        &self,
        domain: u64,
        key: &K,
        (from, until): (i64, i64),
        give: impl FnOnce(&V) -> Option<T>,
    ) -> Option<T> {
        if self.entries == 0 {
            return None;
        }
        let hash = self.hasher.hash_one((domain, key));
        let mut shard = self.shard(hash)?;
        let at = *shard.at.get(&hash)?;
        let slot = shard.slots.get_mut(at)?;
        if slot.domain != domain || *slot.key != *key {
            return None;
        }
        // A clock that was set back makes everything too old.
        let fresh = slot.since > from && slot.since <= until;
        let given = if fresh { give(&slot.value) } else { None };
        slot.used = true;
        if given.is_none() {
            shard.evict(at);
        }
        given
    }

    fn put(
        &self,
        domain: u64,
        (key, boxed): (&K, Box<K>),
        (value, bytes): (V, usize),
        since: i64,
        still: impl Fn() -> bool,
    ) {
        let bytes = bytes.saturating_add(OVERHEAD);
        if self.entries == 0 || bytes > self.bytes {
            return;
        }
        let hash = self.hasher.hash_one((domain, key));
        let Some(mut shard) = self.shard(hash) else { return };
        // Asked while the shard is held: what changes now is forgotten after this.
        if !still() {
            return;
        }
        if let Some(at) = shard.at.get(&hash).copied() {
            shard.evict(at);
        }
        while shard.slots.len() >= self.entries || shard.bytes + bytes > self.bytes {
            shard.evict_unused();
        }
        let at = shard.slots.len();
        shard.at.insert(hash, at);
        shard.bytes += bytes;
        shard.slots.push(Slot { hash, domain, key: boxed, value, bytes, since, used: false });
    }

    fn remove(&self, domain: u64, key: &K) {
        let hash = self.hasher.hash_one((domain, key));
        if let Some(mut shard) = self.shard(hash)
            && let Some(at) = shard.at.get(&hash).copied()
        {
            shard.evict(at);
        }
    }

    fn clear(&self) {
        for shard in &self.shards {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Shard::new();
        }
    }

    fn shard(&self, hash: u64) -> Option<MutexGuard<'_, Shard<K, V>>> {
        // The low bits choose the place inside a shard.
        let shard = self.shards.get((hash >> 60) as usize % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K: ?Sized, V> Shard<K, V> {
    fn new() -> Self {
        Self { slots: Vec::new(), at: HashMap::default(), hand: 0, bytes: 0 }
    }

    /// Drops an entry, which wipes its value; the last takes its place.
    fn evict(&mut self, at: usize) {
        if at >= self.slots.len() {
            return;
        }
        let gone = self.slots.swap_remove(at);
        self.at.remove(&gone.hash);
        self.bytes = self.bytes.saturating_sub(gone.bytes);
        if let Some(moved) = self.slots.get(at) {
            self.at.insert(moved.hash, at);
        }
    }

    /// Drops the first entry after the hand that was not asked for since it passed.
    fn evict_unused(&mut self) {
        // In the second round none is used.
        for _ in 0..2 * self.slots.len() {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            match self.slots.get_mut(self.hand) {
                Some(slot) if slot.used => slot.used = false,
                _ => break,
            }
            self.hand += 1;
        }
        self.evict(self.hand.min(self.slots.len().saturating_sub(1)));
    }
}

/// Keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn cache(entries: usize, bytes: usize) -> Cache {
        Cache::new(CacheSettings { entries, bytes, age: Duration::from_secs(10) })
    }

    fn know(cache: &Cache, token: &str, size: usize, expires: Option<i64>, now: i64) {
        let value = Zeroizing::new(vec![7; size]);
        let known = KnownValue { value, version: KeyVersion::FIRST, expires };
        cache.know_value(cache.moment(), 1, token, known, now);
    }

    fn knows(cache: &Cache, token: &str, now: i64) -> bool {
        cache.value(1, token, now, |_| true).is_some()
    }

    #[test]
    fn what_is_remembered_ends() {
        let cache = cache(100, 1 << 20);
        know(&cache, "a", 10, None, 1000);
        assert!(knows(&cache, "a", 1000) && knows(&cache, "a", 10_999));
        assert!(cache.value(2, "a", 1000, |_| true).is_none(), "another domain");
        assert!(!knows(&cache, "a", 11_000), "too old");
        assert!(!knows(&cache, "a", 1000), "and gone");
        know(&cache, "b", 10, Some(1500), 1000);
        assert!(knows(&cache, "b", 1499) && !knows(&cache, "b", 1500));
        know(&cache, "c", 10, None, 1000);
        assert!(!knows(&cache, "c", 999), "the clock was set back");
        know(&cache, "d", 10, None, 1000);
        assert!(cache.value(1, "d", 1000, |_| false).is_none(), "no such version");
        assert!(!knows(&cache, "d", 1000), "and gone");
    }

    #[test]
    fn what_changes_is_forgotten_even_while_it_is_read() {
        let cache = cache(100, 1 << 20);
        know(&cache, "a", 10, None, 0);
        know(&cache, "b", 10, None, 0);
        let moment = cache.moment();
        cache.forget(1, &["a"]);
        assert!(!knows(&cache, "a", 1) && knows(&cache, "b", 1));
        let known = KnownToken { token: "a".into(), subject: None, expires: None };
        cache.know_token(moment, 1, &[3; 16], known.clone(), 1);
        assert!(cache.token(1, &[3; 16], 1).is_none());
        cache.know_token(cache.moment(), 1, &[3; 16], known, 1);
        assert!(cache.token(1, &[3; 16], 1).is_some());
        cache.forget(1, &["a"]);
        assert!(cache.token(1, &[3; 16], 1).is_none());
    }

    #[test]
    fn entries_and_bytes_are_bounded() {
        let count = |cache: &Cache| {
            let shards = cache.values.shards.iter().map(|shard| shard.lock().unwrap());
            shards.fold((0, 0), |(entries, bytes), shard| {
                assert_eq!(shard.at.len(), shard.slots.len());
                let held: usize = shard.slots.iter().map(|slot| slot.bytes).sum();
                assert_eq!(held, shard.bytes);
                (entries + shard.slots.len(), bytes + held)
            })
        };
        for (entries, bytes, size) in [(160, 1 << 30, 10), (100_000, 64 << 10, 500)] {
            let cache = cache(entries, bytes);
            for number in 0..5000 {
                know(&cache, &format!("token {number}"), size, None, number);
                if number % 3 == 0 {
                    cache.forget(1, &[format!("token {}", number / 2)]);
                }
            }
            let (held, used) = count(&cache);
            assert!(held <= entries && used <= bytes && held > 50, "{held} {used}");
            know(&cache, "huge", bytes, None, 5000);
            assert!(!knows(&cache, "huge", 5000));
        }
    }

    #[test]
    fn what_is_asked_for_stays_longest() {
        let cache = cache(16 * SHARDS, 1 << 30);
        know(&cache, "often", 1, None, 0);
        for number in 0..2000 {
            know(&cache, &format!("{number}"), 1, None, 0);
            assert!(knows(&cache, "often", 0), "{number}");
        }
    }

    #[test]
    fn nothing_is_remembered_when_it_is_off() {
        let cache = Cache::new(CacheSettings::OFF);
        know(&cache, "a", 1, None, 0);
        assert!(!knows(&cache, "a", 0));
    }
}
