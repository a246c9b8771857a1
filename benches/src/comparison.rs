//! Which comparisons run, and where their results go.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use crate::measure::Pace;
use crate::report::{Report, Section};
use crate::{Outcome, audit, ff1, http, json, machine, methods, postgres, say, tokens};

/// Runs comparisons. All of them, unless named, and without --quick: writes
/// benches/RESULTS.md. Always writes bench/summary.json and bench/RESULTS.md in the
/// target folder.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// Which comparisons to run.
    comparisons: Vec<Comparison>,
    /// Short rounds: shows that everything runs, the figures mean little.
    #[arg(long)]
    quick: bool,
    /// Be the bare proxy between two addresses, and nothing else.
    #[arg(long, hide = true, num_args = 2, value_names = ["LISTEN", "UPSTREAM"])]
    pub(crate) bare_proxy: Vec<SocketAddr>,
}

impl Arguments {
    /// Runs them one after the other. One that fails does not keep the others from running.
    pub(crate) fn run(&self) -> Outcome<()> {
        let pace = if self.quick { Pace::QUICK } else { Pace::FULL };
        let all = self.comparisons.is_empty();
        let chosen = if all { Comparison::value_variants() } else { &self.comparisons };
        let folder = machine::target_folder()?.join("bench");
        std::fs::create_dir_all(&folder)?;
        let mut report = Report::new();
        let mut failed = Vec::new();
        for comparison in chosen {
            let name = comparison
                .to_possible_value()
                .map_or_else(String::new, |v| v.get_name().to_owned());
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
        if all && !self.quick && failed.is_empty() {
            results.push(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md"));
        }
        for path in results {
            report.write_results(&path, pace)?;
            say(&format!("wrote {}", path.display()));
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(format!("failed: {}", failed.join(", ")).into())
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Comparison {
    Ff1,
    Methods,
    Json,
    Http,
    Postgres,
    Tokens,
    Audit,
}

impl Comparison {
    fn run(self, pace: Pace, folder: &Path) -> Outcome<Section> {
        match self {
            Self::Ff1 => ff1::compare(pace),
            Self::Methods => methods::compare(pace),
            Self::Json => json::compare(pace),
            Self::Http => http::compare(pace, folder),
            Self::Postgres => postgres::compare(pace, folder),
            Self::Tokens => tokens::compare(pace, folder),
            Self::Audit => audit::compare(pace, folder),
        }
    }
}
