use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::hierarchy::Hierarchy;
use crate::keys::check_name;
use crate::sealing::Row;
use crate::sql::{Transaction, params};
use crate::{Store, StoreError};

const API_TOKENS: &str = "api_tokens";
const SETTINGS: &str = "settings";
/// The longest setting, and the longest sealed row of an API token, in bytes.
const LONGEST_BODY: usize = 1024 * 1024;
/// Names of settings that begin so are the store's own.
const OWN: &str = "store/";

/// The name of a setting, and its value.
pub type Setting = (String, Zeroizing<Vec<u8>>);

/// An API token, without the token: only its keyed hash is kept. All of it but id and
/// name is sealed, so nobody widens a role by an edit of the file. Whoever can write the
/// file can put a whole earlier row back, though, such as that of a token revoked since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiTokenRow {
    /// Its permanent id, part of the token.
    pub id: String,
    /// What people call it; unique among those in force.
    pub name: String,
    /// The roles of whoever shows it.
    pub roles: Vec<String>,
    /// The purpose it is bound to.
    pub purpose: Option<String>,
    /// What policy may read of it.
    pub claims: serde_json::Value,
    /// Keyed hash of the token.
    pub hash: [u8; 32],
    /// When it was made.
    pub created: SystemTime,
    /// When it ends by itself.
    pub expires: Option<SystemTime>,
    /// When it was revoked.
    pub revoked: Option<SystemTime>,
}

impl Store {
    /// Adds an API token.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] when the id was ever used, or the name is that of a
    /// token not revoked.
    pub fn api_token_put(&self, token: &ApiTokenRow) -> Result<(), StoreError> {
        check_name("the id of an API token", &token.id)?;
        check_name("the name of an API token", &token.name)?;
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| {
            for (_, other) in api_tokens(transaction, hierarchy)? {
                if other.id == token.id || (other.name == token.name && other.revoked.is_none()) {
                    let name = token.name.clone();
                    return Err(StoreError::NameTaken { what: "API token", name });
                }
            }
            transaction.execute(
                "INSERT INTO api_tokens (namespace, id, name, generation, body)
                 VALUES (?1, ?2, ?3, 1, ?4)",
                params![hierarchy.namespace, &token.id, &token.name, seal(hierarchy, token, 1)?],
            )?;
            Ok(())
        })
    }

    /// All API tokens, also those expired or revoked, oldest first.
    ///
    /// # Errors
    /// When the disk says no, or a row was altered.
    pub fn api_tokens(&self) -> Result<Vec<ApiTokenRow>, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        let mut tokens: Vec<_> = self.look(|transaction| {
            Ok(api_tokens(transaction, hierarchy)?.into_iter().map(|(_, token)| token).collect())
        })?;
        tokens.sort_by_key(|token: &ApiTokenRow| token.created);
        Ok(tokens)
    }

    /// Revokes the token with this id, or this name; for good, and on disk when this
    /// returns. `false` if there is none in force.
    ///
    /// # Errors
    /// When the disk says no, or a row was altered.
    pub fn api_token_revoke(&self, id_or_name: &str, now: SystemTime) -> Result<bool, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| {
            let mut any = false;
            for (generation, mut token) in api_tokens(transaction, hierarchy)? {
                let meant = token.id == id_or_name || token.name == id_or_name;
                if !meant || token.revoked.is_some() {
                    continue;
                }
                token.revoked = Some(now);
                let next = generation + 1;
                transaction.execute(
                    "UPDATE api_tokens SET generation = ?3, body = ?4
                     WHERE namespace = ?1 AND id = ?2",
                    params![hierarchy.namespace, &token.id, next, seal(hierarchy, &token, next)?],
                )?;
                any = true;
            }
            Ok(any)
        })
    }

    /// Keeps a setting, sealed, in the place of an earlier one.
    ///
    /// # Errors
    /// When the name begins with `store/`, or name or value is too long.
    pub fn put_setting(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        if name.starts_with(OWN) {
            return Err(StoreError::NameTaken { what: "setting", name: name.to_owned() });
        }
        check_name("the name of a setting", name)?;
        if value.len() > LONGEST_BODY {
            return Err(StoreError::Length { what: "a setting", limit: LONGEST_BODY });
        }
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| put_setting(transaction, hierarchy, name, value))
    }

    /// Deletes a setting. Whether there was one.
    ///
    /// # Errors
    /// When the name begins with `store/`, or the disk says no.
    pub fn drop_setting(&self, name: &str) -> Result<bool, StoreError> {
        if name.starts_with(OWN) {
            return Err(StoreError::UnknownName { what: "setting", name: name.to_owned() });
        }
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| {
            let sql = "DELETE FROM settings WHERE namespace = ?1 AND name = ?2";
            Ok(transaction.execute(sql, params![hierarchy.namespace, name])? > 0)
        })
    }

    /// The settings whose names begin so, in the order of their names.
    ///
    /// # Errors
    /// When the disk says no, or a row was altered.
    pub fn settings(&self, prefix: &str) -> Result<Vec<Setting>, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.look(|transaction| {
            let sql = "SELECT name FROM settings WHERE namespace = ?1 ORDER BY name";
            let mut found = Vec::new();
            for row in transaction.query(sql, params![hierarchy.namespace])? {
                let name: String = row.get(0)?;
                if name.starts_with(prefix)
                    && let Some(value) = setting(transaction, hierarchy, &name)?
                {
                    found.push((name, value));
                }
            }
            Ok(found)
        })
    }

    /// A setting, if there is one.
    ///
    /// # Errors
    /// When the disk says no, or the row was altered.
    pub fn setting(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.look(|transaction| setting(transaction, hierarchy, name))
    }
}

/// A setting, also one of the store's own.
pub(crate) fn setting(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    name: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let found = transaction.first(
        "SELECT generation, body FROM settings WHERE namespace = ?1 AND name = ?2",
        params![hierarchy.namespace, name],
    )?;
    let Some(found) = found else {
        return Ok(None);
    };
    let (generation, body): (i64, Vec<u8>) = (found.get(0)?, found.get(1)?);
    let row = Row { table: SETTINGS, id: name.as_bytes(), generation };
    hierarchy.rows.open(row, &body).map(Some)
}

/// Keeps a setting, also one of the store's own.
pub(crate) fn put_setting(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    name: &str,
    value: &[u8],
) -> Result<(), StoreError> {
    let found = transaction.first(
        "SELECT generation FROM settings WHERE namespace = ?1 AND name = ?2",
        params![hierarchy.namespace, name],
    )?;
    let generation = found.map_or(Ok(0_i64), |row| row.get(0))? + 1;
    let row = Row { table: SETTINGS, id: name.as_bytes(), generation };
    transaction.execute(
        "INSERT INTO settings (namespace, name, generation, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (namespace, name) DO UPDATE
         SET generation = excluded.generation, body = excluded.body",
        params![hierarchy.namespace, name, generation, hierarchy.rows.seal(row, value)?],
    )?;
    Ok(())
}

/// The tokens with the generations of their rows. Opens every row.
fn api_tokens(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
) -> Result<Vec<(i64, ApiTokenRow)>, StoreError> {
    let sql = "SELECT id, name, generation, body FROM api_tokens WHERE namespace = ?1";
    let mut tokens = Vec::new();
    for row in transaction.query(sql, params![hierarchy.namespace])? {
        let (id, name, generation): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let body: Vec<u8> = row.get(3)?;
        let at = Row { table: API_TOKENS, id: id.as_bytes(), generation };
        let opened = hierarchy.rows.open(at, &body)?;
        let token: ApiTokenRow =
            serde_json::from_slice(&opened).map_err(|_| StoreError::Altered(API_TOKENS))?;
        if token.id != id || token.name != name {
            return Err(StoreError::Altered(API_TOKENS));
        }
        tokens.push((generation, token));
    }
    Ok(tokens)
}

/// Opens every row of API tokens and settings, which proves that they open.
pub(crate) fn open_all(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
) -> Result<(), StoreError> {
    api_tokens(transaction, hierarchy)?;
    let sql = "SELECT name, generation, body FROM settings WHERE namespace = ?1";
    for row in transaction.query(sql, params![hierarchy.namespace])? {
        let (name, body): (String, Vec<u8>) = (row.get(0)?, row.get(2)?);
        let at = Row { table: SETTINGS, id: name.as_bytes(), generation: row.get(1)? };
        hierarchy.rows.open(at, &body)?;
    }
    Ok(())
}

fn seal(
    hierarchy: &Hierarchy,
    token: &ApiTokenRow,
    generation: i64,
) -> Result<Vec<u8>, StoreError> {
    let text = Zeroizing::new(serde_json::to_vec(token).map_err(|_| StoreError::Cipher)?);
    if text.len() > LONGEST_BODY {
        return Err(StoreError::Length { what: "an API token", limit: LONGEST_BODY });
    }
    let row = Row { table: API_TOKENS, id: token.id.as_bytes(), generation };
    hierarchy.rows.seal(row, &text)
}
