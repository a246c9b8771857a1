//! Names that some readers take for selected ones.

use allonym_record::Record;
use allonym_record::codec::json::{Json, Limits};
use allonym_record::codec::{Codec, CodecError};

use crate::reading::{program, whole};

type Rules<'a> = &'a [(usize, &'a str)];

/// How many values are selected, wherever the document is cut.
fn strict(rules: Rules<'_>, document: &str) -> Result<usize, CodecError> {
    let program = program(rules);
    let read = |cut: usize| {
        let mut json = Json::strict_names(program.clone(), Limits::default());
        let (left, right) = document.as_bytes().split_at(cut);
        let mut fields = 0;
        for chunk in [left, right] {
            fields += json.push(chunk)?.fields().len();
        }
        Ok(fields + json.finish()?.fields().len())
    };
    let result = read(0);
    for cut in 1..=document.len() {
        assert_eq!(read(cut), result, "{document} cut at {cut}");
    }
    result
}

#[test]
fn a_name_that_differs_in_case_only_is_refused_where_it_is_waited_for() {
    let at = |rule, offset| Err(CodecError::AmbiguousName { rule, offset });
    let email = &[(3, "$.email")][..];
    let nested = &[(1, "$.customer.address[0].street"), (2, "$.other")][..];
    let anywhere = &[(4, "$..email")][..];
    let cases: [(Rules<'_>, &str, Result<usize, CodecError>); 22] = [
        (email, r#"{"email":"x"}"#, Ok(1)),
        (email, r#"{"EMAIL":"x"}"#, at(3, 1)),
        (email, r#"{"a":1, "eMail" :"x"}"#, at(3, 8)),
        (email, r#"{"email":"x","Email":null}"#, at(3, 13)),
        (email, r#"{"\u0045mail":"x"}"#, at(3, 1)),
        (email, r#"{"ema\u0131l":"x"}"#, at(3, 1)),
        (email, r#"{"EMAIL2":"x","e_mail":1,"mail":2,"EmaiL\u0000":3}"#, Ok(0)),
        // Nothing waits for it there.
        (email, r#"{"a":{"EMAIL":"x"},"email":"y"}"#, Ok(1)),
        (email, r#"[{"EMAIL":"x"}]"#, Ok(0)),
        (anywhere, r#"{"a":[{"b":{"EMAIL":"x"}}]}"#, at(4, 12)),
        (nested, r#"{"customer":{"address":[{"street":"x"}]}}"#, Ok(1)),
        (nested, r#"{"Customer":{"address":[{"street":"x"}]}}"#, at(1, 1)),
        (nested, r#"{"customer":{"address":[{"ſtreet":"x"}]}}"#, at(1, 25)),
        (nested, r#"{"customer":{"address":[{"Sŧreet":"x"}]}}"#, Ok(0)),
        (nested, r#"{"customer":{"address":[{"a":1},{"Street":"x"}]}}"#, Ok(0)),
        (nested, r#"{"OTHER":1}"#, at(2, 1)),
        (&[(5, "$.k")], "{\"\u{212a}\":1}", at(5, 1)),
        (&[(5, "$['\u{212a}']")], r#"{"k":1}"#, at(5, 1)),
        (&[(5, "$['größe']")], r#"{"GRÖẞE":1}"#, at(5, 1)),
        // Both names are selected, so either is one of them.
        (&[(6, "$.a"), (7, "$.A")], r#"{"a":1,"A":2}"#, Ok(2)),
        (&[(6, "$.*")], r#"{"a":1,"A":2}"#, Ok(2)),
        (&[(8, "$..a..b[*]")], r#"{"A":1}"#, at(8, 1)),
    ];
    for (rules, document, expected) in cases {
        assert_eq!(strict(rules, document), expected, "{document}");
    }
}

#[test]
fn names_are_compared_exactly_unless_they_are_strict() {
    let outcome = whole(&[(0, "$.email")], br#"{"EMAIL":"x","email":"y"}"#).unwrap();
    assert_eq!(outcome.fields.len(), 1);
}
