use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Key material of 256 bits. Wiped when dropped; it can be neither printed, nor
/// cloned by accident, nor serialized.
pub struct Secret(Box<Zeroizing<[u8; 32]>>);

impl Secret {
    /// Takes over 32 bytes; the caller's copy is the caller's to wipe.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(Box::new(bytes))
    }

    /// Fresh key material from the operating system.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self::new(bytes))
    }

    /// The bytes themselves, for a cipher's key schedule or for wrapping.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Secret {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}
