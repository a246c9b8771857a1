use std::collections::HashMap;

/// No word at all leads on from here.
const NOWHERE: usize = 0;
/// The end of every word.
const END: usize = 1;

/// Words of one length, as the ways through a graph; what stands behind equal beginnings
/// is counted, so that a word's number is found without listing the words.
pub(super) struct Graph {
    nodes: Vec<Node>,
    start: usize,
}

#[derive(Clone, Default)]
struct Node {
    /// In the order of their bytes.
    edges: Vec<(u8, usize)>,
    /// How many ways lead from here to the end.
    words: u128,
}

/// Makes graphs from their ends: equal nodes are one.
pub(super) struct Builder {
    nodes: Vec<Node>,
    found: HashMap<Vec<(u8, usize)>, usize>,
}

impl Graph {
    /// How many words there are.
    pub(super) fn size(&self) -> u128 {
        self.node(self.start).words
    }

    /// How many words stand before this one in the order of their bytes; `None` if it is
    /// none of them.
    pub(super) fn number(&self, word: &[u8]) -> Option<u128> {
        let (mut number, mut at) = (0, self.start);
        for byte in word {
            let edges = &self.node(at).edges;
            let index = edges.binary_search_by_key(byte, |(symbol, _)| *symbol).ok()?;
            let (before, rest) = edges.split_at_checked(index)?;
            number += before.iter().map(|(_, to)| self.node(*to).words).sum::<u128>();
            at = rest.first()?.1;
        }
        (at == END).then_some(number)
    }

    /// Writes the word that has this number behind `word`.
    pub(super) fn append_word(&self, mut number: u128, word: &mut Vec<u8>) -> Option<()> {
        let mut at = self.start;
        while at != END {
            let (symbol, to) = self.node(at).edges.iter().find(|(_, to)| {
                let words = self.node(*to).words;
                let here = number < words;
                if !here {
                    number -= words;
                }
                here
            })?;
            word.push(*symbol);
            at = *to;
        }
        Some(())
    }

    /// The bytes that occur in words, a bit for each (they are ASCII).
    pub(super) fn alphabet(&self) -> u128 {
        let edges = self.nodes.iter().flat_map(|node| &node.edges);
        edges.fold(0, |bits, (symbol, _)| bits | 1u128.checked_shl((*symbol).into()).unwrap_or(0))
    }

    fn node(&self, index: usize) -> &Node {
        const NONE: &Node = &Node { edges: Vec::new(), words: 0 };
        self.nodes.get(index).unwrap_or(NONE)
    }
}

impl Builder {
    pub(super) fn new() -> Self {
        let end = Node { edges: Vec::new(), words: 1 };
        Self { nodes: vec![Node::default(), end], found: HashMap::new() }
    }

    pub(super) const fn nowhere(&self) -> usize {
        NOWHERE
    }

    pub(super) const fn end(&self) -> usize {
        END
    }

    /// The node with these edges, in the order of their bytes.
    pub(super) fn node(&mut self, mut edges: Vec<(u8, usize)>) -> usize {
        edges.retain(|(_, to)| *to != NOWHERE);
        if edges.is_empty() {
            return NOWHERE;
        }
        if let Some(known) = self.found.get(&edges) {
            return *known;
        }
        let words = edges.iter().map(|(_, to)| self.words(*to)).fold(0u128, u128::saturating_add);
        let index = self.nodes.len();
        self.found.insert(edges.clone(), index);
        self.nodes.push(Node { edges, words });
        index
    }

    /// One of these words, all of one length, then what follows.
    pub(super) fn words_then(&mut self, words: &mut [&[u8]], next: usize) -> usize {
        words.sort_unstable();
        self.sorted_then(words, next)
    }

    fn sorted_then(&mut self, words: &[&[u8]], next: usize) -> usize {
        let mut edges = Vec::new();
        for group in words.chunk_by(|one, other| one.first() == other.first()) {
            let Some(symbol) = group.first().and_then(|word| word.first()) else {
                return next;
            };
            let rests: Vec<&[u8]> = group.iter().filter_map(|word| word.get(1..)).collect();
            edges.push((*symbol, self.sorted_then(&rests, next)));
        }
        self.node(edges)
    }

    /// The words of either.
    pub(super) fn either(&mut self, one: usize, other: usize) -> usize {
        if one == other || other == NOWHERE {
            return one;
        }
        if one == NOWHERE {
            return other;
        }
        let mut edges = self.edges(one);
        for (symbol, to) in self.edges(other) {
            match edges.binary_search_by_key(&symbol, |(symbol, _)| *symbol) {
                Ok(at) => {
                    if let Some(edge) = edges.get_mut(at) {
                        edge.1 = self.either(edge.1, to);
                    }
                }
                Err(at) => edges.insert(at, (symbol, to)),
            }
        }
        self.node(edges)
    }

    /// The words but for those that begin with any of these.
    pub(super) fn without(&mut self, node: usize, words: &[&[u8]]) -> usize {
        if words.is_empty() {
            return node;
        }
        if words.iter().any(|word| word.is_empty()) {
            return NOWHERE;
        }
        let mut edges = self.edges(node);
        for (symbol, to) in &mut edges {
            let rests: Vec<&[u8]> =
                words.iter().filter_map(|word| word.strip_prefix(&[*symbol])).collect();
            *to = self.without(*to, &rests);
        }
        self.node(edges)
    }

    pub(super) fn edges(&self, node: usize) -> Vec<(u8, usize)> {
        self.nodes.get(node).map(|node| node.edges.clone()).unwrap_or_default()
    }

    pub(super) fn words(&self, node: usize) -> u128 {
        self.nodes.get(node).map_or(0, |node| node.words)
    }

    /// The graph from this node on, and nothing else.
    pub(super) fn finish(&self, start: usize) -> Graph {
        let mut used = vec![false; self.nodes.len()];
        let mut open = vec![start];
        while let Some(index) = open.pop() {
            match used.get_mut(index) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            open.extend(self.edges(index).iter().map(|(_, to)| to));
        }
        let keep = |index: &usize| *index <= END || used.get(*index) == Some(&true);
        let kept: Vec<usize> = (0..self.nodes.len()).filter(keep).collect();
        let moved = |old: usize| kept.binary_search(&old).unwrap_or(NOWHERE);
        let nodes = kept.iter().filter_map(|old| self.nodes.get(*old)).map(|node| Node {
            edges: node.edges.iter().map(|(symbol, to)| (*symbol, moved(*to))).collect(),
            words: node.words,
        });
        Graph { nodes: nodes.collect(), start: moved(start) }
    }
}
