//! The way to the server.

use std::io;
use std::time::Duration;

use allonym_contract::config::{ConfigFault, UpstreamTls, location};
use allonym_contract::{Fault, Refusal, Stream, tls};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::{PostgresConfig, UpstreamAddress, UpstreamTlsChoice};
use crate::tls::ALPN;
use crate::wire::startup::{write_cancel_request, write_ssl_request};

/// How often the other side may leave a question for a sign of life unanswered.
const KEEPALIVE_RETRIES: u32 = 6;

/// A server, and how it is reached.
pub(crate) struct Upstream {
    pub(crate) address: UpstreamAddress,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connect_timeout: Duration,
    keepalive: Duration,
}

impl Upstream {
    /// Reads the authorities the server is verified by.
    ///
    /// # Errors
    /// What cannot be read.
    pub(crate) fn new(config: &PostgresConfig) -> Result<Self, ConfigFault> {
        let address = config.upstream_address()?;
        let tls = match &config.upstream_tls {
            UpstreamTlsChoice::Off => None,
            UpstreamTlsChoice::Verified(verify) => Some(Self::tls(config, &address, verify)?),
        };
        let connect_timeout = config.limits.upstream_connect_timeout.0;
        Ok(Self { address, tls, connect_timeout, keepalive: config.limits.keepalive.0 })
    }

    fn tls(
        config: &PostgresConfig,
        address: &UpstreamAddress,
        verify: &UpstreamTls,
    ) -> Result<(TlsConnector, ServerName<'static>), ConfigFault> {
        tls::connector(&address.host, verify, &[ALPN])
            .map_err(|says| ConfigFault::new(location(&config.upstream), says))
    }

    /// A new connection, encrypted if that is wanted.
    ///
    /// # Errors
    /// When the server cannot be reached, speaks no TLS, or its certificate is not trusted.
    pub(crate) async fn open(&self) -> Result<Stream, Refusal> {
        let refused = |says: &'static str| Refusal::new(Fault::Upstream, "upstream-connect", says);
        match timeout(self.connect_timeout, self.connect()).await {
            Err(_) => {
                let says = "the database did not take the connection in time";
                Err(Refusal::new(Fault::UpstreamTimeout, "upstream-connect", says))
            }
            Ok(Err(Unreachable::Tls)) => Err(refused(
                "the database speaks no TLS, or its certificate or name is not trusted",
            )),
            Ok(Err(Unreachable::Io)) => Err(refused("the database cannot be reached")),
            Ok(Ok(stream)) => Ok(stream),
        }
    }

    /// Asks the server to cancel what a process of it runs, if that is still wanted once
    /// the server is reached. It never answers. Whether it was asked.
    pub(crate) async fn cancel(
        &self,
        process: u32,
        key: &[u8],
        is_wanted: impl Fn() -> bool,
    ) -> bool {
        let mut request = Vec::new();
        if write_cancel_request(&mut request, process, key).is_err() {
            return false;
        }
        let Ok(mut stream) = self.open().await else { return false };
        if !is_wanted() {
            return false;
        }
        let sent = async {
            stream.write_all(&request).await?;
            stream.flush().await?;
            // The server closes once it has signalled.
            stream.read(&mut [0]).await
        };
        let _ = timeout(self.connect_timeout, sent).await;
        true
    }

    async fn connect(&self) -> Result<Stream, Unreachable> {
        let place = (self.address.host.as_str(), self.address.port);
        let mut socket = TcpStream::connect(place).await.map_err(|_| Unreachable::Io)?;
        prepare(&socket, self.keepalive).map_err(|_| Unreachable::Io)?;
        let Some((connector, name)) = &self.tls else { return Ok(Stream::Plain(socket)) };
        let mut request = Vec::new();
        write_ssl_request(&mut request);
        socket.write_all(&request).await.map_err(|_| Unreachable::Io)?;
        let mut answer = [0];
        socket.read_exact(&mut answer).await.map_err(|_| Unreachable::Io)?;
        if answer != *b"S" {
            return Err(Unreachable::Tls);
        }
        let tls = connector.connect(name.clone(), socket).await.map_err(|_| Unreachable::Tls)?;
        Ok(Stream::Tls(Box::new(tls.into())))
    }
}

/// Why the server is not there.
enum Unreachable {
    Io,
    Tls,
}

/// A socket whose bytes leave at once, and whose other side is asked for a sign of life.
///
/// # Errors
/// When the system refuses an option.
pub(crate) fn prepare(socket: &TcpStream, keepalive: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let each = (keepalive / KEEPALIVE_RETRIES).max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new()
        .with_time(keepalive.max(Duration::from_secs(1)))
        .with_interval(each)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}
