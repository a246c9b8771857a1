//! From what was typed to what it means. Everything is checked before the store is
//! touched; nothing is pinned until a value passes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use allonym_contract::{PlaceSpec, Rules, Tokens, Use};
use allonym_keyring::NamespaceId;
use allonym_policy::Policy;
use allonym_protect::{
    Domain, Mask, Means, Method, MethodSpec, Spec, SpecError, TokenStore, VersionMode, build,
};
use allonym_store::Store;
use allonym_tokens::VaultStore;

use super::class::stands_alone;
use super::{
    Callers, ClassPlan, FieldPlan, LocalUser, PlacePlan, Plan, Protected, Stored, access, callers,
    is_marked, local_place, pins, warnings,
};
use crate::config::{
    self, Config, ConfigError, ConfigErrors, Protection, is_deterministic, is_reversible, is_stored,
};
use crate::identity::{Identifier, TokenBook};

/// A configuration that was checked against everything, while nothing has changed yet.
/// Between drafting and committing others can be asked whether they agree.
pub struct Draft<'a> {
    config: &'a Config,
    revision: u64,
    placed: Vec<Placed>,
    policy: Policy,
    identifiers: HashMap<String, Identifier>,
}

impl<'a> Draft<'a> {
    /// Checks a configuration on its own and against what the store has pinned.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place: unknown names, specifications that
    /// cannot be had, contradictions with what is pinned.
    pub fn new(
        config: &'a Config,
        revision: u64,
        store: &Store,
        vault: &Arc<VaultStore>,
        tokens: &Arc<TokenBook>,
        callers: Callers,
    ) -> Result<Self, ConfigErrors> {
        let placed = connector_places(config);
        check_usage(config, &placed)?;
        let policy = access::policy(config, revision, &placed)?;
        try_build(config, vault)?;
        pins::check(config, &placed, store)?;
        let identifiers = callers::identifiers(config, tokens, callers)?;
        Ok(Self { config, revision, placed, policy, identifiers })
    }

    /// Creates and renames in the store what the configuration needs, and makes the plan.
    ///
    /// # Errors
    /// When the store is away, or was changed meanwhile.
    pub fn commit(self, store: &Store, vault: &Arc<VaultStore>) -> Result<Plan, ConfigErrors> {
        let config = self.config;
        let pinned = pins::reconcile(config, &self.placed, store)?;
        let classes = classes(config, &pinned, vault)?;
        let places = places(config, &self.placed, &classes, &pinned)?;
        let mut plan = Plan {
            revision: self.revision,
            classes,
            places,
            policy: self.policy,
            rules: access::rules(config),
            purposes: config.purposes.iter().map(|purpose| purpose.value.clone()).collect(),
            identifiers: self.identifiers,
            local_users: local_users(config),
            warnings: Vec::new(),
        };
        plan.warnings = warnings::of(config, &plan);
        Ok(plan)
    }
}

/// Whether a configuration agrees with what a store has pinned. Changes nothing.
///
/// # Errors
/// Every contradiction, each with its place.
pub fn check_pins(config: &Config, store: &Store) -> Result<(), ConfigErrors> {
    pins::check(config, &connector_places(config), store).map(|_| ())
}

/// A connector's place and the connector's name.
pub(super) struct Placed {
    pub(super) connector: String,
    pub(super) spec: PlaceSpec,
    pub(super) only_reads: bool,
}

fn connector_places(config: &Config) -> Vec<Placed> {
    let mut placed = Vec::new();
    for connector in &config.connectors {
        placed.extend(connector.places.iter().map(|spec| Placed {
            connector: connector.name.clone(),
            only_reads: only_reads(spec),
            spec: spec.clone(),
        }));
    }
    placed
}

/// Whether a place only reads: what callers without a credential may use.
fn only_reads(spec: &PlaceSpec) -> bool {
    let method = spec.name.split(' ').nth(1).unwrap_or_default();
    matches!(method, "GET" | "HEAD")
}

/// What classes and places say of each other.
fn check_usage(config: &Config, placed: &[Placed]) -> Result<(), ConfigErrors> {
    let mut errors = Vec::new();
    for place in placed {
        for field in &place.spec.fields {
            let mut wrong = |message: String, hint: &str| {
                errors.push(config.error_at(field.location, message, Some(hint.to_owned())));
            };
            let Some(class) = config.class(&field.class) else {
                wrong(format!("no data class `{}`", field.class), "declare it under `data:`");
                continue;
            };
            if class.retired {
                wrong(
                    format!("class `{}` is retired", class.name),
                    "nothing new is protected under it: use another class here",
                );
            }
            let Some(protection) = &class.protection else { continue };
            if let MethodSpec::Fpe { version, .. } = &protection.method
                && let Some((message, hint)) = not_in_a_body(&class.name, *version)
            {
                wrong(message, hint);
                continue;
            }
            if class.stored == config::Stored::Protected {
                check_field(config, class, protection, &place.spec, field, &mut wrong);
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
}

fn check_field(
    config: &Config,
    class: &config::Class,
    protection: &Protection,
    place: &PlaceSpec,
    field: &allonym_contract::FieldSpec,
    wrong: &mut impl FnMut(String, &str),
) {
    let name = &class.name;
    let marked = is_marked(&protection.method);
    let reversible = is_reversible(&protection.method);
    if !marked && reversible && !place.holds_protected_only {
        wrong(
            format!(
                "protected values of `{name}` carry no mark, so a plain one could not be told apart here"
            ),
            "write `holds: protected` at the place if the upstream holds protected values only",
        );
    }
    if place.tokens == Tokens::Accept
        && let Some(mark) = forgeable_mark(&protection.method)
    {
        wrong(
            format!("`tokens: accept` cannot be here: the mark of `{name}` is {mark}"),
            "use `tokens: only`, or leave it out",
        );
    }
    if !marked && reversible && place.tokens == Tokens::Accept {
        wrong(
            format!(
                "`tokens: accept` cannot be here: protected values of `{name}` carry no mark, so they would be protected again"
            ),
            "use `tokens: only`, or leave it out",
        );
    }
    if field.usage != Use::Search {
        return;
    }
    if !is_deterministic(&protection.method) {
        wrong(
            format!(
                "`{name}` cannot be looked up: its method gives another value each time, or none"
            ),
            "leave the rule out of path and query, or use a convergent method",
        );
    }
    let computed = !is_stored(&protection.method);
    let clock = protection
        .key
        .as_ref()
        .and_then(|key| config.key(&key.value))
        .is_some_and(|key| matches!(key.rotate, config::Rotate::Every(_)));
    if computed && clock {
        wrong(
            format!(
                "`{name}` is looked up here, and its key rotates by the clock: after a rotation old values would not be found"
            ),
            "give it a key with `rotate: on_rewrap`, or use `method: token`",
        );
    }
}

/// Why values of a version mode cannot be in an HTTP body.
fn not_in_a_body(class: &str, version: VersionMode) -> Option<(String, &'static str)> {
    let why = match version {
        VersionMode::Sidecar => "nothing is kept beside a value that could say its key version",
        VersionMode::Epoch => "no position of a row says which key version a value has",
        VersionMode::Slack | VersionMode::Header | VersionMode::Reserved | VersionMode::Pinned => {
            return None;
        }
    };
    let message = format!(
        "`{class}` cannot be at an HTTP place: with `version: {}` {why} here",
        version.name()
    );
    let hint = "use `slack`, `header`, `reserved` or `pinned`, whichever the template has room for";
    Some((message, hint))
}

/// What the mark of a method is, where a slip of the pen can make it too.
const fn forgeable_mark(method: &MethodSpec) -> Option<&'static str> {
    match method {
        MethodSpec::Fpe { version: VersionMode::Slack, .. } => {
            Some("a check digit, and a mistyped number has one too")
        }
        MethodSpec::Fpe { version: VersionMode::Reserved, .. } => {
            Some("the range it lies in, and a mistyped number can lie there too")
        }
        _ => None,
    }
}

/// The specification a class has, as it is pinned.
pub(super) fn spec(protection: &Protection) -> Spec {
    Spec { revision: 1, method: protection.method.clone(), scope: protection.scope.clone() }
}

/// What its method may use besides.
fn means(protection: &Protection, vault: &Arc<VaultStore>) -> Means {
    Means {
        tokens: Some(Arc::clone(vault) as Arc<dyn TokenStore>),
        tenants: protection.tenants.clone(),
        ttl: protection.ttl,
    }
}

/// Builds every method under no key at all, to find out which cannot be had.
fn try_build(config: &Config, vault: &Arc<VaultStore>) -> Result<(), ConfigErrors> {
    let errors: Vec<ConfigError> = config
        .data
        .iter()
        .filter_map(|class| class.protection.as_ref())
        .filter_map(|protection| {
            let error = build(&spec(protection), nobody(), means(protection, vault)).err()?;
            Some(not_built(config, protection, vault, &error))
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
}

/// A domain that is nobody's.
pub(super) const fn nobody() -> Domain {
    Domain {
        namespace: NamespaceId::DEFAULT,
        id: allonym_keyring::DomainId::from_bytes([0; 16]),
        key: allonym_keyring::KeyId::from_bytes([0; 16]),
    }
}

/// Why a method cannot be had: at the version mode if the template can be had with
/// another one, else at the template.
fn not_built(
    config: &Config,
    protection: &Protection,
    vault: &Arc<VaultStore>,
    error: &SpecError,
) -> ConfigError {
    let template_at = protection.template_at.unwrap_or(protection.at);
    let MethodSpec::Fpe { template, version } = &protection.method else {
        return config.error_at(template_at, error.to_string(), None);
    };
    let can_be = |mode: &VersionMode| {
        let mut other = spec(protection);
        other.method = MethodSpec::Fpe { template: template.clone(), version: *mode };
        mode != version && build(&other, nobody(), means(protection, vault)).is_ok()
    };
    let modes = [VersionMode::Slack, VersionMode::Header, VersionMode::Pinned];
    let modes: Vec<String> =
        modes.iter().filter(|mode| can_be(mode)).map(|mode| format!("`{}`", mode.name())).collect();
    if modes.is_empty() {
        return config.error_at(template_at, error.to_string(), None);
    }
    let hint = format!("this template can have `version:` {}", modes.join(" or "));
    config.error_at(protection.version_at.unwrap_or(template_at), error.to_string(), Some(hint))
}

fn classes(
    config: &Config,
    pinned: &pins::Pinned,
    vault: &Arc<VaultStore>,
) -> Result<Vec<ClassPlan>, ConfigErrors> {
    let mut classes = Vec::with_capacity(config.data.len());
    let mut built = HashMap::new();
    for class in &config.data {
        let protected = match &class.protection {
            None => None,
            Some(protection) => {
                let resolved = pinned.class(&class.name);
                let spec = spec(protection);
                let method = shared(&mut built, protection, || {
                    build(&spec, resolved.domain, means(protection, vault)).map_err(|error| {
                        ConfigErrors(vec![not_built(config, protection, vault, &error)])
                    })
                })?;
                Some(Box::new(Protected {
                    method,
                    domain: resolved.domain,
                    domain_name: protection.domain.value.clone(),
                    key_name: protection
                        .key
                        .as_ref()
                        .map_or_else(String::new, |key| key.value.clone()),
                    spec_text: pins::text(&spec),
                    spec,
                    used: AtomicBool::new(resolved.used),
                }))
            }
        };
        let stored = match (class.stored, protected) {
            (config::Stored::Protected, Some(protected)) => Stored::Protected(protected),
            (_, protected) => Stored::Plain(protected),
        };
        classes.push(ClassPlan {
            name: class.name.as_str().into(),
            stored,
            mask: class.mask.map_or_else(Mask::default, Mask::keeping),
            retired: class.retired,
            distinct: class.protection.as_ref().and_then(|protection| protection.distinct),
        });
    }
    Ok(classes)
}

/// The method of a domain, built once: its tables and what was derived from its keys are
/// bounded for all classes of the domain together.
fn shared<'a>(
    built: &mut HashMap<&'a str, Method>,
    protection: &'a Protection,
    build: impl FnOnce() -> Result<Method, ConfigErrors>,
) -> Result<Method, ConfigErrors> {
    let name = protection.domain.value.as_str();
    if let Some(method) = built.get(name) {
        return Ok(method.clone());
    }
    let method = build()?;
    built.insert(name, method.clone());
    Ok(method)
}

fn places(
    config: &Config,
    placed: &[Placed],
    classes: &[ClassPlan],
    pinned: &pins::Pinned,
) -> Result<HashMap<Arc<str>, PlacePlan>, ConfigErrors> {
    let mut places = HashMap::new();
    let position = |name: &str| classes.iter().position(|class| &*class.name == name);
    for place in placed {
        let mut fields = Vec::with_capacity(place.spec.fields.len());
        for field in &place.spec.fields {
            let class = position(&field.class).ok_or_else(|| {
                let message = format!("no data class `{}`", field.class);
                ConfigErrors(vec![config.error_at(field.location, message, None)])
            })?;
            let name = field.selector.to_string();
            let used = pinned.is_place_used(&place.spec.name, &name);
            fields.push(FieldPlan {
                name,
                class,
                usage: field.usage,
                used: AtomicBool::new(used),
                is_local: false,
            });
        }
        let names = place.spec.fields.iter().map(|field| field.class.as_str().into()).collect();
        let rules = Rules { place: Arc::clone(&place.spec.name), classes: names };
        places.insert(
            Arc::clone(&place.spec.name),
            PlacePlan {
                rules: Arc::new(rules),
                fields,
                tokens: place.spec.tokens,
                on_unprotected: place.spec.on_unprotected,
                holds_protected_only: place.spec.holds_protected_only,
                only_reads: place.only_reads,
            },
        );
    }
    for (index, class) in classes.iter().enumerate() {
        if !class.method_of().is_none_or(|protected| stands_alone(&protected.spec.method)) {
            continue;
        }
        let name = local_place(&class.name);
        places.insert(Arc::clone(&name), PlacePlan::local(name, index, class));
    }
    Ok(places)
}

fn local_users(config: &Config) -> HashMap<String, LocalUser> {
    let users = config.admin.users.iter();
    users
        .map(|user| {
            let purpose = user.purpose.as_ref().map(|purpose| purpose.value.clone());
            let local = LocalUser { role: user.role.value.clone(), purpose };
            (user.user.value.clone(), local)
        })
        .collect()
}
