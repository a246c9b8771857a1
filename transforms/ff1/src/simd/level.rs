//! What the processor has.

use crate::selection::Engine;

/// A set of instructions; each includes those before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Xmm,
    Ymm,
    Zmm,
}

impl Level {
    /// The level of an engine, none for the portable one.
    pub(crate) fn of(engine: Engine) -> Option<Self> {
        match engine {
            Engine::Portable => None,
            Engine::AesNi => Some(Self::Xmm),
            Engine::Vaes256 => Some(Self::Ymm),
            Engine::Vaes512 => Some(Self::Zmm),
        }
    }

    /// Whether this processor has it; the standard library asks the processor once.
    pub(crate) fn is_available(self) -> bool {
        let xmm = || is_x86_feature_detected!("aes") && is_x86_feature_detected!("sse4.1");
        let ymm = || {
            is_x86_feature_detected!("vaes")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi2")
        };
        let zmm = || {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512ifma")
                && is_x86_feature_detected!("avx512vbmi")
        };
        match self {
            Self::Xmm => xmm(),
            Self::Ymm => xmm() && ymm(),
            Self::Zmm => xmm() && ymm() && zmm(),
        }
    }
}
