use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::connection;
use super::turn::Turn;
use crate::StoreError;

/// Requests that wait for the writer, and for each reader; more have to wait to wait.
const QUEUE: usize = 256;
/// Rows that are committed together at most, unless one request has more.
const GROUP_ROWS: usize = 32_768;
/// Threads that answer gets.
const READERS: usize = 2;

/// The threads behind the asynchronous interface.
pub(crate) struct Workers {
    writes: Option<mpsc::Sender<Box<dyn Write>>>,
    reads: Vec<mpsc::Sender<Read>>,
    /// Long scans have a thread of their own, so that gets do not wait for them.
    scans: Option<mpsc::Sender<Read>>,
    turn: AtomicUsize,
    threads: Vec<JoinHandle<()>>,
}

/// Which threads answer a read.
#[derive(Clone, Copy)]
pub(crate) enum Lane {
    Gets,
    Scans,
}

type Read = Box<dyn FnOnce(&mut Connection) + Send>;

/// A request to the writer. It is answered after the commit that holds it, or with the
/// error that undid it.
trait Write: Send {
    fn rows(&self) -> usize;
    fn apply(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError>;
    fn answer(self: Box<Self>, end: Result<(), StoreError>);
}

struct Request<T, W> {
    rows: usize,
    work: Option<W>,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl Workers {
    pub(crate) fn start(path: &Path, write: Arc<Turn>) -> Result<Self, StoreError> {
        let (writes, requests) = mpsc::channel(QUEUE);
        let mut workers = Self {
            writes: Some(writes),
            reads: Vec::new(),
            scans: None,
            turn: AtomicUsize::new(0),
            threads: vec![spawn("allonym-store-write", move || write_loop(requests, &write))?],
        };
        for _ in 0..READERS {
            let reads = workers.reader(path, "allonym-store-read")?;
            workers.reads.push(reads);
        }
        workers.scans = Some(workers.reader(path, "allonym-store-scan")?);
        Ok(workers)
    }

    /// Ends the threads after what they have accepted is done.
    pub(crate) fn stop(&mut self) {
        self.writes = None;
        self.scans = None;
        self.reads.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }

    /// Has the writer do something, together with whatever else waits.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let request = Box::new(Request { rows, work: Some(work), done: None, reply });
        let writes = self.writes.as_ref().ok_or_else(closed)?;
        writes.send(request).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Has a reader look something up, in one snapshot.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            let found = connection
                .transaction()
                .map_err(StoreError::from)
                .and_then(|snapshot| work(&snapshot));
            // Nobody listens any more when the caller was cancelled.
            let _ = reply.send(found);
        });
        let sender = match lane {
            Lane::Scans => self.scans.as_ref(),
            Lane::Gets => {
                let next = self.turn.fetch_add(1, Ordering::Relaxed);
                self.reads.get(next % self.reads.len().max(1))
            }
        };
        sender.ok_or_else(closed)?.send(read).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    fn reader(&mut self, path: &Path, name: &str) -> Result<mpsc::Sender<Read>, StoreError> {
        let mut connection = connection::reader(path)?;
        let (reads, mut requests) = mpsc::channel::<Read>(QUEUE);
        self.threads.push(spawn(name, move || {
            while let Some(read) = requests.blocking_recv() {
                read(&mut connection);
            }
        })?);
        Ok(reads)
    }
}

impl<T, W> Write for Request<T, W>
where
    T: Send,
    W: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn apply(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        if let Some(work) = self.work.take() {
            self.done = Some(work(transaction)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, end: Result<(), StoreError>) {
        let Self { done, reply, .. } = *self;
        let _ = reply.send(end.and_then(|()| done.ok_or_else(closed)));
    }
}

fn write_loop(mut requests: mpsc::Receiver<Box<dyn Write>>, turn: &Turn) {
    while let Some(first) = requests.blocking_recv() {
        let mut rows = first.rows();
        let mut group = vec![first];
        while rows < GROUP_ROWS {
            let Ok(next) = requests.try_recv() else { break };
            rows += next.rows();
            group.push(next);
        }
        let end = commit(&mut turn.take(), &mut group);
        for request in group {
            request.answer(end.clone());
        }
    }
}

fn commit(connection: &mut Connection, group: &mut [Box<dyn Write>]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for request in group {
        request.apply(&transaction)?;
    }
    Ok(transaction.commit()?)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(work)?)
}

fn closed() -> StoreError {
    StoreError::Unavailable("it is closing".to_owned())
}
