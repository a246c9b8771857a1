//! What happens by itself: rotation by the clock, resealing after a rotation, deleting
//! tokens whose time is over, the anchor of the audit log.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use allonym_contract::Shutdown;
use allonym_keyring::{DomainId, KeyState, KeyVersion, Keyring};
use allonym_protect::{MethodSpec, TokenDomain};

use super::vault::pressure_warning;
use super::{Gateway, StartError};
use crate::config::Rotate;
use crate::plan::ClassPlan;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);
/// Vaulted values resealed in one transaction.
const RESEAL: usize = 1_000;
/// Ended tokens deleted in one transaction, and how often in one round.
const TIDY: usize = 1_000;
const TIDIES: usize = 50;
/// How often tokens are counted.
const MEASURED: Duration = Duration::from_secs(60);
/// How often it is said at most that the token store fails.
const TELL: Duration = Duration::from_secs(60);
/// After which time a domain that was resealed is looked at again: a request that began
/// before a rotation may have stored a value under the older version after it.
const AGAIN: Duration = Duration::from_secs(3600);

/// For each domain the version all of it was sealed under, and when that was seen.
type Resealed = HashMap<DomainId, (KeyVersion, Instant)>;

impl Gateway {
    /// Looks after the gateway until it stops.
    ///
    /// # Errors
    /// When a part of it ended early.
    pub(super) async fn upkeep(
        self: Arc<Self>,
        mut shutdown: Shutdown,
        said: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<(), StartError> {
        let (mut resealed, mut pressed) = (Resealed::new(), HashSet::new());
        let (mut measured, mut unread): (Option<Instant>, Option<String>) = (None, None);
        let mut told: Option<(u64, Instant)> = None;
        loop {
            // An anchor must not be ahead of the log: it is dropped a round later, when
            // what it names has long been on the disk.
            let head = self.audit.head();
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            }
            let gateway = Arc::clone(&self);
            let round = tokio::task::spawn_blocking(move || {
                let read = gateway.read_again();
                if gateway.shared.tenure.check().is_ok() {
                    gateway.rotate_by_the_clock(SystemTime::now());
                    let _ = gateway.drop_anchor(&head);
                }
                read
            });
            let read = round.await.map_err(|_| StartError::Ended("upkeep"))?;
            let why = read.err().map(|problem| problem.detail);
            if why != unread
                && let Some(why) = &why
            {
                said(&format!("warning: nothing is written yet: {why}"));
            }
            unread = why;
            let counts = self.vault.cache_counts();
            self.shared.metrics.token_cache(counts.hits, counts.misses);
            self.tell_outage(&mut told, &said);
            self.reseal(&mut resealed, &shutdown).await;
            self.tidy(&shutdown).await;
            if measured.is_none_or(|at| at.elapsed() >= MEASURED) {
                self.measure_tokens().await;
                measured = Some(Instant::now());
            }
            for (domain, used) in self.pressed() {
                self.shared.metrics.counter_used(&domain, used);
                if pressed.insert(domain.clone()) {
                    said(&format!("warning: {}", pressure_warning(&domain, used)));
                }
            }
        }
    }

    /// Says how the token store failed callers, which are not told, or this: at once, then at most
    /// once a minute. `told` is how often it had failed when that was said last, and when.
    fn tell_outage(&self, told: &mut Option<(u64, Instant)>, said: &impl Fn(&str)) {
        let outage = self.vault.outage();
        self.shared.metrics.token_store_failed(outage.times);
        let Some(last) = outage.last else { return };
        let (before, quiet) = told.map_or((0, true), |(times, at)| (times, at.elapsed() >= TELL));
        if outage.times > before && quiet {
            let times = outage.times - before;
            said(&format!("warning: the token store failed (times: {times}): {last}"));
            *told = Some((outage.times, Instant::now()));
        }
    }

    /// Deletes vaulted tokens whose time is over, a bounded number of each domain in a
    /// round.
    async fn tidy(&self, shutdown: &Shutdown) {
        let plan = self.plan();
        let mut seen = HashSet::new();
        for protected in plan.classes.iter().filter_map(ClassPlan::method_of) {
            if protected.is_computed() || !seen.insert(protected.domain.id) {
                continue;
            }
            let domain =
                TokenDomain { domain: protected.domain, specification: protected.spec.digest() };
            for _ in 0..TIDIES {
                if *shutdown.borrow() || self.shared.tenure.check().is_err() {
                    return;
                }
                let lease = self.shared.tenure.fence();
                let tidied = self.vault.tidy_under(&domain, TIDY, lease.as_ref()).await;
                // What failed is counted, and left for the next round.
                let Ok(tidied) = tidied else { break };
                self.shared.metrics.tidied(&protected.domain_name, tidied as u64);
                if tidied == 0 {
                    break;
                }
            }
        }
    }

    /// Rotates every key whose time has come. One that may not is left: `check` says so.
    fn rotate_by_the_clock(&self, now: SystemTime) {
        let Ok(keys) = self.store.keys() else { return };
        let current = self.current.load_full();
        for key in keys {
            let Some(Rotate::Every(every)) = current.config.key(&key.name).map(|key| key.rotate)
            else {
                continue;
            };
            let active = key.versions.iter().rev().find(|v| v.state == KeyState::Active);
            let due = active.and_then(|version| version.created.checked_add(every));
            if due.is_some_and(|due| due <= now) {
                let _ = self.rotate_key("rotation-by-the-clock", &key.name, None);
            }
        }
    }

    /// Seals vaulted values that are under an older key version again; their tokens stay.
    /// A domain that is through is left alone until its key has another version.
    async fn reseal(&self, resealed: &mut Resealed, shutdown: &Shutdown) {
        let plan = self.plan();
        for class in &plan.classes {
            let Some(protected) = class.method_of() else { continue };
            if !matches!(protected.spec.method, MethodSpec::Token { .. }) {
                continue;
            }
            let domain =
                TokenDomain { domain: protected.domain, specification: protected.spec.digest() };
            let keys = self.shared.newest.load_full();
            let keyring: &dyn Keyring = &*keys;
            let Some(active) = protected.active_version(keyring) else { continue };
            let through = resealed.get(&protected.domain.id);
            if through.is_some_and(|(version, at)| *version == active && at.elapsed() < AGAIN) {
                continue;
            }
            while !*shutdown.borrow() && self.shared.tenure.check().is_ok() {
                let lease = self.shared.tenure.fence();
                match self.vault.reseal_under(&domain, keyring, RESEAL, lease.as_ref()).await {
                    Ok(0) => {
                        resealed.insert(protected.domain.id, (active, Instant::now()));
                        break;
                    }
                    Ok(_) => {}
                    // Counted, and left for the next round.
                    Err(_) => break,
                }
            }
        }
    }
}
