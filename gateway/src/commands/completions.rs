//! `allonym completions`.

use std::process::ExitCode;

use clap::CommandFactory;

use super::Outcome;

/// For which shell.
#[derive(clap::Args)]
pub struct Arguments {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let mut command = super::Arguments::command();
    clap_complete::generate(
        arguments.shell,
        &mut command,
        "allonym",
        &mut std::io::stdout().lock(),
    );
    Ok(ExitCode::SUCCESS)
}
