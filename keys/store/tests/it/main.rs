//! The store as its users see it.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]
#![allow(clippy::indexing_slicing, reason = "as above")]

/// A test of whatever the store is in.
macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod file {
            $(#[test]
            fn $name() {
                super::$name(crate::Home::new());
            })*
        }
        mod postgres {
            $(#[test]
            fn $name() {
                super::$name(crate::Home::in_postgres());
            })*
        }
    };
}

/// The same inside a runtime.
macro_rules! conformance_async {
    ($($name:ident),* $(,)?) => {
        mod async_file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(crate::Home::new()).await;
            })*
        }
        mod async_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(crate::Home::in_postgres()).await;
            })*
        }
    };
}

mod backups;
mod claims;
mod domains;
mod keys;
mod leases;
mod opening;
mod outages;
mod postgres;
mod reading;
mod restored;
mod server;
mod tending;
mod tokens;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use allonym_keyring::DomainId;
use allonym_seal::{FileSeal, Seal};
use allonym_store::{ApiTokenRow, PostgresConfig, Store, StoreError, TokenRow};
use tempfile::TempDir;

/// A folder with a key file and a place for a store.
struct Home {
    folder: TempDir,
    /// The schema of the shared server that the store is in, if it is in no file.
    schema: Option<String>,
}

impl Home {
    fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), schema: None };
        FileSeal::create(home.at("seal.key")).unwrap();
        home
    }

    fn in_postgres() -> Self {
        Self { schema: Some(server::shared().schema()), ..Self::new() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn is_file(&self) -> bool {
        self.schema.is_none()
    }

    fn path(&self) -> PathBuf {
        assert!(self.is_file());
        self.at("data/store.db")
    }

    fn config(&self) -> PostgresConfig {
        server::shared().config("postgres", self.schema.as_ref().unwrap())
    }

    fn seals(&self) -> Vec<Box<dyn Seal>> {
        vec![Box::new(FileSeal::open(self.at("seal.key")).unwrap())]
    }

    fn other_seals(&self) -> Vec<Box<dyn Seal>> {
        let path = self.at("other.key");
        let seal = FileSeal::create(&path).or_else(|_| FileSeal::open(&path));
        vec![Box::new(seal.unwrap())]
    }

    fn open(&self) -> Store {
        self.open_with(&self.seals(), now()).unwrap()
    }

    fn open_with(&self, seals: &[Box<dyn Seal>], now: SystemTime) -> Result<Store, StoreError> {
        match self.is_file() {
            true => Store::open(&self.path(), seals, now),
            false => Store::open_postgres(&self.config(), seals, now),
        }
    }

    fn open_read_only(&self) -> Result<Store, StoreError> {
        match self.is_file() {
            true => Store::open_read_only(&self.path(), &self.seals()),
            false => Store::open_postgres_read_only(&self.config(), &self.seals()),
        }
    }

    /// Edits a closed store behind its back.
    fn edit(&self, sql: &str) {
        if let Some(schema) = &self.schema {
            server::shared().sql(&format!("SET search_path = {schema}; {sql}"));
            return;
        }
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.execute_batch(sql).unwrap();
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_392_000_123)
}

fn later(days: u64) -> SystemTime {
    now() + Duration::from_secs(days * 86_400)
}

/// The specification of [`with_domain`].
const SPEC: &str = r#"{"method":"token"}"#;

/// A store with a domain for tokens.
fn with_domain(home: &Home) -> (Store, DomainId) {
    let store = home.open();
    let key = store.ensure_key("contact", None, now()).unwrap();
    let domain = store.put_domain("email", SPEC, key).unwrap();
    (store, domain)
}

fn token_row(number: u32) -> TokenRow {
    let mut lookup = [0; 16];
    lookup[..4].copy_from_slice(&number.to_be_bytes());
    TokenRow {
        lookup: Some(lookup),
        token: format!("t{number:06}@allonym.invalid"),
        version: 1,
        sealed: format!("sealed {number}").into_bytes(),
        ..TokenRow::default()
    }
}

fn api_token(id: &str, name: &str) -> ApiTokenRow {
    ApiTokenRow {
        id: id.to_owned(),
        name: name.to_owned(),
        roles: vec!["billing".to_owned()],
        purpose: Some("chargeback".to_owned()),
        claims: serde_json::json!({ "team": ["a", "b"] }),
        hash: [5; 32],
        created: now(),
        expires: Some(later(30)),
        revoked: None,
    }
}

/// Every byte of every file in a folder, to search for what must not be there.
fn bytes_under(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    bytes
}

fn holds(bytes: &[u8], canary: &[u8]) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary)
}
