mod format;
mod one_way;
mod size;
mod token;

use std::sync::Arc;
use std::time::Duration;

use allonym_keyring::{DomainId, KeyId, NamespaceId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use format::{DateFormat, EmailPart, Keep, TemplateSpec, TimestampFormat, VersionMode};
pub use one_way::{Buckets, DatePart, ShiftPer};
pub use size::{Size, SizeClass, sizes};
pub use token::{Canonical, Luhn, TokenTemplate};

use crate::fpe::Fpe;
use crate::hash::Hash;
use crate::redact::Redact;
use crate::replace::Replace;
use crate::siv::Siv;
use crate::{
    Mask, Method, TokenDomain, TokenStore, Transform, Vaulted, date_shift, encrypt, generalize,
    truncate, vaultless,
};

/// What a domain's values look like and how they are protected. Pinned in the store at
/// first use: a stored value can be read only by the specification that wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Version of the specification's meaning; 1 today.
    pub revision: u32,
    /// Method and its parameters.
    pub method: MethodSpec,
    /// Within which scope equal inputs give equal outputs.
    pub scope: Scope,
}

/// A method and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum MethodSpec {
    /// Format-preserving encryption: FF1 with AES-256.
    Fpe {
        /// The format.
        template: TemplateSpec,
        /// Where the key version is.
        version: VersionMode,
    },
    /// Deterministic authenticated encryption to text: AES-256-SIV with a header.
    Siv,
    /// Authenticated encryption to text with a header, another text each time: AES-256-GCM-SIV.
    Encrypt,
    /// One-way: HMAC-SHA-256 to text with a header.
    Hash,
    /// A surrogate looked up in the token store.
    Token {
        /// The shape of the token.
        template: TokenTemplate,
        /// A new token each time (then it cannot be searched).
        random: bool,
        /// How a value is brought into one form before it is looked up.
        canonical: Canonical,
    },
    /// A surrogate that is computed: what looks like a plain token, and needs no store.
    Vaultless,
    /// One-way: characters are replaced by a mask.
    Mask(Mask),
    /// One-way: the value becomes null.
    Redact,
    /// One-way: a constant text takes its place.
    Replace {
        /// The constant.
        with: String,
    },
    /// One-way: only the kept ends of a text are left.
    Truncate {
        /// What is left.
        keep: Keep,
    },
    /// One-way: a date moves by a keyed number of days.
    DateShift {
        /// How the date is written.
        format: DateFormat,
        /// By how many days at most, in either direction; never by 0.
        days: u32,
        /// What moves by the same number of days.
        per: ShiftPer,
    },
    /// One-way: the bucket of a value takes its place.
    Generalize {
        /// The buckets.
        to: Buckets,
    },
}

/// Within which scope equal inputs give equal outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everywhere in the namespace.
    #[default]
    Global,
    /// Within one tenant; the claim that names it.
    Tenant(String),
}

/// Who a domain is: what enters its derivations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its permanent id.
    pub id: DomainId,
    /// Its key.
    pub key: KeyId,
}

/// What a method may use besides its specification: none of it changes a stored value.
#[derive(Clone, Default)]
pub struct Means {
    /// The token store; needed by vaulted methods only.
    pub tokens: Option<Arc<dyn TokenStore>>,
    /// The tenants there are, where the scope is one and the domain is so small that a
    /// table is made for each: another tenant is refused.
    pub tenants: Vec<String>,
    /// How long a vaulted token is good for; `None`: for ever.
    pub ttl: Option<Duration>,
}

/// A specification that cannot be had, and what to use instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Fewer than 10^6 values at some length the template admits (SP 800-38G Rev. 1 2PD, section 5).
    #[error(
        "at length {length} only {free} characters change, which leaves {size} values: fewer than the 10^6 FF1 needs; {instead}"
    )]
    DomainTooSmall {
        /// The length, in characters.
        length: usize,
        /// How many characters are enciphered at that length.
        free: usize,
        /// How many values that leaves.
        size: u128,
        /// What to use instead.
        instead: &'static str,
    },
    /// A ranked format has so few values of one kind that a table would hide nothing.
    #[error(
        "{class}: {size} values, fewer than the 100 a permutation table needs; use `method: token` or `method: siv`"
    )]
    ClassTooSmall {
        /// Which values.
        class: String,
        /// How many there are.
        size: u128,
    },
    /// A template that cannot have this version mode.
    #[error("template {template} cannot have `version: {mode}`: {why}")]
    Mode {
        /// The template.
        template: &'static str,
        /// The version mode.
        mode: &'static str,
        /// Why, and what to use instead.
        why: &'static str,
    },
    /// The template has no spare room for a version.
    #[error("template {0} has no check digits to carry the version: use `version: pinned`")]
    NoSlack(&'static str),
    /// Anything else that cannot be.
    #[error("{0}")]
    Invalid(&'static str),
    /// A regular expression that cannot be read: what is wrong with it, and where.
    #[error("`pattern` cannot be read: {0}")]
    Pattern(String),
}

impl Spec {
    /// The digest that enters derivations: SHA-256 of the canonical JSON form, which is
    /// the specification's fields in the order of their declaration, without spaces, and
    /// without a `keep` that is absent. A stored format: no field is ever moved, renamed
    /// or added to what is written for a specification of revision 1.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        match serde_json::to_vec(self) {
            Ok(json) => Sha256::digest(&json).into(),
            Err(_) => unreachable!("a specification has text keys only"),
        }
    }
}

/// Builds the method of a domain.
///
/// # Errors
/// When the specification cannot be had.
pub fn build(spec: &Spec, domain: Domain, means: Means) -> Result<Method, SpecError> {
    if spec.revision != 1 {
        return Err(SpecError::Invalid(
            "the specification is of a revision this version does not know",
        ));
    }
    if spec.scope == Scope::Tenant(String::new()) {
        return Err(SpecError::Invalid("the scope names no claim for the tenant"));
    }
    let (digest, scope) = (spec.digest(), spec.scope.clone());
    let transform: Arc<dyn Transform> = match &spec.method {
        MethodSpec::Fpe { template, version } => {
            Arc::new(Fpe::new(template, *version, (scope, means.tenants), domain, digest)?)
        }
        MethodSpec::Encrypt => encrypt::build(domain, digest, scope)?,
        MethodSpec::Vaultless => vaultless::build(domain, digest, scope)?,
        MethodSpec::Truncate { keep } => truncate::build(*keep)?,
        MethodSpec::DateShift { format, days, per } => {
            date_shift::build(*format, *days, *per, domain, digest, scope)?
        }
        MethodSpec::Generalize { to } => generalize::build(to)?,
        MethodSpec::Siv => Arc::new(Siv::new(domain, digest, scope)),
        MethodSpec::Hash => Arc::new(Hash::new(domain, digest, scope)),
        MethodSpec::Mask(mask) => Arc::new(*mask),
        MethodSpec::Redact => Arc::new(Redact),
        MethodSpec::Replace { with } => Arc::new(Replace { with: with.clone() }),
        MethodSpec::Token { template, random, canonical } => {
            let store =
                means.tokens.ok_or(SpecError::Invalid("method `token` needs a token store"))?;
            let domain = TokenDomain { domain, specification: digest };
            let vaulted = Vaulted::new(domain, template, *random, *canonical, scope, store)?
                .with_ttl(means.ttl);
            return Ok(Method::Stored(Arc::new(vaulted)));
        }
    };
    Ok(Method::Pure(transform))
}
