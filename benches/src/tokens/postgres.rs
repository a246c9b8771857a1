//! The same tokens in PostgreSQL, beside a plain table of the same server.

use std::cell::Cell;
use std::path::Path;

use tokio_postgres::{Client, NoTls, Statement};

use super::cards::Cards;
use super::server::Server;
use super::{BATCH, PAIRS, STORED, Vault, scattered, timed, token, value};
use crate::Outcome;
use crate::measure::{Arm, Pace, Series, interleave};

/// Series of inserts, gets, each with that of the plain table, and of cards; nothing where no PostgreSQL is
/// installed.
pub(super) fn measure(pace: Pace, folder: &Path) -> Outcome<Option<[Series; 6]>> {
    let Some(server) = Server::start(&folder.join("postgres"), &["shared_buffers=256MB"])? else {
        return Ok(None);
    };
    let vault = Vault::in_postgres(folder, &server.url())?;
    let plain = Plain::connect(&vault, &server.plain_url())?;
    for first in (0..STORED).step_by(BATCH as usize) {
        vault.insert(first)?;
        plain.insert(&vault, first)?;
    }
    vault.verify()?;
    let (cards, alike) = (Cards::new(&vault, PAIRS)?, Cards::new(&vault, 1)?);
    let (next, plain_next, turn) = (Cell::new(STORED), Cell::new(STORED), Cell::new(0));
    let fresh = |next: &Cell<u64>| next.replace(next.get() + BATCH);
    let stored = || {
        turn.set(turn.get() + 1);
        (turn.get() * 37 % (STORED / BATCH)) * BATCH
    };
    let arms = [
        Arm::new("insert", |length| timed(length, || vault.insert(fresh(&next)))),
        Arm::new("PostgreSQL, plain table", |length| {
            timed(length, || plain.insert(&vault, fresh(&plain_next)))
        }),
        Arm::new("get", |length| timed(length, || vault.values(stored()))),
        Arm::new("PostgreSQL, plain table", |length| {
            timed(length, || plain.values(&vault, stored()))
        }),
        Arm::new("cards, 1,000 pairs", |length| timed(length, || cards.insert())),
        Arm::new("cards, one pair", |length| timed(length, || alike.insert())),
    ];
    Ok(Some(interleave(arms, pace.rounds, pace.round)?))
}

/// What it is compared with: one statement for a batch, on one connection.
struct Plain {
    client: Client,
    insert: Statement,
    values: Statement,
}

impl Plain {
    fn connect(vault: &Vault, url: &str) -> Outcome<Self> {
        vault.runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            client
                .batch_execute(
                    "CREATE SCHEMA plain; CREATE TABLE plain.tokens (id bigserial PRIMARY KEY,
                         token text NOT NULL UNIQUE, found_by bytea NOT NULL UNIQUE, value bytea NOT NULL)",
                )
                .await?;
            let insert = client
                .prepare(
                    "INSERT INTO plain.tokens (token, found_by, value)
                     SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[]) ON CONFLICT DO NOTHING",
                )
                .await?;
            let values = client
                .prepare("SELECT token, value FROM plain.tokens WHERE token = ANY ($1::text[])")
                .await?;
            Ok(Self { client, insert, values })
        })
    }

    fn insert(&self, vault: &Vault, first: u64) -> Outcome<()> {
        let numbers = first..first + BATCH;
        let tokens: Vec<String> = numbers.clone().map(token).collect();
        let found_by: Vec<Vec<u8>> = numbers
            .clone()
            .map(|number| scattered(number).rotate_left(64).to_be_bytes().to_vec())
            .collect();
        let values: Vec<Vec<u8>> = numbers.map(|number| value(number).into_bytes()).collect();
        let inserted = vault
            .runtime
            .block_on(self.client.execute(&self.insert, &[&tokens, &found_by, &values]))?;
        if inserted == BATCH { Ok(()) } else { Err("the plain table did not insert".into()) }
    }

    fn values(&self, vault: &Vault, first: u64) -> Outcome<()> {
        let tokens: Vec<String> = (first..first + BATCH).map(token).collect();
        let found = vault.runtime.block_on(self.client.query(&self.values, &[&tokens]))?;
        if found.len() as u64 == BATCH { Ok(()) } else { Err("a token has no value".into()) }
    }
}
