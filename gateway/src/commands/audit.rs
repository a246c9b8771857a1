//! `allonym audit`.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Out, Outcome, ask, unexpected};
use crate::api::{Reply, Request};

/// The tamper-evident record.
#[derive(Subcommand)]
pub enum Verb {
    /// Walks the whole log: every link of the chain, and the end the store remembers.
    Verify,
    /// Takes a log that was cut, rewritten or lost as it is now, on the record.
    AcceptCut,
    /// Prints the last events.
    Tail {
        /// How many.
        #[arg(long, short = 'n', default_value_t = 10)]
        lines: usize,
    },
}

pub(super) fn run(config: &Path, verb: Verb, out: &Out) -> Outcome {
    let done = if matches!(verb, Verb::AcceptCut) { "accepted" } else { "verified" };
    let request = match verb {
        Verb::Verify => Request::AuditVerify,
        Verb::AcceptCut => Request::AuditAcceptCut,
        Verb::Tail { lines } => Request::AuditTail { lines },
    };
    match ask(config, request)? {
        Reply::Done(text) => {
            out.document(&serde_json::json!({ done: text }));
            out.say(&text);
        }
        // The events are JSON lines already, for people and programs alike.
        Reply::Lines(lines) => lines.iter().for_each(|line| out.line(line)),
        _ => return Err(unexpected()),
    }
    Ok(ExitCode::SUCCESS)
}
