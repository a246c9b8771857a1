//! How values without a token get one.

use std::collections::{HashMap, VecDeque};

use allonym_keyring::Purpose;
use allonym_record::Value;

use super::sequence::{Group, Sequence, SequenceKeys, writable};
use super::settle::settle;
use super::shape::no_randomness;
use super::vaulted::{Vaulted, VaultedFault};
use super::{Found, Issue, Issued, Numbers, TokenError};
use crate::{Context, Fault, FaultRule};

/// How often a random token that is taken is drawn again. One draw in 2^80 / (stored
/// tokens) meets another, so a second is already a sign of something else.
const DRAWS: usize = 4;
/// How often the next number is taken because a token is taken, which only tokens from
/// elsewhere can be.
const NUMBERS: usize = 100;
/// How often a form that is not stored is looked for.
const LOOKS: usize = 16;

/// A value of a batch that has no token yet, and where it stands.
type Open<'v> = (usize, &'v Value);

/// One request: who asks, and how.
#[derive(Clone, Copy)]
struct Request<'a, 'c> {
    context: &'a Context<'c>,
    issue: Issue<'c>,
    tenant: &'c str,
}

/// Tokens of each counter that did not suit a value.
type Spare = HashMap<[u8; 16], Vec<Drawn>>;

/// A token that a value may get, and the number it came of.
pub(super) struct Drawn {
    pub(super) token: String,
    pub(super) part: [u8; 16],
    pub(super) number: u64,
}

impl Vaulted {
    /// The token of each value that is not empty: the stored one, or (with `insert`)
    /// one stored now, or (without) one that is not stored.
    pub(super) async fn tokens(
        &self,
        values: &[&Value],
        context: &Context<'_>,
        insert: bool,
    ) -> Result<Vec<Option<String>>, VaultedFault> {
        let wanted = self.wanted(values)?;
        let mut tokens = vec![None; values.len()];
        let Some(&(first, _)) = wanted.first() else {
            return Ok(tokens);
        };
        let (issue, tenant) =
            self.issue(context, insert).map_err(|rule| Fault { index: first, rule })?;
        let request = Request { context, issue, tenant };
        match self.shape.sequence() {
            Some(sequence) => self.numbered(sequence, wanted, request, &mut tokens).await?,
            None => self.random(wanted, request, &mut tokens).await?,
        }
        Ok(tokens)
    }

    /// Random tokens are drawn before it is known who needs one.
    async fn random(
        &self,
        mut open: Vec<Open<'_>>,
        request: Request<'_, '_>,
        tokens: &mut [Option<String>],
    ) -> Result<(), VaultedFault> {
        for _ in 0..DRAWS {
            let drawn = self.shape.draw(open.len())?;
            let issued = self.ask(&open, drawn.clone(), request).await?;
            let mut taken = Vec::new();
            for (((index, value), issued), drawn) in open.iter().zip(issued).zip(drawn) {
                let token = match issued {
                    Issued::Token(token) => token,
                    Issued::Absent => drawn,
                    Issued::Taken => {
                        taken.push((*index, *value));
                        continue;
                    }
                    Issued::Disabled => return Err(disabled(*index)),
                };
                put(tokens, *index, token);
            }
            if taken.is_empty() {
                return Ok(());
            }
            open = taken;
        }
        Err(TokenError::Taken.into())
    }

    /// A number is taken only for a value that is known to have no token.
    async fn numbered(
        &self,
        sequence: &Sequence,
        wanted: Vec<Open<'_>>,
        request: Request<'_, '_>,
        tokens: &mut [Option<String>],
    ) -> Result<(), VaultedFault> {
        let mut open =
            if self.random { wanted } else { self.known(wanted, request, tokens).await? };
        if open.is_empty() {
            return Ok(());
        }
        let keys = match self.sequence_keys.get() {
            Some(keys) => keys,
            None => {
                let keys = self.derive(sequence).await?;
                self.sequence_keys.get_or_init(|| keys)
            }
        };
        if !request.issue.insert {
            return self.not_stored((sequence, keys), open, request, tokens).await;
        }
        for _ in 0..NUMBERS {
            let (firsts, same) = self.distinct(&open, request.tenant);
            let drawn = self.draw((sequence, keys), &firsts).await?;
            let names = drawn.iter().map(|drawn| drawn.token.clone()).collect();
            let issued = self.ask(&firsts, names, request).await?;
            let mut taken = vec![false; firsts.len()];
            let mut found = vec![None; firsts.len()];
            let mut fault = None;
            for (at, (issued, drawn)) in issued.into_iter().zip(drawn).enumerate() {
                let mine = matches!(&issued, Issued::Token(token) if *token == drawn.token);
                match issued {
                    Issued::Token(token) => set(&mut found, at, Some(token)),
                    Issued::Taken => set(&mut taken, at, true),
                    Issued::Disabled | Issued::Absent => fault = fault.or(Some(at)),
                }
                // A number whose token is another value's is spent; one that another
                // was quicker with is not.
                if !mine && !taken.get(at).copied().unwrap_or(true) {
                    self.store.give_back(&self.domain, drawn.part, vec![drawn.number]);
                }
            }
            if let Some((index, _)) = fault.and_then(|at| firsts.get(at)) {
                return Err(disabled(*index));
            }
            let mut left = Vec::new();
            for ((index, value), at) in open.into_iter().zip(same) {
                match found.get(at).cloned().flatten() {
                    Some(token) => put_written(tokens, (index, value), token)?,
                    None => left.push((index, value)),
                }
            }
            if left.is_empty() {
                return Ok(());
            }
            open = left;
        }
        Err(TokenError::Taken.into())
    }

    /// Puts the tokens that are stored already; returns the values that have none.
    async fn known<'v>(
        &self,
        wanted: Vec<Open<'v>>,
        request: Request<'_, '_>,
        tokens: &mut [Option<String>],
    ) -> Result<Vec<Open<'v>>, VaultedFault> {
        let issue = Issue { insert: false, ..request.issue };
        let none = vec![String::new(); wanted.len()];
        let issued = self.ask(&wanted, none, Request { issue, ..request }).await?;
        let mut open = Vec::new();
        for ((index, value), issued) in wanted.into_iter().zip(issued) {
            match issued {
                Issued::Token(token) => put_written(tokens, (index, value), token)?,
                Issued::Absent => open.push((index, value)),
                Issued::Disabled => return Err(disabled(index)),
                Issued::Taken => return Err(TokenError::Altered.into()),
            }
        }
        Ok(open)
    }

    /// For each value a well-formed token that is not stored.
    async fn not_stored(
        &self,
        format: (&Sequence, &SequenceKeys),
        mut open: Vec<Open<'_>>,
        request: Request<'_, '_>,
        tokens: &mut [Option<String>],
    ) -> Result<(), VaultedFault> {
        for _ in 0..LOOKS {
            let mut random = vec![0; open.len() * 8];
            getrandom::fill(&mut random).map_err(|_| no_randomness())?;
            let (random, _) = random.as_chunks::<8>();
            let mut forms = Vec::with_capacity(open.len());
            for ((index, value), random) in open.iter().zip(random) {
                let fault = |rule| Fault { index: *index, rule };
                let text = value.as_str().unwrap_or_default();
                let group = format.0.group(format.1, text).map_err(fault)?;
                let number = u64::from_be_bytes(*random) % group.limit();
                forms.push(format.0.token(format.1, &group, text, number).map_err(fault)?);
            }
            let asked: Vec<&str> = forms.iter().map(String::as_str).collect();
            let keys = request.context.newest;
            let found = self.store.values_for(&self.domain, keys, &asked).await?;
            let mut left = Vec::new();
            for (((index, value), form), found) in open.into_iter().zip(forms).zip(found) {
                if found == Found::Unknown && format.0.suits(value, &form) {
                    put(tokens, index, form);
                } else {
                    left.push((index, value));
                }
            }
            if left.is_empty() {
                return Ok(());
            }
            open = left;
        }
        let index = open.first().map_or(0, |(index, _)| *index);
        Err(Fault { index, rule: FaultRule::Exhausted }.into())
    }

    /// A token for each value, of numbers that nobody else has. On a fault all numbers
    /// are given back.
    async fn draw(
        &self,
        (sequence, keys): (&Sequence, &SequenceKeys),
        values: &[Open<'_>],
    ) -> Result<Vec<Drawn>, VaultedFault> {
        let mut groups = Vec::with_capacity(values.len());
        for (index, value) in values {
            let text = value.as_str().unwrap_or_default();
            let group = sequence.group(keys, text).map_err(|rule| Fault { index: *index, rule })?;
            groups.push(group);
        }
        let mut drawn: Vec<Option<Drawn>> = values.iter().map(|_| None).collect();
        let mut spare = Spare::new();
        let end = self.draw_all(sequence, keys, values, &groups, (&mut drawn, &mut spare)).await;
        if end.is_err() {
            for drawn in drawn.iter_mut().filter_map(Option::take) {
                spare.entry(drawn.part).or_default().push(drawn);
            }
        }
        for (part, spare) in spare {
            let numbers = spare.into_iter().map(|drawn| drawn.number).collect();
            self.store.give_back(&self.domain, part, numbers);
        }
        end?;
        Ok(drawn.into_iter().flatten().collect())
    }

    /// Draws until each value has a token that suits it; those that did not suit are
    /// spare for others. Where a counter has fewer numbers than are missing, what is
    /// there is divided anew before it is asked for what is missing then.
    async fn draw_all(
        &self,
        sequence: &Sequence,
        keys: &SequenceKeys,
        values: &[Open<'_>],
        groups: &[Group<'_>],
        (drawn, spare): (&mut [Option<Drawn>], &mut Spare),
    ) -> Result<(), VaultedFault> {
        loop {
            let wanted = missing(groups, drawn);
            if wanted.is_empty() {
                return Ok(());
            }
            let given = self.store.numbers(&self.domain, &wanted).await?;
            let short: Vec<([u8; 16], u64, u64)> = wanted
                .iter()
                .zip(&given)
                .map(|(wanted, given)| (wanted.part, wanted.count, given.len() as u64))
                .filter(|(_, count, given)| given < count)
                .collect();
            let mut given: HashMap<[u8; 16], VecDeque<u64>> = wanted
                .iter()
                .map(|wanted| wanted.part)
                .zip(given.into_iter().map(Into::into))
                .collect();
            for (((index, value), group), slot) in values.iter().zip(groups).zip(&mut *drawn) {
                let part = group.part;
                if slot.is_some() {
                    continue;
                }
                let Some(number) = given.get_mut(&part).and_then(VecDeque::pop_front) else {
                    continue;
                };
                let text = value.as_str().unwrap_or_default();
                let token = sequence.token(keys, group, text, number);
                let token = token.map_err(|rule| Fault { index: *index, rule })?;
                let suits = sequence.suits(value, &token);
                let one = Drawn { token, part, number };
                match suits {
                    true => *slot = Some(one),
                    false => spare.entry(part).or_default().push(one),
                }
            }
            let mut spent = None;
            for (part, count, given) in short {
                let left = divide_anew(sequence, values, groups, (drawn, spare), part);
                // The counter has fewer left than `count - given`.
                if let Some((first, left)) = left
                    && left.saturating_add(given) >= count
                {
                    spent = Some(spent.unwrap_or(usize::MAX).min(first));
                }
            }
            if let Some(index) = spent {
                return Err(Fault { index, rule: FaultRule::Exhausted }.into());
            }
        }
    }

    /// The values of which none equals another, and for each value which of them it is.
    fn distinct<'v>(&self, open: &[Open<'v>], tenant: &str) -> (Vec<Open<'v>>, Vec<usize>) {
        let lookup = |(_, value): &Open<'_>| self.candidate(value, tenant, String::new()).lookup;
        let lookups: Vec<_> = open.iter().map(lookup).collect();
        let mut firsts = Vec::with_capacity(open.len());
        let mut known = HashMap::new();
        let mut same = Vec::with_capacity(open.len());
        for ((index, value), lookup) in open.iter().zip(&lookups) {
            let next = firsts.len();
            let at = match lookup {
                // A number and the text of its digits may need different tokens.
                Some(lookup) => *known.entry((value.kind() as u8, &**lookup)).or_insert(next),
                None => next,
            };
            if at == next {
                firsts.push((*index, *value));
            }
            same.push(at);
        }
        (firsts, same)
    }

    async fn ask(
        &self,
        open: &[Open<'_>],
        drawn: Vec<String>,
        request: Request<'_, '_>,
    ) -> Result<Vec<Issued>, VaultedFault> {
        let batch = open
            .iter()
            .zip(drawn)
            .map(|((_, value), token)| self.candidate(value, request.tenant, token))
            .collect();
        let keys = request.context.pinned;
        let issued = self.store.tokens_for(&self.domain, keys, batch, request.issue).await?;
        let absent = request.issue.insert && issued.contains(&Issued::Absent);
        if issued.len() != open.len() || absent {
            return Err(TokenError::Altered.into());
        }
        Ok(issued)
    }

    async fn derive(&self, sequence: &Sequence) -> Result<SequenceKeys, TokenError> {
        let order = self.store.fixed_key(&self.domain, Purpose::TokenSequence).await?;
        let tweak = self.store.fixed_key(&self.domain, Purpose::TweakPrf).await?;
        let part = self.store.fixed_key(&self.domain, Purpose::TokenPart).await?;
        SequenceKeys::new(sequence, &order, &tweak, &part)
            .map_err(|_| TokenError::Unavailable("the cipher failed".into()))
    }
}

/// How many numbers of each counter are missing.
fn missing(groups: &[Group<'_>], drawn: &[Option<Drawn>]) -> Vec<Numbers> {
    let mut counts: HashMap<[u8; 16], Numbers> = HashMap::new();
    for (group, _) in groups.iter().zip(drawn).filter(|(_, drawn)| drawn.is_none()) {
        let fresh = Numbers { part: group.part, count: 0, limit: group.limit() };
        counts.entry(group.part).or_insert(fresh).count += 1;
    }
    counts.into_values().collect()
}

/// Divides all tokens that are there of a counter among its values. Where some are left
/// without, the first of those in the batch, and how many they are.
fn divide_anew(
    sequence: &Sequence,
    values: &[Open<'_>],
    groups: &[Group<'_>],
    (drawn, spare): (&mut [Option<Drawn>], &mut Spare),
    part: [u8; 16],
) -> Option<(usize, u64)> {
    let mut tokens = spare.remove(&part).unwrap_or_default();
    let (mut open, mut slots) = (Vec::new(), Vec::new());
    let all = values.iter().zip(groups).zip(drawn);
    for (((index, value), _), slot) in all.filter(|((_, group), _)| group.part == part) {
        tokens.extend(slot.take());
        open.push((*index, *value));
        slots.push(slot);
    }
    let wanting: Vec<&Value> = open.iter().map(|(_, value)| *value).collect();
    let (held, left) = settle(sequence, &wanting, tokens);
    spare.insert(part, left);
    let mut without = None;
    for (((index, _), slot), held) in open.into_iter().zip(slots).zip(held) {
        if held.is_none() {
            let (first, count) = without.unwrap_or((index, 0));
            without = Some((first, count + 1));
        }
        *slot = held;
    }
    without
}

fn put(tokens: &mut [Option<String>], index: usize, token: String) {
    set(tokens, index, Some(token));
}

/// Puts a token where it can be written as the kind of its value.
fn put_written(
    tokens: &mut [Option<String>],
    (index, value): Open<'_>,
    token: String,
) -> Result<(), Fault> {
    writable(value, &token).map_err(|rule| Fault { index, rule })?;
    put(tokens, index, token);
    Ok(())
}

fn set<T>(slots: &mut [T], at: usize, value: T) {
    if let Some(slot) = slots.get_mut(at) {
        *slot = value;
    }
}

fn disabled(index: usize) -> VaultedFault {
    Fault { index, rule: FaultRule::Disabled }.into()
}

#[cfg(test)]
mod tests;
