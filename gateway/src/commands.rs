//! The command line. One verb, one file; every verb prints through [`Out`].

pub mod api_tokens;
pub mod audit;
pub mod backup;
pub mod check;
pub mod completions;
pub mod db_users;
pub mod explain;
pub mod init;
pub mod keys;
pub mod reload;
pub mod restore;
pub mod run;
pub mod seal;
pub mod test;
pub mod tokens;
pub mod values;
pub mod vectors;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::api::client::Client;
use crate::api::socket::own_operator;
use crate::api::{Problem, Reply, Request};
use crate::config::Config;
use crate::runtime::Gateway;

/// Protects personal data in flight: in front of HTTP APIs, databases, brokers and files.
#[derive(Parser)]
#[command(name = "allonym", version, max_term_width = 100)]
pub struct Arguments {
    /// The configuration.
    #[arg(long, short, global = true, default_value = "allonym.yaml", env = "ALLONYM_CONFIG")]
    pub config: PathBuf,
    /// Prints JSON for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Subcommand)]
pub enum Verb {
    /// Serves until told to stop (SIGTERM drains, SIGHUP reloads the configuration).
    Run(run::Arguments),
    /// Has the running gateway read its configuration and certificates again, as SIGHUP
    /// does, and says what is wrong with them.
    Reload,
    /// Proposes a configuration for an API from samples of its bodies.
    Init(init::Arguments),
    /// Validates the configuration and says what it means.
    Check(check::Arguments),
    /// Says what a role would see at a place, and why.
    Explain(explain::Arguments),
    /// Runs the configuration's own tests with throw-away keys.
    Test,
    /// Protects values of a class, one a line on standard input.
    Protect(values::Arguments),
    /// Reveals values of a class, one a line on standard input.
    Reveal(values::Arguments),
    /// Keys and their versions.
    #[command(subcommand)]
    Keys(keys::Verb),
    /// Tokens that authenticate callers.
    #[command(subcommand)]
    ApiTokens(api_tokens::Verb),
    /// Logins of database users.
    #[command(subcommand)]
    DbUsers(db_users::Verb),
    /// Tokens in the store: what is known of them, and what becomes of them.
    #[command(subcommand)]
    Tokens(tokens::Verb),
    /// The tamper-evident record.
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Writes a sealed, verified copy of everything that cannot be made again.
    Backup(backup::Arguments),
    /// Makes a store from a backup.
    Restore(restore::Arguments),
    /// What wraps the root key.
    #[command(subcommand)]
    Seal(seal::Verb),
    /// Holds this build to published vectors.
    #[command(subcommand)]
    Vectors(vectors::Verb),
    /// Prints a completion script for a shell.
    Completions(completions::Arguments),
}

/// Where a command prints, and in which form.
pub struct Out {
    json: bool,
    colour: bool,
}

/// Why a command failed.
pub struct Failure(Vec<String>);

/// What a command gives back.
pub type Outcome = Result<ExitCode, Failure>;

/// Carries out what the command line says.
#[must_use]
pub fn carry_out(arguments: Arguments) -> ExitCode {
    use std::io::IsTerminal;
    let out = Out { json: arguments.json, colour: std::io::stdout().is_terminal() };
    let config = arguments.config.as_path();
    let outcome = match arguments.verb {
        Verb::Run(arguments) => run::run(config, &arguments, &out),
        Verb::Reload => reload::run(config, &out),
        Verb::Init(arguments) => init::run(config, &arguments, &out),
        Verb::Check(arguments) => check::run(config, &arguments, &out),
        Verb::Explain(arguments) => explain::run(config, arguments, &out),
        Verb::Test => test::run(config, &out),
        Verb::Protect(arguments) => values::run(config, arguments, values::Way::Protect, &out),
        Verb::Reveal(arguments) => values::run(config, arguments, values::Way::Reveal, &out),
        Verb::Keys(verb) => keys::run(config, verb, &out),
        Verb::ApiTokens(verb) => api_tokens::run(config, verb, &out),
        Verb::DbUsers(verb) => db_users::run(config, verb, &out),
        Verb::Tokens(verb) => tokens::run(config, verb, &out),
        Verb::Audit(verb) => audit::run(config, verb, &out),
        Verb::Backup(arguments) => backup::run(config, arguments, &out),
        Verb::Restore(arguments) => restore::run(config, &arguments, &out),
        Verb::Seal(verb) => seal::run(&verb, &out),
        Verb::Vectors(verb) => vectors::run(&verb, &out),
        Verb::Completions(arguments) => completions::run(&arguments),
    };
    outcome.unwrap_or_else(|failure| {
        for line in failure.0 {
            out.error(&line);
        }
        ExitCode::FAILURE
    })
}

impl Out {
    /// A line for people; nothing with `--json`.
    pub fn say(&self, line: &str) {
        if !self.json {
            self.line(line);
        }
    }

    /// A line in red, for what must not be overlooked.
    pub fn alarm(&self, line: &str) {
        if self.json {
            return;
        }
        if self.colour {
            self.line(&format!("\u{1b}[31m{line}\u{1b}[0m"));
        } else {
            self.line(line);
        }
    }

    /// The whole result for programs; nothing without `--json`.
    pub fn document(&self, document: &impl Serialize) {
        if self.json
            && let Ok(text) = serde_json::to_string_pretty(document)
        {
            self.line(&text);
        }
    }

    /// A line whatever the form.
    pub fn line(&self, line: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    /// A line on standard error.
    pub fn error(&self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Whether programs read this.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }
}

impl Failure {
    /// A failure in one line.
    pub fn new(line: impl Into<String>) -> Self {
        Self(vec![line.into()])
    }

    /// A failure in several lines.
    pub fn all<T: ToString>(lines: impl IntoIterator<Item = T>) -> Self {
        Self(lines.into_iter().map(|line| line.to_string()).collect())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::new(format!("allonym: {}: {}", problem.rule, problem.detail))
    }
}

/// Asks the running gateway; if none runs, opens the store and answers itself (for the
/// administration of keys, tokens, audit and backups).
fn ask(config: &std::path::Path, request: Request) -> Result<Reply, Failure> {
    let config = Config::load(config).map_err(|errors| Failure::all(errors.0))?;
    if let Some(mut client) = Client::connect(&config.admin.socket) {
        return Ok(client.ask(&request)?);
    }
    let said = |line: &str| {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    };
    let gateway = Gateway::open(config, said).map_err(|error| Failure::all(error.lines()))?;
    let operator = own_operator(&gateway.operators());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("allonym: {error}")))?;
    Ok(runtime.block_on(crate::api::answer(&gateway, &operator, request))?)
}

fn unexpected() -> Failure {
    Failure::new(
        "allonym: the gateway gave another answer than was asked for: is it another version?",
    )
}
