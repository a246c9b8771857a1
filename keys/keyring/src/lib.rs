//! Keys, key versions and their derivation.
//!
//! What this crate is: the nouns of key management ([`KeyId`], [`KeyVersion`],
//! [`KeyState`], [`Secret`]), the trait through which everything else reaches key
//! material ([`Keyring`]), and the one derivation every data key goes through
//! ([`derive`]).
//!
//! What it is not: it does no I/O, never sees a payload, and knows no method.
//! Storing and wrapping keys is the business of `keys/store` and `keys/seal`.

mod derive;
mod id;
mod ring;
mod secret;
mod version;

pub use derive::{Info, Purpose, derive};
pub use id::{DomainId, KeyId, NamespaceId, ParseIdError};
pub use ring::{KeyEntry, KeyError, KeySet, Keyring};
pub use secret::Secret;
pub use version::{KeyState, KeyVersion};
