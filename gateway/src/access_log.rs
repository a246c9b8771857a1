//! The access log: JSON lines on standard output, written by a thread of its own so that
//! a slow reader never holds a request. Lines that find the queue full are counted.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use allonym_http::{AccessLog, AccessRecord};
use allonym_postgres::{SessionLog, SessionRecord};
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;

/// Lines that may wait.
const QUEUE: usize = 8_192;
/// Lines are written together if they come within this time.
const GATHER: Duration = Duration::from_millis(5);

/// The access log of all connectors. Lines of one kind are told from another's by
/// what they hold.
#[derive(Clone)]
pub struct AccessLogs {
    queue: SyncSender<Vec<u8>>,
    dropped: Counter,
}

impl AccessLogs {
    /// Starts the log; what it drops is counted.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(dropped: Counter) -> std::io::Result<Self> {
        let (queue, lines): (SyncSender<Vec<u8>>, _) = sync_channel(QUEUE);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            let mut together = Vec::with_capacity(64 << 10);
            while let Ok(line) = lines.recv() {
                together.extend_from_slice(&line);
                // One wake-up for many lines: waking for each costs more than writing it.
                std::thread::sleep(GATHER);
                together.extend(lines.try_iter().take(QUEUE).flatten());
                // Nobody reads it any more: there is nobody to tell.
                let _ = std::io::stdout().lock().write_all(&together);
                together.clear();
            }
        })?;
        Ok(Self { queue, dropped })
    }

    /// Takes requests of HTTP connectors.
    #[must_use]
    pub fn requests(&self) -> AccessLog {
        let log = self.clone();
        Arc::new(move |record: &AccessRecord| log.line(record))
    }

    /// Takes sessions of PostgreSQL connectors.
    #[must_use]
    pub fn sessions(&self) -> SessionLog {
        let log = self.clone();
        Arc::new(move |record: &SessionRecord| log.line(record))
    }

    fn line(&self, record: &impl Serialize) {
        let Ok(mut line) = serde_json::to_vec(record) else { return };
        line.push(b'\n');
        if self.queue.try_send(line).is_err() {
            self.dropped.inc();
        }
    }
}
