//! An API to stand in front of: it stores what it is sent, and gives it back.
//!
//! ```text
//! customers-api [--listen 127.0.0.1:0] [--record FILE]
//! ```
//! The first line it prints is the address it listens on. Nothing outlives the process but
//! the record, if one is asked for: every request as it came, to be searched for what
//! should not have come.

mod api;

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use api::Customers;

/// The longest body that is taken, in bytes.
const LONGEST: usize = 1 << 20;
/// How long a client may take for its head.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "customers-api: {message}");
            ExitCode::FAILURE
        }
    }
}

/// What was typed.
struct Options {
    listen: SocketAddr,
    record: Option<File>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let usage = || "usage: customers-api [--listen ADDRESS:PORT] [--record FILE]".to_owned();
    let mut options = Options { listen: SocketAddr::from(([127, 0, 0, 1], 0)), record: None };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(usage)?;
        match option.as_str() {
            "--listen" => options.listen = value.parse().map_err(|_| usage())?,
            "--record" => {
                let file = File::options().create(true).append(true).open(&value);
                options.record = Some(file.map_err(|error| format!("{value}: {error}"))?);
            }
            _ => return Err(usage()),
        }
    }
    Ok(options)
}

fn serve(options: Options) -> Result<(), String> {
    let address = options.listen;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.map_err(|e| format!("{address}: {e}"))?;
        let bound = listener.local_addr().map_err(|error| error.to_string())?;
        // Whoever started it on port 0 reads the port here.
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{bound}").and_then(|()| stdout.flush()).map_err(|e| e.to_string())?;
        drop(stdout);
        accept(listener, options.record.map(Mutex::new)).await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, record: Option<Mutex<File>>) {
    let customers = Arc::new(Customers::default());
    let record = Arc::new(record);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or a client that is gone already: others go on.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let customers = Arc::clone(&customers);
        let record = Arc::clone(&record);
        let service =
            service_fn(move |request| answer(Arc::clone(&customers), Arc::clone(&record), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A client that breaks its connection is its own business.
            let _ = connection.await;
        });
    }
}

async fn answer(
    customers: Arc<Customers>,
    record: Arc<Option<Mutex<File>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LONGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            return Ok(api::problem(http::StatusCode::BAD_REQUEST, "the body cannot be read"));
        }
    };
    if let Some(record) = &*record {
        note(record, &head, &body);
    }
    Ok(customers.answer(&head.method, &head.uri, body))
}

fn note(record: &Mutex<File>, head: &http::request::Parts, body: &[u8]) {
    let mut text = format!("{} {}\n", head.method, head.uri).into_bytes();
    for (name, value) in &head.headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(body);
    text.push(b'\n');
    let mut file = record.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // A record that cannot be written fails the test that reads it.
    let _ = file.write_all(&text);
}
