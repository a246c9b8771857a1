//! `allonym reload`.

use std::path::Path;
use std::process::ExitCode;

use super::{Failure, Out, Outcome, unexpected};
use crate::api::client::Client;
use crate::api::{Problem, Reply, Request};
use crate::config::Config;

pub(super) fn run(path: &Path, out: &Out) -> Outcome {
    let config = Config::load(path).map_err(|errors| Failure::all(errors.0))?;
    let Some(mut client) = Client::connect(&config.admin.socket) else {
        let detail = "no gateway runs: it reads its configuration when it starts";
        return Err(Problem::new("not-serving", detail).into());
    };
    let Reply::Done(text) = client.ask(&Request::Reload)? else { return Err(unexpected()) };
    out.document(&serde_json::json!({ "done": text }));
    out.say(&text);
    Ok(ExitCode::SUCCESS)
}
