//! TLS toward the clients, and the name `postgresql` that direct TLS asks for.

use std::sync::Arc;

use allonym_contract::config::{ConfigFault, TlsChoice, location};
use allonym_contract::tls;
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsAcceptor;

use crate::config::PostgresConfig;

/// The protocol's name in TLS (ALPN): a client that begins with TLS has to say it.
pub(crate) const ALPN: &[u8] = b"postgresql";

/// How clients are met.
pub(crate) struct Server {
    pub(crate) acceptor: TlsAcceptor,
    /// Our certificate, DER: what a client binds its login to.
    pub(crate) certificate: CertificateDer<'static>,
}

/// Meets clients with a certificate; those of `client_ca` may show one of their own.
/// Without TLS there is nothing to say.
///
/// # Errors
/// What cannot be read, or does not belong together.
pub(crate) fn server(config: &PostgresConfig) -> Result<Option<Arc<Server>>, ConfigFault> {
    let Some(TlsChoice::Pem(files)) = &config.tls else { return Ok(None) };
    let (mut server, certificate) = tls::server(files, config.client_ca.as_deref(), &[ALPN])
        .map_err(|says| ConfigFault::new(location(&config.listen), says))?;
    // A session that is resumed shows no certificate, and saves nothing here.
    server.send_tls13_tickets = 0;
    Ok(Some(Arc::new(Server { acceptor: TlsAcceptor::from(Arc::new(server)), certificate })))
}
