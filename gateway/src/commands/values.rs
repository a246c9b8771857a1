//! `allonym protect` and `allonym reveal`: one value a line, under the caller's own rights.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Failure, Out, Outcome, unexpected};
use crate::api::client::Client;
use crate::api::{Batch, Reply, Request};
use crate::config::Config;

/// Values in one round trip.
const BATCH: usize = 1_000;

/// Values of a class.
#[derive(clap::Args)]
pub struct Arguments {
    /// The data class.
    class: String,
    /// Why.
    #[arg(long)]
    purpose: Option<String>,
    /// A file that holds an API token; without it the local user is the principal.
    #[arg(long)]
    token_file: Option<PathBuf>,
}

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Plain values in, protected ones out.
    Protect,
    /// Protected values in; what the caller may see comes out.
    Reveal,
}

pub(super) fn run(config: &Path, arguments: Arguments, way: Way, out: &Out) -> Outcome {
    let config = Config::load(config).map_err(|errors| Failure::all(errors.0))?;
    let mut client = Client::connect(&config.admin.socket)
        .ok_or_else(|| Failure::new("allonym: not-serving: protect and reveal need a running gateway"))?;
    let token = match &arguments.token_file {
        None => None,
        Some(file) => Some(
            std::fs::read_to_string(file)
                .map_err(|error| Failure::new(format!("allonym: {}: {error}", file.display())))?
                .trim()
                .to_owned(),
        ),
    };
    let mut lines = std::io::stdin().lock().lines();
    loop {
        let values: Vec<String> = lines
            .by_ref()
            .take(BATCH)
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(format!("allonym: standard input: {error}")))?;
        if values.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        let batch = Batch {
            class: arguments.class.clone(),
            values,
            purpose: arguments.purpose.clone(),
            token: token.clone(),
        };
        let request = match way {
            Way::Protect => Request::Protect(batch),
            Way::Reveal => Request::Reveal(batch),
        };
        let Reply::Values(values) = client.ask(&request)? else { return Err(unexpected()) };
        values.iter().for_each(|value| out.line(value));
    }
}
