mod bridge;
mod config;
mod dump;
mod failure;
mod pool;
mod session;
mod tokens;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};

pub(crate) use bridge::Bridge;
pub use config::PostgresConfig;
pub(crate) use dump::{copy, fill};
pub(crate) use failure::{Again, Failure};
use pool::{Lent, Pool};
pub(crate) use session::{Kind, Lock, Session};

use crate::StoreError;
use crate::sql::Transaction;

/// How often something is done again that others got in the way of.
const TRIES: u32 = 12;
/// Threads that drive the connections.
const THREADS: usize = 2;
/// Threads that work statement by statement.
const BLOCKING_THREADS: usize = 32;

/// A store in PostgreSQL. Its connections live in a runtime of their own: whoever calls
/// may be in another one, or in none.
pub(crate) struct Postgres {
    runtime: Option<Runtime>,
    link: Link,
    read_only: bool,
}

/// What a task needs to reach the server.
#[derive(Clone)]
pub(crate) struct Link {
    handle: Handle,
    pool: Arc<Pool>,
    /// After this long nothing is begun again.
    patience: Duration,
}

impl Postgres {
    /// Reads the configuration. Nothing is connected yet.
    pub(crate) fn new(config: &PostgresConfig, read_only: bool) -> Result<Self, StoreError> {
        let server = config.read(!read_only)?;
        let patience = server.connect_timeout.saturating_add(server.statement_timeout);
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("allonym-postgres")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let link = Link { handle, pool: Arc::new(Pool::new(server)), patience };
        Ok(Self { runtime: Some(runtime), link, read_only })
    }

    /// Works in a transaction of its own, on this thread. The work may be done more than
    /// once; only one time counts.
    pub(crate) fn transact<T>(
        &self,
        kind: Kind,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.check(kind)?;
        self.link.transact(kind, work)
    }

    /// Works in a transaction of its own, on a thread of its own, to the end even if
    /// nobody waits for it any more.
    pub(crate) async fn transact_apart<T: Send + 'static>(
        &self,
        kind: Kind,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.check(kind)?;
        let link = self.link.clone();
        let task = self.link.handle.spawn_blocking(move || link.transact(kind, work));
        task.await.map_err(|_| closed())?
    }

    /// Works in a transaction of its own that `work` begins, to the end even if nobody
    /// waits for it any more. The work may be done more than once.
    pub(crate) async fn change<T, F, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send,
        W: Fn(Arc<Session>) -> F + Send + Sync + 'static,
    {
        self.check(Kind::Tokens)?;
        self.persist(true, work).await
    }

    /// Asks one thing, without a transaction. The work may be done more than once.
    pub(crate) async fn ask<T, F, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send,
        W: Fn(Arc<Session>) -> F + Send + Sync + 'static,
    {
        self.persist(false, work).await
    }

    async fn persist<T, F, W>(&self, commits: bool, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send,
        W: Fn(Arc<Session>) -> F + Send + Sync + 'static,
    {
        let link = self.link.clone();
        let task = self.link.handle.spawn(async move {
            let start = Instant::now();
            for tried in 0.. {
                match link.attempt(commits, &work).await {
                    Ok(done) => return Ok(done),
                    Err(failure) => {
                        let pause = link.next(failure, tried, start)?;
                        tokio::time::sleep(pause).await;
                    }
                }
            }
            Err(closed())
        });
        task.await.map_err(|_| closed())?
    }

    /// Refuses where the store is opened for reading only.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), StoreError> {
        if self.read_only && kind != Kind::Look {
            return Err(StoreError::Unavailable("opened for reading only".to_owned()));
        }
        Ok(())
    }
}

impl Drop for Postgres {
    /// A runtime may not wait for its end inside another one.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Link {
    /// Waits on this thread for what is done in the runtime of the connections. Unlike
    /// `block_on` it may be called anywhere.
    fn wait<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, answer) = std::sync::mpsc::sync_channel(1);
        self.handle.spawn(async move {
            let _ = sender.send(task.await);
        });
        answer.recv().map_err(|_| Failure::from(closed()))?
    }

    fn transact<T>(
        &self,
        kind: Kind,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let start = Instant::now();
        for tried in 0.. {
            match self.attempt_here(kind, &work) {
                Ok(done) => return Ok(done),
                Err(failure) => std::thread::sleep(self.next(failure, tried, start)?),
            }
        }
        Err(closed())
    }

    fn attempt_here<T>(
        &self,
        kind: Kind,
        work: &impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, Failure> {
        let pool = Arc::clone(&self.pool);
        let lent = self.wait(async move { pool.take().await })?;
        let session = lent.session();
        let begun = self.wait({
            let session = lent.session();
            async move { session.begin(kind).await }
        });
        let done = begun.and_then(|()| {
            let bridge = Bridge::new(self, Arc::clone(&session));
            let done = work(&Transaction::Postgres(&bridge));
            done.map_err(|error| Failure { error, again: bridge.again() })
        });
        let ended = done.is_ok();
        let end = self.wait(async move { end(lent, ended).await });
        let done = done?;
        end.map(|()| done)
    }

    async fn attempt<T, F, W>(&self, commits: bool, work: &W) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send,
        W: Fn(Arc<Session>) -> F,
    {
        let lent = self.pool.take().await?;
        let done = work(lent.session()).await;
        if !commits {
            lent.give_back();
            return done;
        }
        let end = end(lent, done.is_ok()).await;
        let done = done?;
        end.map(|()| done)
    }

    /// How long to wait before another attempt, or the error where there is none.
    fn next(&self, failure: Failure, tried: u32, start: Instant) -> Result<Duration, StoreError> {
        let Failure { error, again } = failure;
        let lost_again = again == Again::Lost && tried > 1;
        if again == Again::No || lost_again || tried >= TRIES || start.elapsed() > self.patience {
            return Err(error);
        }
        if again == Again::Lost {
            self.pool.clear();
            return Ok(Duration::ZERO);
        }
        // Those in each other's way do not come back together.
        let mut random = [0];
        getrandom::fill(&mut random)?;
        let [random] = random;
        Ok(Duration::from_millis(u64::from(random) >> 5_u32.saturating_sub(tried)))
    }
}

/// Commits or undoes, and gives the connection back.
async fn end(lent: Lent, commit: bool) -> Result<(), Failure> {
    let ended = if commit {
        lent.commit().await
    } else if lent.is_good() {
        lent.batch("ROLLBACK").await
    } else {
        Ok(())
    };
    // A connection whose transaction may still be open is not used again.
    if ended.is_ok() {
        lent.give_back();
    }
    ended
}

fn closed() -> StoreError {
    StoreError::Unavailable("it is closing".to_owned())
}
