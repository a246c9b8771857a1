use std::collections::HashSet;

use proptest::prelude::*;
use regex_syntax::hir::{Class as HirClass, Hir, HirKind};

use super::*;

/// All places at which a match that begins at `from` can end: the expression read as it is
/// written, with nothing compiled.
fn ends(part: &Hir, text: &[u8], from: usize) -> HashSet<usize> {
    let after = |part: &Hir, places: &HashSet<usize>| -> HashSet<usize> {
        places.iter().flat_map(|from| ends(part, text, *from)).collect()
    };
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => HashSet::from([from]),
        HirKind::Literal(literal) if text[from..].starts_with(&literal.0) => {
            HashSet::from([from + literal.0.len()])
        }
        HirKind::Class(HirClass::Bytes(class)) => {
            let within =
                |byte: u8| class.iter().any(|range| (range.start()..=range.end()).contains(&byte));
            text[from..]
                .first()
                .filter(|byte| within(**byte))
                .map(|_| from + 1)
                .into_iter()
                .collect()
        }
        HirKind::Class(HirClass::Unicode(class)) => {
            let within = |symbol: char| {
                class.iter().any(|range| (range.start()..=range.end()).contains(&symbol))
            };
            text[from..]
                .first()
                .filter(|byte| within(char::from(**byte)))
                .map(|_| from + 1)
                .into_iter()
                .collect()
        }
        HirKind::Literal(_) => HashSet::new(),
        HirKind::Capture(capture) => ends(&capture.sub, text, from),
        HirKind::Concat(parts) => {
            parts.iter().fold(HashSet::from([from]), |places, part| after(part, &places))
        }
        HirKind::Alternation(parts) => {
            parts.iter().flat_map(|part| ends(part, text, from)).collect()
        }
        HirKind::Repetition(repetition) => {
            let mut places = HashSet::from([from]);
            for _ in 0..repetition.min {
                places = after(&repetition.sub, &places);
            }
            let more = repetition.max.map_or(text.len() as u32 + 1, |max| max - repetition.min);
            for _ in 0..more.min(text.len() as u32 + 1) {
                places.extend(after(&repetition.sub, &places));
            }
            places
        }
    }
}

fn parse(pattern: &str) -> Hir {
    let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
    parser.parse(pattern).unwrap()
}

fn matches(parsed: &Hir, text: &str) -> bool {
    ends(parsed, text.as_bytes(), 0).contains(&text.len())
}

/// What the expression matches, of texts over `symbols`, are its values, in their order.
fn check(pattern: &str, symbols: &str, max: usize) {
    let (regex, parsed) = (Regex::new(pattern, max).unwrap(), parse(pattern));
    let mut texts = vec![String::new()];
    for length in 1..=max {
        texts = texts
            .iter()
            .flat_map(|text| symbols.chars().map(move |next| format!("{text}{next}")))
            .collect();
        let (expected, others): (Vec<&String>, Vec<&String>) =
            texts.iter().partition(|text| matches(&parsed, text));
        let name = format!("length {length}");
        let class = regex.classes().iter().position(|class| class.name == name);
        assert_eq!(class.is_some(), !expected.is_empty(), "{pattern}, {name}");
        for text in others {
            assert!(regex.rank(text).is_err(), "{pattern}: {text}");
        }
        let Some(class) = class else { continue };
        assert_eq!(regex.classes()[class].size, expected.len() as u128, "{pattern}, {name}");
        for (number, text) in expected.iter().enumerate() {
            let rank = Rank { class, number: number as u128, slot: 0 };
            assert_eq!(regex.rank(text), Ok(rank), "{pattern}");
            assert_eq!(*regex.unrank(rank, "").unwrap(), **text, "{pattern}");
        }
        for rank in [
            Rank { class, number: expected.len() as u128, slot: 0 },
            Rank { class, number: 0, slot: 1 },
            Rank { class: regex.classes().len(), number: 0, slot: 0 },
        ] {
            assert_eq!(regex.unrank(rank, "").err(), Some(FaultRule::Structure));
        }
    }
}

#[test]
fn values_are_what_the_expression_matches_in_order() {
    for pattern in [
        "a",
        "[ab]{3}",
        "a*b",
        "(a|b)*abb",
        "(a|ab)(c|bc)",
        "(a|a|ab|b*)*",
        "(a*)*b?",
        "((a{1,2}b){1,2}c?){1,2}",
        "a{2,}",
        "a{0,3}b{2}",
        "(?:|a|ba)c",
        "(a*b|b*a)*c+",
        "(?i)aB",
        "((a|b){2})*",
        "(ab?){2,4}",
        "^(a|b)c$",
        "(?:aaa|aa)*",
        "a+?b??",
        "(abc|abd|acd|ab)*",
    ] {
        check(pattern, "ABabcd", 5);
    }
    let printable: String = (' '..='~').collect();
    for pattern in [".", "[^a]b?", "\\s\\w|\\W\\d", "[\\x00-\\x7f]", "(?s).z|\\D"] {
        check(pattern, &printable, 2);
    }
    check("-?[01]{1,3}(\\.[01])?", "-.01", 6);
}

#[test]
fn the_numbers_depend_on_the_language_alone() {
    let [one, other] = ["(?:ab|a)(?:b|c)?[0-9]{2}", "a(?:bb|bc|b|c|)\\d\\d"]
        .map(|pattern| Regex::new(pattern, 5).unwrap());
    assert_eq!(one.classes(), other.classes());
    for (class, size) in one.classes().iter().map(|class| class.size).enumerate() {
        for number in 0..size {
            let rank = Rank { class, number, slot: 0 };
            assert_eq!(one.unrank(rank, "").unwrap(), other.unrank(rank, "").unwrap());
        }
    }
    assert!(one.dfa.len() <= 8, "{} states", one.dfa.len());
}

#[test]
fn what_does_not_match_is_refused_by_its_rule() {
    let plate = Regex::new("[A-Z]{2}[0-9]{2}|[A-Z]{4}[0-9]{3}", 10).unwrap();
    for (text, expected) in [
        ("AB1x", FaultRule::Alphabet),
        ("AB1é", FaultRule::Alphabet),
        ("ab12", FaultRule::Alphabet),
        ("AB 12", FaultRule::Alphabet),
        ("", FaultRule::Length),
        ("AB123", FaultRule::Length),
        ("ABCDE1234", FaultRule::Length),
        ("A123", FaultRule::Structure),
        ("ABC1234", FaultRule::Structure),
    ] {
        assert_eq!(plate.rank(text), Err(expected), "{text}");
    }
    // A letter of the expression that no value of at most 3 characters has.
    let short = Regex::new("a{1,3}|aaab", 3).unwrap();
    assert_eq!(short.rank("b"), Err(FaultRule::Alphabet));
}

#[test]
fn expressions_that_cannot_be_had_are_refused() {
    for pattern in [
        "a\\b",
        "(^a)",
        "^a|b$",
        "a$b",
        "(?m)^a$",
        "\u{e9}",
        "\\xff",
        "[\\x80-\\xff]",
        "\\n",
        "[\\t]",
        "\\x00",
        "(?-u:\\xff)",
        "",
        "()",
        "[a&&b]",
        "a{5}",
        "(((a{100}){100}){100}){100}",
        "a{4000000000}",
        "(){4000000000}",
        "(?:(?:|){1000}){1000}",
        "(a|b)*a(a|b){20}",
        "[ -~]{100}",
        "(a?){5000}",
        "((a{0,50}){0,50}){0,50}",
    ] {
        let started = std::time::Instant::now();
        assert!(matches!(Regex::new(pattern, 4).err(), Some(SpecError::Invalid(_))), "{pattern}");
        assert!(started.elapsed().as_secs() < 10, "{pattern} took {:?}", started.elapsed());
    }
    for (pattern, expected) in [("a(b", 2), ("a[z-a]", 3), ("a\\q", 2), ("(?=a)", 1)] {
        let Some(SpecError::Pattern(why)) = Regex::new(pattern, 4).err() else {
            panic!("{pattern}")
        };
        assert!(why.ends_with(&format!("at character {expected}")), "{pattern}: {why}");
    }
    // Which of both errors says so depends on what tables the parser has.
    for pattern in ["(?u)a\\w", "(?u)[^a]", "(?iu)k\\pL"] {
        assert!(Regex::new(pattern, 4).is_err(), "{pattern}");
    }
    let deep = format!("{}a{}", "(".repeat(400), ")".repeat(400));
    assert!(matches!(Regex::new(&deep, 4).err(), Some(SpecError::Pattern(_))));
    assert!(Regex::new(&"a|".repeat(501), 4).is_err());
    assert!(Regex::new("a*", 257).is_err());
    assert!(Regex::new("a*", 256).is_ok());
    assert!(Regex::new("a*", 0).is_err());
}

#[test]
fn large_expressions_are_refused_before_they_cost_much() {
    for (pattern, max) in [
        ("(a|b)*a(a|b){20}", 256),
        ("(x|y|z|.)*foo(.|x){30}", 256),
        ("(?:[a-m]*[n-z]+)*[aeiou](?:[ -~]){16}", 200),
        ("((((a|b)*c)*d)*e)*[a-e]{14}x.{14}", 256),
    ] {
        assert!(matches!(Regex::new(pattern, max).err(), Some(SpecError::Invalid(_))), "{pattern}");
    }
}

#[test]
fn a_size_up_to_128_bits_is_exact() {
    // 2^127, and 4^64 = 2^128 values.
    let fits = Regex::new("[ab]{127}", 256).unwrap();
    assert_eq!(fits.classes()[0].size, 1 << 127);
    let last = Rank { class: 0, number: (1 << 127) - 1, slot: 0 };
    assert_eq!(*fits.unrank(last, "").unwrap(), "b".repeat(127));
    assert_eq!(fits.rank(&"b".repeat(127)), Ok(last));
    assert!(Regex::new("[ab]{128}", 256).is_err());
    assert!(Regex::new("[a-d]{64}", 256).is_err());
    assert!(Regex::new("[a-d]{63}", 256).is_ok());
    // What is too large only beyond the longest text does no harm.
    assert!(Regex::new("[ab]{127,200}", 127).is_ok());
    assert!(Regex::new("[ab]{127,200}", 128).is_err());
}

#[test]
fn formats_of_use_come_back() {
    for (pattern, max, examples) in [
        ("[A-Z]{2}[0-9]{6}[A-D]", 9, &["QQ123456C", "AA000000A", "ZZ999999D"][..]),
        ("(AB|CD)-[0-9]{4,8}", 11, &["AB-1234", "CD-12345678"]),
        ("[A-HJ-NPR-Z0-9]{17}", 17, &["1M8GDM9AXKP042788"]),
        ("[A-Z]{1,3}-[A-Z]{1,2} [1-9][0-9]{0,3}[EH]?", 13, &["B-MW 1234", "HH-A 1", "M-XY 99E"]),
        ("POL(19|20)[0-9]{2}/[0-9]{6}(-R[1-9])?", 20, &["POL2026/000123", "POL1999/123456-R1"]),
        ("^\\d{3}\\.\\d{3}\\.\\d{3}-[\\dX]$", 13, &["123.456.789-X"]),
        ("[!-~]{1,19}", 19, &["~", "!!", "p@ss w0rd".split(' ').next().unwrap()]),
    ] {
        let (regex, parsed) = (Regex::new(pattern, max).unwrap(), parse(pattern));
        for example in examples {
            let rank = regex.rank(example).unwrap();
            assert_eq!(*regex.unrank(rank, "").unwrap(), **example);
        }
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        for (class, size) in regex.classes().iter().map(|class| class.size).enumerate() {
            runner
                .run(&prop_oneof![Just(0), Just(size - 1), 0..size], |number| {
                    let rank = Rank { class, number, slot: 0 };
                    let text = regex.unrank(rank, "").unwrap();
                    prop_assert_eq!(regex.rank(&text), Ok(rank));
                    prop_assert!(matches(&parsed, &text), "{}", *text);
                    Ok(())
                })
                .unwrap();
        }
    }
}
