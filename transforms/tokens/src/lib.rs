//! Vaulted tokens over the store.
//!
//! [`VaultStore`] keeps the two directions of a vaulted token in the rows of
//! `keys/store`: from a keyed hash of the value to the token, and from the token to the
//! value, which is sealed here and never seen there.
//!
//! ```text
//!   look-up = HMAC-SHA-256 under a key that is fixed for the domain's life, 16 bytes
//!   sealed  = AES-256-GCM-SIV under the key version of the row, bound to
//!             namespace, domain, token and version
//! ```
//!
//! What else is known of a token is sealed under a key of its own, and whom it is about is
//! a hash under a third. When it was issued, when it ends and whether it is switched off
//! are not sealed: the store acts on them.
//!
//! A rotation seals the values again; tokens and look-ups stay.

mod cache;
mod claims;
mod counters;
mod domains;
mod outages;
mod rounds;
mod sealing;
mod settings;
mod transfer;
mod upkeep;
mod vault;
pub mod vectors;

pub use cache::CacheCounts;
pub use claims::{Erasure, Receipt};
pub use counters::Pressure;
pub use outages::Outage;
pub use settings::{CacheSettings, Settings};
pub use transfer::{Exporter, ImportError, Imported, Importer, Summary};
pub use upkeep::{Metadata, MetadataError, TokenState};
pub use vault::VaultStore;
