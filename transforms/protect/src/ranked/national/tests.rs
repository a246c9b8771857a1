mod declared;
mod oracle;
mod specimens;

use std::sync::LazyLock;

use super::check::{Check, Sum};
use super::piece::{Machine, expand, long_year_first};
use super::*;

/// Every format there is, built once.
fn formats() -> &'static [(&'static str, National)] {
    static FORMATS: LazyLock<Vec<(&str, National)>> =
        LazyLock::new(|| ids().iter().map(|id| (*id, National::new(id).unwrap())).collect());
    &FORMATS
}

fn format(id: &str) -> &'static National {
    let found = formats().iter().find(|(known, _)| *known == id);
    found.map(|(_, national)| national).unwrap_or_else(|| panic!("no identifier {id}"))
}

/// All texts over these characters, of this length, in the order of their bytes.
fn all(symbols: &str, length: usize) -> Vec<String> {
    (0..length).fold(vec![String::new()], |texts, _| {
        texts
            .iter()
            .flat_map(|text| symbols.chars().map(move |next| format!("{text}{next}")))
            .collect()
    })
}

/// The numbers of a declaration are exactly the texts that `valid` takes, in their order.
fn check(declared: &Declared, symbols: &str, valid: impl Fn(&[u32]) -> bool) {
    let national = National::of(std::iter::once(declared));
    let [class] = national.classes() else { panic!("one form") };
    let mut expected = 0;
    for text in all(symbols, declared.forms[0].len()) {
        let values: Vec<u32> = text.chars().map(|digit| digit.to_digit(36).unwrap()).collect();
        let rank = national.rank(&text);
        if valid(&values) {
            let rank = rank.unwrap();
            assert_eq!((rank.class, rank.number, rank.slot), (0, expected, 0), "{text}");
            assert_eq!(*national.unrank(rank, "").unwrap(), text);
            expected += 1;
        } else {
            assert!(rank.is_err() || rank.unwrap().slot > 0, "{text}");
        }
    }
    assert_eq!(class.size, expected);
    let beyond = Rank { class: 0, number: expected, slot: 0 };
    assert_eq!(national.unrank(beyond, "").err(), Some(FaultRule::Structure));
    let nowhere = Rank { class: 1, number: 0, slot: 0 };
    assert_eq!(national.unrank(nowhere, "").err(), Some(FaultRule::Structure));
    slots(&national);
}

/// Every slot of every number is another text, and is read back.
fn slots(national: &National) {
    let mut seen = std::collections::HashSet::new();
    for number in 0..national.classes()[0].size.min(200) {
        for slot in 0..=national.slots() {
            let rank = Rank { class: 0, number, slot };
            let text = national.unrank(rank, "").unwrap();
            assert_eq!(national.rank(&text), Ok(rank), "{}", *text);
            assert!(seen.insert(text.to_string()), "{} twice", *text);
        }
        let beyond = Rank { class: 0, number, slot: national.slots() + 1 };
        assert_eq!(national.unrank(beyond, "").err(), Some(FaultRule::CheckDigits));
    }
}

const DIGITS: &str = "0123456789";

#[test]
fn a_check_digit_that_is_not_issued_takes_its_bodies_out() {
    const ELEVEN: Declared = Declared {
        forms: &["xxxk"],
        body: &[Piece::Of("0-9", 3)],
        checks: Checks(&[Check::Sum(Sum::new(&[4, 3, 2], 11, "0 987654321"))]),
        ..PLAIN
    };
    check(&ELEVEN, DIGITS, |d| (4 * d[0] + 3 * d[1] + 2 * d[2] + d[3]) % 11 == 0);
}

#[test]
fn two_check_digits_may_both_be_none() {
    const TWO: Declared = Declared {
        forms: &["xxxkk"],
        body: &[Piece::Of("0-9", 3)],
        checks: Checks(&[
            Check::Sum(Sum::new(&[3, 7, 6], 11, "0 987654321")),
            Check::Sum(Sum::new(&[5, 4, 3, 2], 11, "0 987654321")),
        ]),
        ..PLAIN
    };
    check(&TWO, DIGITS, |d| {
        (3 * d[0] + 7 * d[1] + 6 * d[2] + d[3]) % 11 == 0
            && (5 * d[0] + 4 * d[1] + 3 * d[2] + 2 * d[3] + d[4]) % 11 == 0
    });
}

#[test]
fn a_second_sum_stands_in_for_the_first() {
    const AGAIN: Declared = Declared {
        forms: &["xxxk"],
        body: &[Piece::Of("0-9", 3)],
        checks: Checks(&[Check::Twice(
            Sum::new(&[1, 2, 3], 11, "0123456789 "),
            Sum::new(&[3, 4, 5], 11, "0123456789 "),
        )]),
        ..PLAIN
    };
    check(&AGAIN, DIGITS, |d| match (d[0] + 2 * d[1] + 3 * d[2]) % 11 {
        10 => (3 * d[0] + 4 * d[1] + 5 * d[2]) % 11 == d[3],
        first => first == d[3],
    });
}

#[test]
fn a_pair_of_check_digits_counts_down() {
    const PAIR: Declared = Declared {
        forms: &["kkxx"],
        body: &[Piece::Of("0-9", 2)],
        checks: Checks(&[Check::Sum(Sum::down(&[10, 1], 97, 97))]),
        ..PLAIN
    };
    let national = National::of(std::iter::once(&PAIR));
    for text in all(DIGITS, 4) {
        let (check, body) = (text[..2].parse::<u32>().unwrap(), text[2..].parse::<u32>().unwrap());
        let expected = match (1..=97).contains(&check) {
            true => Ok(Rank { class: 0, number: body.into(), slot: (check + body % 97) % 97 }),
            false => Err(FaultRule::CheckDigits),
        };
        assert_eq!(national.rank(&text), expected, "{text}");
    }
    slots(&national);
}

#[test]
fn the_other_check_digits_leave_no_body_out() {
    const LUHN: Declared = Declared {
        forms: &["xxxk"],
        body: &[Piece::Of("0-9", 3)],
        checks: Checks(&[Check::Sum(Sum::luhn(&[2, 1, 2]))]),
        ..PLAIN
    };
    check(&LUHN, DIGITS, oracle::luhn);
    check(&Declared { checks: Checks(&[Check::Verhoeff]), ..LUHN }, DIGITS, oracle::verhoeff);
    check(&Declared { checks: Checks(&[Check::Hybrid]), ..LUHN }, DIGITS, oracle::hybrid);
    check(&Declared { forms: &["xxx"], checks: Checks(&[]), ..LUHN }, DIGITS, |_| true);
}

#[test]
fn pieces_are_what_they_say() {
    const EACH: Declared = Declared {
        forms: &["xxxx"],
        body: &[
            Piece::Either(&[&[Piece::Of("A-C", 1)], &[Piece::One(&["D", "B"])]]),
            Piece::Number(2, &[(0, 3), (2, 7), (10, 11)]),
            Piece::Of("AC", 1),
        ],
        except: &["A0", "B03C"],
        ..PLAIN
    };
    check(&EACH, "0123456789ABCDE", |c| {
        let number = c[1] * 10 + c[2];
        (10..=13).contains(&c[0])
            && c[1] < 10
            && c[2] < 10
            && (number <= 7 || (10..=11).contains(&number))
            && (c[3] == 10 || c[3] == 12)
            && !(c[0] == 10 && c[1] == 0)
            && c != [11, 0, 3, 12]
    });
    assert_eq!(expand("-A-C0"), b"-0ABC");
}

#[test]
fn ranges_are_exact_at_every_bound() {
    const RANGES: [&[(u64, u64)]; 6] = [
        &[(0, 9999)],
        &[(1, 9998)],
        &[(9, 10), (99, 100), (999, 1000)],
        &[(4999, 5000)],
        &[(1234, 8765)],
        &[(7, 7), (0, 0), (9999, 9999)],
    ];
    for ranges in RANGES {
        let mut graph = Builder::new();
        let end = graph.end();
        let start = Piece::all(&[Piece::Number(4, ranges)], &mut graph, end);
        let graph = graph.finish(start);
        let within = |n: &u64| ranges.iter().any(|(first, last)| (first..=last).contains(&n));
        let expected: Vec<String> =
            (0..10_000).filter(within).map(|number| format!("{number:04}")).collect();
        assert_eq!(graph.size(), expected.len() as u128);
        for (number, text) in expected.iter().enumerate() {
            assert_eq!(graph.number(text.as_bytes()), Some(number as u128));
        }
    }
}

#[test]
fn days_are_those_of_the_calendar() {
    let days = |first, last| {
        let mut graph = Builder::new();
        let end = graph.end();
        let day = Piece::Day(first, last, long_year_first);
        let start = Piece::all(&[day], &mut graph, end);
        graph.finish(start)
    };
    let graph = days(1900, 2000);
    for (text, expected) in [
        ("19000101", Some(0)),
        ("19000228", Some(58)),
        ("19000229", None),
        ("19000301", Some(59)),
        ("19001231", Some(364)),
        ("19040229", Some(4 * 365 + 59)),
        ("20000229", Some(100 * 365 + 24 + 59)),
        ("19990431", None),
        ("19991301", None),
        ("19990100", None),
        ("20010101", None),
        ("1999010", None),
    ] {
        assert_eq!(graph.number(text.as_bytes()), expected, "{text}");
    }
    // The calendar comes round every 400 years.
    assert_eq!(days(1601, 2000).size(), 146_097);
}

#[test]
fn a_machine_takes_what_its_rule_takes() {
    const RISING: Machine = Machine {
        start: 0,
        step: |state, digit| (u64::from(digit) >= state).then_some(u64::from(digit)),
        ends: |state| state % 2 == 0,
    };
    const MACHINE: Declared =
        Declared { forms: &["xxxx"], body: &[Piece::Digits(4, RISING)], ..PLAIN };
    check(&MACHINE, DIGITS, |d| d.is_sorted() && d[3] % 2 == 0);
}
