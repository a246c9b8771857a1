//! What happens by itself: rotation by the clock, resealing after a rotation, the
//! anchor of the audit log.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use allonym_audit::Head;
use allonym_contract::Shutdown;
use allonym_keyring::{KeyState, Keyring};
use allonym_protect::{MethodSpec, TokenDomain, TokenStore};
use allonym_store::StoreError;

use super::Gateway;
use crate::config::Rotate;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(5);
/// Vaulted values resealed in one transaction.
const RESEAL: usize = 1_000;
/// The setting that holds the audit log's anchor.
const ANCHOR: &str = "audit.anchor";

impl Gateway {
    /// Looks after the gateway until it stops.
    pub(super) async fn upkeep(self: Arc<Self>, mut shutdown: Shutdown) {
        loop {
            // An anchor must not be ahead of the log: it is dropped a round later, when
            // what it names has long been on the disk.
            let head = self.audit.head();
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = shutdown.wait_for(|stop| *stop) => return,
            }
            let gateway = Arc::clone(&self);
            let _ = tokio::task::spawn_blocking(move || {
                gateway.rotate_by_the_clock(SystemTime::now());
                let _ = gateway.drop_anchor(&head);
            })
            .await;
            self.reseal().await;
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
                let _ = self.rotate_key("rotation-by-the-clock", &key.name);
            }
        }
    }

    /// Seals vaulted values that are under an older key version again; their tokens stay.
    async fn reseal(&self) {
        let plan = self.plan();
        for class in &plan.classes {
            let Some(protected) = class.method_of() else { continue };
            if !matches!(protected.spec.method, MethodSpec::Token { .. }) {
                continue;
            }
            let domain = TokenDomain {
                domain: protected.domain,
                specification: protected.spec.digest(),
            };
            let keys = self.shared.newest.load_full();
            let keyring: &dyn Keyring = &*keys;
            while let Ok(done) = self.vault.reseal(&domain, keyring, RESEAL).await {
                if done == 0 {
                    break;
                }
            }
        }
    }

    /// Makes the store remember where the audit log ends, so that lines cut off its end
    /// are found out.
    pub(super) fn drop_anchor(&self, head: &Head) -> Result<(), StoreError> {
        let head = head.to_string();
        if self.store.setting(ANCHOR)?.is_some_and(|held| **held == *head.as_bytes()) {
            return Ok(());
        }
        self.store.put_setting(ANCHOR, head.as_bytes())
    }

    /// Where the audit log ended when the store last looked.
    pub(super) fn anchor(&self) -> Result<Option<Head>, StoreError> {
        let text = self.store.setting(ANCHOR)?;
        Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()))
    }
}
