//! `allonym backup`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Out, Outcome, ask, unexpected};
use crate::api::{Reply, Request};

/// Where to.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file to write, on the gateway's machine.
    file: PathBuf,
}

pub(super) fn run(config: &Path, arguments: Arguments, out: &Out) -> Outcome {
    // The gateway has its own working directory.
    let file = std::path::absolute(&arguments.file).unwrap_or(arguments.file);
    let Reply::Done(text) = ask(config, Request::Backup { file })? else {
        return Err(unexpected());
    };
    out.document(&serde_json::json!({ "backup": text }));
    out.say(&text);
    Ok(ExitCode::SUCCESS)
}
