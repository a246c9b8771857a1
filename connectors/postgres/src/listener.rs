//! Sockets: who may connect, how many, and which thread carries them.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use allonym_contract::config::{ConfigFault, location};
use allonym_contract::{
    Accepted, BoundAddress, Connector, Fault, Guard, Listener, Refusal, Shutdown,
};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::cancel::Cancels;
use crate::config::PostgresConfig;
use crate::log::SessionLog;
use crate::metrics::{Counts, Lasting, Metrics, Tally};
use crate::session::{self, Arrival};
use crate::site::{Logins, Site};
use crate::worker::{Job, LAST_WORDS, Stage, Worker};

/// How long workers may take to cut who has not ended by then.
const GRACE: Duration = Duration::from_secs(1);

/// A PostgreSQL connector. It brings threads of its own.
pub struct PostgresConnector {
    name: Arc<str>,
    site: Arc<ArcSwap<Site>>,
    logins: Arc<dyn Logins>,
    counts: Arc<Counts>,
    log: Option<SessionLog>,
    cancels: Arc<Cancels>,
    bound: BoundAddress,
}

/// A configuration that is ready to be put in force: all it names has been read.
pub struct Prepared(Site);

impl PostgresConnector {
    /// A connector that is ready to run. Certificates and passwords are read here.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, each with its location.
    pub fn new(
        name: impl Into<Arc<str>>,
        config: PostgresConfig,
        guard: Arc<dyn Guard>,
        logins: Arc<dyn Logins>,
    ) -> Result<Self, Vec<ConfigFault>> {
        let name = name.into();
        let site = Site::new(&name, config, guard)?;
        Ok(Self {
            name,
            site: Arc::new(ArcSwap::from_pointee(site)),
            logins,
            counts: Arc::default(),
            log: None,
            cancels: Arc::default(),
            bound: BoundAddress::default(),
        })
    }

    /// The same, counting into these metrics.
    #[must_use]
    pub fn with_metrics(mut self, metrics: &Metrics) -> Self {
        self.counts = metrics.of(&self.name);
        self
    }

    /// The same, with a record of each session.
    #[must_use]
    pub fn with_session_log(mut self, log: SessionLog) -> Self {
        self.log = Some(log);
        self
    }

    /// Where it listens, once it does.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.bound.get()
    }

    /// Waits until it listens.
    pub async fn listening(&self) -> SocketAddr {
        self.bound.wait().await
    }

    /// Whether a configuration could replace the one in force without a restart.
    ///
    /// # Errors
    /// When it could not. Nothing has changed either way.
    pub fn check_swap(&self, config: &PostgresConfig) -> Result<(), Vec<ConfigFault>> {
        config.places(&self.name)?;
        if self.site.load().config.listens_like(config) {
            return Ok(());
        }
        let says = "listen, workers and limits.connections cannot change while it runs";
        Err(vec![ConfigFault::needs_restart(location(&config.listen), says)])
    }

    /// Reads all that a configuration names, so that it can be put in force. Nothing has
    /// changed yet.
    ///
    /// # Errors
    /// When the configuration is wrong, names what cannot be read, or needs a restart.
    pub fn prepare(&self, config: PostgresConfig) -> Result<Prepared, Vec<ConfigFault>> {
        self.check_swap(&config)?;
        let guard = Arc::clone(&self.site.load().guard);
        Ok(Prepared(Site::new(&self.name, config, guard)?))
    }

    /// Replaces configuration and guard in one step. Who is logged in stays so.
    pub fn put(&self, prepared: Prepared, guard: Arc<dyn Guard>) {
        let mut site = prepared.0;
        site.guard = guard;
        self.site.store(Arc::new(site));
    }

    /// Replaces the guard. All that the configuration names stays as it was read.
    pub fn put_guard(&self, guard: Arc<dyn Guard>) {
        self.put(Prepared(Site::clone(&self.site.load())), guard);
    }

    async fn bind(&self) -> Result<Listener<'_>, Refusal> {
        let site = self.site.load_full();
        let (listen, room) = (&site.config.listen.value, site.config.limits.connections);
        Listener::bind(&self.name, listen, room, &self.bound).await
    }

    fn start_workers(&self, stage: &watch::Receiver<Stage>) -> Result<Vec<Worker>, Refusal> {
        let wanted = self.site.load().config.workers;
        let count = wanted.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        });
        // Each task holds a place among the connections, so there is room for all of them.
        let room = self.site.load().config.limits.connections;
        let start = |number: usize| {
            let tally = Tally::new(Arc::clone(&self.counts));
            Worker::start(&format!("{}-{number}", self.name), tally, stage.clone(), room)
        };
        (0..count).map(start).collect::<Result<_, _>>().map_err(|error| {
            let says = format!("connector {}: no thread to be had: {error}", self.name);
            Refusal::new(Fault::Unavailable, "threads", says)
        })
    }

    /// The connection as a task for a worker.
    fn job(&self, socket: TcpStream, address: SocketAddr, lives: Lives) -> Option<Job> {
        // It was registered with the runtime that accepted it, and moves to the worker's.
        let socket = socket.into_std().ok()?;
        let site = self.site.load_full();
        let arrival = Arrival {
            tls: site.tls.clone(),
            site,
            logins: Arc::clone(&self.logins),
            cancels: Arc::clone(&self.cancels),
            log: self.log.clone(),
            address,
        };
        Some(Box::new(move |desk| {
            Box::pin(async move {
                let _lives = lives;
                if let Ok(socket) = TcpStream::from_std(socket) {
                    session::converse(arrival, Rc::clone(&desk), socket).await;
                }
            })
        }))
    }

    async fn accept_until(&self, listener: &Listener<'_>, workers: &[Worker], mut stop: Shutdown) {
        let mut turn = workers.iter().cycle();
        while let Some(accepted) = listener.accept(&mut stop).await {
            let Accepted { socket, address, permit } = accepted;
            let lives = Lives { _permit: permit, _open: self.counts.connection() };
            if let (Some(job), Some(worker)) = (self.job(socket, address, lives), turn.next()) {
                worker.give(job);
            }
        }
    }
}

#[async_trait]
impl Connector for PostgresConnector {
    async fn run(&self, shutdown: Shutdown) -> Result<(), Refusal> {
        let (stage, staged) = watch::channel(Stage::Serving);
        let workers = self.start_workers(&staged)?;
        drop(staged);
        let listener = self.bind().await?;
        self.accept_until(&listener, &workers, shutdown).await;
        listener.close();
        stage.send_replace(Stage::Draining);
        let patience = self.site.load().config.limits.drain_timeout.0;
        let mut ended = tokio::task::spawn_blocking(move || {
            workers.into_iter().for_each(Worker::join);
        });
        if tokio::time::timeout(patience, &mut ended).await.is_err() {
            stage.send_replace(Stage::Over);
            let _ = tokio::time::timeout(LAST_WORDS + GRACE, &mut ended).await;
        }
        Ok(())
    }
}

/// What a connection holds while it lives.
struct Lives {
    _permit: OwnedSemaphorePermit,
    _open: Lasting,
}
