//! Connections to the upstream: opened when needed, kept while they are quiet.
//!
//! They are our own rather than those of Pingora's connector, because its sessions
//! cannot be written and read at the same time, and an upstream that answers while it
//! is still being written to would wait for us as we wait for it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use allonym_contract::config::{ConfigFault, UpstreamTls, location};
use allonym_contract::{Fault, Refusal, Stream, tls};
use http::HeaderValue;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::{HttpConfig, Scheme, UpstreamAddress};
use crate::stream::UpstreamLink;

/// What stands behind the connector.
pub(crate) struct Upstream {
    address: UpstreamAddress,
    verify: UpstreamTls,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connect_timeout: Duration,
    keep: usize,
    keep_for: Duration,
    idle: Mutex<VecDeque<(UpstreamLink, Instant)>>,
    /// What goes into `Host`.
    pub(crate) authority: HeaderValue,
}

/// A connection, and whether it has served before.
pub(crate) struct Connection {
    pub(crate) link: UpstreamLink,
    pub(crate) reused: bool,
}

impl Upstream {
    /// Prepares connections; opens none.
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, ConfigFault> {
        let address = config.upstream_address()?;
        let at = location(&config.upstream);
        let verify = config.upstream_tls.clone().unwrap_or_default();
        let tls = match address.scheme {
            Scheme::Http => None,
            Scheme::Https => Some(
                tls::connector(&address.host, &verify, &[])
                    .map_err(|says| ConfigFault::new(at, says))?,
            ),
        };
        let authority = HeaderValue::from_str(&address.authority)
            .map_err(|_| ConfigFault::new(at, "upstream: not a host"))?;
        Ok(Self {
            address,
            verify,
            tls,
            connect_timeout: config.limits.upstream_connect_timeout.0,
            keep: config.limits.upstream_idle_connections,
            keep_for: config.limits.upstream_idle_timeout.0,
            idle: Mutex::new(VecDeque::new()),
            authority,
        })
    }

    /// Whether connections of the one may serve the other: the same address, verified
    /// against the same authorities, with the same patience.
    pub(crate) fn serves(&self, other: &Self) -> bool {
        self.address == other.address
            && self.verify == other.verify
            && self.verify.ca.is_none()
            && self.connect_timeout == other.connect_timeout
            && self.keep == other.keep
            && self.keep_for == other.keep_for
    }

    /// A kept connection that is still quiet, or a new one.
    pub(crate) async fn connection(&self, fresh: bool) -> Result<Connection, Refusal> {
        if !fresh && let Some(link) = self.kept() {
            return Ok(Connection { link, reused: true });
        }
        let socket = timeout(self.connect_timeout, self.open())
            .await
            .map_err(|_| {
                let says = "the upstream did not take the connection in time";
                Refusal::new(Fault::UpstreamTimeout, "upstream-connect", says)
            })?
            .map_err(|_| {
                let says = "the upstream cannot be reached, or its certificate is not trusted";
                Refusal::new(Fault::Upstream, "upstream-connect", says)
            })?;
        Ok(Connection { link: UpstreamLink::new(socket), reused: false })
    }

    /// Keeps a connection whose exchange is over and complete.
    pub(crate) fn keep(&self, link: UpstreamLink) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push_back((link, Instant::now()));
        while idle.len() > self.keep
            || idle.front().is_some_and(|(_, since)| since.elapsed() > self.keep_for)
        {
            idle.pop_front();
        }
    }

    fn kept(&self) -> Option<UpstreamLink> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((link, since)) = idle.pop_back() {
            if since.elapsed() > self.keep_for {
                idle.clear();
                return None;
            }
            if link.is_quiet() {
                return Some(link);
            }
        }
        None
    }

    async fn open(&self) -> std::io::Result<Stream> {
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                Ok(Stream::Tls(Box::new(stream.into())))
            }
        }
    }
}
