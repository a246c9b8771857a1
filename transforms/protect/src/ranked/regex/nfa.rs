use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind, Look, Repetition};

use crate::SpecError;

/// Characters that values are made of: space to tilde, a bit for each.
pub(super) const PRINTABLE: u128 = (1 << 0x7f) - (1 << 0x20);

/// Most nodes an expression may have once its repetitions are written out.
const MOST_NODES: usize = 10_000;
/// Most parts looked at while they are.
const MOST_PARTS: usize = 100_000;
/// How deep groups may be nested.
const DEEPEST: u32 = 50;

const TOO_LARGE: SpecError = SpecError::Invalid("`pattern` is too large: repeat fewer parts");

/// An expression as a graph: ways from its start to node 0 are its words.
pub(super) struct Nfa {
    nodes: Vec<Node>,
    start: usize,
    /// How many more parts may be looked at.
    parts: usize,
}

#[derive(Debug)]
pub(super) enum Node {
    End,
    /// One of these characters, then that node.
    One(u128, usize),
    /// Any of these nodes.
    Any(Vec<usize>),
}

impl Nfa {
    pub(super) fn new(pattern: &str) -> Result<Self, SpecError> {
        let parsed = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .nest_limit(DEEPEST)
            .build()
            .parse(pattern)
            .map_err(|error| unreadable(&error))?;
        let mut nfa = Self { nodes: vec![Node::End], start: 0, parts: MOST_PARTS };
        nfa.start = nfa.whole(&parsed)?;
        Ok(nfa)
    }

    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn node(&self, index: usize) -> &Node {
        self.nodes.get(index).unwrap_or(&Node::End)
    }

    /// The expression without anchors around it: it always matches as a whole.
    fn whole(&mut self, parsed: &Hir) -> Result<usize, SpecError> {
        let anchor = |part: &Hir, look| matches!(part.kind(), HirKind::Look(is) if *is == look);
        let HirKind::Concat(parts) = parsed.kind() else {
            return self.part(parsed, 0);
        };
        let mut parts = parts.as_slice();
        if let [first, rest @ ..] = parts
            && anchor(first, Look::Start)
        {
            parts = rest;
        }
        if let [rest @ .., last] = parts
            && anchor(last, Look::End)
        {
            parts = rest;
        }
        parts.iter().rev().try_fold(0, |next, part| self.part(part, next))
    }

    /// The node from which a part leads to `next`.
    fn part(&mut self, part: &Hir, next: usize) -> Result<usize, SpecError> {
        self.parts = self.parts.checked_sub(1).ok_or(TOO_LARGE)?;
        match part.kind() {
            HirKind::Empty => Ok(next),
            HirKind::Literal(literal) => literal.0.iter().rev().try_fold(next, |next, byte| {
                self.one(1u128.checked_shl(u32::from(*byte)).unwrap_or_default(), next)
            }),
            HirKind::Class(Class::Bytes(class)) => {
                let ranges = class.iter().map(|range| (range.start(), range.end()));
                self.one(bits(ranges), next)
            }
            // Alternatives of single characters come as such, and are ASCII all the same.
            HirKind::Class(Class::Unicode(class)) => {
                let range = |range: &ClassUnicodeRange| {
                    Some((u8::try_from(range.start()).ok()?, u8::try_from(range.end()).ok()?))
                };
                let ranges: Option<Vec<(u8, u8)>> = class.iter().map(range).collect();
                match ranges {
                    Some(ranges) if ranges.iter().all(|(_, last)| last.is_ascii()) => {
                        self.one(bits(ranges.into_iter()), next)
                    }
                    _ => Err(SpecError::Invalid(
                        "`pattern` must not turn on Unicode: it is over ASCII",
                    )),
                }
            }
            HirKind::Look(_) => Err(SpecError::Invalid(
                "`pattern` has an anchor or a word boundary inside: it matches whole values, and only `^` at its beginning and `$` at its end may say so",
            )),
            HirKind::Repetition(repetition) => self.repeated(repetition, next),
            HirKind::Capture(capture) => self.part(&capture.sub, next),
            HirKind::Concat(parts) => {
                parts.iter().rev().try_fold(next, |next, part| self.part(part, next))
            }
            HirKind::Alternation(parts) => {
                let ways = parts
                    .iter()
                    .map(|part| self.part(part, next))
                    .collect::<Result<Vec<usize>, SpecError>>()?;
                self.push(Node::Any(ways))
            }
        }
    }

    fn repeated(&mut self, repetition: &Repetition, next: usize) -> Result<usize, SpecError> {
        let sub = &repetition.sub;
        let mut start = next;
        match repetition.max {
            Some(most) => {
                for _ in repetition.min..most {
                    let once = self.part(sub, start)?;
                    start = self.push(Node::Any(vec![once, next]))?;
                }
            }
            None => {
                start = self.push(Node::Any(vec![next]))?;
                let once = self.part(sub, start)?;
                if let Some(Node::Any(ways)) = self.nodes.get_mut(start) {
                    ways.push(once);
                }
            }
        }
        (0..repetition.min).try_fold(start, |next, _| self.part(sub, next))
    }

    fn one(&mut self, bits: u128, next: usize) -> Result<usize, SpecError> {
        if bits & PRINTABLE == 0 {
            return Err(SpecError::Invalid(
                "`pattern` has a character or class without any printable ASCII character",
            ));
        }
        self.push(Node::One(bits, next))
    }

    fn push(&mut self, node: Node) -> Result<usize, SpecError> {
        if self.nodes.len() == MOST_NODES {
            return Err(TOO_LARGE);
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }
}

/// The ASCII characters of some ranges, a bit for each.
fn bits(ranges: impl Iterator<Item = (u8, u8)>) -> u128 {
    ranges.fold(0, |bits, (first, last)| {
        (first..=last.min(0x7f)).fold(bits, |bits, byte| bits | 1 << byte)
    })
}

/// What is wrong, and where: never the pattern itself, which may be long.
fn unreadable(error: &regex_syntax::Error) -> SpecError {
    SpecError::Pattern(match error {
        regex_syntax::Error::Parse(error) => {
            format!("{} at character {}", error.kind(), error.span().start.offset + 1)
        }
        regex_syntax::Error::Translate(error) => {
            format!("{} at character {}", error.kind(), error.span().start.offset + 1)
        }
        _ => "it is no regular expression".into(),
    })
}
