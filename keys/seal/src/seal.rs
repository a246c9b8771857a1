use std::path::PathBuf;

use allonym_keyring::Secret;

use crate::WrappedRoot;

/// Something that can wrap and unwrap a root key.
pub trait Seal: Send + Sync {
    /// What people call this seal, such as `file:/etc/allonym/seal.key` or
    /// `passphrase`. Never holds key material.
    fn name(&self) -> String;

    /// Wraps a root key, with a fresh nonce (and salt) each time.
    ///
    /// # Errors
    /// When the operating system has no randomness or no memory to give.
    fn wrap(&self, root: &Secret) -> Result<WrappedRoot, SealError>;

    /// The root key in a wrap that this seal made.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] for a wrap of another seal, [`SealError::Altered`] for
    /// one that was changed.
    fn unwrap(&self, wrapped: &WrappedRoot) -> Result<Secret, SealError>;
}

/// Why a seal cannot be used. Never holds key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The wrap was made by another seal: another kind, key or passphrase.
    #[error("this seal does not open this store")]
    WrongKey,
    /// The seal is the right one, but the wrap is not what it wrote.
    #[error("the wrapped root key was altered")]
    Altered,
    /// The wrap is of a format this release does not know.
    #[error("the wrapped root key has format {0}, which this release does not know")]
    Format(u32),
    /// The cost parameters of a passphrase are outside what is accepted.
    #[error("the Argon2id cost is out of bounds: {0}")]
    Cost(&'static str),
    /// The passphrase is too short to seal with.
    #[error("a passphrase has at least {0} characters")]
    ShortPassphrase(usize),
    /// The key file can be read by others than its owner.
    #[error(
        "the key file {path} is open to others than its owner (mode {mode:04o}): chmod 600 {path}"
    )]
    OpenToOthers {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file is not 32 bytes in hexadecimal or base64.
    #[error(
        "the key file {0} must hold 32 bytes as 64 hexadecimal digits or as base64, and nothing else"
    )]
    NotAKey(PathBuf),
    /// A key file is there already: it is never overwritten.
    #[error("{0} exists already: a key file is never overwritten")]
    Exists(PathBuf),
    /// The key file cannot be read or written.
    #[error("the key file {path}: {reason}")]
    Unreadable {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The operating system has no randomness to give.
    #[error("the operating system has no randomness to give")]
    Randomness,
    /// The cipher or the key derivation failed, which only want of memory causes.
    #[error("the key could not be computed: out of memory")]
    Memory,
}
