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
//! A rotation seals the values again; tokens and look-ups stay.

mod sealing;
mod vault;

pub use vault::VaultStore;
