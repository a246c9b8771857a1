//! TLS toward the clients, and the name `postgresql` that direct TLS asks for.

use std::path::Path;
use std::sync::Arc;

use allonym_contract::config::TlsFiles;
use allonym_contract::tls::{authorities, certificate_chain, private_key};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

/// The protocol's name in TLS (ALPN): a client that begins with TLS has to say it.
pub(crate) const ALPN: &[u8] = b"postgresql";

/// How clients are met.
pub(crate) struct Server {
    pub(crate) acceptor: TlsAcceptor,
    /// Our certificate, DER: what a client binds its login to.
    pub(crate) certificate: CertificateDer<'static>,
}

/// Meets clients with a certificate; those of `client_ca` may show one of their own.
///
/// # Errors
/// What cannot be read, or does not belong together.
pub(crate) fn server(files: &TlsFiles, client_ca: Option<&Path>) -> Result<Server, String> {
    let chain = certificate_chain(files)?;
    let certificate = chain
        .first()
        .cloned()
        .ok_or_else(|| format!("{} cannot be read as PEM", files.cert.display()))?;
    let key = private_key(files)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| "no TLS version to speak".to_owned())?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .allow_unauthenticated()
                .build()
                .map_err(|_| format!("{} holds no authority", path.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|_| "certificate and key do not belong together".to_owned())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A session that is resumed shows no certificate, and saves nothing here.
    config.send_tls13_tickets = 0;
    Ok(Server { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
}
