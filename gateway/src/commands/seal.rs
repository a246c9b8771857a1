//! `allonym seal`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Out, Outcome};

/// What wraps the root key.
#[derive(Subcommand)]
pub enum Verb {
    /// Makes a new seal key file, readable by its owner only. Keep it away from the store
    /// and from the backups: together they open everything.
    Create {
        /// The file; an existing one is never overwritten.
        file: PathBuf,
    },
}

pub(super) fn run(verb: &Verb, out: &Out) -> Outcome {
    let Verb::Create { file } = verb;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.exists()) {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| Failure::new(format!("allonym: {}: {error}", folder.display())))?;
    }
    allonym_seal::FileSeal::create(file)
        .map_err(|error| Failure::new(format!("allonym: {error}")))?;
    out.document(&serde_json::json!({ "seal": file }));
    out.say(&format!("made {}: keep a copy away from the store and its backups", file.display()));
    Ok(ExitCode::SUCCESS)
}
