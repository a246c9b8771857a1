//! Which keys may rotate without a rewrap.

use std::time::{Duration, UNIX_EPOCH};

use allonym_contract::Use;
use allonym_keyring::KeyState;
use allonym_protect::{Method, MethodSpec, VersionMode};
use allonym_store::{KeyInfo, PinnedDomain};

use super::domains::{room, slots};
use super::{Plan, Protected};
use crate::api::Problem;
use crate::config::{Config, Rotate};

/// Version numbers that one rotation may skip: a mistyped number must not use them up.
const GAP: u32 = 1_000;

/// Refuses a rotation after which stored values could not be found or read. `domains` are
/// those of the store: one that never protected a value needs no room for its versions.
///
/// # Errors
/// Names the class that stands against it, and why.
pub fn check_rotation(
    plan: &Plan,
    config: &Config,
    key: &KeyInfo,
    domains: &[PinnedDomain],
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
        if let Some(why) = only_by_rewrap(&protected.spec.method) {
            return refused(format!("class `{}` has {why}", class.name));
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
        if is_used(protected, domains) {
            check_slot(&class.name, protected, key, next)?;
        }
    }
    Ok(())
}

/// Why a method's key can be changed by a rewrap only.
const fn only_by_rewrap(method: &MethodSpec) -> Option<&'static str> {
    match method {
        MethodSpec::Fpe { version: VersionMode::Pinned, .. } => {
            Some("`version: pinned`: its values do not say which key version they have")
        }
        MethodSpec::Fpe { version: VersionMode::Epoch, .. } => {
            Some("`version: epoch`: its rows change their key version in a rewrap only")
        }
        MethodSpec::DateShift { .. } => {
            Some("`method: date_shift`: equal dates would move by other days than before")
        }
        _ => None,
    }
}

/// A slot may come back only when the version that has it is destroyed, and no more versions
/// may live than there is room for.
fn check_slot(class: &str, protected: &Protected, key: &KeyInfo, next: u32) -> Result<(), Problem> {
    let live = live(key);
    let taken = slots(&protected.method).and_then(|slots| {
        let slot = |version: u32| (version - 1) % slots;
        let version = live.iter().find(|version| slot(**version) == slot(next))?;
        Some(format!(
            "class `{class}` has room for {slots} live key versions, and version {next} would have the mark of version {version}: rewrap and destroy that one first"
        ))
    });
    let crowded = || {
        let (room, live) = (check_room(room(&protected.method), live.len()).err()?, live.len());
        Some(format!(
            "class `{class}` has room for {room} live key versions, and there are {live}: rewrap and destroy the oldest first"
        ))
    };
    match taken.or_else(crowded) {
        Some(why) => Err(Problem::new("rotation-slot-taken", why)),
        None => Ok(()),
    }
}

/// Whether the domain ever protected a value. By name: a plan that was compiled to be looked
/// at has ids of its own.
pub(super) fn is_used(protected: &Protected, domains: &[PinnedDomain]) -> bool {
    domains.iter().any(|domain| domain.used && domain.name == protected.domain_name)
}

/// Why a method cannot have all versions of a key that live: two would have one mark, or
/// their tables no room.
pub(super) fn no_room(method: &Method, key: &KeyInfo) -> Option<String> {
    let live = live(key);
    let name = &key.name;
    let shared = slots(method).and_then(|slots| {
        let slot = |version: u32| (version - 1) % slots;
        let pairs = live.iter().enumerate().flat_map(|(at, one)| {
            live.iter().skip(at + 1).map(move |other| (*one, *other))
        });
        let (one, other) = pairs.into_iter().find(|(one, other)| slot(*one) == slot(*other))?;
        Some(format!(
            "it has marks for {slots} key versions, and versions {one} and {other} of key `{name}` would share one"
        ))
    });
    let crowded = || {
        let room = room(method)?;
        let is_crowded = usize::try_from(room).is_ok_and(|room| live.len() > room);
        let live = live.len();
        is_crowded.then(|| {
            format!("it has room for {room} live key versions, and key `{name}` has {live}")
        })
    };
    shared.or_else(crowded)
}

fn live(key: &KeyInfo) -> Vec<u32> {
    let live = key.versions.iter().filter(|version| version.state != KeyState::Destroyed);
    live.map(|version| version.version.number()).collect()
}

/// Whether one version more has room; how many have, if not.
fn check_room(room: Option<u32>, live: usize) -> Result<(), u32> {
    match room.filter(|room| usize::try_from(*room).is_ok_and(|room| live >= room)) {
        Some(room) => Err(room),
        None => Ok(()),
    }
}

/// For keys that rotate by the clock: how long until a slot would be reused, as a warning
/// from two thirds on.
#[must_use]
pub(super) fn slot_warning(
    plan: &Plan,
    config: &Config,
    key: &KeyInfo,
    domains: &[PinnedDomain],
) -> Option<String> {
    let Rotate::Every(every) = config.key(&key.name)?.rotate else { return None };
    let live = u32::try_from(live(key).len()).unwrap_or(u32::MAX);
    let slots = plan
        .classes
        .iter()
        .filter_map(super::ClassPlan::method_of)
        .filter(|protected| protected.key_name == key.name && is_used(protected, domains))
        .filter_map(|protected| room(&protected.method))
        .min()?;
    if live * 3 < slots * 2 {
        return None;
    }
    // Each rotation takes a slot; the one that finds none is refused.
    let newest = key.versions.iter().map(|version| version.created).max()?;
    let refused = newest.checked_add(every.checked_mul(slots.saturating_sub(live) + 1)?)?;
    let days = refused.duration_since(UNIX_EPOCH).ok()?.as_secs() / 86_400;
    Some(format!(
        "key `{}` has {live} live versions of the {slots} there is room for: its rotation will be refused on {}; rewrap and destroy old versions before",
        key.name,
        date(days)
    ))
}

/// Days since 1970-01-01 as a date of the Gregorian calendar, whose 400 years have
/// 146,097 days; years are counted from March, so that a leap day comes last.
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_a_rewrap_changes_only() {
        use allonym_protect::{DateFormat, ShiftPer, TemplateSpec};
        let fpe = |version| MethodSpec::Fpe { template: TemplateSpec::Uuid, version };
        let per = ShiftPer::Value;
        for (method, expected) in [
            (fpe(VersionMode::Pinned), true),
            (fpe(VersionMode::Epoch), true),
            (fpe(VersionMode::Sidecar), false),
            (fpe(VersionMode::Slack), false),
            (MethodSpec::DateShift { format: DateFormat::Iso, days: 1, per }, true),
            (MethodSpec::Siv, false),
        ] {
            assert_eq!(only_by_rewrap(&method).is_some(), expected, "{method:?}");
        }
    }

    #[test]
    fn no_more_versions_live_than_have_room() {
        for (room, live, expected) in [
            (None, 10_000, Ok(())),
            (Some(33), 0, Ok(())),
            (Some(33), 32, Ok(())),
            (Some(33), 33, Err(33)),
            (Some(33), 34, Err(33)),
        ] {
            assert_eq!(check_room(room, live), expected, "{room:?} {live}");
        }
    }

    #[test]
    fn dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_780, "2026-11-23"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
    }

    #[test]
    fn durations_in_their_largest_unit() {
        for (seconds, expected) in
            [(1, "1s"), (90, "90s"), (120, "2m"), (7_200, "2h"), (15_552_000, "180d")]
        {
            assert_eq!(duration_word(Duration::from_secs(seconds)), expected);
        }
    }
}
