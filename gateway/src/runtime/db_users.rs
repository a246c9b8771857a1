//! Logins of database users: what their passwords are verified by.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use allonym_postgres::{Logins, Verifier};
use allonym_store::{Store, StoreError};
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::administration::seconds;
use super::{Gateway, store_problem};
use crate::api::{DbUserView, Problem};
use crate::config::ConnectorConfig;

/// What the settings of logins begin with.
const PREFIX: &str = "db-user/";

/// Who has a password.
pub(super) struct DbUsers(ArcSwap<HashMap<String, Arc<Verifier>>>);

/// What is kept of a login, sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    verifier: Zeroizing<String>,
    set: SystemTime,
}

impl DbUsers {
    /// Reads all logins of a store.
    ///
    /// # Errors
    /// When the store is away, or a row was altered.
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        Ok(Self(ArcSwap::from_pointee(verifiers(store)?)))
    }
}

impl Logins for DbUsers {
    fn verifier(&self, user: &str) -> Option<Arc<Verifier>> {
        self.0.load().get(user).cloned()
    }
}

fn verifiers(store: &Store) -> Result<HashMap<String, Arc<Verifier>>, StoreError> {
    let kept = kept(store)?.into_iter();
    let read = |(name, kept): (String, Kept)| {
        let verifier = Verifier::parse(&kept.verifier).map_err(|_| StoreError::Altered("settings"))?;
        Ok((name, Arc::new(verifier)))
    };
    kept.map(read).collect()
}

fn kept(store: &Store) -> Result<Vec<(String, Kept)>, StoreError> {
    let settings = store.settings(PREFIX)?.into_iter();
    let read = |(name, value): (String, Zeroizing<Vec<u8>>)| {
        let name = name.strip_prefix(PREFIX).unwrap_or_default().to_owned();
        let kept = serde_json::from_slice(&value).map_err(|_| StoreError::Altered("settings"))?;
        Ok((name, kept))
    };
    settings.map(read).collect()
}

impl Gateway {
    /// Who has a password, without what it is verified by.
    ///
    /// # Errors
    /// When the store is away.
    pub fn db_users(&self) -> Result<Vec<DbUserView>, Problem> {
        let kept = kept(&self.store).map_err(|error| store_problem(&error))?.into_iter();
        let view = |(name, kept): (String, Kept)| DbUserView {
            connectors: self.connectors_of(&name),
            set: seconds(kept.set),
            name,
        };
        Ok(kept.map(view).collect())
    }

    /// Whether a role of this user can reveal, at any connector.
    #[must_use]
    pub fn db_user_can_reveal(&self, name: &str) -> bool {
        let current = self.current.load();
        current.config.connectors.iter().any(|connector| match &connector.config {
            ConnectorConfig::Postgres(postgres) => {
                postgres.callers.users.named(name).is_some_and(|user| self.can_reveal(&user.role))
            }
            ConnectorConfig::Http(_) => false,
        })
    }

    /// Gives a user a password.
    ///
    /// # Errors
    /// When no connector knows the user, it has one and `replace` is not said, what is
    /// given verifies nothing, or the store or the record is away.
    pub fn put_db_user(
        &self,
        actor: &str,
        name: &str,
        verifier: &str,
        replace: bool,
    ) -> Result<String, Problem> {
        let _one = self.lock();
        let parsed = Verifier::parse(verifier).map_err(|_| {
            Problem::new("verifier-invalid", "a verifier is written `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`")
        })?;
        if self.connectors_of(name).is_empty() {
            let detail = format!("no connector has a user `{name}` in `callers: {{ users: }}`");
            return Err(Problem::new("db-user-unknown", detail));
        }
        let setting = format!("{PREFIX}{name}");
        let known = self.store.setting(&setting).map_err(|error| store_problem(&error))?.is_some();
        if known && !replace {
            let detail = format!("user `{name}` has a password: `--replace` gives it another");
            return Err(Problem::new("name-taken", detail));
        }
        let kept = Kept { verifier: parsed.text(), set: SystemTime::now() };
        let text = Zeroizing::new(
            serde_json::to_vec(&kept).map_err(|_| Problem::new("internal", "not written"))?,
        );
        self.on_the_record(actor, "db-users.add", &[("name", name)], || {
            self.store.put_setting(&setting, &text)?;
            Ok(((), Vec::new()))
        })?;
        self.refresh_db_users()?;
        Ok(format!("user `{name}` has {} password", if known { "another" } else { "a" }))
    }

    /// Ends a login. Sessions that are open stay.
    ///
    /// # Errors
    /// When there is none, or the store or the record is away.
    pub fn remove_db_user(&self, actor: &str, name: &str) -> Result<String, Problem> {
        let _one = self.lock();
        let setting = format!("{PREFIX}{name}");
        if self.store.setting(&setting).map_err(|error| store_problem(&error))?.is_none() {
            let detail = format!("user `{name}` has no password here");
            return Err(Problem::new("db-user-unknown", detail));
        }
        self.on_the_record(actor, "db-users.remove", &[("name", name)], || {
            self.store.drop_setting(&setting)?;
            Ok(((), Vec::new()))
        })?;
        self.refresh_db_users()?;
        Ok(format!("user `{name}` has no password any more"))
    }

    pub(super) fn refresh_db_users(&self) -> Result<(), Problem> {
        let verifiers = verifiers(&self.store).map_err(|error| store_problem(&error))?;
        self.logins.0.store(Arc::new(verifiers));
        Ok(())
    }

    fn connectors_of(&self, user: &str) -> Vec<String> {
        let current = self.current.load();
        let knows = |config: &ConnectorConfig| match config {
            ConnectorConfig::Postgres(postgres) => postgres.callers.users.named(user).is_some(),
            ConnectorConfig::Http(_) => false,
        };
        let connectors = current.config.connectors.iter().filter(|c| knows(&c.config));
        connectors.map(|connector| connector.name.clone()).collect()
    }
}
