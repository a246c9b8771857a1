//! Cutting the input anywhere changes nothing: not bytes, not fields, not errors.

use std::sync::Arc;

use allonym_record::Value;
use allonym_record::codec::json::{Limits, Program};
use proptest::prelude::*;

use super::documents::{cut, document, path};
use super::grammar::{ACCEPTED, REFUSED};
use super::reading::{program, read};

const TIGHT: Limits = Limits { depth: 5, value_bytes: 12, fields: 3, key_bytes: 9 };

fn check_all_cuts(program: &Arc<Program>, limits: Limits, document: &[u8]) {
    let expected = read(program, limits, &[document]);
    if let Ok(outcome) = &expected {
        assert_eq!(outcome.bytes, document, "{:?}", String::from_utf8_lossy(document));
    }
    let check = |chunks: &[&[u8]]| {
        assert_eq!(read(program, limits, chunks), expected, "{:?}", chunks);
    };
    for at in 0..=document.len() {
        let (left, right) = document.split_at(at);
        check(&[left, right]);
        check(&[left, &[], right]);
    }
    check(&document.chunks(1).collect::<Vec<_>>());
    check(&document.chunks(3).collect::<Vec<_>>());
}

#[test]
fn every_case_of_the_grammar_is_the_same_however_it_is_cut() {
    let none = program(&[]);
    let deep = program(&[(0, "$..a"), (1, "$[*]"), (2, "$")]);
    for document in ACCEPTED.iter().chain(REFUSED) {
        for program in [&none, &deep] {
            check_all_cuts(program, Limits::default(), document);
            check_all_cuts(program, TIGHT, document);
        }
    }
}

#[test]
fn a_rich_document_is_the_same_however_it_is_cut() {
    let document = "{ \"a\\u0062\" : [ -12.5e+3 , \"é😀\\ud83d\\ude00\\n\" , true ], \"ä\":null,\n\
                    \"dead\": {\"é\": [\"😀 text\", {\"\\\"\": 1}], \"ab\": \"x\"}, \"ab\":[false]}\t";
    let program = program(&[(0, "$.ab[*]"), (1, "$['ä']"), (2, "$.dead.ab")]);
    let expected = [
        (0, Value::number("-12.5e+3")),
        (0, Value::text("é😀😀\n")),
        (0, Value::Bool(true)),
        (1, Value::Null),
        (2, Value::text("x")),
        (0, Value::Bool(false)),
    ];
    let outcome = read(&program, Limits::default(), &[document.as_bytes()]).unwrap();
    let found: Vec<_> = outcome.fields.into_iter().map(|field| (field.rule, field.value)).collect();
    assert_eq!(found, expected);
    check_all_cuts(&program, Limits::default(), document.as_bytes());
    for value_bytes in 0..30 {
        check_all_cuts(&program, Limits { value_bytes, ..Limits::default() }, document.as_bytes());
    }
    for key_bytes in 0..14 {
        check_all_cuts(&program, Limits { key_bytes, ..Limits::default() }, document.as_bytes());
    }
    for fields in 0..8 {
        check_all_cuts(&program, Limits { fields, ..Limits::default() }, document.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_cuts_change_nothing(
        document in document(),
        paths in prop::collection::vec(path(), 0..3),
        points in prop::collection::vec(any::<u16>(), 0..12),
        tight in any::<bool>(),
    ) {
        let rules: Vec<_> = paths.iter().enumerate().collect();
        let program = Arc::new(Program::compile(&rules));
        let limits = if tight { TIGHT } else { Limits::default() };
        let bytes = document.text.as_bytes();
        let expected = read(&program, limits, &[bytes]);
        prop_assert_eq!(read(&program, limits, &cut(bytes, &points)), expected);
        let expected = read(&program, limits, &[bytes]);
        prop_assert_eq!(read(&program, limits, &bytes.chunks(1).collect::<Vec<_>>()), expected);
    }
}
