use std::time::Duration;

use allonym_contract::Location;
use serde::Deserialize;

use super::Located;
use super::entries::Entries;
use super::error::{Problems, suggest};
use super::units;

/// A named key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub at: Location,
    /// When a new version is made.
    pub rotate: Rotate,
    /// The name it had before.
    pub was: Option<Located<String>>,
}

/// When a key gets a new version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotate {
    /// Only by command.
    #[default]
    Never,
    /// By a rewrap job.
    OnRewrap,
    /// By the clock.
    Every(Duration),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyTyped {
    rotate: Option<Located<String>>,
    was: Option<Located<String>>,
}

pub(super) fn convert(typed: Entries<Option<KeyTyped>>, problems: &mut Problems) -> Vec<Key> {
    let convert = |(name, typed): (Located<String>, Option<KeyTyped>)| {
        check_name("key", &name, problems);
        let (typed_rotate, was) = typed.map_or((None, None), |typed| (typed.rotate, typed.was));
        let rotate = typed_rotate.map_or(Rotate::default(), |typed| rotate(&typed, problems));
        Key { name: name.value, at: name.at, rotate, was }
    };
    typed.0.into_iter().map(convert).collect()
}

fn rotate(typed: &Located<String>, problems: &mut Problems) -> Rotate {
    match typed.value.as_str() {
        "never" => Rotate::Never,
        "on_rewrap" => Rotate::OnRewrap,
        other => match units::duration(other) {
            Some(every) => Rotate::Every(every),
            None => {
                let hint = if other.starts_with(|c: char| c.is_ascii_digit()) {
                    "a duration is a whole number and s, m, h or d: `180d`".to_owned()
                } else {
                    suggest(other, ["never", "on_rewrap", "180d"].into_iter())
                };
                problems.add(
                    typed.at,
                    "`rotate` is neither `never`, `on_rewrap` nor a duration",
                    hint,
                );
                Rotate::Never
            }
        },
    }
}

/// Names go into policies, logs, metrics and file names.
pub(super) fn check_name(what: &str, name: &Located<String>, problems: &mut Problems) {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let starts = name.value.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts || name.value.len() > 64 || !name.value.chars().all(fits) {
        let hint =
            "a name begins with a letter and holds at most 64 letters, digits, `_`, `-` and `.`";
        problems.add(name.at, format!("not a name for a {what}"), hint);
    }
}
