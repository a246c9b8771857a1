//! Certificates and authorities, as the configuration names them. They are read whenever a
//! configuration is put in force, so that a reload takes renewed ones up; what is wrong is
//! said with its key in the configuration and its file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::config::{TlsFiles, UpstreamTls};

/// The longest file of certificates or keys that is read, in bytes.
const LONGEST: u64 = 4 << 20;

/// How clients are met: with this certificate, and over these protocols (ALPN). Clients
/// may show a certificate of an authority in `client_ca`. Returns our own certificate
/// beside.
///
/// # Errors
/// What cannot be read, or does not belong together.
pub fn server(
    files: &TlsFiles,
    client_ca: Option<&Path>,
    protocols: &[&[u8]],
) -> Result<(ServerConfig, CertificateDer<'static>), String> {
    let chain = certificates("tls.cert", &files.cert)?;
    let certificate = chain
        .first()
        .cloned()
        .ok_or_else(|| format!("tls.cert: {}: holds no certificate", files.cert.display()))?;
    let key = private_key("tls.key.file", &files.key.file)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| "tls: no TLS version to speak".to_owned())?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities("client_ca", path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .allow_unauthenticated()
                .build()
                .map_err(|_| format!("client_ca: {}: holds no authority", path.display()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(chain, key);
    let mut config = config.map_err(|error| unfit(files, &error))?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok((config, certificate))
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
        Some(path) => authorities("upstream_tls.ca", path)?,
        None => {
            let mut roots = RootCertStore::empty();
            let system = rustls_native_certs::load_native_certs()
                .map_err(|_| "upstream_tls: the system's authorities cannot be read")?;
            roots.add_parsable_certificates(system);
            roots
        }
    };
    if roots.is_empty() {
        return Err("upstream_tls: there is no authority to trust: give `ca: FILE`".to_owned());
    }
    let name = verify.name.clone().unwrap_or_else(|| host.to_owned());
    let name = ServerName::try_from(name).map_err(|_| "upstream_tls.name: not a host name")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "upstream_tls: no TLS version to speak".to_owned())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// The authorities in the file that `key` of the configuration names.
fn authorities(key: &str, path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(key, path)? {
        roots
            .add(certificate)
            .map_err(|_| format!("{key}: {}: holds a bad certificate", path.display()))?;
    }
    Ok(roots)
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = contents(key, path)?;
    let listed: Result<_, _> = CertificateDer::pem_slice_iter(&text).collect();
    listed.map_err(|_| format!("{key}: {}: cannot be read as PEM", path.display()))
}

fn private_key(key: &str, path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = contents(key, path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound => format!("{key}: {}: holds no key", path.display()),
        _ => format!("{key}: {}: cannot be read as PEM", path.display()),
    })
}

fn contents(key: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = read(path);
    text.map_err(|cause| format!("{key}: {}: cannot be read: {cause}", path.display()))
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let about = std::fs::metadata(path)?;
    // A pipe in the file's place would block the opening for ever.
    if !about.is_file() {
        return Err(io::Error::other("not a file"));
    }
    if about.len() > LONGEST {
        return Err(io::Error::other("longer than 4 MiB"));
    }
    // Of the final size, so that no copy of a key is left behind.
    let room = usize::try_from(about.len()).unwrap_or_default() + 1;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    File::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Why a certificate and a key cannot be used together.
fn unfit(files: &TlsFiles, error: &rustls::Error) -> String {
    let (cert, key) = (files.cert.display(), files.key.file.display());
    match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("tls.key.file: {key}: not the key of the first certificate in {cert}")
        }
        rustls::Error::InvalidCertificate(_) => format!("tls.cert: {cert}: a bad certificate"),
        _ => format!("tls.key.file: {key}: not a key for TLS"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::config::KeyFile;

    /// A folder with a certificate, its key, and a key of another one.
    fn stock() -> (tempfile::TempDir, TlsFiles) {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let of = |name: &str| folder.path().join(name);
        fs::write(of("cert.pem"), certificate.pem()).unwrap();
        fs::write(of("key.pem"), key.serialize_pem()).unwrap();
        fs::write(of("other.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let files = TlsFiles { cert: of("cert.pem"), key: KeyFile { file: of("key.pem") } };
        (folder, files)
    }

    #[test]
    fn what_is_wrong_is_said_with_its_key_and_file() {
        let (folder, good) = stock();
        let of = |name: &str| folder.path().join(name);
        let whole = fs::read(&good.cert).unwrap();
        fs::write(of("empty"), "").unwrap();
        fs::write(of("half.pem"), &whole[..whole.len() / 2]).unwrap();
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        fs::write(of("nonsense.pem"), nonsense).unwrap();
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        fs::write(of("nonsense.key"), no_key).unwrap();
        let made = server(&good, Some(good.cert.as_path()), &[b"one", b"two"]).unwrap();
        assert_eq!(made.0.alpn_protocols, [b"one", b"two"]);
        assert!(!made.1.is_empty());
        for (cert, key, client_ca, expected) in [
            ("missing", "key.pem", "", "tls.cert: {}/missing: cannot be read: No such file"),
            (".", "key.pem", "", "tls.cert: {}/.: cannot be read: not a file"),
            ("empty", "key.pem", "", "tls.cert: {}/empty: holds no certificate"),
            ("key.pem", "key.pem", "", "tls.cert: {}/key.pem: holds no certificate"),
            ("half.pem", "key.pem", "", "tls.cert: {}/half.pem: cannot be read as PEM"),
            ("nonsense.pem", "key.pem", "", "tls.cert: {}/nonsense.pem: a bad certificate"),
            ("cert.pem", "missing", "", "tls.key.file: {}/missing: cannot be read: No such file"),
            ("cert.pem", "cert.pem", "", "tls.key.file: {}/cert.pem: holds no key"),
            ("cert.pem", "nonsense.key", "", "tls.key.file: {}/nonsense.key: not a key for TLS"),
            ("cert.pem", "other.key", "", "tls.key.file: {}/other.key: not the key of the first"),
            ("cert.pem", "key.pem", "missing", "client_ca: {}/missing: cannot be read"),
            ("cert.pem", "key.pem", "empty", "client_ca: {}/empty: holds no authority"),
            ("cert.pem", "key.pem", "nonsense.pem", "client_ca: {}/nonsense.pem: holds a bad"),
        ] {
            let files = TlsFiles { cert: of(cert), key: KeyFile { file: of(key) } };
            let client_ca = (!client_ca.is_empty()).then(|| of(client_ca));
            let wrong = server(&files, client_ca.as_deref(), &[]).err().unwrap();
            let expected = expected.replace("{}", &folder.path().display().to_string());
            assert!(wrong.starts_with(&expected), "{wrong}, and not {expected}");
        }
    }

    #[test]
    fn an_authority_of_the_upstream_is_named_likewise() {
        let (folder, good) = stock();
        let ca = |name: &str| UpstreamTls { ca: Some(folder.path().join(name)), name: None };
        let named = connector("localhost", &ca("cert.pem"), &[]).map(|(_, name)| name);
        assert_eq!(named, Ok(ServerName::try_from("localhost").unwrap()));
        let missing = connector("localhost", &ca("missing"), &[]).err().unwrap();
        assert!(missing.starts_with("upstream_tls.ca: ") && missing.contains("/missing: cannot"));
        let empty = connector("localhost", &ca("key.pem"), &[]).err().unwrap();
        assert!(empty.contains("no authority to trust"), "{empty}");
        let nameless = UpstreamTls { ca: Some(good.cert), name: Some("a b".to_owned()) };
        let wrong = connector("localhost", &nameless, &[]).err().unwrap();
        assert_eq!(wrong, "upstream_tls.name: not a host name");
    }
}
