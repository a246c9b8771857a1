//! `allonym vectors`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use allonym_tokens::vectors;
use clap::Subcommand;

use super::{Failure, Out, Outcome};

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;

/// Vectors of ciphers and transformations.
#[derive(Subcommand)]
pub enum Verb {
    /// Holds this build to vectors, one JSON object a line: FF1, AES-SIV, whole
    /// transformations or rows of the token store (docs/vectors/README.md says how they are written).
    Check {
        /// The file, or `-` for standard input.
        file: PathBuf,
    },
}

pub(super) fn run(verb: &Verb, out: &Out) -> Outcome {
    let Verb::Check { file } = verb;
    let failed =
        |error: std::io::Error| Failure::new(format!("allonym: {}: {error}", file.display()));
    let tally = if file == Path::new("-") {
        check(&mut std::io::stdin().lock(), out)
    } else {
        File::open(file).and_then(|opened| check(&mut BufReader::new(opened), out))
    };
    let tally = tally.map_err(failed)?;
    out.document(&serde_json::json!({ "checked": tally.checked, "wrong": tally.wrong }));
    if tally.checked == 0 {
        out.say("nothing was checked");
        return Ok(ExitCode::FAILURE);
    }
    out.say(&format!("{} checked, {} wrong", tally.checked, tally.wrong.len()));
    Ok(if tally.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came of all lines.
#[derive(Default)]
struct Tally {
    checked: u64,
    /// The numbers of the lines that are wrong, from 1 on.
    wrong: Vec<u64>,
}

/// Checks line by line; empty ones are passed over.
fn check(input: &mut impl BufRead, out: &Out) -> std::io::Result<Tally> {
    let mut tally = Tally::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.len() as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
            return Err(std::io::Error::other(format!("line {number} is over 64 MiB")));
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        tally.checked += 1;
        if let Err(error) = vectors::check(text) {
            tally.wrong.push(number);
            out.say(&format!("line {number}: {error}"));
        }
    }
    Ok(tally)
}
