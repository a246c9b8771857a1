use std::collections::BTreeMap;
use std::fmt;

use allonym_contract::Location;
use allonym_protect::{Canonical, DatePart, EmailPart, Keep, Luhn, Scope, ShiftPer, VersionMode};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Stored;
use crate::config::Located;
use crate::config::error::custom;

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(super) enum MethodName {
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
pub(super) enum TemplateName {
    Pan,
    Digits,
    Alphanumeric,
    Phone,
    Iban,
    String,
    Email,
    Integer,
    Decimal,
    Date,
    Timestamp,
    Uuid,
    Ipv4,
    Ipv6,
    National,
    Ssn,
    Regex,
    Plain,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MaskTyped {
    pub(super) keep: Keep,
}

/// A scope and the tenants it names.
#[derive(Default)]
pub(super) struct ScopeTyped {
    pub(super) scope: Scope,
    pub(super) tenants: Vec<String>,
}

/// A data class as typed: every key any method knows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ClassTyped {
    pub(super) method: Option<Located<MethodName>>,
    pub(super) template: Option<Located<TemplateName>>,
    pub(super) keep: Option<Located<Keep>>,
    pub(super) lengths: Option<Located<String>>,
    pub(super) alphabet: Option<Located<String>>,
    pub(super) pass: Option<Located<String>>,
    pub(super) part: Option<Located<EmailPart>>,
    pub(super) range: Option<Located<String>>,
    pub(super) width: Option<Located<u32>>,
    pub(super) reserved: Option<Located<Vec<i64>>>,
    pub(super) format: Option<Located<String>>,
    pub(super) keep_bits: Option<Located<u8>>,
    pub(super) id: Option<Located<String>>,
    pub(super) pattern: Option<Located<String>>,
    pub(super) version: Option<Located<VersionMode>>,
    pub(super) key: Option<Located<String>>,
    pub(super) domain: Option<Located<String>>,
    pub(super) was: Option<Located<String>>,
    #[serde(default)]
    pub(super) retired: bool,
    pub(super) replaces: Option<Located<String>>,
    #[serde(default)]
    pub(super) stored: Stored,
    pub(super) mask: Option<Located<MaskTyped>>,
    pub(super) random: Option<Located<bool>>,
    pub(super) vaultless: Option<Located<bool>>,
    pub(super) canonical: Option<Located<Canonical>>,
    pub(super) token_domain: Option<Located<String>>,
    pub(super) luhn: Option<Located<Luhn>>,
    pub(super) ttl: Option<Located<String>>,
    pub(super) scope: Option<Located<ScopeTyped>>,
    pub(super) distinct: Option<Located<u64>>,
    pub(super) irreversible: Option<Located<bool>>,
    pub(super) with: Option<Located<String>>,
    pub(super) days: Option<Located<u32>>,
    pub(super) per: Option<Located<ShiftPer>>,
    pub(super) ranges: Option<Located<Vec<String>>>,
    pub(super) to: Option<Located<DatePart>>,
    pub(super) groups: Option<Located<BTreeMap<String, Vec<String>>>>,
}

impl ClassTyped {
    /// The keys that only mean something to a method, where they are typed.
    pub(super) fn method_keys(&self) -> Vec<(&'static str, Location)> {
        fn at<T>(key: &Option<Located<T>>) -> Option<Location> {
            key.as_ref().map(|key| key.at)
        }
        let mut keys = self.template_keys();
        let others = [
            ("template", at(&self.template)),
            ("version", at(&self.version)),
            ("key", at(&self.key)),
            ("domain", at(&self.domain)),
            ("replaces", at(&self.replaces)),
            ("random", at(&self.random)),
            ("vaultless", at(&self.vaultless)),
            ("canonical", at(&self.canonical)),
            ("ttl", at(&self.ttl)),
            ("scope", at(&self.scope)),
            ("distinct", at(&self.distinct)),
            ("irreversible", at(&self.irreversible)),
            ("with", at(&self.with)),
            ("days", at(&self.days)),
            ("per", at(&self.per)),
            ("ranges", at(&self.ranges)),
            ("to", at(&self.to)),
            ("groups", at(&self.groups)),
        ];
        keys.extend(others.into_iter().filter_map(|(key, at)| at.map(|at| (key, at))));
        keys
    }

    /// Those of them that belong to a template, or to a method's own format.
    pub(super) fn template_keys(&self) -> Vec<(&'static str, Location)> {
        fn at<T>(key: &Option<Located<T>>) -> Option<Location> {
            key.as_ref().map(|key| key.at)
        }
        [
            ("keep", at(&self.keep)),
            ("lengths", at(&self.lengths)),
            ("alphabet", at(&self.alphabet)),
            ("pass", at(&self.pass)),
            ("part", at(&self.part)),
            ("range", at(&self.range)),
            ("width", at(&self.width)),
            ("reserved", at(&self.reserved)),
            ("format", at(&self.format)),
            ("keep_bits", at(&self.keep_bits)),
            ("id", at(&self.id)),
            ("pattern", at(&self.pattern)),
            ("luhn", at(&self.luhn)),
            ("token_domain", at(&self.token_domain)),
        ]
        .into_iter()
        .filter_map(|(key, at)| at.map(|at| (key, at)))
        .collect()
    }
}

impl TemplateName {
    /// As it is typed.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Pan => "pan",
            Self::Digits => "digits",
            Self::Alphanumeric => "alphanumeric",
            Self::Phone => "phone",
            Self::Iban => "iban",
            Self::String => "string",
            Self::Email => "email",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::National => "national",
            Self::Ssn => "ssn",
            Self::Regex => "regex",
            Self::Plain => "plain",
        }
    }
}

impl<'de> Deserialize<'de> for ScopeTyped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GlobalOrTenant;

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct TenantTyped {
            tenant: String,
            of: Option<Vec<String>>,
        }

        impl<'de> Visitor<'de> for GlobalOrTenant {
            type Value = ScopeTyped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`global` or `{ tenant: CLAIM }`")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<ScopeTyped, E> {
                match word {
                    "global" => Ok(ScopeTyped::default()),
                    _ => Err(custom("this scope is not known", "`global` or `{ tenant: CLAIM }`")),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ScopeTyped, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                let typed = TenantTyped::deserialize(map)?;
                let mut tenants = typed.of.clone().unwrap_or_default();
                tenants.sort_unstable();
                tenants.dedup();
                let listed = typed.of.as_ref().map(Vec::len);
                if listed == Some(0) || listed.is_some_and(|n| n != tenants.len()) {
                    return Err(custom(
                        "`of` names no tenant, or one twice",
                        "for instance `{ tenant: org, of: [north, south] }`",
                    ));
                }
                if typed.tenant.is_empty() || tenants.iter().any(String::is_empty) {
                    return Err(custom(
                        "a tenant, or the claim that names it, is empty",
                        "for instance `{ tenant: org, of: [north, south] }`",
                    ));
                }
                Ok(ScopeTyped { scope: Scope::Tenant(typed.tenant), tenants })
            }
        }

        deserializer.deserialize_any(GlobalOrTenant)
    }
}
