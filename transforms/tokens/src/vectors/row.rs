use std::sync::{Arc, OnceLock};

use allonym_protect::vectors::{self, Hex, VectorError};
use allonym_protect::{
    Candidate, Context, MethodSpec, TokenStore, TokenTemplate, Vaulted, VaultedFault,
};
use allonym_record::Value;
use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::given::Given;
use super::{Place, failed, unreadable, wrong};
use crate::Metadata;
use crate::claims::spent_of;

#[derive(Deserialize)]
pub(super) struct Row<'a> {
    #[serde(borrow)]
    plain: &'a RawValue,
    token: String,
    /// The number that the token is made of, where it has the format of its value.
    number: Option<u64>,
    /// The counter that the number is of, 16 bytes.
    counter: Option<Hex>,
    /// What finds the value, 16 bytes; none where each value gets a token of its own.
    lookup: Option<Hex>,
    sealed: Hex,
    /// What else is known of the token.
    meta: Option<Metadata>,
    sealed_meta: Option<Hex>,
    /// The row that says of an imported token that it is spent.
    spent: Option<String>,
}

/// A row of the token store: how its token is made, how its value is found and had back.
pub(super) fn check(place: &Place, row: &Row<'_>) -> Result<(), VectorError> {
    let MethodSpec::Token { template, random, canonical } = &place.method else {
        return Err(unreadable("`spec` is not of a vaulted token"));
    };
    let plain = vectors::value(row.plain)?;
    let store = Arc::new(Given {
        domain_secret: Arc::clone(&place.domain_secret),
        version: place.version,
        token: row.token.clone(),
        sealed: row.sealed.0.clone(),
        number: row.number.unwrap_or_default(),
        asked: OnceLock::new(),
    });
    let (domain, scope) = (place.domain.clone(), place.scope.clone());
    let given: Arc<dyn TokenStore> = Arc::<Given>::clone(&store);
    let vaulted = Vaulted::new(domain, template, *random, *canonical, scope, given)
        .map_err(|error| wrong(error.to_string()))?;
    let entry = vaulted
        .entry(&plain, &row.token, &place.tenant)
        .map_err(|rule| wrong(format!("the value cannot have this token: {rule}")))?;
    let written = if matches!(template, TokenTemplate::Plain | TokenTemplate::Email { .. }) {
        drawn(&vaulted, row)?;
        Value::text(row.token.as_str())
    } else {
        numbered(place, &vaulted, &store, (row, &plain))?;
        plain.with(row.token.clone())
    };
    stored(place, row, &entry)?;
    let mut value = written;
    now(vaulted.reveal(&mut [&mut value], &context(place)), "revealing")?;
    if value == plain { Ok(()) } else { Err(wrong("revealing gives another value")) }
}

/// A token of random digits: in any case it is the same one, and nothing that differs from
/// it in one character is one.
fn drawn(vaulted: &Vaulted, row: &Row<'_>) -> Result<(), VectorError> {
    const DIGITS: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
    if row.number.is_some() || row.counter.is_some() {
        return Err(unreadable("a token that is drawn has no `number` and no `counter`"));
    }
    let upper = Value::text(row.token.to_ascii_uppercase());
    if vaulted.issued(&upper).as_ref() != Some(&row.token) {
        return Err(wrong("the token in upper case is not the same one"));
    }
    for (at, was) in row.token.char_indices() {
        for digit in DIGITS.chars().filter(|digit| *digit != was) {
            let mut other = row.token.clone();
            other.replace_range(at..at + was.len_utf8(), digit.encode_utf8(&mut [0; 4]));
            if vaulted.issued(&Value::text(other)).is_some() {
                return Err(wrong("a token with another character is a token too"));
            }
        }
    }
    Ok(())
}

/// A token in the format of its value: which counter is asked for the number, and what the
/// number becomes.
fn numbered(
    place: &Place,
    vaulted: &Vaulted,
    store: &Given,
    (row, plain): (&Row<'_>, &Value),
) -> Result<(), VectorError> {
    let (Some(number), Some(counter)) = (row.number, &row.counter) else {
        return Err(unreadable("a token in the format of its value has `number` and `counter`"));
    };
    let mut value = plain.clone();
    let protected = now(vaulted.protect(&mut [&mut value], &context(place)), "protecting");
    if let Some(asked) = store.asked.get() {
        if asked.part.as_slice() != counter.0 {
            return Err(wrong("the number is of another counter"));
        }
        if number >= asked.limit {
            return Err(wrong("the counter does not have this number"));
        }
    }
    protected?;
    if value == plain.with(row.token.clone()) {
        Ok(())
    } else {
        Err(wrong("the number gives another token"))
    }
}

/// What stands in the store beside the token.
fn stored(place: &Place, row: &Row<'_>, entry: &Candidate) -> Result<(), VectorError> {
    let lookup = entry.lookup.as_ref().map(|value| place.lookup()?.of(value).map_err(failed));
    let lookup = lookup.transpose()?;
    if lookup.as_ref().map(<[u8; 16]>::as_slice) != row.lookup.as_ref().map(|hex| &*hex.0) {
        return Err(wrong("the look-up is another"));
    }
    place.opens(lookup, &row.token, &row.sealed, &entry.value)?;
    match (&row.meta, &row.sealed_meta) {
        (None, None) => {}
        (Some(meta), Some(sealed)) => {
            let opened = place.sealer()?.open_meta(&row.token, &sealed.0);
            let opened = opened.map_err(|_| wrong("the sealed metadata does not open"))?;
            if serde_json::from_slice::<Metadata>(&opened).ok().as_ref() != Some(meta) {
                return Err(wrong("other metadata is sealed"));
            }
        }
        _ => return Err(unreadable("`meta` and `sealed_meta` go together")),
    }
    if row.spent.is_some() && row.spent != spent_of(&row.token) {
        return Err(wrong("that the token is spent is said in another way"));
    }
    Ok(())
}

fn context(place: &Place) -> Context<'_> {
    let tenant = Some(place.tenant.as_str()).filter(|tenant| !tenant.is_empty());
    Context { pinned: &place.keys, newest: &place.keys, tenant, subject: None, stated: &[] }
}

/// What comes of something that never waits.
fn now(
    future: impl Future<Output = Result<(), VaultedFault>>,
    what: &str,
) -> Result<(), VectorError> {
    let why = match future.now_or_never() {
        Some(Ok(())) => return Ok(()),
        Some(Err(VaultedFault::Fault(fault))) => fault.rule.to_string(),
        Some(Err(VaultedFault::Store(error))) => error.to_string(),
        None => "it waits".to_owned(),
    };
    Err(wrong(format!("{what} fails: {why}")))
}
