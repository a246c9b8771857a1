//! Key sets behind a URL: rotation, outages, hostile answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::issuer::{Issuer, claims, config, key_set, now};
use crate::identity::{
    IdentityError, JwksPace, JwksSource, JwtConfig, JwtConfigError, JwtVerifier, Reason,
};

/// A server that gives one answer to everybody, until it is given another one.
struct Server {
    address: SocketAddr,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(answer: String, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(answer));
        let (asked, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (given, count, stopped) = (Arc::clone(&answer), Arc::clone(&asked), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, answer) = (stream.unwrap(), given.lock().unwrap().clone());
                count.fetch_add(1, Ordering::SeqCst);
                // A client that does not like the certificate leaves.
                let _ = serve(stream, &answer, tls.as_ref());
            }
        });
        Self { address, answer, asked, stop, thread: Some(thread) }
    }

    fn give(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn config(&self, pace: JwksPace) -> JwtConfig {
        let url = format!("http://{}/jwks.json", self.address);
        JwtConfig { pace, ..config(JwksSource::Url { url, roots: None }) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &str,
    tls: Option<&Arc<rustls::ServerConfig>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    match tls {
        None => exchange(&mut stream, answer),
        Some(tls) => {
            let session = rustls::ServerConnection::new(Arc::clone(tls)).unwrap();
            exchange(&mut rustls::StreamOwned::new(session, stream), answer)
        }
    }
}

fn exchange(stream: &mut (impl Read + Write), answer: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(&mut *stream);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 2 {
        line.clear();
    }
    stream.write_all(answer.as_bytes())?;
    stream.flush()
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// A pace for tests that wait for what happens, not for time to pass.
const BRISK: JwksPace = JwksPace {
    refresh: Duration::from_secs(3600),
    retry: Duration::from_millis(20),
    max_age: Duration::from_secs(3600),
};

/// Waits for something that has to happen, and fails if it does not.
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn reason(verifier: &JwtVerifier, token: &str) -> Option<IdentityError> {
    verifier.verify(token, now()).err()
}

const UNKNOWN_KEY: Option<IdentityError> = Some(IdentityError::Invalid(Reason::UnknownKey));

#[test]
fn a_rotation_is_noticed_when_a_new_key_shows_up_and_the_old_one_ends() {
    let (old, new) = (Issuer::ed25519("old"), Issuer::ed25519("new"));
    let server = Server::start(ok(&key_set(&[&old])), None);
    let verifier = JwtVerifier::start(server.config(BRISK)).unwrap();
    let (before, after) = (old.sign_plain(&claims()), new.sign_plain(&claims()));
    until("the first read", || verifier.is_ready());
    assert_eq!(reason(&verifier, &before), None);
    assert_eq!(reason(&verifier, &after), UNKNOWN_KEY);
    server.give(ok(&key_set(&[&old, &new])));
    until("the new key", || reason(&verifier, &after).is_none());
    assert_eq!(reason(&verifier, &before), None);
    // Withdrawn: also a token that was verified a moment ago.
    server.give(ok(&key_set(&[&new])));
    let stranger = Issuer::ed25519("stranger").sign_plain(&claims());
    until("the old key's end", || {
        assert_eq!(reason(&verifier, &stranger), UNKNOWN_KEY);
        reason(&verifier, &before) == UNKNOWN_KEY
    });
    assert_eq!(reason(&verifier, &after), None);
}

#[test]
fn a_key_set_is_not_read_for_each_request_nor_for_each_unknown_key() {
    let (known, stranger) = (Issuer::ed25519("k"), Issuer::ed25519("s"));
    let server = Server::start(ok(&key_set(&[&known])), None);
    let slow = JwksPace { retry: Duration::from_secs(3600), ..BRISK };
    let verifier = JwtVerifier::start(server.config(slow)).unwrap();
    until("the first read", || verifier.is_ready());
    for n in 0..200 {
        let mut body = claims();
        body["jti"] = n.into();
        assert_eq!(reason(&verifier, &known.sign_plain(&body)), None);
        assert_eq!(reason(&verifier, &stranger.sign_plain(&body)), UNKNOWN_KEY);
    }
    assert_eq!(server.asked(), 1);
}

#[test]
fn in_an_outage_the_last_good_set_holds_for_a_while() {
    let issuer = Issuer::ed25519("k");
    let token = issuer.sign_plain(&claims());
    let server = Server::start(ok(&key_set(&[&issuer])), None);
    let restless = JwksPace {
        refresh: Duration::from_millis(5),
        retry: Duration::from_millis(5),
        max_age: Duration::from_secs(3600),
    };
    let patient = JwtVerifier::start(server.config(restless)).unwrap();
    let strict = JwksPace { max_age: Duration::from_millis(200), ..restless };
    let strict = JwtVerifier::start(server.config(strict)).unwrap();
    until("the first reads", || patient.is_ready() && strict.is_ready());
    for answer in [
        "HTTP/1.1 500 Oops\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ok("{\"keys\":[]}"),
        ok("<html>"),
        String::new(),
    ] {
        server.give(answer);
        let so_far = server.asked();
        until("a few attempts", || server.asked() > so_far + 4);
        assert!(patient.trouble().is_some());
        assert_eq!(reason(&patient, &token), None);
    }
    until("the end of its age", || reason(&strict, &token) == Some(IdentityError::Unavailable));
    assert_eq!(reason(&patient, &token), None);
    server.give(ok(&key_set(&[&issuer])));
    until("the issuer's return", || reason(&strict, &token).is_none());
}

#[test]
fn a_new_verifier_goes_on_with_the_keys_at_hand() {
    let issuer = Issuer::ed25519("k");
    let token = issuer.sign_plain(&claims());
    let server = Server::start(ok(&key_set(&[&issuer])), None);
    let slow = JwksPace { retry: Duration::from_secs(3600), ..BRISK };
    let first = JwtVerifier::start(server.config(slow)).unwrap();
    until("the first read", || first.is_ready());
    server.give(String::new());
    let second = JwtVerifier::start(server.config(slow)).unwrap();
    drop(first);
    assert_eq!(reason(&second, &token), None);
    let third = JwtVerifier::start(server.config(slow)).unwrap();
    assert_eq!(reason(&third, &token), None);
    assert_eq!(server.asked(), 1);
    // Once nobody is left, nothing is kept.
    drop((second, third));
    let late = JwtVerifier::start(server.config(slow)).unwrap();
    assert_eq!(reason(&late, &token), Some(IdentityError::Unavailable));
    until("an attempt", || late.trouble().is_some());
}

#[test]
fn a_broken_file_is_an_error_for_a_new_verifier_and_none_for_the_old_one() {
    let issuer = Issuer::ed25519("k");
    let token = issuer.sign_plain(&claims());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, key_set(&[&issuer])).unwrap();
    let source = config(JwksSource::File(path.clone()));
    let old = JwtVerifier::start(source.clone()).unwrap();
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(JwtVerifier::start(source.clone()).err(), Some(JwtConfigError::KeySet(_))));
    assert_eq!(reason(&old, &token), None);
    std::fs::write(&path, key_set(&[&Issuer::ed25519("next")])).unwrap();
    let new = JwtVerifier::start(source).unwrap();
    assert_eq!(reason(&new, &token), UNKNOWN_KEY);
}

#[test]
fn nothing_is_judged_before_there_is_a_key_set() {
    let issuer = Issuer::ed25519("k");
    let token = issuer.sign_plain(&claims());
    let elsewhere = Server::start(ok(&key_set(&[&issuer])), None);
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://{}/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        elsewhere.address
    );
    let large = key_set(&[&issuer]) + &" ".repeat(1 << 20);
    let good = key_set(&[&issuer]);
    let cut = ok(&good).replace("content-length: ", "content-length: 9");
    for answer in [redirect, ok(&large), cut, ok(""), "nonsense\r\n\r\n".to_owned()] {
        let server = Server::start(answer.clone(), None);
        let verifier = JwtVerifier::start(server.config(BRISK)).unwrap();
        until("a few attempts", || server.asked() > 1 && verifier.trouble().is_some());
        let shown = &answer[..answer.len().min(80)];
        assert_eq!(reason(&verifier, &token), Some(IdentityError::Unavailable), "{shown}");
        server.give(ok(&good));
        until("a good answer", || reason(&verifier, &token).is_none());
    }
    assert_eq!(elsewhere.asked(), 0, "a redirect was followed");
}

#[test]
fn over_tls_only_from_whom_the_roots_vouch_for() {
    let issuer = Issuer::ed25519("k");
    let token = issuer.sign_plain(&claims());
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())
        .unwrap();
    let server = Server::start(ok(&key_set(&[&issuer])), Some(Arc::new(tls)));
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str, pem: String| {
        let roots = folder.path().join(name);
        std::fs::write(&roots, pem).unwrap();
        let url = format!("https://localhost:{}/jwks.json", server.address.port());
        let jwks = JwksSource::Url { url, roots: Some(roots) };
        JwtVerifier::start(JwtConfig { pace: BRISK, ..config(jwks) })
    };
    let trusting = start("good.pem", certified.cert.pem()).unwrap();
    until("a read over TLS", || reason(&trusting, &token).is_none());
    let distrusting = start("other.pem", other.cert.pem()).unwrap();
    until("an attempt", || distrusting.trouble().is_some());
    assert_eq!(reason(&distrusting, &token), Some(IdentityError::Unavailable));
    assert!(matches!(start("empty.pem", String::new()).err(), Some(JwtConfigError::Roots(_))));
}

#[test]
fn a_file_is_read_again_too() {
    let (old, new) = (Issuer::ed25519("old"), Issuer::ed25519("new"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let replace = |issuer: &Issuer| {
        let next = folder.path().join("next");
        std::fs::write(&next, key_set(&[issuer])).unwrap();
        std::fs::rename(&next, &path).unwrap();
    };
    replace(&old);
    let source = config(JwksSource::File(path.clone()));
    let verifier = JwtVerifier::start(JwtConfig { pace: BRISK, ..source }).unwrap();
    assert_eq!(reason(&verifier, &old.sign_plain(&claims())), None);
    replace(&new);
    let token = new.sign_plain(&claims());
    until("the new file", || reason(&verifier, &token).is_none());
}
