//! What a reviewer and an operator should know.

use std::time::SystemTime;

use allonym_contract::Tokens;
use allonym_http::{TlsChoice, Unlisted};
use allonym_policy::{Outcome, Question, ReadQuestion, Right};
use allonym_store::Store;

use super::{Plan, rotation};
use crate::config::{Config, ConnectorConfig};

/// Something that is allowed and should be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Whether it can cost data: printed in red.
    pub serious: bool,
    /// What it is.
    pub text: String,
}

pub(super) fn of(config: &Config, plan: &Plan) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut add = |serious, text| warnings.push(Warning { serious, text });
    for class in &plan.classes {
        if let Some(protected) = class.protected()
            && !protected.is_reversible()
        {
            add(true, format!("class `{}` is destroyed on the way in (`{}`): nobody can ever reveal it", class.name, protected.method_name()));
        }
    }
    for (name, place) in &plan.places {
        if place.tokens != Tokens::Refuse && !name.starts_with("local ") {
            add(false, format!("{name} takes protected values as they are, from principals with `write_token`"));
        }
    }
    for (class, role) in unmarked_for_writers(config, plan) {
        add(true, format!("role `{role}` may write `{class}`, whose protected form carries no mark, and sees it protected: such answers are refused; give it `reveal` or `mask`"));
    }
    for connector in &config.connectors {
        let ConnectorConfig::Http(http) = &connector.config;
        if http.unlisted == Unlisted::Pass {
            add(true, format!("connector `{}` passes routes that are not listed, unread (`unlisted: pass`)", connector.name));
        }
        if !matches!(http.tls, Some(TlsChoice::Pem(_))) {
            add(false, format!("connector `{}` listens without TLS", connector.name));
        }
    }
    warnings.sort_by(|a, b| b.serious.cmp(&a.serious).then_with(|| a.text.cmp(&b.text)));
    warnings
}

/// Roles that may write an unmarked class and would be handed its protected form.
fn unmarked_for_writers(config: &Config, plan: &Plan) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let roles: std::collections::BTreeSet<&str> =
        config.access.iter().map(|rule| rule.role.value.as_str()).collect();
    for place in plan.places.iter().filter(|(name, _)| !name.starts_with("local ")) {
        for field in &place.1.fields {
            let Some(class) = plan.classes.get(field.class).filter(|class| !class.is_marked()) else {
                continue;
            };
            for role in &roles {
                let roles = [(*role).to_owned()];
                let now = SystemTime::now();
                // With the first purpose there is, as the best case for the reader.
                let purpose = config.purposes.first().map(|purpose| purpose.value.as_str());
                let (class, place) = (&*class.name, &**place.0);
                let write = plan.policy.decide(&Question { roles: &roles, right: Right::Write, class, place, purpose, now });
                let read = plan.policy.outcome(&ReadQuestion { roles: &roles, class, place, purpose, now });
                let best = read.ranked.first().map_or(Outcome::Protected, |granted| granted.outcome);
                if !write.permits.is_empty() && best == Outcome::Protected {
                    found.push((class.to_owned(), (*role).to_owned()));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// What an operator should know of an installation: its seals, its backups, its keys.
#[must_use]
pub fn installation_warnings(store: &Store, plan: &Plan, config: &Config) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut add = |serious, text: String| warnings.push(Warning { serious, text });
    match store.seals() {
        Ok(seals) if seals.len() < 2 => add(true, "there is only one seal: if it is lost, everything is; add a second one (`seal: [ { file: … }, { passphrase: … } ]`)".to_owned()),
        Ok(_) => {}
        Err(error) => add(true, format!("the store cannot be read: {error}")),
    }
    if !matches!(store.last_verified_backup(), Ok(Some(_))) {
        add(true, "no backup was ever verified: run `allonym backup FILE`".to_owned());
    }
    for key in store.keys().unwrap_or_default() {
        if let Some(text) = rotation::slot_warning(plan, config, &key) {
            add(true, text);
        }
    }
    warnings
}
