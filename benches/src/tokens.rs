//! Vaulted tokens in the embedded store and in PostgreSQL, in batches of 1,000.

mod cards;
mod postgres;
pub(crate) mod server;

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use allonym_keyring::{KeySet, NamespaceId};
use allonym_protect::{Candidate, Domain, Found, Issue, Issued, TokenDomain, TokenStore as _};
use allonym_seal::FileSeal;
use allonym_store::{PostgresConfig, Store};
use allonym_tokens::{CacheSettings, Settings, VaultStore};
use rusqlite::Connection;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use self::cards::Cards;
use crate::Outcome;
use crate::measure::{Arm, Pace, Sample, Series, interleave};
use crate::process::cpu_seconds;
use crate::report::{Figure, Goal, Row, Section};

const BATCH: u64 = 1000;
/// Pairs of ends that cards of all sorts have.
const PAIRS: u64 = 1000;
/// What is there before anything is timed.
const STORED: u64 = 50 * BATCH;

const RATE: Figure = Figure { of: Sample::per_second, scale: 1e-3, unit: "k/s" };
const CPU: Figure = Figure { of: Sample::cpu_microseconds, scale: 1.0, unit: "us CPU each" };

pub(crate) fn compare(pace: Pace, folder: &Path) -> Outcome<Section> {
    let folder = folder.join("tokens");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let vault = Vault::open(&folder)?;
    let plain = Plain::open(&folder)?;
    for first in (0..STORED).step_by(BATCH as usize) {
        vault.insert(first)?;
        plain.insert(first)?;
    }
    vault.verify()?;
    plain.verify()?;
    let remembering = vault.remembering();
    remembering.verify()?;
    let (cards, alike) = (Cards::new(&vault, PAIRS)?, Cards::new(&vault, 1)?);
    // The two grow alike, each from a place of its own.
    let (next, plain_next) = (Cell::new(STORED), Cell::new(STORED));
    let turn = Cell::new(0);
    let stored = || {
        turn.set(turn.get() + 1);
        // Another batch each time, in an order that is not the one they were stored in.
        (turn.get() * 37 % (STORED / BATCH)) * BATCH
    };
    let fresh = |next: &Cell<u64>| next.replace(next.get() + BATCH);
    let arms = [
        Arm::new("insert", |length| timed(length, || vault.insert(fresh(&next)))),
        Arm::new("SQLite, plain table", |length| {
            timed(length, || plain.insert(fresh(&plain_next)))
        }),
        Arm::new("known", |length| timed(length, || vault.insert(stored()))),
        Arm::new("get", |length| timed(length, || vault.values(stored()))),
        Arm::new("known, remembered", |length| timed(length, || remembering.insert(stored()))),
        Arm::new("get, remembered", |length| timed(length, || remembering.values(stored()))),
        Arm::new("SQLite, plain table", |length| timed(length, || plain.values(stored()))),
        Arm::new("cards, 1,000 pairs", |length| timed(length, || cards.insert())),
        Arm::new("cards, one pair", |length| timed(length, || alike.insert())),
    ];
    let series = interleave(arms, pace.rounds, pace.round)?;
    drop((cards, alike, remembering, vault, plain));
    let mut rows = rows(&series);
    let details = match postgres::measure(pace, &folder)? {
        Some(series) => {
            rows.extend(postgres_rows(&series));
            String::new()
        }
        None => "PostgreSQL is not installed here, so it was not measured.\n".to_owned(),
    };
    let section = Section { title: "Vaulted tokens", rows, how: HOW, details };
    std::fs::remove_dir_all(&folder)?;
    Ok(section)
}

fn rows(series: &[Series; 9]) -> Vec<Row> {
    let [insert, plain_insert, known, get, known_here, get_here, plain_get, cards, alike] = series;
    vec![
        Row::new("tokens.insert", "insert-or-get, all new", RATE, insert, plain_insert)
            .goal(Goal::ValueAtLeast(20.0)),
        Row::new("tokens.insert.cpu", "insert-or-get, all new", CPU, insert, plain_insert),
        Row::new("tokens.known", "insert-or-get, all known", RATE, known, plain_get),
        Row::new("tokens.known.cpu", "insert-or-get, all known", CPU, known, plain_get),
        Row::new("tokens.get", "get", RATE, get, plain_get).goal(Goal::ValueAtLeast(200.0)),
        Row::new("tokens.get.cpu", "get", CPU, get, plain_get),
        Row::new("tokens.known.cached", "insert-or-get, remembered", RATE, known_here, plain_get),
        Row::new("tokens.get.cached", "get, remembered", RATE, get_here, plain_get),
        Row::new("tokens.cards", "cards 6/4, new, 1,000 pairs", RATE, cards, plain_insert),
        Row::new("tokens.cards.alike", "cards 6/4, new, one pair", RATE, alike, plain_insert),
    ]
}

fn postgres_rows([insert, plain_insert, get, plain_get, cards, alike]: &[Series; 6]) -> Vec<Row> {
    vec![
        Row::new("tokens.postgres.insert", "PostgreSQL: all new", RATE, insert, plain_insert)
            .goal(Goal::ValueAtLeast(20.0)),
        Row::new("tokens.postgres.get", "PostgreSQL: get", RATE, get, plain_get),
        Row::new(
            "tokens.postgres.cards",
            "PostgreSQL: cards, 1,000 pairs",
            RATE,
            cards,
            plain_insert,
        ),
        Row::new(
            "tokens.postgres.cards.alike",
            "PostgreSQL: cards, one pair",
            RATE,
            alike,
            plain_insert,
        ),
    ]
}

const HOW: &str = "Batches of 1,000, one after the other, in a store that holds 50,000 tokens at the start; values of about \
30 bytes, tokens of 30 characters. Ours: the embedded store with everything on: keyed look-up, sealed values, \
acknowledged when on disk. Its peer: SQLite with the same settings (write-ahead log, `synchronous=FULL`, the same cache \
and checkpoints), one table of token, look-up and value in plain, batches of the same size, on one thread. \"Remembered\": what the cache in front of the store holds; the other rows are \
without it. \"Cards\": card numbers whose tokens keep the first 6 and last 4 digits, through the method and all new, \
spread over 1,000 pairs of ends, which is as many counters, or all of one. PostgreSQL: a server of its own on this machine that writes in earnest, one batch at a time; its peer is a plain table \
there, one statement for a batch. Before timing, every stored value is read back and compared.";

/// Repeats batches for a time, with the CPU time of this process.
fn timed(length: Duration, mut batch: impl FnMut() -> Outcome<()>) -> Outcome<Sample> {
    let process = std::process::id();
    let cpu = cpu_seconds(process)?;
    let start = Instant::now();
    let mut operations = 0;
    while start.elapsed() < length {
        batch()?;
        operations += BATCH;
    }
    Ok(Sample {
        operations: operations as f64,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds(process)? - cpu,
    })
}

fn value(number: u64) -> String {
    format!("customer.{number:012}@mail.example")
}

/// Spread all over, as random tokens are.
fn scattered(number: u64) -> u128 {
    u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

fn token(number: u64) -> String {
    format!("tok_{:026x}", scattered(number) >> 24)
}

/// What is compared.
struct Vault {
    runtime: Arc<Runtime>,
    store: VaultStore,
    backend: Store,
    domain: TokenDomain,
    keys: Arc<KeySet>,
}

impl Vault {
    fn open(folder: &Path) -> Outcome<Self> {
        let seal = FileSeal::create(folder.join("seal.key"))?;
        let now = SystemTime::now();
        Self::over(Store::open(&folder.join("data/store.db"), &[Box::new(seal)], now)?)
    }

    fn in_postgres(folder: &Path, url: &str) -> Outcome<Self> {
        let seal = FileSeal::create(folder.join("postgres.key"))?;
        let config = PostgresConfig::new(url);
        Self::over(Store::open_postgres(&config, &[Box::new(seal)], SystemTime::now())?)
    }

    /// The same tokens, through a cache that holds all of them as long as this runs.
    fn remembering(&self) -> Self {
        let cache =
            CacheSettings { entries: 1 << 20, bytes: 1 << 28, age: Duration::from_secs(24 * 3600) };
        let settings = Settings { cache, ..Settings::default() };
        Self {
            runtime: Arc::clone(&self.runtime),
            store: VaultStore::with(self.backend.clone(), settings),
            backend: self.backend.clone(),
            domain: self.domain.clone(),
            keys: Arc::clone(&self.keys),
        }
    }

    fn over(store: Store) -> Outcome<Self> {
        let now = SystemTime::now();
        let key = store.ensure_key("contact", None, now)?;
        let id = store.put_domain("email", "{}", key)?;
        let domain = Domain { namespace: NamespaceId::DEFAULT, id, key };
        Ok(Self {
            runtime: Arc::new(tokio::runtime::Builder::new_current_thread().enable_all().build()?),
            keys: Arc::new(store.key_set()?),
            store: VaultStore::with(
                store.clone(),
                Settings { cache: CacheSettings::OFF, ..Settings::default() },
            ),
            backend: store,
            domain: TokenDomain { domain, specification: [7; 32] },
        })
    }

    /// A batch of values gets tokens.
    fn insert(&self, first: u64) -> Outcome<()> {
        let candidate = |number| {
            let value = Zeroizing::new(value(number).into_bytes());
            Candidate { lookup: Some(value.clone()), value, token: token(number) }
        };
        let batch = (first..first + BATCH).map(candidate).collect();
        let issue = Issue { insert: true, ..Issue::default() };
        let tokens = self.store.tokens_for(&self.domain, &*self.keys, batch, issue);
        let tokens = self.runtime.block_on(tokens)?;
        if tokens.iter().all(|token| matches!(token, Issued::Token(_))) {
            Ok(())
        } else {
            Err("a value got no token".into())
        }
    }

    /// A batch of tokens gets values.
    fn values(&self, first: u64) -> Outcome<()> {
        let tokens: Vec<_> = (first..first + BATCH).map(token).collect();
        let found = self.get(&tokens)?;
        if found.iter().all(|found| matches!(found, Found::Value(_))) {
            Ok(())
        } else {
            Err("a token has no value".into())
        }
    }

    fn get(&self, tokens: &[String]) -> Outcome<Vec<Found>> {
        let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
        Ok(self.runtime.block_on(self.store.values_for(&self.domain, &*self.keys, &tokens))?)
    }

    fn verify(&self) -> Outcome<()> {
        let tokens: Vec<_> = (0..STORED).map(token).collect();
        let found = self.get(&tokens)?;
        let right = found.iter().zip(0..).all(|(found, number)| {
            matches!(found, Found::Value(found) if found.as_slice() == value(number).as_bytes())
        });
        let strangers = self.get(&[token(STORED)])?;
        if right && strangers == [Found::Unknown] && found.len() as u64 == STORED {
            Ok(())
        } else {
            Err("the token store did not give the values back".into())
        }
    }
}

/// What it is compared with.
struct Plain {
    connection: RefCell<Connection>,
}

impl Plain {
    fn open(folder: &Path) -> Outcome<Self> {
        let connection = Connection::open(folder.join("plain.db"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 16384; PRAGMA cache_size = -65536;
             CREATE TABLE tokens (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, found_by BLOB NOT NULL UNIQUE, value BLOB NOT NULL)",
        )?;
        Ok(Self { connection: RefCell::new(connection) })
    }

    fn insert(&self, first: u64) -> Outcome<()> {
        let mut connection = self.connection.try_borrow_mut()?;
        let transaction = connection.transaction()?;
        {
            let mut put = transaction.prepare_cached(
                "INSERT OR IGNORE INTO tokens (token, found_by, value) VALUES (?1, ?2, ?3)",
            )?;
            for number in first..first + BATCH {
                let found_by = scattered(number).rotate_left(64).to_be_bytes();
                put.execute((token(number), found_by, value(number).into_bytes()))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn values(&self, first: u64) -> Outcome<()> {
        let mut connection = self.connection.try_borrow_mut()?;
        let transaction = connection.transaction()?;
        {
            let mut get =
                transaction.prepare_cached("SELECT value FROM tokens WHERE token = ?1")?;
            for number in first..first + BATCH {
                std::hint::black_box(
                    get.query_row([token(number)], |row| row.get::<_, Vec<u8>>(0))?,
                );
            }
        }
        Ok(transaction.commit()?)
    }

    fn verify(&self) -> Outcome<()> {
        let connection = self.connection.try_borrow()?;
        let mut get = connection.prepare("SELECT value FROM tokens WHERE token = ?1")?;
        for number in 0..STORED {
            let found: Vec<u8> = get.query_row([token(number)], |row| row.get(0))?;
            if found != value(number).as_bytes() {
                return Err("the plain table did not give the values back".into());
            }
        }
        Ok(())
    }
}
