use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use allonym_keyring::{
    DomainId, KeyEntry, KeyId, KeySet, KeyState, KeyVersion, NamespaceId, Secret,
};
use allonym_record::Value;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{Hex, VectorError, wrong};
use crate::{Context, Domain, Means, Method, Spec, Transform, build};

/// The key of a vector has no name and no other versions.
const KEY: KeyId = KeyId::from_bytes([1; 16]);

#[derive(Deserialize)]
pub(super) struct Vector<'a> {
    /// As it is pinned.
    spec: Spec,
    /// The id of the domain, 16 bytes.
    domain: Hex,
    /// The secret of the key version, 32 bytes.
    secret: Hex,
    version: u32,
    /// The tenant, where the scope is one.
    tenant: Option<String>,
    #[serde(borrow)]
    plain: &'a RawValue,
    #[serde(borrow)]
    protected: &'a RawValue,
    /// Which ways are checked.
    #[serde(default)]
    ways: Ways,
}

#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Ways {
    #[default]
    Both,
    /// A one-way method.
    Protect,
    /// A method that gives another value each time.
    Reveal,
}

/// A whole transformation, as configured: specification and key in, stored value out.
pub(super) fn check(vector: &Vector<'_>) -> Result<(), VectorError> {
    let (keys, version) = keys(vector.version, &vector.secret)?;
    let domain = domain(&vector.domain)?;
    let means = Means { tenants: vector.tenant.iter().cloned().collect(), ..Means::default() };
    let method = build(&vector.spec, domain, means).map_err(|error| wrong(error.to_string()))?;
    let Method::Pure(transform) = method else {
        return Err(unreadable("a vaulted token has no vector of this form"));
    };
    let context = Context {
        pinned: &keys,
        newest: &keys,
        tenant: vector.tenant.as_deref(),
        subject: None,
        stated: &[Some(version)],
    };
    let (plain, protected) = (value(vector.plain)?, value(vector.protected)?);
    ways(transform.as_ref(), &context, vector.ways, &plain, &protected)
}

fn ways(
    transform: &dyn Transform,
    context: &Context<'_>,
    ways: Ways,
    plain: &Value,
    protected: &Value,
) -> Result<(), VectorError> {
    if ways != Ways::Reveal {
        let mut value = plain.clone();
        // What is protected anew has no version beside it yet.
        let fresh = Context { stated: &[], ..*context };
        transform
            .protect(&mut [&mut value], &fresh)
            .map_err(|fault| wrong(format!("protecting fails: {}", fault.rule)))?;
        if value != *protected {
            return Err(wrong("protecting gives another value"));
        }
    }
    if ways != Ways::Protect {
        let mut value = protected.clone();
        transform
            .reveal(&mut [&mut value], context)
            .map_err(|fault| wrong(format!("revealing fails: {}", fault.rule)))?;
        if value != *plain {
            return Err(wrong("revealing gives another value"));
        }
    }
    Ok(())
}

/// The domain of a vector, in the default namespace.
///
/// # Errors
/// When its id does not have 16 bytes.
pub fn domain(id: &Hex) -> Result<Domain, VectorError> {
    let id = id.0.as_slice().try_into().map_err(|_| unreadable("`domain` has 16 bytes"))?;
    Ok(Domain { namespace: NamespaceId::DEFAULT, id: DomainId::from_bytes(id), key: KEY })
}

/// The secret of a key version or a domain; the error names the member.
///
/// # Errors
/// When it does not have 32 bytes.
pub fn secret(name: &str, bytes: &Hex) -> Result<Secret, VectorError> {
    let length = |_| VectorError::Unreadable(format!("`{name}` has 32 bytes"));
    bytes.0.as_slice().try_into().map_err(length).map(Zeroizing::new).map(Secret::new)
}

/// The key of a vector's domain: this version, and no other.
///
/// # Errors
/// When there is no such version, or its secret does not have 32 bytes.
pub fn keys(version: u32, bytes: &Hex) -> Result<(KeySet, KeyVersion), VectorError> {
    let secret = Arc::new(secret("secret", bytes)?);
    let version = KeyVersion::new(version).ok_or_else(|| unreadable("`version` is from 1 on"))?;
    let versions = BTreeMap::from([(version, (KeyState::Active, Some(secret)))]);
    let entry = KeyEntry { name: "vector".to_owned(), versions };
    Ok((KeySet::new(HashMap::from([(KEY, entry)])), version))
}

/// A JSON value as it was written: numbers digit for digit.
///
/// # Errors
/// When it is a list or an object.
pub fn value(raw: &RawValue) -> Result<Value, VectorError> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => super::read::<String>(text).map(Value::text),
        Some(b't') => Ok(Value::Bool(true)),
        Some(b'f') => Ok(Value::Bool(false)),
        Some(b'n') => Ok(Value::Null),
        Some(b'{' | b'[') | None => {
            Err(unreadable("a value is text, a number, true, false or null"))
        }
        Some(_) => Ok(Value::number(text)),
    }
}

fn unreadable(what: &str) -> VectorError {
    VectorError::Unreadable(what.to_owned())
}
