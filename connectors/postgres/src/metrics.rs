//! What is counted. Labels come from the configuration and from closed sets, never from
//! a statement. A worker counts for itself, and adds that up a few times a second.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::wire::statement::StatementClass;

/// What every name begins with.
const PREFIX: &str = "allonym_postgres_";
/// Upper bounds of the added time, in microseconds.
const BOUNDS: [u64; 10] = [2, 5, 10, 20, 50, 100, 250, 1_000, 10_000, 100_000];

/// The metrics of all PostgreSQL connectors of a process.
#[derive(Clone, Default, Debug)]
pub struct Metrics(Arc<Mutex<Vec<Named>>>);

/// A connector and its metrics.
type Named = (String, Arc<Counts>);

/// The metrics of one.
#[derive(Default, Debug)]
pub(crate) struct Counts {
    connections: AtomicI64,
    statements: [AtomicU64; StatementClass::ALL.len()],
    from_client: AtomicU64,
    from_server: AtomicU64,
    added: [AtomicU64; BOUNDS.len() + 1],
    added_nanoseconds: AtomicU64,
    panics: AtomicU64,
    logins: AtomicU64,
    /// By rule, which is one of ours.
    refusals: Mutex<HashMap<&'static str, u64>>,
    cancelled: AtomicU64,
    not_cancelled: AtomicU64,
}

/// What one worker counted since it was added up.
pub(crate) struct Tally {
    counts: Arc<Counts>,
    statements: [Cell<u32>; StatementClass::ALL.len()],
    from_client: Cell<u64>,
    from_server: Cell<u64>,
    added: [Cell<u32>; BOUNDS.len() + 1],
    added_nanoseconds: Cell<u64>,
}

/// Counts a connection while it lasts.
pub(crate) struct Lasting(Arc<Counts>);

impl Metrics {
    /// Makes them known to a registry, once in a process.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }

    /// Those of the connector of this name.
    pub(crate) fn of(&self, connector: &str) -> Arc<Counts> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counts)) = all.iter().find(|(name, _)| name == connector) {
            return Arc::clone(counts);
        }
        let counts = Arc::new(Counts::default());
        all.push((connector.to_owned(), Arc::clone(&counts)));
        counts
    }
}

impl Counts {
    pub(crate) fn connection(self: &Arc<Self>) -> Lasting {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Lasting(Arc::clone(self))
    }

    pub(crate) fn logged_in(&self) {
        self.logins.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self, rule: &'static str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        *refusals.entry(rule).or_default() += 1;
    }

    pub(crate) fn cancel(&self, passed_on: bool) {
        let count = if passed_on { &self.cancelled } else { &self.not_cancelled };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tally {
    pub(crate) fn new(counts: Arc<Counts>) -> Self {
        Self {
            counts,
            statements: Default::default(),
            from_client: Cell::default(),
            from_server: Cell::default(),
            added: Default::default(),
            added_nanoseconds: Cell::default(),
        }
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// A statement of a class was sent for execution.
    pub(crate) fn statement(&self, class: StatementClass) {
        if let Some(count) = self.statements.get(usize::from(class.number())) {
            count.set(count.get().wrapping_add(1));
        }
    }

    pub(crate) fn client_sent(&self, bytes: usize) {
        self.from_client.set(self.from_client.get().wrapping_add(bytes as u64));
    }

    pub(crate) fn server_sent(&self, bytes: usize) {
        self.from_server.set(self.from_server.get().wrapping_add(bytes as u64));
    }

    /// Bytes that were read were judged, and offered to the other socket, in so long. What
    /// it does not take then waits for it, and is not counted here.
    pub(crate) fn added(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|bound| nanoseconds <= bound * 1_000);
        if let Some(count) = self.added.get(place.unwrap_or(BOUNDS.len())) {
            count.set(count.get().wrapping_add(1));
        }
        self.added_nanoseconds.set(self.added_nanoseconds.get().wrapping_add(nanoseconds));
    }

    pub(crate) fn panicked(&self) {
        self.counts.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds up what was counted.
    pub(crate) fn flush(&self) {
        let small = |from: &[Cell<u32>], to: &[AtomicU64]| {
            for (from, to) in from.iter().zip(to) {
                let count = from.take();
                if count > 0 {
                    to.fetch_add(u64::from(count), Ordering::Relaxed);
                }
            }
        };
        small(&self.statements, &self.counts.statements);
        small(&self.added, &self.counts.added);
        for (from, to) in [
            (&self.from_client, &self.counts.from_client),
            (&self.from_server, &self.counts.from_server),
            (&self.added_nanoseconds, &self.counts.added_nanoseconds),
        ] {
            to.fetch_add(from.take(), Ordering::Relaxed);
        }
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut sheet = Sheet { encoder: &mut encoder, all: &all };
        sheet.counters("statements", "Statements sent for execution, by class", |counts| {
            let classes = StatementClass::ALL.iter().zip(&counts.statements);
            classes.map(|(class, count)| (("class", class.name()), read(count))).collect()
        })?;
        sheet.counters("refusals", "Refusals, by rule", |counts| {
            let refusals = counts.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            refusals.iter().map(|(rule, count)| (("rule", *rule), *count)).collect()
        })?;
        sheet.counters("received_bytes", "Bytes, by who sent them", |counts| {
            vec![
                (("from", "client"), read(&counts.from_client)),
                (("from", "server"), read(&counts.from_server)),
            ]
        })?;
        sheet.counters("cancels", "Requests to cancel, by result", |counts| {
            vec![
                (("result", "passed_on"), read(&counts.cancelled)),
                (("result", "nothing_to_cancel"), read(&counts.not_cancelled)),
            ]
        })?;
        sheet.counters("sessions", "Sessions that began and that ended by a defect", |counts| {
            vec![
                (("what", "began"), read(&counts.logins)),
                (("what", "panicked"), read(&counts.panics)),
            ]
        })?;
        sheet.connections()?;
        sheet.added()
    }
}

/// What is being written down.
struct Sheet<'a, 'e> {
    encoder: &'a mut DescriptorEncoder<'e>,
    all: &'a [Named],
}

impl Sheet<'_, '_> {
    fn counters(
        &mut self,
        name: &str,
        help: &str,
        of: impl Fn(&Counts) -> Vec<((&'static str, &'static str), u64)>,
    ) -> Result<(), fmt::Error> {
        let name = format!("{PREFIX}{name}");
        let kind = MetricType::Counter;
        let mut family = self.encoder.encode_descriptor(&name, help, None, kind)?;
        for (connector, counts) in self.all {
            for (label, count) in of(counts) {
                let labels = [("connector", &**connector), label];
                family.encode_family(&labels)?.encode_counter::<NoLabels, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn connections(&mut self) -> Result<(), fmt::Error> {
        let (name, help) = (format!("{PREFIX}connections"), "Open client connections");
        let kind = MetricType::Gauge;
        let mut family = self.encoder.encode_descriptor(&name, help, None, kind)?;
        for (connector, counts) in self.all {
            let labels = [("connector", &**connector)];
            let open = counts.connections.load(Ordering::Relaxed);
            family.encode_family(&labels)?.encode_gauge(&open)?;
        }
        Ok(())
    }

    fn added(&mut self) -> Result<(), fmt::Error> {
        let name = format!("{PREFIX}added");
        let help = "From reading bytes to offering them to the other socket, whatever it takes";
        let (unit, kind) = (Unit::Seconds, MetricType::Histogram);
        let mut family = self.encoder.encode_descriptor(&name, help, Some(&unit), kind)?;
        for (connector, counts) in self.all {
            let upper = BOUNDS.iter().map(|micros| Duration::from_micros(*micros).as_secs_f64());
            let upper = upper.chain([f64::MAX]);
            let buckets: Vec<(f64, u64)> = upper.zip(counts.added.iter().map(read)).collect();
            let total = buckets.iter().map(|(_, count)| count).sum();
            let sum = Duration::from_nanos(read(&counts.added_nanoseconds)).as_secs_f64();
            let labels = [("connector", &**connector)];
            family
                .encode_family(&labels)?
                .encode_histogram::<NoLabels>(sum, total, &buckets, None)?;
        }
        Ok(())
    }
}

type NoLabels = [(&'static str, &'static str); 0];

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
