use std::path::PathBuf;

use allonym_keyring::{DomainId, KeyId, KeyVersion};
use allonym_seal::SealError;
use rusqlite::ErrorCode;

/// Why the store did not do it. Names things, never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process (or another part of this one) has the store open.
    #[error("{0} is in use: a store is opened once at a time")]
    InUse(PathBuf),
    /// The file is there but is not a store, or only a part of one.
    #[error("{0} is not a store")]
    NotAStore(PathBuf),
    /// A newer release wrote it.
    #[error(
        "the store has schema {found}, this release knows up to {known}: use the newer release"
    )]
    Newer {
        /// The schema found.
        found: u32,
        /// The newest schema this release knows.
        known: u32,
    },
    /// An older release wrote it, and it was opened for reading only.
    #[error(
        "the store has schema {found}, this release reads {known}: start the gateway once, it \
         brings the store up"
    )]
    Older {
        /// The schema found.
        found: u32,
        /// The schema this release reads.
        known: u32,
    },
    /// No seal was given.
    #[error("a store needs a seal")]
    NoSeal,
    /// None of the given seals wraps the root key of this store.
    #[error("this seal does not open this store")]
    WrongSeal,
    /// A seal failed in another way.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A row does not open, or says something else than what was sealed with it.
    #[error("a row of {0} was altered")]
    Altered(&'static str),
    /// The disk is full, read-only or failing, or the store is closing. Nothing was
    /// changed; it may work later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// What the URL of the PostgreSQL server is not. It is never quoted.
    #[error("the URL of the PostgreSQL server {0}")]
    PostgresUrl(&'static str),
    /// The authorities that the server's certificate is verified with cannot be read.
    #[error("{0} holds no certificates, or cannot be read")]
    RootCertificates(PathBuf),
    /// The PostgreSQL server is there and refuses, or is refused: rights, password,
    /// database, certificate. It does so until somebody changes something.
    #[error("the store in PostgreSQL cannot be used: {0}")]
    Refused(String),
    /// The PostgreSQL schema holds no store.
    #[error("the PostgreSQL schema holds no store")]
    NoStore,
    /// The PostgreSQL schema holds a store, which is never overwritten.
    #[error("the PostgreSQL schema holds a store already and is not overwritten")]
    SchemaInUse,
    /// The file is damaged.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// SQLite refused for a reason that is a defect of this program.
    #[error("the store failed: {0}")]
    Database(String),
    /// The operating system has no randomness to give.
    #[error("the operating system has no randomness to give")]
    Randomness,
    /// The cipher failed, which only want of memory causes.
    #[error("the cipher failed")]
    Cipher,
    /// Something is empty or longer than it may be.
    #[error("{what} has a length outside 1..={limit}")]
    Length {
        /// What it is.
        what: &'static str,
        /// The most that is accepted.
        limit: usize,
    },
    /// A text holds a NUL character, which not every database can store.
    #[error("{0} holds a NUL character")]
    Nul(&'static str),
    /// The store knows no such key.
    #[error("key {0} is not known")]
    UnknownKey(KeyId),
    /// The key has no such version.
    #[error("key {0} has no version {1}")]
    UnknownVersion(KeyId, KeyVersion),
    /// The active version cannot be destroyed.
    #[error("version {1} of key {0} is active: rotate first")]
    ActiveVersion(KeyId, KeyVersion),
    /// Tokens are still sealed under the version.
    #[error("version {1} of key {0} still seals tokens: reseal them first")]
    VersionInUse(KeyId, KeyVersion),
    /// A value was sealed under a version that is destroyed, or was never made: it
    /// could not be revealed. Seal it again under the newest.
    #[error("version {version} of the key of domain {domain} is not there to seal with")]
    VersionGone {
        /// The domain.
        domain: DomainId,
        /// The version.
        version: u32,
    },
    /// No version number is left.
    #[error("key {0} has no version number left")]
    VersionsSpent(KeyId),
    /// The store came from a backup, and the key was not rotated to a named number since:
    /// the next number may be that of a version which the backup does not hold.
    #[error(
        "the store was restored from a backup, and versions of key `{name}` made after the \
         backup may have protected values: name the next version number (see the audit log)"
    )]
    RestoredKey {
        /// The name of the key.
        name: String,
    },
    /// A name is taken, so nothing can be made or renamed to it.
    #[error("{what} `{name}` exists already")]
    NameTaken {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// There is nothing of this name.
    #[error("there is no {what} `{name}`")]
    UnknownName {
        /// What is looked for.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The store knows no such domain.
    #[error("domain {0} is not known")]
    UnknownDomain(DomainId),
    /// The domain has protected values, so its specification and key are fixed.
    #[error("domain `{0}` is in use: its specification and key cannot change")]
    DomainPinned(String),
    /// The domain was retired: it protects no more, and its name is not used again.
    #[error("domain `{0}` is retired")]
    DomainRetired(String),
    /// The place holds values of another domain.
    #[error("{field} at `{place}` holds values of domain {holds}")]
    PlacePinned {
        /// The place.
        place: String,
        /// The field there.
        field: String,
        /// The domain it last used.
        holds: DomainId,
    },
    /// Another took the lease since, or it was released: who held it writes no more.
    #[error("the lease `{0}` is held no more")]
    LeaseLost(String),
    /// The store was made out of a backup, and how many numbers were taken since is not
    /// known: a number that came twice would give one token to two values.
    #[error(
        "the store was made out of a backup: say how many tokens of domain {0} may have been issued since (`allonym tokens resume CLASS --skip N`)"
    )]
    CountersUnknown(DomainId),
    /// Something is in the way of a file that is never overwritten.
    #[error("{0} exists already and is not overwritten")]
    Exists(PathBuf),
    /// The file is no backup.
    #[error("{0} is not a backup")]
    NotABackup(PathBuf),
    /// A newer release wrote the backup.
    #[error("the backup has format {0}, which this release does not know")]
    BackupFormat(u32),
    /// The backup was cut, changed, or put together from others.
    #[error("the backup was altered or is incomplete")]
    BackupAltered,
    /// A backup that was just written does not hold what the store holds.
    #[error("the backup does not hold what the store holds: {0}")]
    BackupDiffers(&'static str),
}

impl From<rusqlite::Error> for StoreError {
    /// SQLite's own words may quote SQL or text, so only its code is kept.
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, _) = error else {
            return Self::Damaged("a column has a type it cannot have".to_owned());
        };
        let why = failure.to_string();
        match failure.code {
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::NoLargeFileSupport => Self::Unavailable(why),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged(why),
            _ => Self::Database(why),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<getrandom::Error> for StoreError {
    fn from(_: getrandom::Error) -> Self {
        Self::Randomness
    }
}
