//! `allonym check`.

mod domains;

use std::path::Path;
use std::process::ExitCode;

use allonym_postgres::Login;

use super::{Failure, Out, Outcome};
use crate::api::client::Client;
use crate::api::{Reply, Request};
use crate::config::{Config, ConnectorConfig, StoreKind};
use crate::plan::{self, Plan, Stored};
use crate::runtime::{cut_warning, look_at_store, missing, without_password};
use crate::sandbox::Sandbox;

/// What `check` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Says of each transformation how large its domain is, what its protected values
    /// give away, and which quota keeps a caller from making a code book.
    #[arg(long)]
    pub domains: bool,
}

pub(super) fn run(path: &Path, arguments: &Arguments, out: &Out) -> Outcome {
    let load = || Config::load(path).map_err(|errors| Failure::all(errors.0));
    let config = load()?;
    // Compiled with throw-away keys: checking changes nothing that is kept.
    let sandbox = Sandbox::open(load()?).map_err(|error| Failure::all(error.lines()))?;
    let plan = sandbox.gateway.plan();
    let installation = installation(&config, &plan)?;
    if out.is_json() {
        let mut document = document(&plan, &installation);
        if let (true, Some(fields)) = (arguments.domains, document.as_object_mut()) {
            fields.insert("domains".to_owned(), serde_json::json!(plan.domains()));
        }
        out.document(&document);
        return Ok(ExitCode::SUCCESS);
    }
    for line in meaning(&plan).into_iter().chain(logins(&config)) {
        out.say(&line);
    }
    if arguments.domains {
        out.say("domains");
        domains::lines(&plan.domains()).iter().for_each(|line| out.say(line));
    }
    for warning in &plan.warnings {
        if warning.serious {
            out.alarm(&format!("warning: {}", warning.text));
        } else {
            out.say(&format!("note: {}", warning.text));
        }
    }
    for missing in &installation.missing {
        out.alarm(&format!("warning: a gateway would not start here: {missing}"));
    }
    match installation.warnings {
        None => out.say("note: there is no store yet: `allonym run` makes it"),
        Some(warnings) => {
            warnings.iter().for_each(|warning| out.alarm(&format!("warning: {warning}")));
        }
    }
    out.say(&format!("{}: valid", config.file));
    Ok(ExitCode::SUCCESS)
}

/// What is to be known beside the configuration.
struct Installation {
    /// Of the store; `None` if there is none yet.
    warnings: Option<Vec<String>>,
    /// What is named and cannot be had where this command runs. A gateway that runs says
    /// what it misses itself.
    missing: Vec<String>,
}

/// Asks the gateway if it runs, else looks into the store.
fn installation(config: &Config, plan: &Plan) -> Result<Installation, Failure> {
    if let Some(mut client) = Client::connect(&config.admin.socket) {
        let warnings = match client.ask(&Request::Check) {
            Ok(Reply::Warnings(warnings)) => warnings,
            Ok(_) => return Err(super::unexpected()),
            Err(problem) if problem.rule == "config-invalid" => {
                return Err(Failure::new(problem.detail));
            }
            Err(problem) => {
                vec![format!("of the running gateway nothing is known: {}", problem.detail)]
            }
        };
        return Ok(Installation { warnings: Some(warnings), missing: Vec::new() });
    }
    Ok(Installation { warnings: stored(config, plan)?, missing: missing(config) })
}

/// What is to be known of the store. `None` if there is none yet.
fn stored(config: &Config, plan: &Plan) -> Result<Option<Vec<String>>, Failure> {
    let store = match look_at_store(config) {
        Ok(Some(store)) => store,
        Ok(None) => return Ok(None),
        // A configuration is checked also where its database cannot be reached.
        Err(error) if matches!(config.store.kind, StoreKind::Postgres(_)) => {
            return Ok(Some(vec![format!("of the store nothing is known: {error}")]));
        }
        Err(error) => return Err(Failure::all(error.lines())),
    };
    plan::check_pins(config, &store).map_err(|errors| Failure::all(errors.0))?;
    let warnings = plan::installation_warnings(&store, plan, config);
    let texts = warnings.into_iter().map(|warning| warning.text);
    let logins = without_password(&store, config);
    Ok(Some(cut_warning(&store).into_iter().chain(texts).chain(logins).collect()))
}

/// The configuration in other words: classes, places and who may do what.
fn meaning(plan: &Plan) -> Vec<String> {
    let mut lines = vec!["classes".to_owned()];
    for class in &plan.classes {
        let how = match &class.stored {
            Stored::Plain(None) => "stored plain".to_owned(),
            Stored::Plain(Some(protected)) => {
                format!("stored plain, {} on the way out", protected.method_name())
            }
            Stored::Protected(protected) => format!(
                "{}, key {}, {}",
                protected.method_name(),
                protected.key_name,
                if protected.is_marked() { "marked" } else { "unmarked" }
            ),
        };
        lines.push(format!("  {:<18} {how}", class.name));
    }
    lines.push("places".to_owned());
    let mut places: Vec<_> =
        plan.places.iter().filter(|(name, _)| !name.starts_with("local ")).collect();
    places.sort_by(|a, b| a.0.cmp(b.0));
    for (name, place) in places {
        lines.push(format!("  {name}"));
        for field in &place.fields {
            let class = plan.classes.get(field.class).map_or("?", |class| &*class.name);
            lines.push(format!("    {:<32} {class}", field.name));
        }
    }
    lines.push("access (as Cedar)".to_owned());
    lines.extend(plan.policy.cedar_text().lines().map(|line| format!("  {line}")));
    lines
}

/// Who may log in to databases, and as whom.
fn logins(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for connector in &config.connectors {
        let ConnectorConfig::Postgres(postgres) = &connector.config else { continue };
        let how = match postgres.callers.login {
            Login::Scram => "passwords of `allonym db-users`, or certificates",
            Login::Password => "passwords of the server",
            Login::Relay => "relayed",
        };
        lines.push(format!("logins at {} ({how})", connector.name));
        for (name, user) in &postgres.callers.users.0 {
            let at_server = user.upstream_user.as_deref().unwrap_or(&name.value);
            let by = if user.certificate.is_some() { ", by certificate" } else { "" };
            let (name, role) = (&name.value, &user.role);
            lines.push(format!("  {name:<32} role {role}, `{at_server}` at the server{by}"));
        }
    }
    lines
}

fn document(plan: &Plan, installation: &Installation) -> serde_json::Value {
    let classes: Vec<_> = plan.classes.iter().map(|class| class.name.to_string()).collect();
    let mut places: Vec<_> =
        plan.places.keys().filter(|name| !name.starts_with("local ")).collect();
    places.sort();
    let warnings: Vec<_> = plan
        .warnings
        .iter()
        .map(|warning| serde_json::json!({ "serious": warning.serious, "text": warning.text }))
        .collect();
    serde_json::json!({
        "valid": true,
        "classes": classes,
        "places": places,
        "warnings": warnings,
        "installation": installation.warnings,
        "missing": installation.missing,
    })
}
