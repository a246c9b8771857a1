use std::collections::HashMap;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};

use crate::cache::Key;
use crate::{PolicyInput, Question};

/// Numbers in a cache key for what no rule and no list names.
const NOT_NAMED: u32 = 0;
const NO_PURPOSE: u32 = u32::MAX;

/// Numbers for the names that rules and lists speak of; 0 stands for all others.
pub(crate) struct Names {
    roles: HashMap<String, u32>,
    classes: HashMap<String, u32>,
    places: HashMap<String, u32>,
    purposes: HashMap<String, u32>,
}

impl Names {
    pub(crate) fn of(input: &PolicyInput) -> Self {
        let rules = || input.rules.iter();
        Self {
            roles: number(rules().map(|rule| &rule.role)),
            classes: number(input.classes.iter()),
            places: number(rules().filter_map(|rule| rule.places.as_ref()).flatten()),
            purposes: number(input.purposes.iter()),
        }
    }

    /// The question in numbers; none where no rule can be about it.
    pub(crate) fn key(&self, question: &Question<'_>) -> Option<Key> {
        let roles = self.roles_of(question.roles);
        let number = |of: &HashMap<String, u32>, name| of.get(name).copied().unwrap_or(NOT_NAMED);
        let class = self.classes.get(question.class).copied()?;
        (!roles.is_empty()).then(|| Key {
            roles,
            right: question.right,
            class,
            place: number(&self.places, question.place),
            purpose: question.purpose.map_or(NO_PURPOSE, |purpose| number(&self.purposes, purpose)),
        })
    }

    fn roles_of(&self, roles: &[String]) -> Vec<u32> {
        let mut known: Vec<u32> =
            roles.iter().filter_map(|role| self.roles.get(role).copied()).collect();
        known.sort_unstable();
        known.dedup();
        known
    }
}

fn number<'a>(names: impl Iterator<Item = &'a String>) -> HashMap<String, u32> {
    let mut numbers = HashMap::new();
    for name in names {
        let next = u32::try_from(numbers.len() + 1).unwrap_or(NOT_NAMED);
        numbers.entry(name.clone()).or_insert(next);
    }
    numbers
}

/// The entity types of the schema, parsed once.
pub(crate) struct Kinds {
    pub(crate) caller: EntityTypeName,
    pub(crate) role: EntityTypeName,
    pub(crate) class: EntityTypeName,
    pub(crate) action: EntityTypeName,
}

impl Kinds {
    pub(crate) fn new() -> Result<Self, String> {
        let kind = |name: &str| name.parse().map_err(|_| format!("{name} is no entity type"));
        Ok(Self {
            caller: kind("Caller")?,
            role: kind("Role")?,
            class: kind("DataClass")?,
            action: kind("Action")?,
        })
    }

    /// Made from parts, not parsed: a name is never read as Cedar text.
    pub(crate) fn uid(&self, kind: &EntityTypeName, name: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(name))
    }
}
