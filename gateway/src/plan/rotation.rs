//! Which keys may rotate without a rewrap.

use std::time::Duration;

use allonym_contract::Use;
use allonym_keyring::KeyState;
use allonym_protect::{MethodSpec, TemplateSpec, VersionMode};
use allonym_store::KeyInfo;

use super::{Plan, Protected};
use crate::api::Problem;
use crate::config::{Config, Rotate};

/// Version numbers that one rotation may skip: a mistyped number must not use them up.
const GAP: u32 = 1_000;

/// Refuses a rotation after which stored values could not be found or read.
///
/// # Errors
/// Names the class that stands against it, and why.
pub fn check_rotation(
    plan: &Plan,
    config: &Config,
    key: &KeyInfo,
    from_version: Option<u32>,
) -> Result<(), Problem> {
    let last = key.versions.iter().map(|version| version.version.number()).max().unwrap_or(0);
    let next = from_version.unwrap_or(0).max(last.saturating_add(1));
    if next > last.saturating_add(GAP) {
        let detail = format!(
            "version {next} is far from version {last}: at most {GAP} numbers may be skipped"
        );
        return Err(Problem::new("version-too-far", detail));
    }
    let refused = |why: String| Err(Problem::new("rotation-needs-rewrap", why));
    let name = &key.name;
    if config.key(name).is_some_and(|key| key.rotate == Rotate::OnRewrap) {
        return refused(format!(
            "key `{name}` rotates by a rewrap job only (`rotate: on_rewrap`), and there is none yet; classes: {}",
            plan.classes_of_key(name).join(", ")
        ));
    }
    for (index, class) in plan.classes.iter().enumerate() {
        let Some(protected) = class.method_of().filter(|p| p.key_name == *name) else { continue };
        if let MethodSpec::Fpe { version: VersionMode::Pinned, .. } = protected.spec.method {
            return refused(format!(
                "class `{}` has `version: pinned`: its values do not say which key version they have",
                class.name
            ));
        }
        let looked_up = plan.places.values().any(|place| {
            place.fields.iter().any(|field| field.class == index && field.usage == Use::Search)
        });
        if looked_up && protected.is_computed() {
            return refused(format!(
                "class `{}` is looked up by path or query: values under an older version would not be found",
                class.name
            ));
        }
        check_slot(&class.name, protected, key, next)?;
    }
    Ok(())
}

/// A slot of the check digits may come back only when the version that has it is destroyed.
fn check_slot(class: &str, protected: &Protected, key: &KeyInfo, next: u32) -> Result<(), Problem> {
    let Some(slots) = slots(&protected.spec.method) else { return Ok(()) };
    let live: Vec<u32> = key
        .versions
        .iter()
        .filter(|version| version.state != KeyState::Destroyed)
        .map(|version| version.version.number())
        .collect();
    let slot = |version: u32| (version - 1) % slots;
    match live.iter().find(|version| slot(**version) == slot(next)) {
        Some(version) => Err(Problem::new(
            "rotation-slot-taken",
            format!(
                "class `{class}` has room for {slots} live key versions, and version {next} would have the mark of version {version}: rewrap and destroy that one first"
            ),
        )),
        None => Ok(()),
    }
}

/// How many key versions the check digits of a format can tell apart.
fn slots(method: &MethodSpec) -> Option<u32> {
    match method {
        MethodSpec::Fpe { template, version: VersionMode::Slack } => match template {
            TemplateSpec::Pan { .. } => Some(9),
            TemplateSpec::Iban => Some(96),
            _ => None,
        },
        _ => None,
    }
}

/// For keys that rotate by the clock: how long until a slot would be reused, as a warning
/// from two thirds on.
#[must_use]
pub(super) fn slot_warning(plan: &Plan, config: &Config, key: &KeyInfo) -> Option<String> {
    let Rotate::Every(every) = config.key(&key.name)?.rotate else { return None };
    let live = key.versions.iter().filter(|version| version.state != KeyState::Destroyed).count();
    let live = u32::try_from(live).unwrap_or(u32::MAX);
    let slots = plan
        .classes
        .iter()
        .filter_map(super::ClassPlan::method_of)
        .filter(|protected| protected.key_name == key.name)
        .filter_map(|protected| slots(&protected.spec.method))
        .min()?;
    (live * 3 >= slots * 2).then(|| {
        let days = every.as_secs() / 86_400 * u64::from(slots.saturating_sub(live));
        format!(
            "key `{}` has {live} live versions of the {slots} its check digits can tell apart: in about {days} days its rotation will be refused; rewrap and destroy old versions",
            key.name
        )
    })
}

/// A rotation rule as the configuration writes it.
#[must_use]
pub fn rotation_word(rotate: Rotate) -> String {
    match rotate {
        Rotate::Never => "never".to_owned(),
        Rotate::OnRewrap => "on_rewrap".to_owned(),
        Rotate::Every(every) => duration_word(every),
    }
}

fn duration_word(every: Duration) -> String {
    let seconds = every.as_secs();
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds >= size && seconds.is_multiple_of(size) {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}
