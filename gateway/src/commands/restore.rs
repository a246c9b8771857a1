//! `allonym restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Failure, Out, Outcome};
use crate::config::Config;
use crate::runtime::counts;

/// What a backup cannot know.
const NEWER_DOMAINS: &str = "note: a domain made after the backup is not in it: it is made anew with another secret, and its old tokens, where they have the format of their values, may come to stand for other values: replace them in the upstreams before its class protects again";

/// From where.
#[derive(clap::Args)]
pub struct Arguments {
    /// The backup. The store named in the configuration must not exist yet.
    file: PathBuf,
}

pub(super) fn run(config: &Path, arguments: &Arguments, out: &Out) -> Outcome {
    let config = Config::load(config).map_err(|errors| Failure::all(errors.0))?;
    let report = crate::runtime::restore(&config, &arguments.file)
        .map_err(|error| Failure::all(error.lines()))?;
    out.document(&serde_json::json!({ "restored": counts(&report) }));
    out.say(&format!("{} restored: {}", config.store, counts(&report)));
    out.say(NEWER_DOMAINS);
    Ok(ExitCode::SUCCESS)
}
