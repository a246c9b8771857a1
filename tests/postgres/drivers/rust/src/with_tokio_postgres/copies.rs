//! COPY in both directions, text and binary.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, TryStreamExt};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::{fails, one};
use crate::checks::{Checks, Done};

/// Copies these pieces in, and says how many rows they were.
async fn copy_in(client: &Client, sql: &str, pieces: &[&'static str]) -> Result<u64, Error> {
    let mut sink = pin!(client.copy_in::<_, Bytes>(sql).await?);
    for piece in pieces {
        sink.send(Bytes::from_static(piece.as_bytes())).await?;
    }
    sink.finish().await
}

async fn copy_out(client: &Client, sql: &str) -> Result<BytesMut, Error> {
    let stream = client.copy_out(sql).await?;
    stream
        .try_fold(BytesMut::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}

pub(super) async fn text(checks: &mut Checks, client: &Client) -> Done {
    client.batch_execute("CREATE TABLE copied (id int, name text, n float8)").await?;
    let pieces = ["1\tone", "\t1.5\n2\t\\N\t2", "\n", "", "3\ta\\tb\t\\N\n"];
    let count = copy_in(client, "COPY copied FROM STDIN", &pieces).await?;
    checks.same("COPY in, text, in pieces", count, 3)?;
    let count = copy_in(client, "COPY copied FROM STDIN (FORMAT csv)", &["4,\"a, \"\"b\"\"\",\n"]);
    checks.same("COPY in, CSV", count.await?, 1)?;
    let out = copy_out(client, "COPY (SELECT * FROM copied ORDER BY id) TO STDOUT").await?;
    let expected = "1\tone\t1.5\n2\t\\N\t2\n3\ta\\tb\t\\N\n4\ta, \"b\"\t\\N\n";
    checks.same("COPY out, text", String::from_utf8(out.to_vec())?, expected)?;
    let sql = "COPY (SELECT * FROM copied WHERE id = 4) TO STDOUT (FORMAT csv, HEADER)";
    let out = copy_out(client, sql).await?;
    let expected = "id,name,n\n4,\"a, \"\"b\"\"\",\n";
    checks.same("COPY out, CSV", String::from_utf8(out.to_vec())?, expected)?;
    let out =
        copy_out(client, "COPY (SELECT repeat('x', 999) FROM generate_series(1, 20000)) TO STDOUT");
    checks.same("COPY out, 20 MB", out.await?.len(), 20_000_000)
}

pub(super) async fn binary(checks: &mut Checks, client: &Client) -> Done {
    let types = [Type::INT4, Type::TEXT, Type::FLOAT8];
    let sink = client.copy_in("COPY copied FROM STDIN (FORMAT binary)").await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for id in 0..10_000_i32 {
        let name = format!("name\t{id}");
        writer.as_mut().write(&[&(id + 1000), &name, &(f64::from(id) / 4.0)]).await?;
    }
    checks.same("COPY in, binary", writer.finish().await?, 10_000)?;
    let sql = "COPY (SELECT * FROM copied WHERE id >= 1000 ORDER BY id) TO STDOUT (FORMAT binary)";
    let mut rows = pin!(BinaryCopyOutStream::new(client.copy_out(sql).await?, &types));
    let (mut count, mut last) = (0, None);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        let found: (i32, String, f64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        last = Some(found);
    }
    checks.same("COPY out, binary", count, 10_000)?;
    checks.same("its last row", last, Some((10_999, "name\t9999".to_owned(), 2499.75)))
}

pub(super) async fn failing(checks: &mut Checks, client: &Client) -> Done {
    let failed = copy_in(client, "COPY copied FROM STDIN", &["1\tfine\t1\n", "x\ty\tz\n"]).await;
    let error = fails(checks, "an error in COPY", failed, &SqlState::INVALID_TEXT_REPRESENTATION)?;
    let context = Some("COPY copied, line 2, column id: \"x\"");
    checks.same("its context", error.where_(), context)?;
    let failed =
        copy_out(client, "COPY (SELECT 1 / (500 - g) FROM generate_series(1, 999) g) TO STDOUT");
    fails(checks, "an error in COPY out", failed.await, &SqlState::DIVISION_BY_ZERO)?;
    let before: i64 = one(client, "SELECT count(*) FROM copied").await?;
    let mut sink = Box::pin(client.copy_in::<_, Bytes>("COPY copied FROM STDIN").await?);
    sink.send(Bytes::from_static(b"77\tlost\t1\n")).await?;
    drop(sink);
    let after: i64 = one(client, "SELECT count(*) FROM copied").await?;
    checks.same("COPY given up", after, before)?;
    let unknown = client.copy_out("COPY nothing_here TO STDOUT").await.map(|_| ());
    fails(checks, "COPY of no such table", unknown, &SqlState::UNDEFINED_TABLE)?;
    checks.same("the connection goes on", one::<i32>(client, "SELECT 1").await?, 1)
}
