//! `allonym run`.

use std::path::Path;
use std::process::ExitCode;

use super::{Failure, Out, Outcome};
use crate::config::Config;
use crate::runtime::Gateway;

/// How to serve.
#[derive(clap::Args)]
pub struct Arguments {
    /// Worker threads; one for each core unless it is said.
    #[arg(long)]
    threads: Option<usize>,
}

pub(super) fn run(config: &Path, arguments: &Arguments, out: &Out) -> Outcome {
    // One TLS provider for everything, before any TLS object is made.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // A connection to a database is two files, and the usual limit is about a thousand.
    // Where it cannot be raised, those who find no file wait.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let config = Config::load(config).map_err(|errors| Failure::all(errors.0))?;
    let said = |line: &str| {
        use std::io::Write;
        let _ = writeln!(std::io::stderr().lock(), "{}", paint(line));
    };
    let gateway = Gateway::open(config, said).map_err(|error| Failure::all(error.lines()))?;
    for warning in gateway.warnings() {
        out.error(&paint(&format!("warning: {warning}")));
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = arguments.threads {
        builder.worker_threads(threads.max(1));
    }
    let runtime =
        builder.enable_all().build().map_err(|error| Failure::new(format!("allonym: {error}")))?;
    runtime.block_on(gateway.serve(said)).map_err(|error| Failure::all(error.lines()))?;
    Ok(ExitCode::SUCCESS)
}

/// Warnings are red where somebody looks on.
fn paint(line: &str) -> std::borrow::Cow<'_, str> {
    use std::io::IsTerminal;
    if line.starts_with("warning: ") && std::io::stderr().is_terminal() {
        format!("\u{1b}[31m{line}\u{1b}[0m").into()
    } else {
        line.into()
    }
}
