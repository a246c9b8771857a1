//! Many rows, and one that is large.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use super::stand::{PASSWORD, Stand, Way, sql};
use crate::Outcome;
use crate::measure::{Arm, Pace, Sample, Series, interleave};
use crate::report::{Figure, Goal, Row};

const ROWS: usize = 1_000_000;
const COPIED: usize = 200_000;
const RATE: Figure = Figure { of: Sample::per_second, scale: 1e-3, unit: "k rows/s" };
const CPU: Figure = Figure { of: Sample::cpu_microseconds, scale: 1e3, unit: "ns CPU a row" };
const MEMORY: Figure = Figure { of: Sample::per_second, scale: 1.0 / 1024.0, unit: "KiB" };
/// The least that memory grows by, in bytes: growth that is not seen counts as this.
const PAGE: f64 = 4096.0;
/// One value, in bytes.
const LARGE: usize = 1_000_000_000;

pub(super) fn compare(pace: Pace, stand: &Stand) -> Outcome<Vec<Row>> {
    stand.pin("0,1", "0,1")?;
    let server = stand.address(Way::Direct);
    sql(
        server,
        &format!(
            "CREATE TABLE wide AS SELECT i AS id, i % 1000 AS small, i::int8 * 7919 AS large, \
             'customer ' || i AS name, md5(i::text) AS hash, i / 7.0::float8 AS share, \
             timestamptz '2026-01-01' + i * interval '1 second' AS at, date '2026-01-01' + i % 365 AS day, \
             i % 2 = 0 AS even, ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid AS key \
             FROM generate_series(1, {ROWS}) i; \
             CREATE UNLOGGED TABLE narrow (LIKE wide); ANALYZE wide"
        ),
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lines = Lines::new(&runtime, stand)?;
    let read = timed(pace, stand, ROWS, |way| read(&runtime, stand, way))?;
    let copied = timed(pace, stand, COPIED, |way| copy(&runtime, stand, way, &lines))?;
    let large = large(&runtime, stand)?;
    let row = |name: &str, what: &str, figure, [ours, peer]: [&Series; 2]| {
        Row::new(format!("postgres.{name}"), what, figure, ours, peer)
    };
    let [ours, bouncer, direct] = &read;
    let mut rows = vec![
        row("read", "read 1 M rows of 10 columns", RATE, [ours, direct])
            .goal(Goal::RatioAtLeast(0.9)),
        row("read.bouncer", "read 1 M rows of 10 columns", RATE, [ours, bouncer]),
        row("read.cpu", "read 1 M rows of 10 columns", CPU, [ours, bouncer]),
    ];
    let [ours, bouncer, direct] = &copied;
    rows.extend([
        row("copy", "COPY in, 10 columns", RATE, [ours, direct]).goal(Goal::RatioAtLeast(0.8)),
        row("copy.bouncer", "COPY in, 10 columns", RATE, [ours, bouncer]),
        row("copy.cpu", "COPY in, 10 columns", CPU, [ours, bouncer]),
    ]);
    let [ours, bouncer] = &large;
    rows.push(
        row("large.memory", "memory for a row of 1 GB", MEMORY, [ours, bouncer])
            .goal(Goal::ValueAtMost(1024.0)),
    );
    Ok(rows)
}

/// A round is one run of each, however long it takes.
fn timed(
    pace: Pace,
    stand: &Stand,
    rows: usize,
    run: impl Fn(Way) -> Outcome<Duration>,
) -> Outcome<[Series; 3]> {
    let run = &run;
    let arm = |way: Way| {
        Arm::new(way.name(), move |_| {
            let cpu = stand.cpu_seconds(way)?;
            let seconds = run(way)?.as_secs_f64();
            let cpu_seconds = stand.cpu_seconds(way)? - cpu;
            Ok(Sample { operations: rows as f64, seconds, cpu_seconds })
        })
    };
    interleave(Way::ALL.map(arm), pace.rounds, pace.load)
}

pub(super) async fn connect(stand: &Stand, way: Way) -> Outcome<Client> {
    let port = stand.address(way).port();
    let to = format!("host=127.0.0.1 port={port} user=bench password='{PASSWORD}' dbname=postgres");
    let (client, connection) = tokio_postgres::connect(&to, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn read(runtime: &Runtime, stand: &Stand, way: Way) -> Outcome<Duration> {
    runtime.block_on(async {
        let client = connect(stand, way).await?;
        let all = client.prepare("SELECT * FROM wide").await?;
        let began = Instant::now();
        let mut rows = pin!(client.query_raw(&all, std::iter::empty::<i32>()).await?);
        let mut count = 0;
        while let Some(row) = rows.next().await {
            row?;
            count += 1;
        }
        if count == ROWS { Ok(began.elapsed()) } else { Err(format!("{count} rows came").into()) }
    })
}

/// What COPY takes, in pieces as a client would send them.
struct Lines(Vec<Vec<u8>>);

impl Lines {
    fn new(runtime: &Runtime, stand: &Stand) -> Outcome<Self> {
        runtime.block_on(async {
            let client = connect(stand, Way::Direct).await?;
            let of = format!("COPY (SELECT * FROM wide WHERE id <= {COPIED}) TO STDOUT");
            let mut lines = pin!(client.copy_out(&of).await?);
            let mut pieces = vec![Vec::new()];
            while let Some(line) = lines.next().await {
                match pieces.last_mut() {
                    Some(piece) if piece.len() < 32 << 10 => piece.extend_from_slice(&line?),
                    _ => pieces.push(line?.to_vec()),
                }
            }
            Ok(Self(pieces))
        })
    }
}

fn copy(runtime: &Runtime, stand: &Stand, way: Way, lines: &Lines) -> Outcome<Duration> {
    runtime.block_on(async {
        let client = connect(stand, way).await?;
        client.batch_execute("TRUNCATE narrow").await?;
        let began = Instant::now();
        let mut sink = pin!(client.copy_in("COPY narrow FROM STDIN").await?);
        for piece in &lines.0 {
            sink.send(std::io::Cursor::new(piece.clone())).await?;
        }
        let copied = sink.finish().await?;
        if copied == COPIED as u64 {
            Ok(began.elapsed())
        } else {
            Err(format!("{copied} rows were copied").into())
        }
    })
}

/// By how much the peak of memory of each relay grows.
fn large(runtime: &Runtime, stand: &Stand) -> Outcome<[Series; 2]> {
    let measure = |way: Way| {
        Arm::new(way.name(), move |_| {
            // The peak is of this row alone.
            stand.forget_peak(way)?;
            let before = stand.memory(way, "VmRSS:")?;
            read_large(runtime, stand, way)?;
            let grown = (stand.memory(way, "VmHWM:")? - before).max(PAGE);
            Ok(Sample { operations: grown, seconds: 1.0, cpu_seconds: 0.0 })
        })
    };
    interleave([Way::Relay, Way::Bouncer].map(measure), 1, Duration::ZERO)
}

/// The client keeps the row; what stands between does not.
fn read_large(runtime: &Runtime, stand: &Stand, way: Way) -> Outcome<()> {
    runtime.block_on(async {
        let client = connect(stand, way).await?;
        let row = client.query_one(&format!("SELECT repeat('x', {LARGE})"), &[]).await?;
        let value: &str = row.try_get(0)?;
        if value.len() == LARGE { Ok(()) } else { Err("the row is short".into()) }
    })
}
