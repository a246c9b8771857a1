use allonym_protect::MethodSpec;

/// Whether there is a way back to the plain value.
#[must_use]
pub const fn is_reversible(method: &MethodSpec) -> bool {
    matches!(
        method,
        MethodSpec::Fpe { .. }
            | MethodSpec::Siv
            | MethodSpec::Encrypt
            | MethodSpec::Token { .. }
            | MethodSpec::Vaultless
    )
}

/// Whether equal values get equal protected forms that no other value gets, so that they
/// can be looked up and counted.
#[must_use]
pub const fn is_deterministic(method: &MethodSpec) -> bool {
    match method {
        MethodSpec::Fpe { .. } | MethodSpec::Siv | MethodSpec::Hash | MethodSpec::Vaultless => true,
        MethodSpec::Token { random, .. } => !*random,
        MethodSpec::Encrypt
        | MethodSpec::Mask(_)
        | MethodSpec::Redact
        | MethodSpec::Replace { .. }
        | MethodSpec::Truncate { .. }
        | MethodSpec::DateShift { .. }
        | MethodSpec::Generalize { .. } => false,
    }
}

/// Whether the token store knows the protected form: the others are computed from value
/// and key.
#[must_use]
pub const fn is_stored(method: &MethodSpec) -> bool {
    matches!(method, MethodSpec::Token { .. })
}

/// Its name in the configuration.
#[must_use]
pub const fn method_name(method: &MethodSpec) -> &'static str {
    match method {
        MethodSpec::Fpe { .. } => "fpe",
        MethodSpec::Siv => "siv",
        MethodSpec::Encrypt => "encrypt",
        MethodSpec::Hash => "hash",
        MethodSpec::Token { .. } | MethodSpec::Vaultless => "token",
        MethodSpec::Mask(_) => "mask",
        MethodSpec::Redact => "redact",
        MethodSpec::Replace { .. } => "replace",
        MethodSpec::Truncate { .. } => "truncate",
        MethodSpec::DateShift { .. } => "date_shift",
        MethodSpec::Generalize { .. } => "generalize",
    }
}
