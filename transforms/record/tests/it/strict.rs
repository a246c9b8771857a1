//! One test for each way in which lenient readers let a policy be bypassed, or change
//! what they should not.

use allonym_record::codec::json::{Json, Limits};
use allonym_record::codec::{Codec, CodecError};
use allonym_record::{Record, Value};

use super::reading::{Outcome, program, read, rewrite, values, whole};

fn email(document: &[u8]) -> Result<Outcome, CodecError> {
    whole(&[(0, "$.email")], document)
}

fn refused(document: &[u8], expected: &str) {
    match email(document) {
        Err(CodecError::Malformed { reason, .. }) => assert_eq!(reason, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_last_duplicate_does_not_win_and_neither_does_the_first() {
    assert_eq!(values("$.email", r#"{"email":"a","email":"b","\u0065mail":"c"}"#), ["a", "b", "c"]);
}

#[test]
fn a_byte_order_mark_is_refused() {
    refused(b"\xEF\xBB\xBF{\"email\":\"a\"}", "a byte order mark before the document");
}

#[test]
fn utf_16_is_refused() {
    refused(b"{\0\"\0e\0\"\0:\x001\0}\0", "expected the name of a member, or '}'");
    refused(b"\0{\0}", "expected a value");
}

#[test]
fn half_a_surrogate_pair_is_refused_selected_or_not() {
    for document in
        [&b"{\"email\":\"\\ud800\"}"[..], b"{\"other\":\"\\udc00\"}", b"{\"\\udbff\":1}"]
    {
        refused(document, "half of a surrogate pair in a string");
    }
}

#[test]
fn invalid_utf_8_is_refused_selected_or_not() {
    for document in [
        &b"{\"email\":\"\xFF\"}"[..],
        b"{\"other\":\"\xC0\x80\"}",
        b"{\"\xED\xA0\x80\":1}",
        b"{\"d\":{\"x\":\"\xE9\"}}",
    ] {
        refused(document, "a string is not UTF-8");
    }
}

#[test]
fn a_second_document_is_refused() {
    for document in [&b"{\"email\":\"a\"}{\"email\":\"b\"}"[..], b"{} 1", b"{}\n{}", b"{}\0"] {
        refused(document, "text after the end of the document");
    }
}

#[test]
fn numbers_that_are_none_are_refused() {
    for document in [&b"{\"email\":NaN}"[..], b"{\"x\":Infinity}", b"{\"x\":+1}"] {
        refused(document, "expected a value");
    }
    refused(b"{\"x\":-Infinity}", "a digit is missing in a number");
    refused(b"{\"x\":007}", "a number cannot begin with 0");
}

#[test]
fn an_escaped_name_does_not_hide_its_value() {
    assert_eq!(values("$.email", r#"{"\u0065m\u0061il":"a"}"#), ["a"]);
}

#[test]
fn numbers_never_pass_through_floating_point() {
    let document = r#"{"a":12345678901234567890,"b":1e400,"c":1.0,"d":0.1000}"#;
    assert_eq!(values("$.*", document), ["#12345678901234567890", "#1e400", "#1.0", "#0.1000"]);
    assert_eq!(whole(&[(0, "$.*")], document.as_bytes()).unwrap().bytes, document.as_bytes());
}

#[test]
fn a_number_is_quoted_only_where_text_takes_its_place() {
    let check = |value: Value, expected: &str| {
        let program = program(&[(0, "$.pan")]);
        let changed =
            rewrite(&program, Limits::default(), &[br#"{"pan":4929120000006466}"#], |piece| {
                piece.fields().iter_mut().for_each(|field| field.replace(value.clone()));
            });
        assert_eq!(String::from_utf8(changed.unwrap().bytes).unwrap(), expected);
    };
    check(Value::number("4929121234566466"), r#"{"pan":4929121234566466}"#);
    check(Value::text("************6466"), r#"{"pan":"************6466"}"#);
}

#[test]
fn a_protected_number_that_begins_with_zero_is_refused() {
    let mut json = Json::new(program(&[(3, "$.pan")]), Limits::default());
    let mut piece = json.push(br#"{"pan":4929120000006466}"#).unwrap();
    piece.fields()[0].replace(Value::number("0929120000006466"));
    let error = piece.into_bytes().unwrap_err();
    assert_eq!((error.rule, error.to_string().as_str()), (3, "a number cannot begin with 0"));
}

#[test]
fn escapes_outside_of_the_span_stay_as_they_were_written() {
    let document = br#"{ "\u0061" : "\/\u0041", "email":"x" ,"b" : 1.00 }"#;
    let changed = rewrite(&program(&[(0, "$.email")]), Limits::default(), &[document], |piece| {
        for field in piece.fields() {
            field.replace(Value::text("/é\"\u{7f}"));
        }
    });
    let expected = "{ \"\\u0061\" : \"\\/\\u0041\", \"email\":\"/é\\\"\u{7f}\" ,\"b\" : 1.00 }";
    assert_eq!(String::from_utf8(changed.unwrap().bytes).unwrap(), expected);
}

#[test]
fn composites_are_refused_and_not_passed_over() {
    let composite = CodecError::Composite { rule: 0, offset: 9 };
    assert_eq!(email(br#"{"email":["a"]}"#), Err(composite));
    assert_eq!(email(br#"{"email":{"value":"a"}}"#), Err(composite));
}

#[test]
fn a_document_without_an_end_is_refused() {
    for document in
        [&b""[..], b"{\"email\":\"a\"", b"{\"email\":\"a", b"{\"email\":12", b"{\"email\":tr"]
    {
        assert!(matches!(email(document), Err(CodecError::Malformed { .. })));
    }
}

#[test]
fn only_the_selected_value_is_held_and_only_up_to_its_limit() {
    let limits = Limits { value_bytes: 100, ..Limits::default() };
    let long = "x".repeat(1000);
    let place = program(&[(0, "$.email")]);
    let other = format!("{{\"other\":\"{long}\",\"email\":\"a\"}}");
    assert_eq!(read(&place, limits, &[other.as_bytes()]).unwrap().bytes, other.as_bytes());
    let selected = format!("{{\"email\":\"{long}\"}}");
    let limit = CodecError::Limit { limit: "bytes of a selected value", offset: 9 };
    assert_eq!(read(&place, limits, &[selected.as_bytes()]), Err(limit));
}

#[test]
fn errors_hold_no_content() {
    let canary = "4929120000006466";
    for document in [
        format!("{{\"email\":\"{canary}\"x"),
        format!("{{\"email\":{canary}x}}"),
        format!("{{\"email\":{{\"{canary}\":1}}}}"),
        format!("{{\"{canary}\\q\":1}}"),
    ] {
        let error = email(document.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("4929"), "{error}");
    }
    let mut json = Json::new(program(&[(0, "$.email")]), Limits::default());
    let mut piece = json.push(format!("{{\"email\":\"{canary}\"").as_bytes()).unwrap();
    assert!(!format!("{:?}", piece.fields()).contains("4929"));
}
