use std::collections::HashMap;

use zeroize::Zeroizing;

use super::graph::Builder;

/// How one check character, or one pair of check digits, is made of the body and the check
/// characters before it.
pub(super) enum Check {
    /// From a sum over the characters.
    Sum(Sum),
    /// The sum's character, or where it has none, that of another sum.
    Twice(Sum, Sum),
    /// Verhoeff's, over the dihedral group of ten elements.
    Verhoeff,
    /// ISO/IEC 7064, MOD 11,10.
    Hybrid,
}

/// A sum of what the characters stand for, times their weights, and what is written for
/// what is left of it.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    /// One for each character of the body and each check character before this one.
    weights: &'static [i32],
    modulus: u32,
    written: Written,
    plus: i32,
    term: fn(usize, u8, i32) -> i32,
}

/// What is written for a remainder.
#[derive(Clone, Copy)]
enum Written {
    /// The character at this place; a space: such a body is not issued.
    One(&'static str),
    /// Two digits: this number less the remainder.
    Down(u32),
}

/// How far sums have come: remainders of each sum over what was read of the body.
type State = [u32; 4];

/// All check characters of a number, in the order in which they are written.
#[derive(Clone, Copy)]
pub(super) struct Checks(pub(super) &'static [Check]);

impl Sum {
    /// The character of `written` at the place of the sum modulo `modulus`.
    pub(super) const fn new(weights: &'static [i32], modulus: u32, written: &'static str) -> Self {
        Self { weights, modulus, written: Written::One(written), plus: 0, term: weighted }
    }

    /// Two digits: `highest` less the sum modulo `modulus`.
    pub(super) const fn down(weights: &'static [i32], modulus: u32, highest: u32) -> Self {
        Self { weights, modulus, written: Written::Down(highest), plus: 0, term: weighted }
    }

    /// The Luhn digit (ISO/IEC 7812-1, annex B): weights are 2 and 1 by turns, 2 for the
    /// last, and the digits of products are added.
    pub(super) const fn luhn(weights: &'static [i32]) -> Self {
        Self {
            weights,
            modulus: 10,
            written: Written::One("0987654321"),
            plus: 0,
            term: digits_added,
        }
    }

    /// Adds a constant to the sum.
    pub(super) const fn plus(mut self, plus: i32) -> Self {
        self.plus = plus;
        self
    }

    /// Lets characters stand for other numbers: from place, character and weight to what
    /// is added.
    pub(super) const fn of(mut self, term: fn(usize, u8, i32) -> i32) -> Self {
        self.term = term;
        self
    }

    /// The remainder after one more character.
    fn add(&self, sum: u32, at: usize, symbol: u8) -> u32 {
        let weight = self.weights.get(at).copied().unwrap_or_default();
        let term = (self.term)(at, symbol, weight).rem_euclid(self.modulus.cast_signed());
        (sum + term.cast_unsigned()) % self.modulus
    }

    fn start(&self) -> u32 {
        self.plus.rem_euclid(self.modulus.cast_signed()).cast_unsigned()
    }

    /// Appends what is written; `false` if nothing is.
    fn append(&self, sum: u32, text: &mut Vec<u8>) -> bool {
        match self.written {
            Written::One(written) => match written.as_bytes().get(sum as usize) {
                None | Some(b' ') => return false,
                Some(symbol) => text.push(*symbol),
            },
            Written::Down(highest) => {
                let number = highest - sum;
                text.extend([b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
            }
        }
        true
    }

    /// How many texts may be written.
    fn choices(&self) -> u32 {
        match self.written {
            Written::One(written) => alphabet(written).len() as u32,
            Written::Down(_) => self.modulus,
        }
    }

    /// The place of what stands at the beginning of `text` among what may be written.
    fn place(&self, text: &[u8]) -> Option<u32> {
        match (self.written, text) {
            (Written::One(written), [symbol, ..]) => {
                alphabet(written).binary_search(symbol).ok().map(|at| at as u32)
            }
            (Written::Down(highest), [tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..]) => {
                let number = u32::from(tens & 0xf) * 10 + u32::from(ones & 0xf);
                let place = number.checked_sub(highest + 1 - self.modulus)?;
                (place < self.modulus).then_some(place)
            }
            _ => None,
        }
    }

    /// Appends what stands at a place.
    fn append_place(&self, place: u32, text: &mut Vec<u8>) {
        match self.written {
            Written::One(written) => text.extend(alphabet(written).get(place as usize)),
            Written::Down(highest) => {
                let number = highest + 1 - self.modulus + place;
                text.extend([b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
            }
        }
    }

    const fn width(&self) -> usize {
        match self.written {
            Written::One(_) => 1,
            Written::Down(_) => 2,
        }
    }
}

/// Ten digits, as a sum whose places alone matter.
const DECIMAL: Sum = Sum::new(&[], 10, "0123456789");

impl Check {
    /// The sum that says what may be written.
    const fn shape(&self) -> &Sum {
        match self {
            // The second of two writes whatever the first does, or more.
            Self::Sum(sum) | Self::Twice(_, sum) => sum,
            Self::Verhoeff | Self::Hybrid => &DECIMAL,
        }
    }

    const fn sums(&self) -> [Option<&Sum>; 2] {
        match self {
            Self::Sum(sum) => [Some(sum), None],
            Self::Twice(sum, again) => [Some(sum), Some(again)],
            Self::Verhoeff | Self::Hybrid => [None, None],
        }
    }

    /// Appends the valid characters, its sums over `text` being given; `false` if there
    /// are none.
    fn append(&self, sums: [u32; 2], text: &mut Vec<u8>) -> bool {
        match self {
            Self::Sum(sum) => sum.append(sums[0], text),
            Self::Twice(sum, again) => sum.append(sums[0], text) || again.append(sums[1], text),
            Self::Verhoeff => {
                text.push(b'0' + verhoeff(text));
                true
            }
            Self::Hybrid => {
                text.push(b'0' + hybrid(text));
                true
            }
        }
    }
}

impl Checks {
    /// The valid check characters of a body; `None`: it is not issued.
    pub(super) fn valid(self, body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let state = body
            .iter()
            .enumerate()
            .fold(self.start(), |state, (at, symbol)| self.step(state, at, *symbol));
        self.end(state, body)
    }

    /// How far what is written stands from the valid characters, among all that may be
    /// written; `None` if it may not be.
    pub(super) fn slot(self, written: &[u8], valid: &[u8]) -> Option<u32> {
        let choices = self.choices();
        Some((self.place(written)? + choices - self.place(valid)?) % choices)
    }

    /// What stands so far from the valid characters.
    pub(super) fn moved(self, valid: &[u8], slot: u32) -> Option<Zeroizing<Vec<u8>>> {
        let mut place = (self.place(valid)? + slot) % self.choices();
        let mut text = Zeroizing::new(Vec::with_capacity(valid.len()));
        let mut choices = self.choices();
        for check in self.0 {
            choices /= check.shape().choices();
            check.shape().append_place(place / choices, &mut text);
            place %= choices;
        }
        Some(text)
    }

    /// How many texts the check characters may be.
    pub(super) fn choices(self) -> u32 {
        self.0.iter().map(|check| check.shape().choices()).product()
    }

    pub(super) fn width(self) -> usize {
        self.0.iter().map(|check| check.shape().width()).sum()
    }

    /// The bytes that occur, a bit for each.
    pub(super) fn alphabet(self) -> u128 {
        let bits = |check: &Check| match check.shape().written {
            Written::One(written) => {
                alphabet(written).iter().fold(0, |bits, at| bits | 1u128 << at)
            }
            Written::Down(_) => 0x3ff << b'0',
        };
        self.0.iter().fold(0, |all, check| all | bits(check))
    }

    /// The bodies of a graph that have check characters.
    pub(super) fn issued(self, graph: &mut Builder, node: usize) -> usize {
        let space = |sum: &Sum| matches!(sum.written, Written::One(text) if text.contains(' '));
        if !self.0.iter().any(|check| space(check.shape())) {
            return node;
        }
        self.issued_from(graph, node, self.start(), 0, &mut HashMap::new())
    }

    fn issued_from(
        self,
        graph: &mut Builder,
        node: usize,
        state: State,
        at: usize,
        known: &mut HashMap<(usize, State), usize>,
    ) -> usize {
        if node == graph.end() {
            return if self.end(state, &[]).is_some() { node } else { graph.nowhere() };
        }
        if let Some(node) = known.get(&(node, state)) {
            return *node;
        }
        let mut edges = graph.edges(node);
        for (symbol, to) in &mut edges {
            let state = self.step(state, at, *symbol);
            *to = self.issued_from(graph, *to, state, at + 1, known);
        }
        let issued = graph.node(edges);
        known.insert((node, state), issued);
        issued
    }

    fn sums(self) -> impl Iterator<Item = Option<&'static Sum>> {
        self.0.iter().flat_map(Check::sums)
    }

    fn start(self) -> State {
        let mut state = State::default();
        for (sum, slot) in self.sums().zip(&mut state) {
            *slot = sum.map_or(0, Sum::start);
        }
        state
    }

    fn step(self, mut state: State, at: usize, symbol: u8) -> State {
        for (sum, slot) in self.sums().zip(&mut state) {
            *slot = sum.map_or(0, |sum| sum.add(*slot, at, symbol));
        }
        state
    }

    /// The check characters where the sums over a body have come to `state`. Only sums can
    /// fail, and the body itself matters only to what is no sum.
    fn end(self, mut state: State, body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(Vec::with_capacity(body.len() + self.width()));
        text.extend_from_slice(body);
        let mut at = self.0.first().map_or(0, |check| check.shape().weights.len());
        for (index, check) in self.0.iter().enumerate() {
            let known = text.len();
            let sums = [state.get(2 * index)?, state.get(2 * index + 1)?].map(|sum| *sum);
            if !check.append(sums, &mut text) {
                return None;
            }
            for symbol in text.get(known..)? {
                state = self.step(state, at, *symbol);
                at += 1;
            }
        }
        Some(Zeroizing::new(text.split_off(body.len())))
    }

    fn place(self, text: &[u8]) -> Option<u32> {
        let mut rest = text;
        let mut place = 0;
        for check in self.0 {
            let shape = check.shape();
            place = place * shape.choices() + shape.place(rest)?;
            rest = rest.get(shape.width()..)?;
        }
        rest.is_empty().then_some(place)
    }
}

/// Digits stand for themselves, letters for 10 to 35, all else for 0.
pub(super) const fn value(symbol: u8) -> i32 {
    match symbol {
        b'0'..=b'9' => (symbol - b'0') as i32,
        b'A'..=b'Z' => (symbol - b'A') as i32 + 10,
        _ => 0,
    }
}

fn weighted(_at: usize, symbol: u8, weight: i32) -> i32 {
    value(symbol) * weight
}

fn digits_added(_at: usize, symbol: u8, weight: i32) -> i32 {
    let product = value(symbol) * weight;
    product / 10 + product % 10
}

/// What a table may write, sorted, each once.
fn alphabet(written: &str) -> Vec<u8> {
    let mut symbols: Vec<u8> = written.bytes().filter(|symbol| *symbol != b' ').collect();
    symbols.sort_unstable();
    symbols.dedup();
    symbols
}

/// Verhoeff's digit: the group of the symmetries of a pentagon, turns being 0 to 4 and
/// flips 5 to 9; digits are permuted by their place from the end.
fn verhoeff(body: &[u8]) -> u8 {
    const PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permuted = |digit: u8| PERMUTED.get(usize::from(digit)).copied().unwrap_or_default();
    let sum = body.iter().rev().zip(1..).fold(0, |sum, (symbol, place)| {
        let digit = (0..place % 8).fold(symbol & 0xf, |digit, _| permuted(digit));
        times(sum, digit)
    });
    // Turns are undone by turning back, flips by themselves.
    if sum < 5 { (5 - sum) % 5 } else { sum }
}

const fn times(one: u8, other: u8) -> u8 {
    match (one < 5, other < 5) {
        (true, true) => (one + other) % 5,
        (true, false) => (one + other) % 5 + 5,
        (false, true) => (one - other) % 5 + 5,
        (false, false) => (one + 5 - other) % 5,
    }
}

/// ISO/IEC 7064, section 9: the hybrid system MOD 11,10.
fn hybrid(body: &[u8]) -> u8 {
    let rest = body.iter().fold(10, |rest, symbol| match (rest + (symbol & 0xf)) % 10 {
        0 => 9,
        sum => sum * 2 % 11,
    });
    (11 - rest) % 10
}

#[cfg(test)]
impl Checks {
    /// Whether each sum has a weight for each character before its own.
    pub(super) fn weights_fit(self, body: usize) -> bool {
        let mut before = body;
        self.0.iter().all(|check| {
            let fit = check.sums().iter().flatten().all(|sum| sum.weights.len() == before);
            before += check.shape().width();
            fit
        })
    }
}
