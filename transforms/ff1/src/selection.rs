//! Which engine runs: the portable one, or one for the instructions that this processor has.

use std::fmt;

/// An implementation of FF1. All of them give the same results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Safe code on the `aes` crate; runs everywhere.
    Portable,
    /// One AES block to an instruction.
    AesNi,
    /// Two AES blocks to an instruction.
    Vaes256,
    /// Four AES blocks to an instruction, and the arithmetic of short halves in vectors too.
    Vaes512,
}

impl Engine {
    /// The engines that this processor can run, the portable one first and the fastest last.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Portable, Self::AesNi, Self::Vaes256, Self::Vaes512]
            .into_iter()
            .filter(|engine| engine.is_available())
    }

    /// The fastest engine that this processor can run.
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            _ => crate::simd::Level::of(self).is_some_and(crate::simd::Level::is_available),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Its name: `portable`, `aes-ni`, `vaes-256` or `vaes-512`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::AesNi => "aes-ni",
            Self::Vaes256 => "vaes-256",
            Self::Vaes512 => "vaes-512",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
