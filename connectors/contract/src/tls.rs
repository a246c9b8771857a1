//! Certificates and authorities, as the configuration names them.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::config::{TlsFiles, UpstreamTls};

/// The certificates that a listener shows, the leaf first.
///
/// # Errors
/// When the file cannot be read as PEM.
pub fn certificate_chain(files: &TlsFiles) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|_| unreadable(&files.cert))
}

/// The key of the first of these certificates.
///
/// # Errors
/// When the file cannot be read as PEM.
pub fn private_key(files: &TlsFiles) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(&files.key.file).map_err(|_| unreadable(&files.key.file))
}

/// The authorities in a PEM file.
///
/// # Errors
/// What cannot be read.
pub fn authorities(path: &Path) -> Result<RootCertStore, String> {
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

/// Verifies the upstream's certificate and name, by the given authorities or those of
/// the system; offers these protocols (ALPN). Returns the name beside.
///
/// # Errors
/// What cannot be read.
pub fn connector(
    host: &str,
    verify: &UpstreamTls,
    protocols: &[&[u8]],
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
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn unreadable(path: &Path) -> String {
    format!("{} cannot be read as PEM", path.display())
}
