//! What is opened before anything listens, and why it may not open.

use std::path::Path;
use std::time::SystemTime;

use allonym_seal::{FileSeal, PassphraseSeal, Seal};
use allonym_store::{BackupReport, PostgresConfig, Store, StoreError};
use zeroize::Zeroizing;

use super::tenure::Tenure;
use crate::config::{self, Config, ConfigErrors, Postgres, SealKind, StoreKind};

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The seal does not open.
    #[error("seal: {0}")]
    Seal(#[from] allonym_seal::SealError),
    /// A secret is missing.
    #[error("seal: {0}")]
    Secret(#[from] config::SecretError),
    /// The store does not open.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A store on a server does not open.
    #[error("store: PostgreSQL at {address}: {cause}")]
    Database {
        /// Hosts with their ports.
        address: String,
        /// Why.
        cause: StoreError,
    },
    /// A backup does not become a store.
    #[error("restore: {store}: {cause}")]
    Restore {
        /// What was to be made.
        store: String,
        /// Why it was not.
        cause: StoreError,
    },
    /// The password of a store on a server is missing.
    #[error("store: the password: {0}")]
    Password(config::SecretError),
    /// Another gateway has a store on a server.
    #[error("store: in use by another gateway ({0}): one gateway at a time writes to a store")]
    Held(String),
    /// The audit log does not open.
    #[error("audit: {0}")]
    Audit(#[from] allonym_audit::OpenError),
    /// The audit log does not take the start.
    #[error("audit: {0}")]
    AuditSink(#[from] allonym_audit::AuditError),
    /// A connector does not start.
    #[error("{connector}: {cause}")]
    Connector {
        /// Which.
        connector: String,
        /// Why.
        cause: String,
    },
    /// A part of the gateway ended while it was needed.
    #[error("{0} ended early")]
    Ended(&'static str),
    /// Anything the operating system refuses.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        cause: std::io::Error,
    },
}

impl StartError {
    /// What to print: a configuration has an error a line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Config(errors) => errors.0.iter().map(ToString::to_string).collect(),
            other => vec![format!("allonym: {other}")],
        }
    }
}

pub(super) fn open_seals(config: &Config) -> Result<Vec<Box<dyn Seal>>, StartError> {
    let open = |seal: &config::Seal| -> Result<Box<dyn Seal>, StartError> {
        Ok(match &seal.kind {
            SealKind::File(path) => Box::new(FileSeal::open(path)?),
            SealKind::Passphrase(secret) => {
                let passphrase: Zeroizing<String> = secret.resolve()?;
                Box::new(PassphraseSeal::new(passphrase)?)
            }
        })
    };
    config.seals.iter().map(open).collect()
}

/// Opens the store for writing, and takes it for this process.
pub(super) fn open_store(
    config: &Config,
    seals: &[Box<dyn Seal>],
    said: impl Fn(&str) + Send + Sync + 'static,
) -> Result<(Store, Tenure), StartError> {
    match &config.store.kind {
        StoreKind::File(path) => {
            Ok((Store::open(path, seals, SystemTime::now())?, Tenure::of_file()))
        }
        StoreKind::Postgres(database) => {
            let away = |cause| StartError::Database { address: database.address(), cause };
            let server = server(database)?;
            let store = Store::open_postgres(&server, seals, SystemTime::now()).map_err(away)?;
            let tenure = Tenure::take(&store, said)?;
            Ok((store, tenure))
        }
    }
}

/// Opens the store to look at it, while a gateway may have it open; none if there is no
/// store yet.
///
/// # Errors
/// When it does not open.
pub fn look_at_store(config: &Config) -> Result<Option<Store>, StartError> {
    match &config.store.kind {
        // Nor need there be a seal yet.
        StoreKind::File(path) if !path.exists() => Ok(None),
        StoreKind::File(path) => Ok(Some(Store::open_read_only(path, &open_seals(config)?)?)),
        StoreKind::Postgres(database) => {
            match Store::open_postgres_read_only(&server(database)?, &open_seals(config)?) {
                Ok(store) => Ok(Some(store)),
                Err(StoreError::NoStore) => Ok(None),
                Err(cause) => Err(StartError::Database { address: database.address(), cause }),
            }
        }
    }
}

/// Makes the store that a configuration names out of a backup, where there is none.
///
/// # Errors
/// When there is a store already, no seal fits, or the backup was altered or cut.
pub fn restore(config: &Config, from: &Path) -> Result<BackupReport, StartError> {
    let seals = open_seals(config)?;
    let now = SystemTime::now();
    let restored = match &config.store.kind {
        StoreKind::File(to) => Store::restore(from, to, &seals, now),
        StoreKind::Postgres(database) => {
            Store::restore_postgres(from, &server(database)?, &seals, now)
        }
    };
    restored.map_err(|cause| StartError::Restore { store: config.store.to_string(), cause })
}

/// A server as the store wants to know it.
fn server(database: &Postgres) -> Result<PostgresConfig, StartError> {
    let password = database.password.as_ref().map(config::SecretRef::resolve);
    Ok(PostgresConfig {
        password: password.transpose().map_err(StartError::Password)?,
        connections: database.connections,
        ..PostgresConfig::new(database.url.clone())
    })
}
