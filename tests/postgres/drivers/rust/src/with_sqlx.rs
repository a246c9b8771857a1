//! sqlx: its own protocol implementation, named statements in a cache, pools.
//!
//! Its two crates are used as they are: the facade `sqlx` adds macros that need a server
//! when they are compiled.

mod copies;
mod sessions;
mod statements;
mod values;

use std::time::Duration;

use sqlx_core::connection::{ConnectOptions, Connection};
use sqlx_core::error::Error;
use sqlx_core::executor::Executor;
use sqlx_core::query_scalar::query_scalar;
use sqlx_core::raw_sql::raw_sql;
use sqlx_core::sql_str::AssertSqlSafe;
use sqlx_core::types::Type;
use sqlx_core::{decode::Decode, pool::PoolOptions};
use sqlx_postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgPool, Postgres};

use crate::checks::{Checks, Done, role, schema};

/// Every check.
pub(crate) async fn everything(checks: &mut Checks) -> Done {
    let mut connection = connect().await?;
    let schema = schema("sqlx");
    batch(&mut connection, format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await?;
    batch(&mut connection, format!("CREATE SCHEMA {schema}")).await?;
    connection_phase(checks, &mut connection).await?;
    statements::simple(checks, &mut connection).await?;
    statements::prepared(checks, &mut connection).await?;
    statements::streamed(checks, &mut connection).await?;
    statements::failing(checks, &mut connection).await?;
    statements::transactions(checks, &mut connection).await?;
    values::of_each_type(checks, &mut connection).await?;
    values::of_rust(checks, &mut connection).await?;
    values::of_the_server(checks, &mut connection).await?;
    values::of_own_types(checks, &mut connection).await?;
    values::large(checks, &mut connection).await?;
    copies::text(checks, &mut connection).await?;
    copies::binary(checks, &mut connection).await?;
    copies::failing(checks, &mut connection).await?;
    let pool = pool(8).await?;
    sessions::pooled(checks, &pool).await?;
    sessions::listening(checks, &pool).await?;
    sessions::interrupted(checks, &pool).await?;
    sessions::locking(checks, &pool).await?;
    pool.close().await;
    batch(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await?;
    connection.close().await?;
    Ok(())
}

/// A login alone.
pub(crate) async fn login(checks: &mut Checks) -> Done {
    let mut connection = connect().await?;
    let found: String = one(&mut connection, "SELECT current_user::text").await?;
    checks.same("logged in", Some(found), role())?;
    let sum = query_scalar::<Postgres, i32>("SELECT $1 + 1").bind(41).fetch_one(&mut connection);
    checks.same("and on", sum.await?, 42)?;
    connection.close().await?;
    Ok(())
}

/// A connection as the PG* variables say, with start-up parameters of our own.
pub(crate) async fn connect() -> Done<PgConnection> {
    Ok(options().connect().await?)
}

/// sqlx reads the PG* variables itself; it knows those for channel binding and for TLS
/// without asking first not.
fn options() -> PgConnectOptions {
    let schema = schema("sqlx");
    PgConnectOptions::new()
        .application_name("sqlx suite")
        .options([("search_path", &*schema), ("work_mem", "3MB")])
}

async fn pool(most: u32) -> Done<PgPool> {
    let options = PoolOptions::new().max_connections(most).acquire_timeout(Duration::from_secs(30));
    Ok(options.connect_with(self::options()).await?)
}

/// Statements that answer nothing.
async fn batch(connection: &mut PgConnection, sql: String) -> Done {
    connection.execute(raw_sql(AssertSqlSafe(sql))).await?;
    Ok(())
}

/// The only value that a statement without parameters answers.
async fn one<T>(connection: &mut PgConnection, sql: &'static str) -> Done<T>
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres> + Send + Unpin,
{
    Ok(query_scalar(sql).fetch_one(connection).await?)
}

/// A statement has to fail with this state.
fn fails<T>(
    checks: &mut Checks,
    name: &str,
    result: Result<T, Error>,
    state: &str,
) -> Done<Box<PgDatabaseError>> {
    let Err(error) = result else { return Err(format!("{name}: it did not fail").into()) };
    let Error::Database(error) = error else { return Err(format!("{name}: {error}").into()) };
    checks.same(name, error.code().as_deref(), Some(state))?;
    Ok(error.downcast::<PgDatabaseError>())
}

async fn connection_phase(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let version = connection.server_version_num();
    checks.same("server version", version >= Some(130_000), true)?;
    let schema = schema("sqlx");
    for (name, sql, expected) in [
        ("application_name", "SHOW application_name", "sqlx suite"),
        ("options", "SHOW work_mem", "3MB"),
        ("search_path", "SELECT current_schema()::text", &*schema),
        ("its own parameter", "SHOW extra_float_digits", "2"),
        ("another", "SHOW timezone", "UTC"),
    ] {
        checks.same(name, one::<String>(connection, sql).await?, expected)?;
    }
    connection.ping().await?;
    checks.passed("ping")
}
