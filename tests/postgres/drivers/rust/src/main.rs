//! Real tokio-postgres and sqlx against the server that the PG* variables name.
//!
//! `rust-drivers [login] [tokio-postgres|sqlx]...`: everything, or a login alone, with both
//! drivers unless one is named. `rust-drivers bulk sqlx`: much data, and its digest.

#![allow(clippy::indexing_slicing, reason = "a check that looks where nothing is fails")]

mod bulk;
mod checks;
mod literals;
mod with_sqlx;
mod with_tokio_postgres;

use std::io::Write;
use std::process::ExitCode;

use checks::{Checks, Done};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "FAILED: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Done {
    let (drivers, parts): (Vec<_>, Vec<_>) = arguments
        .iter()
        .map(String::as_str)
        .partition(|argument| ["tokio-postgres", "sqlx"].contains(argument));
    let drivers = if drivers.is_empty() { vec!["tokio-postgres", "sqlx"] } else { drivers };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut count = 0;
    for driver in drivers {
        let mut checks = Checks::of(driver);
        let tokio_postgres = driver == "tokio-postgres";
        runtime.block_on(async {
            match parts.as_slice() {
                [] if tokio_postgres => with_tokio_postgres::everything(&mut checks).await,
                [] => with_sqlx::everything(&mut checks).await,
                ["login"] if tokio_postgres => with_tokio_postgres::login(&mut checks).await,
                ["login"] => with_sqlx::login(&mut checks).await,
                ["bulk"] if !tokio_postgres => bulk::with_sqlx(&mut checks).await,
                _ => Err("rust-drivers [login] [tokio-postgres|sqlx]... | bulk sqlx".into()),
            }
        })?;
        count += checks.count();
    }
    writeln!(std::io::stdout(), "ok {count} checks")?;
    Ok(())
}
