//! Statements: simple, prepared, streamed, failing, in transactions.

use futures_util::{StreamExt, TryStreamExt};
use sqlx_core::Either;
use sqlx_core::column::Column;
use sqlx_core::connection::Connection;
use sqlx_core::executor::Executor;
use sqlx_core::from_row::FromRow;
use sqlx_core::query::query;
use sqlx_core::query_as::query_as;
use sqlx_core::query_scalar::query_scalar;
use sqlx_core::raw_sql::raw_sql;
use sqlx_core::row::Row;
use sqlx_core::sql_str::SqlSafeStr;
use sqlx_core::statement::Statement;
use sqlx_core::type_info::TypeInfo;
use sqlx_postgres::{PgConnection, PgErrorPosition, PgRow, Postgres};

use super::{batch, fails, one};
use crate::checks::{Checks, Done};

pub(super) async fn simple(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let sql = "SELECT 'one'; CREATE TABLE people (id int PRIMARY KEY, name text); \
               INSERT INTO people VALUES (1, 'one'), (2, NULL); SELECT id::text FROM people";
    let mut found = Vec::new();
    let mut answers = raw_sql(sql).fetch_many(&mut *connection);
    while let Some(answer) = answers.try_next().await? {
        found.push(match answer {
            Either::Left(done) => format!("#{}", done.rows_affected()),
            Either::Right(row) => row.try_get(0)?,
        });
    }
    drop(answers);
    checks.same("several statements in one", found, ["one", "#1", "#0", "#2", "1", "2", "#2"])?;
    let failed = raw_sql("SELECT 1; SELECT 1 / 0; SELECT 2").fetch_all(&mut *connection).await;
    fails(checks, "an error in the middle", failed, "22012")?;
    let rows = raw_sql("SELECT generate_series(1, 20000)").fetch_all(&mut *connection).await?;
    checks.same("20,000 rows, simple", rows.len(), 20_000)
}

/// A row as a type of one's own.
#[derive(Debug, PartialEq)]
struct Person {
    id: i32,
    name: Option<String>,
}

impl<'r> FromRow<'r, PgRow> for Person {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx_core::Error> {
        Ok(Self { id: row.try_get("id")?, name: row.try_get("name")? })
    }
}

pub(super) async fn prepared(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    for value in 0..10_i32 {
        let sql = "SELECT $1 * 2, $2 || '!'";
        let asked = query_as::<Postgres, (i32, String)>(sql).bind(value).bind("ü");
        let found = asked.fetch_one(&mut *connection).await?;
        checks.same(format!("prepared, use {}", value + 1), found, (value * 2, "ü!".to_owned()))?;
    }
    let cached = connection.cached_statements_size();
    checks.same("named statements are kept", cached > 1, true)?;
    let count = "SELECT count(*) FROM pg_prepared_statements";
    let kept: i64 = one(connection, count).await?;
    checks.same("at the server too", kept > 1, true)?;
    connection.clear_cached_statements().await?;
    checks.same("until they are closed", one::<i64>(connection, count).await?, 1)?;
    for value in 0..3_i32 {
        let asked = query_scalar::<Postgres, i32>("SELECT $1 + 1").bind(value).persistent(false);
        let found = asked.fetch_one(&mut *connection).await?;
        checks.same(format!("unnamed, use {}", value + 1), found, value + 1)?;
    }
    let sql = "SELECT $1::int8 AS n, $2::text AS \"ä b\"".into_sql_str();
    let statement = connection.prepare(sql).await?;
    let columns: Vec<_> = statement.columns().iter().map(Column::name).collect();
    checks.same("column names", columns, ["n", "ä b"])?;
    let Some(Either::Left(parameters)) = statement.parameters() else {
        return Err("no parameters".into());
    };
    let names: Vec<_> = parameters.iter().map(TypeInfo::name).collect();
    checks.same("parameter types", names, ["INT8", "TEXT"])?;
    let row = statement.query().bind(7_i64).bind("x").fetch_one(&mut *connection).await?;
    checks.same("a statement by hand", row.try_get::<i64, _>("n")?, 7)?;

    let insert = query("INSERT INTO people SELECT g, 'p' || g FROM generate_series($1, $2) g");
    let done = insert.bind(10).bind(109).execute(&mut *connection).await?;
    checks.same("rows affected", done.rows_affected(), 100)?;
    let people: Vec<Person> = query_as("SELECT * FROM people WHERE id < $1 ORDER BY id")
        .bind(11)
        .fetch_all(connection)
        .await?;
    let person = |id, name: Option<&str>| Person { id, name: name.map(str::to_owned) };
    let expected = [person(1, Some("one")), person(2, None), person(10, Some("p10"))];
    checks.same("rows as a type of one's own", people, expected)
}

pub(super) async fn streamed(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let sql = "SELECT g, repeat('x', g % 100) FROM generate_series(1, $1) g";
    let mut rows = query_as::<Postgres, (i32, String)>(sql).bind(20_000).fetch(&mut *connection);
    let (mut count, mut length) = (0, 0);
    while let Some((_, text)) = rows.try_next().await? {
        count += 1;
        length += text.len();
    }
    drop(rows);
    checks.same("20,000 rows, streamed", (count, length), (20_000, 990_000))?;
    // What is left of a stream is read before the next statement.
    let first: Vec<_> =
        query(sql).bind(20_000).fetch(&mut *connection).take(3).try_collect().await?;
    checks.same("a stream given up", first.len(), 3)?;
    checks.same("and on", one::<i32>(connection, "SELECT 1").await?, 1)?;
    let none =
        query("SELECT 1 FROM people WHERE id = $1").bind(-1).fetch_optional(&mut *connection);
    checks.same("no row", none.await?.is_none(), true)?;
    let missing = query_scalar::<Postgres, i32>("SELECT 1 WHERE false").fetch_one(connection).await;
    checks.same("no row where one is wanted", missing.is_err(), true)
}

pub(super) async fn failing(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let c = &mut *connection;
    let again = query("INSERT INTO people VALUES ($1, 'again')").bind(1).execute(&mut *c).await;
    let error = fails(checks, "unique violation", again, "23505")?;
    checks.same("its detail", error.detail(), Some("Key (id)=(1) already exists."))?;
    checks.same("its constraint", error.constraint(), Some("people_pkey"))?;
    let unknown = query("SELECT * FROM nothing_here").execute(&mut *c).await;
    let error = fails(checks, "no such table", unknown, "42P01")?;
    let at = matches!(error.position(), Some(PgErrorPosition::Original(15)));
    checks.same("its position", at, true)?;
    let syntax = query("SELEC 1").execute(&mut *c).await;
    fails(checks, "syntax error", syntax, "42601")?;
    let sql = "SELECT 1 / (1000 - g) FROM generate_series(1, 2000) g";
    let late = query(sql).fetch_all(&mut *c).await;
    fails(checks, "an error after rows", late, "22012")?;
    batch(c, "CREATE TABLE shape (a int)".to_owned()).await?;
    query("SELECT * FROM shape").fetch_all(&mut *c).await?;
    batch(c, "ALTER TABLE shape ADD b text".to_owned()).await?;
    let changed = query("SELECT * FROM shape").fetch_all(&mut *c).await;
    fails(checks, "a plan that changed", changed, "0A000")?;
    checks.same("the connection goes on", one::<i32>(c, "SELECT 1").await?, 1)
}

pub(super) async fn transactions(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let mut outer = connection.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?;
    let shown: String = one(&mut outer, "SHOW transaction_isolation").await?;
    checks.same("isolation", shown, "serializable")?;
    query("INSERT INTO people VALUES (4000, 'kept')").execute(&mut *outer).await?;
    let mut inner = outer.begin().await?;
    let again = query("INSERT INTO people VALUES (4000, 'again')").execute(&mut *inner).await;
    fails(checks, "an error in a savepoint", again, "23505")?;
    inner.rollback().await?;
    let mut inner = outer.begin().await?;
    query("INSERT INTO people VALUES (4001, 'too')").execute(&mut *inner).await?;
    inner.commit().await?;
    outer.commit().await?;
    let kept: i64 = one(connection, "SELECT count(*) FROM people WHERE id >= 4000").await?;
    checks.same("committed", kept, 2)?;

    let mut lost = connection.begin().await?;
    query("DELETE FROM people").execute(&mut *lost).await?;
    let failed = query("SELECT 1 / 0").execute(&mut *lost).await;
    fails(checks, "an error in a transaction", failed, "22012")?;
    let aborted = query("SELECT 1").execute(&mut *lost).await;
    fails(checks, "an aborted transaction", aborted, "25P02")?;
    drop(lost);
    let kept: i64 = one(connection, "SELECT count(*) FROM people").await?;
    checks.same("rolled back when dropped", kept, 104)?;

    let mut reading = connection.begin().await?;
    let declared = "DECLARE c SCROLL CURSOR FOR SELECT generate_series(1, 10)";
    query(declared).execute(&mut *reading).await?;
    let mut found = Vec::new();
    for fetch in ["FETCH 4 FROM c", "FETCH LAST FROM c", "FETCH PRIOR FROM c"] {
        found.extend(query_scalar::<Postgres, i32>(fetch).fetch_all(&mut *reading).await?);
    }
    checks.same("a cursor", found, [1, 2, 3, 4, 10, 9])?;
    reading.commit().await?;
    Ok(())
}
