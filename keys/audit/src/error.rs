use std::io;
use std::path::PathBuf;

use crate::chain::{Broken, Head};

/// Why an event was not accepted. Then what it announces must not happen. The event may
/// be found in the log all the same, as an intent without a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The log did not accept it within its time limit.
    #[error("the audit log is overloaded: the event was not accepted in time")]
    Overloaded,
    /// The log cannot be written.
    #[error("the audit log cannot be written: {0}")]
    Unwritable(String),
    /// The event is larger than the log takes.
    #[error("the audit event is larger than {limit} bytes")]
    TooLarge {
        /// The limit for one event, in bytes.
        limit: usize,
    },
    /// The log is closed.
    #[error("the audit log is closed")]
    Closed,
}

/// Why a log was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system says no.
    #[error("the audit log {path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// Another process, or another log of this one, writes it.
    #[error("the audit log {0} is in use by another process")]
    InUse(PathBuf),
    /// There is something in its place that is not a regular file.
    #[error("the audit log {0} is not a regular file")]
    NotAFile(PathBuf),
    /// The end of the log does not hold together. It is never repaired in silence.
    #[error("the audit log {path} is broken near its end, at sequence {sequence}: {broken}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// The sequence number that stands, or should stand, there.
        sequence: u64,
        /// What is wrong.
        broken: Broken,
    },
    /// The event that says what was cut off could not be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// What is wrong with a log, and where.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be read.
    #[error("the audit log {path} cannot be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A line does not hold.
    #[error("line {line}, where sequence {sequence} should stand: {broken}")]
    Broken {
        /// The line, from 1; in a tail it counts from the first line looked at.
        line: u64,
        /// The sequence number that should stand there.
        sequence: u64,
        /// What is wrong.
        broken: Broken,
    },
    /// The log ends before the anchor: lines were cut off.
    #[error("the log ends at {found}, but it once reached {anchor}: lines were cut off its end")]
    Truncated {
        /// Where it ends.
        found: Head,
        /// Where it must have been.
        anchor: Head,
    },
    /// The line the anchor names is there, with another hash: the log was rewritten.
    #[error("line {line} is not the one of the anchor {anchor}: the log was rewritten")]
    Rewritten {
        /// The line, from 1.
        line: u64,
        /// What it must have been.
        anchor: Head,
    },
}
