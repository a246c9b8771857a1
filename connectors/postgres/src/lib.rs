//! The PostgreSQL connector: every client takes it for its database.
//!
//! ```text
//!   config          what was typed        ─▶  site      what is in force
//!   listener · room sockets, limits       ─▶  worker    a thread, and its connections
//!   session         the life of a connection: opening, login, onward, relay
//!   upstream · tls · stream · cancel          the ways to the server
//!   refusal · log · metrics                   what is told, and to whom
//!
//!   wire/startup    the first packets, before any message has a type
//!   wire/frame      where messages begin and end in a buffer of one direction
//!   wire/replies    which replies the server still owes, in which order
//!   wire/message    the few messages that are read or written here
//!   wire/statement  what kind of statement a text is, by its first words
//!   scram           logins: the server's role and the client's
//! ```
//!
//! Nothing in `wire` or `scram` does I/O: bytes go in, events and bytes come out. What is
//! not protected is forwarded in the buffer it arrived in, and only its headers are read.

mod cancel;
mod config;
mod listener;
mod log;
mod metrics;
mod refusal;
mod room;
pub mod scram;
mod session;
mod site;
mod tls;
mod upstream;
pub mod wire;
mod worker;

pub use config::{
    Callers, Limits, Login, PostgresConfig, UpstreamLogin, UpstreamTlsChoice, User, Users,
};
pub use listener::{PostgresConnector, Prepared};
pub use log::{SessionLog, SessionRecord};
pub use metrics::Metrics;
pub use scram::Verifier;
pub use session::{Portals, certificate_names};
pub use site::Logins;
