//! The tamper-evident record: who did what, where, to how many values of which class.
//!
//! An [`AuditLog`] appends one line of canonical JSON for each [`Event`] to
//! `audit.jsonl` in its folder. Each line carries the hash of the line before, so that
//! changing, dropping, swapping or inserting a line breaks the chain from there on; what
//! a chain alone cannot show, lines cut off its end, shows against a [`Head`] kept
//! elsewhere ([`verify`]).
//!
//! ```text
//!   accept ──▶ queue ──▶ writer ── write(2) ──▶ answers `Process`
//!                           └────▶ syncer ── fsync ──▶ answers `Power`
//! ```
//!
//! An event that is not accepted is an error, never a loss that nobody hears of: the
//! caller does not do what it could not put on the record. Values are never in an event,
//! only names and counts.

mod chain;
mod error;
mod event;
mod file;
mod line;
mod log;
mod sync;
mod time;
mod verify;
mod writer;

pub use chain::{Broken, Head, ParseHeadError};
pub use error::{AuditError, OpenError, VerifyError};
pub use event::{ClassCount, Durability, Event, EventKind};
pub use log::{Acceptance, AuditLog, AuditOptions, AuditSink};
pub use time::rfc3339;
pub use verify::{Entry, Report, tail, verify};

/// The log's file in its folder.
pub const FILE_NAME: &str = "audit.jsonl";
