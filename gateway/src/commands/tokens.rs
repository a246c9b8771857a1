//! `allonym tokens`.

mod transfer;

use std::fs;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use clap::Subcommand;

use super::{Failure, Out, Outcome, ask, unexpected};
use crate::api::{
    Erased, Problem, Reply, Request, Subject, TokenChange, TokenCount, TokenPage, TokenView,
};
use crate::config::duration;

/// Tokens in one request.
const BATCH: usize = 1_000;
/// The exit code where something asked for was not there, or not taken.
const NOT_ALL: u8 = 3;

/// Tokens in the store.
#[derive(Subcommand)]
pub enum Verb {
    /// Lists tokens of a class with what is known of them, and never their values.
    List {
        /// The data class.
        class: String,
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Only those after this one, in the order of their bytes.
        #[arg(long)]
        after: Option<String>,
    },
    /// Counts the tokens of each domain.
    Count {
        /// The data class; all of them unless it is said.
        class: Option<String>,
    },
    /// Switches tokens off: they reveal no more, and their values get no others.
    Disable(Some),
    /// Switches tokens on again.
    Enable(Some),
    /// Deletes tokens with their values, whomever they are about.
    Delete(Some),
    /// Gives tokens another end.
    Expire {
        /// Which.
        #[command(flatten)]
        some: Some,
        /// How long from now: a whole number and s, m, h or d.
        #[arg(long = "in", value_name = "DURATION", required_unless_present = "never")]
        after: Option<String>,
        /// Never.
        #[arg(long, conflicts_with = "after")]
        never: bool,
    },
    /// After any way back to an older store: moves the counters of tokens in the format of
    /// their values on, so that none is issued twice.
    Resume {
        /// The data class; its whole domain goes on.
        class: String,
        /// At least as many numbers as were taken of one counter since the backup: those of
        /// tokens, and 1024 for each start of a gateway. Too many cost only numbers.
        #[arg(long)]
        skip: u64,
    },
    /// Deletes every token about a data subject, and gives a receipt.
    Erase {
        /// Whom, as named when the values were protected.
        #[arg(long)]
        subject: String,
        /// Whom of this tenant: in the domains whose scope is a tenant. Without it, in those
        /// whose scope is global.
        #[arg(long)]
        tenant: Option<String>,
        /// In the domain of this class only, whatever its scope.
        #[arg(long)]
        class: Option<String>,
        /// A file for the receipt; an existing one is never overwritten.
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Writes all tokens of a class with their values in plain. Needs the right to reveal
    /// them, and a running gateway.
    Export(transfer::Export),
    /// Takes tokens with their values from such a file. Needs the rights `write` and
    /// `write_token`, and a running gateway.
    Import(transfer::Import),
}

/// Some tokens of a class.
#[derive(clap::Args)]
pub struct Some {
    /// The data class.
    class: String,
    /// The tokens; one a line on standard input if there are none here.
    tokens: Vec<String>,
}

pub(super) fn run(config: &Path, verb: Verb, out: &Out) -> Outcome {
    match verb {
        Verb::List { class, limit, after } => list(config, &class, limit, after, out),
        Verb::Count { class } => count(config, class, out),
        Verb::Disable(some) => change(config, some, TokenChange::Disable, out),
        Verb::Enable(some) => change(config, some, TokenChange::Enable, out),
        Verb::Delete(some) => change(config, some, TokenChange::Delete, out),
        Verb::Expire { some, after, never: _ } => {
            let seconds = after.as_deref().map(seconds).transpose()?;
            change(config, some, TokenChange::Expire { seconds }, out)
        }
        Verb::Resume { class, skip } => resume(config, class, skip, out),
        Verb::Erase { subject, tenant, class, to } => {
            erase(config, Subject { subject, tenant, class }, to.as_deref(), out)
        }
        Verb::Export(arguments) => transfer::export(config, &arguments, out),
        Verb::Import(arguments) => transfer::import(config, &arguments, out),
    }
}

fn list(config: &Path, class: &str, limit: usize, mut after: Option<String>, out: &Out) -> Outcome {
    let mut all: Vec<TokenView> = Vec::new();
    while all.len() < limit {
        let limit = BATCH.min(limit - all.len());
        let request = Request::Tokens { class: class.to_owned(), after: after.take(), limit };
        let Reply::Tokens(TokenPage { tokens, next }) = ask(config, request)? else {
            return Err(unexpected());
        };
        if !out.is_json() {
            tokens.iter().for_each(|token| print(token, out));
        }
        all.extend(tokens);
        after = next;
        if after.is_none() {
            break;
        }
    }
    out.document(&all);
    Ok(ExitCode::SUCCESS)
}

fn print(token: &TokenView, out: &Out) {
    let created = if token.created > 0 { time(token.created) } else { "-".to_owned() };
    let expires = token.expires.map_or_else(|| "never".to_owned(), time);
    let state = if token.disabled { "disabled" } else { "enabled" };
    let metadata = if token.metadata.is_empty() {
        String::new()
    } else {
        let entries = token.metadata.iter().map(|(name, value)| format!("{name}={value}"));
        format!(" {}", entries.collect::<Vec<_>>().join(" "))
    };
    let token = &token.token;
    out.say(&format!("{token:<40} created: {created} expires: {expires} {state}{metadata}"));
}

/// A time in milliseconds since 1970.
fn time(millis: i64) -> String {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).map_or_else(|| "-".to_owned(), allonym_audit::rfc3339)
}

fn count(config: &Path, class: Option<String>, out: &Out) -> Outcome {
    let Reply::TokenCounts(counts) = ask(config, Request::CountTokens { class })? else {
        return Err(unexpected());
    };
    out.document(&counts);
    for TokenCount { domain, classes, tokens } in &counts {
        out.say(&format!("{domain:<24} tokens: {tokens:<10} classes: {}", classes.join(", ")));
    }
    Ok(ExitCode::SUCCESS)
}

fn resume(config: &Path, class: String, skip: u64, out: &Out) -> Outcome {
    let Reply::Done(text) = ask(config, Request::ResumeTokens { class, skip })? else {
        return Err(unexpected());
    };
    out.document(&serde_json::json!({ "done": text }));
    out.say(&text);
    Ok(ExitCode::SUCCESS)
}

fn change(config: &Path, some: Some, change: TokenChange, out: &Out) -> Outcome {
    let (mut asked, mut done) = (0_usize, 0_usize);
    let mut unknown = Vec::new();
    let mut carry_out = |tokens: Vec<String>| -> Result<(), Failure> {
        let request =
            Request::ChangeTokens { class: some.class.clone(), tokens: tokens.clone(), change };
        let Reply::Changed(changed) = ask(config, request)? else { return Err(unexpected()) };
        asked += tokens.len();
        for (token, changed) in tokens.into_iter().zip(changed) {
            if changed {
                done += 1;
            } else {
                unknown.push(token);
            }
        }
        Ok(())
    };
    if some.tokens.is_empty() {
        let mut lines = std::io::stdin().lock().lines();
        loop {
            let tokens: Result<Vec<String>, _> = lines.by_ref().take(BATCH).collect();
            let tokens = tokens
                .map_err(|error| Failure::new(format!("allonym: standard input: {error}")))?;
            if tokens.is_empty() {
                break;
            }
            carry_out(tokens)?;
        }
    } else {
        for tokens in some.tokens.chunks(BATCH) {
            carry_out(tokens.to_vec())?;
        }
    }
    out.document(&serde_json::json!({ "asked": asked, "done": done, "unknown": unknown }));
    out.say(&format!("{done} of {asked} tokens {}", word(change)));
    for token in &unknown {
        out.error(&format!("note: `{token}` is no token of this class"));
    }
    Ok(if unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NOT_ALL) })
}

const fn word(change: TokenChange) -> &'static str {
    match change {
        TokenChange::Disable => "are disabled",
        TokenChange::Enable => "are enabled",
        TokenChange::Delete => "are deleted",
        TokenChange::Expire { .. } => "have another end",
    }
}

fn erase(config: &Path, subject: Subject, to: Option<&Path>, out: &Out) -> Outcome {
    // A receipt that could not be kept is known before anything is deleted.
    let receipt_file = to.map(Written::create).transpose()?;
    let has_tenant = subject.tenant.as_deref().is_some_and(|tenant| !tenant.is_empty());
    let reply = ask(config, Request::EraseSubject(subject))?;
    let Reply::Erased(Erased { receipt, shared, failed }) = reply else {
        return Err(unexpected());
    };
    let text = serde_json::to_string_pretty(&receipt)
        .map_err(|_| Failure::new("allonym: the receipt cannot be written"))?;
    out.line(&text);
    if let Option::Some(mut file) = receipt_file {
        file.write(format!("{text}\n").as_bytes())?;
        file.keep()?;
    }
    for (class, token) in &shared {
        out.error(&format!("note: stays, since it is about others too: {class} {token}"));
    }
    for domain in &receipt.skipped {
        let why = if has_tenant {
            "its scope is global, name its class with --class, or leave --tenant out"
        } else {
            "its scope is a tenant, name it with --tenant"
        };
        out.error(&format!("note: domain `{domain}` was not looked at: {why}"));
    }
    for domain in &receipt.not_reached {
        out.error(&format!("note: domain `{domain}` was not reached"));
    }
    if let Option::Some(problem) = failed {
        out.error("note: the receipt is incomplete: erase again, the receipt is then of the rest");
        return Err(problem.into());
    }
    if !receipt.skipped.is_empty() {
        return Ok(ExitCode::from(NOT_ALL));
    }
    Ok(ExitCode::SUCCESS)
}

fn seconds(typed: &str) -> Result<u64, Failure> {
    let parsed = duration(typed).map(|duration: Duration| duration.as_secs());
    parsed.ok_or_else(|| {
        let detail = "a duration is a whole number and s, m, h or d: `30d`";
        Problem::new("expiry-invalid", detail).into()
    })
}

/// A file for its owner only, which has its name once it is whole.
pub(super) struct Written {
    file: fs::File,
    beside: PathBuf,
    to: PathBuf,
    kept: bool,
}

impl Written {
    pub(super) fn create(to: &Path) -> Result<Self, Failure> {
        use std::os::unix::fs::OpenOptionsExt;
        let failed =
            |error: std::io::Error| Failure::new(format!("allonym: {}: {error}", to.display()));
        if to.exists() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let beside = to.with_file_name(format!(".{name}.{}", std::process::id()));
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
        let file = file.map_err(failed)?;
        Ok(Self { file, beside, to: to.to_owned(), kept: false })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| self.failed(&error))
    }

    /// Gives the file its name, once it is on the disk. One that is there by now stays.
    pub(super) fn keep(mut self) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| self.failed(&error))?;
        fs::hard_link(&self.beside, &self.to).map_err(|error| self.failed(&error))?;
        let _ = fs::remove_file(&self.beside);
        self.kept = true;
        Ok(())
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("allonym: {}: {error}", self.to.display()))
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.beside);
        }
    }
}
