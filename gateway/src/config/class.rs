mod read;

use std::fmt;

use allonym_contract::Location;
use allonym_protect::{Canonical, Keep, Scope, TemplateSpec, TokenTemplate, VersionMode};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Located;
use super::error::{Problems, custom};
use super::keys::check_name;

/// A data class: what a field is, and how it is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub at: Location,
    /// What the upstream holds.
    pub stored: Stored,
    /// How it is protected; `None` only where the upstream keeps plain values and
    /// callers get them plain or masked.
    pub protection: Option<Protection>,
    /// What a masked value still shows; `None`: nothing (`***`, numbers null).
    pub mask: Option<Keep>,
    /// The name it had before.
    pub was: Option<Located<String>>,
    /// Nothing new is protected under it; what is stored can still be revealed.
    pub retired: bool,
}

/// What the upstream holds of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// Protected values.
    #[default]
    Protected,
    /// Plain values; they are masked or protected on the way out.
    Plain,
}

/// How a class is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The method and its parameters.
    pub method: ClassMethod,
    /// Where the method stands.
    pub at: Location,
    /// The key; `None` for methods that use none (mask, redact, replace).
    pub key: Option<Located<String>>,
    /// The domain: the class's own name unless it says otherwise.
    pub domain: Located<String>,
    /// Within which scope equal values become equal tokens.
    pub scope: Scope,
    /// The domain this one takes the place of, by a rewrap.
    pub replaces: Option<Located<String>>,
}

/// A method and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassMethod {
    /// Format-preserving encryption.
    Fpe {
        /// The format.
        template: TemplateSpec,
        /// Where the key version is.
        version: VersionMode,
    },
    /// Deterministic encryption to text; the version is in a header.
    Siv,
    /// A keyed hash to text; no way back.
    Hash,
    /// A surrogate from the token store.
    Token {
        /// Its shape.
        template: TokenTemplate,
        /// A new one each time.
        random: bool,
        /// How values are brought into one form before they are looked up.
        canonical: Canonical,
    },
    /// All but the kept characters are masked; no way back.
    Mask(Keep),
    /// The value becomes null; no way back.
    Redact,
    /// A constant takes the value's place; no way back.
    Replace {
        /// The constant.
        with: String,
    },
}

impl ClassMethod {
    /// Whether there is a way back to the plain value.
    #[must_use]
    pub const fn is_reversible(&self) -> bool {
        matches!(self, Self::Fpe { .. } | Self::Siv | Self::Token { .. })
    }

    /// Whether equal values can be found by their protected form.
    #[must_use]
    pub const fn is_searchable(&self) -> bool {
        match self {
            Self::Fpe { .. } | Self::Siv | Self::Hash => true,
            Self::Token { random, .. } => !*random,
            Self::Mask(_) | Self::Redact | Self::Replace { .. } => false,
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fpe { .. } => "fpe",
            Self::Siv => "siv",
            Self::Hash => "hash",
            Self::Token { .. } => "token",
            Self::Mask(_) => "mask",
            Self::Redact => "redact",
            Self::Replace { .. } => "replace",
        }
    }
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
enum MethodName {
    Fpe,
    Token,
    Siv,
    Encrypt,
    Hash,
    Mask,
    Redact,
    Replace,
    Truncate,
    DateShift,
    Generalize,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
enum TemplateName {
    Pan,
    Digits,
    Alphanumeric,
    Phone,
    Iban,
    Email,
    Plain,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
enum VersionName {
    Slack,
    Pinned,
    Header,
    Reserved,
    Sidecar,
    Epoch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaskTyped {
    keep: Keep,
}

struct ScopeTyped(Scope);

/// A data class as typed: every key any method knows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassTyped {
    method: Option<Located<MethodName>>,
    template: Option<Located<TemplateName>>,
    keep: Option<Located<Keep>>,
    lengths: Option<Located<String>>,
    version: Option<Located<VersionName>>,
    key: Option<Located<String>>,
    domain: Option<Located<String>>,
    was: Option<Located<String>>,
    #[serde(default)]
    retired: bool,
    replaces: Option<Located<String>>,
    #[serde(default)]
    stored: Stored,
    mask: Option<Located<MaskTyped>>,
    random: Option<Located<bool>>,
    canonical: Option<Located<Canonical>>,
    token_domain: Option<Located<String>>,
    scope: Option<Located<ScopeTyped>>,
    irreversible: Option<Located<bool>>,
    with: Option<Located<String>>,
}

/// Converts a class; `None` if it is too wrong to be looked at further.
pub(super) fn convert(
    name: Located<String>,
    typed: ClassTyped,
    problems: &mut Problems,
) -> Option<Class> {
    check_name("data class", &name, problems);
    let stored = typed.stored;
    let mask = typed.mask.as_ref().map(|mask| (mask.at, mask.value.keep));
    let (was, retired) = (typed.was.clone(), typed.retired);
    let protection = match typed.method.as_ref() {
        Some(method) => {
            let (method, at) = (method.value, method.at);
            Some(read::Reader::new(&name, typed, method, at, problems).protection()?)
        }
        None => {
            without_method(&name, typed, problems);
            None
        }
    };
    if let (Some((at, _)), Some(protection), Stored::Protected) = (mask, &protection, stored)
        && !protection.method.is_reversible()
    {
        let message = format!(
            "method `{}` has no way back: there is nothing to mask",
            protection.method.name()
        );
        problems.add(at, message, "leave `mask` out");
    }
    if let Some((at, keep)) = mask
        && keep == Keep::default()
    {
        problems.add(
            at,
            "this mask keeps nothing",
            "leave `mask` out: then nothing is shown (`***`)",
        );
    }
    let mask = mask.map(|(_, keep)| keep);
    Some(Class { name: name.value, at: name.at, stored, protection, mask, was, retired })
}

fn without_method(name: &Located<String>, typed: ClassTyped, problems: &mut Problems) {
    if typed.stored == Stored::Protected {
        let hint = "for instance `method: siv` with a `key`, or `stored: plain` if the upstream may keep it";
        problems.add(name.at, format!("`{}` has no `method`", name.value), hint);
        return;
    }
    for (key, at) in typed.method_keys() {
        let message = format!("`{key}` means nothing without a `method`");
        problems.add(at, message, "add the `method`, or leave the key out");
    }
}

impl ClassTyped {
    /// The keys that only mean something to a method, where they are typed.
    fn method_keys(&self) -> Vec<(&'static str, Location)> {
        fn at<T>(key: &Option<Located<T>>) -> Option<Location> {
            key.as_ref().map(|key| key.at)
        }
        [
            ("template", at(&self.template)),
            ("keep", at(&self.keep)),
            ("lengths", at(&self.lengths)),
            ("version", at(&self.version)),
            ("key", at(&self.key)),
            ("domain", at(&self.domain)),
            ("replaces", at(&self.replaces)),
            ("random", at(&self.random)),
            ("canonical", at(&self.canonical)),
            ("token_domain", at(&self.token_domain)),
            ("scope", at(&self.scope)),
            ("irreversible", at(&self.irreversible)),
            ("with", at(&self.with)),
        ]
        .into_iter()
        .filter_map(|(key, at)| at.map(|at| (key, at)))
        .collect()
    }
}

impl<'de> Deserialize<'de> for ScopeTyped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GlobalOrTenant;

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct TenantTyped {
            tenant: String,
        }

        impl<'de> Visitor<'de> for GlobalOrTenant {
            type Value = ScopeTyped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`global` or `{ tenant: CLAIM }`")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<ScopeTyped, E> {
                match word {
                    "global" => Ok(ScopeTyped(Scope::Global)),
                    _ => Err(custom("this scope is not known", "`global` or `{ tenant: CLAIM }`")),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ScopeTyped, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                TenantTyped::deserialize(map).map(|typed| ScopeTyped(Scope::Tenant(typed.tenant)))
            }
        }

        deserializer.deserialize_any(GlobalOrTenant)
    }
}
