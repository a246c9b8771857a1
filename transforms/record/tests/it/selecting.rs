//! Nothing that a rule means gets past it.

use allonym_record::Value;
use allonym_record::codec::CodecError;

use super::reading::{values, whole};

#[test]
fn names_are_compared_after_unescaping() {
    for name in ["email", "\\u0065mail", "em\\u0061il", "\\u0065\\u006d\\u0061\\u0069\\u006C"] {
        assert_eq!(values("$.email", &format!("{{\"{name}\":\"x\"}}")), ["x"], "{name}");
    }
    assert_eq!(values("$['a/b']", r#"{"a\/b":1}"#), ["#1"]);
    assert_eq!(values("$['😀']", r#"{"\ud83d\ude00":1}"#), ["#1"]);
    assert_eq!(values("$['\\u0000']", r#"{"\u0000":1}"#), ["#1"]);
    // Not the same names.
    let others = r#"{"Email":1,"email ":2,"e-mail":3,"\\u0065mail":4,"emai":5,"emaill":6,"":7}"#;
    assert!(values("$.email", others).is_empty());
    // Composed and decomposed letters are different names.
    assert!(values("$.é", "{\"e\u{301}\":1}").is_empty());
}

#[test]
fn every_member_of_the_same_name_is_selected() {
    assert_eq!(
        values("$.a", r#"{"a":1,"b":2,"a":"x","\u0061":null,"a":true}"#),
        ["#1", "x", "null", "true"]
    );
    assert_eq!(
        values(
            "$.a.b",
            r#"{"a":{"b":1,"b":2},"a":3,"a":{"b":4}}"#.replace("\"a\":3,", "").as_str()
        ),
        ["#1", "#2", "#4"]
    );
    assert_eq!(values("$..b", r#"{"b":1,"a":[{"b":2,"b":3}],"b":4}"#), ["#1", "#2", "#3", "#4"]);
    let second = whole(&[(0, "$.a")], br#"{"a":1,"a":{}}"#);
    assert_eq!(second, Err(CodecError::Composite { rule: 0, offset: 11 }));
}

#[test]
fn numbers_keep_their_digits() {
    let written = [
        "12345678901234567890",
        "1e400",
        "-0",
        "0.10",
        "1.0",
        "1E+02",
        "-1e-999",
        "0.1000000000000000055511151231257827",
    ];
    for number in written {
        let outcome = whole(&[(0, "$[*]")], format!("[{number} ,{number}]").as_bytes()).unwrap();
        let found: Vec<_> = outcome.fields.iter().map(|field| field.value.clone()).collect();
        assert_eq!(found, [Value::number(number), Value::number(number)]);
    }
}

#[test]
fn documents_of_one_value_are_selected_by_the_root() {
    let check = |document: &str, expected: &str| assert_eq!(values("$", document), [expected]);
    check("\"x\"", "x");
    check(" 12 ", "#12");
    check("12", "#12");
    check("null", "null");
    check("true\n", "true");
    assert_eq!(whole(&[(4, "$")], b" []"), Err(CodecError::Composite { rule: 4, offset: 1 }));
}

#[test]
fn strings_are_unescaped() {
    let text = r#"["\"\\\/\b\f\n\r\t","\u00e9\u20ac\ud83d\ude00","plain é","",  "\u0000"]"#;
    assert_eq!(values("$[*]", text), ["\"\\/\u{8}\u{c}\n\r\t", "é€😀", "plain é", "", "\0"]);
}

#[test]
fn objects_and_arrays_cannot_be_selected() {
    let check = |path: &str, document: &str, offset: u64| {
        assert_eq!(
            whole(&[(2, path)], document.as_bytes()),
            Err(CodecError::Composite { rule: 2, offset })
        );
    };
    check("$.a", r#"{"a":{}}"#, 5);
    check("$.a", r#"{"a":[1]}"#, 5);
    check("$.a[*]", r#"{"a":[1,[2]]}"#, 8);
    check("$..*", r#"{"a":1,"b":{}}"#, 11);
}

#[test]
fn two_rules_for_one_value_are_refused() {
    let clash = |first, second, offset| Err(CodecError::Ambiguous { first, second, offset });
    let check = |rules: &[(usize, &str)], document: &str, expected| {
        assert_eq!(whole(rules, document.as_bytes()).map(|outcome| outcome.fields.len()), expected);
    };
    check(&[(0, "$.a"), (1, "$..a")], r#"{"a":1}"#, clash(0, 1, 5));
    check(&[(9, "$.*"), (3, "$.a")], r#"{"a":1}"#, clash(3, 9, 5));
    check(&[(0, "$.a"), (0, "$..a"), (0, "$.*")], r#"{"a":1}"#, Ok(1));
    check(&[(0, "$[0]"), (1, "$[*]")], "[1]", clash(0, 1, 1));
    check(&[(0, "$.a"), (1, "$.b")], r#"{"a":1,"b":2}"#, Ok(2));
    // Rules that could clash and do not.
    check(&[(0, "$.a"), (1, "$..a")], r#"{"b":{"a":1}}"#, Ok(1));
}

#[test]
fn rules_that_select_nothing_are_no_error() {
    for document in ["{}", "[]", "1", r#"{"b":{"a":1}}"#, r#"[{"a":1}]"#] {
        assert!(values("$.a", document).is_empty(), "{document}");
    }
    assert!(values("$[3]", "[0,1,2]").is_empty());
    // Indices are for arrays and names are for objects.
    assert!(values("$['0']", "[1]").is_empty());
    assert!(values("$[0]", r#"{"0":1}"#).is_empty());
}

#[test]
fn indices_count_per_array() {
    let document = r#"[[1,{"x":[2,3]},4],[5,[6],7]]"#;
    assert_eq!(values("$[*][2]", document), ["#4", "#7"]);
    assert_eq!(values("$[0][1].x[1]", document), ["#3"]);
    assert_eq!(values("$..x[0]", document), ["#2"]);
    assert_eq!(values("$[1][1][0]", document), ["#6"]);
    assert_eq!(
        whole(&[(1, "$..[1]")], document.as_bytes()),
        Err(CodecError::Composite { rule: 1, offset: 4 })
    );
}

#[test]
fn names_that_mean_something_elsewhere_are_plain_names_here() {
    assert_eq!(values("$.__proto__", r#"{"__proto__":"x"}"#), ["x"]);
    assert_eq!(values("$['$']", r#"{"$":"x"}"#), ["x"]);
    assert_eq!(values("$['*']", r#"{"*":"x","a":"y"}"#), ["x"]);
}
