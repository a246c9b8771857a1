use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use allonym_keyring::{KeyVersion, Keyring};
use allonym_protect::{
    Context, Domain, FaultRule, Luhn, Mark, Mask, Method, MethodSpec, Spec, TemplateSpec,
    TokenTemplate, VersionMode,
};
use allonym_record::Value;

/// A data class: what it is, and how it is protected.
pub struct ClassPlan {
    /// Its name.
    pub name: Arc<str>,
    /// What the upstream holds.
    pub stored: Stored,
    /// How it is masked for those who see it masked.
    pub mask: Mask,
    /// Nothing new is protected under it.
    pub retired: bool,
    /// How many different values it can have, where that is declared.
    pub distinct: Option<u64>,
}

/// What the upstream holds.
pub enum Stored {
    /// Plain values: on the way out they are masked, or protected if there is a method.
    Plain(Option<Box<Protected>>),
    /// Protected values.
    Protected(Box<Protected>),
}

/// How a class is protected.
pub struct Protected {
    /// The method, built.
    pub method: Method,
    /// The domain whose ids are in every derivation.
    pub domain: Domain,
    /// The name of its domain.
    pub domain_name: String,
    /// The name of its key.
    pub key_name: String,
    /// What is pinned.
    pub spec: Spec,
    /// The same as it stands in the store.
    pub spec_text: String,
    /// Set once the store remembers that the domain is in use: from then on its
    /// specification cannot change.
    pub used: AtomicBool,
}

impl ClassPlan {
    /// The protection, if the upstream holds protected values.
    #[must_use]
    pub fn protected(&self) -> Option<&Protected> {
        match &self.stored {
            Stored::Plain(_) => None,
            Stored::Protected(protected) => Some(protected),
        }
    }

    /// How values of the class are protected, wherever that happens.
    #[must_use]
    pub fn method_of(&self) -> Option<&Protected> {
        match &self.stored {
            Stored::Plain(protected) => protected.as_deref(),
            Stored::Protected(protected) => Some(protected),
        }
    }

    /// What a value shows by itself about being protected; a class without a method has no
    /// protected form to show.
    #[must_use]
    pub fn mark(&self, value: &Value, context: &Context<'_>) -> Mark {
        match &self.stored {
            Stored::Plain(None) => Mark::Plain,
            // The upstream holds what is written: it need not fit the way out.
            Stored::Plain(Some(outward)) => match outward.mark(value, context) {
                Mark::Neither(rule) if is_foreign(rule) => Mark::Plain,
                mark => mark,
            },
            Stored::Protected(protected) => protected.mark(value, context),
        }
    }

    /// Where the mark of protected values is, if a slip of the pen can put one there too.
    #[must_use]
    pub fn mistakable_mark(&self) -> Option<&'static str> {
        match self.method_of()?.spec.method {
            MethodSpec::Fpe { version: VersionMode::Slack, .. } => {
                Some("its check digits are those of a protected one")
            }
            MethodSpec::Fpe { version: VersionMode::Reserved, .. } => {
                Some("it lies in a range of protected ones")
            }
            _ => None,
        }
    }

    /// Whether protected values of the class can be told from plain ones by themselves.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.method_of().is_none_or(Protected::is_marked)
    }
}

impl Protected {
    /// What a value shows by itself.
    #[must_use]
    pub fn mark(&self, value: &Value, context: &Context<'_>) -> Mark {
        match &self.method {
            Method::Pure(transform) => transform.mark(value, context),
            Method::Stored(vaulted) => vaulted.mark(value),
        }
    }

    /// Whether protected values carry a mark.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        match &self.method {
            Method::Pure(transform) => transform.is_marked(),
            Method::Stored(_) => is_marked(&self.spec.method),
        }
    }

    /// Whether there is a way back.
    #[must_use]
    pub fn is_reversible(&self) -> bool {
        match &self.method {
            Method::Pure(transform) => transform.is_reversible(),
            Method::Stored(_) => true,
        }
    }

    /// Whether the protected form is made from value and key alone.
    #[must_use]
    pub fn is_computed(&self) -> bool {
        matches!(self.method, Method::Pure(_))
    }

    /// Whether protected values show what they are by their format alone: whoever spells one
    /// otherwise (spaces in a card number, another form of a date) takes even that away.
    #[must_use]
    pub const fn has_format(&self) -> bool {
        matches!(self.spec.method, MethodSpec::Fpe { .. })
    }

    /// The method's name, with its template.
    #[must_use]
    pub fn method_name(&self) -> String {
        match &self.spec.method {
            MethodSpec::Fpe { template: TemplateSpec::National { id }, version } => {
                format!("fpe national {id} ({})", version.name())
            }
            MethodSpec::Fpe { template, version } => {
                format!("fpe {} ({})", template.name(), version.name())
            }
            MethodSpec::Siv => "siv (header)".to_owned(),
            MethodSpec::Hash => "hash (header)".to_owned(),
            MethodSpec::Token { template, random, .. } => {
                let kind = if *random { "random" } else { "convergent" };
                format!("token {} ({kind})", template.name())
            }
            MethodSpec::Mask(_) => "mask".to_owned(),
            MethodSpec::Redact => "redact".to_owned(),
            MethodSpec::Encrypt => "encrypt (header)".to_owned(),
            MethodSpec::Vaultless => "token (vaultless)".to_owned(),
            MethodSpec::Truncate { .. } => "truncate".to_owned(),
            MethodSpec::DateShift { .. } => "date_shift".to_owned(),
            MethodSpec::Generalize { .. } => "generalize".to_owned(),
            MethodSpec::Replace { .. } => "replace".to_owned(),
        }
    }

    /// The version that protects now, for `explain`.
    #[must_use]
    pub fn active_version(&self, keys: &dyn Keyring) -> Option<KeyVersion> {
        keys.active(self.domain.key).ok()
    }
}

/// Whether a protected value can be revealed from itself, without anything beside it or
/// the position of its row.
pub(super) const fn stands_alone(method: &MethodSpec) -> bool {
    !matches!(method, MethodSpec::Fpe { version: VersionMode::Sidecar | VersionMode::Epoch, .. })
}

/// Whether all values of a method are under one key version, whichever live besides.
pub(super) const fn has_one_version(method: &MethodSpec) -> bool {
    matches!(method, MethodSpec::Fpe { version: VersionMode::Pinned, .. })
}

/// Whether protected values of a method can be told from plain ones by themselves. Those
/// of sidecar are told by what is kept beside them.
#[must_use]
pub const fn is_marked(method: &MethodSpec) -> bool {
    match method {
        MethodSpec::Fpe { version, .. } => {
            !matches!(version, VersionMode::Pinned | VersionMode::Epoch)
        }
        MethodSpec::Siv | MethodSpec::Encrypt | MethodSpec::Hash | MethodSpec::Vaultless => true,
        MethodSpec::Token { template, .. } => match template {
            TokenTemplate::Plain | TokenTemplate::Email { .. } => true,
            TokenTemplate::Pan { luhn, .. } => matches!(luhn, Luhn::Fails),
            TokenTemplate::Digits { .. } | TokenTemplate::Alphanumeric { .. } => false,
        },
        MethodSpec::Mask(_)
        | MethodSpec::Redact
        | MethodSpec::Replace { .. }
        | MethodSpec::Truncate { .. }
        | MethodSpec::DateShift { .. }
        | MethodSpec::Generalize { .. } => false,
    }
}

/// Whether a broken rule says "this was never ours" (text where a card should be), as
/// opposed to "this could be a damaged token".
#[must_use]
pub const fn is_foreign(rule: FaultRule) -> bool {
    matches!(
        rule,
        FaultRule::Kind
            | FaultRule::Length
            | FaultRule::Alphabet
            | FaultRule::Structure
            | FaultRule::Masked
    )
}
