use std::collections::HashMap;

use super::graph::Builder;

/// A part of a body: characters that stand side by side.
pub(super) enum Piece {
    /// So many characters of a set: `0-9`, `A-CEG`. A hyphen at the beginning is itself.
    Of(&'static str, usize),
    /// One of these words, all of one length.
    One(&'static [&'static str]),
    /// A number of so many digits in one of these ranges, first and last included.
    Number(usize, &'static [(u64, u64)]),
    /// A day of these years, first and last included, as the function writes it.
    Day(u32, u32, fn(Day) -> String),
    /// One of these, all of one length.
    Either(&'static [&'static [Piece]]),
    /// So many digits that a machine takes.
    Digits(usize, Machine),
}

/// A day that there is in the Gregorian calendar.
#[derive(Clone, Copy)]
pub(super) struct Day {
    pub(super) year: u32,
    pub(super) month: u32,
    pub(super) day: u32,
}

/// A rule over all digits of a piece.
#[derive(Clone, Copy)]
pub(super) struct Machine {
    /// The state before the first digit.
    pub(super) start: u64,
    /// The state after a digit; `None` if it may not stand there.
    pub(super) step: fn(u64, u8) -> Option<u64>,
    /// Whether the digits may end in this state.
    pub(super) ends: fn(u64) -> bool,
}

impl Piece {
    /// The node from which these pieces lead to `next`.
    pub(super) fn all(pieces: &[Self], graph: &mut Builder, next: usize) -> usize {
        pieces.iter().rev().fold(next, |next, piece| piece.then(graph, next))
    }

    fn then(&self, graph: &mut Builder, next: usize) -> usize {
        match self {
            Self::Of(set, count) => {
                let set = expand(set);
                (0..*count).fold(next, |next, _| {
                    graph.node(set.iter().map(|symbol| (*symbol, next)).collect())
                })
            }
            Self::One(words) => {
                let mut words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
                graph.words_then(&mut words, next)
            }
            Self::Number(width, ranges) => ranges.iter().fold(graph.nowhere(), |all, range| {
                let range = between(graph, *width, *range, next);
                graph.either(all, range)
            }),
            Self::Day(first, last, write) => {
                let days: Vec<String> = days(*first, *last).map(*write).collect();
                let mut words: Vec<&[u8]> = days.iter().map(|day| day.as_bytes()).collect();
                words.sort_unstable();
                words.dedup();
                graph.words_then(&mut words, next)
            }
            Self::Either(ways) => ways.iter().fold(graph.nowhere(), |all, way| {
                let way = Self::all(way, graph, next);
                graph.either(all, way)
            }),
            Self::Digits(count, machine) => {
                machine.take(graph, machine.start, *count, next, &mut HashMap::new())
            }
        }
    }
}

impl Machine {
    fn take(
        &self,
        graph: &mut Builder,
        state: u64,
        left: usize,
        next: usize,
        known: &mut HashMap<(u64, usize), usize>,
    ) -> usize {
        if left == 0 {
            return if (self.ends)(state) { next } else { graph.nowhere() };
        }
        if let Some(node) = known.get(&(state, left)) {
            return *node;
        }
        let mut edges = Vec::new();
        for digit in 0..10 {
            if let Some(to) = (self.step)(state, digit) {
                edges.push((b'0' + digit, self.take(graph, to, left - 1, next, known)));
            }
        }
        let node = graph.node(edges);
        known.insert((state, left), node);
        node
    }
}

/// The characters of a set, sorted.
pub(super) fn expand(set: &str) -> Vec<u8> {
    let mut symbols = Vec::new();
    let mut rest = set.as_bytes();
    loop {
        rest = match rest {
            [first, b'-', last, rest @ ..] => {
                symbols.extend(*first..=*last);
                rest
            }
            [symbol, rest @ ..] => {
                symbols.push(*symbol);
                rest
            }
            [] => break,
        };
    }
    symbols.sort_unstable();
    symbols.dedup();
    symbols
}

/// Numbers of `width` digits in a range.
fn between(graph: &mut Builder, width: usize, (first, last): (u64, u64), next: usize) -> usize {
    let Some(shorter) = width.checked_sub(1) else {
        return next;
    };
    let unit = 10u64.pow(shorter as u32);
    if (first, last) == (0, unit * 10 - 1) {
        return Piece::Of("0-9", width).then(graph, next);
    }
    let mut edges = Vec::new();
    for digit in first / unit..=(last / unit).min(9) {
        let from = first.saturating_sub(digit * unit);
        let to = (last - digit * unit).min(unit - 1);
        edges.push((b'0' + digit as u8, between(graph, shorter, (from, to), next)));
    }
    graph.node(edges)
}

fn days(first: u32, last: u32) -> impl Iterator<Item = Day> {
    (first..=last).flat_map(|year| {
        (1..=12).flat_map(move |month| {
            (1..=length(year, month)).map(move |day| Day { year, month, day })
        })
    })
}

const fn length(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `YYMMDD`.
pub(super) fn short_year_first(day: Day) -> String {
    format!("{:02}{:02}{:02}", day.year % 100, day.month, day.day)
}

/// `YYYYMMDD`.
pub(super) fn long_year_first(day: Day) -> String {
    format!("{:04}{:02}{:02}", day.year, day.month, day.day)
}

/// `DDMMYY`.
pub(super) fn day_first(day: Day) -> String {
    format!("{:02}{:02}{:02}", day.day, day.month, day.year % 100)
}
