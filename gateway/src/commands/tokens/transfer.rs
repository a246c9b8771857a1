//! `allonym tokens export` and `import`: page by page over one connection.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use zeroize::Zeroizing;

use super::{NOT_ALL, Written};
use crate::api::client::Client;
use crate::api::{ImportReport, Part, Reply, Request, Transfer};
use crate::commands::values::read_token;
use crate::commands::{Failure, Out, Outcome, unexpected};
use crate::config::Config;

/// Bytes of a file in one request.
const PART: usize = 128 << 10;

/// Which tokens, and where to.
#[derive(clap::Args)]
pub struct Export {
    /// The data class.
    class: String,
    /// The file, readable by its owner only; an existing one is never overwritten.
    #[arg(long)]
    to: PathBuf,
    /// Why.
    #[arg(long)]
    purpose: Option<String>,
    /// A file that holds an API token; without it the local user is the principal.
    #[arg(long)]
    token_file: Option<PathBuf>,
}

/// Which tokens, and from where.
#[derive(clap::Args)]
pub struct Import {
    /// The data class.
    class: String,
    /// The file.
    file: PathBuf,
    /// Why.
    #[arg(long)]
    purpose: Option<String>,
    /// A file that holds an API token; without it the local user is the principal.
    #[arg(long)]
    token_file: Option<PathBuf>,
}

pub(super) fn export(config: &Path, arguments: &Export, out: &Out) -> Outcome {
    let mut client = connect(config)?;
    let token = read_token(arguments.token_file.as_deref())?;
    let mut file = Written::create(&arguments.to)?;
    let (class, purpose) = (arguments.class.clone(), arguments.purpose.clone());
    let request = Request::ExportTokens(Transfer { class, purpose, token });
    let mut progress = Progress::new("exported");
    let mut reply = client.ask(&request)?;
    loop {
        let Reply::Part(part) = reply else { return Err(unexpected()) };
        if part.is_last {
            break;
        }
        file.write(part.text.as_bytes())?;
        progress.add(part.text.bytes().filter(|byte| *byte == b'\n').count());
        reply = client.more()?;
    }
    file.keep()?;
    // Neither the first line nor the last is a token.
    let lines = progress.end().saturating_sub(2);
    let to = arguments.to.display();
    out.document(&serde_json::json!({ "exported": lines, "to": arguments.to }));
    out.say(&format!("{lines} lines exported to {to}: it holds values in plain"));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn import(config: &Path, arguments: &Import, out: &Out) -> Outcome {
    let mut client = connect(config)?;
    let token = read_token(arguments.token_file.as_deref())?;
    let failed = |error: std::io::Error| {
        Failure::new(format!("allonym: {}: {error}", arguments.file.display()))
    };
    let mut file = std::fs::File::open(&arguments.file).map_err(failed)?;
    let (class, purpose) = (arguments.class.clone(), arguments.purpose.clone());
    client.tell(&Request::ImportTokens(Transfer { class, purpose, token }))?;
    let mut progress = Progress::new("sent");
    let mut held = Zeroizing::new(Vec::with_capacity(PART + 8));
    loop {
        let room = PART.saturating_sub(held.len());
        let read = (&mut file).take(room as u64).read_to_end(&mut held).map_err(failed)?;
        let whole = match std::str::from_utf8(&held) {
            Ok(_) => held.len(),
            // A character may be cut at the end of a part, and nowhere else.
            Err(error) if error.error_len().is_none() && read > 0 => error.valid_up_to(),
            Err(_) => return Err(failed(std::io::ErrorKind::InvalidData.into())),
        };
        let text = held.get(..whole).and_then(|whole| std::str::from_utf8(whole).ok());
        let text = text.unwrap_or_default().to_owned();
        progress.add(text.bytes().filter(|byte| *byte == b'\n').count());
        held.drain(..whole);
        let is_last = read == 0;
        match client.ask(&Request::Part(Part { text, is_last }))? {
            Reply::Done(_) if !is_last => {}
            Reply::Imported(report) if is_last => {
                progress.end();
                return Ok(tell(&report, out));
            }
            _ => return Err(unexpected()),
        }
    }
}

fn tell(report: &ImportReport, out: &Out) -> ExitCode {
    let ImportReport { imported, already, conflict, taken, invalid, refused } = report;
    out.document(report);
    out.say(&format!("{imported} tokens imported, {already} were there already"));
    for (line, why) in refused {
        out.error(&format!("note: line {line}: {why}"));
    }
    let all = conflict + taken + invalid;
    if all == 0 {
        return ExitCode::SUCCESS;
    }
    out.error(&format!(
        "note: {all} lines were not taken: {conflict} values have another token, {taken} tokens are another value's, {invalid} break a rule"
    ));
    ExitCode::from(NOT_ALL)
}

fn connect(config: &Path) -> Result<Client, Failure> {
    let config = Config::load(config).map_err(|errors| Failure::all(errors.0))?;
    Client::connect(&config.admin.socket).ok_or_else(|| {
        Failure::new("allonym: not-serving: an export or import needs a running gateway")
    })
}

/// A line that counts up, where somebody looks on.
struct Progress {
    what: &'static str,
    lines: usize,
    shown: bool,
}

impl Progress {
    fn new(what: &'static str) -> Self {
        Self { what, lines: 0, shown: std::io::stderr().is_terminal() }
    }

    fn add(&mut self, lines: usize) {
        self.lines += lines;
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r{} lines {}", self.lines, self.what);
        }
    }

    fn end(&self) -> usize {
        if self.shown {
            let _ = writeln!(std::io::stderr().lock());
        }
        self.lines
    }
}
