use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::Server;
use super::failure::Failure;
use super::session::Session;
use crate::StoreError;

/// Connections that are open and in nobody's hands, and a bound on all of them.
pub(crate) struct Pool {
    server: Server,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Arc<Session>>>,
}

/// A connection in somebody's hands. It is closed when it is dropped, unless it was given
/// back: what was left in the middle of something is not used again.
pub(crate) struct Lent {
    session: Arc<Session>,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(server: Server) -> Self {
        let permits = Arc::new(Semaphore::new(server.connections.min(Semaphore::MAX_PERMITS)));
        Self { server, permits, idle: Mutex::default() }
    }

    /// A connection of one's own, as soon as there is one.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Lent, Failure> {
        let busy = || StoreError::Unavailable("all connections to PostgreSQL are busy".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout(self.server.statement_timeout, permit).await;
        let permit = permit.map_err(|_| busy())?.map_err(|_| busy())?;
        let session = match self.idle_one() {
            Some(session) => session,
            None => Arc::new(Session::open(&self.server).await?),
        };
        Ok(Lent { session, pool: Arc::clone(self), _permit: permit })
    }

    /// Forgets the connections that wait: when one was lost, so may the others be.
    pub(crate) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn idle_one(&self) -> Option<Arc<Session>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(session) = idle.pop() {
            if session.is_good() {
                return Some(session);
            }
        }
        None
    }
}

impl Lent {
    /// The connection, for a task of its own.
    pub(crate) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }

    /// Gives the connection back.
    pub(crate) fn give_back(self) {
        if self.session.is_good() {
            let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(self.session);
        }
    }
}

impl Deref for Lent {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}
