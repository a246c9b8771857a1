//! What a reviewer and an operator should know.

use std::collections::HashSet;
use std::time::SystemTime;

use allonym_contract::Tokens;
use allonym_contract::config::TlsChoice;
use allonym_http::Unlisted;
use allonym_policy::{Outcome, ReadQuestion, Right};
use allonym_postgres::{Login, PostgresConfig, UpstreamTlsChoice};
use allonym_protect::MethodSpec;
use allonym_store::Store;

use super::class::has_one_version;
use super::{Plan, domains, rotation};
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
            add(
                true,
                format!(
                    "class `{}` is destroyed on the way in (`{}`): nobody can ever reveal it",
                    class.name,
                    protected.method_name()
                ),
            );
        }
    }
    for warning in plan.classes.iter().filter_map(domains::low_entropy) {
        add(warning.serious, warning.text);
    }
    for (name, place) in &plan.places {
        if place.tokens != Tokens::Refuse && !name.starts_with("local ") {
            add(
                false,
                format!(
                    "{name} takes protected values as they are, from principals with `write_token`"
                ),
            );
        }
    }
    for (class, role) in unmarked_for_writers(config, plan) {
        add(
            true,
            format!(
                "role `{role}` may write `{class}`, whose protected form carries no mark, and sees it protected: such answers are refused; give it `reveal` or `mask`"
            ),
        );
    }
    for (shown, hidden, role) in shared_domains(config, plan) {
        add(
            true,
            format!(
                "role `{role}` may reveal `{shown}` and not `{hidden}`, which share a domain: it can have values of `{hidden}` revealed as `{shown}`"
            ),
        );
    }
    for connector in &config.connectors {
        let http = match &connector.config {
            ConnectorConfig::Http(http) => http,
            ConnectorConfig::Postgres(postgres) => {
                of_postgres(&connector.name, postgres, &mut add);
                continue;
            }
        };
        if http.unlisted == Unlisted::Pass {
            add(
                true,
                format!(
                    "connector `{}` passes routes that are not listed, unread (`unlisted: pass`)",
                    connector.name
                ),
            );
        }
        if !matches!(http.tls, Some(TlsChoice::Pem(_))) {
            add(false, format!("connector `{}` listens without TLS", connector.name));
        }
    }
    warnings.sort_by(|a, b| b.serious.cmp(&a.serious).then_with(|| a.text.cmp(&b.text)));
    warnings
}

/// What is to be known of a PostgreSQL connector.
fn of_postgres(name: &str, postgres: &PostgresConfig, add: &mut impl FnMut(bool, String)) {
    for role in postgres.callers.users.shared() {
        add(
            true,
            format!(
                "connector `{name}`: several users are `{role}` at the server: its grants, row security and `current_user` cannot tell them apart"
            ),
        );
    }
    let callers = &postgres.callers;
    if callers.users.0.is_empty() {
        add(
            true,
            format!("connector `{name}`: nobody can log in: `callers: {{ users: }}` is empty"),
        );
    }
    for (user, typed) in &callers.users.0 {
        if callers.login == Login::Scram && typed.upstream_password.is_none() {
            let role = typed.upstream_user.as_deref().unwrap_or(&user.value);
            add(
                false,
                format!(
                    "connector `{name}`: user `{}` has no `upstream_password`: it gets in only where the server asks `{role}` for none",
                    user.value
                ),
            );
        }
    }
    if !matches!(postgres.tls, Some(TlsChoice::Pem(_))) {
        add(false, format!("connector `{name}` listens without TLS"));
    }
    if matches!(postgres.upstream_tls, UpstreamTlsChoice::Off) {
        add(false, format!("connector `{name}` reaches its server without TLS"));
    }
}

/// Roles that may write an unmarked class and would be handed its protected form.
fn unmarked_for_writers(config: &Config, plan: &Plan) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let roles: std::collections::BTreeSet<&str> =
        config.access.iter().map(|rule| rule.role.value.as_str()).collect();
    for place in plan.places.iter().filter(|(name, _)| !name.starts_with("local ")) {
        for field in &place.1.fields {
            let Some(class) = plan.classes.get(field.class).filter(|class| !class.is_marked())
            else {
                continue;
            };
            for role in &roles {
                let roles = [(*role).to_owned()];
                let now = SystemTime::now();
                // With the first purpose there is, as the best case for the reader.
                let purpose = config.purposes.first().map(|purpose| purpose.value.as_str());
                let (class, place) = (&*class.name, &**place.0);
                let writes = plan.policy.could(&roles, Right::Write, class);
                let read = plan.policy.outcome(&ReadQuestion {
                    roles: &roles,
                    class,
                    place,
                    purpose,
                    now,
                });
                let best =
                    read.ranked.first().map_or(Outcome::Protected, |granted| granted.outcome);
                if writes && best == Outcome::Protected {
                    found.push((class.to_owned(), (*role).to_owned()));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Classes of one domain that a role may not see alike.
fn shared_domains(config: &Config, plan: &Plan) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let sees =
        |role: &str, class: &str| plan.policy.could(&[role.to_owned()], Right::Reveal, class);
    for (index, class) in plan.classes.iter().enumerate() {
        let Some(protected) = class.protected() else { continue };
        for other in plan.classes.iter().skip(index + 1) {
            if other.protected().is_none_or(|p| p.domain_name != protected.domain_name) {
                continue;
            }
            for rule in &config.access {
                let role = rule.role.value.as_str();
                let pair = match (sees(role, &class.name), sees(role, &other.name)) {
                    (true, false) => (&class.name, &other.name),
                    (false, true) => (&other.name, &class.name),
                    _ => continue,
                };
                found.push((pair.0.to_string(), pair.1.to_string(), role.to_owned()));
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
    let backed_up = matches!(store.last_verified_backup(), Ok(Some(_)));
    if backed_up && matches!(store.newer_than_backup(), Ok(true)) {
        add(true, "a key version or a domain is newer than the last verified backup: what it protects would be lost with the store; run `allonym backup FILE`".to_owned());
    }
    if !backed_up {
        add(true, "no backup was ever verified: run `allonym backup FILE`".to_owned());
    }
    if matches!(store.restored_since(), Ok(Some(info)) if !info.unrotated.is_empty()) {
        add(true, "the store was restored from a backup: versions made after it are gone, and a key rotates only with `--from-version` (the audit log knows the numbers)".to_owned());
    }
    for class in waiting(store, plan) {
        add(
            true,
            format!(
                "the store was restored from a backup: new tokens of class `{class}` are refused until somebody says how many may have been issued since (`allonym tokens resume {class} --skip N`)"
            ),
        );
    }
    let domains = store.domains().unwrap_or_default();
    for key in store.keys().unwrap_or_default() {
        if let Some(text) = rotation::slot_warning(plan, config, &key, &domains) {
            add(true, text);
        }
        for class in plan.classes.iter().filter(|class| !class.retired) {
            let Some(protected) = class.method_of().filter(|p| p.key_name == key.name) else {
                continue;
            };
            if let Some(why) = rotation::no_room(&protected.method, &key)
                && !rotation::is_used(protected, &domains)
                && !has_one_version(&protected.spec.method)
            {
                add(
                    true,
                    format!(
                        "class `{}` can protect nothing any more: {why}; give it another key, since it never protected a value",
                        class.name
                    ),
                );
            }
        }
    }
    warnings
}

/// For each domain whose counters wait after a restore the first class that takes from
/// them.
fn waiting<'a>(store: &Store, plan: &'a Plan) -> Vec<&'a str> {
    let waiting = store.counters_waiting().unwrap_or_default();
    let named = store.domains().unwrap_or_default().into_iter();
    // By name: a plan that was compiled to be looked at has ids of its own.
    let named = named.filter(|domain| waiting.contains(&domain.id)).map(|domain| domain.name);
    let mut waiting: HashSet<String> = named.collect();
    let classes = plan.classes.iter().filter_map(|class| Some((class, class.method_of()?)));
    let counted = classes.filter(|(_, protected)| match &protected.spec.method {
        MethodSpec::Token { template, .. } => template.is_counted(),
        _ => false,
    });
    counted
        .filter(|(_, protected)| waiting.remove(&protected.domain_name))
        .map(|(class, _)| &*class.name)
        .collect()
}
