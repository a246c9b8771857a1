//! The `allonym` command.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    allonym::commands::carry_out(allonym::commands::Arguments::parse())
}
