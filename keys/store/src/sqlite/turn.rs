use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// The connection that writes, for one at a time, in the order they came: a busy
/// writer thread never keeps administration waiting for more than one commit.
pub(crate) struct Turn {
    connection: Mutex<Connection>,
    queue: Mutex<Queue>,
    called: Condvar,
}

struct Queue {
    next: u64,
    serving: u64,
}

impl Turn {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection: Mutex::new(connection),
            queue: Mutex::new(Queue { next: 0, serving: 0 }),
            called: Condvar::new(),
        }
    }

    /// Waits for one's turn. A transaction left open by a panic was rolled back when
    /// it was dropped, so a poisoned lock is still good.
    pub(crate) fn take(&self) -> Taken<'_> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = queue.next;
        queue.next += 1;
        while queue.serving != mine {
            queue = self.called.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        drop(queue);
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        Taken { turn: self, connection }
    }
}

#[cfg(test)]
impl Turn {
    /// Whether somebody has the turn now.
    pub(crate) fn is_taken(&self) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.serving != queue.next
    }
}

/// A turn; the next one begins when it is dropped.
pub(crate) struct Taken<'a> {
    turn: &'a Turn,
    connection: MutexGuard<'a, Connection>,
}

impl Deref for Taken<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut queue = self.turn.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.serving += 1;
        self.turn.called.notify_all();
    }
}
