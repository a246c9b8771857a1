//! An API to stand in front of: it stores what it is sent, and gives it back.
//!
//! ```text
//! customers-api [--listen 127.0.0.1:0]
//! ```
//! The first line it prints is the address it listens on. Nothing outlives the process.

mod api;

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
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
    match address(std::env::args().skip(1)).and_then(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "customers-api: {message}");
            ExitCode::FAILURE
        }
    }
}

fn address(mut arguments: impl Iterator<Item = String>) -> Result<SocketAddr, String> {
    let usage = || "usage: customers-api [--listen ADDRESS:PORT]".to_owned();
    let typed = match (
        arguments.next().as_deref(),
        arguments.next(),
        arguments.next(),
    ) {
        (None, None, None) => "127.0.0.1:0".to_owned(),
        (Some("--listen"), Some(address), None) => address,
        _ => return Err(usage()),
    };
    typed.parse().map_err(|_| usage())
}

fn serve(address: SocketAddr) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|e| format!("{address}: {e}"))?;
        let bound = listener.local_addr().map_err(|error| error.to_string())?;
        // Whoever started it on port 0 reads the port here.
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{bound}")
            .and_then(|()| stdout.flush())
            .map_err(|e| e.to_string())?;
        drop(stdout);
        accept(listener).await;
        Ok(())
    })
}

async fn accept(listener: TcpListener) {
    let customers = Arc::new(Customers::default());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or a client that is gone already: others go on.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let customers = Arc::clone(&customers);
        let service = service_fn(move |request| answer(Arc::clone(&customers), request));
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
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LONGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            return Ok(api::problem(
                http::StatusCode::BAD_REQUEST,
                "the body cannot be read",
            ));
        }
    };
    Ok(customers.answer(&head.method, &head.uri, body))
}
