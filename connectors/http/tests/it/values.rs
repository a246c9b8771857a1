//! Where values are protected and revealed.

use std::io::Write as _;
use std::sync::atomic::Ordering;

use allonym_contract::Direction;

use crate::fixture::{CANARY, Gateway, SHIELDED, Upstream, get, json, post};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_protected_onward_and_revealed_back() {
    let upstream = Upstream::answering(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        json(&body)
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    let body = format!(r#"{{ "card" : "{CANARY}" , "n":1.0e2}}"#);
    let answer = gateway.ask(post("/cards", &body)).await;
    assert_eq!((answer.status, answer.text()), (200, body.clone()));
    assert_eq!(answer.header("content-length"), Some(body.len().to_string()));
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(answer.header("allonym-request").map(|id| id.len()), Some(32));
    let received = upstream.received();
    assert!(received.contains(&format!(r#"{{ "card" : "{SHIELDED}" , "n":1.0e2}}"#)), "{received}");
    assert!(!received.contains(CANARY));
    assert!(!received.to_lowercase().contains("allonym-"), "{received}");
    assert!(received.contains("x-forwarded-for: 127.0.0.1\r\n"), "{received}");
    assert!(received.contains(&format!("Host: {}\r\n", upstream.address)), "{received}");
    let log = gateway.logged(1).await;
    assert_eq!(log[0].principal.as_deref(), Some("token:good"));
    assert_eq!(log[0].place.as_deref(), Some("api POST /cards"));
    assert_eq!((log[0].bytes_in, log[0].bytes_out), (body.len() as u64, body.len() as u64));
    let closed = gateway.guard.closed();
    assert_eq!(closed, [(Direction::ToUpstream, None), (Direction::ToClient, None)]);
    let told = gateway.told();
    assert!(told.contains("http_server_request_duration_seconds_count{connector=\"api\",http_request_method=\"POST\",http_route=\"/cards\",http_response_status_code=\"200\"} 1"), "{told}");
    assert!(!told.to_lowercase().contains(CANARY));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_many_requests_in_both_framings() {
    let upstream = Upstream::answering(|request| match request.nth % 3 {
        0 => json(r#"{"card":"AB"}"#),
        1 => b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
               Trailer: X-T\r\n\r\n5\r\n{\"car\r\n8\r\nd\":\"AB\"}\r\n0\r\nX-T: 1\r\n\r\n"
            .to_vec(),
        _ => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    for round in 0..9 {
        let request = match round % 2 {
            0 => post("/cards", r#"{"card":"x"}"#),
            _ => "POST /cards HTTP/1.1\r\nHost: api\r\nAllonym-Token: good\r\n\
                  Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
                  5\r\n{\"car\r\n7\r\nd\":\"x\"}\r\n0\r\n\r\n"
                .to_owned(),
        };
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        let answer = crate::fixture::answer(&mut stream, false).await;
        assert!(answer.complete && !answer.head.to_lowercase().contains("trailer"), "{answer:?}");
        if round % 3 < 2 {
            assert_eq!(answer.text(), r#"{"card":"ab"}"#);
            // The exact length is known before the head leaves.
            assert_eq!(answer.header("content-length").as_deref(), Some("13"));
        }
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(upstream.received().matches(r#"{"card":"X"}"#).count(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_query_and_path_are_protected() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Card: AB\r\nX-Card: CD\r\nETag: \"x\"\r\n\
          Allonym-Notice: forged\r\n\r\n"
            .to_vec()
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    let lines = "X-Card: one\r\nx-card: two\r\nX-Other: stays\r\n";
    let answer = gateway.ask(get("/cards?a=%20b&card=s%20x&card=y&c", lines)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("x-card: ab\r\n") && answer.head.contains("x-card: cd\r\n"));
    assert_eq!(answer.header("etag"), None);
    assert_eq!(answer.header("allonym-notice"), None);
    let received = upstream.received();
    assert!(
        received.starts_with("GET /cards?a=%20b&card=S%20X&card=Y&c HTTP/1.1\r\n"),
        "{received}"
    );
    assert!(received.contains("x-card: ONE\r\n") && received.contains("x-card: TWO\r\n"));
    assert!(received.contains("x-other: stays\r\n"));
    assert!(received.contains("accept-encoding: identity\r\n"));

    let answer = gateway.ask(post("/cards/j%C3%A4?q=v+w&r=v", r#"{"card":"x"}"#)).await;
    assert_eq!(answer.status, 200);
    let received = upstream.received();
    assert!(received.contains("POST /cards/J%C3%84?q=V%20W&r=v HTTP/1.1\r\n"), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_with_several_stored_forms_is_refused() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "").await;
    gateway.guard.order(|orders| orders.stored_forms = 2);
    let answer = gateway.ask(get(&format!("/cards/{CANARY}"), "")).await;
    assert_eq!((answer.status, answer.rule().as_str()), (422, "search-ambiguous"));
    assert!(answer.text().contains(r#""field":"path:id""#), "{}", answer.text());
    assert!(!answer.text().contains(CANARY));
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_taken_off_in_both_directions() {
    let zipped = |text: &str| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    };
    let body = zipped(r#"{"card":"AB"}"#);
    let upstream = Upstream::answering(move |_| {
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend_from_slice(&body);
        answer
    })
    .await;
    let gateway = Gateway::start(upstream.address, "").await;
    let body = zipped(r#"{"card":"secret"}"#);
    let mut request = format!(
        "POST /cards HTTP/1.1\r\nHost: api\r\nAllonym-Token: good\r\nContent-Encoding: gzip\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(&body);
    let answer = gateway.ask(request).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"card":"ab"}"#));
    assert_eq!(answer.header("content-encoding"), None);
    let received = upstream.received();
    assert!(received.contains(r#"{"card":"SECRET"}"#), "{received}");
    assert!(!received.to_lowercase().contains("content-encoding"), "{received}");
    assert!(received.contains("Content-Length: 17\r\n"), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_bodies_pass_in_pieces_both_ways() {
    let upstream = Upstream::answering(|request| {
        assert!(request.head.contains("Transfer-Encoding: chunked"), "{}", request.head);
        json(&String::from_utf8_lossy(&request.body))
    })
    .await;
    let gateway = Gateway::start(upstream.address, "limits: { buffer_bytes: 8KiB }").await;
    let filler = "x".repeat(300_000);
    let body = format!(r#"{{"a":"{filler}","card":"{CANARY}","b":"{filler}"}}"#);
    let answer = gateway.ask(post("/cards", &body)).await;
    assert!(answer.complete && answer.status == 200);
    assert_eq!(answer.header("transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!(answer.header("content-length"), None);
    assert!(answer.text() == body, "the body came back changed");
    assert!(upstream.received().contains(SHIELDED) && !upstream.received().contains(CANARY));
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_and_credentials() {
    let upstream = Upstream::answering(|_| json(r#"{"card":"AB"}"#)).await;
    let jwt = "callers: { purpose_header: X-Purpose, jwt: { issuer: i, audience: a, \
               jwks: { url: https://id.example } } }";
    let gateway = Gateway::start(upstream.address, jwt).await;
    gateway.guard.order(|orders| orders.notice = true);
    let request = "GET /cards HTTP/1.1\r\nHost: api\r\nAuthorization: bearer a.b.c\r\n\
                   X-Purpose: support\r\n\r\n";
    let answer = gateway.ask(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("allonym-notice").as_deref(), Some("email; purpose-required"));
    assert_eq!(gateway.guard.purposes.lock().unwrap()[0].as_deref(), Some("support"));
    let received = upstream.received();
    assert!(received.contains("authorization: bearer a.b.c\r\n"), "{received}");
    assert!(!received.contains("x-purpose"), "{received}");
    assert_eq!(gateway.ask(request.replace("bearer a", "Bearer\t a")).await.status, 200);

    let refused = [
        "Allonym-Token: good\r\nAllonym-Token: good\r\n",
        "Allonym-Token: \r\n",
        "Allonym-Token: g\u{e9}\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer a b\r\n",
        "Authorization: Bearer\tnope\r\n",
        "Authorization: Bearer:a.b.c\r\n",
        "Authorization: bearer=a.b.c\r\n",
        "Authorization: Bearera.b.c\r\n",
        "Authorization: BEARER\r\n",
        "Authorization: Bearer a.b.c\r\nAuthorization: Bearer a.b.c\r\n",
        "Allonym-Token: good\r\nAuthorization: Bearer nope\r\n",
        "Authorization: Basic YTpi\r\n",
        "",
    ];
    for lines in refused {
        gateway
            .guard
            .order(|orders| orders.anonymous = !lines.contains("Basic") && !lines.is_empty());
        let answer = gateway.ask(format!("GET /cards HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).await;
        assert_eq!(answer.status, 401, "{lines}");
        assert!(answer.header("www-authenticate").is_some());
    }
    assert_eq!(upstream.connections.load(Ordering::SeqCst), 1);
}
