//! Connections that are logged in and silent.

use std::time::Duration;

use tokio_postgres::Client;

use super::bulk::connect;
use super::stand::{Stand, Way};
use crate::measure::{Arm, Sample, interleave};
use crate::report::{Figure, Goal, Row};
use crate::{Outcome, machine};

/// What a silent backend of the server needs, and leaves to the machine, at the most.
const BACKEND: usize = 1700 << 10;
/// Logins at a time.
const ABREAST: usize = 32;
const MEMORY: Figure = Figure { of: Sample::per_second, scale: 1.0 / 1024.0, unit: "KiB" };

pub(super) fn compare(stand: &Stand, wanted: usize) -> Outcome<Vec<Row>> {
    let room = usize::try_from(machine::memory_available()?)? / BACKEND;
    // Two for each, and some to spare; this program needs one for each.
    let files = stand.open_files()?.saturating_sub(160) / 2;
    let count = wanted.min(room).min(files);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measure = |way: Way| {
        let runtime = &runtime;
        Arm::new(way.name(), move |_| {
            // What the first ones bring stays for all.
            drop(runtime.block_on(open(stand, way, ABREAST))?);
            let before = stand.memory(way, "VmRSS:")?;
            let clients = runtime.block_on(open(stand, way, count))?;
            let grown = stand.memory(way, "VmRSS:")? - before;
            // They are alive, each of them.
            runtime.block_on(async {
                for client in &clients {
                    client.simple_query("").await?;
                }
                Ok::<_, tokio_postgres::Error>(())
            })?;
            drop(clients);
            runtime.block_on(async { tokio::time::sleep(Duration::from_secs(1)).await });
            Ok(Sample { operations: grown, seconds: count as f64, cpu_seconds: 0.0 })
        })
    };
    let [ours, bouncer] = interleave([Way::Relay, Way::Bouncer].map(measure), 1, Duration::ZERO)?;
    let what = format!("memory of an idle connection, {count} of them");
    Ok(vec![Row::new("postgres.idle", what, MEMORY, &ours, &bouncer).goal(Goal::ValueAtMost(24.0))])
}

async fn open(stand: &Stand, way: Way, count: usize) -> Outcome<Vec<Client>> {
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        let abreast = ABREAST.min(count - clients.len());
        let opened = (0..abreast).map(|_| connect(stand, way));
        clients.extend(futures_util::future::try_join_all(opened).await?);
    }
    Ok(clients)
}
