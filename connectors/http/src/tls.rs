//! TLS toward the clients.

use std::sync::Arc;

use allonym_contract::config::{ConfigFault, TlsChoice, location};
use allonym_contract::tls;
use tokio_rustls::TlsAcceptor;

use crate::config::HttpConfig;
use crate::upstream::Upstream;

/// How clients are met; without TLS there is nothing to say.
///
/// # Errors
/// What cannot be read, or does not belong together.
pub(crate) fn acceptor(config: &HttpConfig) -> Result<Option<TlsAcceptor>, ConfigFault> {
    let Some(TlsChoice::Pem(files)) = &config.tls else { return Ok(None) };
    let (server, _) = tls::server(files, None, &[b"h2", b"http/1.1"])
        .map_err(|says| ConfigFault::new(location(&config.listen), says))?;
    Ok(Some(TlsAcceptor::from(Arc::new(server))))
}

impl HttpConfig {
    /// What it names that cannot be had here and now: a connector of it would not start.
    #[must_use]
    pub fn missing(&self) -> Vec<ConfigFault> {
        [acceptor(self).err(), Upstream::new(self).err()].into_iter().flatten().collect()
    }
}
