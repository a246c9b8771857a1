//! Who a connector's callers are: its `callers:` section as an [`Identifier`].

use std::collections::HashMap;
use std::sync::Arc;

use allonym_http::{Anonymous as TypedAnonymous, Jwks, JwtCallers};
use allonym_postgres::PostgresConfig;

use crate::config::{Config, ConfigErrors, Connector, ConnectorConfig};
use crate::identity::{
    Anonymous, DatabaseUser, Identifier, JwksSource, JwtAlgorithm, JwtConfig, JwtVerifier,
    TokenBook,
};

/// What a plan is compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Callers {
    /// Serving: key sets are fetched and kept current.
    Identified,
    /// Looking at the configuration: everything is checked, nothing is fetched.
    Examined,
}

/// An identifier for each connector.
pub(super) fn identifiers(
    config: &Config,
    tokens: &Arc<TokenBook>,
    callers: Callers,
) -> Result<HashMap<String, Identifier>, ConfigErrors> {
    let mut identifiers = HashMap::new();
    for connector in &config.connectors {
        let http = match &connector.config {
            ConnectorConfig::Http(http) => http,
            ConnectorConfig::Postgres(postgres) => {
                let users = database_users(config, connector, postgres)?;
                let nobody = Identifier::new(Arc::clone(tokens), None, Anonymous::Refuse);
                identifiers.insert(connector.name.clone(), nobody.with_users(users));
                continue;
            }
        };
        let wrong = |message: String, hint: &str| {
            let hint = (!hint.is_empty()).then(|| hint.to_owned());
            ConfigErrors(vec![config.error_at(connector.at, message, hint)])
        };
        let jwt = match &http.callers.jwt {
            None => None,
            Some(typed) => {
                let accepted =
                    accepted(typed, connector).map_err(|(what, hint)| wrong(what, hint))?;
                let jwt = match callers {
                    Callers::Identified => JwtVerifier::start(accepted).map(Some),
                    Callers::Examined => accepted.check().map(|()| None),
                };
                jwt.map_err(|error| wrong(format!("callers.jwt: {error}"), ""))?
            }
        };
        let anonymous = match http.callers.anonymous {
            TypedAnonymous::Refuse => Anonymous::Refuse,
            TypedAnonymous::Read => Anonymous::Read,
        };
        let identifier = Identifier::new(Arc::clone(tokens), jwt, anonymous);
        identifiers.insert(connector.name.clone(), identifier);
    }
    Ok(identifiers)
}

/// The users of a PostgreSQL connector, each with a role and a purpose that exist.
fn database_users(
    config: &Config,
    connector: &Connector,
    postgres: &PostgresConfig,
) -> Result<HashMap<String, DatabaseUser>, ConfigErrors> {
    let mut users = HashMap::new();
    for (name, user) in &postgres.callers.users.0 {
        let wrong = |message: String, hint: &str| {
            let at = allonym_contract::config::location(name);
            ConfigErrors(vec![config.error_at(at, message, Some(hint.to_owned()))])
        };
        let (user_name, connector) = (&name.value, &connector.name);
        if !config.access.iter().any(|rule| rule.role.value == user.role) {
            let message =
                format!("connector `{connector}`: user `{user_name}` has role `{}`", user.role);
            return Err(wrong(message, "no entry of `access:` is for this role"));
        }
        if let Some(purpose) = &user.purpose
            && !config.purposes.iter().any(|known| known.value == *purpose)
        {
            let message =
                format!("connector `{connector}`: user `{user_name}` has purpose `{purpose}`");
            return Err(wrong(message, "it is not in `purposes:`"));
        }
        let known = DatabaseUser { role: user.role.clone(), purpose: user.purpose.clone() };
        users.insert(user_name.clone(), known);
    }
    Ok(users)
}

fn accepted(
    typed: &JwtCallers,
    connector: &Connector,
) -> Result<JwtConfig, (String, &'static str)> {
    let jwks = match &typed.jwks {
        Jwks::File(path) => JwksSource::File(path.clone()),
        Jwks::Url(url) => JwksSource::Url { url: url.clone(), roots: None },
    };
    let mut accepted = JwtConfig::new(typed.issuer.clone(), typed.audience.clone(), jwks);
    if let Some(names) = &typed.algorithms {
        let named = |name: &String| {
            JwtAlgorithm::named(name).ok_or_else(|| {
                let name = &connector.name;
                (
                    format!("connector `{name}`: an algorithm that is not accepted"),
                    "RS256, ES256 or EdDSA",
                )
            })
        };
        accepted.algorithms = names.iter().map(named).collect::<Result<_, _>>()?;
    }
    accepted.roles_claim.clone_from(&typed.roles_claim);
    accepted.purpose_claim.clone_from(&typed.purpose_claim);
    accepted.claims.clone_from(&typed.tenant_claims);
    Ok(accepted)
}
