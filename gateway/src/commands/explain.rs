//! `allonym explain`.

use std::path::Path;
use std::process::ExitCode;

use super::{Out, Outcome, ask, unexpected};
use crate::api::{Reply, Request};

/// Which place, for whom.
#[derive(clap::Args)]
pub struct Arguments {
    /// The connector.
    connector: String,
    /// The place, as the configuration writes it (a concrete path will do too).
    place: String,
    /// The role.
    #[arg(long = "as")]
    role: String,
    /// The purpose.
    #[arg(long)]
    purpose: Option<String>,
}

pub(super) fn run(config: &Path, arguments: Arguments, out: &Out) -> Outcome {
    let Arguments { connector, place, role, purpose } = arguments;
    let request = Request::Explain { connector, place, role, purpose };
    let Reply::Explanation(fields) = ask(config, request)? else { return Err(unexpected()) };
    out.document(&fields);
    for field in fields {
        let version = field.key_version.as_deref().unwrap_or("-");
        out.say(&format!(
            "{:<26} {:<14} {:<28} key version {version:<4} {:<10} {}",
            field.field, field.class, field.method, field.outcome, field.because
        ));
    }
    Ok(ExitCode::SUCCESS)
}
