//! What the store has pinned, and whether the configuration still agrees: changing a
//! name never changes a ciphertext, and never reveals a wrong value.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use allonym_contract::Location;
use allonym_keyring::{DomainId, KeyId, NamespaceId};
use allonym_protect::{Domain, Means, MethodSpec, Spec, build};
use allonym_store::{KeyInfo, PinnedDomain, PinnedPlace, Store, StoreError};

use super::class::has_one_version;
use super::compile::{Placed, nobody, spec};
use super::rotation::no_room;
use crate::config::{Class, Config, ConfigError, ConfigErrors, Protection, Stored};

/// The permanent ids behind the configuration's names.
pub(super) struct Pinned {
    classes: HashMap<String, Resolved>,
    places: HashSet<(String, String)>,
}

/// One class's domain.
#[derive(Clone, Copy)]
pub(super) struct Resolved {
    pub(super) domain: Domain,
    pub(super) used: bool,
}

impl Pinned {
    pub(super) fn class(&self, name: &str) -> Resolved {
        // Every class with a key was resolved; the others have nothing to remember.
        self.classes.get(name).copied().unwrap_or(Resolved {
            domain: Domain {
                namespace: NamespaceId::DEFAULT,
                id: DomainId::from_bytes([0; 16]),
                key: KeyId::from_bytes([0; 16]),
            },
            used: true,
        })
    }

    pub(super) fn is_place_used(&self, place: &str, field: &str) -> bool {
        self.places.contains(&(place.to_owned(), field.to_owned()))
    }
}

/// What the store holds now.
pub(super) struct Held {
    keys: Vec<KeyInfo>,
    domains: Vec<PinnedDomain>,
    places: Vec<PinnedPlace>,
}

/// Compares the configuration with what is pinned, and only if they agree creates and
/// renames what it needs.
pub(super) fn reconcile(
    config: &Config,
    placed: &[Placed],
    store: &Store,
) -> Result<Pinned, ConfigErrors> {
    let held = check(config, placed, store)?;
    apply(config, store, &held).map_err(|error| whole(config, &error))
}

fn whole(config: &Config, error: &StoreError) -> ConfigErrors {
    ConfigErrors(vec![config.error_at(Location::default(), format!("store: {error}"), None)])
}

/// Compares the configuration with what is pinned, and changes nothing.
pub(super) fn check(
    config: &Config,
    placed: &[Placed],
    store: &Store,
) -> Result<Held, ConfigErrors> {
    let whole = |error: StoreError| whole(config, &error);
    let held = Held {
        keys: store.keys().map_err(whole)?,
        domains: store.domains().map_err(whole)?,
        places: store.places().map_err(whole)?,
    };
    let mut errors = Vec::new();
    check_keys(config, &held, &mut errors);
    check_domains(config, &held, &mut errors);
    check_room(config, &held, &mut errors);
    check_places(config, placed, &held, &mut errors);
    check_dropped(config, placed, &held, &mut errors);
    if errors.is_empty() { Ok(held) } else { Err(ConfigErrors(errors)) }
}

fn check_keys(config: &Config, held: &Held, errors: &mut Vec<ConfigError>) {
    let known = |name: &str| held.keys.iter().any(|key| key.name == name);
    for key in &config.keys {
        let Some(was) = &key.was else { continue };
        if known(&was.value) && known(&key.name) {
            let message =
                format!("there is a key `{}` and a key `{}` already", was.value, key.name);
            errors.push(config.error_at(
                was.at,
                message,
                Some("drop `was:`: they are two keys".to_owned()),
            ));
        }
    }
}

/// A specification as it stands in the store.
pub(super) fn text(spec: &Spec) -> String {
    // A specification is plain data: it can be written.
    serde_json::to_string(spec).unwrap_or_default()
}

/// The name a class's domain has in the store, and the name it is to have.
fn names<'a>(class: &'a Class, protection: &'a Protection, held: &Held) -> (&'a str, &'a str) {
    let now = protection.domain.value.as_str();
    match &class.was {
        Some(was) if now == class.name && !held.domains.iter().any(|d| d.name == now) => {
            (was.value.as_str(), now)
        }
        _ => (now, now),
    }
}

fn key_id(config: &Config, name: &str, held: &Held) -> Option<KeyId> {
    let by_name = |name: &str| held.keys.iter().find(|key| key.name == name).map(|key| key.id);
    by_name(name).or_else(|| {
        let was = config.key(name)?.was.as_ref()?;
        by_name(&was.value)
    })
}

fn check_domains(config: &Config, held: &Held, errors: &mut Vec<ConfigError>) {
    let mut claimed = HashSet::new();
    for class in &config.data {
        let Some(protection) = &class.protection else { continue };
        let (then, now) = names(class, protection, held);
        claimed.insert(then.to_owned());
        let Some(domain) = held.domains.iter().find(|domain| domain.name == then) else { continue };
        if !domain.used {
            continue;
        }
        let mut wrong = |message: String, hint: &str| {
            errors.push(config.error_at(protection.at, message, Some(hint.to_owned())));
        };
        if text(&spec(protection)) != domain.spec {
            wrong(
                format!(
                    "domain `{now}` is in use with another specification: values that are stored could not be revealed any more"
                ),
                "take the change back, or give the class a new name and keep the old one with `retired: true`",
            );
        }
        let key = protection.key.as_ref().map(|key| key.value.as_str());
        let same = key.is_none_or(|key| key_id(config, key, held) == Some(domain.key));
        if !same {
            wrong(
                format!("domain `{now}` is in use with another key"),
                "take the change back; if the key has a new name only, write `was:` with its old name at the key",
            );
        }
        if domain.retired && !class.retired {
            wrong(
                format!("domain `{now}` was retired: nothing new is protected under it"),
                "keep `retired: true`, or give the class a new name",
            );
        }
        if let Some(replaces) = &protection.replaces {
            let message = format!(
                "`replaces: {}` needs a rewrap job, which is not built yet",
                replaces.value
            );
            errors.push(config.error_at(replaces.at, message, None));
        }
    }
    for domain in &held.domains {
        if domain.used && !domain.retired && !claimed.contains(&domain.name) {
            let message =
                format!("domain `{}` is in use and no class has it any more", domain.name);
            let hint = format!(
                "if its class has a new name, write `was: {0}` there; if nothing needs it, keep the class with `retired: true`",
                domain.name
            );
            errors.push(config.error_at(Location::default(), message, Some(hint)));
        }
    }
}

/// A class whose key has more live versions than its values can tell apart, or than have room
/// for their tables. One that was accepted and never protected a value has its key's
/// rotations against it since: it can protect nothing, but keeps nobody from starting.
fn check_room(config: &Config, held: &Held, errors: &mut Vec<ConfigError>) {
    for class in &config.data {
        let Some(protection) = &class.protection else { continue };
        let MethodSpec::Fpe { .. } = &protection.method else { continue };
        let Some(name) = protection.key.as_ref().map(|key| key.value.as_str()) else { continue };
        let Some(id) = key_id(config, name, held) else { continue };
        let Some(key) = held.keys.iter().find(|key| key.id == id) else { continue };
        if key.versions.len() < 2 {
            continue;
        }
        let domain = held.domains.iter().find(|d| d.name == names(class, protection, held).0);
        let used = domain.is_some_and(|domain| domain.used);
        let was_accepted = domain.is_some_and(|d| d.key == id && d.spec == text(&spec(protection)));
        if has_one_version(&protection.method) || (!used && (class.retired || was_accepted)) {
            continue;
        }
        let means = Means { tenants: protection.tenants.clone(), ..Means::default() };
        let Ok(method) = build(&spec(protection), nobody(), means) else { continue };
        let Some(why) = no_room(&method, key) else { continue };
        let message = format!("class `{}` cannot have this key: {why}", class.name);
        let hint = if used {
            "its values could not be read any more: take the change back, or rewrap and destroy the oldest versions of the key first"
        } else {
            "give the class another key: a new one under `keys:` has one version"
        };
        errors.push(config.error_at(protection.at, message, Some(hint.to_owned())));
    }
}

/// A field that is dropped from a place that stays listed: what is written there from now
/// on would pass in plain.
fn check_dropped(config: &Config, placed: &[Placed], held: &Held, errors: &mut Vec<ConfigError>) {
    for used in &held.places {
        let Some(place) = placed.iter().find(|place| *place.spec.name == *used.place) else {
            continue;
        };
        let kept = place.spec.fields.iter().any(|field| field.selector.to_string() == used.field);
        let Some(domain) = held.domains.iter().find(|domain| domain.id == used.domain) else {
            continue;
        };
        let retired = |class: &Class| {
            class.retired
                && class.protection.as_ref().is_some_and(|p| names(class, p, held).0 == domain.name)
        };
        if kept || domain.retired || config.data.iter().any(retired) {
            continue;
        }
        let message = format!(
            "`{}` of this place holds values of domain `{}` and has no rule any more: it would pass in plain",
            used.field, domain.name
        );
        let hint =
            "put the rule back; if the class is given up everywhere, keep it with `retired: true`";
        errors.push(config.error_at(place.spec.location, message, Some(hint.to_owned())));
    }
}

fn check_places(config: &Config, placed: &[Placed], held: &Held, errors: &mut Vec<ConfigError>) {
    for place in placed {
        for field in &place.spec.fields {
            let name = field.selector.to_string();
            let used = held.places.iter().find(|p| p.place == *place.spec.name && p.field == name);
            let (Some(used), Some(class)) = (used, config.class(&field.class)) else { continue };
            let now = class
                .protection
                .as_ref()
                .filter(|p| class.stored == Stored::Protected && p.key.is_some())
                .map(|protection| names(class, protection, held).0);
            let then = held.domains.iter().find(|domain| domain.id == used.domain);
            let then = then.map(|domain| domain.name.as_str());
            if now != then {
                let message = format!(
                    "this field holds values of domain `{}`, and `{}` is another one: they could not be revealed any more",
                    then.unwrap_or("(unknown)"),
                    now.unwrap_or("plain")
                );
                let hint =
                    "give it its class back; if the class has a new name only, write `was:` there";
                errors.push(config.error_at(field.location, message, Some(hint.to_owned())));
            }
        }
    }
}

fn apply(config: &Config, store: &Store, held: &Held) -> Result<Pinned, StoreError> {
    let mut keys = HashMap::new();
    for key in &config.keys {
        let was = key.was.as_ref().map(|was| was.value.as_str());
        keys.insert(key.name.as_str(), store.ensure_key(&key.name, was, SystemTime::now())?);
    }
    let mut classes = HashMap::new();
    for class in &config.data {
        let Some(protection) = &class.protection else { continue };
        let (then, now) = names(class, protection, held);
        let exists = held.domains.iter().any(|domain| domain.name == then);
        if then != now && exists {
            store.rename_domain(then, now)?;
        }
        // A method without a key leaves nothing that could be read back: nothing is pinned.
        let key = protection.key.as_ref().and_then(|key| keys.get(key.value.as_str()).copied());
        let Some(key) = key else { continue };
        let typed = text(&spec(protection));
        let known = held.domains.iter().find(|domain| domain.name == then);
        let id = match known {
            Some(domain) if domain.retired => domain.id,
            _ => store.put_domain(now, &typed, key)?,
        };
        if class.retired && !known.is_some_and(|domain| domain.retired) {
            store.retire_domain(now)?;
        }
        let used = held.domains.iter().any(|domain| domain.id == id && domain.used);
        let domain = Domain { namespace: NamespaceId::DEFAULT, id, key };
        classes.insert(class.name.clone(), Resolved { domain, used });
    }
    let places = held.places.iter().map(|place| (place.place.clone(), place.field.clone()));
    Ok(Pinned { classes, places: places.collect() })
}
