//! Long bodies, TLS and HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use allonym_contract::Direction;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{Gateway, Reader, Upstream, answer, config_text, get, json, post, until};

/// Sends back what it reads, while it reads it.
async fn echo(chunked: bool) -> Upstream {
    Upstream::serving(move |mut stream| async move {
        let mut reader = Reader { stream: &mut stream, buffer: Vec::new() };
        reader.head().await;
        let mut buffer = std::mem::take(&mut reader.buffer);
        let says: &[u8] = if chunked {
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n"
        };
        stream.write_all(says).await.unwrap();
        // Framed alike in both directions, so the bytes can be sent back as they are.
        loop {
            if stream.write_all(&buffer).await.is_err() {
                return;
            }
            buffer.resize(65_536, 0);
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => buffer.truncate(count),
                _ => return,
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_with_a_late_reader_does_not_stop() {
    let upstream = echo(false).await;
    let gateway = Gateway::start(upstream.address, "").await;
    let length = 60_000_000;
    let head = format!(
        "POST /open HTTP/1.1\r\nHost: a\r\nAllonym-Token: good\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let sent = AtomicUsize::new(0);
    let sending = async {
        writing.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 100_000];
        for _ in 0..length / piece.len() {
            writing.write_all(&piece).await.unwrap();
            sent.fetch_add(1, Ordering::SeqCst);
        }
    };
    let receiving = async {
        // Reads only once nothing more can be written: every buffer on the way is full.
        let before = settled(&sent).await;
        assert!(before < length / 100_000, "nothing was held back");
        answer(&mut reading, false).await
    };
    let (answer, ()) =
        tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(receiving, sending) })
            .await
            .expect("the echo stopped");
    assert!(answer.complete && answer.body.len() == length);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_of_a_protected_body_does_not_stop() {
    let upstream = echo(true).await;
    let limits = "limits: { buffer_bytes: 64KiB, body_bytes: 64MiB }";
    let gateway = Gateway::start(upstream.address, limits).await;
    let filler = "x".repeat(20_000_000);
    let body = format!(r#"{{"a":"{filler}","card":"secret","b":"{filler}"}}"#);
    let request = post("/cards", &body);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let sending = async { writing.write_all(request.as_bytes()).await.unwrap() };
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::join!(answer(&mut reading, false), sending)
    })
    .await
    .expect("the echo stopped");
    assert!(answer.complete && answer.text() == body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_body_is_written_while_the_answer_is_read() {
    // It answers with more than any buffer holds before it reads the body.
    let upstream = Upstream::serving(|mut stream| async move {
        let mut reader = Reader { stream: &mut stream, buffer: Vec::new() };
        let head = reader.head().await.unwrap();
        let mut rest = std::mem::take(&mut reader.buffer);
        let says = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                    Content-Length: 30000002\r\n\r\n";
        stream.write_all(says.as_bytes()).await.unwrap();
        let text = format!("\"{}\"", "y".repeat(30_000_000));
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut reader = Reader { stream: &mut stream, buffer: std::mem::take(&mut rest) };
        assert!(reader.body(&head).await.1);
    })
    .await;
    let routes = "routes: { 'PUT /x': { $.card: card } }\nlimits: { buffer_bytes: 32MiB }";
    let gateway = Gateway::start(upstream.address, routes).await;
    let body = format!(r#"{{"card":"a","x":"{}"}}"#, "x".repeat(20_000_000));
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let request = post("/x", &body).replacen("POST", "PUT", 1);
    let sending = async { writing.write_all(request.as_bytes()).await.unwrap() };
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::join!(answer(&mut reading, false), sending)
    })
    .await
    .expect("each waited for the other");
    assert!(answer.complete && answer.body.len() == 30_000_002);
}

/// Waits until a count stops growing, and tells where.
async fn settled(count: &AtomicUsize) -> usize {
    let mut before = usize::MAX;
    loop {
        let now = count.load(Ordering::SeqCst);
        if now == before {
            return now;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

const MANY: usize = 10_000;
/// What the sockets of four connection ends may hold, and some; a hundred would be all.
const HELD: usize = 5_000;

fn many_item() -> String {
    let item = format!("\"AB\",\"{}\",", "y".repeat(9_992));
    format!("{:x}\r\n{item}\r\n", item.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_waits_for_its_reader() {
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let upstream = Upstream::serving(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            Reader { stream: &mut stream, buffer: Vec::new() }.head().await;
            let says = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                        Transfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n7\r\nlist\":[\r\n";
            stream.write_all(says.as_bytes()).await.unwrap();
            let chunk = many_item();
            for _ in 0..MANY {
                stream.write_all(chunk.as_bytes()).await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
            }
            stream.write_all(b"6\r\n\"AB\"]}\r\n0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let gateway = Gateway::start(upstream.address, "limits: { body_bytes: 1GiB }").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(get("/cards", "").as_bytes()).await.unwrap();
    let held = settled(&given).await;
    assert!(held > 0 && held < HELD, "{held} of {MANY} were taken in and not given out");
    let answer = answer(&mut stream, false).await;
    assert!(answer.complete && answer.body.len() > 100_000_000);
    let text = answer.text();
    assert_eq!(text.matches("\"ab\"").count(), MANY + 1);
    assert!(!text.contains("AB"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_request_waits_for_the_upstream() {
    let (release, held) = tokio::sync::watch::channel(false);
    let upstream = Upstream::serving(move |mut stream| {
        let mut held = held.clone();
        async move {
            let mut reader = Reader { stream: &mut stream, buffer: Vec::new() };
            let head = reader.head().await.unwrap();
            held.wait_for(|go| *go).await.unwrap();
            let (body, complete) = reader.body(&head).await;
            let text = String::from_utf8(body).unwrap();
            assert!(complete && !text.contains("ab"));
            let says = json(&text.matches("\"AB\"").count().to_string());
            stream.write_all(&says).await.unwrap();
        }
    })
    .await;
    let routes = "limits: { body_bytes: 1GiB }\nroutes: { 'POST /l': { '$.list[*]': card } }";
    let gateway = Gateway::start(upstream.address, routes).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let taken = AtomicUsize::new(0);
    let sending = async {
        let head = "POST /l HTTP/1.1\r\nHost: a\r\nAllonym-Token: good\r\n\
                    Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
                    9\r\n{\"list\":[\r\n";
        writing.write_all(head.as_bytes()).await.unwrap();
        let chunk = many_item().replace("AB", "ab");
        for _ in 0..MANY {
            writing.write_all(chunk.as_bytes()).await.unwrap();
            taken.fetch_add(1, Ordering::SeqCst);
        }
        writing.write_all(b"6\r\n\"ab\"]}\r\n0\r\n\r\n").await.unwrap();
    };
    let watching = async {
        let held = settled(&taken).await;
        assert!(held > 0 && held < HELD, "{held} of {MANY} were taken in and not given out");
        release.send_replace(true);
        answer(&mut reading, false).await
    };
    let (answer, ()) = tokio::join!(watching, sending);
    assert_eq!(answer.text(), (MANY + 1).to_string());
}

/// A certificate for `localhost`, and a client that trusts it.
struct Trust {
    directory: tempfile::TempDir,
    client: Arc<rustls::ClientConfig>,
}

impl Trust {
    fn new(alpn: &[u8]) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("crt"), made.cert.pem()).unwrap();
        std::fs::write(directory.path().join("key"), made.signing_key.serialize_pem()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![alpn.to_vec()];
        Self { directory, client: Arc::new(client) }
    }

    fn listening(&self) -> String {
        let file = |name| self.directory.path().join(name).display().to_string();
        format!("tls: {{ cert: {}, key: {{ file: {} }} }}", file("crt"), file("key"))
    }

    async fn connect(
        &self,
        address: std::net::SocketAddr,
    ) -> tokio_rustls::client::TlsStream<TcpStream> {
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.client));
        connector.connect("localhost".try_into().unwrap(), stream).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_on_both_sides() {
    let trust = Trust::new(b"http/1.1");
    let plain = Upstream::answering(|request| {
        assert!(request.head.contains("x-forwarded-proto: https"));
        json(r#"{"card":"A"}"#)
    })
    .await;
    let inner = Gateway::start(plain.address, &trust.listening()).await;
    let mut stream = trust.connect(inner.address).await;
    stream.write_all(get("/cards", "").as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream, false).await.text(), r#"{"card":"a"}"#);

    // The same gateway as the upstream of another one, once trusted and once not.
    let secure = Upstream::answering(|_| json(r#"{"card":"A"}"#)).await;
    let server = Gateway::start(
        secure.address,
        &format!("{}\nunlisted: pass\nroutes: {{}}", trust.listening()),
    )
    .await;
    let upstream = format!("https://localhost:{}", server.address.port());
    let ca = trust.directory.path().join("crt");
    let trusting = format!("upstream_tls: {{ ca: {} }}", ca.display());
    let text = config_text(&upstream, &trusting);
    let gateway = Gateway::of(serde_saphyr::from_str(&text).unwrap()).await;
    let answer = gateway.ask(get("/cards", "")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"card":"a"}"#));
    let misnamed = trusting.replace("ca:", "name: other.example, ca:");
    let text = config_text(&upstream, &misnamed);
    let gateway = Gateway::of(serde_saphyr::from_str(&text).unwrap()).await;
    let answer = gateway.ask(get("/cards", "")).await;
    assert_eq!((answer.status, answer.rule().as_str()), (502, "upstream-connect"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_from_the_client() {
    let trust = Trust::new(b"h2");
    let upstream = Upstream::answering(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let long = format!(r#"{{"a":"{}"}} x"#, "x".repeat(1_000_000));
        match () {
            () if body.contains("BREAK") => json("{"),
            () if body.contains("CUT") => json(&long),
            () => json(&body),
        }
    })
    .await;
    let extra = format!("{}\nlimits: {{ buffer_bytes: 64KiB }}", trust.listening());
    let gateway = Gateway::start(upstream.address, &extra).await;
    let stream = trust.connect(gateway.address).await;
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let filler = "x".repeat(300_000);
    let bodies =
        [r#"{"card":"secret"}"#.to_owned(), format!(r#"{{"a":"{filler}","card":"secret"}}"#)];
    let ask = async |body: String| {
        let request = http::Request::post("https://localhost/cards")
            .header("allonym-token", "good")
            .header("content-type", "application/json")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(())
            .unwrap();
        let mut sender = sender.clone().ready().await.unwrap();
        let (response, mut stream) = sender.send_request(request, false).unwrap();
        let sending = async {
            let mut rest = bytes::Bytes::from(body);
            while !rest.is_empty() {
                stream.reserve_capacity(rest.len());
                let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                let room = room.unwrap().unwrap();
                let piece = rest.split_to(room.min(rest.len()));
                stream.send_data(piece, rest.is_empty()).unwrap();
            }
        };
        let (response, ()) = tokio::join!(response, sending);
        let (head, mut stream) = response.unwrap().into_parts();
        let mut body = Vec::new();
        while let Some(data) = stream.data().await {
            let Ok(data) = data else {
                return (0, "cut".to_owned());
            };
            stream.flow_control().release_capacity(data.len()).unwrap();
            body.extend_from_slice(&data);
        }
        (head.status.as_u16(), String::from_utf8(body).unwrap())
    };
    for body in bodies {
        assert!(ask(body.clone()).await == (200, body));
    }
    let received = upstream.received();
    assert!(received.contains("SECRET") && !received.contains("secret"));
    assert!(received.contains("cookie: a=1; b=2\r\n"), "{received:.600}");
    let (status, body) = ask(r#"{"card":"break"}"#.to_owned()).await;
    assert!(status == 502 && body.contains("malformed-json"), "{body}");
    // The fault comes after the head: the stream is reset, not ended.
    assert_eq!(ask(r#"{"card":"cut"}"#.to_owned()).await, (0, "cut".to_owned()));
    assert!(gateway.logged(4).await[3].cut);
    assert_eq!(ask("{}".to_owned()).await, (200, "{}".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_an_http_2_client_leaves_the_upstream_is_left() {
    let trust = Trust::new(b"h2");
    let upstream = Upstream::serving(|mut stream| async move {
        let mut sink = [0; 1_024];
        while stream.read(&mut sink).await.unwrap_or(0) > 0 {}
    })
    .await;
    let gateway = Gateway::start(upstream.address, &trust.listening()).await;
    let stream = trust.connect(gateway.address).await;
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/cards").header("allonym-token", "good");
    let mut sender = sender.ready().await.unwrap();
    let (response, _) = sender.send_request(request.body(()).unwrap(), true).unwrap();
    until(|| upstream.open.load(Ordering::SeqCst) == 1).await;
    drop(response);
    until(|| upstream.open.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_http_2_had_begun_is_closed_when_a_drain_ends() {
    let trust = Trust::new(b"h2");
    let upstream = Upstream::serving(|stream| async move {
        let _kept = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let extra = format!("{}\nlimits: {{ drain_timeout: 100ms }}", trust.listening());
    let gateway = Gateway::start(upstream.address, &extra).await;
    let stream = trust.connect(gateway.address).await;
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/cards").header("allonym-token", "good");
    let mut sender = sender.ready().await.unwrap();
    let (response, _) = sender.send_request(request.body(()).unwrap(), true).unwrap();
    until(|| upstream.open.load(Ordering::SeqCst) == 1).await;
    let (guard, log) = (gateway.guard.clone(), gateway.log.clone());
    gateway.stop();
    gateway.stopped().await;
    assert_eq!(guard.closed(), [(Direction::ToUpstream, Some("shutdown"))]);
    assert_eq!(log.lock().unwrap()[0].refusal, Some("shutdown"));
    assert!(response.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_comes_is_ended() {
    let trust = Trust::new(b"http/1.1");
    let upstream = Upstream::answering(|_| json("{}")).await;
    let extra = format!("{}\nlimits: {{ header_timeout: 100ms }}", trust.listening());
    let gateway = Gateway::start(upstream.address, &extra).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(&[22, 3, 1]).await.unwrap();
    assert_eq!(answer(&mut stream, false).await.status, 0);
}
