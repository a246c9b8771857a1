//! What was typed, and what it means.

use allonym_contract::{OnUnprotected, Tokens, Use};
use allonym_http::{HttpConfig, Jwks, Unlisted};

use crate::fixture::{Gateway, Upstream, config_text, get, json, post};

fn parse(text: &str) -> HttpConfig {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn a_full_configuration() {
    let config = parse(
        r#"
type: http
listen: 0.0.0.0:8443
tls: { cert: /etc/tls.crt, key: { file: /etc/tls.key } }
upstream: https://payments.internal
upstream_tls: { ca: /etc/ca.pem }
callers:
  jwt: { issuer: https://id.example, jwks: { url: https://id.example/jwks.json }, audience: payments, roles_claim: groups, purpose_claim: purpose }
  anonymous: read
unlisted: pass
limits: { body_bytes: 1MiB, buffer_bytes: 64KiB, header_timeout: 500ms }
routes:
  "POST /v1/charges/{id}":
    "$.card.number": card_number
    "path:id": card_number
    "query:email": email
    tokens: accept
    on_unprotected: refuse
    holds: protected
  "GET /v1/charges/{id}":
    "$.card['number']": card_number
    "path:id": card_number
    "header:X-Email": email
"#,
    );
    assert_eq!(config.unlisted, Unlisted::Pass);
    let jwt = config.callers.jwt.as_ref().unwrap();
    assert_eq!(jwt.jwks, Jwks::Url("https://id.example/jwks.json".into()));
    let places = config.places("pay").unwrap();
    assert_eq!(&*places[0].name, "pay POST /v1/charges/{id}");
    assert_eq!((places[0].location.line, places[0].location.column), (13, 3));
    assert_eq!(places[0].fields[1].location.line, 15);
    assert_eq!(places[0].tokens, Tokens::Accept);
    assert_eq!(places[0].on_unprotected, OnUnprotected::Refuse);
    assert!(places[0].holds_protected_only && !places[1].holds_protected_only);
    let usage = |place: usize| places[place].fields.iter().map(|f| f.usage).collect::<Vec<_>>();
    assert_eq!(usage(0), [Use::Content; 3]);
    assert_eq!(usage(1), [Use::Content, Use::Search, Use::Content]);
    assert_eq!(places[1].fields[0].class, "card_number");
}

#[test]
fn what_cannot_be_meant_is_told_with_its_place() {
    let base = "upstream: http://u:1\nlisten: ";
    let route = |route: &str| format!("{base}127.0.0.1:0\nroutes:\n  {route}");
    let cases = [
        (format!("{base}0.0.0.0:80"), 2, "without tls"),
        (format!("{base}nonsense"), 2, "not an address"),
        ("listen: 127.0.0.1:0\nupstream: ftp://x".into(), 2, "http://"),
        ("listen: 127.0.0.1:0\nupstream: http://x/path".into(), 2, "no path"),
        ("listen: 127.0.0.1:0\nupstream: http://u:p@x".into(), 2, "credential"),
        (format!("{base}127.0.0.1:0\ntype: kafka"), 3, "type: http"),
        (format!("{base}127.0.0.1:0\nlimits: {{ header_count: 0 }}"), 2, "header_count"),
        (route("GET: {}"), 4, "no method"),
        (route("get /a: {}"), 4, "capital"),
        (route("CONNECT /a: {}"), 4, "never passed"),
        (route("GET a: {}"), 4, "begins with"),
        (route("GET /a/: {}"), 4, "empty segment"),
        (route("'GET /a/{}': {}"), 4, "{name}"),
        (route("'GET /a/{x}/{x}': {}"), 4, "same name"),
        (route("GET /a%20b: {}"), 4, "as it reads"),
        (route("GET /a: { card: c }"), 4, "neither a selector nor an option"),
        (route("'GET /a': { 'path:id': c }"), 4, "no parameter {id}"),
        (route("'GET /a': { 'header:host': c }"), 4, "steers"),
        (route("'GET /a': { 'header:authorization': c }"), 4, "credential"),
        (route("'GET /a': { '$.a[': c }"), 4, "selector `$.a[`"),
        (route("'GET /a': { '$.a': c, \"$['a']\": d }"), 4, "twice"),
        (route("'GET /a': { tokens: maybe }"), 4, "tokens:"),
        (route("'GET /a': { on_unprotected: maybe }"), 4, "on_unprotected:"),
        (route("'GET /a': { holds: maybe }"), 4, "holds:"),
        (route("'GET /a/{x}': {}\n  'GET /a/{y}': {}"), 5, "same paths"),
    ];
    for (text, line, says) in cases {
        let faults = parse(&text).places("c").expect_err(&text);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].message.contains(says), "{says}: {faults:?}");
        assert_eq!(faults[0].location.line, line, "{text}\n{faults:?}");
    }
    let knowingly = parse(&format!("{base}0.0.0.0:80\ntls: off")).places("c").unwrap();
    assert!(knowingly.is_empty(), "no routes, no places");
    let unknown = [
        "typo: 1",
        "limits: { typo: 1 }",
        "tls: on",
        "tls: { cert: x, key: literal }",
        "callers: { jwt: { issuer: i } }",
        "limits: { body_bytes: lots }",
        "limits: { idle_timeout: 5 }",
    ];
    for extra in unknown {
        let text = format!("{base}127.0.0.1:0\n{extra}");
        assert!(serde_saphyr::from_str::<HttpConfig>(&text).is_err(), "{extra}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unlisted_routes_pass_where_the_configuration_says_so() {
    let upstream = Upstream::answering(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        json(&format!("{body:?}"))
    })
    .await;
    let gateway = Gateway::start(upstream.address, "unlisted: pass").await;
    let answer = gateway.ask(post("/other?x", "not json")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "\"not json\""));
    assert!(!upstream.received().to_lowercase().contains("allonym-token"));
    assert_eq!(gateway.guard.identified.load(std::sync::atomic::Ordering::SeqCst), 0);
    let seen = upstream.connections();
    for path in ["/cards/", "/Cards", "/cards;x=1", "/cards%3Bx", "/cards%20", "/cards."] {
        let answer = gateway.ask(post(path, "{}")).await;
        assert_eq!((answer.status, answer.rule().as_str()), (403, "path-ambiguous"), "{path}");
    }
    assert_eq!(upstream.connections(), seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn preflights_have_their_own_switch() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 204 No\r\nAccess-Control-Allow-Origin: *\r\n\r\n".to_vec()
    })
    .await;
    let preflight = |path: &str| {
        format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: a\r\nOrigin: https://o\r\n\
             Access-Control-Request-Method: PUT\r\n\r\n"
        )
    };
    let routes =
        "routes: { 'PUT /cards': { $.card: card }, 'PUT /cards/{id}': { 'path:id': card } }";
    let gateway = Gateway::start(upstream.address, routes).await;
    assert_eq!(gateway.ask(preflight("/cards")).await.status, 401);
    let gateway = Gateway::start(upstream.address, &format!("cors: true\n{routes}")).await;
    let answer = gateway.ask(preflight("/cards")).await;
    assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("*"));
    assert_eq!(gateway.ask(preflight("/other")).await.rule(), "unlisted");
    assert_eq!(gateway.ask(preflight("/cards/canary")).await.rule(), "preflight-with-values");
    assert!(!upstream.received().contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn options_stand_for_every_method_of_their_path() {
    let upstream = Upstream::answering(|_| b"HTTP/1.1 204 No\r\n\r\n".to_vec()).await;
    let routes = "routes: { 'GET /a': { $.name: card }, 'POST /a': { $.card: card, \
                  'header:X-Card': card, 'query:q': card }, 'GET /b': {}, \
                  'OPTIONS /c': { 'header:X-Card': card }, 'POST /c': { 'query:q': card } }";
    let preflight = "Origin: https://o\r\nAccess-Control-Request-Method: PUT\r\n";
    for extra in ["cors: false", "cors: true"] {
        let gateway = Gateway::start(upstream.address, &format!("{extra}\n{routes}")).await;
        let ask = async |path: &str, lines: &str| {
            let request = get(path, &format!("{preflight}{lines}")).replace("GET", "OPTIONS");
            gateway.ask(request).await
        };
        let body = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        let seen = upstream.connections();
        for (path, lines) in [
            ("/a", "X-Card: canary\r\n"),
            ("/a?q=canary", ""),
            ("/a", body),
            ("/a", "Transfer-Encoding: chunked\r\n"),
        ] {
            let answer = ask(path, lines).await;
            assert_eq!(
                (answer.status, answer.rule().as_str()),
                (403, "preflight-with-values"),
                "{extra} {path} {lines}"
            );
        }
        assert_eq!(ask("/a", "X_Card: canary\r\n").await.rule(), "header-ambiguous");
        assert_eq!(upstream.connections(), seen);
        assert_eq!(ask("/a?r=1", "X-Other: x\r\n").await.status, 204);
        assert_eq!(ask("/b", "").await.status, 204);
    }
    assert!(!upstream.received().contains("canary"));
    // What is listed itself has its own rules.
    let gateway = Gateway::start(upstream.address, routes).await;
    let request = get("/c?q=x", "X-Card: canary\r\n").replace("GET", "OPTIONS");
    assert_eq!(gateway.ask(request).await.status, 204);
    assert!(upstream.received().contains("x-card: CANARY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_configuration_takes_effect_at_once_or_not_at_all() {
    let upstream = Upstream::answering(|_| json(r#"{"card":"A","other":"B"}"#)).await;
    let gateway = Gateway::start(upstream.address, "").await;
    assert_eq!(gateway.ask(get("/cards", "")).await.text(), r#"{"card":"a","other":"B"}"#);
    let swap = |text: &str| {
        let config = parse(&config_text(&format!("http://{}", upstream.address), text));
        gateway.connector.swap(config, gateway.guard.clone())
    };
    swap("routes: { 'GET /cards': { $.other: card } }").unwrap();
    assert_eq!(gateway.ask(get("/cards", "")).await.text(), r#"{"card":"A","other":"b"}"#);
    assert_eq!(upstream.connections(), 1, "connections to the upstream are kept");
    let faults = swap("routes: { 'GET /cards': { nonsense: card } }").unwrap_err();
    assert!(faults[0].message.contains("nonsense"));
    let faults = swap("limits: { connections: 5 }").unwrap_err();
    assert!(faults[0].hint.as_ref().unwrap().contains("restart"), "{faults:?}");
    assert_eq!(gateway.ask(get("/cards", "")).await.text(), r#"{"card":"A","other":"b"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_the_configuration_it_began_with() {
    let (upstream, release) = crate::fixture::answering_when_told(r#"{"card":"A","b":"B"}"#).await;
    let gateway = Gateway::start(upstream.address, "").await;
    let asking = gateway.ask(get("/cards", ""));
    let swapping = async {
        crate::fixture::until(|| upstream.connections() == 1).await;
        let text = "routes: { 'GET /cards': { $.b: card } }";
        let config = parse(&config_text(&format!("http://{}", upstream.address), text));
        gateway.connector.swap(config, gateway.guard.clone()).unwrap();
        release.send_replace(true);
    };
    let (answer, ()) = tokio::join!(asking, swapping);
    assert_eq!(answer.text(), r#"{"card":"a","b":"B"}"#);
    assert_eq!(gateway.ask(get("/cards", "")).await.text(), r#"{"card":"A","b":"b"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_host_is_kept_where_the_configuration_says_so() {
    let upstream = Upstream::answering(|_| json("{}")).await;
    let gateway = Gateway::start(upstream.address, "preserve_host: true").await;
    assert_eq!(gateway.ask(get("/cards", "X-Forwarded-For: 10.0.0.1\r\n")).await.status, 200);
    let received = upstream.received();
    assert!(received.contains("Host: api\r\n"), "{received}");
    assert!(received.contains("x-forwarded-for: 10.0.0.1, 127.0.0.1\r\n"), "{received}");
}
