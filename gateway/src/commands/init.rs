//! `allonym init`: a first configuration from samples of an API's bodies.

mod checks;
mod judge;
mod propose;
mod terms;
mod walk;
mod words;

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, Out, Outcome};
use crate::api::socket::own_name;
use crate::config::Config;

pub use propose::{Finding, NotJson, Proposal, Sample, propose};

/// Proposes a configuration for an API from samples of its bodies.
#[derive(Args)]
pub struct Arguments {
    /// Where the API is: `http://host:port` or `https://host`.
    #[arg(long)]
    pub upstream: String,
    /// A JSON body of the API, best with its route: `--sample 'POST /v1/customers=body.json'`.
    #[arg(long, required = true, value_name = "[ROUTE=]FILE")]
    pub sample: Vec<String>,
    /// Where the configuration goes; without it where `--config` says.
    #[arg(long, value_name = "FILE")]
    pub out: Option<std::path::PathBuf>,
    /// Replaces a file that is there.
    #[arg(long)]
    pub force: bool,
}

/// The longest sample that is read, in bytes.
const LONGEST: u64 = 64 << 20;

pub(super) fn run(config: &Path, arguments: &Arguments, out: &Out) -> Outcome {
    let fail = |message: String| Failure::new(format!("allonym: {message}"));
    let operator = own_name().unwrap_or_else(|| "root".to_owned());
    let samples = arguments.sample.iter().map(|typed| sample(typed)).collect::<Result<Vec<_>, _>>();
    let proposal = propose(&arguments.upstream, &operator, &samples.map_err(fail)?)
        .map_err(|error| fail(error.to_string()))?;
    let path = arguments.out.as_deref().unwrap_or(config);
    Config::parse(&proposal.yaml, "proposal").map_err(|errors| Failure::all(errors.0))?;
    save(path, &proposal.yaml, arguments.force).map_err(fail)?;
    report(path, &proposal, out);
    Ok(ExitCode::SUCCESS)
}

/// Reads `ROUTE=FILE` or `FILE`.
fn sample(typed: &str) -> Result<Sample, String> {
    // A route begins with a method and a space; a file name that does so needs a `./`.
    let is_route = |route: &str| {
        route.split_once(" /").is_some_and(|(method, _)| {
            !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase())
        })
    };
    let (route, name) = match typed.split_once('=') {
        Some((route, file)) if is_route(route) => (Some(route.to_owned()), file),
        _ => (None, typed),
    };
    let unreadable = |error: std::io::Error| format!("{name}: {error}");
    let file = std::fs::File::open(name).map_err(unreadable)?;
    let mut body = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut body).map_err(unreadable)?;
    if body.len() as u64 > LONGEST {
        return Err(format!("{name}: longer than {LONGEST} bytes"));
    }
    Ok(Sample { route, name: name.to_owned(), body })
}

fn save(path: &Path, yaml: &str, force: bool) -> Result<(), String> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!(
                "{} is there already: name another with --out, or replace it with --force",
                path.display()
            )
        }
        _ => format!("{}: {error}", path.display()),
    })?;
    file.write_all(yaml.as_bytes()).map_err(|error| format!("{}: {error}", path.display()))
}

fn report(path: &Path, proposal: &Proposal, out: &Out) {
    out.document(&serde_json::json!({
        "config": path,
        "sure": proposal.sure,
        "unsure": proposal.unsure,
    }));
    for finding in &proposal.sure {
        let class = finding.class.as_deref().unwrap_or_default();
        out.say(&format!(
            "  {}  {} is {class} ({})",
            finding.route,
            shown(&finding.path),
            finding.reason
        ));
    }
    if !proposal.unsure.is_empty() {
        out.say("not sure:");
    }
    for finding in &proposal.unsure {
        let class = finding
            .class
            .as_deref()
            .map_or_else(|| "is left as it is".to_owned(), |class| format!("is taken for {class}"));
        out.say(&format!(
            "  {}  {} {class}: {}",
            finding.route,
            shown(&finding.path),
            finding.reason
        ));
    }
    out.say(&format!(
        "wrote {}: read it, then run `allonym --config {} check`",
        path.display(),
        path.display()
    ));
}

/// A path as a terminal may see it.
fn shown(path: &str) -> String {
    path.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests;
