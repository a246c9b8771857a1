//! Several connections: pools, notifications, statements that are interrupted, locks.

use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use sqlx_core::query::query;
use sqlx_core::query_scalar::query_scalar;
use sqlx_postgres::{PgAdvisoryLock, PgListener, PgPool, PgPoolCopyExt, Postgres};
use tokio::time::{sleep, timeout};

use super::{fails, pool, schema};
use crate::checks::{Checks, Done};

pub(super) async fn pooled(checks: &mut Checks, pool: &PgPool) -> Done {
    let asked = (0..200)
        .map(|number| query_scalar::<Postgres, i32>("SELECT $1").bind(number).fetch_one(pool));
    let found = try_join_all(asked).await?;
    checks.same("a pool of eight, 200 tasks", found, (0..200).collect::<Vec<_>>())?;
    checks.same("no more than eight", pool.size() <= 8, true)?;
    let mut transaction = pool.begin().await?;
    query("INSERT INTO people VALUES (5000, 'pooled')").execute(&mut *transaction).await?;
    transaction.commit().await?;
    let sql = "SELECT name FROM people WHERE id = 5000";
    checks.same(
        "a transaction of a pool",
        query_scalar::<Postgres, String>(sql).fetch_one(pool).await?,
        "pooled",
    )?;
    let mut pieces =
        pool.copy_out_raw("COPY (SELECT 'x' FROM generate_series(1, 9)) TO STDOUT").await?;
    let mut length = 0;
    while let Some(piece) = pieces.try_next().await? {
        length += piece.len();
    }
    checks.same("COPY of a pool", length, 18)
}

pub(super) async fn listening(checks: &mut Checks, pool: &PgPool) -> Done {
    let (one, other) = (format!("{}_one", schema("sqlx")), format!("{}_other", schema("sqlx")));
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all([&*one, &other]).await?;
    let tell = query("SELECT pg_notify($1, 'payload ü'), pg_notify($2, ''), pg_backend_pid()");
    tell.bind(&other).bind(&one).execute(pool).await?;
    for (channel, payload) in [(&other, "payload ü"), (&one, "")] {
        let told = timeout(Duration::from_secs(20), listener.recv()).await??;
        let name = format!("a notification while idle, {payload:?}");
        checks.same(name, (told.channel(), told.payload()), (&**channel, payload))?;
    }
    listener.unlisten(&one).await?;
    let tell = query("SELECT pg_notify($1, 'not heard'), pg_notify($2, 'heard')");
    tell.bind(&one).bind(&other).execute(pool).await?;
    let told = timeout(Duration::from_secs(20), listener.recv()).await??;
    checks.same("only what is listened for", told.payload(), "heard")?;
    let own: i32 = query_scalar("SELECT 7").fetch_one(&mut listener).await?;
    checks.same("a listener can ask as well", own, 7)
}

/// sqlx has no cancel requests: others interrupt it, or it goes away.
pub(super) async fn interrupted(checks: &mut Checks, all: &PgPool) -> Done {
    let mut connection = all.acquire().await?;
    let pid: i32 = query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *connection).await?;
    let sleeper = tokio::spawn(async move {
        let ended = query("SELECT pg_sleep(30)").execute(&mut *connection).await;
        (ended, query_scalar::<Postgres, i32>("SELECT 1").fetch_one(&mut *connection).await)
    });
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
    while !sleeper.is_finished()
        && query_scalar::<Postgres, i64>(asleep).bind(pid).fetch_one(all).await? == 0
    {
        sleep(Duration::from_millis(10)).await;
    }
    query("SELECT pg_cancel_backend($1)").bind(pid).execute(all).await?;
    let (ended, then) = timeout(Duration::from_secs(20), sleeper).await??;
    fails(checks, "interrupted by another", ended, "57014")?;
    checks.same("the connection goes on", then?, 1)?;

    let alone = pool(1).await?;
    for turn in 1..=3 {
        let slow = query("SELECT pg_sleep(0.2)").execute(&alone);
        let left = timeout(Duration::from_millis(20), slow).await;
        checks.same(format!("a statement left alone, turn {turn}"), left.is_err(), true)?;
        let next: i32 = query_scalar("SELECT $1").bind(turn).fetch_one(&alone).await?;
        checks.same("its answer is not taken for the next", next, turn)?;
    }
    alone.close().await;
    Ok(())
}

pub(super) async fn locking(checks: &mut Checks, pool: &PgPool) -> Done {
    let lock = PgAdvisoryLock::new(schema("sqlx"));
    let held = lock.acquire(pool.acquire().await?).await?;
    let refused = lock.try_acquire(pool.acquire().await?).await?;
    checks.same("an advisory lock is held", refused.is_right(), true)?;
    drop(refused);
    held.release_now().await?;
    let taken = lock.try_acquire(pool.acquire().await?).await?;
    checks.same("and let go", taken.is_left(), true)
}
