use std::collections::{BTreeSet, HashMap, VecDeque};

use super::nfa::{Nfa, Node, PRINTABLE};
use crate::SpecError;

/// Most states.
const MOST_STATES: usize = 4_096;
/// Most states times lengths times classes of characters.
const MOST_CELLS: usize = 1 << 22;
/// Most nodes looked at while states are made.
const MOST_STEPS: usize = 4_000_000;

const TOO_LARGE: SpecError = SpecError::Invalid(
    "`pattern` needs too many states: repeat fewer parts, lower `max`, or let alternatives differ early",
);

/// A deterministic automaton for the words of at most so many characters.
pub(super) struct Dfa {
    states: Vec<State>,
    start: usize,
}

#[derive(Default)]
struct State {
    accepts: bool,
    /// In the order of their characters.
    edges: Vec<Edge>,
}

/// Where any of these characters leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) first: u8,
    pub(super) last: u8,
    pub(super) to: usize,
}

impl Dfa {
    pub(super) fn new(nfa: &Nfa, max: usize) -> Result<Self, SpecError> {
        let classes = classes(nfa);
        let raw = Subsets::new(nfa, &classes, max).states()?;
        Ok(minimal(&raw, &classes, max))
    }

    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn accepts(&self, state: usize) -> bool {
        self.states.get(state).is_some_and(|state| state.accepts)
    }

    pub(super) fn edges(&self, state: usize) -> &[Edge] {
        self.states.get(state).map_or(&[], |state| &state.edges)
    }

    /// The length of the shortest way from the start to each state.
    pub(super) fn depths(&self) -> Vec<Option<usize>> {
        let mut depths = vec![None; self.len()];
        let mut queue = VecDeque::from([(self.start, 0)]);
        while let Some((state, depth)) = queue.pop_front() {
            match depths.get_mut(state) {
                Some(known) if known.is_none() => *known = Some(depth),
                _ => continue,
            }
            queue.extend(self.edges(state).iter().map(|edge| (edge.to, depth + 1)));
        }
        depths
    }
}

impl Edge {
    /// How many characters it has.
    pub(super) const fn width(self) -> u8 {
        self.last - self.first + 1
    }

    /// How many of its characters stand before this one, which is not before the first.
    pub(super) const fn before(self, byte: u8) -> u8 {
        if byte > self.last { self.width() } else { byte - self.first }
    }
}

/// A state whose edges go by classes of characters.
struct Raw {
    accepts: bool,
    to: Vec<Option<usize>>,
}

/// The subset construction: a state is the set of nodes that a text can have led to.
struct Subsets<'a> {
    nfa: &'a Nfa,
    classes: &'a [u128],
    max: usize,
    found: HashMap<Vec<usize>, usize>,
    /// In the order in which they were found, each with its depth.
    sets: Vec<(Vec<usize>, usize)>,
    steps: usize,
}

impl<'a> Subsets<'a> {
    fn new(nfa: &'a Nfa, classes: &'a [u128], max: usize) -> Self {
        Self { nfa, classes, max, found: HashMap::new(), sets: Vec::new(), steps: MOST_STEPS }
    }

    fn states(mut self) -> Result<Vec<Raw>, SpecError> {
        let start = self.closure(vec![self.nfa.start()])?;
        self.index(start, 0)?;
        let mut states = Vec::new();
        while let Some((set, depth)) = self.sets.get(states.len()).cloned() {
            let accepts = set.iter().any(|node| matches!(self.nfa.node(*node), Node::End));
            let mut to = vec![None; self.classes.len()];
            // Texts that would go on from here are too long.
            if depth < self.max {
                for (class, next) in self.classes.iter().zip(&mut to) {
                    let reached = self.closure(self.step(&set, *class))?;
                    if !reached.is_empty() {
                        *next = Some(self.index(reached, depth + 1)?);
                    }
                }
            }
            states.push(Raw { accepts, to });
        }
        Ok(states)
    }

    fn index(&mut self, set: Vec<usize>, depth: usize) -> Result<usize, SpecError> {
        if let Some(index) = self.found.get(&set) {
            return Ok(*index);
        }
        let index = self.sets.len();
        let cells = (index + 1) * (self.max + 1) * self.classes.len().max(1);
        if index == MOST_STATES || cells > MOST_CELLS {
            return Err(TOO_LARGE);
        }
        self.found.insert(set.clone(), index);
        self.sets.push((set, depth));
        Ok(index)
    }

    fn step(&self, set: &[usize], class: u128) -> Vec<usize> {
        set.iter()
            .filter_map(|node| match self.nfa.node(*node) {
                Node::One(bits, next) if bits & class != 0 => Some(*next),
                _ => None,
            })
            .collect()
    }

    /// The nodes that take a character, or end, reached from these.
    fn closure(&mut self, mut open: Vec<usize>) -> Result<Vec<usize>, SpecError> {
        let mut seen = BTreeSet::new();
        let mut set = Vec::new();
        self.steps = self.steps.checked_sub(1).ok_or(TOO_LARGE)?;
        while let Some(node) = open.pop() {
            self.steps = self.steps.checked_sub(1).ok_or(TOO_LARGE)?;
            if !seen.insert(node) {
                continue;
            }
            match self.nfa.node(node) {
                Node::Any(ways) => open.extend(ways),
                Node::One(..) | Node::End => set.push(node),
            }
        }
        set.sort_unstable();
        Ok(set)
    }
}

/// Characters that no part of the expression tells apart, as sets.
fn classes(nfa: &Nfa) -> Vec<u128> {
    let sets: BTreeSet<u128> = (0..nfa.len())
        .filter_map(|node| match nfa.node(node) {
            Node::One(bits, _) => Some(*bits),
            _ => None,
        })
        .collect();
    let mut classes = vec![PRINTABLE];
    for set in sets {
        classes = classes
            .iter()
            .flat_map(|class| [class & set, class & !set])
            .filter(|class| *class != 0)
            .collect();
    }
    classes
}

/// States that cannot be told apart are one (Moore). Each round tells apart what texts
/// longer by one do; after `max` rounds no text that matters is left. Where rounds end
/// before all is stable, what stands for a state need only be as good as the rest of the
/// text is long, and it is: a state reached after i characters is stood for by one that no
/// text of `max` - i characters tells from it.
fn minimal(raw: &[Raw], classes: &[u128], max: usize) -> Dfa {
    let mut block: Vec<usize> = raw.iter().map(|state| usize::from(state.accepts)).collect();
    let mut blocks = 0;
    for _ in 0..=max {
        let mut found = HashMap::new();
        let next: Vec<usize> = raw
            .iter()
            .zip(&block)
            .map(|(state, own)| {
                let to = |to: &Option<usize>| to.and_then(|to| block.get(to)).map(|to| to + 1);
                let seen: Vec<usize> = std::iter::once(*own)
                    .chain(state.to.iter().map(|next| to(next).unwrap_or(0)))
                    .collect();
                let fresh = found.len();
                *found.entry(seen).or_insert(fresh)
            })
            .collect();
        block = next;
        if found.len() == blocks {
            break;
        }
        blocks = found.len();
    }
    let mut states: Vec<Option<State>> = Vec::new();
    for (state, own) in raw.iter().zip(&block) {
        if *own >= states.len() {
            states.resize_with(own + 1, || None);
        }
        if let Some(slot @ None) = states.get_mut(*own) {
            let edges = edges(state, classes, &block);
            *slot = Some(State { accepts: state.accepts, edges });
        }
    }
    Dfa {
        states: states.into_iter().map(Option::unwrap_or_default).collect(),
        start: block.first().copied().unwrap_or_default(),
    }
}

fn edges(state: &Raw, classes: &[u128], block: &[usize]) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for byte in 0x20..0x7f_u8 {
        let class = classes.iter().position(|class| class >> byte & 1 == 1);
        let next = class.and_then(|class| state.to.get(class).copied().flatten());
        let Some(to) = next.and_then(|next| block.get(next).copied()) else {
            continue;
        };
        match edges.last_mut() {
            Some(edge) if edge.to == to && edge.last + 1 == byte => edge.last = byte,
            _ => edges.push(Edge { first: byte, last: byte, to }),
        }
    }
    edges
}
