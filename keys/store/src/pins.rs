use allonym_keyring::{DomainId, KeyId, KeyVersion, Secret};
use serde::{Deserialize, Serialize};

use crate::hierarchy::Hierarchy;
use crate::keys::{self, check_name};
use crate::sealing::{Row, typed};
use crate::sql::{Transaction, params};
use crate::{Store, StoreError};

const DOMAINS: &str = "domains";
const SECRETS: &str = "domains.wrap";
const PLACES: &str = "places";
/// The longest specification, in bytes.
const LONGEST_SPECIFICATION: usize = 64 * 1024;

/// A domain as the store remembers it: under one permanent id, with a specification that
/// is fixed from its first use on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedDomain {
    /// Its permanent id.
    pub id: DomainId,
    /// Its name now.
    pub name: String,
    /// Its specification, as it was given.
    pub spec: String,
    /// The key that protects it.
    pub key: KeyId,
    /// Whether values were protected in it, so that specification and key are fixed.
    pub used: bool,
    /// Whether it was retired: it protects no more.
    pub retired: bool,
}

/// Which domain a place last used for a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedPlace {
    /// The place.
    pub place: String,
    /// The field there.
    pub field: String,
    /// The domain of the values it holds.
    pub domain: DomainId,
}

/// What is sealed of a domain. Name and key are in it too, so that two domains do not
/// trade them by an edit of the file.
#[derive(Clone, Serialize, Deserialize)]
struct Body {
    name: String,
    spec: String,
    key: KeyId,
    used: bool,
    retired: bool,
}

/// A domain's row, opened.
struct Stored {
    id: DomainId,
    generation: i64,
    body: Body,
}

impl Store {
    /// All domains, by name.
    ///
    /// # Errors
    /// When the disk says no, or a row was altered.
    pub fn domains(&self) -> Result<Vec<PinnedDomain>, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.look(|transaction| {
            Ok(domains(transaction, hierarchy)?.into_iter().map(Stored::pinned).collect())
        })
    }

    /// Makes a domain, or gives one that holds no values yet another specification or
    /// key. For one that does, the same specification and key are no change.
    ///
    /// # Errors
    /// [`StoreError::DomainPinned`] when it holds values and anything differs,
    /// [`StoreError::DomainRetired`], or the key is not known.
    pub fn put_domain(&self, name: &str, spec: &str, key: KeyId) -> Result<DomainId, StoreError> {
        check_name("the name of a domain", name)?;
        check_specification(spec)?;
        let hierarchy = &self.inner.hierarchy;
        let put = |transaction: &Transaction<'_>| {
            if !keys::exists(transaction, hierarchy, key)? {
                return Err(StoreError::UnknownKey(key));
            }
            let Some(mut domain) = named(transaction, hierarchy, name)? else {
                return create(transaction, hierarchy, name, spec, key);
            };
            if domain.body.retired {
                return Err(StoreError::DomainRetired(name.to_owned()));
            }
            if domain.body.spec != spec || domain.body.key != key {
                if domain.body.used {
                    return Err(StoreError::DomainPinned(name.to_owned()));
                }
                spec.clone_into(&mut domain.body.spec);
                domain.body.key = key;
                update(transaction, hierarchy, &domain)?;
            }
            Ok((domain.id, None))
        };
        // Whoever sees the domain finds its number.
        let (id, _) = self.change_then(put, |(id, number)| {
            if let Some(number) = number {
                self.know(*id, *number);
            }
        })?;
        Ok(id)
    }

    /// Gives a domain another name; nothing it protected changes.
    ///
    /// # Errors
    /// When there is no domain `was`, or one called `name` already.
    pub fn rename_domain(&self, was: &str, name: &str) -> Result<(), StoreError> {
        check_name("the name of a domain", name)?;
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| {
            let mut domain = known(transaction, hierarchy, was)?;
            if was == name {
                return Ok(());
            }
            if named(transaction, hierarchy, name)?.is_some() {
                return Err(StoreError::NameTaken { what: "domain", name: name.to_owned() });
            }
            name.clone_into(&mut domain.body.name);
            update(transaction, hierarchy, &domain)
        })
    }

    /// Retires a domain: a config may drop it, and its values stay revealable.
    ///
    /// # Errors
    /// When there is no such domain.
    pub fn retire_domain(&self, name: &str) -> Result<(), StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| {
            let mut domain = known(transaction, hierarchy, name)?;
            domain.body.retired = true;
            update(transaction, hierarchy, &domain)
        })
    }

    /// Remembers that values are protected in a domain, before the first one is, and
    /// pins what protects them: this specification and key, whatever was put since the
    /// caller read them.
    ///
    /// # Errors
    /// [`StoreError::DomainPinned`] when values were protected under another
    /// specification or key; when domain or key are not known, or the domain is retired.
    pub fn mark_domain_used(&self, id: DomainId, spec: &str, key: KeyId) -> Result<(), StoreError> {
        check_specification(spec)?;
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| mark_used(transaction, hierarchy, id, spec, key))
    }

    /// The secret that was made with a domain and stays for its life, whatever becomes
    /// of its key: for the look-up keys of vaulted tokens.
    ///
    /// # Errors
    /// When the domain is not known, or its row was altered.
    pub fn domain_secret(&self, domain: DomainId) -> Result<Secret, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.look(|transaction| domain_secret(transaction, hierarchy, domain))
    }

    /// All places that hold protected values, with the domain of each field.
    ///
    /// # Errors
    /// When the disk says no, or a row was altered.
    pub fn places(&self) -> Result<Vec<PinnedPlace>, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.look(|transaction| places(transaction, hierarchy))
    }

    /// Remembers that a field at a place holds values of a domain, before the first
    /// one does; marks the domain used as well, in the same step.
    ///
    /// # Errors
    /// [`StoreError::PlacePinned`] when it holds values of another domain, and as for
    /// [`Store::mark_domain_used`]. Then nothing is remembered.
    pub fn mark_place_used(
        &self,
        place: &str,
        field: &str,
        domain: DomainId,
        spec: &str,
        key: KeyId,
    ) -> Result<(), StoreError> {
        check_name("a place", place)?;
        check_name("a field", field)?;
        check_specification(spec)?;
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| {
            mark_used(transaction, hierarchy, domain, spec, key)?;
            let all = places(transaction, hierarchy)?;
            match all.iter().find(|pin| pin.place == place && pin.field == field) {
                Some(pin) if pin.domain == domain => return Ok(()),
                Some(pin) => {
                    return Err(StoreError::PlacePinned {
                        place: place.to_owned(),
                        field: field.to_owned(),
                        holds: pin.domain,
                    });
                }
                None => {}
            }
            let id = place_id(place, field);
            let row = Row { table: PLACES, id: &id, generation: 1 };
            let body = hierarchy.rows.seal(row, domain.as_bytes())?;
            transaction.execute(
                "INSERT INTO places (namespace, place, field, generation, body)
                 VALUES (?1, ?2, ?3, 1, ?4)",
                params![hierarchy.namespace, place, field, body],
            )?;
            Ok(())
        })
    }
}

impl Stored {
    fn pinned(self) -> PinnedDomain {
        let Body { name, spec, key, used, retired } = self.body;
        PinnedDomain { id: self.id, name, spec, key, used, retired }
    }
}

fn check_specification(spec: &str) -> Result<(), StoreError> {
    if spec.is_empty() || spec.len() > LONGEST_SPECIFICATION {
        let what = "the specification of a domain";
        return Err(StoreError::Length { what, limit: LONGEST_SPECIFICATION });
    }
    Ok(())
}

/// Whether a token is sealed under this version.
pub(crate) fn seals_tokens(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    key: KeyId,
    version: KeyVersion,
) -> Result<bool, StoreError> {
    let found = transaction
        .first(
            "SELECT id FROM tokens INDEXED BY tokens_by_version WHERE namespace = ?1 AND version > 0 AND version = ?3 AND domain IN
                 (SELECT number FROM domains WHERE namespace = ?1 AND key = ?2) LIMIT 1",
            params![hierarchy.namespace, key.as_bytes(), version.number()],
        )?;
    Ok(found.is_some())
}

/// Opens every row of domains and places, which proves that they open.
pub(crate) fn open_all(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
) -> Result<(), StoreError> {
    for domain in domains(transaction, hierarchy)? {
        domain_secret(transaction, hierarchy, domain.id)?;
    }
    places(transaction, hierarchy)?;
    Ok(())
}

fn domains(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
) -> Result<Vec<Stored>, StoreError> {
    let rows = transaction.query(
        "SELECT id, name, key, generation, body FROM domains WHERE namespace = ?1 ORDER BY name",
        params![hierarchy.namespace],
    )?;
    let mut domains = Vec::new();
    for row in rows {
        let (id, name): (DomainId, String) = (DomainId::from_bytes(row.get(0)?), row.get(1)?);
        let key = KeyId::from_bytes(row.get(2)?);
        let (generation, sealed): (i64, Vec<u8>) = (row.get(3)?, row.get(4)?);
        let place = Row { table: DOMAINS, id: id.as_bytes(), generation };
        let opened = hierarchy.rows.open(place, &sealed)?;
        let body: Body =
            serde_json::from_slice(&opened).map_err(|_| StoreError::Altered(DOMAINS))?;
        if body.name != name || body.key != key {
            return Err(StoreError::Altered(DOMAINS));
        }
        domains.push(Stored { id, generation, body });
    }
    Ok(domains)
}

fn named(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    name: &str,
) -> Result<Option<Stored>, StoreError> {
    let all = domains(transaction, hierarchy)?;
    Ok(all.into_iter().find(|domain| domain.body.name == name))
}

fn known(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    name: &str,
) -> Result<Stored, StoreError> {
    let unknown = || StoreError::UnknownName { what: "domain", name: name.to_owned() };
    named(transaction, hierarchy, name)?.ok_or_else(unknown)
}

fn create(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    name: &str,
    spec: &str,
    key: KeyId,
) -> Result<(DomainId, Option<i64>), StoreError> {
    let id = DomainId::random()?;
    let body =
        Body { name: name.to_owned(), spec: spec.to_owned(), key, used: false, retired: false };
    let secret = Secret::random()?;
    let row = Row { table: SECRETS, id: id.as_bytes(), generation: 1 };
    let wrap = hierarchy.wraps.seal(row, secret.expose())?;
    let made = transaction.first(
        "INSERT INTO domains (namespace, id, name, key, generation, body, wrap)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6) RETURNING number",
        params![
            hierarchy.namespace,
            id.as_bytes(),
            name,
            key.as_bytes(),
            seal(hierarchy, id, 1, &body)?,
            wrap
        ],
    )?;
    let number = made.ok_or(StoreError::Altered(DOMAINS))?.get(0)?;
    Ok((id, Some(number)))
}

fn update(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    domain: &Stored,
) -> Result<(), StoreError> {
    let generation = domain.generation + 1;
    transaction.execute(
        "UPDATE domains SET name = ?3, key = ?4, generation = ?5, body = ?6
         WHERE namespace = ?1 AND id = ?2",
        params![
            hierarchy.namespace,
            domain.id.as_bytes(),
            &domain.body.name,
            domain.body.key.as_bytes(),
            generation,
            seal(hierarchy, domain.id, generation, &domain.body)?
        ],
    )?;
    Ok(())
}

fn seal(
    hierarchy: &Hierarchy,
    id: DomainId,
    generation: i64,
    body: &Body,
) -> Result<Vec<u8>, StoreError> {
    let text = serde_json::to_vec(body).map_err(|_| StoreError::Cipher)?;
    hierarchy.rows.seal(Row { table: DOMAINS, id: id.as_bytes(), generation }, &text)
}

fn mark_used(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    id: DomainId,
    spec: &str,
    key: KeyId,
) -> Result<(), StoreError> {
    let all = domains(transaction, hierarchy)?;
    let mut domain =
        all.into_iter().find(|domain| domain.id == id).ok_or(StoreError::UnknownDomain(id))?;
    if domain.body.retired {
        return Err(StoreError::DomainRetired(domain.body.name));
    }
    let same = domain.body.spec == spec && domain.body.key == key;
    match (domain.body.used, same) {
        (true, true) => return Ok(()),
        (true, false) => return Err(StoreError::DomainPinned(domain.body.name)),
        (false, _) => {}
    }
    if !keys::exists(transaction, hierarchy, key)? {
        return Err(StoreError::UnknownKey(key));
    }
    spec.clone_into(&mut domain.body.spec);
    domain.body.key = key;
    domain.body.used = true;
    update(transaction, hierarchy, &domain)
}

fn domain_secret(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
    id: DomainId,
) -> Result<Secret, StoreError> {
    let found = transaction.first(
        "SELECT wrap FROM domains WHERE namespace = ?1 AND id = ?2",
        params![hierarchy.namespace, id.as_bytes()],
    )?;
    let wrap: Vec<u8> = found.ok_or(StoreError::UnknownDomain(id))?.get(0)?;
    let row = Row { table: SECRETS, id: id.as_bytes(), generation: 1 };
    hierarchy.wraps.open_secret(row, &wrap)
}

fn places(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
) -> Result<Vec<PinnedPlace>, StoreError> {
    let rows = transaction.query(
        "SELECT place, field, generation, body FROM places WHERE namespace = ?1
         ORDER BY place, field",
        params![hierarchy.namespace],
    )?;
    let mut places = Vec::new();
    for row in rows {
        let (place, field): (String, String) = (row.get(0)?, row.get(1)?);
        let sealed: Vec<u8> = row.get(3)?;
        let id = place_id(&place, &field);
        let at = Row { table: PLACES, id: &id, generation: row.get(2)? };
        let opened = hierarchy.rows.open(at, &sealed)?;
        let domain: [u8; 16] =
            opened.as_slice().try_into().map_err(|_| StoreError::Altered(PLACES))?;
        places.push(PinnedPlace { place, field, domain: DomainId::from_bytes(domain) });
    }
    Ok(places)
}

fn place_id(place: &str, field: &str) -> Vec<u8> {
    typed(&[place.as_bytes(), field.as_bytes()])
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use allonym_seal::{FileSeal, Seal};

    use super::*;
    use crate::sqlite::connection;
    use crate::store::Backend;

    /// Between the commit of a domain and its number being known, nobody else has a turn
    /// to see the domain.
    #[test]
    fn who_sees_a_domain_finds_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let seals: Vec<Box<dyn Seal>> =
            vec![Box::new(FileSeal::create(folder.path().join("seal.key")).unwrap())];
        let path = folder.path().join("store.db");
        let store = Store::open(&path, &seals, SystemTime::UNIX_EPOCH).unwrap();
        let key = store.ensure_key("contact", None, SystemTime::UNIX_EPOCH).unwrap();
        let outside = connection::reader(&path).unwrap();
        let committed = || -> bool {
            outside
                .query_row("SELECT EXISTS (SELECT 1 FROM domains)", [], |row| row.get(0))
                .unwrap()
        };
        let Backend::Sqlite(sqlite) = &store.inner.backend else { panic!("not in a file") };
        let writing = sqlite.writing().unwrap();
        let numbers = store.inner.numbers.read().unwrap();
        std::thread::scope(|scope| {
            let put = scope.spawn(|| store.put_domain("email", "{}", key).unwrap());
            while !committed() {
                assert!(!put.is_finished());
                std::thread::yield_now();
            }
            assert!(writing.write.is_taken(), "the number waits for the lock held here");
            assert!(numbers.is_empty());
            drop(numbers);
            let domain = put.join().unwrap();
            assert_eq!(store.number(domain), Some(1));
        });
        assert!(!writing.write.is_taken());
    }
}
