use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

use crate::StoreError;

/// Where a PostgreSQL server is, and how to connect to it.
///
/// The store keeps its tables in the first schema of the connection's `search_path` that
/// exists (`public`, or what `options=-csearch_path=NAME` in the URL says) and makes nothing
/// elsewhere. The role needs `CONNECT` on the database, and `USAGE` and `CREATE` on that
/// schema; no other rights, and never those of a superuser. Once the tables are there, a
/// role with `USAGE` on the schema and `SELECT`, `INSERT`, `UPDATE` and `DELETE` on its
/// tables is enough, until a release brings a new schema. The database must be in UTF8. A
/// pooler in between has to keep one server session for each connection.
///
/// TLS with the server's certificate and name verified (`sslmode=verify-full`) is the
/// default. `sslmode=disable` in the URL leaves it out, and so does a host that is a Unix
/// socket or this machine itself, where the URL says nothing about it.
#[derive(Clone)]
pub struct PostgresConfig {
    /// `postgresql://user@host:port/database?...` as libpq has it, without a password.
    pub url: String,
    /// The password, from wherever the caller keeps it. The client library keeps a copy
    /// for as long as the store is open.
    pub password: Option<Zeroizing<String>>,
    /// PEM file of the authorities that may have signed the server's certificate. Without
    /// it, what `sslrootcert` in the URL says, or else those of the system.
    pub root_certificates: Option<PathBuf>,
    /// The most connections at a time.
    pub connections: usize,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long one statement may take, and one may wait for a free connection.
    pub statement_timeout: Duration,
}

/// A configuration that was read.
pub(crate) struct Server {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) tls: Option<MakeRustlsConnect>,
    pub(crate) connections: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) statement_timeout: Duration,
}

impl PostgresConfig {
    /// A configuration with this URL: no password, eight connections, five seconds to
    /// connect and ten for a statement.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            password: None,
            root_certificates: None,
            connections: 8,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
        }
    }

    pub(crate) fn read(&self, write: bool) -> Result<Server, StoreError> {
        let refuse = |why| StoreError::PostgresUrl(why);
        if !["postgres://", "postgresql://"].iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(refuse("does not begin with postgresql://"));
        }
        let Taken { url, mode, authorities } = take_tls(&self.url)?;
        let mut config: tokio_postgres::Config =
            url.parse().map_err(|_| refuse("is malformed or has a parameter that is not known"))?;
        if config.get_password().is_some() {
            return Err(refuse("holds a password: give it from the environment or a file"));
        }
        if config.get_hosts().is_empty() {
            return Err(refuse("names no host"));
        }
        if config.get_user().is_none() {
            return Err(refuse("names no user"));
        }
        if let Some(password) = &self.password {
            config.password(password.as_bytes());
        }
        let plain = match mode.as_deref() {
            None => is_here(&config) && authorities.is_none() && self.root_certificates.is_none(),
            Some("disable") => true,
            Some("verify-full") => false,
            Some(_) => return Err(refuse("has an sslmode other than verify-full and disable")),
        };
        config.ssl_mode(if plain { SslMode::Disable } else { SslMode::Require });
        if config.get_application_name().is_none() {
            config.application_name("allonym");
        }
        config.connect_timeout(self.connect_timeout);
        config.tcp_user_timeout(self.statement_timeout);
        config.keepalives_idle(Duration::from_secs(30));
        if write {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let authorities = self.root_certificates.clone().or(authorities);
        let tls = if plain { None } else { Some(tls(authorities.as_deref())?) };
        Ok(Server {
            config,
            tls,
            connections: self.connections.max(1),
            connect_timeout: self.connect_timeout,
            statement_timeout: self.statement_timeout,
        })
    }
}

/// A URL without what it says of TLS.
struct Taken {
    url: String,
    mode: Option<String>,
    authorities: Option<PathBuf>,
}

/// What the client library does not know of TLS is taken out of the URL.
fn take_tls(url: &str) -> Result<Taken, StoreError> {
    let mut taken = Taken { url: url.to_owned(), mode: None, authorities: None };
    let Some((start, query)) = url.split_once('?') else {
        return Ok(taken);
    };
    let mut rest = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => taken.mode = Some(mode.to_owned()),
            Some(("sslrootcert", "system")) => taken.authorities = None,
            Some(("sslrootcert", path)) => taken.authorities = Some(decoded(path)?),
            _ => rest.push(pair),
        }
    }
    taken.url = start.to_owned();
    if !rest.is_empty() {
        taken.url = format!("{start}?{}", rest.join("&"));
    }
    Ok(taken)
}

/// A path with its `%` sequences undone.
fn decoded(text: &str) -> Result<PathBuf, StoreError> {
    let malformed = || StoreError::PostgresUrl("has a malformed sslrootcert");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(rest.next()), digit(rest.next()));
        let (high, low) = (high.ok_or_else(malformed)?, low.ok_or_else(malformed)?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| malformed())?);
    }
    Ok(PathBuf::from(String::from_utf8(bytes).map_err(|_| malformed())?))
}

/// Whether every host is a Unix socket or this machine.
fn is_here(config: &tokio_postgres::Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

fn tls(authorities: Option<&Path>) -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => {
            let refused = || StoreError::RootCertificates(path.to_owned());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|_| refused())? {
                let certificate = certificate.map_err(|_| refused())?;
                roots.add(certificate).map_err(|_| refused())?;
            }
            if roots.is_empty() {
                return Err(refused());
            }
        }
        None => {
            let system = rustls_native_certs::load_native_certs()?;
            roots.add_parsable_certificates(system);
        }
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| StoreError::Cipher)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Server, StoreError> {
        PostgresConfig::new(url).read(true)
    }

    #[test]
    fn tls_is_the_default() {
        let check = |url: &str, plain: bool| {
            let server = read(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(server.config.get_ssl_mode() == SslMode::Disable, plain, "{url}");
            assert_eq!(server.tls.is_none(), plain, "{url}");
        };
        check("postgresql://a@db.example/store", false);
        check("postgres://a@db.example:5433/store?sslmode=verify-full", false);
        check("postgresql://a@db.example/store?sslmode=disable", true);
        check("postgresql://a@db.example/store?application_name=x&sslmode=disable", true);
        check("postgresql://a@localhost/store", true);
        check("postgresql://a@127.0.0.2/store", true);
        check("postgresql://a@[::1]/store", true);
        check("postgresql://a@127.0.0.1/store?sslmode=verify-full", false);
        check("postgresql://a@%2Frun%2Fpostgresql/store", true);
        check("postgresql://a@localhost,db.example/store", false);
        check("postgresql://a@localhost/store?hostaddr=192.0.2.1", false);
        check("postgresql://a@localhost.example/store", false);
    }

    #[test]
    fn a_url_is_refused_without_being_told() {
        let check = |url: &str, why: &str| {
            let Err(error) = read(url) else { panic!("{url} was read") };
            let text = error.to_string();
            assert!(text.contains(why), "{url}: {text}");
            assert!(!text.contains("hunter2") && !text.contains("db.example"), "{text}");
        };
        check("host=db.example user=a", "begin with postgresql://");
        check("mysql://a@db.example/store", "begin with postgresql://");
        check("postgresql://a:hunter2@db.example/store", "holds a password");
        check("postgresql://a@db.example/store?password=hunter2", "holds a password");
        check("postgresql://a@db.example/store?hunter2=x", "not known");
        check("postgresql://a@db.example:hunter2/store", "malformed");
        check("postgresql:///store", "names no host");
        check("postgresql://db.example/store", "names no user");
        for mode in ["require", "prefer", "allow", "verify-ca", "", "hunter2"] {
            check(&format!("postgresql://a@db.example/store?sslmode={mode}"), "sslmode other");
        }
        check("postgresql://a@db.example/store?sslrootcert=%zz", "malformed sslrootcert");
    }

    #[test]
    fn authorities_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b.pem");
        let url = format!("postgresql://a@h/s?sslrootcert={}", path.display());
        let url = url.replace(' ', "%20");
        let refused = StoreError::RootCertificates(path.clone());
        assert_eq!(read(&url).err(), Some(refused.clone()), "no file");
        std::fs::write(&path, "no certificate").unwrap();
        assert_eq!(read(&url).err(), Some(refused), "nothing in it");
        let key = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        std::fs::write(&path, key.cert.pem()).unwrap();
        assert!(read(&url).unwrap().tls.is_some());
        let config = PostgresConfig {
            root_certificates: Some(path),
            ..PostgresConfig::new("postgresql://a@localhost/s")
        };
        assert!(config.read(true).unwrap().tls.is_some(), "who names authorities wants TLS");
    }
}
