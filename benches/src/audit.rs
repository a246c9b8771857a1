//! The audit log under 64 callers at a time, and one `fsync` for each event.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allonym_audit::{
    AuditLog, AuditOptions, AuditSink as _, ClassCount, Durability, Event, EventKind, verify,
};
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::measure::{Arm, Pace, Sample, Series, interleave};
use crate::process::cpu_seconds;
use crate::report::{Figure, Goal, Row, Section};

const CALLERS: u64 = 64;
/// About as long as a line of the log.
const LINE: usize = 400;

const RATE: Figure = Figure { of: Sample::per_second, scale: 1e-3, unit: "k events/s" };
const CPU: Figure = Figure { of: Sample::cpu_microseconds, scale: 1.0, unit: "us CPU each" };

pub(crate) fn compare(pace: Pace, folder: &Path) -> Outcome<Section> {
    let folder = folder.join("audit");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let log = Arc::new(AuditLog::open(&folder.join("log"), AuditOptions::default())?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let accepted = Cell::new(0);
    let mut file = File::create(folder.join("plain"))?;
    let ours = |durability| {
        let (log, runtime, accepted) = (&log, &runtime, &accepted);
        move |length: Duration| {
            let sample = accept(runtime, log, durability, length)?;
            accepted.set(accepted.get() + sample.operations as u64);
            Ok(sample)
        }
    };
    let arms = [
        Arm::new("power", ours(Durability::Power)),
        Arm::new("process", ours(Durability::Process)),
        Arm::new("one fsync for each event", |length| append(&mut file, length)),
    ];
    let series = interleave(arms, pace.rounds, pace.round)?;
    let report = verify(&folder.join("log"), Some(log.head()))?;
    if report.lines != accepted.get() || report.open_intents != accepted.get() {
        return Err("the audit log does not hold what it accepted".into());
    }
    drop(log);
    std::fs::remove_dir_all(&folder)?;
    Ok(Section { title: "Audit", rows: rows(&series), how: HOW, details: String::new() })
}

fn rows([power, process, fsync]: &[Series; 3]) -> Vec<Row> {
    vec![
        Row::new("audit.power", "on disk before it is accepted", RATE, power, fsync)
            .goal(Goal::ValueAtLeast(20.0)),
        Row::new("audit.power.cpu", "on disk before it is accepted", CPU, power, fsync),
        Row::new(
            "audit.process",
            "with the kernel before, on disk within 10 ms",
            RATE,
            process,
            fsync,
        ),
        Row::new(
            "audit.process.cpu",
            "with the kernel before, on disk within 10 ms",
            CPU,
            process,
            fsync,
        ),
    ]
}

const HOW: &str = "64 callers, each with one event at a time; the event is the intent of a revealing request. The peer \
appends a line of the same size to a file and calls `fdatasync` after each, one caller: what the disk gives without \
gathering. The callers' own CPU time is in the figures. The log's chain is verified at the end: it holds exactly the \
events that were accepted.";

/// All callers, for a time.
fn accept(
    runtime: &Runtime,
    log: &Arc<AuditLog>,
    durability: Durability,
    length: Duration,
) -> Outcome<Sample> {
    let process = std::process::id();
    let cpu = cpu_seconds(process)?;
    let start = Instant::now();
    let caller = |number: u64| {
        let log = Arc::clone(log);
        async move {
            let mut events = 0_u64;
            while start.elapsed() < length {
                log.accept(event(number), durability).await?;
                events += 1;
            }
            Ok::<_, allonym_audit::AuditError>(events)
        }
    };
    let events = runtime.block_on(async {
        let callers: Vec<_> = (0..CALLERS).map(|number| tokio::spawn(caller(number))).collect();
        let mut events = 0;
        for caller in callers {
            events += caller.await??;
        }
        Outcome::Ok(events)
    })?;
    Ok(Sample {
        operations: events as f64,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds(process)? - cpu,
    })
}

fn event(caller: u64) -> Event {
    let mut event = Event::new(EventKind::Intent, format!("token:billing-{caller}"), "reveal");
    event.request = Some(format!("{caller:032x}"));
    event.place = Some("payments-api GET /v1/charges/{id}".into());
    event.purpose = Some("chargeback".into());
    let count = |class: &str, outcome: &str| ClassCount {
        class: class.into(),
        outcome: outcome.into(),
        count: 1,
    };
    event.classes = vec![count("card_number", "plain"), count("birth_date", "masked")];
    event
}

/// The floor.
fn append(file: &mut File, length: Duration) -> Outcome<Sample> {
    let process = std::process::id();
    let cpu = cpu_seconds(process)?;
    let line = [b'x'; LINE];
    let start = Instant::now();
    let mut events = 0_u64;
    while start.elapsed() < length {
        file.write_all(&line)?;
        file.sync_data()?;
        events += 1;
    }
    Ok(Sample {
        operations: events as f64,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds(process)? - cpu,
    })
}
