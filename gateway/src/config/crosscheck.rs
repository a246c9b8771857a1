//! What only shows when sections are seen together: names that are used and not there,
//! rights a class cannot give, two meanings of one domain.

use std::collections::BTreeMap;

use allonym_contract::Location;
use allonym_protect::{MethodSpec, VersionMode};

use super::error::{Problems, nearest, suggest};
use super::{
    Class, Config, Connector, Located, Protection, Purpose, Rotate, Stored, is_deterministic,
    is_reversible, method_name,
};

pub(super) fn check(config: &Config, problems: &mut Problems) {
    keys(config, problems);
    classes(config, problems);
    domains(config, problems);
    purposes(config, problems);
    access(config, problems);
    places(config, problems);
    local_users(config, problems);
    cases(config, problems);
}

fn keys(config: &Config, problems: &mut Problems) {
    for key in &config.keys {
        if let Some(was) = &key.was
            && config.key(&was.value).is_some()
        {
            let message =
                format!("key `{}` is still there: `was` is the name a key had before", was.value);
            problems.add(was.at, message, "remove the old entry, or the `was`");
        }
    }
}

fn classes(config: &Config, problems: &mut Problems) {
    let names = || config.data.iter().map(|class| class.name.as_str());
    for class in &config.data {
        if let Some(was) = &class.was
            && config.class(&was.value).is_some()
        {
            let message = format!(
                "data class `{}` is still there: `was` is the name a class had before",
                was.value
            );
            problems.add(was.at, message, "remove the old entry, or the `was`");
        }
        let Some(protection) = &class.protection else {
            continue;
        };
        if let Some(key) = &protection.key {
            class_key(config, class, key, problems);
        }
        if let Some(replaces) = &protection.replaces
            && config.class(&replaces.value).is_none_or(|old| !old.retired)
        {
            let message =
                format!("`replaces` names `{}`, which is not a retired data class", replaces.value);
            let hint = match nearest(&replaces.value, names()) {
                Some(near) if near != replaces.value => format!("did you mean `{near}`?"),
                _ => "keep the old class with `retired: true` until the rewrap is done".to_owned(),
            };
            problems.add(replaces.at, message, hint);
        }
    }
}

fn class_key(config: &Config, class: &Class, key: &Located<String>, problems: &mut Problems) {
    let Some(entry) = config.key(&key.value) else {
        let known = config.keys.iter().map(|key| key.name.as_str());
        let hint = match nearest(&key.value, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add it: `keys: {{ {}: {{ rotate: never }} }}`", key.value),
        };
        problems.add(key.at, format!("`keys:` has no `{}`", key.value), hint);
        return;
    };
    let Some(protection) = &class.protection else { return };
    if let Some((message, hint)) = not_by_this_key(class, protection, key, entry.rotate) {
        problems.add(key.at, message, hint);
    }
}

/// Why a class cannot have a key that rotates like this.
fn not_by_this_key(
    class: &Class,
    protection: &Protection,
    key: &Located<String>,
    rotate: Rotate,
) -> Option<(String, &'static str)> {
    let (key, name) = (&key.value, &class.name);
    match (&protection.method, rotate) {
        (MethodSpec::Fpe { version: VersionMode::Pinned, .. }, Rotate::Every(_)) => Some((
            format!("key `{key}` rotates by the clock, but `{name}` is `version: pinned`"),
            "a pinned value does not say which version made it: use a key of its own with `rotate: on_rewrap` or `never`",
        )),
        (_, Rotate::OnRewrap) => None,
        (MethodSpec::Fpe { version: VersionMode::Epoch, .. }, _) => Some((
            format!("key `{key}` is not `rotate: on_rewrap`, but `{name}` is `version: epoch`"),
            "rows change their key version in a rewrap only: use a key of its own with `rotate: on_rewrap`",
        )),
        (MethodSpec::DateShift { .. }, _) => Some((
            format!(
                "key `{key}` is not `rotate: on_rewrap`, but `{name}` has `method: date_shift`"
            ),
            "under another key version equal dates would move by other days: use a key of its own with `rotate: on_rewrap`",
        )),
        _ => None,
    }
}

/// Classes that share a domain must say the same.
fn domains(config: &Config, problems: &mut Problems) {
    let mut first: BTreeMap<&str, &Class> = BTreeMap::new();
    for class in &config.data {
        let Some(protection) = &class.protection else {
            continue;
        };
        let other = *first.entry(protection.domain.value.as_str()).or_insert(class);
        let Some(shared) = &other.protection else {
            continue;
        };
        let key = |p: &Protection| p.key.as_ref().map(|key| key.value.clone());
        let same = shared.method == protection.method
            && (&shared.scope, &shared.tenants, shared.ttl)
                == (&protection.scope, &protection.tenants, protection.ttl)
            && key(shared) == key(protection);
        if !same {
            let message = format!(
                "`{}` and `{}` share the domain `{}`, but are not protected alike",
                other.name, class.name, protection.domain.value
            );
            let hint = "method, template, version, scope, ttl and key belong to the domain: give both the same, or each its own";
            problems.add(protection.domain.at, message, hint);
        }
    }
}

fn purposes(config: &Config, problems: &mut Problems) {
    for (index, purpose) in config.purposes.iter().enumerate() {
        super::keys::check_name("purpose", purpose, problems);
        if purpose.value == "required" {
            problems.add(
                purpose.at,
                "`required` cannot be the name of a purpose",
                "choose another word",
            );
        }
        if config.purposes.iter().take(index).any(|before| before.value == purpose.value) {
            problems.add(purpose.at, format!("`{}` is there twice", purpose.value), "keep one");
        }
    }
}

fn known_purpose(config: &Config, purpose: &Located<String>, problems: &mut Problems) {
    if config.purposes.iter().all(|known| known.value != purpose.value) {
        let hint =
            suggest(&purpose.value, config.purposes.iter().map(|known| known.value.as_str()));
        problems.add(purpose.at, format!("unknown purpose `{}`", purpose.value), hint);
    }
}

fn known_class<'c>(
    config: &'c Config,
    name: &str,
    at: Location,
    problems: &mut Problems,
) -> Option<&'c Class> {
    let class = config.class(name);
    if class.is_none() {
        let hint = suggest(name, config.data.iter().map(|class| class.name.as_str()));
        problems.add(at, format!("unknown data class `{name}`"), hint);
    }
    class
}

fn access(config: &Config, problems: &mut Problems) {
    for rule in &config.access {
        match &rule.purpose {
            Purpose::Any => {}
            Purpose::Required if config.purposes.is_empty() => {
                problems.add(
                    rule.at,
                    "a purpose is required, but `purposes:` is empty",
                    "for instance `purposes: [support-call]`",
                );
            }
            Purpose::Required => {}
            Purpose::OneOf(list) => {
                list.iter().for_each(|one| known_purpose(config, one, problems))
            }
        }
        for (right, classes) in rule.rights() {
            for name in classes {
                let Some(class) = known_class(config, &name.value, name.at, problems) else {
                    continue;
                };
                if !rule.forbid {
                    right_has_meaning(right, class, name, problems);
                    let local = rule.places.iter().any(|place| place.value == "local");
                    if local {
                        can_be_local(class, name, problems);
                    }
                }
            }
        }
    }
}

/// A line of `allonym protect` has nothing beside it that could say its key version.
fn can_be_local(class: &Class, name: &Located<String>, problems: &mut Problems) {
    let method = class.protection.as_ref().map(|protection| &protection.method);
    if let Some(MethodSpec::Fpe { version, .. }) = method
        && matches!(version, VersionMode::Sidecar | VersionMode::Epoch)
    {
        let message = format!(
            "`{}` cannot be used at `local`: with `version: {}` a value alone does not say its key version",
            class.name,
            version.name()
        );
        let hint = "leave it out of this entry, or use `slack`, `header`, `reserved` or `pinned`, whichever the template has room for";
        problems.add(name.at, message, hint);
    }
}

/// A right a class cannot give is a mistake somebody would rely on.
fn right_has_meaning(right: &str, class: &Class, name: &Located<String>, problems: &mut Problems) {
    let Some(protection) = &class.protection else {
        if right == "write_token" {
            problems.add(
                name.at,
                format!("`{}` has no protected form", class.name),
                "leave it out of `write_token`",
            );
        }
        return;
    };
    let method = method_name(&protection.method);
    let reversible = is_reversible(&protection.method);
    let stored_protected = class.stored == Stored::Protected;
    match right {
        "reveal" | "mask" if stored_protected && !reversible => {
            let message = format!(
                "`{}` cannot be read in plain: method `{method}` has no way back",
                class.name
            );
            problems.add(name.at, message, format!("leave it out of `{right}`"));
        }
        "search" if stored_protected && !is_deterministic(&protection.method) => {
            let message = format!(
                "`{}` cannot be searched: equal values do not have equal protected forms",
                class.name
            );
            problems.add(
                name.at,
                message,
                "leave it out of `search`, or use a deterministic method: `siv`, `hash`, `token` without `random: true`",
            );
        }
        "write_token" if !reversible => {
            let message =
                format!("`{}` has no tokens: method `{method}` has no way back", class.name);
            problems.add(name.at, message, "leave it out of `write_token`");
        }
        _ => {}
    }
}

fn places(config: &Config, problems: &mut Problems) {
    for field in config.connectors.iter().flat_map(|c| &c.places).flat_map(|place| &place.fields) {
        known_class(config, &field.class, field.location, problems);
    }
    for place in config.access.iter().flat_map(|rule| &rule.places) {
        match place.value.split_once(' ') {
            // The local socket: `allonym protect` and `allonym reveal`.
            None if place.value == "local" => {}
            None => {
                known_connector(config, &place.value, place.at, problems);
            }
            Some((connector, route)) => {
                if let Some(connector) = known_connector(config, connector, place.at, problems) {
                    known_route(connector, route, place.at, problems);
                }
            }
        }
    }
}

fn known_connector<'c>(
    config: &'c Config,
    name: &str,
    at: Location,
    problems: &mut Problems,
) -> Option<&'c Connector> {
    let connector = config.connectors.iter().find(|connector| connector.name == name);
    if connector.is_none() {
        let known = config.connectors.iter().map(|connector| connector.name.as_str());
        problems.add(at, format!("unknown connector `{name}`"), suggest(name, known));
    }
    connector
}

fn known_route(connector: &Connector, route: &str, at: Location, problems: &mut Problems) {
    let routes = connector
        .places
        .iter()
        .filter_map(|place| place.name.strip_prefix(connector.name.as_str())?.strip_prefix(' '));
    if !routes.clone().any(|known| known == route) {
        let message = format!("connector `{}` lists no route `{route}`", connector.name);
        problems.add(at, message, suggest(route, routes));
    }
}

fn local_users(config: &Config, problems: &mut Problems) {
    for user in &config.admin.users {
        known_role(config, &user.role, problems);
        if let Some(purpose) = &user.purpose {
            known_purpose(config, purpose, problems);
        }
    }
}

fn known_role(config: &Config, role: &Located<String>, problems: &mut Problems) {
    let roles = || config.access.iter().map(|rule| rule.role.value.as_str());
    if !roles().any(|known| known == role.value) {
        let message = format!("no entry of `access:` speaks of the role `{}`", role.value);
        problems.add(role.at, message, suggest(&role.value, roles()));
    }
}

fn cases(config: &Config, problems: &mut Problems) {
    for case in &config.tests {
        let (connector, route) = (&case.given.connector, &case.given.route);
        if let Some(connector) = known_connector(config, &connector.value, connector.at, problems) {
            known_route(connector, &route.value, route.at, problems);
        }
        if case.role.value != "anonymous" {
            known_role(config, &case.role, problems);
        }
        if let Some(purpose) = &case.purpose {
            known_purpose(config, purpose, problems);
        }
    }
}
