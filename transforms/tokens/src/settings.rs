use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a [`VaultStore`](crate::VaultStore) works, besides what is stored.
#[derive(Clone)]
pub struct Settings {
    /// The memory in front of the store.
    pub cache: CacheSettings,
    /// What tells the time at which tokens are made and end.
    pub clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// Bounds of the memory in front of the store. Any of them 0: nothing is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// Most tokens, and most look-ups, that are remembered.
    pub entries: usize,
    /// Most bytes of tokens and values, for each of the two.
    pub bytes: usize,
    /// For how long: by then what another node disabled or deleted is gone here too.
    /// What this node does is seen at once.
    pub age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cache: CacheSettings::default(), clock: Arc::new(SystemTime::now) }
    }
}

impl Default for CacheSettings {
    /// 65,536 entries, 32 MiB, 10 seconds.
    fn default() -> Self {
        Self { entries: 65_536, bytes: 32 << 20, age: Duration::from_secs(10) }
    }
}

impl CacheSettings {
    /// Nothing is remembered.
    pub const OFF: Self = Self { entries: 0, bytes: 0, age: Duration::ZERO };
}

impl Settings {
    /// The time, in milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        millis((self.clock)())
    }
}

/// Milliseconds since 1970; 0 for what is before.
pub(crate) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(since).unwrap_or(i64::MAX)
}
