//! Every limit holds, and says which it was.

use allonym_record::codec::json::{Json, Limits};
use allonym_record::codec::{Codec, CodecError};

use super::reading::{program, read};

fn limited(rules: &[(usize, &str)], limits: Limits, document: &str) -> Result<usize, CodecError> {
    read(&program(rules), limits, &[document.as_bytes()]).map(|outcome| outcome.fields.len())
}

fn over(limit: &'static str, offset: u64) -> Result<usize, CodecError> {
    Err(CodecError::Limit { limit, offset })
}

#[test]
fn depth() {
    let check = |depth: usize, document: &str, expected| {
        assert_eq!(
            limited(&[], Limits { depth, ..Limits::default() }, document),
            expected,
            "{document}"
        );
    };
    check(0, "1", Ok(0));
    check(0, "[]", over("depth of nesting", 0));
    check(2, "[[],{}]", Ok(0));
    check(2, "[[],{\"a\":[]}]", over("depth of nesting", 9));
    check(128, &format!("{}{}", "[".repeat(128), "]".repeat(128)), Ok(0));
    check(128, &format!("{}{}", "[".repeat(129), "]".repeat(129)), over("depth of nesting", 128));
}

#[test]
fn very_deep_documents_neither_overflow_the_stack_nor_pass() {
    let deep = 100_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let document = format!("{}1{}", open.repeat(deep), close.repeat(deep));
        let offset = 128 * open.len() as u64;
        assert_eq!(
            limited(&[(0, "$..b")], Limits::default(), &document),
            over("depth of nesting", offset)
        );
        let limits = Limits { depth: deep, ..Limits::default() };
        assert_eq!(limited(&[(0, "$..b")], limits, &document), Ok(0));
    }
}

#[test]
fn length_of_a_selected_value() {
    let check = |value_bytes: usize, document: &str, expected| {
        let limits = Limits { value_bytes, ..Limits::default() };
        assert_eq!(limited(&[(0, "$.a")], limits, document), expected, "{document}");
    };
    check(7, r#"{"a":"12345"}"#, Ok(1));
    check(6, r#"{"a":"12345"}"#, over("bytes of a selected value", 5));
    check(5, r#"{"a":12345}"#, Ok(1));
    check(4, r#"{"a":12345}"#, over("bytes of a selected value", 5));
    check(7, r#"{"a":"\u00e9"}"#, over("bytes of a selected value", 5));
    check(8, r#"{"a":"\u00e9"}"#, Ok(1));
    check(1, r#"{"b":"a long one that is not selected","c":1234567}"#, Ok(0));
}

#[test]
fn what_is_not_selected_streams_through_whatever_its_length() {
    let mut json =
        Json::new(program(&[(0, "$.a")]), Limits { value_bytes: 16, ..Limits::default() });
    assert_eq!(json.push(b"{\"b\":\"").unwrap().len(), 6);
    for _ in 0..100 {
        assert_eq!(json.push(&[b'x'; 1000]).unwrap().len(), 1000);
    }
    assert_eq!(json.push(b"\",\"a\":\"held").unwrap().len(), 6);
    let mut pushed = 5;
    let error = loop {
        match json.push(b"x") {
            Ok(piece) => assert!(piece.is_empty()),
            Err(error) => break error,
        }
        pushed += 1;
        assert!(pushed < 20);
    };
    assert_eq!(error, CodecError::Limit { limit: "bytes of a selected value", offset: 100_012 });
    assert_eq!(json.push(b"\"}").err(), Some(error));
    assert_eq!(json.finish().err(), Some(error));
}

#[test]
fn length_of_a_name() {
    let check = |key_bytes: usize, document: &str, expected| {
        let limits = Limits { key_bytes, ..Limits::default() };
        for rules in [&[][..], &[(0, "$..none")]] {
            assert_eq!(limited(rules, limits, document), expected, "{document}");
        }
    };
    check(6, r#"{"name":"a long value, which this does not concern"}"#, Ok(0));
    check(5, r#"{"name":1}"#, over("bytes of a name", 1));
    check(5, r#"[{"a":{"name":1}}]"#, over("bytes of a name", 7));
}

#[test]
fn count_of_selected_values() {
    let check = |fields: usize, document: &str, expected| {
        let limits = Limits { fields, ..Limits::default() };
        assert_eq!(
            limited(&[(0, "$[*]"), (1, "$[*].a")], limits, document),
            expected,
            "{document}"
        );
    };
    check(3, "[1,2,3]", Ok(3));
    check(2, "[1,2,3]", over("selected values", 5));
    check(0, "[]", Ok(0));
}

#[test]
fn a_held_value_costs_no_more_the_finer_it_is_cut() {
    let mut json = Json::new(program(&[(0, "$")]), Limits::default());
    assert!(json.push(b"\"").unwrap().is_empty());
    // Quadratic copying of half a MiB would take minutes here.
    for _ in 0..500_000 {
        assert!(json.push(b"x").unwrap().is_empty());
    }
    assert_eq!(json.push(b"\"").unwrap().len(), 500_002);
    assert!(json.finish().unwrap().is_empty());
}

#[test]
fn after_the_end_nothing_is_taken() {
    let mut json = Json::new(program(&[]), Limits::default());
    json.push(b"[]").unwrap();
    json.finish().unwrap();
    let ended = CodecError::Malformed { reason: "the document has ended", offset: 2 };
    assert_eq!(json.push(b" ").err(), Some(ended));
    assert_eq!(json.finish().err(), Some(ended));
}
