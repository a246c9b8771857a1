//! Sockets: who may connect, how many, and for how long without saying anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use allonym_contract::config::{ConfigFault, location};
use allonym_contract::{
    Accepted, BoundAddress, Connector, Guard, Listener, Refusal, Shutdown, Stream,
};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora_core::apps::{HttpServerOptions, ServerApp};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::access_log::AccessLog;
use crate::config::HttpConfig;
use crate::metrics::{Lasting, Metrics};
use crate::place::Site;
use crate::session::{Client, Conversation};
use crate::stream::{ClientLink, LinkLimits, LinkState};

/// How long exchanges that are cut at the end of a drain may take to be recorded.
const GRACE: Duration = Duration::from_secs(2);

/// An HTTP connector. It runs inside the runtime that calls [`Connector::run`].
pub struct HttpConnector {
    name: Arc<str>,
    site: Arc<ArcSwap<Site>>,
    metrics: Metrics,
    access_log: Option<AccessLog>,
    bound: BoundAddress,
}

/// A configuration that is ready to be put in force: all it names has been read.
pub struct Prepared(Site);

impl HttpConnector {
    /// A connector that is ready to run. Certificates are read here.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, each with its location.
    pub fn new(
        name: impl Into<Arc<str>>,
        config: HttpConfig,
        guard: Arc<dyn Guard>,
    ) -> Result<Self, Vec<ConfigFault>> {
        let name = name.into();
        let site = Site::new(&name, config, guard)?;
        Ok(Self {
            name,
            site: Arc::new(ArcSwap::from_pointee(site)),
            metrics: Metrics::default(),
            access_log: None,
            bound: BoundAddress::default(),
        })
    }

    /// The same, counting into these metrics.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The same, with a record of each request.
    #[must_use]
    pub fn with_access_log(mut self, log: AccessLog) -> Self {
        self.access_log = Some(log);
        self
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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
    pub fn check_swap(&self, config: &HttpConfig) -> Result<(), Vec<ConfigFault>> {
        config.places(&self.name)?;
        if self.site.load().config.listens_like(config) {
            return Ok(());
        }
        let says = "listen and limits.connections cannot change while it runs";
        Err(vec![ConfigFault::needs_restart(location(&config.listen), says)])
    }

    /// Reads all that a configuration names, so that it can be put in force. Nothing has
    /// changed yet.
    ///
    /// # Errors
    /// When the configuration is wrong, names what cannot be read, or needs a restart.
    pub fn prepare(&self, config: HttpConfig) -> Result<Prepared, Vec<ConfigFault>> {
        self.check_swap(&config)?;
        let old = self.site.load();
        let mut site = Site::new(&self.name, config, Arc::clone(&old.guard))?;
        if old.upstream.serves(&site.upstream) {
            site.upstream = Arc::clone(&old.upstream);
        }
        Ok(Prepared(site))
    }

    /// Replaces configuration and guard in one step. A request that has begun keeps what
    /// it began with, and a connection the certificate it was met with.
    pub fn put(&self, prepared: Prepared, guard: Arc<dyn Guard>) {
        let mut site = prepared.0;
        site.guard = guard;
        self.site.store(Arc::new(site));
    }

    /// Replaces the guard. All that the configuration names stays as it was read.
    pub fn put_guard(&self, guard: Arc<dyn Guard>) {
        self.put(Prepared(Site::clone(&self.site.load())), guard);
    }

    /// [`Self::prepare`] and [`Self::put`].
    ///
    /// # Errors
    /// As [`Self::prepare`]: the old one stays.
    pub fn swap(&self, config: HttpConfig, guard: Arc<dyn Guard>) -> Result<(), Vec<ConfigFault>> {
        self.put(self.prepare(config)?, guard);
        Ok(())
    }

    async fn bind(&self) -> Result<Listener<'_>, Refusal> {
        let site = self.site.load_full();
        let (listen, room) = (&site.config.listen.value, site.config.limits.connections);
        Listener::bind(&self.name, listen, room, &self.bound).await
    }

    fn conversation(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        cut: &watch::Receiver<bool>,
    ) -> Opening {
        let site = self.site.load();
        let limits = &site.config.limits;
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(limits.idle_timeout.0);
        let link = Arc::new(LinkState::default());
        Opening {
            stream,
            tls: site.tls.clone(),
            limits: LinkLimits {
                idle: limits.idle_timeout.0,
                head: limits.header_timeout.0,
                head_bytes: limits.headers_bytes.0,
                write: limits.write_timeout.0,
            },
            conversation: Conversation {
                site: Arc::clone(&self.site),
                metrics: self.metrics.clone(),
                access_log: self.access_log.clone(),
                link,
                cut: cut.clone(),
                client: Client { address: address.ip().to_canonical(), tls: site.tls.is_some() },
                options,
            },
        }
    }
}

#[async_trait]
impl Connector for HttpConnector {
    async fn run(&self, shutdown: Shutdown) -> Result<(), Refusal> {
        let listener = self.bind().await?;
        let mut connections = JoinSet::new();
        let mut stop = shutdown.clone();
        let (end, ended) = watch::channel(false);
        while let Some(accepted) = listener.accept(&mut stop).await {
            while connections.try_join_next().is_some() {}
            let Accepted { socket, address, permit } = accepted;
            let opening = self.conversation(socket, address, &ended);
            let lasting = Lives {
                _permit: permit,
                _open: self.metrics.connection(&self.name),
                metrics: self.metrics.clone(),
                name: Arc::clone(&self.name),
            };
            let shutdown = shutdown.clone();
            connections.spawn(async move {
                let _lasting = lasting;
                opening.converse(&shutdown).await;
            });
        }
        listener.close();
        let patience = self.site.load().config.limits.drain_timeout.0;
        drop(ended);
        if timeout(patience, over(&mut connections, &end)).await.is_err() {
            // Exchanges end themselves, so that what they did is recorded.
            end.send_replace(true);
            let _ = timeout(GRACE, over(&mut connections, &end)).await;
            connections.shutdown().await;
        }
        Ok(())
    }
}

/// Waits until no connection is left, and no exchange: those of HTTP/2 are tasks of their
/// own.
async fn over(connections: &mut JoinSet<()>, end: &watch::Sender<bool>) {
    while connections.join_next().await.is_some() {}
    end.closed().await;
}

/// A connection that has been accepted.
struct Opening {
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    limits: LinkLimits,
    conversation: Conversation,
}

impl Opening {
    async fn converse(self, shutdown: &Shutdown) {
        if self.stream.set_nodelay(true).is_err() {
            return;
        }
        let stream = match self.tls {
            None => Stream::Plain(self.stream),
            Some(acceptor) => match timeout(self.limits.head, acceptor.accept(self.stream)).await {
                Ok(Ok(stream)) => Stream::Tls(Box::new(stream.into())),
                Ok(Err(_)) | Err(_) => return,
            },
        };
        let link = ClientLink::new(stream, Arc::clone(&self.conversation.link), self.limits);
        Arc::new(self.conversation).process_new(Box::new(link), shutdown).await;
    }
}

/// What a connection holds while it lives.
struct Lives {
    _permit: OwnedSemaphorePermit,
    _open: Lasting,
    metrics: Metrics,
    name: Arc<str>,
}

impl Drop for Lives {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.metrics.panicked(&self.name);
        }
    }
}
