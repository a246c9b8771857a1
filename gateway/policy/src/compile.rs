use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use cedar_policy::{PolicyId, PolicySet, Schema, ValidationMode, Validator};
use serde_json::{Value, json};

use crate::{AccessRule, Effect, PolicyInput, PurposeRule, Right};

/// What a rule may speak of. Times are microseconds since 1970.
const SCHEMA: &str = r"
entity Role;
entity Caller in [Role];
entity DataClass;
action reveal, mask, search, write, write_token appliesTo {
  principal: [Caller],
  resource: [DataClass],
  context: { place: String, purpose?: String, now: Long },
};
";

/// Why a rule cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("access rule {}: {message}", .rule + 1)]
pub struct PolicyError {
    /// The rule's position in the file, from 0.
    pub rule: usize,
    /// What is wrong with it, and what to do.
    pub message: String,
}

/// The rules as Cedar policies, with the schema they were validated against.
pub(crate) struct Compiled {
    pub(crate) schema: Schema,
    pub(crate) policies: PolicySet,
    /// Each rule's policy in Cedar's own words, in file order.
    pub(crate) text: String,
}

/// Checks every rule and compiles it; all errors are reported, not only the first.
pub(crate) fn compile(input: &PolicyInput) -> Result<Compiled, Vec<PolicyError>> {
    let mut errors = Vec::new();
    for (rule, access) in input.rules.iter().enumerate() {
        let found = check(access, input).into_iter();
        errors.extend(found.map(|message| PolicyError { rule, message }));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
        .map_err(|error| vec![PolicyError { rule: 0, message: error.to_string() }])?;
    let mut policies = PolicySet::new();
    let mut text = String::new();
    for (rule, access) in input.rules.iter().enumerate() {
        if let Err(message) = add(&mut policies, &mut text, rule, access, input) {
            errors.push(PolicyError { rule, message });
        }
    }
    let verdict = Validator::new(schema.clone()).validate(&policies, ValidationMode::default());
    for error in verdict.validation_errors() {
        let rule = rule_of(error.policy_id()).unwrap_or_default();
        errors.push(PolicyError { rule, message: error.to_string() });
    }
    if errors.is_empty() { Ok(Compiled { schema, policies, text }) } else { Err(errors) }
}

/// Which rule a Cedar policy was made from.
pub(crate) fn rule_of(id: &PolicyId) -> Option<usize> {
    let id: &str = id.as_ref();
    id.strip_prefix("access[")?.strip_suffix(']')?.parse().ok()
}

/// Microseconds since 1970, as Cedar sees a time; saturates at the ends of `i64`.
pub(crate) fn micros(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)
        }
    }
}

fn check(rule: &AccessRule, input: &PolicyInput) -> Vec<String> {
    let mut wrong = Vec::new();
    if rule.role.is_empty() {
        wrong.push("`role` is empty".to_owned());
    }
    if rule.rights.values().all(Vec::is_empty) {
        wrong.push("it names no data class under any right".to_owned());
    }
    let named: BTreeSet<&String> = rule.rights.values().flatten().collect();
    for class in named.into_iter().filter(|class| !input.classes.contains(class)) {
        wrong.push(format!("data class {class:?} is not declared under `data:`"));
    }
    if rule.places.as_ref().is_some_and(Vec::is_empty) {
        wrong.push("`places` is an empty list: leave it out to mean everywhere".to_owned());
    }
    if let (Some(from), Some(until)) = (rule.not_before, rule.valid_until)
        && until <= from
    {
        wrong.push("it ends before it begins".to_owned());
    }
    wrong.extend(check_purpose(rule, input));
    wrong
}

fn check_purpose(rule: &AccessRule, input: &PolicyInput) -> Vec<String> {
    let mut wrong = Vec::new();
    match &rule.purpose {
        PurposeRule::None => return wrong,
        PurposeRule::Required if input.purposes.is_empty() => {
            wrong.push("it requires a purpose, and `purposes:` declares none".to_owned());
        }
        PurposeRule::Required => {}
        PurposeRule::OneOf(these) => {
            if these.is_empty() {
                wrong.push("its list of purposes is empty".to_owned());
            }
            for purpose in these.iter().filter(|purpose| !input.purposes.contains(purpose)) {
                wrong.push(format!("purpose {purpose:?} is not declared under `purposes:`"));
            }
        }
    }
    if rule.effect == Effect::Forbid {
        wrong.push(
            "a rule that forbids cannot depend on a purpose: leaving the purpose out would \
             escape it"
                .to_owned(),
        );
    }
    wrong
}

fn add(
    policies: &mut PolicySet,
    text: &mut String,
    index: usize,
    rule: &AccessRule,
    input: &PolicyInput,
) -> Result<(), String> {
    let name = format!("access[{index}]");
    let form = policy_form(&name, rule, &input.purposes);
    let policy = cedar_policy::Policy::from_json(Some(PolicyId::new(&name)), form)
        .map_err(|error| error.to_string())?;
    let words = policy.to_cedar().ok_or("it has no form in Cedar's syntax")?;
    text.push_str(words.trim_end());
    text.push('\n');
    policies.add(policy).map_err(|error| error.to_string())
}

/// One rule in Cedar's JSON policy format. Names go in as JSON strings and are never
/// part of any text that is parsed, so no name can end a literal and begin a policy.
fn policy_form(name: &str, rule: &AccessRule, purposes: &[String]) -> Value {
    let given = || rule.rights.iter().filter(|(_, classes)| !classes.is_empty());
    let actions: Vec<Value> = given().map(|(right, _)| action(*right)).collect();
    let mut conditions = vec![any(given().map(|(right, classes)| {
        let is_right = json!({ "==": { "left": { "Var": "action" },
                                       "right": { "Value": { "__entity": action(*right) } } } });
        both(is_right, is_one_of_classes(classes))
    }))];
    conditions.extend(rule.places.as_deref().map(|places| among(places, &attribute("place"))));
    match &rule.purpose {
        PurposeRule::None => {}
        PurposeRule::Required => conditions.push(has_purpose(purposes)),
        PurposeRule::OneOf(these) => conditions.push(has_purpose(these)),
    }
    if let Some(from) = rule.not_before {
        conditions.push(json!({ ">=": { "left": attribute("now"),
                                        "right": { "Value": micros(from) } } }));
    }
    if let Some(until) = rule.valid_until {
        conditions.push(json!({ "<": { "left": attribute("now"),
                                       "right": { "Value": micros(until) } } }));
    }
    let conditions: Vec<Value> =
        conditions.into_iter().map(|body| json!({ "kind": "when", "body": body })).collect();
    json!({
        "effect": match rule.effect { Effect::Permit => "permit", Effect::Forbid => "forbid" },
        "principal": { "op": "in", "entity": { "type": "Role", "id": rule.role } },
        "action": { "op": "in", "entities": actions },
        "resource": { "op": "All" },
        "conditions": conditions,
        "annotations": { "id": name },
    })
}

fn action(right: Right) -> Value {
    json!({ "type": "Action", "id": right.word() })
}

fn attribute(name: &str) -> Value {
    json!({ ".": { "left": { "Var": "context" }, "attr": name } })
}

fn is_one_of_classes(classes: &[String]) -> Value {
    let set: Vec<Value> = classes
        .iter()
        .map(|class| json!({ "Value": { "__entity": { "type": "DataClass", "id": class } } }))
        .collect();
    json!({ "in": { "left": { "Var": "resource" }, "right": { "Set": set } } })
}

fn has_purpose(purposes: &[String]) -> Value {
    let stated = json!({ "has": { "left": { "Var": "context" }, "attr": "purpose" } });
    both(stated, among(purposes, &attribute("purpose")))
}

fn among(strings: &[String], what: &Value) -> Value {
    let set: Vec<Value> = strings.iter().map(|string| json!({ "Value": string })).collect();
    json!({ "contains": { "left": { "Set": set }, "right": what } })
}

fn both(left: Value, right: Value) -> Value {
    json!({ "&&": { "left": left, "right": right } })
}

fn any(terms: impl Iterator<Item = Value>) -> Value {
    terms
        .reduce(|left, right| json!({ "||": { "left": left, "right": right } }))
        .unwrap_or_else(|| json!({ "Value": false }))
}
