//! COPY in both directions, text and binary.

use futures_util::TryStreamExt;
use sqlx_core::error::Error;
use sqlx_postgres::PgConnection;

use super::{batch, fails, one};
use crate::checks::{Checks, Done};

/// Copies these pieces in, and says how many rows they were.
async fn copy_in(connection: &mut PgConnection, sql: &str, pieces: &[&[u8]]) -> Result<u64, Error> {
    let mut copy = connection.copy_in_raw(sql).await?;
    for piece in pieces {
        copy.send(*piece).await?;
    }
    copy.finish().await
}

async fn copy_out(connection: &mut PgConnection, sql: &str) -> Result<Vec<u8>, Error> {
    let mut pieces = connection.copy_out_raw(sql).await?;
    let mut all = Vec::new();
    while let Some(piece) = pieces.try_next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

pub(super) async fn text(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let c = connection;
    batch(c, "CREATE TABLE copied (id int, name text, n float8)".to_owned()).await?;
    let pieces = [&b"1\tone"[..], b"\t1.5\n2\t\\N\t2", b"\n", b"", b"3\ta\\tb\t\\N\n"];
    let count = copy_in(c, "COPY copied FROM STDIN", &pieces).await?;
    checks.same("COPY in, text, in pieces", count, 3)?;
    let pieces = [&b"4,\"a, \"\"b\"\"\",\n"[..]];
    let count = copy_in(c, "COPY copied FROM STDIN (FORMAT csv)", &pieces).await?;
    checks.same("COPY in, CSV", count, 1)?;
    let mut copy = c.copy_in_raw("COPY copied FROM STDIN").await?;
    checks.same("what the server wants", (copy.is_textual(), copy.num_columns()), (true, 3))?;
    let rows = "9\tmany\t0.25\n".repeat(100_000);
    copy.read_from(rows.as_bytes()).await?;
    checks.same("COPY in, from a reader", copy.finish().await?, 100_000)?;
    let sql = "COPY (SELECT * FROM copied WHERE id < 9 ORDER BY id) TO STDOUT";
    let expected = "1\tone\t1.5\n2\t\\N\t2\n3\ta\\tb\t\\N\n4\ta, \"b\"\t\\N\n";
    checks.same("COPY out, text", copy_out(c, sql).await?, expected.as_bytes())?;
    let out = copy_out(c, "COPY (SELECT id, name, n FROM copied WHERE id = 9) TO STDOUT").await?;
    checks.same("COPY out, 100,000 rows", out == rows.as_bytes(), true)?;
    let sql = "COPY (SELECT * FROM copied WHERE id = 4) TO STDOUT (FORMAT csv, HEADER)";
    let expected = "id,name,n\n4,\"a, \"\"b\"\"\",\n";
    checks.same("COPY out, CSV", copy_out(c, sql).await?, expected.as_bytes())
}

pub(super) async fn binary(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let c = connection;
    let sql = "COPY (SELECT * FROM copied WHERE id < 9) TO STDOUT (FORMAT binary)";
    let out = copy_out(c, sql).await?;
    checks.same("COPY out, binary", out.starts_with(b"PGCOPY\n\xff\r\n\0"), true)?;
    let mut copy = c.copy_in_raw("COPY copied FROM STDIN (FORMAT binary)").await?;
    checks.same("binary is wanted", copy.column_is_textual(0), false)?;
    for piece in out.chunks(7) {
        copy.send(piece).await?;
    }
    checks.same("COPY in, binary, in pieces", copy.finish().await?, 4)?;
    let twice = "SELECT count(*) FROM copied a JOIN copied b USING (id, name) WHERE id IN (1, 4)";
    checks.same("what came in", one::<i64>(c, twice).await?, 8)
}

pub(super) async fn failing(checks: &mut Checks, connection: &mut PgConnection) -> Done {
    let c = connection;
    let pieces = [&b"1\tfine\t1\n"[..], b"x\ty\tz\n"];
    let failed = copy_in(c, "COPY copied FROM STDIN", &pieces).await;
    let error = fails(checks, "an error in COPY", failed, "22P02")?;
    let context = Some("COPY copied, line 2, column id: \"x\"");
    checks.same("its context", error.r#where(), context)?;
    let sql = "COPY (SELECT 1 / (500 - g) FROM generate_series(1, 999) g) TO STDOUT";
    fails(checks, "an error in COPY out", copy_out(c, sql).await, "22012")?;
    let before: i64 = one(c, "SELECT count(*) FROM copied").await?;
    let mut copy = c.copy_in_raw("COPY copied FROM STDIN").await?;
    copy.send(&b"77\tlost\t1\n"[..]).await?;
    copy.abort("given up").await?;
    let after: i64 = one(c, "SELECT count(*) FROM copied").await?;
    checks.same("COPY given up", after, before)?;
    checks.same("the connection goes on", one::<i32>(c, "SELECT 1").await?, 1)
}
