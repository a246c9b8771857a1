//! Against `serde_json_path`: the same document and paths select the same nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use allonym_record::codec::CodecError;
use allonym_record::codec::json::{Limits, Program};
use allonym_record::{Path, Value};
use proptest::prelude::*;
use serde_json_path::{JsonPath, PathElement};

use super::documents::{Document, Node, Turn, document, path};
use super::reading::{Seen, read};

/// Where the oracle finds nodes for a path.
fn located(path: &Path, tree: &serde_json::Value) -> Vec<Vec<Turn>> {
    let oracle = JsonPath::parse(&path.to_string()).unwrap();
    let turn = |element: &PathElement<'_>| match element {
        PathElement::Name(name) => Turn::Name((*name).to_owned()),
        PathElement::Index(index) => Turn::Index(*index),
    };
    let nodes = oracle.query_located(tree);
    nodes.locations().map(|location| location.iter().map(turn).collect()).collect()
}

/// What the oracle makes of all rules: the selected values in the order of the text, or
/// the first error.
fn expected(document: &Document, rules: &[(usize, &Path)]) -> Result<Vec<Seen>, CodecError> {
    let tree: serde_json::Value = serde_json::from_str(&document.text).unwrap();
    let mut selected: BTreeMap<usize, (Vec<usize>, &Node)> = BTreeMap::new();
    for (rule, path) in rules {
        for location in located(path, &tree) {
            let node = document.nodes.iter().find(|node| node.location == location).unwrap();
            selected.entry(node.span.start).or_insert_with(|| (Vec::new(), node)).0.push(*rule);
        }
    }
    let judge = |(mut rules, node): (Vec<usize>, &Node)| {
        let offset = node.span.start as u64;
        rules.sort_unstable();
        rules.dedup();
        match rules[..] {
            [rule] if node.is_scalar => {
                let value = value(&document.text[node.span.clone()]);
                Ok(Seen { rule, value, span: node.span.clone() })
            }
            [rule] => Err(CodecError::Composite { rule, offset }),
            _ => Err(CodecError::Ambiguous { first: rules[0], second: rules[1], offset }),
        }
    };
    selected.into_values().map(judge).collect()
}

fn value(written: &str) -> Value {
    match serde_json::from_str(written).unwrap() {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(bool) => Value::Bool(bool),
        serde_json::Value::String(text) => Value::text(text),
        _ => Value::number(written),
    }
}

/// Two rules may clash; which of three are named is not promised.
fn same(ours: Result<Vec<Seen>, CodecError>, theirs: Result<Vec<Seen>, CodecError>) -> bool {
    let place = |error: &CodecError| match error {
        CodecError::Ambiguous { offset, .. } => Some(*offset),
        _ => None,
    };
    match (&ours, &theirs) {
        (Err(ours), Err(theirs)) if place(ours).is_some() => place(ours) == place(theirs),
        _ => ours == theirs,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn one_path_selects_what_the_oracle_locates(document in document(), path in path()) {
        let program = Arc::new(Program::compile(&[(5, &path)]));
        let outcome = read(&program, Limits::default(), &[document.text.as_bytes()]);
        prop_assert_eq!(outcome.map(|outcome| outcome.fields), expected(&document, &[(5, &path)]));
    }

    #[test]
    fn many_paths_select_what_the_oracle_locates(
        document in document(),
        paths in prop::collection::vec((0..3_usize, path()), 1..5),
    ) {
        let rules: Vec<_> = paths.iter().map(|(rule, path)| (*rule, path)).collect();
        let program = Arc::new(Program::compile(&rules));
        let ours = read(&program, Limits::default(), &[document.text.as_bytes()]);
        let ours = ours.map(|outcome| outcome.fields);
        let theirs = expected(&document, &rules);
        prop_assert!(same(ours.clone(), theirs.clone()), "{ours:?} is not {theirs:?}");
    }

    /// The comparison above means little unless scalars are selected often.
    #[test]
    fn every_scalar_is_selected_by_its_own_location(document in document()) {
        for node in document.nodes.iter().filter(|node| node.is_scalar) {
            let step = |turn: &Turn| match turn {
                Turn::Name(name) => allonym_record::Step::Name(name.clone()),
                Turn::Index(index) => allonym_record::Step::Index(*index as u64),
            };
            let segment = |turn| allonym_record::Segment { descendant: false, step: step(turn) };
            let path = Path::from(node.location.iter().map(segment).collect::<Vec<_>>());
            let program = Arc::new(Program::compile(&[(0, &path)]));
            let fields = read(&program, Limits::default(), &[document.text.as_bytes()]).unwrap().fields;
            let value = value(&document.text[node.span.clone()]);
            prop_assert_eq!(fields, vec![Seen { rule: 0, value, span: node.span.clone() }]);
        }
    }
}
