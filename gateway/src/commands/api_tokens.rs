//! `allonym api-tokens`.

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Out, Outcome, ask, unexpected};
use crate::api::{Reply, Request};

/// Tokens that authenticate callers.
#[derive(Subcommand)]
pub enum Verb {
    /// Makes a token and prints it, this once.
    Create {
        /// What the audit log will call it.
        #[arg(long)]
        name: String,
        /// The role of `access:` it gives.
        #[arg(long)]
        role: String,
        /// A purpose fixed for it.
        #[arg(long)]
        purpose: Option<String>,
        /// A claim for tweak scopes, as NAME=VALUE; may be given again.
        #[arg(long = "claim")]
        claims: Vec<String>,
        /// Days until it ends.
        #[arg(long)]
        days: Option<u64>,
    },
    /// Lists the tokens, without their text.
    List,
    /// Ends a token at once.
    Revoke {
        /// Its name.
        name: String,
    },
}

pub(super) fn run(config: &Path, verb: Verb, out: &Out) -> Outcome {
    let request = match verb {
        Verb::Create { name, role, purpose, claims, days } => Request::CreateApiToken {
            name,
            role,
            purpose,
            claims: parse(&claims)?,
            // What is too long for a number is too long for the gateway, which says so.
            expires_in: days.map(|days| days.saturating_mul(86_400)),
        },
        Verb::List => Request::ApiTokens,
        Verb::Revoke { name } => Request::RevokeApiToken { name },
    };
    match ask(config, request)? {
        Reply::ApiToken(token) => {
            out.document(&serde_json::json!({ "token": token }));
            out.say(&token);
        }
        Reply::ApiTokens(tokens) => {
            out.document(&tokens);
            for token in tokens {
                let state = if token.revoked { "revoked" } else { "valid" };
                let purpose = token.purpose.as_deref().unwrap_or("-");
                out.say(&format!(
                    "{:<24} role: {:<12} purpose: {purpose:<14} {state}",
                    token.name, token.role
                ));
            }
        }
        Reply::Done(text) => {
            out.document(&serde_json::json!({ "done": text }));
            out.say(&text);
        }
        _ => return Err(unexpected()),
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(claims: &[String]) -> Result<std::collections::BTreeMap<String, String>, Failure> {
    let claim = |text: &String| {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Failure::new("allonym: a claim is written NAME=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    claims.iter().map(claim).collect()
}
