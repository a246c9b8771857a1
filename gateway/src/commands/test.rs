//! `allonym test`: the configuration's own tests, with throw-away keys.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use allonym_contract::{
    Crossing, Direction, Guard, Ledger, Namespace, Principal, PrincipalKind, Refusal, RequestId,
};
use allonym_keyring::NamespaceId;
use allonym_record::{CannotInsert, Field, Record, Value};

use super::{Failure, Out, Outcome};
use crate::config::{Case, Config, Scalar};
use crate::pipeline::Pipeline;
use crate::sandbox::Sandbox;

pub(super) fn run(path: &Path, out: &Out) -> Outcome {
    let load = || Config::load(path).map_err(|errors| Failure::all(errors.0));
    let config = load()?;
    let sandbox = Sandbox::open(load()?).map_err(|error| Failure::all(error.lines()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("allonym: {error}")))?;
    let pipeline = sandbox.gateway.pipeline();
    let mut results = Vec::new();
    for case in &config.tests {
        let name = format!("{}:{}: as {}", config.file, case.at.line, case.role.value);
        let outcome = runtime.block_on(run_case(&pipeline, case));
        match &outcome {
            Ok(()) => out.say(&format!("ok    {name}")),
            Err(why) => out.alarm(&format!("FAIL  {name}: {why}")),
        }
        results.push((name, outcome));
    }
    let failed = results.iter().filter(|(_, outcome)| outcome.is_err()).count();
    out.document(&serde_json::json!({ "tests": results.len(), "failed": failed }));
    out.say(&format!("{} tests, {failed} failed", results.len()));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Protects the given values as the upstream would get them, then reads them as the role.
async fn run_case(pipeline: &Arc<Pipeline>, case: &Case) -> Result<(), String> {
    let place = format!("{} {}", case.given.connector.value, case.given.route.value);
    let plan = pipeline.plan();
    let rules =
        plan.places.get(place.as_str()).ok_or_else(|| format!("there is no place `{place}`"))?;
    let rule = |selector: &str| {
        rules
            .fields
            .iter()
            .position(|field| field.name == selector)
            .ok_or_else(|| format!("the place has no rule `{selector}`"))
    };
    let mut fields = Vec::new();
    for (selector, value) in &case.given.value {
        fields.push(Field::new(rule(&selector.value)?, value_of(value), 0..0, true));
    }
    let mut record = Fields(fields);
    // The writer of a test has every right: what is tested is what the reader sees.
    pipeline
        .protect_for_test(&place, &mut record)
        .await
        .map_err(|refusal| said("the given values are refused", &refusal))?;
    let mut crossing = reading(&place, case, pipeline.revision())?;
    pipeline
        .transform(&mut crossing, &mut [&mut record])
        .await
        .map_err(|refusal| said("the answer is refused", &refusal))?;
    for (selector, expected) in &case.sees {
        let rule = rule(&selector.value)?;
        let seen = record
            .0
            .iter()
            .find(|field| field.rule == rule)
            .ok_or_else(|| format!("`given` has no `{}`", selector.value))?;
        if *seen.value() != value_of(expected) {
            return Err(format!("`{}` is seen as {}", selector.value, shown(seen.value())));
        }
    }
    Ok(())
}

fn said(what: &str, refusal: &Refusal) -> String {
    format!("{what}: {} ({})", refusal.detail, refusal.field.as_deref().unwrap_or(refusal.rule))
}

fn reading(place: &str, case: &Case, revision: u64) -> Result<Crossing, String> {
    let principal = Principal {
        name: "test".to_owned(),
        kind: PrincipalKind::LocalUser,
        roles: vec![case.role.value.clone()],
        purpose: case.purpose.as_ref().map(|purpose| purpose.value.clone()),
        claims: std::collections::BTreeMap::new(),
        expires: None,
        budget_key: "test".to_owned(),
    };
    Ok(Crossing {
        request: RequestId::random().map_err(|error| error.to_string())?,
        namespace: Namespace(*NamespaceId::DEFAULT.as_bytes()),
        place: place.into(),
        direction: Direction::ToClient,
        purpose: principal.purpose.as_deref().map(Into::into),
        principal: Arc::new(principal),
        subject: None,
        row: None,
        revision,
        notices: Vec::new(),
        ledger: Ledger::default(),
    })
}

fn value_of(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(*value),
        Scalar::Number(digits) => Value::number(digits.as_str()),
        Scalar::Text(text) => Value::text(text.as_str()),
    }
}

/// The values of a test stand in the configuration: they are examples, and may be shown.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(digits) => digits.to_string(),
        Value::Text(text) => format!("\"{}\"", text.as_str()),
    }
}

struct Fields(Vec<Field>);

impl Record for Fields {
    fn fields(&mut self) -> &mut [Field] {
        &mut self.0
    }

    fn insert(&mut self, _: usize, _: &str, _: Value) -> Result<(), CannotInsert> {
        Err(CannotInsert)
    }
}
