//! The PostgreSQL connector: every client takes it for its database.
//!
//! ```text
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

pub mod scram;
pub mod wire;

pub use scram::Verifier;
