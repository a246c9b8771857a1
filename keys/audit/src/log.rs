use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

use crate::chain::Head;
use crate::error::{AuditError, OpenError};
use crate::event::{Durability, Event, EventKind};
use crate::file::{self, LogFile};
use crate::sync::Syncer;
use crate::writer::{Job, Writer};
use crate::{FILE_NAME, line};

/// What [`AuditSink::accept`] returns: the sequence number once the event is accepted.
pub type Acceptance<'a> = Pin<Box<dyn Future<Output = Result<u64, AuditError>> + Send + 'a>>;

/// Where events are put on the record.
pub trait AuditSink: Send + Sync {
    /// Puts an event on the record; answers with its sequence number once it is there at
    /// the given durability. Dropping the future does not take the event back. Needs the
    /// timers of a tokio runtime.
    ///
    /// # Errors
    /// When the event was not accepted: then what it announces must not happen.
    fn accept(&self, event: Event, durability: Durability) -> Acceptance<'_>;

    /// The same for callers outside of a runtime: the thread waits.
    ///
    /// # Errors
    /// As [`AuditSink::accept`].
    fn accept_blocking(&self, event: Event, durability: Durability) -> Result<u64, AuditError>;
}

/// Limits and times of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// How many events may wait to be written.
    pub queue: usize,
    /// How long an event may take to be accepted; then it is refused.
    pub wait: Duration,
    /// After which time at most a `process` event is on the disk.
    pub flush: Duration,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self { queue: 8192, wait: Duration::from_secs(5), flush: Duration::from_millis(10) }
    }
}

/// An append-only file of events with a hash chain. One for each folder.
pub struct AuditLog {
    queue: Option<SyncSender<Job>>,
    room: Arc<Semaphore>,
    head: Arc<Mutex<Head>>,
    syncer: Arc<Syncer>,
    wait: Duration,
    threads: Vec<JoinHandle<()>>,
}

impl AuditLog {
    /// Opens the log of a folder, or begins it, and checks its last lines. If a crash has
    /// left an incomplete line at its end, that is cut off and a
    /// [`EventKind::Recovered`] event says how many bytes it had.
    ///
    /// # Errors
    /// When it is in use, cannot be written, or does not hold together at its end.
    pub fn open(folder: &Path, options: AuditOptions) -> Result<Self, OpenError> {
        let path = folder.join(FILE_NAME);
        let failed = |source| OpenError::Io { path: path.clone(), source };
        let file = file::open(folder, &path)?;
        let tail = file::tail(&file, &path)?;
        if tail.torn > 0 {
            file.set_len(tail.length).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        let log = Self::start(Arc::new(file), tail.head, tail.length, options).map_err(failed)?;
        if tail.torn > 0 {
            let event = Event::new(EventKind::Recovered, "allonym", "audit.recover")
                .with_detail("bytes_cut", tail.torn.to_string());
            log.accept_blocking(event, Durability::Power)?;
        }
        Ok(log)
    }

    /// A log on a file whose complete lines end with `head` at `length`.
    pub(crate) fn start(
        file: Arc<dyn LogFile>,
        head: Head,
        length: u64,
        options: AuditOptions,
    ) -> std::io::Result<Self> {
        let capacity = options.queue.clamp(1, Semaphore::MAX_PERMITS);
        let (queue, jobs) = sync_channel(capacity);
        let syncer = Arc::new(Syncer::new(Arc::clone(&file), options.flush));
        let mut log = Self {
            queue: Some(queue),
            room: Arc::new(Semaphore::new(capacity)),
            head: Arc::new(Mutex::new(head)),
            syncer: Arc::clone(&syncer),
            wait: options.wait,
            threads: Vec::new(),
        };
        let mut writer = Writer::new(file, Arc::clone(&syncer), Arc::clone(&log.head), length);
        let named = |name: &str| thread::Builder::new().name(name.into());
        log.threads.push(named("audit-writer").spawn(move || writer.run(&jobs))?);
        log.threads.push(named("audit-syncer").spawn(move || syncer.run())?);
        Ok(log)
    }

    /// Where the log ends: the last line that was handed to the kernel.
    #[must_use]
    pub fn head(&self) -> Head {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the log accepts nothing until it is opened again, if that is so.
    #[must_use]
    pub fn broken(&self) -> Option<AuditError> {
        self.syncer.broken()
    }

    async fn submit(&self, event: Vec<u8>, durability: Durability) -> Result<u64, AuditError> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| AuditError::Closed)?;
        let queue = self.queue.as_ref().ok_or(AuditError::Closed)?;
        let (reply, answer) = oneshot::channel();
        // The permit stands for room in the queue, so it can only be closed.
        queue.try_send(Job { event, durability, reply, room }).map_err(|_| AuditError::Closed)?;
        answer.await.unwrap_or(Err(AuditError::Closed))
    }
}

impl AuditSink for AuditLog {
    fn accept(&self, event: Event, durability: Durability) -> Acceptance<'_> {
        Box::pin(async move {
            let submitted = self.submit(line::encode(&event)?, durability);
            let in_time = tokio::time::timeout(self.wait, submitted).await;
            in_time.unwrap_or(Err(AuditError::Overloaded))
        })
    }

    fn accept_blocking(&self, event: Event, durability: Durability) -> Result<u64, AuditError> {
        let submitted = self.submit(line::encode(&event)?, durability);
        block_on(submitted, self.wait).unwrap_or(Err(AuditError::Overloaded))
    }
}

impl Drop for AuditLog {
    /// Writes and syncs what was queued.
    fn drop(&mut self) {
        self.queue = None;
        let mut threads = self.threads.drain(..);
        if let Some(writer) = threads.next() {
            let _ = writer.join();
        }
        self.syncer.close();
        for syncer in threads {
            let _ = syncer.join();
        }
    }
}

/// Runs a future that needs no runtime on this thread; `None` if it takes too long.
fn block_on<T>(future: impl Future<Output = T>, limit: Duration) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let started = Instant::now();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        let left = limit.saturating_sub(started.elapsed());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
#[path = "log_faults.rs"]
mod faults;
