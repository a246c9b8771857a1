//! Long bodies, TLS and HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{Gateway, Reader, Upstream, answer, config_text, get, json, post};

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
    let sent = std::sync::atomic::AtomicUsize::new(0);
    let sending = async {
        writing.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 100_000];
        for _ in 0..length / piece.len() {
            writing.write_all(&piece).await.unwrap();
            sent.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    };
    let receiving = async {
        // Reads only once nothing more can be written: every buffer on the way is full.
        let mut before = usize::MAX;
        loop {
            let now = sent.load(std::sync::atomic::Ordering::SeqCst);
            if now == before {
                break;
            }
            before = now;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(before < length / 100_000, "nothing was held back");
        answer(&mut reading, false).await
    };
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::join!(receiving, sending)
    })
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
        let mut reader = Reader {
            stream: &mut stream,
            buffer: Vec::new(),
        };
        let head = reader.head().await.unwrap();
        let mut rest = std::mem::take(&mut reader.buffer);
        let says = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                    Content-Length: 30000002\r\n\r\n";
        stream.write_all(says.as_bytes()).await.unwrap();
        let text = format!("\"{}\"", "y".repeat(30_000_000));
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut reader = Reader {
            stream: &mut stream,
            buffer: std::mem::take(&mut rest),
        };
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

/// Kilobytes of memory this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_pass_in_little_memory() {
    let upstream = Upstream::serving(|mut stream| async move {
        let mut reader = Reader {
            stream: &mut stream,
            buffer: Vec::new(),
        };
        reader.head().await;
        let says = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n7\r\nlist\":[\r\n";
        stream.write_all(says.as_bytes()).await.unwrap();
        let item = format!("\"AB\",\"{}\",", "y".repeat(9_992));
        let chunk = format!("{:x}\r\n{item}\r\n", item.len());
        for _ in 0..10_000 {
            stream.write_all(chunk.as_bytes()).await.unwrap();
        }
        stream
            .write_all(b"6\r\n\"AB\"]}\r\n0\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let gateway = Gateway::start(upstream.address, "limits: { body_bytes: 1GiB }").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream
        .write_all(get("/cards", "").as_bytes())
        .await
        .unwrap();
    let before = resident();
    let (mut total, mut most) = (0_usize, 0);
    let mut buffer = vec![0; 1 << 16];
    let mut tail = Vec::new();
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "cut after {total} bytes");
        assert!(
            !buffer[..count].windows(3).any(|w| w == b"\"AB"),
            "a value was not revealed"
        );
        total += count;
        most = most.max(resident());
        tail.extend_from_slice(&buffer[..count]);
        tail.drain(..tail.len().saturating_sub(5));
        if tail == b"0\r\n\r\n" {
            break;
        }
    }
    assert!(total > 100_000_000, "{total}");
    // The other tests of this process run beside this one; unbounded would be 100 MB and more.
    assert!(
        most.saturating_sub(before) < 400_000,
        "{before} KiB became {most} KiB"
    );
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
        std::fs::write(
            directory.path().join("key"),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![alpn.to_vec()];
        Self {
            directory,
            client: Arc::new(client),
        }
    }

    fn listening(&self) -> String {
        let file = |name| self.directory.path().join(name).display().to_string();
        format!(
            "tls: {{ cert: {}, key: {{ file: {} }} }}",
            file("crt"),
            file("key")
        )
    }

    async fn connect(
        &self,
        address: std::net::SocketAddr,
    ) -> tokio_rustls::client::TlsStream<TcpStream> {
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.client));
        connector
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .unwrap()
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
    stream
        .write_all(get("/cards", "").as_bytes())
        .await
        .unwrap();
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
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, r#"{"card":"a"}"#)
    );
    let misnamed = trusting.replace("ca:", "name: other.example, ca:");
    let text = config_text(&upstream, &misnamed);
    let gateway = Gateway::of(serde_saphyr::from_str(&text).unwrap()).await;
    let answer = gateway.ask(get("/cards", "")).await;
    assert_eq!(
        (answer.status, answer.rule().as_str()),
        (502, "upstream-connect")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_from_the_client() {
    let trust = Trust::new(b"h2");
    let upstream = Upstream::answering(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if body.contains("BREAK") {
            json("{")
        } else {
            json(&body)
        }
    })
    .await;
    let extra = format!("{}\nlimits: {{ buffer_bytes: 64KiB }}", trust.listening());
    let gateway = Gateway::start(upstream.address, &extra).await;
    let stream = trust.connect(gateway.address).await;
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let filler = "x".repeat(300_000);
    let bodies = [
        r#"{"card":"secret"}"#.to_owned(),
        format!(r#"{{"a":"{filler}","card":"secret"}}"#),
    ];
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
            let data = data.unwrap();
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
}
