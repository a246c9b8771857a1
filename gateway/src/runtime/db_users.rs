//! Logins of database users: what their passwords are verified by.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use allonym_keyring::Purpose;
use allonym_postgres::scram::DEFAULT_ITERATIONS;
use allonym_postgres::{Login, Logins, User, Users, Verifier};
use allonym_store::{Store, StoreError};
use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::administration::seconds;
use super::{Gateway, store_problem};
use crate::api::{DbUserView, Problem};
use crate::config::{Config, ConnectorConfig};

/// What the settings of logins begin with.
const PREFIX: &str = "db-user/";

/// Who has a password.
pub(super) struct DbUsers {
    verifiers: ArcSwap<HashMap<String, Arc<Verifier>>>,
    /// What mock verifiers are made of.
    mock: Zeroizing<[u8; 32]>,
}

/// What is kept of a login, sealed: when it was set, in seconds since 1970, a space, and
/// the verifier in its text form.
struct Kept {
    verifier: Verifier,
    set: u64,
}

impl Kept {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (set, verifier) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
        Some(Self { verifier: Verifier::parse(verifier).ok()?, set: set.parse().ok()? })
    }

    fn text(&self) -> Zeroizing<Vec<u8>> {
        let (set, verifier) = (self.set.to_string(), self.verifier.to_text());
        // Of the final size, so that no copy is left behind.
        let mut text = Zeroizing::new(Vec::with_capacity(set.len() + 1 + verifier.len()));
        text.extend_from_slice(set.as_bytes());
        text.push(b' ');
        text.extend_from_slice(verifier.as_bytes());
        text
    }
}

impl DbUsers {
    /// Reads all logins of a store.
    ///
    /// # Errors
    /// When the store is away, or a row was altered.
    pub(super) fn read(store: &Store) -> Result<Self, StoreError> {
        let verifiers = ArcSwap::from_pointee(verifiers(store)?);
        Ok(Self { verifiers, mock: mock_secret(store) })
    }

    /// The verifier that a name without one imitates: of a user that the name draws, so
    /// that what others show is as frequent among mock ones.
    fn model<'a>(
        &self,
        name: &str,
        among: &Users,
        verifiers: &'a HashMap<String, Arc<Verifier>>,
    ) -> Option<&'a Verifier> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.mock);
        let tag = hmac::sign(&key, &[b"model\0", name.as_bytes()].concat());
        let number = u64::from_be_bytes(*tag.as_ref().first_chunk()?);
        let users = among.0.iter().filter(|(_, user)| has_password(user));
        let count = users.clone().count();
        let first = number.checked_rem(count as u64)? as usize;
        let mut from_there = users.cycle().skip(first).take(count);
        from_there.find_map(|(user, _)| verifiers.get(&user.value)).map(Arc::as_ref)
    }
}

impl Logins for DbUsers {
    fn verifier(&self, user: &str, among: &Users) -> Arc<Verifier> {
        let verifiers = self.verifiers.load();
        let known = verifiers.get(user).filter(|_| among.named(user).is_some_and(has_password));
        known.cloned().unwrap_or_else(|| {
            let mock = match self.model(user, among, &verifiers) {
                Some(model) => model.mock_like(user.as_bytes(), &self.mock),
                None => Verifier::mock(user.as_bytes(), &self.mock, DEFAULT_ITERATIONS),
            };
            Arc::new(mock)
        })
    }
}

/// Who logs in by a certificate is never asked for a password in earnest.
fn has_password(user: &User) -> bool {
    user.certificate.is_none()
}

/// Outlives restarts: a name without a password always has the same salt.
fn mock_secret(store: &Store) -> Zeroizing<[u8; 32]> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, store.subkey(Purpose::ApiToken).expose());
    let mut secret = Zeroizing::new([0; 32]);
    let tag = hmac::sign(&key, b"allonym mock verifier v1");
    for (byte, derived) in secret.iter_mut().zip(tag.as_ref()) {
        *byte = *derived;
    }
    secret
}

fn verifiers(store: &Store) -> Result<HashMap<String, Arc<Verifier>>, StoreError> {
    let kept = kept(store)?.into_iter();
    Ok(kept.map(|(name, kept)| (name, Arc::new(kept.verifier))).collect())
}

fn kept(store: &Store) -> Result<Vec<(String, Kept)>, StoreError> {
    let settings = store.settings(PREFIX)?.into_iter();
    let read = |(name, value): (String, Zeroizing<Vec<u8>>)| {
        let name = name.strip_prefix(PREFIX).unwrap_or_default().to_owned();
        Ok((name, Kept::parse(&value).ok_or(StoreError::Altered("settings"))?))
    };
    settings.map(read).collect()
}

/// Users who log in by a password of the gateway's and have none yet.
pub(crate) fn without_password(store: &Store, config: &Config) -> Vec<String> {
    let Ok(kept) = store.settings(PREFIX) else { return Vec::new() };
    let known = |name: &str| kept.iter().any(|(kept, _)| kept.strip_prefix(PREFIX) == Some(name));
    let mut warnings = Vec::new();
    for connector in &config.connectors {
        let ConnectorConfig::Postgres(postgres) = &connector.config else { continue };
        if postgres.callers.login != Login::Scram {
            continue;
        }
        for (name, user) in &postgres.callers.users.0 {
            let (connector, name) = (&connector.name, &name.value);
            if user.certificate.is_none() && !known(name) {
                warnings.push(format!(
                    "connector `{connector}`: user `{name}` has no password and cannot log in; run `allonym db-users add {name}`"
                ));
            }
        }
    }
    warnings
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
            set: kept.set,
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
        let verifier = Verifier::parse(verifier).map_err(|_| {
            Problem::new(
                "verifier-invalid",
                "a verifier is written `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`",
            )
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
        let text = Kept { verifier, set: seconds(SystemTime::now()) }.text();
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
        self.logins.verifiers.store(Arc::new(verifiers));
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
