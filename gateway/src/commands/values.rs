//! `allonym protect` and `allonym reveal`: one value a line, under the caller's own rights.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{Failure, Out, Outcome, unexpected};
use crate::api::client::Client;
use crate::api::{Batch, Reply, Request, Shown};
use crate::config::Config;

/// Values in one round trip.
const BATCH: usize = 1_000;
/// The exit code of a reveal that showed values protected.
const WITHHELD: u8 = 3;

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
    /// Whom the values are about: `allonym tokens erase --subject` finds their tokens.
    #[arg(long)]
    subject: Option<String>,
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
    let connect = || {
        Client::connect(&config.admin.socket).ok_or_else(|| {
            Failure::new("allonym: not-serving: protect and reveal need a running gateway")
        })
    };
    drop(connect()?);
    let token = read_token(arguments.token_file.as_deref())?;
    let mut lines = std::io::stdin().lock().lines();
    let mut notes = Notes::default();
    loop {
        let values: Vec<String> = lines
            .by_ref()
            .take(BATCH)
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(format!("allonym: standard input: {error}")))?;
        if values.is_empty() {
            return Ok(notes.code());
        }
        let batch = Batch {
            class: arguments.class.clone(),
            values,
            purpose: arguments.purpose.clone(),
            token: token.clone(),
            subject: arguments.subject.clone().filter(|_| way == Way::Protect),
        };
        let request = match way {
            Way::Protect => Request::Protect(batch),
            Way::Reveal => Request::Reveal(batch),
        };
        // A new connection each time: standard input may be slower than a connection lives.
        let Reply::Values(shown) = connect()?.ask(&request)? else { return Err(unexpected()) };
        shown.values.iter().for_each(|value| out.line(value));
        if way == Way::Reveal {
            notes.take(&shown, out);
        }
    }
}

/// The API token in a file, if there is one.
pub(super) fn read_token(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let read = std::fs::read_to_string(file);
    let token =
        read.map_err(|error| Failure::new(format!("allonym: {}: {error}", file.display())))?;
    Ok(Some(token.trim().to_owned()))
}

/// What is to be said of values that were not revealed in plain; each once.
#[derive(Default)]
struct Notes {
    said: BTreeSet<String>,
    withheld: bool,
}

impl Notes {
    fn take(&mut self, shown: &Shown, out: &Out) {
        let protected = shown.outcome == "protected";
        self.withheld |= protected;
        let why = if shown.notices.is_empty() {
            "no rule gives more".to_owned()
        } else {
            shown.notices.join(", ")
        };
        if !protected && shown.notices.is_empty() {
            return;
        }
        let note = format!("note: shown {}: {why}", shown.outcome);
        if !self.said.contains(&note) {
            out.error(&note);
            self.said.insert(note);
        }
    }

    /// Success only if something of every value could be seen.
    fn code(&self) -> ExitCode {
        if self.withheld { ExitCode::from(WITHHELD) } else { ExitCode::SUCCESS }
    }
}
