//! The computed methods, from the outside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "all of this crate is a test")]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use allonym_keyring::{
    DomainId, KeyEntry, KeyId, KeySet, KeyState, KeyVersion, NamespaceId, Secret,
};
use allonym_protect::{
    Context, Domain, Fault, FaultRule, Keep, Mark, Means, Method, MethodSpec, Scope, Spec,
    TemplateSpec, Transform, VersionMode, build,
};
use allonym_record::Value;
use zeroize::Zeroizing;

#[path = "it/format_vectors.rs"]
mod format_vectors;
#[path = "it/formats.rs"]
mod formats;
#[path = "it/hostile.rs"]
mod hostile;
#[path = "it/marks.rs"]
mod marks;
#[path = "it/modes.rs"]
mod modes;
#[path = "it/one_way.rs"]
mod one_way;
#[path = "it/published.rs"]
mod published;
#[path = "it/round_trip.rs"]
mod round_trip;
#[path = "it/slack.rs"]
mod slack;
#[path = "it/specification.rs"]
mod specification;
#[path = "it/tables.rs"]
mod tables;
#[path = "it/vectors.rs"]
mod vectors;

const DOMAIN: Domain = Domain {
    namespace: NamespaceId::DEFAULT,
    id: DomainId::from_bytes([7; 16]),
    key: KeyId::from_bytes([3; 16]),
};

/// One object for each secret: what is derived from it is derived once.
static SECRETS: LazyLock<Vec<Arc<Secret>>> = LazyLock::new(|| {
    (0..=u8::MAX).map(|byte| Arc::new(Secret::new(Zeroizing::new([byte; 32])))).collect()
});

fn version(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

/// Versions 1 to `active` of one key, all live but the `destroyed`; the secret of version
/// n is 32 times the byte n.
fn keys_without(active: u32, destroyed: &[u32]) -> KeySet {
    let versions = (1..=active)
        .map(|number| {
            let state = match number {
                _ if destroyed.contains(&number) => KeyState::Destroyed,
                _ if number == active => KeyState::Active,
                _ => KeyState::Deactivated,
            };
            let secret = Arc::clone(&SECRETS[number as usize]);
            (version(number), (state, (state != KeyState::Destroyed).then_some(secret)))
        })
        .collect();
    KeySet::new(HashMap::from([(DOMAIN.key, KeyEntry { name: "key".to_owned(), versions })]))
}

/// Only one version, and it is active.
fn keys_at(number: u32) -> KeySet {
    keys_without(number, &(1..number).collect::<Vec<_>>())
}

fn context(keys: &KeySet) -> Context<'_> {
    Context { pinned: keys, newest: keys, tenant: None, subject: None, stated: &[] }
}

fn spec(method: MethodSpec, scope: Scope) -> Spec {
    Spec { revision: 1, method, scope }
}

fn built(method: MethodSpec, scope: Scope) -> Arc<dyn Transform> {
    match build(&spec(method, scope), DOMAIN, Means::default()).unwrap() {
        Method::Pure(transform) => transform,
        Method::Stored(_) => panic!("not a computed method"),
    }
}

/// A method of a domain for which these tenants are declared.
fn built_for(method: MethodSpec, scope: Scope, tenants: &[&str]) -> Arc<dyn Transform> {
    let tenants = tenants.iter().map(|tenant| (*tenant).to_owned()).collect();
    let means = Means { tenants, ..Means::default() };
    match build(&spec(method, scope), DOMAIN, means).unwrap() {
        Method::Pure(transform) => transform,
        Method::Stored(_) => panic!("not a computed method"),
    }
}

fn global(method: MethodSpec) -> Arc<dyn Transform> {
    built(method, Scope::Global)
}

fn tenants(method: MethodSpec) -> Arc<dyn Transform> {
    built(method, Scope::Tenant("org".to_owned()))
}

fn fpe(template: TemplateSpec, version: VersionMode) -> MethodSpec {
    MethodSpec::Fpe { template, version }
}

fn pan(version: VersionMode) -> MethodSpec {
    let keep = Keep { first: 6, last: 0 };
    fpe(TemplateSpec::Pan { keep, min: 13, max: 19 }, version)
}

fn digits(first: usize, last: usize, min: usize, max: usize) -> MethodSpec {
    fpe(TemplateSpec::Digits { keep: Keep { first, last }, min, max }, VersionMode::Pinned)
}

fn alphanumeric(first: usize, last: usize, min: usize, max: usize) -> MethodSpec {
    fpe(TemplateSpec::Alphanumeric { keep: Keep { first, last }, min, max }, VersionMode::Pinned)
}

fn protect(
    method: &dyn Transform,
    value: &Value,
    context: &Context<'_>,
) -> Result<Value, FaultRule> {
    let mut value = value.clone();
    method.protect(&mut [&mut value], context).map_err(|fault| fault.rule)?;
    Ok(value)
}

fn reveal(
    method: &dyn Transform,
    value: &Value,
    context: &Context<'_>,
) -> Result<Value, FaultRule> {
    let mut value = value.clone();
    method.reveal(&mut [&mut value], context).map_err(|fault| fault.rule)?;
    Ok(value)
}

/// The characters of a value, for a message of a failed test.
fn shown(value: Result<Value, FaultRule>) -> Result<String, FaultRule> {
    value.map(|value| match value {
        Value::Bool(value) => value.to_string(),
        other => other.as_str().unwrap_or("null").to_owned(),
    })
}

#[path = "it/lossy.rs"]
mod lossy;
#[path = "it/sealed_text.rs"]
mod sealed_text;
