use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::AuditError;
use crate::file::LogFile;

/// Brings what the writer appended to the disk: at once where somebody waits for it,
/// within the flush time otherwise. All who wait while one fsync runs share the next.
pub(crate) struct Syncer {
    file: Arc<dyn LogFile>,
    pending: Mutex<Pending>,
    changed: Condvar,
    flush: Duration,
    broken: OnceLock<String>,
}

#[derive(Default)]
struct Pending {
    waiters: Vec<Waiter>,
    /// When the first line was appended that no fsync has covered yet.
    since: Option<Instant>,
    closed: bool,
}

/// Somebody who wants to hear that a line is on the disk.
pub(crate) struct Waiter {
    pub(crate) sequence: u64,
    pub(crate) reply: oneshot::Sender<Result<u64, AuditError>>,
}

impl Syncer {
    pub(crate) fn new(file: Arc<dyn LogFile>, flush: Duration) -> Self {
        Self {
            file,
            pending: Mutex::default(),
            changed: Condvar::new(),
            flush,
            broken: OnceLock::new(),
        }
    }

    /// Why the log takes nothing any more. What a failed fsync has left on the disk
    /// nobody knows, and a later one may succeed without writing it: only opening the
    /// log again, which reads what is there, ends this.
    pub(crate) fn broken(&self) -> Option<AuditError> {
        self.broken.get().map(|why| AuditError::Unwritable(why.clone()))
    }

    /// Lines were appended; these wait for them to be on the disk.
    pub(crate) fn appended(&self, waiters: &mut Vec<Waiter>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = pending.since.is_none();
        pending.since.get_or_insert_with(Instant::now);
        let wake = idle || (pending.waiters.is_empty() && !waiters.is_empty());
        pending.waiters.append(waiters);
        drop(pending);
        if wake {
            self.changed.notify_one();
        }
    }

    /// Nothing will be appended any more.
    pub(crate) fn close(&self) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_one();
    }

    /// Works until closed and done.
    pub(crate) fn run(&self) {
        while let Some(waiters) = self.next() {
            if self.broken.get().is_none()
                && let Err(error) = self.file.sync()
            {
                // This thread alone sets it.
                let _ = self.broken.set(format!("fsync failed: {error}"));
            }
            for Waiter { sequence, reply } in waiters {
                // Who does not wait any more needs no answer.
                let _ = reply.send(self.broken().map_or(Ok(sequence), Err));
            }
        }
    }

    /// Waits until an fsync is due; says who waits for it.
    fn next(&self) -> Option<Vec<Waiter>> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = pending.since.map(|since| self.flush.saturating_sub(since.elapsed()));
            let hurry = pending.closed || !pending.waiters.is_empty();
            pending = match left {
                Some(left) if hurry || left.is_zero() => {
                    pending.since = None;
                    return Some(std::mem::take(&mut pending.waiters));
                }
                Some(left) => {
                    let (pending, _) = self
                        .changed
                        .wait_timeout(pending, left)
                        .unwrap_or_else(PoisonError::into_inner);
                    pending
                }
                None if pending.closed => return None,
                None => self.changed.wait(pending).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
