use std::time::SystemTime;

use allonym_keyring::{DomainId, Info, NamespaceId, Purpose, Secret, derive};
use allonym_seal::{Seal, SealError, WrappedRoot};
use zeroize::Zeroizing;

use crate::StoreError;
use crate::sealing::{Row, Sealer, internal_key, secret};
use crate::sql::{Transaction, params};
use crate::store::{from_millis, to_millis};

/// The opened keys of a store: root key, namespace key, and what seals with them.
pub(crate) struct Hierarchy {
    /// The number of the namespace inside the file.
    pub(crate) namespace: i64,
    /// Seals keys: versions, and the secrets of domains.
    pub(crate) wraps: Sealer,
    /// Seals everything else.
    pub(crate) rows: Sealer,
    root: Secret,
    namespace_key: Secret,
}

/// A seal that opens the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealInfo {
    /// What people call it.
    pub name: String,
    /// When its wrap was made.
    pub created: SystemTime,
}

impl Hierarchy {
    /// Makes the keys of a new store and wraps the root key under each seal.
    pub(crate) fn create(
        transaction: &Transaction<'_>,
        seals: &[Box<dyn Seal>],
        now: SystemTime,
    ) -> Result<(), StoreError> {
        let root = Secret::random()?;
        let check = root_check(&root);
        transaction.execute(
            "INSERT INTO store (id, root_check, created) VALUES (1, ?1, ?2)",
            params![check.expose(), to_millis(now)],
        )?;
        for seal in seals {
            add_wrap(transaction, seal.as_ref(), &root, now)?;
        }
        let id = NamespaceId::DEFAULT;
        let wrap = Sealer::under(&root, id, Purpose::KeyWrap)?
            .seal(namespace_row(&id, 1), Secret::random()?.expose())?;
        transaction.execute(
            "INSERT INTO namespaces (id, generation, wrap, created) VALUES (?1, 1, ?2, ?3)",
            params![id.as_bytes(), wrap, to_millis(now)],
        )?;
        Ok(())
    }

    /// Opens a store with the first seal that fits, and gives each other seal a wrap
    /// if it has none.
    pub(crate) fn open(
        transaction: &Transaction<'_>,
        seals: &[Box<dyn Seal>],
        now: SystemTime,
    ) -> Result<Self, StoreError> {
        let wraps = wraps(transaction)?;
        let (root, fitting) = unseal(seals, wraps.iter().map(|(_, wrap)| wrap))?;
        let hierarchy = Self::with_root(transaction, root)?;
        for (seal, fits) in seals.iter().zip(fitting) {
            match fits.and_then(|index| wraps.get(index)) {
                None => add_wrap(transaction, seal.as_ref(), &hierarchy.root, now)?,
                Some((row, _)) => {
                    // A key file may have moved; people look for it where it is now.
                    transaction.execute(
                        "UPDATE seals SET name = ?2 WHERE id = ?1 AND name <> ?2",
                        params![*row, seal.name()],
                    )?;
                }
            }
        }
        Ok(hierarchy)
    }

    /// The hierarchy under a root key that is known already.
    pub(crate) fn with_root(
        transaction: &Transaction<'_>,
        root: Secret,
    ) -> Result<Self, StoreError> {
        let check = transaction.first("SELECT root_check FROM store", params![])?;
        let check: [u8; 32] = check.ok_or(StoreError::Altered("store"))?.get(0)?;
        if root_check(&root) != Secret::new(Zeroizing::new(check)) {
            return Err(StoreError::WrongSeal);
        }
        let id = NamespaceId::DEFAULT;
        let row = transaction
            .first(
                "SELECT number, generation, wrap FROM namespaces WHERE id = ?1",
                params![id.as_bytes()],
            )?
            .ok_or(StoreError::Altered("namespaces"))?;
        let (namespace, generation): (i64, i64) = (row.get(0)?, row.get(1)?);
        let wrap: Vec<u8> = row.get(2)?;
        let namespace_key = Sealer::under(&root, id, Purpose::KeyWrap)?
            .open_secret(namespace_row(&id, generation), &wrap)?;
        Ok(Self {
            namespace,
            wraps: Sealer::under(&namespace_key, id, Purpose::KeyWrap)?,
            rows: Sealer::under(&namespace_key, id, Purpose::StoreSeal)?,
            root,
            namespace_key,
        })
    }

    /// A copy of the root key, to open a copy of the store with.
    pub(crate) fn root(&self) -> Result<Secret, StoreError> {
        secret("store", self.root.expose())
    }

    /// The key of one backup.
    pub(crate) fn backup_key(&self, backup: &[u8; 16]) -> Secret {
        backup_key(&self.root, backup)
    }

    /// A key for the namespace's other needs.
    pub(crate) fn subkey(&self, purpose: Purpose) -> Secret {
        derive(
            &self.namespace_key,
            Info {
                namespace: NamespaceId::DEFAULT,
                domain: DomainId::from_bytes([0; 16]),
                purpose,
                specification: b"",
            },
        )
    }
}

/// The key of the backup with this random id, from the root key.
pub(crate) fn backup_key(root: &Secret, backup: &[u8; 16]) -> Secret {
    derive(
        root,
        Info {
            namespace: NamespaceId::DEFAULT,
            domain: DomainId::from_bytes([0; 16]),
            purpose: Purpose::Backup,
            specification: backup,
        },
    )
}

/// The root key out of any of the wraps, and for each seal the index of its wrap.
pub(crate) fn unseal<'a>(
    seals: &[Box<dyn Seal>],
    wraps: impl Iterator<Item = &'a WrappedRoot> + Clone,
) -> Result<(Secret, Vec<Option<usize>>), StoreError> {
    let mut root = None;
    let mut fitting = Vec::with_capacity(seals.len());
    for seal in seals {
        let mut fits = None;
        for (index, wrap) in wraps.clone().enumerate() {
            match seal.unwrap(wrap) {
                Ok(opened) => {
                    fits = Some(index);
                    root.get_or_insert(opened);
                    break;
                }
                Err(SealError::WrongKey) => {}
                Err(other) => return Err(other.into()),
            }
        }
        fitting.push(fits);
    }
    if seals.is_empty() {
        return Err(StoreError::NoSeal);
    }
    Ok((root.ok_or(StoreError::WrongSeal)?, fitting))
}

/// The wraps of a store, oldest first, each with its row.
pub(crate) fn wraps(transaction: &Transaction<'_>) -> Result<Vec<(i64, WrappedRoot)>, StoreError> {
    let rows = transaction.query("SELECT id, wrap FROM seals ORDER BY id", params![])?;
    rows.iter()
        .map(|row| {
            let text: String = row.get(1)?;
            let wrap = serde_json::from_str(&text).map_err(|_| StoreError::Altered("seals"))?;
            Ok((row.get(0)?, wrap))
        })
        .collect()
}

/// The names of the seals, oldest first.
pub(crate) fn seal_infos(transaction: &Transaction<'_>) -> Result<Vec<SealInfo>, StoreError> {
    let rows = transaction.query("SELECT name, created FROM seals ORDER BY id", params![])?;
    rows.iter()
        .map(|row| Ok(SealInfo { name: row.get(0)?, created: from_millis(row.get(1)?) }))
        .collect()
}

fn add_wrap(
    transaction: &Transaction<'_>,
    seal: &dyn Seal,
    root: &Secret,
    now: SystemTime,
) -> Result<(), StoreError> {
    let wrap = serde_json::to_string(&seal.wrap(root)?).map_err(|_| StoreError::Cipher)?;
    transaction.execute(
        "INSERT INTO seals (name, wrap, created) VALUES (?1, ?2, ?3)",
        params![seal.name(), wrap, to_millis(now)],
    )?;
    Ok(())
}

fn root_check(root: &Secret) -> Secret {
    internal_key(root, NamespaceId::DEFAULT, Purpose::KeyCheck)
}

fn namespace_row(id: &NamespaceId, generation: i64) -> Row<'_> {
    Row { table: "namespaces", id: id.as_bytes(), generation }
}
