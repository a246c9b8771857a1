mod method;
mod read;
mod typed;

use std::time::Duration;

use allonym_contract::Location;
use allonym_protect::{Keep, MethodSpec, Scope};
use serde::Deserialize;

use super::Located;
use super::error::Problems;
use super::keys::check_name;

pub use method::{is_deterministic, is_reversible, is_stored, method_name};
pub(super) use typed::ClassTyped;

/// A data class: what a field is, and how it is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub at: Location,
    /// What the upstream holds.
    pub stored: Stored,
    /// How it is protected; `None` only where the upstream keeps plain values and
    /// callers get them plain or masked.
    pub protection: Option<Protection>,
    /// What a masked value still shows; `None`: nothing (`***`, numbers null).
    pub mask: Option<Keep>,
    /// The name it had before.
    pub was: Option<Located<String>>,
    /// Nothing new is protected under it; what is stored can still be revealed.
    pub retired: bool,
}

/// What the upstream holds of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// Protected values.
    #[default]
    Protected,
    /// Plain values; they are masked or protected on the way out.
    Plain,
}

/// How a class is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The method and its parameters, as they are pinned.
    pub method: MethodSpec,
    /// Where the method stands.
    pub at: Location,
    /// Where the template stands, if there is one.
    pub template_at: Option<Location>,
    /// Where the version mode stands, if it is written.
    pub version_at: Option<Location>,
    /// The key; `None` for methods that use none.
    pub key: Option<Located<String>>,
    /// The domain: the class's own name unless it says otherwise.
    pub domain: Located<String>,
    /// Within which scope equal values become equal tokens.
    pub scope: Scope,
    /// The tenants there are, where the scope names them.
    pub tenants: Vec<String>,
    /// How long its tokens are good for; `None`: for ever.
    pub ttl: Option<Duration>,
    /// How many different values the class can have, where that is declared.
    pub distinct: Option<u64>,
    /// The domain this one takes the place of, by a rewrap.
    pub replaces: Option<Located<String>>,
}

/// Converts a class; `None` if it is too wrong to be looked at further.
pub(super) fn convert(
    name: Located<String>,
    typed: ClassTyped,
    problems: &mut Problems,
) -> Option<Class> {
    check_name("data class", &name, problems);
    let stored = typed.stored;
    let mask = typed.mask.as_ref().map(|mask| (mask.at, mask.value.keep));
    let (was, retired) = (typed.was.clone(), typed.retired);
    let protection = match typed.method.as_ref() {
        Some(method) => {
            let (method, at) = (method.value, method.at);
            Some(read::Reader::new(&name, typed, method, at, problems).protection()?)
        }
        None => {
            without_method(&name, typed, problems);
            None
        }
    };
    if let (Some((at, _)), Some(protection), Stored::Protected) = (mask, &protection, stored)
        && !is_reversible(&protection.method)
    {
        let message = format!(
            "method `{}` has no way back: there is nothing to mask",
            method_name(&protection.method)
        );
        problems.add(at, message, "leave `mask` out");
    }
    if let Some((at, keep)) = mask
        && keep == Keep::default()
    {
        problems.add(
            at,
            "this mask keeps nothing",
            "leave `mask` out: then nothing is shown (`***`)",
        );
    }
    let mask = mask.map(|(_, keep)| keep);
    Some(Class { name: name.value, at: name.at, stored, protection, mask, was, retired })
}

fn without_method(name: &Located<String>, typed: ClassTyped, problems: &mut Problems) {
    if typed.stored == Stored::Protected {
        let hint = "for instance `method: siv` with a `key`, or `stored: plain` if the upstream may keep it";
        problems.add(name.at, format!("`{}` has no `method`", name.value), hint);
        return;
    }
    for (key, at) in typed.method_keys() {
        let message = format!("`{key}` means nothing without a `method`");
        problems.add(at, message, "add the `method`, or leave the key out");
    }
}
