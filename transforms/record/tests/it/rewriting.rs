//! What is changed is written as JSON; everything else leaves as it came.

use std::sync::Arc;

use allonym_record::codec::Codec;
use allonym_record::codec::json::{Json, Limits, Program};
use allonym_record::{CannotInsert, Piece, Record, Value};
use proptest::prelude::*;

use super::documents::{cut, document, path};
use super::reading::{program, read, rewrite};

fn changed(path: &str, document: &str, change: impl FnMut(&mut Piece)) -> String {
    let outcome =
        rewrite(&program(&[(0, path)]), Limits::default(), &[document.as_bytes()], change);
    String::from_utf8(outcome.unwrap().bytes).unwrap()
}

fn replaced(path: &str, document: &str, value: &Value) -> String {
    changed(path, document, |piece| {
        piece.fields().iter_mut().for_each(|field| field.replace(value.clone()));
    })
}

#[test]
fn values_are_written_with_no_more_escapes_than_needed() {
    let check = |value: Value, expected: &str| {
        assert_eq!(
            replaced("$.a", r#"{ "a" : "old" , "b":1}"#, &value),
            format!(r#"{{ "a" : {expected} , "b":1}}"#)
        );
    };
    check(Value::text("né/w"), "\"né/w\"");
    check(Value::text("a\"b\\c\n\u{1}"), r#""a\"b\\c\n\u0001""#);
    check(Value::number("12345678901234567890"), "12345678901234567890");
    check(Value::number("-0.5e-3"), "-0.5e-3");
    check(Value::Bool(false), "false");
    check(Value::Null, "null");
}

#[test]
fn the_same_value_again_leaves_the_original_bytes() {
    let document = r#"{"a":"\u0041\/","b":[ 1.0,1e0 ]}"#;
    assert_eq!(replaced("$.a", document, &Value::text("A/")), document);
    assert_eq!(replaced("$.b[0]", document, &Value::number("1.0")), document);
    assert_eq!(replaced("$.b[1]", document, &Value::number("1.0")), document.replace("1e0", "1.0"));
}

#[test]
fn a_number_that_is_none_cannot_be_written() {
    let check = |written: &str, reason: &str| {
        let mut json = Json::new(program(&[(6, "$.a")]), Limits::default());
        let mut piece = json.push(br#"{"a":4929}"#).unwrap();
        piece.fields()[0].replace(Value::number(written));
        let error = piece.into_bytes().unwrap_err();
        assert_eq!((error.rule, error.reason), (6, reason), "{written}");
        assert!(!error.to_string().contains(written) || written.is_empty());
    };
    check("0123", "a number cannot begin with 0");
    check("-0123", "a number cannot begin with 0");
    for written in ["", "NaN", "+1", "1,2", "12a", "1 ", "1.", "tok_1", "\"1\""] {
        let mut json = Json::new(program(&[(6, "$.a")]), Limits::default());
        let mut piece = json.push(br#"{"a":4929}"#).unwrap();
        piece.fields()[0].replace(Value::number(written));
        assert_eq!(piece.into_bytes().unwrap_err().rule, 6, "{written}");
    }
}

#[test]
fn members_get_siblings_and_others_do_not() {
    let beside = |piece: &mut Piece| {
        for at in 0..piece.fields().len() {
            piece.insert(at, "v\"", Value::number("3")).unwrap();
        }
    };
    assert_eq!(
        changed("$..a", r#"{"a":1,"b":{"a" : "x" }}"#, beside),
        r#"{"a":1,"v\"":3,"b":{"a" : "x","v\"":3 }}"#
    );
    for (path, document) in [("$[*]", "[1,2]"), ("$", "\"x\""), ("$.a[0]", r#"{"a":[1]}"#)] {
        changed(path, document, |piece| {
            for at in 0..=piece.fields().len() {
                assert_eq!(piece.insert(at, "v", Value::Null), Err(CannotInsert), "{document}");
            }
        });
    }
}

#[test]
fn pieces_come_as_soon_as_they_can() {
    let mut json = Json::new(program(&[(0, "$.a")]), Limits::default());
    let mut check = |chunk: &str, bytes: usize, fields: usize| {
        let mut piece = json.push(chunk.as_bytes()).unwrap();
        assert_eq!((piece.len(), piece.fields().len()), (bytes, fields), "{chunk}");
    };
    check(r#"{"b":{"nothing can match in he"#, 30, 0);
    check(r#"re":"so this text goes on at onc"#, 32, 0);
    check(r#"e"},"#, 4, 0);
    check(r#""na"#, 0, 0);
    check(r#"me": 12"#, 10, 0);
    check(r#",""#, 1, 0);
    check(r#"a": "#, 5, 0);
    check(r#""he"#, 0, 0);
    check(r#"ld"#, 0, 0);
    check(r#"", "a":1"#, 12, 1);
    check("2", 0, 0);
    check(" ", 3, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn only_the_spans_of_changed_values_change(
        document in document(),
        paths in prop::collection::vec(path(), 1..3),
        points in prop::collection::vec(any::<u16>(), 0..6),
        values in prop::collection::vec(prop::option::of(any::<String>()), 1..6),
    ) {
        let rules: Vec<_> = paths.iter().map(|path| (0, path)).collect();
        let program = Arc::new(Program::compile(&rules));
        let bytes = document.text.as_bytes();
        let Ok(original) = read(&program, Limits::default(), &[bytes]) else { return Ok(()) };
        let mut expected = Vec::new();
        let mut done = 0;
        for (field, value) in original.fields.iter().zip(values.iter().cycle()) {
            expected.extend(&bytes[done..field.span.start]);
            match value {
                Some(text) if field.value != Value::text(text.as_str()) => expected.extend(serde_json::to_vec(text).unwrap()),
                _ => expected.extend(&bytes[field.span.clone()]),
            }
            done = field.span.end;
        }
        expected.extend(&bytes[done..]);
        let mut next = values.iter().cycle();
        let changed = rewrite(&program, Limits::default(), &cut(bytes, &points), |piece| {
            for field in piece.fields() {
                if let Some(Some(text)) = next.next() {
                    field.replace(Value::text(text.as_str()));
                }
            }
        });
        prop_assert_eq!(String::from_utf8(changed.unwrap().bytes), String::from_utf8(expected));
    }
}
