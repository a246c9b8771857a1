//! The store: everything of an installation that cannot be made again, in one SQLite
//! file or one PostgreSQL schema, sealed before it is written.
//!
//! What this crate is: the key hierarchy at rest (seals open the root key, the root
//! key the namespace key, the namespace key each key version), pinned domains and
//! places, vaulted tokens, API tokens, settings, and verified backups. Administration
//! is blocking and quick; tokens are asynchronous, batched, and answered only when
//! they are on disk.
//!
//! What it is not: it applies no policy and protects no payload. What a token stands
//! for is sealed by its caller and never seen here.

mod admin;
mod backup;
mod census;
mod error;
mod file;
mod hierarchy;
mod keys;
mod leases;
mod pins;
mod postgres;
mod restored;
mod schema;
mod sealing;
mod sql;
mod sqlite;
mod store;
mod stream;
mod vault;

pub use admin::{ApiTokenRow, Setting};
pub use backup::BackupReport;
pub use error::StoreError;
pub use hierarchy::SealInfo;
pub use keys::{KeyInfo, VersionInfo};
pub use leases::Lease;
pub use pins::{PinnedDomain, PinnedPlace};
pub use postgres::PostgresConfig;
pub use restored::RestoredInfo;
pub use store::Store;
pub use vault::{PutOutcome, SubjectChange, TokenRow};
