//! TLS on both sides: certificates, authorities, and the name `postgresql` that direct
//! TLS asks for.

use std::path::Path;
use std::sync::Arc;

use allonym_contract::config::{TlsFiles, UpstreamTls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

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
    let unreadable = |path: &Path| format!("{} cannot be read as PEM", path.display());
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|_| unreadable(&files.cert))?;
    let certificate = chain.first().cloned().ok_or_else(|| unreadable(&files.cert))?;
    let key =
        PrivateKeyDer::from_pem_file(&files.key.file).map_err(|_| unreadable(&files.key.file))?;
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

/// Verifies the server's certificate and name, by the given authorities or those of the
/// system.
///
/// # Errors
/// What cannot be read.
pub(crate) fn client(
    host: &str,
    verify: &UpstreamTls,
) -> Result<(TlsConnector, ServerName<'static>), String> {
    let roots = match &verify.ca {
        Some(path) => authorities(path)?,
        None => {
            let mut roots = RootCertStore::empty();
            let system = rustls_native_certs::load_native_certs()
                .map_err(|_| "the system's authorities cannot be read")?;
            roots.add_parsable_certificates(system);
            roots
        }
    };
    if roots.is_empty() {
        return Err("there is no authority to trust: give `ca: FILE`".to_owned());
    }
    let name = verify.name.clone().unwrap_or_else(|| host.to_owned());
    let name = ServerName::try_from(name).map_err(|_| "name: not a host name".to_owned())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "no TLS version to speak".to_owned())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let listed = CertificateDer::pem_file_iter(path)
        .map_err(|_| format!("{} cannot be read", path.display()))?;
    for certificate in listed {
        let certificate = certificate.map_err(|_| format!("{} is not PEM", path.display()))?;
        roots
            .add(certificate)
            .map_err(|_| format!("{} holds a bad certificate", path.display()))?;
    }
    Ok(roots)
}
