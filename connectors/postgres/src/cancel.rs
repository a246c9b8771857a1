//! Who may cancel what: the keys that clients were given, and the keys of the server
//! that they stand for.
//!
//! A client is told the process number of its server process, which applications see in
//! other ways too, and a key of ours. The server's key never leaves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

/// The bytes of a key before protocol 3.2, and of ours from it on (the protocol allows 4
/// to 256).
const SHORT: usize = 4;
const LONG: usize = 32;

type Key = Zeroizing<Vec<u8>>;
/// What a client was told.
type Own = (u32, Vec<u8>);

/// All sessions that can be cancelled.
#[derive(Default)]
pub(crate) struct Cancels(Mutex<HashMap<Own, Arc<Target>>>);

/// What a cancellation is for.
pub(crate) struct Target {
    /// The server's process and its key.
    pub(crate) process: u32,
    pub(crate) key: Key,
    /// Whether the server has something to answer: nothing else can be cancelled.
    pub(crate) under_way: AtomicBool,
}

/// A session that can be cancelled while this lives.
pub(crate) struct Cancellable {
    all: Arc<Cancels>,
    own: Own,
    pub(crate) target: Arc<Target>,
}

impl Cancels {
    /// Makes a session one that can be cancelled, by a key that nobody else has.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub(crate) fn register(
        self: &Arc<Self>,
        process: u32,
        key: &[u8],
        is_long: bool,
    ) -> Result<Cancellable, getrandom::Error> {
        let target = Arc::new(Target {
            process,
            key: Zeroizing::new(key.to_vec()),
            under_way: AtomicBool::new(false),
        });
        loop {
            let mut own = vec![0; if is_long { LONG } else { SHORT }];
            getrandom::fill(&mut own)?;
            let own = (process, own);
            let mut all = self.all();
            if !all.contains_key(&own) {
                all.insert(own.clone(), Arc::clone(&target));
                drop(all);
                return Ok(Cancellable { all: Arc::clone(self), own, target });
            }
        }
    }

    /// What a client may cancel by these, if that has something under way.
    pub(crate) fn find(&self, process: u32, key: &[u8]) -> Option<Arc<Target>> {
        let named = (process, key.to_vec());
        let target = self.all().get(&named).cloned()?;
        target.under_way.load(Ordering::Acquire).then_some(target)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Own, Arc<Target>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancellable {
    /// What the client is told.
    pub(crate) fn shown(&self) -> (u32, &[u8]) {
        (self.own.0, &self.own.1)
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        self.all.all().remove(&self.own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_under_way_is_found_and_by_its_own_key() {
        let cancels = Arc::new(Cancels::default());
        let one = cancels.register(7, b"server-key", false).unwrap();
        let other = cancels.register(7, b"another-key", true).unwrap();
        let (process, key) = one.shown();
        assert_eq!((process, key.len(), other.shown().1.len()), (7, 4, 32));
        assert!(cancels.find(process, key).is_none(), "nothing is under way");
        one.target.under_way.store(true, Ordering::Release);
        let found = cancels.find(process, key).unwrap();
        assert_eq!((found.process, &**found.key), (7, &b"server-key"[..]));
        assert!(cancels.find(8, key).is_none());
        assert!(cancels.find(process, b"server-key").is_none());
        assert!(cancels.find(process, &[]).is_none());
        let key = key.to_vec();
        drop(one);
        assert!(cancels.find(process, &key).is_none(), "it is over");
    }
}
