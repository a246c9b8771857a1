//! `allonym db-users`.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use allonym_postgres::Verifier;
use allonym_postgres::scram::DEFAULT_ITERATIONS;
use clap::Subcommand;
use zeroize::Zeroizing;

use super::{Failure, Out, Outcome, ask, unexpected};
use crate::api::{Reply, Request};

/// The longest password that is read, in bytes.
const LONGEST: u64 = 4096;

/// Logins of database users.
#[derive(Subcommand)]
pub enum Verb {
    /// Gives a user of a connector a password: typed, or one line of standard input. Only
    /// what it is verified by is kept.
    Add {
        /// The name it has in `callers: { users: }` of a connector.
        name: String,
        /// Another password for one that has one.
        #[arg(long)]
        replace: bool,
        /// Makes a password, and prints it this once.
        #[arg(long, conflicts_with = "verifier")]
        generate: bool,
        /// Takes what PostgreSQL verifies the password by, as `pg_authid` has it, in the
        /// place of the password.
        #[arg(long)]
        verifier: bool,
    },
    /// Lists who has a password.
    List,
    /// Ends a login.
    Remove {
        /// The user's name.
        name: String,
    },
}

pub(super) fn run(config: &Path, verb: Verb, out: &Out) -> Outcome {
    let mut made = None;
    let request = match verb {
        Verb::Add { name, replace, generate, verifier } => {
            let secret = if generate { password()? } else { typed(verifier)? };
            let text = if verifier {
                secret.to_string()
            } else {
                let made = Verifier::from_password(secret.as_bytes(), DEFAULT_ITERATIONS);
                made.map_err(|_| no_randomness())?.to_text().to_string()
            };
            made = generate.then_some(secret);
            Request::PutDbUser { name, verifier: text, replace }
        }
        Verb::List => Request::DbUsers,
        Verb::Remove { name } => Request::RemoveDbUser { name },
    };
    match ask(config, request)? {
        Reply::DbUsers(users) => {
            out.document(&users);
            for user in users {
                let connectors = user.connectors.join(", ");
                let known =
                    if connectors.is_empty() { "no connector knows it" } else { &connectors };
                out.say(&format!("{:<32} {known}", user.name));
            }
        }
        Reply::Done(text) => {
            let shown = made.as_ref().map(|password| password.as_str());
            out.document(&serde_json::json!({ "done": text, "password": shown }));
            out.say(&text);
            if let Some(password) = shown {
                out.say(&format!("password: {password}"));
            }
        }
        _ => return Err(unexpected()),
    }
    Ok(ExitCode::SUCCESS)
}

/// One line, not shown while it is typed.
fn typed(is_verifier: bool) -> Result<Zeroizing<String>, Failure> {
    let what = if is_verifier { "verifier" } else { "password" };
    let unread = |_| Failure::new(format!("allonym: the {what} cannot be read"));
    let line = if std::io::stdin().is_terminal() {
        let typed =
            Zeroizing::new(rpassword::prompt_password(format!("{what}: ")).map_err(unread)?);
        if !is_verifier {
            let again = rpassword::prompt_password("again: ").map_err(unread)?;
            if *Zeroizing::new(again) != *typed {
                return Err(Failure::new("allonym: the two are not the same"));
            }
        }
        typed
    } else {
        let mut text = Zeroizing::new(String::with_capacity(LONGEST as usize + 1));
        std::io::stdin().take(LONGEST + 1).read_to_string(&mut text).map_err(unread)?;
        Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())
    };
    if line.is_empty() || line.len() as u64 > LONGEST || line.contains(['\n', '\0']) {
        return Err(Failure::new(format!("allonym: a {what} is one line of 1 to {LONGEST} bytes")));
    }
    Ok(line)
}

/// 160 random bits in letters and digits that nobody mistakes for another.
fn password() -> Result<Zeroizing<String>, Failure> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).map_err(|_| no_randomness())?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().map(char::from);
    Ok(Zeroizing::new(random.iter().filter_map(letter).collect()))
}

fn no_randomness() -> Failure {
    Failure::new("allonym: the operating system has no randomness to give")
}
