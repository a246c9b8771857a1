//! Ratios measured against a peer or a physical floor in the same run.
//!
//! ```text
//!   comparison ──▶ arms, interleaved ──▶ series ──▶ rows ──▶ RESULTS.md, summary.json
//! ```
//!
//! One comparison is one file: `ff1`, `methods`, `json`, `http`, `postgres`, `tokens`, `audit`. Each checks that
//! its arms give right answers before it times them. No figure here is ever a test.

mod audit;
mod comparison;
mod document;
mod ff1;
mod http;
mod json;
mod machine;
mod measure;
mod methods;
mod postgres;
mod process;
mod report;
mod tokens;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use comparison::Arguments;

/// The gateway has the same allocator, and so has the bare proxy it is compared with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.bare_proxy.as_slice() {
        [listen, upstream] => http::bare::serve(*listen, *upstream),
        _ => arguments.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line; that nobody reads it is not our business.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
