use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row, Statement};

use super::config::Server;
use super::failure::{Again, Failure};
use crate::StoreError;

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads one moment.
    Look,
    /// Changes tokens, beside others that do.
    Tokens,
    /// Changes what the store knows of itself, as the only one that does.
    Administration,
    /// Brings the schema up, as the only one that does.
    Migration,
}

/// What one may wait for each other over, by the schema's number.
#[derive(Clone, Copy)]
pub(crate) enum Lock {
    Migration = 1,
    Administration = 2,
    /// Shared by those that store what is sealed under a version; alone for who destroys
    /// one.
    Versions = 3,
}

/// The oldest server whose SQL is enough.
const OLDEST: i64 = 130_000;

/// One connection.
pub(crate) struct Session {
    client: Client,
    /// The number of the schema in the server, as locks have it.
    schema: i32,
    statements: Mutex<HashMap<String, Statement>>,
    /// How long an answer may take; the server gives up before.
    patience: Duration,
    broken: AtomicBool,
}

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    /// Connects and sets the session up.
    pub(crate) async fn open(server: &Server) -> Result<Self, Failure> {
        let client = match &server.tls {
            None => connect(server, NoTls).await,
            Some(tls) => connect(server, tls.clone()).await,
        }?;
        let patience = server.statement_timeout.saturating_add(Duration::from_secs(1));
        let mut session = Self {
            client,
            schema: 0,
            statements: Mutex::default(),
            patience,
            broken: AtomicBool::new(false),
        };
        session.set_up(server.statement_timeout).await?;
        Ok(session)
    }

    /// Whether nothing went wrong with the connection so far.
    pub(crate) fn is_good(&self) -> bool {
        !self.broken.load(Ordering::Relaxed) && !self.client.is_closed()
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&self, kind: Kind) -> Result<(), Failure> {
        let write = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE";
        let alone = |lock| format!("{write}; {}", self.lock_statement(lock, ""));
        match kind {
            Kind::Look => self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await,
            Kind::Tokens => self.batch(write).await,
            Kind::Administration => self.batch(&alone(Lock::Administration)).await,
            Kind::Migration => self.batch(&alone(Lock::Migration)).await,
        }
    }

    /// Begins a transaction in which no version is destroyed.
    pub(crate) async fn begin_sealed(&self) -> Result<(), Failure> {
        let lock = self.lock_statement(Lock::Versions, "_shared");
        self.batch(&format!("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; {lock}")).await
    }

    /// Waits for a lock and holds it until the end of the transaction.
    pub(crate) fn lock_statement(&self, lock: Lock, how: &str) -> String {
        format!("SELECT pg_advisory_xact_lock{how}({}, {})", self.schema, lock as i32)
    }

    /// Commits, and does not stop waiting for a standby that has to confirm it: that
    /// would acknowledge what may be lost with this server.
    pub(crate) async fn commit(&self) -> Result<(), Failure> {
        self.batch("SET LOCAL statement_timeout = 0; COMMIT").await.map_err(|failure| {
            let why = "the connection was lost while it was being stored: it may be there or not";
            match failure.again {
                Again::Lost => StoreError::Unavailable(why.to_owned()).into(),
                _ => failure,
            }
        })
    }

    /// Statements without values or answers.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        self.within(self.client.batch_execute(sql)).await
    }

    /// A statement, prepared once for each connection.
    pub(crate) async fn statement(&self, sql: &str) -> Result<Statement, Failure> {
        let known = |statements: &Mutex<HashMap<String, Statement>>| {
            statements.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned()
        };
        if let Some(statement) = known(&self.statements) {
            return Ok(statement);
        }
        let statement = self.within(self.client.prepare(sql)).await?;
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(crate) async fn query(
        &self,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Failure> {
        self.within(self.client.query(statement, params)).await
    }

    /// The rows of a statement that is asked once.
    pub(crate) async fn ask(&self, sql: &str) -> Result<Vec<Row>, Failure> {
        self.within(self.client.query(sql, &[])).await
    }

    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<u64, Failure> {
        self.within(self.client.execute(statement, params)).await
    }

    async fn set_up(&mut self, statement_timeout: Duration) -> Result<(), Failure> {
        let millis = statement_timeout.as_millis().clamp(1, 86_400_000);
        let abandoned = millis * 6;
        self.batch(&format!(
            "SET statement_timeout = {millis}; SET jit = off; SET client_min_messages = warning;
             SET plan_cache_mode = force_custom_plan;
             SET idle_in_transaction_session_timeout = {abandoned}"
        ))
        .await?;
        // Only that schema from now on: nobody slips a table or function in before ours.
        let about = "SELECT n.oid::bigint, current_setting('server_version_num')::bigint,
                 current_setting('server_encoding'), current_setting('synchronous_commit'),
                 set_config('search_path', quote_ident(n.nspname) || ', pg_temp', false),
                 n.nspname LIKE 'pg\\_%'
             FROM pg_catalog.pg_namespace n WHERE n.nspname = current_schema()";
        let rows = self.within(self.client.query(about, &[])).await?;
        let refused = |why: &str| Failure::from(StoreError::Refused(why.to_owned()));
        let row = rows.first().ok_or_else(|| {
            refused("no schema of its search_path exists, or the role has no USAGE on it")
        })?;
        // What is made in the schema of a session is gone with it.
        if row.try_get::<_, bool>(5)? {
            return Err(refused("the first schema of its search_path is PostgreSQL's own (pg_…)"));
        }
        let (number, version): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let (encoding, commit): (String, String) = (row.try_get(2)?, row.try_get(3)?);
        if version < OLDEST {
            return Err(refused("PostgreSQL is older than 13"));
        }
        if encoding != "UTF8" {
            return Err(refused("the database is not in UTF8"));
        }
        // Locks have the 32 bits of the number as a signed one.
        let bits = u32::try_from(number).unwrap_or_default();
        self.schema = i32::from_ne_bytes(bits.to_ne_bytes());
        if commit != "on" && commit != "remote_apply" {
            self.batch("SET synchronous_commit = on").await?;
        }
        let query = "SELECT current_setting('synchronous_commit')";
        let rows = self.within(self.client.query(query, &[])).await?;
        let commit: String = rows.first().map_or(Ok(String::new()), |row| row.try_get(0))?;
        match commit.as_str() {
            "on" | "remote_apply" => Ok(()),
            _ => Err(refused("PostgreSQL acknowledges what is not on disk (synchronous_commit)")),
        }
    }

    /// Waits for an answer, but not for ever: a server that is gone says nothing.
    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let failure = match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error.into(),
            Err(_) => Failure { again: Again::No, ..Failure::lost("PostgreSQL does not answer") },
        };
        // Also a connection that only may be in disorder is not used again.
        let unavailable = matches!(failure.error, StoreError::Unavailable(_));
        if unavailable && failure.again != Again::Conflict {
            self.broken.store(true, Ordering::Relaxed);
        }
        Err(failure)
    }
}

async fn connect<T>(server: &Server, tls: T) -> Result<Client, Failure>
where
    T: tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>,
    T::Stream: Send + 'static,
{
    let late = || StoreError::Unavailable("PostgreSQL cannot be reached in time".to_owned());
    let connecting = tokio::time::timeout(server.connect_timeout, server.config.connect(tls));
    let (client, connection) =
        connecting.await.map_err(|_| late())?.map_err(|error| Failure::of_connecting(&error))?;
    // It ends when the client is dropped, or with the connection.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}
