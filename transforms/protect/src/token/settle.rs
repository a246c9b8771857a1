//! Which of the last tokens of a counter goes to which value.
//!
//! Between the same kept ends a number has one token, whichever value gets it, and few
//! reasons to suit none: it looks like a mask; it begins with a 0, for values that are
//! numbers; it is the value itself. So tokens are divided by kind, and only one that fell
//! to the value that it is has to be exchanged.

use allonym_record::Value;

use super::draw::Drawn;
use super::sequence::Sequence;

/// For each value of one counter a token that suits it, or nothing where too few of them
/// do; and the tokens that are left. As many values as can be have one, but where a number
/// and a text of the same characters are among them.
pub(super) fn settle(
    sequence: &Sequence,
    values: &[&Value],
    tokens: Vec<Drawn>,
) -> (Vec<Option<Drawn>>, Vec<Drawn>) {
    let mut left = Left::default();
    for drawn in tokens {
        left.push(sequence, drawn);
    }
    let all = 0..values.len();
    let (numbers, texts): (Vec<usize>, Vec<usize>) =
        all.partition(|at| values.get(*at).is_some_and(|value| is_number(value)));
    let mut held: Vec<Option<Drawn>> = values.iter().map(|_| None).collect();
    for at in numbers.iter().chain(&texts) {
        if let (Some(slot), Some(value)) = (held.get_mut(*at), values.get(*at)) {
            *slot = left.pop(is_number(value));
        }
    }
    let mut settling = Settling { sequence, values, held, left };
    for (alike, others) in [(&numbers, &texts), (&texts, &numbers)] {
        for at in alike {
            settling.exchange(*at, alike.iter().chain(others));
        }
    }
    let Left { mut any, texts, none } = settling.left;
    any.extend(texts);
    any.extend(none);
    (settling.held, any)
}

struct Settling<'a> {
    sequence: &'a Sequence,
    values: &'a [&'a Value],
    held: Vec<Option<Drawn>>,
    left: Left,
}

/// Tokens that nobody has, by what they suit.
#[derive(Default)]
struct Left {
    any: Vec<Drawn>,
    texts: Vec<Drawn>,
    none: Vec<Drawn>,
}

impl Settling<'_> {
    /// Exchanges the token of a value that it does not suit: for one that is left, or
    /// for that of the first of `others` with whom both are served, or who had none.
    fn exchange<'i>(&mut self, at: usize, others: impl Iterator<Item = &'i usize>) {
        let Some(value) = self.values.get(at) else { return };
        let Some(mine) = self.held.get_mut(at).and_then(Option::take) else { return };
        let mut given = None;
        let mut to = Some(at);
        if !self.sequence.suits(value, &mine.token) {
            // The only token that does not suit by itself is in hand.
            given = self.left.pop(is_number(value));
            to = match given {
                Some(_) => None,
                None => others.copied().find(|other| self.gains(at, *other, &mine)),
            };
            if let Some(theirs) = to.and_then(|to| self.held.get_mut(to)) {
                given = theirs.take();
            }
        }
        match to.and_then(|to| self.held.get_mut(to)) {
            Some(slot) => *slot = Some(mine),
            None => self.left.push(self.sequence, mine),
        }
        if let (Some(slot), Some(_)) = (self.held.get_mut(at), &given) {
            *slot = given;
        }
    }

    fn gains(&self, at: usize, other: usize, mine: &Drawn) -> bool {
        let suits = |at: usize, drawn: &Drawn| {
            self.values.get(at).is_some_and(|value| self.sequence.suits(value, &drawn.token))
        };
        let theirs = self.held.get(other).and_then(Option::as_ref);
        other != at && suits(other, mine) && theirs.is_none_or(|theirs| suits(at, theirs))
    }
}

impl Left {
    fn push(&mut self, sequence: &Sequence, drawn: Drawn) {
        let [any, texts] = [true, false].map(|numbers| sequence.suits_some(numbers, &drawn.token));
        match (any, texts) {
            (true, _) => self.any.push(drawn),
            (false, true) => self.texts.push(drawn),
            (false, false) => self.none.push(drawn),
        }
    }

    fn pop(&mut self, number: bool) -> Option<Drawn> {
        let texts = if number { None } else { self.texts.pop() };
        texts.or_else(|| self.any.pop())
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Number(_))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Keep;

    fn drawn(token: &str) -> Drawn {
        Drawn { token: token.to_owned(), part: [0; 16], number: 0 }
    }

    /// How many values can have a token at all: augmenting paths over all pairs.
    fn most(sequence: &Sequence, values: &[&Value], tokens: &[String]) -> usize {
        fn path(
            at: usize,
            edges: &[Vec<usize>],
            seen: &mut [bool],
            of: &mut [Option<usize>],
        ) -> bool {
            edges[at].iter().any(|&token| {
                if std::mem::replace(&mut seen[token], true) {
                    return false;
                }
                let free = of[token].is_none_or(|other| path(other, edges, seen, of));
                if free {
                    of[token] = Some(at);
                }
                free
            })
        }
        let edges: Vec<Vec<usize>> = values
            .iter()
            .map(|value| {
                (0..tokens.len()).filter(|at| sequence.suits(value, &tokens[*at])).collect()
            })
            .collect();
        let mut of = vec![None; tokens.len()];
        (0..values.len())
            .filter(|at| path(*at, &edges, &mut vec![false; tokens.len()], &mut of))
            .count()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Nobody is without a token who could have one, and no token is lost.
        #[test]
        fn as_many_are_served_as_can_be(
            values in proptest::collection::btree_map(0_u32..13, any::<bool>(), 0..7),
            tokens in proptest::collection::btree_set(0_u32..13, 0..8),
            copies in 0_usize..3,
        ) {
            let sequence = Sequence::digits(Keep::default(), 2, 2).unwrap();
            let value = |(number, text): (&u32, &bool)| match (number, text) {
                (7.., false) => Value::number(format!("{}", number + 5)),
                (7.., true) => Value::text(format!("{}", number + 5)),
                (number, _) => Value::text(format!("0{number}")),
            };
            let mut values: Vec<Value> = values.iter().map(value).collect();
            // Random tokens are drawn for each copy of a value.
            let more = values.first().map_or(0, |_| copies);
            values.extend(vec![values.first().cloned().unwrap_or(Value::Null); more]);
            let values: Vec<&Value> = values.iter().collect();
            let text = |n: u32| if n < 7 { format!("0{n}") } else { format!("{}", n + 5) };
            let tokens: Vec<String> = tokens.into_iter().map(text).collect();
            let (held, left) = settle(&sequence, &values, tokens.iter().map(|t| drawn(t)).collect());
            let served = values.iter().zip(&held).filter_map(|(value, held)| Some((value, held.as_ref()?)));
            prop_assert!(served.clone().all(|(value, held)| sequence.suits(value, &held.token)));
            prop_assert_eq!(served.count(), most(&sequence, &values, &tokens));
            let mut all: Vec<String> = held.into_iter().flatten().chain(left).map(|d| d.token).collect();
            all.sort_unstable();
            prop_assert_eq!(all, tokens);
        }
    }
}
