//! Sockets: who may connect, how many, and which thread carries them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use allonym_contract::config::{ConfigFault, location};
use allonym_contract::{
    Accepted, BoundAddress, Connector, Fault, Guard, Listener, Refusal, Shutdown,
};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::cancel::Cancels;
use crate::config::PostgresConfig;
use crate::log::SessionLog;
use crate::metrics::{Counts, Metrics, Tally};
use crate::room::Room;
use crate::session::{self, Arrival, UNSERVED};
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
        let says =
            "listen, workers, limits.connections and limits.openings cannot change while it runs";
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
        let (listen, places) = (&site.config.listen.value, site.config.limits.openings);
        Listener::bind(&self.name, listen, places, &self.bound).await
    }

    fn start_workers(&self, stage: &watch::Receiver<Stage>) -> Result<Vec<Worker>, Refusal> {
        let wanted = self.site.load().config.workers;
        let count = wanted.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        });
        // A task that waits for its thread has not logged in, so there is room for all.
        let room = self.site.load().config.limits.openings;
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
    fn job(&self, accepted: Accepted, hall: &Hall<'_>) -> std::io::Result<Job> {
        let Accepted { socket, address, permit } = accepted;
        // It was registered with the runtime that accepted it, and moves to the worker's.
        let socket = socket.into_std()?;
        let site = self.site.load_full();
        let open = self.counts.connection();
        let arrival = Arrival {
            tls: site.tls.clone(),
            site,
            logins: Arc::clone(&self.logins),
            cancels: Arc::clone(&self.cancels),
            log: self.log.clone(),
            room: Arc::clone(&hall.room),
            stage: hall.stage.clone(),
            address,
        };
        Ok(Box::new(move |desk| {
            Box::pin(async move {
                let _open = open;
                match TcpStream::from_std(socket) {
                    Ok(socket) => session::converse(arrival, desk, socket, permit).await,
                    Err(_) => desk.tally.counts().refused(UNSERVED),
                }
            })
        }))
    }

    /// Takes connections, also while others are waited for: they may ask to cancel.
    async fn accept(&self, listener: &Listener<'_>, hall: &Hall<'_>) -> Infallible {
        let mut turn = 0_usize;
        loop {
            let accepted = listener.next().await;
            turn = turn.wrapping_add(1);
            let given = self.job(accepted, hall).is_ok_and(|job| hall.give(job, turn));
            if !given {
                self.counts.refused(UNSERVED);
            }
        }
    }

    /// Waits until the process is to stop, and then for sessions to end, as long as they
    /// may take.
    async fn drained(&self, mut stop: Shutdown, stage: &watch::Sender<Stage>, room: &Room) {
        let _ = stop.wait_for(|stop| *stop).await;
        stage.send_replace(Stage::Draining);
        let patience = self.site.load().config.limits.drain_timeout.0;
        let _ = tokio::time::timeout(patience, room.emptied()).await;
    }
}

#[async_trait]
impl Connector for PostgresConnector {
    async fn run(&self, shutdown: Shutdown) -> Result<(), Refusal> {
        let (stage, staged) = watch::channel(Stage::Serving);
        let workers = self.start_workers(&staged)?;
        let listener = self.bind().await?;
        let room = Arc::new(Room::new(&self.site.load().config.limits));
        let hall = Hall { workers: &workers, room: Arc::clone(&room), stage: staged };
        tokio::select! {
            never = self.accept(&listener, &hall) => match never {},
            () = self.drained(shutdown, &stage, &room) => {}
        }
        listener.close();
        stage.send_replace(Stage::Over);
        let ended = tokio::task::spawn_blocking(move || {
            workers.into_iter().for_each(Worker::join);
        });
        let _ = tokio::time::timeout(LAST_WORDS + GRACE, ended).await;
        Ok(())
    }
}

/// Where connections go.
struct Hall<'a> {
    workers: &'a [Worker],
    room: Arc<Room>,
    stage: watch::Receiver<Stage>,
}

impl Hall<'_> {
    /// Gives a task to the worker whose turn it is, or to the next that takes it. Whether
    /// one did.
    fn give(&self, job: Job, turn: usize) -> bool {
        let first = turn % self.workers.len().max(1);
        let (later, now) = self.workers.split_at_checked(first).unwrap_or_default();
        let mut refused = Some(job);
        for worker in now.iter().chain(later) {
            refused = refused.and_then(|job| worker.give(job).err());
        }
        refused.is_none()
    }
}
