//! What is JSON and what is not.

use allonym_record::codec::CodecError;

use super::reading::whole;

/// Documents of RFC 8259.
pub(crate) const ACCEPTED: &[&[u8]] = &[
    // Scalars as documents.
    b"null",
    b"true",
    b"false",
    b"0",
    b"-0",
    b"42",
    b"-1",
    b"\"\"",
    b"\"text\"",
    b"1.5",
    b"1e5",
    // Blanks.
    b" \t\r\n null \t\r\n ",
    b"[ ]",
    b"{ }",
    b" [ 1 , 2 ] ",
    b"\n{\r\n\t\"a\" :\t1 ,\n\"b\": 2}\n",
    b"7 ",
    b"7\n",
    b"                 [                1                 ]                  ",
    // Arrays.
    b"[]",
    b"[[]]",
    b"[[],[]]",
    b"[1]",
    b"[1,2,3]",
    b"[null,true,false,\"\",0,[],{}]",
    b"[[[[[1]]]]]",
    b"[{},{}]",
    // Objects.
    b"{}",
    b"{\"a\":1}",
    b"{\"\":0}",
    b"{\"a\":{}}",
    b"{\"a\":{\"a\":{\"a\":[]}}}",
    b"{\"a\":1,\"b\":2,\"c\":3}",
    b"{\"a\":1,\"a\":2}",
    b"{\"a\":1,\"a\":1,\"a\":{}}",
    b"{\"\\u0061\":1}",
    b"{\"\\\"\":1}",
    b"{\"a\\nb\":[1,{\"x\":2}]}",
    // Numbers.
    b"[0.0]",
    b"[-0.0]",
    b"[123456789]",
    b"[12345678901234567890]",
    b"[1e400]",
    b"[1E+2]",
    b"[1e-2]",
    b"[1.5e+300]",
    b"[0e0]",
    b"[-1.25E-7]",
    b"[0.10]",
    b"[100]",
    b"[1e00]",
    b"[-9223372036854775809]",
    b"[0.000000000000000000000000000000000000000000000001]",
    // Strings.
    b"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    b"\"\\u0000\"",
    b"\"\\u00e9\\u20AC\"",
    b"\"\\ud83d\\ude00\"",
    b"\"\\uD800\\uDC00\"",
    b"\"\\uDBFF\\uDFFF\"",
    b"\"\\uFFFE\\uFFFF\"",
    b"\"/\"",
    b"\"\x7f\"",
    b"\"\\\\u0041\"",
    b"\"\\\\\\\"\"",
    b"\"'\"",
    "\"é\"".as_bytes(),
    "\"€\"".as_bytes(),
    "\"😀\"".as_bytes(),
    "\"\u{10FFFF}\"".as_bytes(),
    "\"\u{2028}\u{2029}\"".as_bytes(),
    "\"a long text, with ümläuts and 東京都, and then some more of it\"".as_bytes(),
    "[\"\u{FEFF}\"]".as_bytes(),
    "{\"ключ\":\"значение\"}".as_bytes(),
    b"\"01234567\"",
    b"\"0123456\\n\"",
    b"\"012345678901234567890123456789\"",
];

/// What must be refused.
pub(crate) const REFUSED: &[&[u8]] = &[
    // Nothing, and less than a document.
    b"",
    b" ",
    b"\n\n",
    b"[",
    b"{",
    b"\"",
    b"[1",
    b"[1,",
    b"{\"a\"",
    b"{\"a\":",
    b"{\"a\":1",
    b"{\"a\":1,",
    b"[[]",
    b"[{}",
    b"tru",
    b"nul",
    b"f",
    b"-",
    b"1.",
    b"1e",
    b"1e+",
    b"\"abc",
    b"\"\\",
    b"\"\\u12",
    b"[\"a",
    b"{\"a",
    b"\"\\\"",
    b"[\"\\ud83d",
    // Anything after the document.
    b"1 2",
    b"{}{}",
    b"[]]",
    b"{}}",
    b"[] x",
    b"null,",
    b"\"a\"\"b\"",
    b"[1],",
    b"[1]\0",
    b"1 true",
    b"{}#",
    b"[]\n[]",
    b"truefalse",
    b"nullx",
    // Before it.
    b"\xEF\xBB\xBF{}",
    b"\xEF\xBB\xBF",
    b"\xEF",
    b"x[]",
    b"\0[]",
    b",[]",
    b"\xFE\xFF\0[\0]",
    b"[\0]\0",
    b"\xA0[]",
    b"\x0b[]",
    b"\x0c1",
    b"&1",
    // Structure.
    b"[1,]",
    b"[,1]",
    b"[,]",
    b"[1,,2]",
    b"[1 2]",
    b"[1:2]",
    b"[}",
    b"{]",
    b"[1}",
    b"{\"a\":1]",
    b"]",
    b"}",
    b":",
    b",",
    b"{,}",
    b"{\"a\":1,}",
    b"{\"a\"}",
    b"{\"a\",\"b\"}",
    b"{\"a\":}",
    b"{\"a\"::1}",
    b"{\"a\" 1}",
    b"{:1}",
    b"{1:1}",
    b"{a:1}",
    b"{null:1}",
    b"{'a':1}",
    b"{\"a\":1 \"b\":2}",
    b"{\"a\":1,,\"b\":2}",
    b"{[]:1}",
    b"{\"a\":1:2}",
    b"['a']",
    b"[\"a\":1]",
    b"{\"a\":b}",
    // Comments and other dialects.
    b"[1/**/]",
    b"//x\n1",
    b"[1]#x",
    b"[1]//",
    b"/**/[]",
    b"{\"a\":undefined}",
    b"[+1]",
    b"[.5]",
    b"[0x1F]",
    b"[1_000]",
    b"[1,000.0.0]",
    b"[NaN]",
    b"[nan]",
    b"[Infinity]",
    b"[-Infinity]",
    b"[Inf]",
    b"[-NaN]",
    b"[None]",
    b"[True]",
    b"[TRUE]",
    b"[nULL]",
    b"[trve]",
    // Numbers.
    b"01",
    b"[00]",
    b"[-01]",
    b"[-]",
    b"[--1]",
    b"[1.]",
    b"[1.e5]",
    b"[1e]",
    b"[1e+]",
    b"[1e1.5]",
    b"[1e+-1]",
    b"[1.2.3]",
    b"[0.]",
    b"[-.5]",
    b"[1ee2]",
    b"[1a]",
    b"[0e]",
    b"[1-2]",
    b"[- 1]",
    b"[1 .5]",
    b"[\xEF\xBC\x91]",
    b"[012.5]",
    b"[1+2]",
    b"-x",
    // Strings: control characters, escapes, quotes.
    b"\"a\nb\"",
    b"\"a\tb\"",
    b"\"\0\"",
    b"\"\x1f\"",
    b"\"0123456789\x01\"",
    b"\"\\x41\"",
    b"\"\\'\"",
    b"\"\\a\"",
    b"\"\\0\"",
    b"\"\\U0041\"",
    b"\"\\u\"",
    b"\"\\u00\"",
    b"\"\\u00G0\"",
    b"\"\\u 041\"",
    b"\"\\u+041\"",
    b"\"\\\n\"",
    b"\"\\u{41}\"",
    b"'a'",
    b"\"a",
    b"{\"a\nb\":1}",
    b"{\"\\x\":1}",
    // Strings: surrogates.
    b"\"\\ud800\"",
    b"\"\\udc00\"",
    b"\"\\ud800\\ud800\"",
    b"\"\\udc00\\ud800\"",
    b"\"\\ud83d\\u0041\"",
    b"\"\\ud83dx\"",
    b"\"\\ud83d\\n\"",
    b"\"\\uDFFF\"",
    b"\"\\uDBFF\"",
    b"{\"\\ud800\":1}",
    b"\"\\ud83d\\ude0\"",
    b"\"\\ud83d\\\\ude00\"",
    // Strings: UTF-8.
    b"\"\xFF\"",
    b"\"\x80\"",
    b"\"\xC3\"",
    b"\"\xC3(\"",
    b"\"\xC0\xAF\"",
    b"\"\xE0\x80\xAF\"",
    b"\"\xE2\x82\"",
    b"\"\xED\xA0\x80\"",
    b"\"\xED\xBF\xBF\"",
    b"\"\xF0\x9F\x98\"",
    b"\"\xF4\x90\x80\x80\"",
    b"\"\xF8\x88\x80\x80\x80\"",
    b"\"\xFE\"",
    b"{\"\xE9\":1}",
    b"\"0123456789\xE2\x28\xA1\"",
    b"\"caf\xE9\"",
    b"\"\xE2\\u0041\"",
    b"\"\xF0\x9F\n\"",
];

#[test]
fn documents_of_the_grammar_are_taken() {
    for document in ACCEPTED {
        let outcome = whole(&[], document);
        assert!(outcome.is_ok(), "{:?}: {outcome:?}", String::from_utf8_lossy(document));
        assert_eq!(outcome.unwrap().bytes, *document);
    }
}

#[test]
fn everything_else_is_refused() {
    for document in REFUSED {
        let outcome = whole(&[], document);
        let shown = String::from_utf8_lossy(document);
        assert!(matches!(outcome, Err(CodecError::Malformed { .. })), "{shown:?}: {outcome:?}");
    }
}

#[test]
fn the_tables_are_large_enough_and_free_of_repetition() {
    let mut all: Vec<_> = ACCEPTED.iter().chain(REFUSED).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    assert!(count >= 250, "{count}");
}

#[test]
fn errors_say_what_and_where() {
    let check =
        |document: &[u8], expected_reason: &str, expected_offset: u64| match whole(&[], document) {
            Err(CodecError::Malformed { reason, offset }) => {
                assert_eq!((reason, offset), (expected_reason, expected_offset));
            }
            other => panic!("{other:?}"),
        };
    check(b"", "the document is empty", 0);
    check(b"  ", "the document is empty", 2);
    check(b"[1", "the document is not complete", 2);
    check(b"\xEF\xBB\xBF{}", "a byte order mark before the document", 0);
    check(b" {} {}", "text after the end of the document", 4);
    check(b"[]]", "text after the end of the document", 2);
    check(b"[ 01]", "a number cannot begin with 0", 3);
    check(b"[1.]", "a digit is missing in a number", 3);
    check(b"[NaN]", "expected a value", 1);
    check(b"[nuLl]", "expected true, false or null", 3);
    check(b"[1 2]", "expected ',' or ']'", 3);
    check(b"{\"a\":1]", "expected ',' or '}'", 6);
    check(b"{\"a\" 1}", "expected ':'", 5);
    check(b"{1:1}", "expected the name of a member, or '}'", 1);
    check(b"{\"a\":1,}", "expected the name of a member", 7);
    check(b"\"ab\ncd\"", "a control character in a string", 3);
    check(b"\"ab\\q\"", "an unknown escape in a string", 4);
    check(b"\"\\u00x0\"", "expected a hexadecimal digit", 5);
    check(b"\"\\ud800\"", "half of a surrogate pair in a string", 7);
    check(b"\"\\udc00\"", "half of a surrogate pair in a string", 6);
    check(b"\"abc\xE2\x82(\"", "a string is not UTF-8", 4);
    // The first of two faults counts, though the second is quicker to see.
    check(b"\"abc\xFFd\n\"", "a string is not UTF-8", 4);
}
