//! `allonym keys`.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Out, Outcome, ask, unexpected};
use crate::api::{KeyView, Reply, Request};

/// Keys and their versions.
#[derive(Subcommand)]
pub enum Verb {
    /// Lists the keys.
    List,
    /// Gives a key a new version, which protects new values from now on. Old values stay
    /// readable.
    Rotate {
        /// The key.
        key: String,
        /// After a restore: the least number of the new version, one more than the highest
        /// the audit log knows of this key.
        #[arg(long)]
        from_version: Option<u32>,
    },
}

pub(super) fn run(config: &Path, verb: Verb, out: &Out) -> Outcome {
    let request = match verb {
        Verb::List => Request::Keys,
        Verb::Rotate { key, from_version } => Request::RotateKey { key, from_version },
    };
    match ask(config, request)? {
        Reply::Keys(keys) => {
            out.document(&keys);
            keys.iter().for_each(|key| print(key, out));
        }
        Reply::Rotated(key) => {
            out.document(&key);
            let version = key.versions.last().map_or(0, |(version, _)| *version);
            out.say(&format!(
                "`{}` protects with version {version} now; older values stay readable",
                key.name
            ));
        }
        _ => return Err(unexpected()),
    }
    Ok(ExitCode::SUCCESS)
}

fn print(key: &KeyView, out: &Out) {
    let versions: Vec<String> =
        key.versions.iter().map(|(version, state)| format!("{version} {state}")).collect();
    out.say(&format!(
        "{:<16} rotate: {:<10} versions: {:<28} classes: {}",
        key.name,
        key.rotate,
        versions.join(", "),
        key.classes.join(", ")
    ));
}
