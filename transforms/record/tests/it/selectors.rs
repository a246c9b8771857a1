//! The text of selectors.

use allonym_record::{Path, Selector};
use proptest::prelude::*;
use serde_json_path::JsonPath;

use super::documents::path;

#[test]
fn selectors_have_one_canonical_text() {
    let check = |text: &str, expected: &str| {
        let selector = Selector::parse(text).unwrap();
        assert_eq!(selector.to_string(), expected, "{text}");
        assert_eq!(Selector::parse(expected), Ok(selector), "{text}");
    };
    check("$", "$");
    check("$.card.number", "$.card.number");
    check("$['card'][\"number\"]", "$.card.number");
    check("$.items[*].recipient.name", "$.items[*].recipient.name");
    check("$.items.*", "$.items[*]");
    check("$[0][10]", "$[0][10]");
    check("$[9007199254740991]", "$[9007199254740991]");
    check("$..email", "$..email");
    check("$..['e-mail']", "$..['e-mail']");
    check("$..*", "$..*");
    check("$..[*]", "$..*");
    check("$..[3]..a", "$..[3]..a");
    check("$ .a [ 'b' ]\t[ 0 ]", "$.a.b[0]");
    check("$.größe._x1.名前", "$.größe._x1.名前");
    check("$['first name']", "$['first name']");
    check("$['']", "$['']");
    check("$['1st']", "$['1st']");
    check(r#"$["it's"]"#, r"$['it\'s']");
    check(r#"$['say "x"']"#, r#"$['say "x"']"#);
    check(r"$['\\\/\b\f\n\r\t']", r"$['\\/\b\f\n\r\t']");
    check(r"$['\u0061\u00E9\ud83d\ude00']", "$.aé😀");
    check(r"$['\u000B']", r"$['\u000b']");
    check("header:X-SSN", "header:x-ssn");
    check("query:Email", "query:Email");
    check("query:filter[email]", "query:filter[email]");
    check("path:id", "path:id");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_position() {
    let check = |text: &str, position: usize, says: &str| {
        let error = Selector::parse(text).unwrap_err();
        assert_eq!(error.position, position, "{text}: {error}");
        assert!(error.message.contains(says), "{text}: {error}");
        assert!(error.to_string().ends_with(&format!("(character {position})")), "{error}");
    };
    check("", 1, "begins with $, header:");
    check("email", 1, "begins with $, header:");
    check(" $.a", 1, "begins with $, header:");
    check("cookie:a", 1, "begins with $, header:");
    check("header:", 8, "missing");
    check("header:x y", 9, "cannot stand");
    check("header:x-é", 10, "cannot stand");
    check("query:", 7, "missing");
    check("query:a\nb", 8, "cannot stand");
    check("path:", 6, "missing");
    check("path:{id}", 6, "cannot stand");
    check("path:a/b", 7, "cannot stand");
    check("$a", 2, "'.' or '['");
    check("$.", 3, "missing");
    check("$..", 4, "missing");
    check("$.a.", 5, "missing");
    check("$...a", 4, "third dot");
    check("$.a ", 5, "blanks");
    check("$. a", 3, "begins with a letter");
    check("$.1st", 3, "quote");
    check("$.first-name", 8, "quote");
    check("$.ü-x", 4, "quote");
    check("$.a.length()", 11, "functions are not supported");
    check("$[", 3, "not closed");
    check("$[]", 3, "empty");
    check("$[0", 4, "not closed");
    check("$[0.5]", 4, "expected ']'");
    check("$[a]", 3, "quote names");
    check("$['a]", 6, "not closed");
    check("$['a'", 6, "not closed");
    check("$['a\u{1}']", 5, "control");
    check(r"$['\q']", 4, "unknown escape");
    check(r#"$['\"']"#, 4, "unknown escape");
    check(r"$['\ud800']", 4, "surrogate");
    check(r"$['a\u00']", 5, "hexadecimal");
    check("$[01]", 3, "leading zeros");
    check("$[9007199254740992]", 3, "2^53");
    check("$[99999999999999999999999]", 3, "2^53");
    // RFC 9535, but not in a stream.
    check("$[-1]", 3, "negative indices are not supported");
    check("$[?@.a]", 3, "filters are not supported");
    check("$.a[1:2]", 6, "slices are not supported");
    check("$[:2]", 3, "slices are not supported");
    check("$['a','b']", 6, "unions are not supported");
    check("$[0, 1]", 4, "unions are not supported");
    check("$..[?(@.x)]", 5, "filters are not supported");
}

/// Pieces that meet in paths, and some that should not.
fn patchwork() -> impl Strategy<Value = String> {
    let part = proptest::sample::select(vec![
        ".",
        "..",
        "*",
        "[",
        "]",
        "a",
        "name",
        "_",
        "ü",
        "1",
        "0",
        "01",
        "'",
        "\"",
        "\\",
        " ",
        "'a'",
        "\"b\"",
        "-1",
        ":",
        ",",
        "?",
        "\\u0041",
        "\\n",
        "[*]",
        "['x y']",
        "[2]",
        "$",
        "(",
        ")",
        "\\ud83d\\ude00",
        "\\ud83d",
    ]);
    prop::collection::vec(part, 0..8).prop_map(|parts| format!("${}", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_text_of_a_path_is_the_path(path in path()) {
        prop_assert_eq!(Path::parse(&path.to_string()), Ok(path.clone()));
        prop_assert!(JsonPath::parse(&path.to_string()).is_ok());
    }

    /// What is read here is RFC 9535, and what is refused as wrong is not.
    #[test]
    fn the_grammar_is_that_of_the_oracle(text in patchwork()) {
        // The oracle does not take the blanks that RFC 9535, 2.1.1 allows before `..`.
        let mut tight = text.clone();
        while tight.contains(" ..") {
            tight = tight.replace(" ..", "..");
        }
        match (Path::parse(&text), JsonPath::parse(&tight)) {
            (Ok(path), oracle) => {
                prop_assert!(oracle.is_ok(), "{text} is read as {path}");
                let ours = JsonPath::parse(&path.to_string()).unwrap();
                let tree = serde_json::json!({"a":{"name":[1,2,{"a":3}],"x y":[[4],{"b":5}]},"A":6,"ü":[7]});
                prop_assert_eq!(oracle.unwrap().query(&tree), ours.query(&tree));
            }
            (Err(error), Ok(_)) => prop_assert!(error.message.contains("not supported"), "{text}: {error}"),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn no_text_breaks_the_parser(text in any::<String>(), prefix in prop::sample::select(vec!["", "$", "$[", "$['", "header:", "$..", "$.a["])) {
        let text = format!("{prefix}{text}");
        if let Err(error) = Selector::parse(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.position));
        }
    }
}
