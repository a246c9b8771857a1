use std::sync::Arc;

use super::fold;
use crate::{Path, Step};

/// The paths of a place, compiled together: what to look for at each point of a
/// document. Made once, shared by all documents of the place.
///
/// Paths become a tree of their common beginnings. The walk along a document keeps the
/// set of tree nodes that are alive in the container it is in, so its cost grows with
/// the rules that can still match there, never exponentially with their number.
#[derive(Debug)]
pub struct Program {
    nodes: Vec<Node>,
}

/// A point reached by the beginning of some path.
#[derive(Debug, Default)]
struct Node {
    /// Where names lead, in ascending order of length and bytes.
    names: Vec<(Box<str>, usize)>,
    /// The bits of [`sketch`] of the names: most others are told apart by it alone.
    sketches: u64,
    /// The bits of [`loose_sketch`] of the names.
    loose_sketches: u64,
    indices: Vec<(u64, usize)>,
    any: Option<usize>,
    /// The node that holds what `..` after this point looks for.
    below: Option<usize>,
    /// Whether it stays alive in all containers further down.
    sticky: bool,
    /// The rules whose path ends here.
    rules: Vec<usize>,
}

/// What the rules say of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// No rule selects it.
    Nothing,
    /// This rule does.
    Rule(usize),
    /// Two rules do.
    Clash(usize, usize),
}

/// The place in a program that corresponds to the place in a document.
pub(super) struct Walk {
    program: Arc<Program>,
    /// The living nodes of each living container, one set after the other, and at the
    /// end the set of the child that comes next.
    alive: Vec<usize>,
    /// The containers from the root inwards in which a node is alive.
    levels: Vec<Level>,
}

/// A container in which nodes are alive.
#[derive(Clone, Copy)]
struct Level {
    start: usize,
    end: usize,
    /// The index of the next element, in an array.
    next: u64,
}

impl Program {
    /// Compiles rules, each a number of the caller's and a path. A number may occur
    /// with several paths.
    #[must_use]
    pub fn compile(rules: &[(usize, &Path)]) -> Self {
        let mut program = Self { nodes: vec![Node::default()] };
        for (rule, path) in rules {
            let mut at = 0;
            for segment in path.segments() {
                if segment.descendant {
                    at = program.below(at);
                }
                at = program.child(at, &segment.step);
            }
            if let Some(node) = program.nodes.get_mut(at)
                && !node.rules.contains(rule)
            {
                node.rules.push(*rule);
            }
        }
        program
    }

    /// The node for `..` after a node, made if it is not there.
    fn below(&mut self, at: usize) -> usize {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        let below = *node.below.get_or_insert(fresh);
        if below == fresh {
            self.nodes.push(Node { sticky: true, ..Node::default() });
        }
        below
    }

    /// The node that a step leads to, made if it is not there.
    fn child(&mut self, at: usize, step: &Step) -> usize {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        let child = match step {
            Step::Any => *node.any.get_or_insert(fresh),
            Step::Name(name) => match node.find(name.as_bytes()) {
                Ok(found) => node.names.get(found).map_or(fresh, |entry| entry.1),
                Err(place) => {
                    node.names.insert(place, (name.as_str().into(), fresh));
                    node.sketches |= sketch(name.as_bytes());
                    node.loose_sketches |= loose_sketch(name.as_bytes());
                    fresh
                }
            },
            Step::Index(index) => match node.indices.binary_search_by_key(index, |entry| entry.0) {
                Ok(found) => node.indices.get(found).map_or(fresh, |entry| entry.1),
                Err(place) => {
                    node.indices.insert(place, (*index, fresh));
                    fresh
                }
            },
        };
        if child == fresh {
            self.nodes.push(Node::default());
        }
        child
    }

    /// A rule whose path leads through a node.
    fn rule_through(&self, mut at: usize) -> Option<usize> {
        loop {
            let node = self.nodes.get(at)?;
            if let Some(rule) = node.rules.first() {
                return Some(*rule);
            }
            let name = node.names.first().map(|entry| entry.1);
            let index = node.indices.first().map(|entry| entry.1);
            at = name.or(node.any).or(index).or(node.below)?;
        }
    }
}

impl Node {
    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.names.binary_search_by(|(own, _)| (own.len(), own.as_bytes()).cmp(&(name.len(), name)))
    }

    #[inline]
    fn member(&self, name: &[u8]) -> Option<usize> {
        if self.sketches & sketch(name) == 0 {
            return None;
        }
        self.find(name).ok().and_then(|found| self.names.get(found)).map(|entry| entry.1)
    }

    /// Where a name leads that this one is not, and that some readers take it for.
    #[inline]
    fn alike(&self, name: &[u8]) -> Option<usize> {
        if self.loose_sketches & loose_sketch(name) == 0 || self.member(name).is_some() {
            return None;
        }
        let text = std::str::from_utf8(name).ok()?;
        self.names.iter().find(|(own, _)| fold::alike(own, text)).map(|entry| entry.1)
    }

    fn element(&self, index: u64) -> Option<usize> {
        if self.indices.is_empty() {
            return None;
        }
        let found = self.indices.binary_search_by_key(&index, |entry| entry.0).ok()?;
        self.indices.get(found).map(|entry| entry.1)
    }

    /// Whether it has anything to say about the children of a container.
    const fn looks_further(&self) -> bool {
        self.sticky || self.any.is_some() || !self.names.is_empty() || !self.indices.is_empty()
    }
}

impl Choice {
    fn add(&mut self, rule: usize) {
        *self = match *self {
            Self::Nothing => Self::Rule(rule),
            Self::Rule(first) if first != rule => Self::Clash(first.min(rule), first.max(rule)),
            same => same,
        };
    }
}

impl Walk {
    pub(super) const fn new(program: Arc<Program>) -> Self {
        Self { program, alive: Vec::new(), levels: Vec::new() }
    }

    /// How many of the outermost containers are alive. Those below them are not.
    pub(super) const fn living(&self) -> usize {
        self.levels.len()
    }

    /// The document itself comes next.
    pub(super) fn root(&mut self) -> Choice {
        let mut choice = Choice::Nothing;
        arrive(&self.program, 0, 0, &mut self.alive, &mut choice);
        choice
    }

    /// A member of the innermost living container comes next.
    #[inline]
    pub(super) fn member(&mut self, name: &[u8]) -> Choice {
        self.child(|node| node.member(name))
    }

    /// The rule that waits in the innermost living container for a name that this one
    /// is not, and that some readers take it for.
    #[inline]
    pub(super) fn alike(&self, name: &[u8]) -> Option<usize> {
        let level = self.levels.last()?;
        let alive = self.alive.get(level.start..level.end)?;
        let mut nodes = alive.iter().filter_map(|at| self.program.nodes.get(*at));
        let target = nodes.find_map(|node| node.alike(name))?;
        self.program.rule_through(target)
    }

    /// An element of the innermost living container comes next.
    pub(super) fn element(&mut self) -> Choice {
        let Some(level) = self.levels.last_mut() else {
            return Choice::Nothing;
        };
        let index = level.next;
        level.next += 1;
        self.child(|node| node.element(index))
    }

    /// What comes next is a container, and here it begins.
    pub(super) fn enter(&mut self) {
        let start = self.levels.last().map_or(0, |level| level.end);
        let end = self.alive.len();
        if end > start {
            self.levels.push(Level { start, end, next: 0 });
        }
    }

    /// The innermost living container ends.
    pub(super) fn leave(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.alive.truncate(level.start);
        }
    }

    #[inline]
    fn child(&mut self, leads: impl Fn(&Node) -> Option<usize>) -> Choice {
        let mut choice = Choice::Nothing;
        let Some(level) = self.levels.last().copied() else {
            return choice;
        };
        self.alive.truncate(level.end);
        for place in level.start..level.end {
            let Some(&at) = self.alive.get(place) else {
                break;
            };
            let Some(node) = self.program.nodes.get(at) else {
                break;
            };
            if node.sticky {
                keep(at, level.end, &mut self.alive);
            }
            for target in leads(node).into_iter().chain(node.any) {
                arrive(&self.program, target, level.end, &mut self.alive, &mut choice);
            }
        }
        choice
    }
}

/// Adds a node that was reached to the set that begins at `from`, with its rules.
fn arrive(program: &Program, at: usize, from: usize, alive: &mut Vec<usize>, choice: &mut Choice) {
    let Some(node) = program.nodes.get(at) else {
        return;
    };
    node.rules.iter().for_each(|rule| choice.add(*rule));
    if node.looks_further() {
        keep(at, from, alive);
    }
    if let Some(below) = node.below {
        keep(below, from, alive);
    }
}

/// One bit that equal names share, and few others.
#[inline]
fn sketch(name: &[u8]) -> u64 {
    let first = name.first().map_or(0, |byte| usize::from(*byte));
    let last = name.last().map_or(0, |byte| usize::from(*byte));
    1 << ((name.len() + first * 3 + last * 5) % 64)
}

/// Bits that share one between names that are [`fold::alike`], and few others.
#[inline]
fn loose_sketch(name: &[u8]) -> u64 {
    match (name.first(), name.last()) {
        (Some(first), Some(last)) if first.is_ascii() && last.is_ascii() => {
            let byte = |byte: &u8| usize::from(byte.to_ascii_lowercase());
            1 << ((byte(first) * 3 + byte(last) * 5) % 64)
        }
        // Another case of it can begin or end with any byte.
        _ => u64::MAX,
    }
}

fn keep(at: usize, from: usize, alive: &mut Vec<usize>) {
    if !alive.iter().skip(from).any(|known| *known == at) {
        alive.push(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(paths: &[(usize, &str)]) -> Arc<Program> {
        let paths: Vec<_> =
            paths.iter().map(|(rule, text)| (*rule, Path::parse(text).unwrap())).collect();
        let rules: Vec<_> = paths.iter().map(|(rule, path)| (*rule, path)).collect();
        Arc::new(Program::compile(&rules))
    }

    #[test]
    fn common_beginnings_share_nodes() {
        let program = program(&[(0, "$.card.number"), (1, "$.card.holder"), (1, "$.card.holder")]);
        assert_eq!(program.nodes.len(), 4);
    }

    #[test]
    fn what_cannot_match_is_dead() {
        let mut walk = Walk::new(program(&[(7, "$.a[1]"), (8, "$.b")]));
        assert_eq!(walk.root(), Choice::Nothing);
        walk.enter();
        assert_eq!((walk.living(), walk.member(b"b")), (1, Choice::Rule(8)));
        walk.enter();
        assert_eq!((walk.living(), walk.member(b"a")), (1, Choice::Nothing));
        walk.enter();
        assert_eq!(walk.living(), 2);
        assert_eq!((walk.element(), walk.element()), (Choice::Nothing, Choice::Rule(7)));
        walk.leave();
        walk.leave();
        assert_eq!((walk.living(), walk.alive.len()), (0, 0));
    }

    #[test]
    fn sets_stay_small_where_a_subset_automaton_explodes() {
        let path = format!("$..a{}", "[*]".repeat(40));
        let mut walk = Walk::new(program(&[(0, &path)]));
        walk.root();
        for _ in 0..200 {
            walk.enter();
            walk.member(b"a");
        }
        assert!(walk.alive.len() <= 201 * 42);
    }

    #[test]
    fn two_rules_clash_and_one_rule_twice_does_not() {
        let mut walk = Walk::new(program(&[(3, "$..a"), (3, "$.a"), (2, "$.*")]));
        walk.root();
        walk.enter();
        assert_eq!(walk.member(b"a"), Choice::Clash(2, 3));
        assert_eq!(walk.member(b"b"), Choice::Rule(2));
    }
}
