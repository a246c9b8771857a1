use std::hash::{Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use allonym_keyring::KeyVersion;
use quick_cache::sync::DefaultLifecycle;
use quick_cache::{Equivalent, OptionsBuilder, Weighter};
use zeroize::Zeroizing;

use crate::settings::CacheSettings;

/// What an entry costs besides its characters, about.
const OVERHEAD: usize = 128;

/// What was found in the store a moment ago: tokens by look-up, values by token. Bounded
/// in entries, bytes and age; values are wiped when they leave. What is not there is not
/// remembered, and neither is a token that is switched off.
///
/// Of what was measured (a map in shards with locks and a clock of our own, `dashmap`,
/// `quick_cache`) `quick_cache` kept most of what was asked for again, and cost about
/// what `dashmap` does, which forgets nothing.
pub(crate) struct Cache {
    tokens: Option<Map<LookupKey, KnownToken>>,
    values: Option<Map<TokenKey, KnownValue>>,
    /// Counts what this node changed, so that what was read before is not remembered.
    changes: AtomicU64,
    /// For how long, in milliseconds.
    age: i64,
    /// How often what was asked for was here, and how often not.
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How often the memory in front of the store had what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// It was there.
    pub hits: u64,
    /// The store was asked.
    pub misses: u64,
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
    /// When it was read.
    pub(crate) since: i64,
}

/// The value of a token, and the version it is sealed under: without it nobody may
/// see it.
#[derive(Clone)]
pub(crate) struct KnownValue {
    pub(crate) value: Zeroizing<Vec<u8>>,
    pub(crate) version: KeyVersion,
    pub(crate) expires: Option<i64>,
    /// When it was read.
    pub(crate) since: i64,
}

impl Cache {
    pub(crate) fn new(settings: CacheSettings) -> Self {
        Self {
            tokens: map(settings),
            values: map(settings),
            changes: AtomicU64::new(0),
            age: i64::try_from(settings.age.as_millis()).unwrap_or(i64::MAX),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(crate) fn counts(&self) -> CacheCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CacheCounts { hits: read(&self.hits), misses: read(&self.misses) }
    }

    /// Counts what was asked for.
    fn counted<T>(&self, found: Option<T>) -> Option<T> {
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Taken before the store is asked.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.changes.load(Ordering::SeqCst))
    }

    /// The token of a look-up in a domain, unless it ended by `now`.
    pub(crate) fn token(&self, domain: u64, lookup: &[u8; 16], now: i64) -> Option<KnownToken> {
        let is_good = |known: &KnownToken| self.is_good((known.since, known.expires), now);
        self.counted(good(self.tokens.as_ref(), &(domain, *lookup), is_good))
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
        let is_good = |known: &KnownValue| {
            self.is_good((known.since, known.expires), now) && has(known.version)
        };
        let known = good(self.values.as_ref(), &TokenOf(domain, token), is_good);
        self.counted(known).map(|known| known.value)
    }

    pub(crate) fn know_token(
        &self,
        moment: Moment,
        domain: u64,
        lookup: &[u8; 16],
        known: KnownToken,
    ) {
        if let Some(map) = &self.tokens {
            map.insert((domain, *lookup), known);
            // What changed meanwhile may have been forgotten before this was there.
            if !self.is_still(moment) {
                map.remove(&(domain, *lookup));
            }
        }
    }

    pub(crate) fn know_value(&self, moment: Moment, domain: u64, token: &str, known: KnownValue) {
        if let Some(map) = &self.values {
            map.insert((domain, token.to_owned()), known);
            if !self.is_still(moment) {
                map.remove(&TokenOf(domain, token));
            }
        }
    }

    /// Forgets tokens of which this node changed something in the store, and what was
    /// read of the store before.
    pub(crate) fn forget(&self, domain: u64, tokens: &[impl AsRef<str>]) {
        self.forget_values(domain, tokens);
        // By which look-ups they are found is not known here; changes are few.
        if let (Some(map), false) = (&self.tokens, tokens.is_empty()) {
            map.clear();
        }
    }

    /// Forgets all of a domain in which something changed that is not known.
    pub(crate) fn forget_all(&self, domain: u64) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        if let Some(map) = &self.values {
            map.retain(|(of, _), _| *of != domain);
        }
        if let Some(map) = &self.tokens {
            map.retain(|(of, _), _| *of != domain);
        }
    }

    /// Forgets the values of tokens, whose tokens stay.
    pub(crate) fn forget_values(&self, domain: u64, tokens: &[impl AsRef<str>]) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        if let Some(map) = &self.values {
            for token in tokens {
                map.remove(&TokenOf(domain, token.as_ref()));
            }
        }
    }

    fn is_still(&self, moment: Moment) -> bool {
        self.changes.load(Ordering::SeqCst) == moment.0
    }

    /// Whether what was read then is young enough and has not ended. A clock that was
    /// set back makes everything too old.
    fn is_good(&self, (since, expires): (i64, Option<i64>), now: i64) -> bool {
        let young = since <= now && now.saturating_sub(since) < self.age;
        young && expires.is_none_or(|expires| now < expires)
    }
}

/// Which entry: the domain and the token.
#[derive(Hash, PartialEq, Eq)]
struct TokenOf<'a>(u64, &'a str);

impl Equivalent<(u64, String)> for TokenOf<'_> {
    fn equivalent(&self, key: &(u64, String)) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

/// What an entry weighs: its bytes, and never less than its share of all entries.
#[derive(Clone, Copy)]
struct Weight {
    least: u64,
}

impl Weight {
    fn of(self, characters: usize) -> u64 {
        u64::try_from(characters.saturating_add(OVERHEAD)).unwrap_or(u64::MAX).max(self.least)
    }
}

impl Weighter<LookupKey, KnownToken> for Weight {
    fn weight(&self, _: &LookupKey, known: &KnownToken) -> u64 {
        self.of(known.token.len())
    }
}

impl Weighter<TokenKey, KnownValue> for Weight {
    fn weight(&self, (_, token): &TokenKey, known: &KnownValue) -> u64 {
        self.of(token.len() + known.value.len())
    }
}

type LookupKey = (u64, [u8; 16]);
type TokenKey = (u64, String);
type Map<K, V> = quick_cache::sync::Cache<K, V, Weight, RandomState>;

/// What is known under a key. What is no longer good is forgotten.
fn good<K, V, Q>(map: Option<&Map<K, V>>, key: &Q, is_good: impl Fn(&V) -> bool) -> Option<V>
where
    K: Eq + Hash,
    V: Clone,
    Q: Hash + Equivalent<K>,
    Weight: Weighter<K, V>,
{
    let map = map?;
    let known = map.get(key)?;
    if is_good(&known) {
        return Some(known);
    }
    map.remove(key);
    None
}

/// A map with these bounds; none where one of them is 0.
fn map<K: Eq + Hash, V: Clone>(settings: CacheSettings) -> Option<Map<K, V>>
where
    Weight: Weighter<K, V>,
{
    if settings.entries == 0 || settings.bytes == 0 || settings.age.is_zero() {
        return None;
    }
    let bytes = u64::try_from(settings.bytes).unwrap_or(u64::MAX);
    let least = bytes.div_ceil(u64::try_from(settings.entries).unwrap_or(u64::MAX));
    let options = OptionsBuilder::new()
        .estimated_items_capacity(settings.entries)
        .weight_capacity(bytes)
        .build()
        .ok()?;
    let lifecycle = DefaultLifecycle::default();
    Some(Map::with_options(options, Weight { least }, RandomState::new(), lifecycle))
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
        let known = KnownValue { value, version: KeyVersion::FIRST, expires, since: now };
        cache.know_value(cache.moment(), 1, token, known);
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
        let known = KnownToken { token: "a".into(), subject: None, expires: None, since: 1 };
        cache.know_token(moment, 1, &[3; 16], known.clone());
        assert!(cache.token(1, &[3; 16], 1).is_none());
        cache.know_token(cache.moment(), 1, &[3; 16], known);
        assert!(cache.token(1, &[3; 16], 1).is_some());
        cache.forget(1, &["a"]);
        assert!(cache.token(1, &[3; 16], 1).is_none());
    }

    #[test]
    fn a_domain_is_forgotten_whole_and_alone() {
        let cache = cache(100, 1 << 20);
        for (domain, lookup) in [(1, [1; 16]), (2, [2; 16])] {
            let known = KnownToken { token: "a".into(), subject: None, expires: None, since: 0 };
            cache.know_token(cache.moment(), domain, &lookup, known);
            let value = Zeroizing::new(vec![7]);
            let known = KnownValue { value, version: KeyVersion::FIRST, expires: None, since: 0 };
            cache.know_value(cache.moment(), domain, "a", known);
        }
        cache.forget_all(1);
        assert!(cache.token(1, &[1; 16], 1).is_none() && !knows(&cache, "a", 1));
        assert!(cache.token(2, &[2; 16], 1).is_some());
        assert!(cache.value(2, "a", 1, |_| true).is_some());
    }

    #[test]
    fn entries_and_bytes_are_bounded() {
        for (entries, bytes, size) in [(1600, 1 << 22, 10), (100_000, 1 << 18, 500)] {
            let cache = cache(entries, bytes);
            for number in 0..20_000 {
                know(&cache, &format!("token {number}"), size, None, number);
            }
            let map = cache.values.as_ref().unwrap();
            let held = map.iter().map(|((_, token), known)| token.len() + known.value.len());
            let (held, used) = (map.len(), held.sum::<usize>());
            assert!(held <= entries && used <= bytes && held > 200, "{held} {used}");
            know(&cache, "huge", bytes, None, 20_000);
            assert!(!knows(&cache, "huge", 20_000));
        }
    }

    #[test]
    fn nothing_is_remembered_when_it_is_off() {
        let cache = Cache::new(CacheSettings::OFF);
        know(&cache, "a", 1, None, 0);
        assert!(!knows(&cache, "a", 0));
    }
}
