//! A guard of a few lines, upstreams that record what they get, and clients that speak
//! to a real socket.

mod guard;
mod message;
mod upstream;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use allonym_contract::{Connector, Guard, Refusal};
use allonym_http::{AccessRecord, HttpConfig, HttpConnector, Metrics};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use guard::Fixture;
pub use message::{Answer, Reader, answer};
pub use upstream::{Upstream, answering_when_told, cutting};

/// A value that must never be seen on the wrong side.
pub const CANARY: &str = "canary-4929-1200-0000-6466";
/// Its protected form, as [`Fixture`] protects.
pub const SHIELDED: &str = "CANARY-4929-1200-0000-6466";

/// A gateway with one connector.
pub struct Gateway {
    pub address: SocketAddr,
    pub connector: Arc<HttpConnector>,
    pub guard: Arc<Fixture>,
    pub log: Arc<Mutex<Vec<AccessRecord>>>,
    pub metrics: prometheus_client::registry::Registry,
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), Refusal>>,
}

impl Gateway {
    /// `extra` is more of the connector's configuration, in YAML.
    pub async fn start(upstream: SocketAddr, extra: &str) -> Self {
        let text = config_text(&format!("http://{upstream}"), extra);
        Self::of(serde_saphyr::from_str(&text).unwrap()).await
    }

    pub async fn of(config: HttpConfig) -> Self {
        let guard = Arc::new(Fixture::default());
        let log = Arc::new(Mutex::new(Vec::new()));
        let metrics = Metrics::default();
        let mut registry = prometheus_client::registry::Registry::default();
        metrics.register(&mut registry);
        let sink = Arc::clone(&log);
        let connector = HttpConnector::new("api", config, Arc::clone(&guard) as Arc<dyn Guard>)
            .unwrap()
            .with_metrics(metrics)
            .with_access_log(Arc::new(move |record: &AccessRecord| {
                sink.lock().unwrap().push(record.clone());
            }));
        let connector = Arc::new(connector);
        let (stop, stopped) = watch::channel(false);
        let runs = Arc::clone(&connector);
        let running = tokio::spawn(async move { runs.run(stopped).await });
        let address = connector.listening().await;
        Self { address, connector, guard, log, metrics: registry, stop, running }
    }

    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub async fn stopped(self) {
        self.running.await.unwrap().unwrap();
    }

    /// Waits until so many requests are in the access log.
    pub async fn logged(&self, count: usize) -> Vec<AccessRecord> {
        until(|| self.log.lock().unwrap().len() >= count).await;
        self.log.lock().unwrap().clone()
    }

    /// Everything that is told to operators.
    pub fn told(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.metrics).unwrap();
        for record in self.log.lock().unwrap().iter() {
            text.push_str(&serde_json::to_string(record).unwrap());
        }
        text
    }

    /// One request on a new connection.
    pub async fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A gateway that refuses early may close before everything is written.
        let _ = stream.write_all(request.as_ref()).await;
        let head_only = request.as_ref().starts_with(b"HEAD ");
        answer(&mut stream, head_only).await
    }
}

pub fn config_text(upstream: &str, extra: &str) -> String {
    let routes = if extra.contains("routes:") { "" } else { ROUTES };
    format!("listen: 127.0.0.1:0\nupstream: {upstream}\n{extra}\n{routes}")
}

const ROUTES: &str = r#"
routes:
  "POST /cards": { "$.card": card, "header:x-card": card }
  "PUT /cards": { "$.card": card }
  "GET /cards": { "$.card": card, "$.list[*]": card, "header:x-card": card, "query:card": card }
  "POST /cards/{id}": { "$.card": card, "path:id": card, "query:q": card }
  "GET /cards/{id}": { "$.card": card, "path:id": card }
  "GET /open": {}
  "POST /open": {}
"#;

/// An answer with a JSON body.
pub fn json(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A POST of a JSON body.
pub fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: api\r\nAllonym-Token: good\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A GET with a credential and more header lines.
pub fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: api\r\nAllonym-Token: good\r\n{lines}\r\n")
}

/// Waits for a condition, and fails loudly if it never comes.
pub async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it never happened");
}
