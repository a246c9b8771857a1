use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::PoisonError;
use std::time::SystemTime;

use allonym_keyring::{NamespaceId, Secret};
use allonym_seal::{Seal, WrappedRoot};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::census::{self, Census, Moment};
use crate::file::{self, Scratch, beside};
use crate::hierarchy::{Hierarchy, backup_key, unseal, wraps};
use crate::postgres::{self, Kind, Postgres, PostgresConfig};
use crate::sql::{Transaction, params};
use crate::sqlite::connection;
use crate::store::{Backend, from_millis, to_millis};
use crate::{Store, StoreError, admin, keys, pins, restored, schema, stream};

const MAGIC: &[u8; 16] = b"allonym backup\r\n";
const FORMAT: u32 = 1;
/// More is no header of ours.
const LONGEST_HEADER: u32 = 1024 * 1024;
/// When the last backup was verified (milliseconds since 1970, eight bytes), and the
/// digest of the keys and domains it holds.
const VERIFIED: &str = "store/backup_verified";

/// What a backup holds. It was opened and compared before this was returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// When it was made.
    pub created: SystemTime,
    /// The size of the file.
    pub bytes: u64,
    /// Keys in it.
    pub keys: u64,
    /// Key versions in it, destroyed ones included.
    pub key_versions: u64,
    /// Domains in it.
    pub domains: u64,
    /// Vaulted tokens in it.
    pub tokens: u64,
    /// API tokens in it.
    pub api_tokens: u64,
    /// SHA-256 over all rows.
    pub digest: [u8; 32],
}

/// What stands before the sealed database: enough to open it with any seal of the
/// store. Its own digest is in the AAD of every chunk.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    namespace: NamespaceId,
    /// Random; the backup's key is derived with it.
    id: [u8; 16],
    created: i64,
    wraps: Vec<WrappedRoot>,
    census: Census,
}

impl Store {
    /// Writes everything the store holds at one moment into one sealed file, while it
    /// goes on working; then opens that file again and compares every row. The file
    /// gets its name only then, in the place of an earlier backup of that name.
    /// Blocks for as long as it takes to read everything three times.
    ///
    /// # Errors
    /// When the name is that of a file which is no backup, the disk says no, or the
    /// backup does not open or differs.
    pub fn backup(&self, to: &Path, now: SystemTime) -> Result<BackupReport, StoreError> {
        // A store opened for reading only could not remember it: said before the work.
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.writing().map(drop)?,
            Backend::Postgres(postgres) => postgres.check(Kind::Administration)?,
        }
        let _one_at_a_time = self.inner.backup.lock().unwrap_or_else(PoisonError::into_inner);
        if to.exists() && !is_backup(to)? {
            return Err(StoreError::Exists(to.to_owned()));
        }
        file::make_folder(to)?;
        let copy = Scratch::new(beside(to, ".copy"));
        let Moment { census, wraps, state } = match &self.inner.backend {
            Backend::Sqlite(sqlite) => copy_database(&sqlite.path, copy.path())?,
            Backend::Postgres(postgres) => postgres::copy(postgres, copy.path())?,
        };
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let header = Header {
            format: FORMAT,
            namespace: NamespaceId::DEFAULT,
            id,
            created: to_millis(now),
            wraps,
            census,
        };
        let partial = Scratch::new(beside(to, ".partial"));
        write(&header, &self.inner.hierarchy.backup_key(&id), copy.path(), partial.path())?;
        drop(copy);
        let check = Scratch::new(beside(to, ".check"));
        let (report, ..) = read(partial.path(), check.path(), |_| self.inner.hierarchy.root())?;
        file::rename(partial.path(), to)?;
        let verified = [to_millis(now).to_be_bytes().as_slice(), &state].concat();
        let hierarchy = &self.inner.hierarchy;
        self.change(|transaction| admin::put_setting(transaction, hierarchy, VERIFIED, &verified))?;
        Ok(report)
    }

    /// When the last backup of this store was written and verified, if ever.
    ///
    /// # Errors
    /// When the disk says no, or the record was altered.
    pub fn last_verified_backup(&self) -> Result<Option<SystemTime>, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        let verified = self.look(|transaction| verified(transaction, hierarchy))?;
        Ok(verified.map(|verified| verified.at))
    }

    /// Whether a key, a key version or a domain was made or changed since the last
    /// verified backup, or before any: what is lost with them cannot be made again.
    /// Compares what is there with what was backed up, so no clock matters.
    ///
    /// # Errors
    /// When the disk says no, or the record was altered.
    pub fn newer_than_backup(&self) -> Result<bool, StoreError> {
        let hierarchy = &self.inner.hierarchy;
        self.look(|transaction| {
            let Some(Verified { state, .. }) = verified(transaction, hierarchy)? else {
                return Ok(transaction.first("SELECT id FROM keys LIMIT 1", params![])?.is_some());
            };
            Ok(state != Some(census::keys_and_domains(transaction)?))
        })
    }

    /// Makes a store out of a backup, where there is none. Any seal of the store that
    /// was backed up opens it. The store gets its name only after every row was compared
    /// and the keys, domains, places, API tokens and settings were opened; vaulted values
    /// are sealed by whoever put them and not opened. From then on the store knows that
    /// it was restored, see [`Store::restored_since`].
    ///
    /// # Errors
    /// When a store is there already, no seal fits, or the backup was altered or cut.
    pub fn restore(
        from: &Path,
        to: &Path,
        seals: &[Box<dyn Seal>],
        now: SystemTime,
    ) -> Result<BackupReport, StoreError> {
        file::make_folder(to)?;
        let _lock = file::lock(to)?;
        for occupied in [to.to_owned(), beside(to, "-wal")] {
            if occupied.exists() {
                return Err(StoreError::Exists(occupied));
            }
        }
        let restored = Scratch::new(beside(to, ".restored"));
        let (report, mut connection, hierarchy) = read(from, restored.path(), |header| {
            unseal(seals, header.wraps.iter()).map(|(root, _)| root)
        })?;
        let transaction = connection.transaction()?;
        restored::record(&Transaction::Sqlite(&transaction), &hierarchy, now)?;
        transaction.commit()?;
        connection.close().map_err(|(_, error)| error)?;
        File::open(restored.path())?.sync_all()?;
        file::rename(restored.path(), to)?;
        Ok(report)
    }
}

impl Store {
    /// Makes a store out of a backup in a PostgreSQL schema that holds none, whichever
    /// database the backup is of. All or nothing: what is there is compared, row by row,
    /// before it is kept. Needs room for a sealed copy beside the backup; otherwise as
    /// [`Store::restore`].
    ///
    /// # Errors
    /// [`StoreError::SchemaInUse`], and as for [`Store::restore`] and
    /// [`Store::open_postgres`].
    pub fn restore_postgres(
        from: &Path,
        config: &PostgresConfig,
        seals: &[Box<dyn Seal>],
        now: SystemTime,
    ) -> Result<BackupReport, StoreError> {
        let to = Postgres::new(config, false)?;
        let scratch = Scratch::new(beside(from, ".restored"));
        let (report, copy, hierarchy) = read(from, scratch.path(), |header| {
            unseal(seals, header.wraps.iter()).map(|(root, _)| root)
        })?;
        schema::migrate_postgres(&to)?;
        // The copy may have been brought up since it was compared.
        let census = Census::take(&copy)?;
        to.transact(Kind::Administration, |transaction| {
            postgres::fill(transaction, &copy, &census)?;
            restored::record(transaction, &hierarchy, now)
        })?;
        Ok(report)
    }
}

/// The last verified backup.
struct Verified {
    at: SystemTime,
    /// See [`Moment`]; none where it was not recorded yet.
    state: Option<[u8; 32]>,
}

fn verified(
    transaction: &Transaction<'_>,
    hierarchy: &Hierarchy,
) -> Result<Option<Verified>, StoreError> {
    let Some(value) = admin::setting(transaction, hierarchy, VERIFIED)? else {
        return Ok(None);
    };
    let (at, state) = value.split_first_chunk().ok_or(StoreError::Altered("settings"))?;
    let at = from_millis(i64::from_be_bytes(*at));
    Ok(Some(Verified { at, state: state.try_into().ok() }))
}

/// Copies the database as it is at one moment, and says what it holds then. What is
/// secret in it is sealed already; the copy is for the owner only all the same.
fn copy_database(path: &Path, to: &Path) -> Result<Moment, StoreError> {
    file::make_private(to)?;
    let source = connection::reader(path)?;
    let mut copy = connection::alone(to)?;
    source.execute_batch("BEGIN")?;
    let census = Census::take(&source)?;
    let state = census::keys_and_domains(&Transaction::Sqlite(&source))?;
    let wraps = wraps(&Transaction::Sqlite(&source))?.into_iter().map(|(_, wrap)| wrap).collect();
    let step = Backup::new(&source, &mut copy)?.step(-1)?;
    if step != StepResult::Done {
        return Err(StoreError::Unavailable("the database is busy".to_owned()));
    }
    source.execute_batch("COMMIT")?;
    // One file, without a log beside it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    copy.close().map_err(|(_, error)| error)?;
    Ok(Moment { census, wraps, state })
}

fn write(header: &Header, key: &Secret, from: &Path, to: &Path) -> Result<(), StoreError> {
    let text = serde_json::to_vec(header).map_err(|_| StoreError::Cipher)?;
    let length = u32::try_from(text.len()).map_err(|_| StoreError::Cipher)?;
    let mut out = BufWriter::new(file::make_private(to)?);
    out.write_all(MAGIC)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&text)?;
    stream::seal(key, &Sha256::digest(&text).into(), File::open(from)?, &mut out)?;
    let file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    Ok(file.sync_all()?)
}

/// Opens a backup into a new file and proves that it is whole: every chunk, every row
/// as counted when it was made, SQLite's own check, every key, domain, place, API token
/// and setting. Vaulted values are compared and not opened.
fn read(
    from: &Path,
    to: &Path,
    root: impl FnOnce(&Header) -> Result<Secret, StoreError>,
) -> Result<(BackupReport, Connection, Hierarchy), StoreError> {
    let file = File::open(from)?;
    let bytes = file.metadata()?.len();
    let mut input = BufReader::new(file);
    let (header, digest) = read_header(from, &mut input)?;
    let root = root(&header)?;
    let out = BufWriter::new(file::make_private(to)?);
    stream::open(&backup_key(&root, &header.id), &digest, input, out)?;
    let mut copy = connection::alone(to)?;
    let hierarchy = verify(&mut copy, &header.census, root)?;
    let census = header.census;
    let report = BackupReport {
        created: from_millis(header.created),
        bytes,
        keys: census.count("keys"),
        key_versions: census.count("key_versions"),
        domains: census.count("domains"),
        tokens: census.count("tokens"),
        api_tokens: census.count("api_tokens"),
        digest: census.digest,
    };
    Ok((report, copy, hierarchy))
}

fn read_header(path: &Path, input: &mut impl Read) -> Result<(Header, [u8; 32]), StoreError> {
    let not_a_backup = || StoreError::NotABackup(path.to_owned());
    let mut start = [0; MAGIC.len()];
    input.read_exact(&mut start).map_err(|_| not_a_backup())?;
    if start != *MAGIC {
        return Err(not_a_backup());
    }
    let mut length = [0; 4];
    input.read_exact(&mut length).map_err(|_| StoreError::BackupAltered)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST_HEADER {
        return Err(StoreError::BackupAltered);
    }
    let mut text = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut text)?;
    // The format first: a newer one may have other fields.
    let altered = |_| StoreError::BackupAltered;
    let json: serde_json::Value = serde_json::from_slice(&text).map_err(altered)?;
    let format = json.get("format").and_then(serde_json::Value::as_u64);
    let format = format.and_then(|format| u32::try_from(format).ok());
    match format.ok_or(StoreError::BackupAltered)? {
        FORMAT => {}
        other => return Err(StoreError::BackupFormat(other)),
    }
    let header = serde_json::from_value(json).map_err(altered)?;
    Ok((header, Sha256::digest(&text).into()))
}

fn verify(copy: &mut Connection, census: &Census, root: Secret) -> Result<Hierarchy, StoreError> {
    if Census::take(copy)? != *census {
        return Err(StoreError::BackupDiffers("other rows"));
    }
    let sound: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(StoreError::BackupDiffers("the database is damaged"));
    }
    schema::migrate(copy)?;
    let transaction = Transaction::Sqlite(copy);
    let hierarchy = Hierarchy::with_root(&transaction, root)?;
    keys::key_set(&transaction, &hierarchy)?;
    pins::open_all(&transaction, &hierarchy)?;
    admin::open_all(&transaction, &hierarchy)?;
    Ok(hierarchy)
}

fn is_backup(path: &Path) -> Result<bool, StoreError> {
    let mut start = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(start == MAGIC)
}
