//! `allonym restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use allonym_store::Store;

use super::{Failure, Out, Outcome};
use crate::config::Config;
use crate::runtime::counts;

/// From where.
#[derive(clap::Args)]
pub struct Arguments {
    /// The backup. The store named in the configuration must not exist yet.
    file: PathBuf,
}

pub(super) fn run(config: &Path, arguments: &Arguments, out: &Out) -> Outcome {
    let config = Config::load(config).map_err(|errors| Failure::all(errors.0))?;
    let seals = crate::runtime::seals(&config).map_err(|error| Failure::all(error.lines()))?;
    let report = Store::restore(&arguments.file, &config.store.path, &seals, SystemTime::now())
        .map_err(|error| Failure::new(format!("allonym: restore: {error}")))?;
    out.document(&serde_json::json!({ "restored": counts(&report) }));
    out.say(&format!("{} restored: {}", config.store.path.display(), counts(&report)));
    Ok(ExitCode::SUCCESS)
}
