use std::fmt;

use allonym_keyring::Secret;
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::wrapped::Kdf;
use crate::{Seal, SealError, SealKind, WrappedRoot};

/// Below this many characters no cost parameter helps.
const SHORTEST: usize = 12;
const SALT_LEN: usize = 16;

/// A seal by a passphrase, stretched with Argon2id (RFC 9106). Salt and cost are in
/// each wrap, so the default may rise without closing older wraps.
pub struct PassphraseSeal {
    passphrase: Zeroizing<String>,
    cost: Cost,
}

impl PassphraseSeal {
    /// A seal by this passphrase at [`Cost::DEFAULT`].
    ///
    /// # Errors
    /// For a passphrase of fewer than 12 characters.
    pub fn new(passphrase: Zeroizing<String>) -> Result<Self, SealError> {
        Self::with_cost(passphrase, Cost::DEFAULT)
    }

    /// A seal whose new wraps have this cost; unwrapping takes the cost of the wrap.
    ///
    /// # Errors
    /// For a passphrase of fewer than 12 characters, or a cost out of bounds.
    pub fn with_cost(passphrase: Zeroizing<String>, cost: Cost) -> Result<Self, SealError> {
        cost.parameters()?;
        if passphrase.chars().count() < SHORTEST {
            return Err(SealError::ShortPassphrase(SHORTEST));
        }
        Ok(Self { passphrase, cost })
    }

    fn key(&self, kdf: &Kdf) -> Result<Secret, SealError> {
        if kdf.salt.len() != SALT_LEN {
            return Err(SealError::Altered);
        }
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, kdf.cost.parameters()?)
            .hash_password_into(self.passphrase.as_bytes(), &kdf.salt, key.as_mut_slice())
            .map_err(|_| SealError::Memory)?;
        Ok(Secret::new(key))
    }
}

impl Seal for PassphraseSeal {
    fn name(&self) -> String {
        "passphrase".to_owned()
    }

    fn wrap(&self, root: &Secret) -> Result<WrappedRoot, SealError> {
        let mut salt = vec![0; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|_| SealError::Randomness)?;
        let kdf = Kdf { salt, cost: self.cost };
        let key = self.key(&kdf)?;
        WrappedRoot::close(&key, SealKind::Passphrase, Some(kdf), root)
    }

    fn unwrap(&self, wrapped: &WrappedRoot) -> Result<Secret, SealError> {
        wrapped.expect(SealKind::Passphrase)?;
        let kdf = wrapped.kdf().ok_or(SealError::Altered)?;
        wrapped.open(&self.key(kdf)?)
    }
}

impl fmt::Debug for PassphraseSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassphraseSeal").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// What one guess of a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Memory in KiB; at most 4 GiB.
    pub memory_kib: u32,
    /// Passes over the memory; at most 64.
    pub passes: u32,
    /// Lanes; at most 16.
    pub lanes: u32,
}

impl Cost {
    /// The second recommendation of RFC 9106, section 4, on one lane: 64 MiB, 3 passes.
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// Bounded, because the cost in a wrap comes from a file that may have been altered.
    fn parameters(self) -> Result<Params, SealError> {
        if self.memory_kib > 4 * 1024 * 1024 {
            return Err(SealError::Cost("memory is at most 4 GiB"));
        }
        if self.passes > 64 {
            return Err(SealError::Cost("passes are at most 64"));
        }
        if self.lanes > 16 {
            return Err(SealError::Cost("lanes are at most 16"));
        }
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(|_| {
            SealError::Cost("at least one pass, one lane, and 8 KiB of memory for each lane")
        })
    }
}
