//! Seals: what wraps the root key of a store.
//!
//! What this crate is: the trait [`Seal`], and the seals that need nothing but this
//! machine: a key file ([`FileSeal`]) and a passphrase ([`PassphraseSeal`]). Every
//! seal of a store wraps the same root key on its own, so any one of them opens it.
//!
//! What it is not: it stores no wraps and knows no other key than the root key.

mod file;
mod passphrase;
mod seal;
mod wrapped;

pub use file::FileSeal;
pub use passphrase::{Cost, PassphraseSeal};
pub use seal::{Seal, SealError};
pub use wrapped::{SealKind, WrappedRoot};
