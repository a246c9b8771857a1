//! PostgreSQL: the relay and PgBouncer in front of the same server.

mod bulk;
mod idle;
mod load;
mod stand;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::Outcome;
use crate::measure::{Arm, Pace, Sample, Series, interleave};
use crate::report::{Figure, Goal, Row, Section, shown};
use load::Mode;
use stand::{Stand, Way};

const RATE: Figure = Figure { of: Sample::per_second, scale: 1e-3, unit: "k queries/s" };
const CPU: Figure = Figure { of: Sample::cpu_microseconds, scale: 1.0, unit: "us CPU a query" };
/// Between two relays a difference of a few per cent is lost in fewer.
const ROUNDS: usize = 9;
/// The scheduler's clock is fine enough for this.
const LOAD: Duration = Duration::from_secs(2);
const CLIENTS: [usize; 3] = [1, 16, 64];

pub(crate) fn compare(pace: Pace, folder: &Path) -> Outcome<Section> {
    let folder = folder.join("postgres");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let Some(stand) = Stand::new(&folder)? else {
        let details = "PostgreSQL is not installed here, so nothing was measured.\n".to_owned();
        return Ok(Section { title: TITLE, rows: Vec::new(), how: HOW, details });
    };
    let quick = pace == Pace::QUICK;
    let rounds = if quick { pace.rounds } else { ROUNDS };
    let pace = Pace { rounds, load: LOAD, ..pace };
    // First: what a relay has used before is no part of what an idle connection needs.
    let idle = idle::compare(&stand, if quick { 200 } else { 10_000 })?;
    let mut details = String::from(
        "| pgbench -S | clients | way | k queries/s | us CPU a query | of core 0 |\n|---|---|---|---|---|---|\n",
    );
    let mut rows = Vec::new();
    for mode in Mode::ALL {
        for clients in CLIENTS {
            let series = queries(pace, &stand, mode, clients)?;
            rows.extend(query_rows(mode, clients, &series));
            for one in &series {
                let _ = writeln!(
                    details,
                    "| {} | {clients} | {} | {} | {} | {} |",
                    mode.name(),
                    one.name,
                    shown(one.spread(RATE.of).scaled(RATE.scale)),
                    shown(one.spread(CPU.of)),
                    shown(one.spread(Sample::cores)),
                );
            }
        }
    }
    rows.extend(bulk::compare(pace, &stand)?);
    rows.extend(idle);
    drop(stand);
    std::fs::remove_dir_all(&folder)?;
    Ok(Section { title: TITLE, rows, how: HOW, details })
}

fn queries(pace: Pace, stand: &Stand, mode: Mode, clients: usize) -> Outcome<[Series; 3]> {
    let arm = |way: Way| {
        Arm::new(way.name(), move |length| {
            let cpu = stand.cpu_seconds(way)?;
            let done = load::run(stand, way, mode, clients, length)?;
            let cpu_seconds = stand.cpu_seconds(way)? - cpu;
            Ok(Sample { operations: done.queries, seconds: done.seconds, cpu_seconds })
        })
    };
    interleave(Way::ALL.map(arm), pace.rounds, pace.load)
}

fn query_rows(mode: Mode, clients: usize, [ours, bouncer, direct]: &[Series; 3]) -> Vec<Row> {
    let what = format!("pgbench -S -M {}, {clients} at a time", mode.name());
    let name = format!("postgres.{}.{clients}", mode.name());
    let row = |suffix: &str, figure, peer| {
        Row::new(format!("{name}{suffix}"), what.clone(), figure, ours, peer)
    };
    let mut cpu = row(".cpu", CPU, bouncer);
    if mode == Mode::Prepared && clients == 64 {
        cpu = cpu.goal(Goal::ValueAtMost(10.0));
    } else if clients == 1 {
        cpu = cpu.goal(Goal::RatioAtMost(1.0));
    }
    vec![cpu, row("", RATE, bouncer).goal(Goal::RatioAtLeast(1.0)), row(".direct", RATE, direct)]
}

const TITLE: &str = "PostgreSQL relay";

const HOW: &str = "The queries of `pgbench -S` on loopback, one thread of pgbench; the relay and PgBouncer (pool mode session: \
one connection to the server for each client's, as the relay has) have one thread each, pinned to core 0; the server and \
pgbench share core 1. CPU time is that of the relay's process alone, logins included, from the scheduler's own clock \
(`/proc/PID/task/*/schedstat`). For rows in bulk nothing is pinned: one client (tokio-postgres) reads 1 M rows of 10 columns \
in the binary format, or writes 200,000 of them by COPY into an unlogged table, which is emptied before. The row of 1 GB is \
one text value; what the relay needed for it is the growth of its peak of memory \
(`VmHWM`), a page at the least. Idle connections are logged in and silent; what one needs is the growth of the relay's resident memory by all of \
them. Clients log in by SCRAM-SHA-256; the server asks the relays for nothing.";
