//! Who a connector's callers are: its `callers:` section as an [`Identifier`].

use std::collections::HashMap;
use std::sync::Arc;

use allonym_http::{Anonymous as TypedAnonymous, Jwks, JwtCallers};

use crate::config::{Config, ConfigErrors, Connector, ConnectorConfig};
use crate::identity::{
    Anonymous, Identifier, JwksSource, JwtAlgorithm, JwtConfig, JwtVerifier, TokenBook,
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
        let ConnectorConfig::Http(http) = &connector.config;
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
