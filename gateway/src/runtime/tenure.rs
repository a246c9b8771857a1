//! That this process is the one gateway that writes to the store.
//!
//! A file has a lock for that. A database on a server has a lease, which is renewed all
//! the time; a process that could not renew it writes nothing until it has it again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use allonym_store::{Lease, Store, StoreError};

use super::StartError;

/// The lease's name in the store.
const NAME: &str = "gateway";
/// How long a lease is good for.
const TTL: Duration = Duration::from_secs(15);
/// How often it is renewed.
const EVERY: Duration = Duration::from_secs(5);
/// How often it is tried again while it is not held.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is tried at a start, while another's runs out.
const LOOK: Duration = Duration::from_millis(200);

/// The right to write to the store. Dropping it gives the right back.
pub struct Tenure(Option<Leased>);

/// Why this process may not write now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The store did not answer for longer than the lease lasts.
    #[error(
        "the store is away, and another gateway may have taken it over: nothing is written until it is back"
    )]
    Away,
    /// Another holds it.
    #[error("another gateway ({0}) writes to the store now: this one writes nothing")]
    Taken(String),
    /// It is held again, and what another may have changed meanwhile is not read yet.
    #[error(
        "the store is held again, and what changed meanwhile is not read yet: try again in a few seconds"
    )]
    Stale,
}

struct Leased {
    keeper: Arc<Keeper>,
    thread: Option<JoinHandle<()>>,
}

struct Keeper {
    store: Store,
    holder: String,
    state: Mutex<State>,
    wake: Condvar,
    said: Box<dyn Fn(&str) + Send + Sync>,
}

struct State {
    /// None once another took it.
    lease: Option<Lease>,
    /// Until when it is surely held, by the clock of this process.
    until: Instant,
    /// Who took it, if somebody did.
    taken: Option<String>,
    /// The fence under which everything in memory was read.
    read_under: u64,
    stop: bool,
}

impl Tenure {
    /// Of a store that is a file: its lock is held for as long as it is open.
    #[must_use]
    pub const fn of_file() -> Self {
        Self(None)
    }

    /// Takes the lease of a store on a server, and holds it from now on. One that a dead
    /// process left is waited for.
    ///
    /// # Errors
    /// When another gateway is alive, or the store is away.
    pub fn take(
        store: &Store,
        said: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        let holder = holder()?;
        let (lease, until) = acquire(store, &holder, &said)?;
        let read_under = lease.fence;
        let state = State { lease: Some(lease), until, taken: None, read_under, stop: false };
        let keeper = Arc::new(Keeper {
            store: store.clone(),
            holder,
            state: Mutex::new(state),
            wake: Condvar::new(),
            said: Box::new(said),
        });
        let keeping = Arc::clone(&keeper);
        let thread = std::thread::Builder::new()
            .name("store-lease".to_owned())
            .spawn(move || keeping.keep())
            .map_err(|cause| StartError::System { what: "store lease".to_owned(), cause })?;
        Ok(Self(Some(Leased { keeper, thread: Some(thread) })))
    }

    /// Whether this process may write to the store now.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self) -> Result<(), Lost> {
        let Some(leased) = &self.0 else { return Ok(()) };
        let state = leased.keeper.lock();
        let fence = state.held()?;
        if fence == state.read_under { Ok(()) } else { Err(Lost::Stale) }
    }

    /// The lease, as a fence for what is written; none where the store is a file.
    #[must_use]
    pub fn fence(&self) -> Option<Lease> {
        self.0.as_ref().and_then(|leased| leased.keeper.lock().lease.clone())
    }

    /// The fence of a lease that was lost to another and is held again: everything in
    /// memory has to be read again under it.
    #[must_use]
    pub fn regained(&self) -> Option<u64> {
        let state = self.0.as_ref()?.keeper.lock();
        state.held().ok().filter(|fence| *fence != state.read_under)
    }

    /// Everything was read again under this fence.
    pub fn was_read(&self, fence: u64) {
        if let Some(leased) = &self.0 {
            leased.keeper.lock().read_under = fence;
        }
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.keeper.lock().stop = true;
        self.keeper.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    fn held(&self) -> Result<u64, Lost> {
        match (&self.lease, &self.taken) {
            (Some(lease), _) if Instant::now() < self.until => Ok(lease.fence),
            (None, Some(other)) => Err(Lost::Taken(other.clone())),
            _ => Err(Lost::Away),
        }
    }
}

impl Keeper {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the lease until told to stop, and gives it back then.
    fn keep(&self) {
        let (mut renewed, mut held) = (true, true);
        loop {
            let wait = if renewed { EVERY } else { AGAIN };
            let waiting = self.wake.wait_timeout_while(self.lock(), wait, |state| !state.stop);
            let (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
            let (stop, lease) = (state.stop, state.lease.clone());
            drop(state);
            if stop {
                // A store that is away is not waited for: the lease runs out by itself.
                if let Some(lease) = lease.filter(|_| renewed) {
                    let _ = self.store.lease_release(&lease);
                }
                return;
            }
            renewed = self.renew();
            held = self.tell(held);
        }
    }

    /// Renews the lease, or takes it where it was lost. Whether that worked.
    fn renew(&self) -> bool {
        let (lease, asked) = (self.lock().lease.clone(), Instant::now());
        let now = SystemTime::now();
        let answer = match &lease {
            Some(lease) => self.store.lease_renew(lease, TTL, now),
            None => self.store.lease_acquire(NAME, &self.holder, TTL, now),
        };
        match answer {
            Ok(Some(lease)) => {
                let mut state = self.lock();
                state.until = asked + TTL;
                (state.lease, state.taken) = (Some(lease), None);
                true
            }
            Ok(None) => {
                let other = self.store.lease_found(NAME).ok().flatten();
                let other = other.map_or_else(|| "unknown".to_owned(), |other| other.holder);
                let mut state = self.lock();
                (state.lease, state.taken) = (None, Some(other));
                false
            }
            Err(_) => false,
        }
    }

    /// Says so when the lease was lost, or is held again. Whether it is held.
    fn tell(&self, was_held: bool) -> bool {
        let held = self.lock().held();
        match &held {
            Err(lost) if was_held => (self.said)(&format!("warning: {lost}")),
            Ok(_) if !was_held => (self.said)("the store is held again"),
            _ => {}
        }
        held.is_ok()
    }
}

/// The lease, and until when it is surely held. One that runs out is waited for; one
/// that is renewed meanwhile is another gateway's.
fn acquire(
    store: &Store,
    holder: &str,
    said: &impl Fn(&str),
) -> Result<(Lease, Instant), StartError> {
    let mut seen: Option<Lease> = None;
    let start = Instant::now();
    loop {
        let asked = Instant::now();
        if let Some(lease) = store.lease_acquire(NAME, holder, TTL, SystemTime::now())? {
            return Ok((lease, asked + TTL));
        }
        let Some(other) = store.lease_found(NAME)? else { continue };
        let renewed = seen.as_ref().is_some_and(|seen| *seen != other);
        // The server's clock is another one: a little longer than a lease can last.
        if renewed || start.elapsed() > TTL + EVERY {
            return Err(StartError::Held(other.holder));
        }
        if seen.is_none() {
            said(&format!(
                "the store is held by a gateway ({}): waiting at most {} seconds for it to end, or to show that it is alive",
                other.holder,
                TTL.as_secs()
            ));
        }
        seen = Some(other);
        std::thread::sleep(LOOK);
    }
}

/// What other gateways are told of this one: machine, process, and something that no
/// other has.
fn holder() -> Result<String, StoreError> {
    let mut random = [0; 4];
    getrandom::fill(&mut random)?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().take(64).collect();
    let host = if host.is_empty() { "unknown host" } else { &*host };
    let random = u32::from_be_bytes(random);
    Ok(format!("{host}, process {}, {random:08x}", std::process::id()))
}
