//! The access log: JSON lines on standard output, written by a thread of its own so that
//! a slow reader never holds a request. Lines that find the queue full are counted.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use allonym_http::{AccessLog, AccessRecord};
use allonym_postgres::{SessionLog, SessionRecord};
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;

/// Lines that may wait.
const QUEUE: usize = 8_192;
/// Lines are written together if they come within this time.
const GATHER: Duration = Duration::from_millis(5);
/// How long the last lines may take to be written at the end.
const LAST_LINES: Duration = Duration::from_secs(5);

/// The access log of all connectors. Lines of one kind are told from another's by
/// what they hold.
#[derive(Clone)]
pub struct AccessLogs {
    queue: SyncSender<Entry>,
    dropped: Counter,
}

/// What the writing thread is given.
enum Entry {
    Line(Vec<u8>),
    /// Asks to be told once every line before it is written.
    End(SyncSender<()>),
}

impl AccessLogs {
    /// Starts the log; what it drops is counted.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(dropped: Counter) -> std::io::Result<Self> {
        Self::start_writing(std::io::stdout(), dropped)
    }

    fn start_writing(
        mut to: impl Write + Send + 'static,
        dropped: Counter,
    ) -> std::io::Result<Self> {
        let (queue, entries) = sync_channel(QUEUE);
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write(&entries, &mut to))?;
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

    /// Waits until every line that was taken is written: whoever ends the process comes
    /// here first. Nobody may be reading, so it waits five seconds and no longer. Blocks.
    pub fn finish(&self) {
        self.finish_within(LAST_LINES);
    }

    /// Whether all lines are written.
    fn finish_within(&self, patience: Duration) -> bool {
        let (tell, told) = sync_channel(1);
        let queue = self.queue.clone();
        // The queue may be full for good: a thread of its own waits for room in it.
        let asking = thread::Builder::new()
            .name("access-log-end".to_owned())
            .spawn(move || queue.send(Entry::End(tell)));
        asking.is_ok() && told.recv_timeout(patience).is_ok()
    }

    fn line(&self, record: &impl Serialize) {
        let Ok(mut line) = serde_json::to_vec(record) else { return };
        line.push(b'\n');
        if self.queue.try_send(Entry::Line(line)).is_err() {
            self.dropped.inc();
        }
    }
}

/// Writes until nobody can send any more.
fn write(entries: &Receiver<Entry>, to: &mut impl Write) {
    let mut together = Vec::with_capacity(64 << 10);
    let mut asking = Vec::new();
    let take = |entry, together: &mut Vec<u8>, asking: &mut Vec<SyncSender<()>>| match entry {
        Entry::Line(line) => together.extend_from_slice(&line),
        Entry::End(tell) => asking.push(tell),
    };
    while let Ok(entry) = entries.recv() {
        take(entry, &mut together, &mut asking);
        // One wake-up for many lines: waking for each costs more than writing it.
        if asking.is_empty() {
            thread::sleep(GATHER);
        }
        for entry in entries.try_iter().take(QUEUE) {
            take(entry, &mut together, &mut asking);
        }
        // Nobody reads it any more: there is nobody to tell.
        let _ = to.write_all(&together).and_then(|()| to.flush());
        together.clear();
        for tell in asking.drain(..) {
            let _ = tell.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;

    /// Keeps what is written, one piece at a time, as long as it is let.
    struct Page {
        written: Arc<Mutex<Vec<u8>>>,
        turns: Receiver<()>,
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.turns.recv().map_err(io::Error::other)?;
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log() -> (AccessLogs, Arc<Mutex<Vec<u8>>>, SyncSender<()>) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (turn, turns) = sync_channel(1_000);
        let page = Page { written: Arc::clone(&written), turns };
        (AccessLogs::start_writing(page, Counter::default()).unwrap(), written, turn)
    }

    #[test]
    fn the_end_comes_after_every_line() {
        let (log, written, turn) = log();
        (0..1_000).for_each(|_| turn.send(()).unwrap());
        for number in 0..1_000 {
            log.line(&number);
        }
        assert!(log.finish_within(Duration::from_secs(20)));
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let expected: String = (0..1_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn a_reader_that_does_not_read_holds_nobody() {
        let (log, written, turn) = log();
        // More than there is room for: what is being written, the queue, and one more.
        for number in 0..2 * QUEUE + 2 {
            log.line(&number);
        }
        assert!(log.dropped.get() > 0);
        assert!(!log.finish_within(Duration::from_millis(100)));
        assert!(written.lock().unwrap().is_empty());
        drop(turn);
    }
}
