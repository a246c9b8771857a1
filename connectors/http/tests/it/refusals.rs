//! What cannot be judged is refused: the upstream gets nothing of it in the clear, and
//! nobody is told a value.

use std::io::Write as _;

use allonym_contract::{Direction, Fault, Refusal};

use crate::fixture::{Answer, CANARY, Gateway, SHIELDED, Upstream, answer, get, json, post, until};

/// Nothing in the answer, the access log or the metrics holds the canary.
fn tells_nothing(gateway: &Gateway, answer: &Answer) {
    for text in [answer.head.clone(), answer.text(), gateway.told()] {
        assert!(!text.to_lowercase().contains(CANARY), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_judged_send_nothing_onward() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let limits = "limits: { depth: 8, value_bytes: 64, fields: 4, headers_bytes: 4KiB, \
                  header_count: 20, body_bytes: 8KiB, buffer_bytes: 4KiB }";
    let gateway = Gateway::start(upstream.address, limits).await;
    for (request, status, rule) in &hostile_requests() {
        let answer = gateway.ask(request).await;
        assert_eq!((answer.status, answer.rule().as_str()), (*status, *rule), "{request:.400}");
        assert!(answer.complete);
        tells_nothing(&gateway, &answer);
    }
    assert_eq!(upstream.connections(), 0, "{}", upstream.received());
}

/// Requests, each with the status and the rule that refuses it.
fn hostile_requests() -> Vec<(String, u16, &'static str)> {
    let body = format!(r#"{{"card":"{CANARY}"}}"#);
    let raw = |lines: &str, body: &str| {
        format!(
            "POST /cards HTTP/1.1\r\nHost: api\r\nAllonym-Token: good\r\n{lines}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let typed =
        |lines: &str, body: &str| raw(&format!("Content-Type: application/json\r\n{lines}"), body);
    let long = format!(r#"{{"card":"{}{CANARY}"}}"#, "y".repeat(100));
    let deep = format!(r#"{{"card":"{CANARY}","d":{}{}}}"#, "[".repeat(20), "]".repeat(20));
    let large = format!(r#"{{"card":"{CANARY}","x":"{}"}}"#, "y".repeat(9_000));
    let many = format!(
        "X-A: {CANARY}\r\n{}",
        (0..30).map(|n| format!("X-N{n}: {CANARY}\r\n")).collect::<String>()
    );
    let thick = format!("X-A: {CANARY}{}\r\n", "z".repeat(5_000));
    vec![
        (raw("", &body), 415, "content-type"),
        (raw("Content-Type: text/plain\r\n", &body), 415, "content-type"),
        (raw("Content-Type: application/json; charset=utf-16\r\n", &body), 415, "content-type"),
        (raw("Content-Type: application/json-patch+json\r\n", &body), 415, "content-type"),
        (typed("", &format!(r#"{{"CARD":"{CANARY}"}}"#)), 422, "name-ambiguous"),
        (typed("", &format!(r#"{{"card":"x","\u0043ard":"{CANARY}"}}"#)), 422, "name-ambiguous"),
        (typed(&format!("X_Card: {CANARY}\r\n"), "{}"), 400, "header-ambiguous"),
        (typed(&format!("Allonym_Token: {CANARY}\r\n"), "{}"), 400, "header-ambiguous"),
        (typed(&format!("X_Forwarded-For: {CANARY}\r\n"), "{}"), 400, "header-ambiguous"),
        (post("/cards", &body).replace("POST", "OPTIONS"), 403, "preflight-with-values"),
        (
            get("/cards", &format!("X-Card: {CANARY}\r\n")).replace("GET", "OPTIONS"),
            403,
            "preflight-with-values",
        ),
        (
            get(&format!("/cards?card={CANARY}"), "").replace("GET", "OPTIONS"),
            403,
            "preflight-with-values",
        ),
        (
            get(&format!("/cards/{CANARY}"), "").replace("GET", "OPTIONS"),
            403,
            "preflight-with-values",
        ),
        (typed("Content-Encoding: br\r\n", &body), 415, "content-encoding"),
        (typed("Content-Encoding: gzip\r\n", &body), 400, "bad-gzip"),
        (typed("", &body[..body.len() - 1]), 400, "malformed-json"),
        (typed("", &format!("{body}{body}")), 400, "malformed-json"),
        (typed("", &format!(r#"{{"card":["{CANARY}"]}}"#)), 422, "not-a-single-value"),
        (typed("", &long), 413, "json-limit"),
        (typed("", &deep), 413, "json-limit"),
        (typed("", &large), 413, "body-too-large"),
        (typed("Range: bytes=0-1\r\n", &body), 400, "range"),
        (typed("If-Range: x\r\n", &body), 400, "range"),
        (typed("Upgrade: websocket\r\nConnection: upgrade\r\n", &body), 400, "upgrade"),
        (typed("Connection: content-type\r\n", &body), 400, "connection-nominates"),
        (typed("Transfer-Encoding: chunked\r\n", &body), 400, "two-lengths"),
        (
            post("/cards", "0").replace("Content-Length: 1", "Transfer-Encoding: gzip, chunked"),
            415,
            "transfer-encoding",
        ),
        (typed(&many, &body), 413, "head-too-large"),
        (typed(&thick, &body), 413, "head-too-large"),
        (post("/other", &body), 403, "unlisted"),
        (post("/cards/", &body), 403, "unlisted"),
        (post("/cards/..%2fcards", &body), 400, "malformed-target"),
        (post("/open/../cards", &body), 400, "malformed-target"),
        (post(&format!("/cards/{CANARY};x=1"), "{}"), 400, "path-ambiguous"),
        (post(&format!("/cards/1?q[]={CANARY}"), "{}"), 400, "query-ambiguous"),
        (post(&format!("/cards/1?Q={CANARY}"), "{}"), 400, "query-ambiguous"),
        (post(&format!("/cards/1?q.={CANARY}"), "{}"), 400, "query-ambiguous"),
        (post(&format!("/cards/1?q%5B={CANARY}"), "{}"), 400, "query-ambiguous"),
        (post(&format!("/cards/1?q=1;q={CANARY}"), "{}"), 400, "query-ambiguous"),
        (post("/cards", &body).replace("HTTP/1.1", "HTTP/1.0"), 400, "http-1.0"),
        (post("/cards", &body).replace("good", "bad"), 401, "credential"),
        (post("/cards", &body).replace("POST", "DELETE"), 403, "unlisted"),
        ("CONNECT api:443 HTTP/1.1\r\nHost: api:443\r\n\r\n".into(), 400, "method"),
        (format!("TRACE /cards HTTP/1.1\r\nHost: api\r\nX: {CANARY}\r\n\r\n"), 400, "method"),
        (format!("POST /cards HTTP/9\r\nX: {CANARY}\r\n\r\n"), 400, "malformed-head"),
        (
            format!("POST /cards HTTP/1.1\r\nHost: a\r\nHost: {CANARY}\r\n\r\n"),
            400,
            "malformed-head",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_another_case_is_refused_of_requests_only() {
    let upstream = Upstream::answering(|_| json(r#"{"CARD":"AB","card":"CD"}"#)).await;
    let gateway = Gateway::start(upstream.address, "limits: { buffer_bytes: 1KiB }").await;
    let answer = gateway.ask(post("/cards", r#"{"other":"x"}"#)).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"CARD":"AB","card":"cd"}"#));
    let answer = gateway.ask(post("/cards", &format!(r#"{{"Card":"{CANARY}"}}"#))).await;
    assert_eq!((answer.status, answer.rule().as_str()), (422, "name-ambiguous"));
    assert!(answer.text().contains(r#""field":"$.card""#), "{}", answer.text());
    // Nor does it pass in a piece of a long body.
    let filler = "x".repeat(200_000);
    let body = format!(r#"{{"x":"{filler}","cARD":"{CANARY}","y":"{filler}"}}"#);
    let answer = gateway.ask(post("/cards", &body)).await;
    assert_eq!((answer.status, answer.rule().as_str()), (422, "name-ambiguous"));
    tells_nothing(&gateway, &answer);
    assert!(!upstream.received().to_lowercase().contains(CANARY));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_differ_in_underscores_are_refused_where_they_matter() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let config = "callers: { purpose_header: X-Purpose, jwt: { issuer: i, audience: a, \
                  header: X-Id-Token, jwks: { url: https://id.example } } }\n\
                  routes: { 'GET /cards': { 'header:X_Card': card, 'header:X-A-B': card }, \
                  'GET /open': {} }";
    let gateway = Gateway::start(upstream.address, config).await;
    let cases = [
        ("X_Card", 200),
        ("X-Card", 400),
        ("X-A-B", 200),
        ("X_A-B", 400),
        ("x-a_b", 400),
        ("X_A_B", 400),
        ("X_A_B_C", 200),
        ("X_Purpose", 400),
        ("X-Id_Token", 400),
        ("Allonym_Request", 400),
        ("X-Forwarded_Proto", 400),
        ("X_Other", 200),
    ];
    for (name, status) in cases {
        let lines = format!("{name}: v\r\n");
        let answer = gateway.ask(get("/cards", &lines)).await;
        assert_eq!(answer.status, status, "{name}");
        if status == 400 {
            assert_eq!(answer.rule(), "header-ambiguous", "{name}");
        }
        assert_eq!(gateway.ask(get("/open", &lines)).await.status, 200, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_refused_in_both_directions() {
    let bomb = {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(format!(r#"{{"card":"{CANARY}","x":""#).as_bytes()).unwrap();
        out.write_all(&vec![b'y'; 8 << 20]).unwrap();
        out.write_all(br#""}"#).unwrap();
        out.finish().unwrap()
    };
    let head = format!(
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    let mut answer = format!("HTTP/1.1 200 OK\r\n{head}").into_bytes();
    answer.extend_from_slice(&bomb);
    let upstream = Upstream::answering(move |_| answer.clone()).await;
    let gateway = Gateway::start(upstream.address, "").await;
    let mut request =
        format!("POST /cards HTTP/1.1\r\nHost: a\r\nAllonym-Token: good\r\n{head}").into_bytes();
    request.extend_from_slice(&bomb);
    let refused = gateway.ask(request).await;
    assert_eq!((refused.status, refused.rule().as_str()), (413, "compression-ratio"));
    assert_eq!(upstream.connections(), 0);
    let refused = gateway.ask(get("/cards", "")).await;
    assert_eq!((refused.status, refused.rule().as_str()), (502, "compression-ratio"));
    tells_nothing(&gateway, &refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_cannot_be_judged_are_not_passed() {
    let body = format!(r#"{{"card":"{SHIELDED}"}}"#);
    let with = |status: &str, lines: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let typed = "Content-Type: application/json\r\n";
    let cut =
        format!("HTTP/1.1 200 OK\r\n{typed}Content-Length: 500\r\nConnection: close\r\n\r\n{body}");
    let cases = [
        (with("200 OK", "", &body), "content-type"),
        (with("200 OK", "Content-Type: text/html\r\n", &body), "content-type"),
        (with("500 Oops", "Content-Type: text/plain\r\n", &body), "content-type"),
        (with("200 OK", "Content-Type: application/json-patch+json\r\n", &body), "content-type"),
        (with("200 OK", &format!("{typed}Content-Encoding: zstd\r\n"), &body), "content-encoding"),
        (with("200 OK", &format!("{typed}Content-Encoding: gzip\r\n"), &body), "bad-gzip"),
        (with("200 OK", typed, &body[..body.len() - 2]), "malformed-json"),
        (with("404 No", typed, &format!("{body} {body}")), "malformed-json"),
        (with("200 OK", typed, r#"{"card":{}}"#), "not-a-single-value"),
        (with("206 Part", typed, &body), "range"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".into(),
            "transfer-encoding",
        ),
        (with("200 OK", &format!("{typed}Connection: content-type\r\n"), &body), "connection-nominates"),
        // Delimited by the end of the connection, and cut: the document is not complete.
        (format!("HTTP/1.1 200 OK\r\n{typed}\r\n{}", &body[..body.len() - 1]), "malformed-json"),
        (cut, "upstream-failed"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n".into(), "upgrade"),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(40), "malformed-answer"),
        (format!("HTTP/1.1 2xx {SHIELDED}\r\n\r\n"), "malformed-answer"),
        (String::new(), "upstream-failed"),
    ];
    for (raw, rule) in cases {
        let script = raw.clone().into_bytes();
        let upstream = Upstream::answering(move |_| script.clone()).await;
        let gateway = Gateway::start(upstream.address, "").await;
        let answer = gateway.ask(get("/cards", "")).await;
        assert_eq!((answer.status, answer.rule().as_str()), (502, rule), "{raw:.300}");
        tells_nothing(&gateway, &answer);
        assert_eq!(gateway.logged(1).await[0].refusal, Some(rule));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_guard_refuses_is_refused_before_the_upstream() {
    let no = |fault, rule| Refusal::new(fault, rule, "no").at("$.card");
    let cases = [
        (Fault::Unauthenticated, 401),
        (Fault::Forbidden, 403),
        (Fault::Unacceptable, 422),
        (Fault::TooMany, 429),
        (Fault::Unavailable, 503),
    ];
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "").await;
    let body = format!(r#"{{"card":"{CANARY}"}}"#);
    for (fault, status) in cases {
        for stage in 0..3 {
            gateway.guard.order(|orders| {
                *orders = Default::default();
                match stage {
                    0 => orders.deny_identify = Some(no(fault, "told")),
                    1 => orders.deny_admit = Some(no(fault, "told")),
                    _ => {
                        orders.deny_transform = Some((Direction::ToUpstream, 0, no(fault, "told")));
                    }
                }
            });
            let answer = gateway.ask(post("/cards", &body)).await;
            assert_eq!((answer.status, answer.rule().as_str()), (status, "told"), "{stage}");
            assert!(answer.text().contains(r#""field":"$.card""#), "{}", answer.text());
            tells_nothing(&gateway, &answer);
        }
    }
    assert_eq!(upstream.connections(), 0);
    assert!(gateway.told().contains(r#"allonym_refusals_total{connector="api",rule="told"} 15"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_guard_refuses_of_an_answer_is_not_passed() {
    let upstream = Upstream::answering(|_| json(&format!(r#"{{"card":"{SHIELDED}"}}"#))).await;
    let gateway = Gateway::start(upstream.address, "").await;
    let cases = [
        (Fault::Unacceptable, 502),
        (Fault::Malformed, 502),
        (Fault::Forbidden, 403),
        (Fault::TooMany, 429),
        (Fault::Unavailable, 503),
    ];
    for (fault, status) in cases {
        let refusal = Refusal::new(fault, "told", "no");
        gateway
            .guard
            .order(|orders| orders.deny_transform = Some((Direction::ToClient, 0, refusal)));
        let answer = gateway.ask(get("/cards", "")).await;
        assert_eq!((answer.status, answer.rule().as_str()), (status, "told"));
        tells_nothing(&gateway, &answer);
    }
    let last = gateway.guard.closed().pop().unwrap();
    assert_eq!(last, (Direction::ToClient, Some("told")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_after_the_head_cuts_the_answer() {
    let body = format!(
        r#"{{"x":"{}","card":"ab","y":"{}","list":["{SHIELDED}"],"z":"{}"}}"#,
        "x".repeat(200_000),
        "y".repeat(200_000),
        "z".repeat(200_000)
    );
    let upstream = Upstream::answering(move |_| json(&body)).await;
    let gateway = Gateway::start(upstream.address, "limits: { buffer_bytes: 8KiB }").await;
    let refusal = Refusal::new(Fault::Unavailable, "told", "no");
    gateway.guard.order(|orders| orders.deny_transform = Some((Direction::ToClient, 1, refusal)));
    let answer = gateway.ask(get("/cards", "")).await;
    assert_eq!((answer.status, answer.complete), (200, false));
    assert!(!answer.text().to_lowercase().contains(CANARY));
    let log = gateway.logged(1).await;
    assert!(log[0].cut && log[0].refusal == Some("told"), "{log:?}");
    assert!(gateway.told().contains(r#"allonym_midstream_aborts_total{connector="api"} 1"#));
    // The upstream's connection was not taken for the next request.
    gateway.guard.order(|orders| *orders = Default::default());
    assert!(gateway.ask(get("/cards", "")).await.complete);
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_in_a_long_request_leaves_it_unfinished() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "limits: { buffer_bytes: 8KiB }").await;
    let filler = "x".repeat(200_000);
    let body = format!(r#"{{"x":"{filler}","card":"{CANARY}","y":"{filler}"}}}}"#);
    let answer = gateway.ask(post("/cards", &body)).await;
    assert_eq!((answer.status, answer.rule().as_str()), (400, "malformed-json"));
    tells_nothing(&gateway, &answer);
    until(|| upstream.open.load(std::sync::atomic::Ordering::SeqCst) == 0).await;
    let received = upstream.received();
    assert!(!received.contains(CANARY) && !received.contains("\r\n0\r\n"), "the end was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_drops_the_connection_without_an_end() {
    let upstream = Upstream::answering(|_| json(&format!(r#"{{"card":"{SHIELDED}"}}"#))).await;
    let gateway = Gateway::start(upstream.address, "").await;
    gateway.guard.order(|orders| orders.panic = Some(Direction::ToClient));
    let answer = gateway.ask(get("/cards", "")).await;
    assert_eq!((answer.status, answer.complete), (0, false));
    until(|| gateway.told().contains(r#"allonym_http_panics_total{connector="api"} 1"#)).await;
    // What was begun is closed, and told.
    let internal = Some("internal");
    let log = gateway.logged(1).await;
    assert!(log[0].cut && log[0].refusal == internal, "{log:?}");
    let closed = gateway.guard.closed();
    assert_eq!(closed, [(Direction::ToUpstream, internal), (Direction::ToClient, internal)]);
    gateway.guard.order(|orders| orders.panic = None);
    assert_eq!(gateway.ask(get("/cards", "")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_never_ends_is_ended() {
    let upstream = Upstream::answering(|_| json(&format!(r#"{{"card":"{SHIELDED}"}}"#))).await;
    let gateway = Gateway::start(upstream.address, "limits: { request_timeout: 300ms }").await;
    for way in [Direction::ToUpstream, Direction::ToClient] {
        gateway.guard.order(|orders| orders.hang = Some(way));
        let answer = gateway.ask(post("/cards", &format!(r#"{{"card":"{CANARY}"}}"#))).await;
        assert_eq!((answer.status, answer.rule().as_str()), (504, "request-timeout"));
        tells_nothing(&gateway, &answer);
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_bounded() {
    use tokio::io::AsyncWriteExt;
    let upstream = Upstream::answering(|_| json("{}")).await;
    let limits = "limits: { header_timeout: 200ms, idle_timeout: 300ms, body_timeout: 200ms, \
                  write_timeout: 200ms }";
    let gateway = Gateway::start(upstream.address, limits).await;
    // A head that comes a byte at a time: each read is in time, the whole is not.
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let drip = async {
        for byte in get("/cards", "X-Long: line\r\n").bytes() {
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let slow = tokio::select! {
        slow = answer(&mut reading, false) => slow,
        () = drip => unreachable!(),
    };
    assert_eq!(slow.rule(), "malformed-head");
    // Nothing at all: closed without a word.
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    assert_eq!(answer(&mut stream, false).await.status, 0);
    // A body that stops.
    let whole = post("/cards", &format!(r#"{{"card":"{CANARY}"}}"#));
    let stopped = gateway.ask(&whole[..whole.len() - 3]).await;
    assert_eq!((stopped.status, stopped.rule().as_str()), (400, "body-too-slow"));
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_gone() {
    use tokio::io::AsyncWriteExt;
    let upstream = Upstream::answering(|_| {
        let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n".to_vec();
        answer.resize(answer.len() + 50_000_000, b'x');
        answer
    })
    .await;
    let gateway = Gateway::start(upstream.address, "limits: { write_timeout: 200ms }").await;
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(get("/open", "").as_bytes()).await.unwrap();
    let log = gateway.logged(1).await;
    assert!(log[0].cut && log[0].bytes_out < 50_000_000, "{log:?}");
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_idle_clock_starts_anew_with_each_request() {
    use tokio::io::AsyncWriteExt;
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "limits: { idle_timeout: 1s }").await;
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        stream.write_all(get("/cards", "").as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream, false).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_refused() {
    use tokio::io::AsyncWriteExt;
    let upstream = Upstream::answering(|_| json("{}")).await;
    let limits = "limits: { body_timeout: 300ms, min_body_rate: 1MiB }";
    let gateway = Gateway::start(upstream.address, limits).await;
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let whole = post("/cards", &format!(r#"{{"card":"{CANARY}"}}"#));
    let (head, body) = whole.split_at(whole.find("\r\n\r\n").unwrap() + 4);
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let drip = async {
        // Every byte is in time.
        for byte in body.bytes().cycle().take(body.len() - 1) {
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let began = std::time::Instant::now();
    let slow = tokio::select! {
        slow = answer(&mut reading, false) => slow,
        () = drip => unreachable!(),
    };
    assert_eq!(slow.rule(), "body-too-slow");
    // Forty bytes would have taken two seconds, and one more wait.
    assert!(began.elapsed() < std::time::Duration::from_millis(1_500));
    assert_eq!(upstream.connections(), 0);
}
