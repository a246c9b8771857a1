//! Ratios measured against a peer or a physical floor in the same run.
//!
//! ```text
//!   comparison ──▶ arms, interleaved ──▶ series ──▶ rows ──▶ RESULTS.md, summary.json
//! ```
//!
//! One comparison is one file: `ff1`, `json`, `http`, `tokens`, `audit`. Each checks that
//! its arms give right answers before it times them. No figure here is ever a test.

mod audit;
mod document;
mod ff1;
mod http;
mod json;
mod machine;
mod measure;
mod process;
mod report;
mod tokens;

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use measure::Pace;
use report::{Report, Section};

/// The gateway has the same allocator, and so has the bare proxy it is compared with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Runs comparisons. All of them, unless named, and without --quick: writes
/// benches/RESULTS.md. Always writes bench/summary.json and bench/RESULTS.md in the
/// target folder.
#[derive(Parser)]
struct Arguments {
    /// Which comparisons to run.
    comparisons: Vec<Comparison>,
    /// Short rounds: shows that everything runs, the figures mean little.
    #[arg(long)]
    quick: bool,
    /// Be the bare proxy between two addresses, and nothing else.
    #[arg(long, hide = true, num_args = 2, value_names = ["LISTEN", "UPSTREAM"])]
    bare_proxy: Vec<SocketAddr>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Comparison {
    Ff1,
    Json,
    Http,
    Tokens,
    Audit,
}

impl Comparison {
    fn run(self, pace: Pace, folder: &std::path::Path) -> Outcome<Section> {
        match self {
            Self::Ff1 => ff1::compare(pace),
            Self::Json => json::compare(pace),
            Self::Http => http::compare(pace, folder),
            Self::Tokens => tokens::compare(pace, folder),
            Self::Audit => audit::compare(pace, folder),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.bare_proxy.as_slice() {
        [listen, upstream] => http::bare::serve(*listen, *upstream),
        _ => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome<()> {
    let pace = if arguments.quick { Pace::QUICK } else { Pace::FULL };
    let all = arguments.comparisons.is_empty();
    let chosen = if all { Comparison::value_variants() } else { &arguments.comparisons };
    let folder = machine::target_folder()?.join("bench");
    std::fs::create_dir_all(&folder)?;
    let mut report = Report::new();
    let mut failed = Vec::new();
    for comparison in chosen {
        let name = comparison.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
        say(&format!("{name} ..."));
        match comparison.run(pace, &folder) {
            Ok(section) => {
                say(&section.table());
                report.add(section);
            }
            Err(error) => {
                say(&format!("{name} failed: {error}"));
                failed.push(name);
            }
        }
    }
    report.write_summary(&folder.join("summary.json"))?;
    let mut results = vec![folder.join("RESULTS.md")];
    if all && !arguments.quick && failed.is_empty() {
        results.push(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md"));
    }
    for path in results {
        report.write_results(&path, pace)?;
        say(&format!("wrote {}", path.display()));
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}

/// Prints a line; that nobody reads it is not our business.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
