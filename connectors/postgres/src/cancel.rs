//! Who may cancel what: the keys that clients were given, and the keys of the server
//! that they stand for.
//!
//! A client is told the process number of its server process, which applications see in
//! other ways too, and a key of ours. The server's key never leaves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

use crate::upstream::Upstream;

/// The bytes of a key before protocol 3.2, and of ours from it on (the protocol allows 4
/// to 256).
const SHORT: usize = 4;
const LONG: usize = 32;
/// Between two requests that the server is sent for the same answer: it has this long to
/// heed the first, so that the second does not reach what comes after it.
const PAUSE: Duration = Duration::from_millis(250);

type Key = Zeroizing<Vec<u8>>;
/// What a client was told.
type Own = (u32, Vec<u8>);

/// All sessions that can be cancelled.
#[derive(Default)]
pub(crate) struct Cancels(Mutex<HashMap<Own, Arc<Target>>>);

/// What a cancellation is for.
pub(crate) struct Target {
    /// The server's process and its key.
    process: u32,
    key: Key,
    /// Odd while the server has something to answer, since nothing else can be cancelled;
    /// each time another number.
    round: AtomicU64,
    /// How many requests have come.
    requests: AtomicU64,
    /// Whoever holds this has the one connection that there may be for this session.
    passed_on: tokio::sync::Mutex<PassedOn>,
}

/// What the server was told.
#[derive(Default)]
struct PassedOn {
    /// How many of the requests that is an answer to.
    requests: u64,
    /// The last time, and of which round.
    last: Option<(u64, Instant)>,
}

/// A request to cancel what a session has under way.
pub(crate) struct Request {
    target: Arc<Target>,
    /// Requests up to this one.
    number: u64,
    round: u64,
}

/// A session that can be cancelled while this lives.
pub(crate) struct Cancellable {
    all: Arc<Cancels>,
    own: Own,
    target: Arc<Target>,
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
            round: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            passed_on: tokio::sync::Mutex::default(),
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

    /// The request of a client that names these, if its session has something under way.
    pub(crate) fn find(&self, process: u32, key: &[u8]) -> Option<Request> {
        let named = (process, key.to_vec());
        let target = self.all().get(&named).cloned()?;
        let round = target.round.load(Ordering::Acquire);
        if !is_under_way(round) {
            return None;
        }
        let number = target.requests.fetch_add(1, Ordering::AcqRel) + 1;
        Some(Request { target, number, round })
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Own, Arc<Target>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_under_way(round: u64) -> bool {
    round % 2 == 1
}

impl Request {
    /// Has the server cancel what was under way when the request came, unless that is over.
    /// Of many requests one is passed on at a time, for all that came before it. Whether
    /// the server was told.
    pub(crate) async fn pass_on(&self, upstream: &Upstream) -> bool {
        let target = &self.target;
        let mut passed_on = target.passed_on.lock().await;
        if passed_on.requests >= self.number {
            return true;
        }
        if let Some((_, told)) = passed_on.last.filter(|(round, _)| *round == self.round) {
            sleep_until(told + PAUSE).await;
        }
        // Those that are counted here and came in a later round are not answered by this
        // one: then it is not current any more.
        let requests = target.requests.load(Ordering::Acquire);
        let is_current = || target.round.load(Ordering::Acquire) == self.round;
        if !is_current() || !upstream.cancel(target.process, &target.key, is_current).await {
            return false;
        }
        *passed_on = PassedOn { requests, last: Some((self.round, Instant::now())) };
        true
    }
}

impl Cancellable {
    /// Says whether the server has something to answer. Only the session's relay does.
    pub(crate) fn note(&self, under_way: bool) {
        let round = self.target.round.load(Ordering::Relaxed);
        if is_under_way(round) != under_way {
            self.target.round.store(round.wrapping_add(1), Ordering::Release);
        }
    }

    /// What the client is told.
    pub(crate) fn shown(&self) -> (u32, &[u8]) {
        (self.own.0, &self.own.1)
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        self.all.all().remove(&self.own);
        self.note(false);
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
        one.note(true);
        let found = cancels.find(process, key).unwrap();
        assert_eq!((found.target.process, &**found.target.key), (7, &b"server-key"[..]));
        assert!(cancels.find(8, key).is_none());
        assert!(cancels.find(process, b"server-key").is_none());
        assert!(cancels.find(process, &[]).is_none());
        let key = key.to_vec();
        drop(one);
        assert!(cancels.find(process, &key).is_none(), "it is over");
    }
}
