use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::chain::Head;
use crate::error::AuditError;
use crate::event::Durability;
use crate::file::LogFile;
use crate::sync::{Syncer, Waiter};
use crate::{line, time};

/// How much goes into one write, in bytes; a single event may exceed it.
const BATCH_BYTES: usize = 1024 * 1024;
/// How many events go into one write.
const BATCH_EVENTS: usize = 4096;

/// An event on its way to the file.
pub(crate) struct Job {
    /// As [`line::encode`] made it.
    pub(crate) event: Vec<u8>,
    pub(crate) durability: Durability,
    pub(crate) reply: oneshot::Sender<Result<u64, AuditError>>,
    /// Its room in the queue, given back when it leaves it.
    pub(crate) room: OwnedSemaphorePermit,
}

/// Gives events their sequence numbers and appends them, as many as wait at a time.
pub(crate) struct Writer {
    file: Arc<dyn LogFile>,
    syncer: Arc<Syncer>,
    published: Arc<Mutex<Head>>,
    head: Head,
    /// How long the complete lines are, in bytes.
    length: u64,
    /// A write failed: there may be part of a line after `length`.
    partial: bool,
    buffer: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(
        file: Arc<dyn LogFile>,
        syncer: Arc<Syncer>,
        published: Arc<Mutex<Head>>,
        length: u64,
    ) -> Self {
        let head = *published.lock().unwrap_or_else(PoisonError::into_inner);
        Self { file, syncer, published, head, length, partial: false, buffer: Vec::new() }
    }

    /// Works until all senders are gone and the queue is empty.
    pub(crate) fn run(&mut self, queue: &Receiver<Job>) {
        let mut replies = Vec::new();
        let mut waiters = Vec::new();
        while let Ok(first) = queue.recv() {
            let after = self.gather(first, queue, &mut replies);
            match self.write(after) {
                Ok(()) => {
                    for (sequence, durability, reply) in replies.drain(..) {
                        match durability {
                            // Who does not wait any more needs no answer.
                            Durability::Process => drop(reply.send(Ok(sequence))),
                            Durability::Power => waiters.push(Waiter { sequence, reply }),
                        }
                    }
                    self.syncer.appended(&mut waiters);
                }
                Err(error) => {
                    for (_, _, reply) in replies.drain(..) {
                        let _ = reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Fills the buffer with the lines of what waits; says what the head is after them.
    fn gather(&mut self, first: Job, queue: &Receiver<Job>, replies: &mut Vec<Reply>) -> Head {
        let now = time::rfc3339(SystemTime::now());
        let mut head = self.head;
        let mut next = Some(first);
        self.buffer.clear();
        while let Some(Job { event, durability, reply, room }) = next {
            drop(room);
            head = line::append(&mut self.buffer, &head, &now, &event);
            replies.push((head.sequence, durability, reply));
            let full = self.buffer.len() >= BATCH_BYTES || replies.len() >= BATCH_EVENTS;
            next = if full { None } else { queue.try_recv().ok() };
        }
        head
    }

    /// Appends the buffer. If that fails nothing of it stays: the sequence numbers are
    /// given again, and no line is ever written behind part of another.
    fn write(&mut self, after: Head) -> Result<(), AuditError> {
        if let Some(error) = self.syncer.broken() {
            return Err(error);
        }
        let failed = |error: std::io::Error| AuditError::Unwritable(error.to_string());
        if self.partial {
            self.file.truncate(self.length).map_err(failed)?;
            self.partial = false;
        }
        if let Err(error) = self.file.append(&self.buffer) {
            self.partial = self.file.truncate(self.length).is_err();
            return Err(failed(error));
        }
        self.length += self.buffer.len() as u64;
        self.head = after;
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = after;
        Ok(())
    }
}

type Reply = (u64, Durability, oneshot::Sender<Result<u64, AuditError>>);
