//! How HTTP behaves at its edges.

use std::sync::atomic::Ordering;
use std::time::Duration;

use allonym_contract::Direction;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{
    Gateway, Reader, Upstream, answer, answering_when_told, cutting, get, json, post, until,
};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn bodiless_and_informational_answers() {
    let upstream = Upstream::answering(|request| {
        let line = request.head.lines().next().unwrap();
        match line.split(' ').nth(1).unwrap() {
            "/open?204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            "/cards?304" => b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec(),
            "/open?103" => [HINTS.as_bytes(), &json("{}")].concat(),
            "/cards?103" => [HINTS.as_bytes(), &json(r#"{"card":"A"}"#)].concat(),
            _ if line.starts_with("HEAD") => {
                b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\nETag: \"a\"\r\n\r\n".to_vec()
            }
            other => panic!("{other}"),
        }
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    let ask = async |request: String| gateway.ask(request).await;
    let head = |path| get(path, "").replace("GET", "HEAD");

    let answer = ask(get("/open?204", "")).await;
    assert_eq!((answer.status, answer.header("transfer-encoding")), (204, None));
    let answer = ask(get("/cards?304", "")).await;
    assert_eq!((answer.status, answer.header("etag")), (304, None));
    let answer = ask(head("/open")).await;
    assert_eq!((answer.status, answer.header("content-length").as_deref()), (200, Some("77")));
    // The length of what would be sent is not known without making it.
    let answer = ask(head("/cards")).await;
    assert_eq!((answer.status, answer.header("content-length")), (200, None));
    let answer = ask(get("/open?103", "")).await;
    assert!(answer.head.starts_with("HTTP/1.1 103") && answer.text() == "{}", "{answer:?}");
    let answer = ask(get("/cards?103", "")).await;
    assert!(answer.head.starts_with("HTTP/1.1 200"), "{answer:?}");
    assert_eq!(answer.text(), r#"{"card":"a"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn continue_is_said_after_the_request_was_admitted() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "").await;
    let whole =
        post("/cards", r#"{"card":"x"}"#).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let (head, body) = whole.split_at(whole.find("\r\n\r\n").unwrap() + 4);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = [0; 25];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(upstream.connections(), 0);
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream, false).await.status, 200);
    assert!(!upstream.received().to_lowercase().contains("expect"));
    // Who is refused is not asked for a body.
    let refused = gateway.ask(head.replace("good", "bad")).await;
    assert!(refused.status == 401 && !refused.head.contains(" 100 "), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_client_gets_neither_chunks_nor_hints() {
    let upstream = Upstream::answering(|_| {
        [HINTS, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
            .concat()
            .into_bytes()
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    let answer = gateway.ask(get("/open", "").replace("HTTP/1.1", "HTTP/1.0")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert!(!answer.head.contains("103") && answer.header("transfer-encoding").is_none());
    assert_eq!(answer.header("connection").as_deref(), Some("close"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    // Answers after the head, closes, and reads nothing more.
    let upstream = Upstream::serving(|mut stream| async move {
        let mut reader = Reader { stream: &mut stream, buffer: Vec::new() };
        reader.head().await;
        let says = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
        stream.write_all(says).await.unwrap();
        stream.shutdown().await.unwrap();
        // Keeps the socket, so that unread bytes do not become a reset.
        let mut sink = [0; 65_536];
        while stream.read(&mut sink).await.unwrap_or(0) > 0 {}
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    let length = 3 << 20;
    let head = format!(
        "POST /open HTTP/1.1\r\nHost: a\r\nAllonym-Token: good\r\nContent-Length: {length}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let sending = async {
        writing.write_all(head.as_bytes()).await.unwrap();
        let _ = writing.write_all(&vec![b'x'; length]).await;
    };
    let (answer, ()) = tokio::join!(answer(&mut reading, false), sending);
    assert_eq!((answer.status, answer.text().as_str()), (413, "no"));
    assert_eq!(answer.header("connection").as_deref(), Some("close"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_cut_is_seen_to_be_cut() {
    let cases = [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n64\r\nhalf",
    ];
    for raw in cases {
        let (upstream, release) = cutting(raw.to_owned()).await;
        let gateway = Gateway::start(upstream.address, "").await;
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(get("/open", "").as_bytes()).await.unwrap();
        stream.readable().await.unwrap();
        release.send_replace(true);
        let answer = answer(&mut stream, false).await;
        assert_eq!((answer.status, answer.complete), (200, false), "{raw}");
        assert!(gateway.logged(1).await[0].cut);
    }
    // Delimited by the end of the connection: it stays so, and is not made to look whole.
    let raw = "HTTP/1.1 200 OK\r\n\r\nhalf";
    let upstream = Upstream::answering(move |_| raw.as_bytes().to_vec()).await;
    let gateway = Gateway::start(upstream.address, "").await;
    let answer = gateway.ask(get("/open", "")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "half"));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.header("connection").as_deref(), Some("close"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_cut_inside_a_held_value_lets_nothing_of_it_out() {
    let body = format!(r#"{{"x":"{}","card":"HALF-OF-A-VAL"#, "x".repeat(100_000));
    let raw = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500000\r\n\
         Connection: close\r\n\r\n{body}"
    );
    let (upstream, release) = cutting(raw).await;
    let gateway = Gateway::start(upstream.address, "limits: { buffer_bytes: 4KiB }").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(get("/cards", "").as_bytes()).await.unwrap();
    stream.readable().await.unwrap();
    release.send_replace(true);
    let answer = answer(&mut stream, false).await;
    assert_eq!((answer.status, answer.complete), (200, false));
    assert!(!answer.text().to_uppercase().contains("HALF-OF"), "a part of a value leaked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_died_is_replaced_where_that_is_safe() {
    // The second request on a connection is read, and never answered.
    let dying = || {
        Upstream::answering(|request| match request.nth {
            0 => json(r#"{"card":"A"}"#),
            _ => Vec::new(),
        })
    };
    let upstream = dying().await;
    let gateway = Gateway::start(upstream.address, "").await;
    assert_eq!(gateway.ask(get("/cards", "")).await.status, 200);
    assert_eq!(gateway.ask(get("/cards", "")).await.status, 200);
    assert_eq!(upstream.connections(), 2);

    let upstream = dying().await;
    let gateway = Gateway::start(upstream.address, "").await;
    let put = post("/cards", r#"{"card":"abc"}"#).replace("POST", "PUT");
    for _ in 0..2 {
        assert_eq!(gateway.ask(&put).await.status, 403 - 203);
    }
    // Sent three times, protected twice: once for each request.
    assert_eq!(upstream.received().matches(r#"{"card":"ABC"}"#).count(), 3);
    assert_eq!(gateway.guard.transforms.load(Ordering::SeqCst), 4);

    let upstream = dying().await;
    let gateway = Gateway::start(upstream.address, "").await;
    assert_eq!(gateway.ask(post("/cards", "{}")).await.status, 200);
    let answer = gateway.ask(post("/cards", "{}")).await;
    assert_eq!((answer.status, answer.rule().as_str()), (502, "upstream-failed"));
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_client_leaves_the_upstream_is_left() {
    let upstream = Upstream::serving(|mut stream| async move {
        let mut sink = [0; 1_024];
        while stream.read(&mut sink).await.unwrap_or(0) > 0 {}
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    for request in [get("/cards", ""), post("/cards", r#"{"card":"x"}"#)] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        until(|| upstream.open.load(Ordering::SeqCst) == 1).await;
        drop(stream);
        until(|| upstream.open.load(Ordering::SeqCst) == 0).await;
    }
    // In the middle of an upload, and with one direction closed.
    let half =
        "POST /open HTTP/1.1\r\nHost: a\r\nAllonym-Token: good\r\nContent-Length: 9\r\n\r\nabc";
    for request in [half.to_owned(), get("/cards", "")] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        until(|| upstream.open.load(Ordering::SeqCst) == 1).await;
        stream.shutdown().await.unwrap();
        until(|| upstream.open.load(Ordering::SeqCst) == 0).await;
        assert_eq!(answer(&mut stream, false).await.status, 0);
    }
    assert!(gateway.logged(4).await.iter().all(|record| record.cut));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipelined_request_is_not_answered_on_the_same_connection() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "").await;
    let two = get("/cards", "").repeat(2);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(two.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream, false).await.status, 200);
    assert_eq!(answer(&mut stream, false).await.status, 0);
    assert_eq!(upstream.received().matches("GET ").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_too_early_does_not_cost_the_answer() {
    let (upstream, release) = answering_when_told(r#"{"card":"A"}"#).await;
    let gateway = Gateway::start(upstream.address, "").await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(get("/cards", "").as_bytes()).await.unwrap();
    until(|| upstream.received().contains("\r\n\r\n")).await;
    stream.write_all(get("/cards", "").as_bytes()).await.unwrap();
    // Served after it, on the same threads: the early bytes have been seen by then.
    for _ in 0..20 {
        assert_eq!(gateway.ask(get("/nowhere", "")).await.status, 403);
    }
    release.send_replace(true);
    assert_eq!(answer(&mut stream, false).await.text(), r#"{"card":"a"}"#);
    assert_eq!(answer(&mut stream, false).await.status, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_is_not_passed_on() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "").await;
    let answer = gateway
        .ask(get("/open", "Upgrade: websocket\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\n"))
        .await;
    assert_eq!(answer.status, 200);
    let received = upstream.received().to_lowercase();
    assert!(!received.contains("upgrade") && !received.contains("x-hop"), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn running_requests_finish_at_shutdown() {
    let (release, held) = tokio::sync::watch::channel(false);
    let upstream = Upstream::serving(move |mut stream| {
        let mut held = held.clone();
        async move {
            let mut reader = Reader { stream: &mut stream, buffer: Vec::new() };
            reader.head().await;
            held.wait_for(|go| *go).await.unwrap();
            stream.write_all(&json(r#"{"card":"A"}"#)).await.unwrap();
        }
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    let mut idle = TcpStream::connect(gateway.address).await.unwrap();
    let mut busy = TcpStream::connect(gateway.address).await.unwrap();
    busy.write_all(get("/cards", "").as_bytes()).await.unwrap();
    until(|| upstream.connections() == 1).await;
    gateway.stop();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    until(|| gateway.connector.local_addr().is_none()).await;
    assert!(TcpStream::connect(gateway.address).await.is_err());
    release.send_replace(true);
    let answer = answer(&mut busy, false).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"card":"a"}"#));
    assert_eq!(answer.header("connection").as_deref(), Some("close"));
    gateway.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_after_its_time() {
    let upstream = Upstream::serving(|stream| async move {
        let _kept = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let gateway = Gateway::start(upstream.address, "limits: { drain_timeout: 100ms }").await;
    let mut busy = TcpStream::connect(gateway.address).await.unwrap();
    busy.write_all(get("/cards", "").as_bytes()).await.unwrap();
    until(|| upstream.connections() == 1).await;
    let (guard, log) = (gateway.guard.clone(), gateway.log.clone());
    gateway.stop();
    tokio::time::timeout(Duration::from_secs(10), gateway.stopped()).await.unwrap();
    // What it had begun is closed and told by now.
    assert_eq!(guard.closed(), [(Direction::ToUpstream, Some("shutdown"))]);
    let log = log.lock().unwrap().clone();
    assert!(log.len() == 1 && log[0].cut && log[0].refusal == Some("shutdown"), "{log:?}");
    assert_eq!(answer(&mut busy, false).await.status, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "limits: { connections: 1 }").await;
    let mut first = TcpStream::connect(gateway.address).await.unwrap();
    first.write_all(get("/open", "").as_bytes()).await.unwrap();
    assert_eq!(answer(&mut first, false).await.status, 200);
    let mut second = TcpStream::connect(gateway.address).await.unwrap();
    second.write_all(get("/open", "").as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut [0; 1])).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    drop(first);
    assert_eq!(answer(&mut second, false).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_closed_meanwhile_is_not_used() {
    let upstream = Upstream::serving(|mut stream| async move {
        Reader { stream: &mut stream, buffer: Vec::new() }.head().await;
        stream.write_all(&json("{}")).await.unwrap();
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    for round in 1..4 {
        // A POST is not repeated: it would fail on a connection that is dead.
        assert_eq!(gateway.ask(post("/cards", "{}")).await.status, 200);
        until(|| upstream.open.load(Ordering::SeqCst) == 0).await;
        assert_eq!(upstream.connections(), round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_asked_for_is_not_given_to_the_next() {
    let upstream = Upstream::answering(|_| [json("[1]"), json("[2]")].concat()).await;
    let gateway = Gateway::start(upstream.address, "").await;
    for _ in 0..3 {
        assert_eq!(gateway.ask(get("/cards", "")).await.text(), "[1]");
    }
    assert_eq!(upstream.connections(), 3);
}
