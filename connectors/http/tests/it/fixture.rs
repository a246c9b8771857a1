//! A guard of a few lines, upstreams that record what they get, and clients that speak
//! to a real socket.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use allonym_contract::{
    Caller, Connector, Credential, Crossing, Direction, Fault, Guard, Notice, Principal,
    PrincipalKind, Refusal, Rules,
};
use allonym_http::{AccessRecord, HttpConfig, HttpConnector, Metrics};
use allonym_record::{Record, Value};
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A value that must never be seen on the wrong side.
pub const CANARY: &str = "canary-4929-1200-0000-6466";
/// Its protected form, as [`Fixture`] protects.
pub const SHIELDED: &str = "CANARY-4929-1200-0000-6466";

/// Upper case is protected, lower case is plain.
#[derive(Default)]
pub struct Fixture {
    pub orders: Mutex<Orders>,
    pub transforms: AtomicUsize,
    pub identified: AtomicUsize,
    pub closed: Mutex<Vec<(Direction, Option<&'static str>)>>,
    pub purposes: Mutex<Vec<Option<String>>>,
}

/// What the fixture is told to do.
#[derive(Default, Clone)]
pub struct Orders {
    pub deny_identify: Option<Refusal>,
    pub deny_admit: Option<Refusal>,
    /// Refuse the n-th transform in this direction.
    pub deny_transform: Option<(Direction, usize, Refusal)>,
    pub hang: Option<Direction>,
    pub panic: Option<Direction>,
    pub stored_forms: usize,
    pub anonymous: bool,
    pub notice: bool,
}

impl Fixture {
    pub fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders.lock().unwrap());
    }

    pub fn closed(&self) -> Vec<(Direction, Option<&'static str>)> {
        self.closed.lock().unwrap().clone()
    }
}

#[async_trait]
impl Guard for Fixture {
    fn revision(&self) -> u64 {
        7
    }

    fn rules(&self, _: &str) -> Option<Arc<Rules>> {
        None
    }

    async fn identify(&self, caller: &Caller<'_>) -> Result<Arc<Principal>, Refusal> {
        self.identified.fetch_add(1, Ordering::SeqCst);
        self.purposes
            .lock()
            .unwrap()
            .push(caller.purpose.map(str::to_owned));
        let orders = self.orders.lock().unwrap().clone();
        if let Some(refusal) = orders.deny_identify {
            return Err(refusal);
        }
        let no = |says: &'static str| Refusal::new(Fault::Unauthenticated, "credential", says);
        let mut name = orders.anonymous.then(|| "anonymous".to_owned());
        for credential in &caller.credentials {
            name = Some(match credential {
                Credential::ApiToken(token) if token.as_str() == "good" => "token:good".into(),
                Credential::Jwt(token) if token.as_str() == "a.b.c" => "jwt:abc".into(),
                _ => return Err(no("the credential is not valid")),
            });
        }
        let name = name.ok_or_else(|| no("no credential"))?;
        Ok(Arc::new(Principal {
            budget_key: name.clone(),
            name,
            kind: PrincipalKind::ApiToken,
            roles: Vec::new(),
            purpose: None,
            claims: BTreeMap::new(),
            expires: None,
        }))
    }

    async fn admit(&self, crossing: &mut Crossing) -> Result<(), Refusal> {
        assert_eq!(crossing.revision, 7);
        match self.orders.lock().unwrap().deny_admit.clone() {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    async fn transform(
        &self,
        crossing: &mut Crossing,
        records: &mut [&mut dyn Record],
    ) -> Result<(), Refusal> {
        let number = self.transforms.fetch_add(1, Ordering::SeqCst);
        let orders = self.orders.lock().unwrap().clone();
        let way = crossing.direction;
        assert!(orders.panic != Some(way), "told to panic");
        if orders.hang == Some(way) {
            std::future::pending::<()>().await;
        }
        if let Some((of, from, refusal)) = orders.deny_transform
            && of == way
            && number >= from
        {
            return Err(refusal);
        }
        if orders.notice && way == Direction::ToClient {
            crossing.notices.push(Notice {
                class: "email".into(),
                reason: "purpose-required",
            });
        }
        for record in records {
            for field in record.fields() {
                let Some(text) = field.value().as_str() else {
                    continue;
                };
                let text = match way {
                    Direction::ToUpstream => text.to_uppercase(),
                    Direction::ToClient => text.to_lowercase(),
                };
                let value = field.value().with(text);
                field.replace(value);
            }
        }
        Ok(())
    }

    async fn stored_forms(
        &self,
        _: &mut Crossing,
        _: usize,
        operand: &Value,
    ) -> Result<Vec<Value>, Refusal> {
        let count = self.orders.lock().unwrap().stored_forms.max(1);
        let text = operand.as_str().unwrap_or_default().to_uppercase();
        Ok(vec![operand.with(text); count])
    }

    async fn close(&self, crossing: Crossing, result: Result<(), &Refusal>) {
        let result = result.err().map(|refusal| refusal.rule);
        self.closed
            .lock()
            .unwrap()
            .push((crossing.direction, result));
    }
}

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
        Self {
            address,
            connector,
            guard,
            log,
            metrics: registry,
            stop,
            running,
        }
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
    let routes = if extra.contains("routes:") {
        ""
    } else {
        ROUTES
    };
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

/// What a client got.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// Whether the message came to its end.
    pub complete: bool,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }

    /// The rule that refused it.
    pub fn rule(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not a problem: {self:?}"));
        assert_eq!(
            self.header("content-type").as_deref(),
            Some("application/problem+json")
        );
        assert_eq!(problem["status"], self.status);
        problem["rule"].as_str().unwrap().to_owned()
    }
}

pub fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// Reads one answer, informational ones included in its head.
pub async fn answer<S: AsyncRead + Unpin>(stream: &mut S, head_only: bool) -> Answer {
    let mut reader = Reader {
        stream,
        buffer: Vec::new(),
    };
    let mut all = String::new();
    loop {
        let Some(head) = reader.head().await else {
            return Answer {
                status: 0,
                head: all,
                body: Vec::new(),
                complete: false,
            };
        };
        all.push_str(&head);
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        if (100..200).contains(&status) {
            continue;
        }
        let none = head_only || status == 204 || status == 304;
        let (body, complete) = if none {
            (Vec::new(), true)
        } else {
            reader.body(&head).await
        };
        return Answer {
            status,
            head: all,
            body,
            complete,
        };
    }
}

/// Reads messages off a stream.
pub struct Reader<'a, S> {
    pub stream: &'a mut S,
    pub buffer: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Reader<'_, S> {
    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) > 0
    }

    pub async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..at + 4).collect();
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.more().await {
                return None;
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Some(String::from_utf8_lossy(&line).trim().to_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The body, and whether its end was seen.
    pub async fn body(&mut self, head: &str) -> (Vec<u8>, bool) {
        let last = head.rfind("HTTP/1.").unwrap_or(0);
        let head = &head[last..];
        if header(head, "transfer-encoding").is_some() {
            let mut body = Vec::new();
            loop {
                let Some(size) = self.line().await else {
                    return (body, false);
                };
                let size = usize::from_str_radix(&size, 16).unwrap();
                while self.buffer.len() < size + 2 {
                    if !self.more().await {
                        let rest = self.buffer.len().min(size);
                        body.extend_from_slice(&self.buffer[..rest]);
                        return (body, false);
                    }
                }
                let chunk = self.take(size + 2).await.unwrap();
                if size == 0 {
                    return (body, true);
                }
                body.extend_from_slice(&chunk[..size]);
            }
        }
        if let Some(length) = header(head, "content-length") {
            let length: usize = length.parse().unwrap();
            while self.buffer.len() < length {
                if !self.more().await {
                    return (std::mem::take(&mut self.buffer), false);
                }
            }
            return (self.take(length).await.unwrap(), true);
        }
        if head.starts_with("HTTP/1.") {
            while self.more().await {}
        }
        (std::mem::take(&mut self.buffer), true)
    }
}

/// An upstream, and everything it was sent.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    pub record: Arc<Mutex<Vec<u8>>>,
    pub connections: Arc<AtomicUsize>,
    pub open: Arc<AtomicUsize>,
}

/// A request, as an upstream got it.
pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
    /// How many this connection has had before.
    pub nth: usize,
}

impl Upstream {
    /// Answers each request with these bytes; an empty answer closes the connection, and
    /// so does one that says `Connection: close` or has no framing.
    pub async fn answering<F>(script: F) -> Self
    where
        F: Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
    {
        let script = Arc::new(script);
        Self::serving(move |stream| {
            let script = Arc::clone(&script);
            async move { converse(stream, &*script).await }
        })
        .await
    }

    /// Does what it likes with each connection.
    pub async fn serving<F, W>(serve: F) -> Self
    where
        F: Fn(Recorded) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            record: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
        };
        let copy = this.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                copy.connections.fetch_add(1, Ordering::SeqCst);
                copy.open.fetch_add(1, Ordering::SeqCst);
                let open = Arc::clone(&copy.open);
                let serving = serve(Recorded {
                    stream,
                    record: Arc::clone(&copy.record),
                });
                tokio::spawn(async move {
                    serving.await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        this
    }

    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.record.lock().unwrap()).into_owned()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Sends a part of an answer, and closes once it is told to.
pub async fn cutting(part: String) -> (Upstream, watch::Sender<bool>) {
    let (release, held) = watch::channel(false);
    let upstream = Upstream::serving(move |mut stream| {
        let (part, mut held) = (part.clone(), held.clone());
        async move {
            Reader {
                stream: &mut stream,
                buffer: Vec::new(),
            }
            .head()
            .await;
            stream.write_all(part.as_bytes()).await.unwrap();
            held.wait_for(|go| *go).await.unwrap();
        }
    })
    .await;
    (upstream, release)
}

/// A stream that records what is read from it.
pub struct Recorded {
    pub stream: TcpStream,
    record: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = std::pin::Pin::new(&mut self.stream).poll_read(cx, buffer);
        let mut record = self.record.lock().unwrap();
        if record.len() < 4 << 20 {
            record.extend_from_slice(&buffer.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn converse(mut stream: Recorded, script: &(dyn Fn(&Request) -> Vec<u8> + Send + Sync)) {
    let mut nth = 0;
    let mut buffer = Vec::new();
    loop {
        let mut reader = Reader {
            stream: &mut stream,
            buffer: std::mem::take(&mut buffer),
        };
        let Some(head) = reader.head().await else {
            return;
        };
        let body = if head.to_lowercase().contains("content-length:")
            || head.to_lowercase().contains("transfer-encoding:")
        {
            reader.body(&head).await.0
        } else {
            Vec::new()
        };
        buffer = std::mem::take(&mut reader.buffer);
        let answer = script(&Request { head, body, nth });
        nth += 1;
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        let framed = text.contains("content-length:")
            || text.contains("transfer-encoding:")
            || text.contains(" 204 ")
            || text.contains(" 304 ");
        if stream.write_all(&answer).await.is_err() || !framed || text.contains("connection: close")
        {
            return;
        }
    }
}

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

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// Waits for a condition, and fails loudly if it never comes.
pub async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it never happened");
}
