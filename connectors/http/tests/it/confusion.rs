//! What two readers of one message could understand differently is not passed on.

use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::fixture::{Answer, Gateway, Reader, Upstream, answer, get, json, post};

const CHUNKED: &str = "POST /cards HTTP/1.1\r\nHost: api\r\nAllonym-Token: good\r\n\
                       Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Sends one request after the first was answered; true if the connection is at its end.
async fn is_over(stream: &mut TcpStream) -> bool {
    // A connection that is closed already may refuse the bytes.
    let _ = stream.write_all(get("/open?second", "").as_bytes()).await;
    answer(stream, false).await.status == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_follows_a_body_whose_end_is_unknown() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "limits: { buffer_bytes: 4KiB }").await;
    let long = format!("2000\r\n{{\"x\":\"{}\r\n", "y".repeat(0x2000 - 6));
    let bad = ["zz\r\n", "ffffffffffffffff\r\n", "fffffffffffffffff\r\n", "2\r\n{}XX\r\n0\r\n\r\n"];
    let open = CHUNKED.replace("/cards", "/open");
    for body in bad {
        // Held, held in part, and not read at all.
        for head in [CHUNKED.to_owned(), format!("{CHUNKED}{long}"), format!("{open}{long}")] {
            let mut stream = TcpStream::connect(gateway.address).await.unwrap();
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            let refused = answer(&mut stream, false).await;
            assert_eq!(
                (refused.status, refused.rule().as_str()),
                (400, "malformed-body"),
                "{body}"
            );
            assert_eq!(refused.header("connection").as_deref(), Some("close"));
            assert!(is_over(&mut stream).await, "{body}");
        }
    }
    assert!(!upstream.received().contains("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_follows_the_broken_rest_of_a_body_that_nobody_wanted() {
    // Answers before it has seen the body.
    let upstream = Upstream::serving(|mut stream| async move {
        while (Reader { stream: &mut stream, buffer: Vec::new() }).head().await.is_some() {
            if stream.write_all(&json("{}")).await.is_err() {
                return;
            }
        }
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    let head = CHUNKED.replace("/cards", "/open");
    for bad in ["zz\r\n", "2\r\n{}XX\r\n0\r\n\r\n"] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream, false).await.status, 200);
        stream.write_all(bad.as_bytes()).await.unwrap();
        assert!(is_over(&mut stream).await, "{bad}");
    }
    assert!(!upstream.received().contains("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_could_be_read_as_another_is_refused() {
    let routes = r#"
routes:
  "POST /v1/customers": { "$.card": card }
  "POST /v1/customers/import": { "$.card": card }
  "POST /v1/customers/{id}": {}
  "PUT /v1/customers/{id}": { "path:id": card }
  "GET /v1/customers/{id}": {}
  "GET /v1/customers/export": { "$.card": card }
"#;
    let lenient = [
        "/v1/customers/Import",
        "/v1/customers/IMPORT",
        "/v1/customers/import%20",
        "/v1/customers/%20import",
        "/v1/customers/import.",
        "/v1/customers/%20",
        "/V1/customers/import",
        "/v1/customers/import;a=1",
        "/v1/customers/import%3Ba=1",
        "/v1;x/customers/import",
        "/v1/customers/import/",
        "/v1/customers/",
    ];
    for unlisted in ["refuse", "pass"] {
        let upstream = Upstream::answering(|_| json("{}")).await;
        let extra = format!("unlisted: {unlisted}\n{routes}");
        let gateway = Gateway::start(upstream.address, &extra).await;
        for path in lenient {
            let refused = gateway.ask(post(path, "{}")).await;
            assert!(matches!(refused.status, 400 | 403), "{unlisted} {path} {refused:?}");
            let unlisted = unlisted == "refuse" && refused.rule() == "unlisted";
            assert!(unlisted || refused.rule() == "path-ambiguous", "{path} {refused:?}");
        }
        for (method, path, status) in [
            ("PUT", "/v1/customers/a;b", 400),
            ("PUT", "/v1/customers/a%3Bb", 400),
            ("GET", "/v1/customers/Export", 403),
            ("HEAD", "/v1/customers/Export", 403),
        ] {
            let request = post(path, "{}").replace("POST", method);
            let refused = gateway.ask(request).await;
            assert_eq!(refused.status, status, "{unlisted} {method} {path}");
        }
        assert_eq!(upstream.connections(), 0, "{}", upstream.received());
        // What cannot be taken for another is served.
        for (method, path) in [
            ("POST", "/v1/customers/import"),
            ("POST", "/v1/customers/imports"),
            ("POST", "/v1/customers/a%20b"),
            ("PUT", "/v1/customers/Import"),
            ("GET", "/v1/customers/Import"),
            ("HEAD", "/v1/customers/Import"),
            ("GET", "/v1/customers/export"),
        ] {
            let request = post(path, "{}").replace("POST", method);
            assert_eq!(gateway.ask(request).await.status, 200, "{unlisted} {method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlisted_route_passes_per_method_and_as_it_is_written() {
    let routes = r#"
routes:
  "GET /v1/customers/{id}": { "$.card": card }
  "POST /v1/customers/import": { "$.card": card }
"#;
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, &format!("unlisted: pass\n{routes}")).await;
    for path in ["/v1/customers/Import", "/v1/customers/import;a=1", "/v1/customers/import%20"] {
        let refused = gateway.ask(post(path, "{}")).await;
        assert_eq!((refused.status, refused.rule().as_str()), (403, "path-ambiguous"), "{path}");
    }
    // Another method of a path that is nearly listed, and none that is.
    let refused = gateway.ask(post("/v1/Customers/7", "{}").replace("POST", "DELETE")).await;
    assert_eq!((refused.status, refused.rule().as_str()), (403, "path-ambiguous"));
    assert_eq!(upstream.connections(), 0);
    for request in [post("/v1/customers/7", "{}"), post("/v1/other;a=1", "{}")] {
        assert_eq!(gateway.ask(request).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_does_not_name_another_route() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "unlisted: pass").await;
    let bare = Gateway::start(upstream.address, "unlisted: pass\nroutes: {}").await;
    for line in [
        "X-HTTP-Method-Override: PUT\r\n",
        "x-http-method: PUT\r\n",
        "X-Method-Override: PUT\r\n",
        "X-Original-URL: /cards\r\n",
        "X-Rewrite-URL: /cards\r\nConnection: x-rewrite-url\r\n",
    ] {
        let seen = upstream.received().len();
        for path in ["/cards", "/open", "/other"] {
            let refused = gateway.ask(get(path, line)).await;
            assert_eq!(
                (refused.status, refused.rule().as_str()),
                (400, "route-override"),
                "{line}"
            );
        }
        assert_eq!(upstream.received().len(), seen);
        assert_eq!(bare.ask(get("/other", line)).await.status, 200, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_is_one_plain_number() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "").await;
    for length in ["2, 2", "2\r\nContent-Length: 2", "02", "00"] {
        for path in ["/cards", "/open"] {
            let request =
                post(path, "{}").replace("Content-Length: 2", &format!("Content-Length: {length}"));
            let refused = gateway.ask(request).await;
            assert_eq!((refused.status, refused.rule().as_str()), (400, "two-lengths"), "{length}");
        }
    }
    for length in ["+2", "-2", "2 2", "0x2", ""] {
        let request =
            post("/open", "{}").replace("Content-Length: 2", &format!("Content-Length: {length}"));
        assert_eq!(gateway.ask(request).await.status, 400, "{length}");
    }
    assert_eq!(upstream.connections(), 0);
    assert_eq!(gateway.ask(post("/open", "{}")).await.status, 200);
    assert!(upstream.received().to_lowercase().contains("content-length: 2\r\n"));

    for length in ["2, 2", "2\r\nContent-Length: 2", "02", "+2"] {
        let raw = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{{}}"
        );
        let upstream = Upstream::serving(move |mut stream| {
            let raw = raw.clone();
            async move {
                Reader { stream: &mut stream, buffer: Vec::new() }.head().await;
                // A gateway that refuses the head may close before the body.
                let _ = stream.write_all(raw.as_bytes()).await;
            }
        })
        .await;
        let gateway = Gateway::start(upstream.address, "").await;
        for path in ["/cards", "/open"] {
            let refused = gateway.ask(get(path, "")).await;
            assert_eq!(
                (refused.status, refused.rule().as_str()),
                (502, "malformed-answer"),
                "{length}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_somebody_logged_in_on_serves_nobody_else() {
    let cases = [
        ("Authorization: Basic YTpi\r\n", "", 1),
        ("", "WWW-Authenticate: Basic realm=\"ntlm\"\r\n", 1),
        ("Authorization: NTLM TlRMTVNTUAAB\r\n", "", 2),
        ("Authorization: negotiate YII=\r\n", "", 2),
        ("", "WWW-Authenticate: Negotiate\r\n", 2),
        ("", "WWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: ntlm\r\n", 2),
        ("", "WWW-Authenticate: Basic realm=\"a\", NTLM\r\n", 2),
    ];
    for (asked, answered, connections) in cases {
        let raw = format!("HTTP/1.1 401 No\r\n{answered}Content-Length: 0\r\n\r\n");
        let upstream = Upstream::answering(move |_| raw.clone().into_bytes()).await;
        let gateway = Gateway::start(upstream.address, "").await;
        for path in ["/open", "/cards"] {
            assert_eq!(gateway.ask(get(path, asked)).await.status, 401);
        }
        let seen = upstream.connections.load(Ordering::SeqCst);
        assert_eq!(seen, connections, "{asked} {answered}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cache_is_told_otherwise_than_the_others() {
    let upstream = Upstream::answering(|_| {
        let says = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\
                    Cache-Control: max-age=60\r\nCache-Control: public\r\n\
                    CDN-Cache-Control: max-age=60\r\nEdge-CDN-Cache-Control: max-age=60\r\n\
                    Surrogate-Control: max-age=60\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT\r\n\r\n";
        [says, r#"{"card":"A"}"#].concat().into_bytes()
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    let caches = |answer: &Answer| {
        let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
        let about = lines.filter(|(name, _)| {
            let name = name.to_lowercase();
            name.ends_with("-control") || name == "expires"
        });
        about.map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(caches(&gateway.ask(get("/cards", "")).await), ["no-store"]);
    // Nothing is selected there.
    assert_eq!(caches(&gateway.ask(get("/open", "")).await).len(), 6);
}
