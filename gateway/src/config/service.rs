use std::fmt;
use std::path::{Path, PathBuf};

use allonym_contract::Location;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::Problems;
use super::{Located, SecretRef, Store, StoreKind};

/// What wraps the root key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Where it stands.
    pub at: Location,
    /// Which kind.
    pub kind: SealKind,
}

/// The kinds of seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealKind {
    /// A key file.
    File(PathBuf),
    /// A passphrase, stretched by Argon2id.
    Passphrase(SecretRef),
}

/// Where the audit log goes, and how durable it is before a value leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The folder of the log.
    pub path: PathBuf,
    /// The durability of single reads; grants, jobs and administration always have `power`.
    pub reads: Durability,
}

/// What an accepted audit record survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The end of the process: handed to the kernel before release.
    #[default]
    Process,
    /// Loss of power: on the disk before release.
    Power,
}

/// `seal:` as typed: one seal or a list of them.
pub(super) struct SealsTyped(Vec<Located<SealTyped>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SealTyped {
    file: Option<PathBuf>,
    passphrase: Option<SecretRef>,
}

impl<'de> Deserialize<'de> for SealsTyped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Vec<Located<SealTyped>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`{ file: PATH }`, `{ passphrase: { env: NAME } }`, or a list of such")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let seal = SealTyped::deserialize(MapAccessDeserializer::new(map))?;
                Ok(vec![Located::new(seal, Location::default())])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq))
            }
        }

        struct Seals(Vec<Located<SealTyped>>);
        impl<'de> Deserialize<'de> for Seals {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(OneOrMore).map(Seals)
            }
        }

        let Located { value: Seals(mut seals), at } = Located::<Seals>::deserialize(deserializer)?;
        for seal in &mut seals {
            if seal.at == Location::default() {
                seal.at = at;
            }
        }
        Ok(Self(seals))
    }
}

/// `audit:` as typed: a path, or a map.
pub(super) struct AuditTyped(AuditMap);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditMap {
    path: PathBuf,
    #[serde(default)]
    durability: DurabilityMap,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DurabilityMap {
    #[serde(default)]
    reads: Durability,
}

impl<'de> Deserialize<'de> for AuditTyped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PathOrMap;

        impl<'de> Visitor<'de> for PathOrMap {
            type Value = AuditTyped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a folder, or `{ path: FOLDER, durability: { reads: process } }`")
            }

            fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<AuditTyped, E> {
                let durability = DurabilityMap::default();
                Ok(AuditTyped(AuditMap { path: path.into(), durability }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AuditTyped, A::Error> {
                AuditMap::deserialize(MapAccessDeserializer::new(map)).map(AuditTyped)
            }
        }

        deserializer.deserialize_any(PathOrMap)
    }
}

pub(super) fn audit(typed: Option<AuditTyped>, store: &Store) -> Audit {
    match typed {
        Some(AuditTyped(map)) => Audit { path: map.path, reads: map.durability.reads },
        None => Audit { path: store.folder().join("audit"), reads: Durability::default() },
    }
}

pub(super) fn seals(typed: SealsTyped, store: &Store, problems: &mut Problems) -> Vec<Seal> {
    let mut seals: Vec<Seal> = Vec::new();
    for Located { value, at } in typed.0 {
        let kind = match (value.file, value.passphrase) {
            (Some(file), None) => SealKind::File(file),
            (None, Some(passphrase)) => SealKind::Passphrase(passphrase),
            (Some(_), Some(_)) => {
                let hint = "for two seals write a list: `seal: [ { file: … }, { passphrase: … } ]`";
                problems.add(at, "a seal is a `file` or a `passphrase`, not both", hint);
                continue;
            }
            (None, None) => {
                let hint = "`{ file: /etc/allonym/seal.key }` or `{ passphrase: { env: NAME } }`";
                problems.add(at, "a seal needs a `file` or a `passphrase`", hint);
                continue;
            }
        };
        match &kind {
            SealKind::File(path) if same_folder(path, store) => {
                let message = "the seal's key file lies in the folder of the store: whoever copies the folder has both";
                problems.add(
                    at,
                    message,
                    "keep it elsewhere, for instance `/etc/allonym/seal.key`",
                );
            }
            _ if seals.iter().any(|seal| seal.kind == kind) => {
                problems.add(
                    at,
                    "this seal is there twice",
                    "each seal is another way to open the same root key",
                );
            }
            _ => {}
        }
        seals.push(Seal { at, kind });
    }
    seals
}

fn same_folder(seal: &Path, store: &Store) -> bool {
    let StoreKind::File(_) = store.kind else { return false };
    let folder = seal.parent().unwrap_or(Path::new(""));
    let plain =
        |path: &Path| path.components().filter(|c| c.as_os_str() != ".").collect::<PathBuf>();
    plain(folder) == plain(store.folder())
}
