mod africa;
mod americas;
mod asia_pacific;
mod check;
mod europe_east;
mod europe_north;
mod europe_west;
mod graph;
mod piece;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use zeroize::Zeroizing;

use self::check::Checks;
use self::graph::{Builder, Graph};
use self::piece::Piece;
use super::{Class, Rank, Ranked};
use crate::{FaultRule, SpecError};

/// Every declaration there is. Those of one identifier stand side by side.
const DECLARED: [&[Declared]; 6] = [
    africa::DECLARED,
    americas::DECLARED,
    asia_pacific::DECLARED,
    europe_east::DECLARED,
    europe_north::DECLARED,
    europe_west::DECLARED,
];

/// Numbers of one kind: what is written, what may stand in it, how it is checked.
///
/// A form is a picture of the whole text: `x` is a character of the body, `k` a check
/// character, all else is itself. The ranking is a stored format: a declaration that has
/// been released never changes, since stored values could no longer be revealed.
struct Declared {
    /// The identifier.
    id: &'static str,
    /// What tells these numbers from others of the identifier; empty where there are none.
    kind: &'static str,
    /// How they are written. Each is a class.
    forms: &'static [&'static str],
    /// What their bodies are.
    body: &'static [Piece],
    /// Bodies that begin with any of these are not issued, though `body` has them.
    except: &'static [&'static str],
    /// The check characters, in the order in which they are written.
    checks: Checks,
    /// Whether only check characters tell this kind from others in the same form: then
    /// they have no room for anything else.
    told_by_checks: bool,
}

/// What most declarations leave as it is.
const PLAIN: Declared = Declared {
    id: "",
    kind: "",
    forms: &[],
    body: &[],
    except: &[],
    checks: Checks(&[]),
    told_by_checks: false,
};

/// A national identifier. Numbers of a form are a class, numbered by their bodies in the
/// order of their bytes; separators come back as they were, check characters are made anew.
struct National {
    classes: Vec<Class>,
    /// One for each class.
    forms: Vec<Form>,
    /// The characters of all forms, a bit for each.
    alphabet: u128,
    slots: u32,
}

struct Form {
    picture: &'static str,
    checks: Checks,
    bodies: Arc<Graph>,
}

/// The format of a specification.
///
/// # Errors
/// When there is no such identifier.
pub(crate) fn build(id: &str) -> Result<Box<dyn Ranked>, SpecError> {
    Ok(Box::new(National::new(id)?))
}

/// All identifiers, sorted.
pub(crate) fn ids() -> &'static [&'static str] {
    static IDS: std::sync::LazyLock<Vec<&'static str>> = std::sync::LazyLock::new(|| {
        let mut ids: Vec<&'static str> = declared().map(|declared| declared.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    });
    &IDS
}

fn declared() -> impl Iterator<Item = &'static Declared> {
    DECLARED.into_iter().flatten()
}

impl Declared {
    fn bodies(&self) -> Graph {
        let mut graph = Builder::new();
        let end = graph.end();
        let all = Piece::all(self.body, &mut graph, end);
        let except: Vec<&[u8]> = self.except.iter().map(|body| body.as_bytes()).collect();
        let all = graph.without(all, &except);
        let issued = self.checks.issued(&mut graph, all);
        graph.finish(issued)
    }

    fn name(&self, form: &str) -> String {
        match self.kind {
            "" => format!("form {form}"),
            kind => format!("form {form}, {kind}"),
        }
    }
}

impl National {
    fn new(id: &str) -> Result<Self, SpecError> {
        if !ids().contains(&id) {
            return Err(SpecError::Invalid(
                "there is no national identifier of this name: docs/formats.md lists them",
            ));
        }
        Ok(Self::of(declared().filter(|declared| declared.id == id)))
    }

    fn of<'a>(kinds: impl Iterator<Item = &'a Declared>) -> Self {
        let mut national =
            Self { classes: Vec::new(), forms: Vec::new(), alphabet: 0, slots: u32::MAX };
        for declared in kinds {
            let bodies = Arc::new(declared.bodies());
            let room = declared.checks.choices() - 1;
            national.slots = national.slots.min(if declared.told_by_checks { 0 } else { room });
            national.alphabet |= bodies.alphabet() | declared.checks.alphabet();
            for picture in declared.forms {
                let class = Class { name: declared.name(picture), size: bodies.size() };
                national.classes.push(class);
                let checks = declared.checks;
                national.forms.push(Form { picture, checks, bodies: Arc::clone(&bodies) });
                national.alphabet |= picture
                    .bytes()
                    .filter(|symbol| !b"xk".contains(symbol))
                    .fold(0, |bits, symbol| bits | 1u128.checked_shl(symbol.into()).unwrap_or(0));
            }
        }
        national
    }
}

impl Ranked for National {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn rank(&self, text: &str) -> Result<Rank, FaultRule> {
        if !text.bytes().all(|byte| byte.is_ascii() && self.alphabet >> byte & 1 == 1) {
            return Err(FaultRule::Alphabet);
        }
        let mut fault = FaultRule::Length;
        for (class, form) in self.forms.iter().enumerate() {
            if form.picture.len() != text.len() {
                continue;
            }
            match form.rank(text) {
                Ok((number, slot)) if slot <= self.slots => {
                    return Ok(Rank { class, number, slot });
                }
                Ok(_) | Err(FaultRule::CheckDigits) => fault = FaultRule::CheckDigits,
                Err(_) if fault == FaultRule::CheckDigits => {}
                Err(other) => fault = other,
            }
        }
        Err(fault)
    }

    fn unrank(&self, rank: Rank, _like: &str) -> Result<Zeroizing<String>, FaultRule> {
        let form = self.forms.get(rank.class).ok_or(FaultRule::Structure)?;
        if rank.slot > self.slots {
            return Err(FaultRule::CheckDigits);
        }
        form.unrank(rank.number, rank.slot).ok_or(FaultRule::Structure)
    }

    fn slots(&self) -> u32 {
        self.slots
    }
}

impl Form {
    fn rank(&self, text: &str) -> Result<(u128, u32), FaultRule> {
        let mut body = Zeroizing::new(Vec::with_capacity(text.len()));
        let mut written = Zeroizing::new(Vec::with_capacity(text.len()));
        for (place, symbol) in self.picture.bytes().zip(text.bytes()) {
            match place {
                b'x' => body.push(symbol),
                b'k' => written.push(symbol),
                _ if place == symbol => {}
                _ => return Err(FaultRule::Structure),
            }
        }
        let number = self.bodies.number(&body).ok_or_else(|| self.fault(&body))?;
        let valid = self.checks.valid(&body).ok_or(FaultRule::CheckDigits)?;
        let slot = self.checks.slot(&written, &valid).ok_or(FaultRule::CheckDigits)?;
        Ok((number, slot))
    }

    /// Why a body is none of those issued.
    fn fault(&self, body: &[u8]) -> FaultRule {
        if self.checks.valid(body).is_some() {
            FaultRule::Structure
        } else {
            FaultRule::CheckDigits
        }
    }

    fn unrank(&self, number: u128, slot: u32) -> Option<Zeroizing<String>> {
        if number >= self.bodies.size() {
            return None;
        }
        let mut body = Zeroizing::new(Vec::with_capacity(self.picture.len()));
        self.bodies.append_word(number, &mut body)?;
        let valid = self.checks.valid(&body)?;
        let written = self.checks.moved(&valid, slot)?;
        let (mut body, mut written) = (body.iter(), written.iter());
        let mut text = Zeroizing::new(String::with_capacity(self.picture.len()));
        for place in self.picture.bytes() {
            text.push(char::from(match place {
                b'x' => *body.next()?,
                b'k' => *written.next()?,
                literal => literal,
            }));
        }
        Some(text)
    }
}

/// What each digit of a number counts modulo `modulus`.
const fn powers<const DIGITS: usize>(modulus: i32) -> [i32; DIGITS] {
    let mut powers = [0; DIGITS];
    let mut rest: &mut [i32] = &mut powers;
    let mut power = 1;
    while let [before @ .., last] = rest {
        *last = power;
        power = power * 10 % modulus;
        rest = before;
    }
    powers
}
