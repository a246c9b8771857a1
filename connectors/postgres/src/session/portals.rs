//! Which class of statement a portal runs: the names of a session, followed as its
//! messages pass.

use std::collections::HashMap;

use crate::wire::statement::StatementClass;

/// Names that are followed at a time; drivers keep a few hundred. With one more all are
/// forgotten: some clients only take new ones, and say in SQL which are no longer used. A
/// statement under a forgotten name counts as `other`.
const NAMES: usize = 1000;
/// The longest name that is followed, in bytes. PostgreSQL's own names have 63.
const LONGEST: usize = 100;

/// Room for so many names outlives a transaction.
const KEPT: usize = 32;

/// The prepared statements and portals of a session, and the class of each: at most
/// 1,000 names of either kind, of at most 100 bytes.
#[derive(Default)]
pub struct Portals {
    unnamed: StatementClass,
    unnamed_portal: StatementClass,
    statements: HashMap<Box<[u8]>, StatementClass>,
    portals: HashMap<Box<[u8]>, StatementClass>,
}

impl Portals {
    /// Follows a message of the client; says which class of statement it has executed.
    /// Of a body the beginning is enough; one that breaks a rule says nothing.
    pub fn statement(&mut self, tag: u8, body: &[u8]) -> Option<StatementClass> {
        match tag {
            b'Q' => {
                // A simple query destroys what has no name.
                self.unnamed = StatementClass::default();
                self.unnamed_portal = StatementClass::default();
                Some(StatementClass::of(text(body).map_or(body, |(text, _)| text)))
            }
            b'P' => {
                let (name, rest) = text(body)?;
                let (text, _) = text(rest).unwrap_or((rest, &[]));
                put(&mut self.unnamed, &mut self.statements, name, StatementClass::of(text));
                None
            }
            b'B' => {
                let (portal, rest) = text(body)?;
                let (statement, _) = text(rest)?;
                let class = find(self.unnamed, &self.statements, statement);
                put(&mut self.unnamed_portal, &mut self.portals, portal, class);
                None
            }
            b'E' => {
                let (portal, _) = text(body)?;
                Some(find(self.unnamed_portal, &self.portals, portal))
            }
            b'C' => {
                let (kind, rest) = body.split_first()?;
                let (name, _) = text(rest)?;
                match kind {
                    b'S' => self.statements.remove(name),
                    _ => self.portals.remove(name),
                };
                None
            }
            b'F' => Some(StatementClass::Call),
            _ => None,
        }
    }

    /// Portals end with their transaction.
    pub fn transaction_over(&mut self) {
        if self.portals.capacity() > KEPT {
            self.portals = HashMap::new();
        } else if !self.portals.is_empty() {
            self.portals.clear();
        }
    }
}

fn find(
    unnamed: StatementClass,
    named: &HashMap<Box<[u8]>, StatementClass>,
    name: &[u8],
) -> StatementClass {
    if name.is_empty() { unnamed } else { named.get(name).copied().unwrap_or_default() }
}

fn put(
    unnamed: &mut StatementClass,
    named: &mut HashMap<Box<[u8]>, StatementClass>,
    name: &[u8],
    class: StatementClass,
) {
    if name.is_empty() {
        *unnamed = class;
    } else if let Some(known) = named.get_mut(name) {
        *known = class;
    } else if name.len() <= LONGEST {
        if named.len() >= NAMES {
            *named = HashMap::new();
        }
        named.insert(name.into(), class);
    }
}

/// A text up to its zero byte, and what follows.
fn text(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, body)?;
    Some((body.get(..end)?, body.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_their_room_is_given_back() {
        let mut portals = Portals::default();
        for number in 0..10 * NAMES {
            let name = format!("name {number}\0");
            portals.statement(b'P', [name.as_bytes(), b"select 1\0\0\0"].concat().as_slice());
            portals.statement(b'B', [name.as_bytes(), name.as_bytes()].concat().as_slice());
            // Who always takes new names is followed all the same.
            let ran = portals.statement(b'E', [name.as_bytes(), b"\0\0\0\0"].concat().as_slice());
            assert_eq!(ran, Some(StatementClass::Select));
            assert!(portals.statements.len() <= NAMES && portals.portals.len() <= NAMES);
        }
        let long = [&[b'n'; LONGEST + 1][..], b"\0select 1\0\0\0"].concat();
        let mut other = Portals::default();
        other.statement(b'P', &long);
        assert!(other.statements.is_empty(), "a name longer than any is kept");
        portals.transaction_over();
        assert!(portals.portals.is_empty() && portals.portals.capacity() <= KEPT);
    }

    #[test]
    fn a_portal_has_the_class_of_its_statement() {
        let mut portals = Portals::default();
        let mut step = |tag: u8, body: &[u8], expected: Option<StatementClass>| {
            assert_eq!(portals.statement(tag, body), expected, "{}", char::from(tag));
        };
        step(b'Q', b"insert into t values (1)\0", Some(StatementClass::Insert));
        step(b'P', b"\0select 1\0\0\0", None);
        step(b'B', b"\0\0\0\0\0\0\0\0", None);
        step(b'E', b"\0\0\0\0\0", Some(StatementClass::Select));
        step(b'P', b"s1\0update t set a = 1\0\0\0", None);
        step(b'B', b"p1\0s1\0", None);
        step(b'E', b"p1\0\0\0\0\0", Some(StatementClass::Update));
        // Another Parse of the same name is for later portals.
        step(b'P', b"s1\0delete from t\0\0\0", None);
        step(b'E', b"p1\0\0\0\0\0", Some(StatementClass::Update));
        step(b'C', b"Ss1\0", None);
        step(b'B', b"p2\0s1\0", None);
        step(b'E', b"p2\0\0\0\0\0", Some(StatementClass::Other));
        // The text may go on beyond what is seen.
        step(b'P', b"\0select aaaaaaaa", None);
        step(b'B', b"\0\0", None);
        step(b'E', b"\0", Some(StatementClass::Select));
        step(b'Q', b"begin\0", Some(StatementClass::Transaction));
        step(b'Q', b"\0", Some(StatementClass::Empty));
        step(b'Q', b" ; -- nothing\0", Some(StatementClass::Empty));
        step(b'E', b"\0\0\0\0\0", Some(StatementClass::Other));
    }
}
