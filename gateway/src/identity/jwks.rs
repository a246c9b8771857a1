use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::jwt::{JwtAlgorithm, JwtConfigError};

/// The largest key set that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// The most keys of a set that are used.
const KEYS: usize = 256;
/// How long one fetch may take, all in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the key set of an issuer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// In a file.
    File(PathBuf),
    /// Behind a URL: `https`, or `http` on the loopback interface.
    Url {
        /// The URL.
        url: String,
        /// The authorities to trust, PEM; without it those of the system.
        roots: Option<PathBuf>,
    },
}

/// When a key set is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwksPace {
    /// How long one that was read is used before it is read again. Default 5 min.
    pub refresh: Duration,
    /// The least time between two reads: after a failure, or when a token names a key
    /// that is not there. Default 30 s.
    pub retry: Duration,
    /// How long the last good one is used while no newer one can be read: a key the
    /// issuer has withdrawn is believed no longer than this. Default 6 h.
    pub max_age: Duration,
}

impl Default for JwksPace {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(300),
            retry: Duration::from_secs(30),
            max_age: Duration::from_secs(6 * 3600),
        }
    }
}

/// All that is kept now. Whoever reads the same source shares one, so that a reload of
/// the configuration goes on with the keys at hand, whether the issuer answers or not.
static KEPT: Mutex<Vec<(JwksSource, JwksPace, Weak<Keeper>)>> = Mutex::new(Vec::new());

/// Keeps a key set current, on a thread of its own that ends with it.
pub(super) struct Keeper {
    state: Arc<State>,
    wake: SyncSender<()>,
    max_age: Duration,
}

#[derive(Default)]
struct State {
    current: ArcSwapOption<KeySet>,
    trouble: ArcSwapOption<String>,
}

/// The usable keys of a set.
pub(super) struct KeySet {
    /// SHA-256 of the text it was read from.
    pub(super) digest: [u8; 32],
    read: Instant,
    keys: Vec<PublicKey>,
}

/// One key, which is good for one algorithm only.
pub(super) struct PublicKey {
    kid: Option<String>,
    pub(super) algorithm: JwtAlgorithm,
    pub(super) key: DecodingKey,
}

impl Keeper {
    /// Keeps a key set, or joins whoever keeps it already. A file is read before this
    /// returns; a URL is not, so that an issuer that is away does not keep the gateway
    /// from starting.
    pub(super) fn of(source: JwksSource, pace: JwksPace) -> Result<Arc<Self>, JwtConfigError> {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(.., keeper)| keeper.strong_count() > 0);
        let same = kept.iter().find(|(from, at, _)| *from == source && *at == pace);
        if let Some(keeper) = same.and_then(|(.., keeper)| keeper.upgrade()) {
            if matches!(source, JwksSource::File(_)) {
                let read = Reader::new(source)?.read_into(&keeper.state);
                read.map_err(JwtConfigError::KeySet)?;
            }
            return Ok(keeper);
        }
        let keeper = Arc::new(Self::start(source.clone(), pace)?);
        kept.push((source, pace, Arc::downgrade(&keeper)));
        Ok(keeper)
    }

    /// Whether a key set could be kept from here, without fetching it.
    pub(super) fn check(source: &JwksSource) -> Result<(), JwtConfigError> {
        let reader = Reader::new(source.clone())?;
        if matches!(reader, Reader::File(_)) {
            reader.read_into(&State::default()).map_err(JwtConfigError::KeySet)?;
        }
        Ok(())
    }

    fn start(source: JwksSource, pace: JwksPace) -> Result<Self, JwtConfigError> {
        let reader = Reader::new(source)?;
        let state = Arc::new(State::default());
        if matches!(reader, Reader::File(_)) {
            reader.read_into(&state).map_err(JwtConfigError::KeySet)?;
        }
        let (wake, woken) = sync_channel(1);
        let kept = Arc::clone(&state);
        std::thread::Builder::new()
            .name("jwks".to_owned())
            .spawn(move || keep(&reader, &kept, &woken, pace))
            .map_err(|error| JwtConfigError::KeySet(error.to_string()))?;
        Ok(Self { state, wake, max_age: pace.max_age })
    }

    /// The key set in force, unless it is too old or was never read.
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        let current = self.state.current.load_full()?;
        (current.read.elapsed() <= self.max_age).then_some(current)
    }

    /// A token names a key that is not in the set: perhaps there is a newer one.
    pub(super) fn suspect(&self) {
        // A full channel means that somebody else has asked already.
        let _ = self.wake.try_send(());
    }

    /// Why the last attempt to read the set failed, if it did.
    pub(super) fn trouble(&self) -> Option<Arc<String>> {
        self.state.trouble.load_full()
    }
}

fn keep(reader: &Reader, state: &State, woken: &Receiver<()>, pace: JwksPace) {
    loop {
        let outcome = reader.read_into(state);
        let attempted = Instant::now();
        let pause = if outcome.is_ok() { pace.refresh } else { pace.retry };
        state.trouble.store(outcome.err().map(Arc::new));
        match woken.recv_timeout(pause) {
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => continue,
            Ok(()) => {}
        }
        // However often it is asked for, two reads are never closer than `retry`.
        loop {
            let rest = pace.retry.saturating_sub(attempted.elapsed());
            match woken.recv_timeout(rest) {
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => break,
                Ok(()) if rest.is_zero() => break,
                Ok(()) => {}
            }
        }
    }
}

impl KeySet {
    /// Reads a JSON Web Key Set (RFC 7517 section 5). Keys of other kinds and for other
    /// uses are passed over; a set without a single usable key is an error.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let set: Jwks = serde_json::from_slice(json)
            .map_err(|error| format!("it is no JSON Web Key Set (line {})", error.line()))?;
        let keys: Vec<PublicKey> =
            set.keys.into_iter().filter_map(PublicKey::of).take(KEYS).collect();
        if keys.is_empty() {
            return Err("it has no key for RS256, ES256 or EdDSA".to_owned());
        }
        Ok(Self { digest: Sha256::digest(json).into(), read: Instant::now(), keys })
    }

    /// The keys a token may have been signed with. A token without a `kid` can only
    /// mean the one key there is for its algorithm.
    pub(super) fn candidates(&self, kid: Option<&str>, algorithm: JwtAlgorithm) -> Vec<&PublicKey> {
        let fits = |key: &&PublicKey| {
            key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid)
        };
        let found: Vec<&PublicKey> = self.keys.iter().filter(fits).collect();
        if kid.is_none() && found.len() > 1 { Vec::new() } else { found }
    }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl PublicKey {
    /// What its type says decides which algorithm it is for, and what it says of its
    /// algorithm must not contradict that.
    fn of(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        if jwk.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
            return None;
        }
        let (algorithm, key) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", None) => {
                let (n, e) = (jwk.n?, jwk.e?);
                // Leading zeros would make a short modulus look long.
                let modulus = URL_SAFE_NO_PAD.decode(&n).ok()?;
                let long = (256..=1024).contains(&modulus.len()) && *modulus.first()? != 0;
                let key = DecodingKey::from_rsa_components(&n, &e).ok().filter(|_| long)?;
                (JwtAlgorithm::Rs256, key)
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (jwk.x.filter(is_32_bytes)?, jwk.y.filter(is_32_bytes)?);
                (JwtAlgorithm::Es256, DecodingKey::from_ec_components(&x, &y).ok()?)
            }
            ("OKP", Some("Ed25519")) => {
                let x = jwk.x.filter(is_32_bytes)?;
                (JwtAlgorithm::EdDsa, DecodingKey::from_ed_components(&x).ok()?)
            }
            _ => return None,
        };
        let named = jwk.alg.as_deref();
        let agrees = named.is_none_or(|alg| {
            alg == algorithm.word() || algorithm == JwtAlgorithm::EdDsa && alg == "Ed25519"
        });
        agrees.then_some(Self { kid: jwk.kid, algorithm, key })
    }
}

fn is_32_bytes(text: &String) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// How a key set is read.
enum Reader {
    File(PathBuf),
    Url { agent: ureq::Agent, url: String },
}

impl Reader {
    fn new(source: JwksSource) -> Result<Self, JwtConfigError> {
        let (url, roots) = match source {
            JwksSource::File(path) => return Ok(Self::File(path)),
            JwksSource::Url { url, roots } => (url, roots),
        };
        let secure = is_secure(&url)?;
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .https_only(secure)
            .max_idle_connections(0);
        let config = if secure { config.tls_config(tls(roots.as_deref())?) } else { config };
        Ok(Self::Url { agent: config.build().new_agent(), url })
    }

    fn read_into(&self, state: &State) -> Result<(), String> {
        let set = KeySet::parse(&self.read()?)?;
        state.current.store(Some(Arc::new(set)));
        Ok(())
    }

    fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::File(path) => {
                let file = std::fs::File::open(path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                read_bounded(file)
            }
            Self::Url { agent, url } => {
                let answer = agent.get(url).header("accept", "application/json").call();
                let mut answer = answer.map_err(|error| error.to_string())?;
                if answer.status() != 200 {
                    return Err(format!("the issuer answered {}", answer.status().as_u16()));
                }
                read_bounded(answer.body_mut().as_reader())
            }
        }
    }
}

fn read_bounded(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("it is larger than {LARGEST} bytes"));
    }
    Ok(bytes)
}

/// Whether a URL is `https`; `http` is good enough only where nobody is in between.
fn is_secure(url: &str) -> Result<bool, JwtConfigError> {
    let uri: http::Uri = url.parse().map_err(|_| JwtConfigError::Url("it is no URL"))?;
    let authority = uri.authority().ok_or(JwtConfigError::Url("it names no host"))?;
    if authority.as_str().contains('@') {
        return Err(JwtConfigError::Url("it holds a user name"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    match uri.scheme_str() {
        Some("https") => Ok(true),
        Some("http") if host == "localhost" || address.is_some_and(|at| at.is_loopback()) => {
            Ok(false)
        }
        _ => Err(JwtConfigError::Url("it has to be `https`, or `http` on the loopback interface")),
    }
}

fn tls(roots: Option<&Path>) -> Result<ureq::tls::TlsConfig, JwtConfigError> {
    let wrong = |what: String| JwtConfigError::Roots(what);
    let found: Vec<CertificateDer<'static>> = match roots {
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| wrong(format!("{}: {error}", path.display())))?,
        None => {
            rustls_native_certs::load_native_certs().map_err(|error| wrong(error.to_string()))?
        }
    };
    if found.is_empty() {
        return Err(wrong("there is none".to_owned()));
    }
    let found = found.iter().map(|der| ureq::tls::Certificate::from_der(der).to_owned());
    Ok(ureq::tls::TlsConfig::builder()
        .root_certs(found.collect::<Vec<_>>().into())
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_nobody_can_stand_in_between() {
        for (url, expected) in [
            ("https://id.example/jwks.json", Some(true)),
            ("https://127.0.0.1:1/", Some(true)),
            ("http://127.0.0.1:8080/jwks", Some(false)),
            ("http://127.1.2.3/", Some(false)),
            ("http://[::1]:8080/jwks", Some(false)),
            ("http://localhost/jwks", Some(false)),
            ("http://id.example/jwks.json", None),
            ("http://localhost.example/", None),
            ("http://127.0.0.1.example/", None),
            ("http://0.0.0.0/", None),
            ("http://127.0.0.1@id.example/", None),
            ("https://user:secret@id.example/", None),
            ("ftp://127.0.0.1/", None),
            ("/jwks.json", None),
            ("", None),
        ] {
            assert_eq!(is_secure(url).ok(), expected, "{url}");
        }
    }
}
