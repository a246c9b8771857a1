//! Statements: simple, prepared, pipelined, failing, in transactions and portals.

use std::pin::pin;

use futures_util::TryStreamExt;
use futures_util::future::{join_all, try_join_all};
use tokio_postgres::error::{ErrorPosition, SqlState};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, IsolationLevel, SimpleQueryMessage};

use super::{fails, one};
use crate::checks::{Checks, Done};

/// What a simple query answers: values, and how many rows each statement concerned.
async fn answers(client: &Client, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    let shown = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        SimpleQueryMessage::CommandComplete(count) => Some(format!("#{count}")),
        _ => None,
    });
    Ok(shown.collect())
}

pub(super) async fn simple(checks: &mut Checks, client: &Client) -> Done {
    let sql = "SELECT 1; CREATE TABLE people (id int PRIMARY KEY, name text); \
               INSERT INTO people VALUES (1, 'one'), (2, NULL); SELECT name FROM people";
    let expected = ["1", "#1", "#0", "#2", "one", "NULL", "#2"];
    checks.same("several statements in one", answers(client, sql).await?, expected)?;
    checks.same("an empty one", answers(client, " ; ").await?, ["#0"])?;
    let failed = answers(client, "SELECT 1; SELECT 1 / 0; SELECT 2").await;
    fails(checks, "an error in the middle", failed, &SqlState::DIVISION_BY_ZERO)?;
    let mut rows = pin!(client.simple_query_raw("SELECT generate_series(1, 20000)").await?);
    let mut count = 0;
    while let Some(message) = rows.try_next().await? {
        count += usize::from(matches!(message, SimpleQueryMessage::Row(_)));
    }
    checks.same("20,000 rows, simple", count, 20_000)
}

pub(super) async fn prepared(checks: &mut Checks, client: &Client) -> Done {
    let statement = client.prepare("SELECT $1::int4 * 2 AS doubled, $2::text AS \"ä b\"").await?;
    checks.same("parameter types", statement.params(), [Type::INT4, Type::TEXT])?;
    let columns: Vec<_> = statement.columns().iter().map(|column| column.name()).collect();
    checks.same("column names", columns, ["doubled", "ä b"])?;
    for value in 0..10 {
        let row = client.query_one(&statement, &[&value, &"ü"]).await?;
        let found: (i32, String) = (row.try_get(0)?, row.try_get(1)?);
        checks.same(format!("prepared, use {}", value + 1), found, (value * 2, "ü".to_owned()))?;
    }
    let count = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%doubled%'";
    // It counts itself too: it says `doubled`.
    checks.same("it is on the server", one::<i64>(client, count).await?, 2)?;
    drop(statement);
    checks.same("and closed when dropped", one::<i64>(client, count).await?, 1)?;
    let typed = client.prepare_typed("SELECT $1 + $2", &[Type::INT8, Type::INT8]).await?;
    let sum: i64 = client.query_one_scalar(&typed, &[&2_i64, &3_i64]).await?;
    checks.same("types of one's own choice", sum, 5)?;
    let row = client.query_typed("SELECT $1, $2", &[(&7, Type::INT4), (&"x", Type::TEXT)]).await?;
    let found: (i32, &str) = (row[0].try_get(0)?, row[0].try_get(1)?);
    checks.same("unnamed, in one round trip", found, (7, "x"))?;
    let inserted =
        client.execute("INSERT INTO people SELECT g FROM generate_series(10, 109) g", &[]).await?;
    checks.same("rows affected", inserted, 100)?;
    let none = client.query_opt("SELECT 1 FROM people WHERE id = $1", &[&-1]).await?;
    checks.same("no row", none.is_none(), true)?;
    let sql = "SELECT g, repeat('x', g % 100) FROM generate_series(1, $1::int4) g";
    let mut rows = pin!(client.query_raw(sql, [20_000_i32]).await?);
    let (mut count, mut length) = (0, 0);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        length += row.try_get::<_, &str>(1)?.len();
    }
    checks.same("20,000 rows, streamed", (count, length), (20_000, 990_000))
}

pub(super) async fn pipelined(checks: &mut Checks, client: &Client) -> Done {
    let statement = client.prepare("SELECT $1::int4, repeat('y', $1::int4)").await?;
    let numbers: Vec<i32> = (0..500).collect();
    let asked = numbers.iter().map(|number| {
        let statement = &statement;
        async move { client.query_one(statement, &[number]).await?.try_get::<_, i32>(0) }
    });
    checks.same("500 in a pipeline", try_join_all(asked).await?, &numbers[..])?;
    let insert = client.prepare("INSERT INTO people VALUES ($1, $2)").await?;
    let asked = [3000, 3001, 1, 3002].into_iter().map(|id: i32| {
        let insert = &insert;
        async move { client.execute(insert, &[&id, &"piped"]).await }
    });
    let ended = join_all(asked).await;
    let states: Vec<_> = ended
        .iter()
        .map(|one| one.as_ref().map_err(|error| error.code().map(SqlState::code)).copied())
        .collect();
    // Each has a Sync of its own: what follows an error is done.
    let expected = [Ok(1), Ok(1), Err(Some("23505")), Ok(1)];
    checks.same("an error in a pipeline is alone", states, expected)?;
    let asked = (0..50).map(|number| async move {
        let sql = format!("SELECT {number}::int4, $1::text");
        client.query_one(&sql, &[&"x"]).await?.try_get::<_, i32>(0)
    });
    let found = try_join_all(asked).await?;
    checks.same("50 statements prepared in a pipeline", found, (0..50).collect::<Vec<_>>())
}

pub(super) async fn failing(checks: &mut Checks, client: &Client) -> Done {
    let again = client.execute("INSERT INTO people VALUES (1, 'again')", &[]).await;
    let error = fails(checks, "unique violation", again, &SqlState::UNIQUE_VIOLATION)?;
    checks.same("its detail", error.detail(), Some("Key (id)=(1) already exists."))?;
    checks.same("its constraint", error.constraint(), Some("people_pkey"))?;
    let unknown = client.query("SELECT * FROM nothing_here", &[]).await;
    let error = fails(checks, "no such table", unknown, &SqlState::UNDEFINED_TABLE)?;
    checks.same("its position", error.position(), Some(&ErrorPosition::Original(15)))?;
    let syntax = client.prepare("SELEC 1").await;
    fails(checks, "syntax error", syntax, &SqlState::SYNTAX_ERROR)?;
    let sql = "SELECT 1 / (1000 - g) FROM generate_series(1, 2000) g";
    let late = client.query(sql, &[]).await;
    fails(checks, "an error after rows", late, &SqlState::DIVISION_BY_ZERO)?;
    client.batch_execute("CREATE TABLE shape (a int)").await?;
    let statement = client.prepare("SELECT * FROM shape").await?;
    client.batch_execute("ALTER TABLE shape ADD b text").await?;
    let changed = client.query(&statement, &[]).await;
    fails(checks, "a plan that changed", changed, &SqlState::FEATURE_NOT_SUPPORTED)?;
    checks.same("the connection goes on", one::<i32>(client, "SELECT 1").await?, 1)
}

pub(super) async fn transactions(checks: &mut Checks, client: &mut Client) -> Done {
    let level = IsolationLevel::Serializable;
    let mut outer = client.build_transaction().isolation_level(level).start().await?;
    let shown: String =
        outer.query_one("SHOW transaction_isolation", &[]).await?.try_get::<_, String>(0)?;
    checks.same("isolation", shown, "serializable")?;
    outer.execute("INSERT INTO people VALUES (4000, 'kept')", &[]).await?;
    let inner = outer.transaction().await?;
    let again = inner.execute("INSERT INTO people VALUES (4000, 'again')", &[]).await;
    fails(checks, "an error in a savepoint", again, &SqlState::UNIQUE_VIOLATION)?;
    inner.rollback().await?;
    outer.commit().await?;
    let kept: String = one(client, "SELECT name FROM people WHERE id = 4000").await?;
    checks.same("committed", kept, "kept")?;

    let lost = client.transaction().await?;
    let failed = lost.execute("SELECT 1 / 0", &[]).await;
    fails(checks, "an error in a transaction", failed, &SqlState::DIVISION_BY_ZERO)?;
    let aborted = lost.execute("SELECT 1", &[]).await;
    fails(checks, "an aborted transaction", aborted, &SqlState::IN_FAILED_SQL_TRANSACTION)?;
    drop(lost);
    checks.same("rolled back when dropped", one::<i32>(client, "SELECT 1").await?, 1)?;

    let read_only = client.build_transaction().read_only(true).start().await?;
    let refused = read_only.execute("INSERT INTO people VALUES (4001)", &[]).await;
    fails(checks, "read only", refused, &SqlState::READ_ONLY_SQL_TRANSACTION)?;
    read_only.rollback().await?;
    Ok(())
}

/// Portals that are asked for some rows at a time, two of them at once.
pub(super) async fn portals(checks: &mut Checks, client: &mut Client) -> Done {
    let transaction = client.transaction().await?;
    let statement = transaction.prepare("SELECT generate_series($1::int4, $2::int4)").await?;
    let low = transaction.bind(&statement, &[&1, &10]).await?;
    let high = transaction.bind(&statement, &[&101, &110]).await?;
    let mut found = Vec::new();
    for (portal, most) in [(&low, 3), (&high, 4), (&low, 5), (&high, 0), (&low, 0), (&low, 1)] {
        for row in transaction.query_portal(portal, most).await? {
            found.push(row.try_get::<_, i32>(0)?);
        }
    }
    let expected: Vec<i32> =
        (1..=3).chain(101..=104).chain(4..=8).chain(105..=110).chain(9..=10).collect();
    checks.same("portals, some rows at a time", found, expected)?;
    transaction.batch_execute("DECLARE c SCROLL CURSOR FOR SELECT generate_series(1, 9)").await?;
    let rows = transaction.query("FETCH LAST FROM c", &[]).await?;
    checks.same("a cursor", rows[0].try_get::<_, i32>(0)?, 9)?;
    transaction.commit().await?;
    Ok(())
}
