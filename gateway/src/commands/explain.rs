//! `allonym explain`.

use std::path::Path;
use std::process::ExitCode;

use super::{Failure, Out, Outcome, unexpected};
use crate::api::client::Client;
use crate::api::{Explained, Reply, Request};
use crate::config::{Config, ConnectorConfig};
use crate::sandbox::Sandbox;

/// Which place, for whom.
#[derive(clap::Args)]
pub struct Arguments {
    /// The connector.
    connector: String,
    /// The place, as the configuration writes it (a concrete path will do too).
    place: String,
    /// The role.
    #[arg(long = "as")]
    role: String,
    /// The purpose.
    #[arg(long)]
    purpose: Option<String>,
}

pub(super) fn run(config: &Path, arguments: Arguments, out: &Out) -> Outcome {
    let Arguments { connector, place, role, purpose } = arguments;
    let config = Config::load(config).map_err(|errors| Failure::all(errors.0))?;
    let known = config.connectors.iter().find(|known| known.name == connector);
    let nothing = match known.map(|known| &known.config) {
        Some(ConnectorConfig::Postgres(_)) => format!(
            "connector `{connector}` protects no columns: every statement passes as it is, whoever sends it"
        ),
        _ => format!("nothing is protected at `{place}`: everything passes as it is"),
    };
    let fields = match Client::connect(&config.admin.socket) {
        Some(mut client) => {
            let request = Request::Explain { connector, place, role, purpose };
            let Reply::Explanation(fields) = client.ask(&request)? else {
                return Err(unexpected());
            };
            fields
        }
        None => before_the_first_start(config, &connector, &place, &role, purpose.as_deref())?,
    };
    out.document(&fields);
    if fields.is_empty() {
        out.say(&nothing);
    }
    for field in fields {
        let version = field.key_version.as_deref().unwrap_or("-");
        out.say(&format!(
            "{:<26} {:<14} {:<28} key version {version:<4} {:<10} {}",
            field.field, field.class, field.method, field.outcome, field.because
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Without a gateway there are no key versions to tell, but all the rest holds.
fn before_the_first_start(
    config: Config,
    connector: &str,
    place: &str,
    role: &str,
    purpose: Option<&str>,
) -> Result<Vec<Explained>, Failure> {
    let sandbox = Sandbox::open(config).map_err(|error| Failure::all(error.lines()))?;
    let fields = sandbox.gateway.explain(connector, place, role, purpose)?;
    Ok(fields.into_iter().map(|field| Explained { key_version: None, ..field }).collect())
}
