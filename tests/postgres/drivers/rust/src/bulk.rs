//! Much data, and its digest: whoever compares digests knows that nothing is missing.
//!
//! sqlx reads from its socket only what it is asked for. `ALLONYM_PAUSE` is how many
//! milliseconds it is asked for nothing after each mebibyte, and everybody behind it waits.

use std::time::Duration;

use futures_util::TryStreamExt;
use md5::{Digest, Md5};
use sqlx_core::row::Row;

use crate::checks::{Checks, Done, variable};

/// 32 MB in rows of 10 kB.
const ROWS: &str = "SELECT repeat(md5(g::text), 320) FROM generate_series(1, 3200) g";
/// 32 MiB in one row.
const ROW: &str = "SELECT repeat('0123456789abcdef', 2097152)";
/// 32 MB of COPY.
const COPY: &str =
    "COPY (SELECT repeat(md5(g::text), 320) FROM generate_series(1, 3200) g) TO STDOUT";

/// What was read so far.
struct Read {
    digest: Md5,
    bytes: usize,
    /// Up to where it was read without a pause.
    paused: usize,
    pause: Option<Duration>,
}

impl Read {
    fn new() -> Done<Self> {
        let pause = variable("ALLONYM_PAUSE").map(|pause| pause.parse()).transpose()?;
        let pause = pause.map(Duration::from_millis);
        Ok(Self { digest: Md5::new(), bytes: 0, paused: 0, pause })
    }

    async fn take(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.bytes += bytes.len();
        if let Some(pause) = self.pause.filter(|_| self.bytes - self.paused >= 1 << 20) {
            self.paused = self.bytes;
            tokio::time::sleep(pause).await;
        }
    }

    fn end(self, checks: &mut Checks, name: &str) -> Done {
        let digest: String =
            self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        checks.passed(format!("{name}: {} bytes, {digest}", self.bytes))
    }
}

pub(crate) async fn with_sqlx(checks: &mut Checks) -> Done {
    let mut connection = crate::with_sqlx::connect().await?;
    for (name, sql) in [("rows", ROWS), ("one row", ROW)] {
        let mut read = Read::new()?;
        let mut rows = sqlx_core::query::query(sql).fetch(&mut connection);
        while let Some(row) = rows.try_next().await? {
            read.take(row.try_get::<&str, _>(0)?.as_bytes()).await;
        }
        read.end(checks, name)?;
    }
    let mut read = Read::new()?;
    let mut pieces = connection.copy_out_raw(COPY).await?;
    while let Some(piece) = pieces.try_next().await? {
        read.take(&piece).await;
    }
    read.end(checks, "COPY")
}
