//! The HTTP connector: stands in front of an API, hands what is selected to the guard,
//! and forwards only what the guard returns.
//!
//! ```text
//!   config    what was typed        ─▶  place    which route is which place
//!   listener  sockets, TLS, limits  ─▶  session  the life of one exchange
//!   target · record · body          where values are in a request or an answer
//!   tls · upstream · stream         the connections on both sides
//!   refusal · access_log · metrics  what is told, and to whom
//! ```
//!
//! It is its own application on `pingora_core`: Pingora reads and writes HTTP/1.1 and
//! HTTP/2 toward the clients and reads the upstream's HTTP/1.1; which bytes go where,
//! and when, is decided here.

mod access_log;
mod body;
mod config;
mod listener;
mod metrics;
mod place;
mod record;
mod refusal;
mod session;
mod stream;
mod target;
mod tls;
mod upstream;

pub use access_log::{AccessLog, AccessRecord};
pub use config::{
    Anonymous, Callers, HttpConfig, Jwks, JwtCallers, Limits, RouteEntry, Routes, Unlisted,
};
pub use listener::{HttpConnector, Prepared};
pub use metrics::Metrics;
