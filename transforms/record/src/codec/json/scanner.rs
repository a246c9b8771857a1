mod input;
mod token;

use std::sync::Arc;

use super::number;
use super::program::{Choice, Walk};
use super::run::Partial;
use super::{Limits, Program, skim};
use crate::Field;
use crate::codec::CodecError;
pub(super) use input::Input;
use token::{Text, Token};

/// Reads JSON text (RFC 8259) from wherever the last chunk ended.
///
/// It never calls itself, however deep the document is.
pub(super) struct Scanner {
    walk: Walk,
    limits: Limits,
    state: State,
    /// Whether the innermost container is an object.
    in_object: bool,
    /// The same for the containers around it.
    around: Vec<bool>,
    depth: usize,
    /// What the rules say of the member whose name was just read.
    choice: Choice,
    /// The token that is being read.
    token: Token,
    /// How many values were selected.
    selected: usize,
    /// Whether names that are only nearly selected are refused.
    strict_names: bool,
}

/// What may come next.
#[derive(Clone, Copy)]
enum State {
    Value,
    ElementOrEnd,
    Name,
    NameOrEnd,
    Colon,
    /// A comma, or the end of a container or of the document.
    After,
    String(Text),
    Number(number::Part),
    /// The rest of `true`, `false` or `null`.
    Word(&'static [u8], Option<bool>),
}

impl Scanner {
    pub(super) fn new(program: Arc<Program>, limits: Limits) -> Self {
        let token = Token {
            start: 0,
            until: u64::MAX,
            is_name: false,
            rule: None,
            held: false,
            escaped: false,
            partial: Partial::default(),
        };
        let mut walk = Walk::new(program);
        let choice = walk.root();
        Self {
            walk,
            limits,
            state: State::Value,
            in_object: false,
            around: Vec::new(),
            depth: 0,
            choice,
            token,
            selected: 0,
            strict_names: false,
        }
    }

    /// From now on, a name that differs in case only from one that a rule waits for is
    /// refused.
    pub(super) const fn refuse_alike(&mut self) {
        self.strict_names = true;
    }

    /// Reads to the end of the input, and adds the selected values that it completes.
    pub(super) fn scan(
        &mut self,
        input: &mut Input<'_>,
        found: &mut Vec<Field>,
    ) -> Result<(), CodecError> {
        loop {
            self.skim(input);
            let complete = match self.state {
                State::String(text) => self.string(text, input, found)?,
                State::Number(part) => self.number(part, input, found)?,
                State::Word(rest, bool) => self.word(rest, bool, input, found)?,
                state => match input.skip_blanks() {
                    Some(byte) => self.structure(state, byte, input).map(|()| true)?,
                    None => false,
                },
            };
            if !complete {
                return Ok(());
            }
        }
    }

    /// Skips members and elements as long as they are plain scalars that no rule selects.
    /// This is the fast path only: it never decides that something is wrong.
    #[inline]
    fn skim(&mut self, input: &mut Input<'_>) {
        let bytes = input.bytes;
        let mut at = input.at;
        loop {
            match self.state {
                State::Name | State::NameOrEnd => {
                    let start = skim::blanks(bytes, at);
                    let Some(end) = skim::string(bytes, start) else {
                        break;
                    };
                    let colon = skim::blanks(bytes, end + 1);
                    if bytes.get(colon) != Some(&b':') || end - start >= self.limits.key_bytes {
                        break;
                    }
                    if self.is_living() {
                        let name = bytes.get(start + 1..end).unwrap_or_default();
                        if self.strict_names && self.walk.alike(name).is_some() {
                            break;
                        }
                        self.choice = self.walk.member(name);
                    }
                    self.state = State::Value;
                    at = colon + 1;
                }
                State::Value | State::ElementOrEnd => {
                    if self.is_living() && !(self.in_object && self.choice == Choice::Nothing) {
                        break;
                    }
                    let start = skim::blanks(bytes, at);
                    match bytes.get(start) {
                        Some(open @ (b'{' | b'[')) if self.depth < self.limits.depth => {
                            self.enter(*open == b'{');
                            at = start + 1;
                        }
                        _ => {
                            let Some(end) = skim::scalar(bytes, start) else {
                                break;
                            };
                            self.state = State::After;
                            at = end;
                        }
                    }
                }
                State::After => {
                    at = skim::blanks(bytes, at);
                    match bytes.get(at) {
                        Some(b',') if self.depth > 0 => self.separate(),
                        Some(b'}') if self.in_object => self.close(),
                        Some(b']') if self.depth > 0 && !self.in_object => self.close(),
                        _ => break,
                    }
                    at += 1;
                }
                _ => break,
            }
        }
        input.at = at;
    }

    /// Ends the document. A number at its very end is complete only now.
    pub(super) fn finish(
        &mut self,
        input: &Input<'_>,
        found: &mut Vec<Field>,
    ) -> Result<(), CodecError> {
        if let State::Number(part) = self.state
            && self.depth == 0
            && part.may_end()
        {
            self.end_number(input, found)?;
        }
        match self.state {
            State::After if self.depth == 0 => Ok(()),
            State::Value if self.depth == 0 => Err(input.malformed("the document is empty")),
            _ => Err(input.malformed("the document is not complete")),
        }
    }

    /// Where the bytes begin that must not be handed out yet.
    pub(super) const fn held_from(&self) -> Option<u64> {
        match self.state {
            State::String(_) | State::Number(_) | State::Word(..) if self.token.held => {
                Some(self.token.start)
            }
            _ => None,
        }
    }

    /// Takes one byte between tokens, or the first one of a token.
    #[inline]
    fn structure(
        &mut self,
        state: State,
        byte: u8,
        input: &mut Input<'_>,
    ) -> Result<(), CodecError> {
        match (state, byte) {
            (State::Name | State::NameOrEnd, b'"') => {
                self.begin_name(input);
                self.state = State::String(Text::Run);
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::After, b',') if self.depth > 0 => self.separate(),
            (State::After, b'}') | (State::NameOrEnd, b'}') if self.in_object => self.close(),
            (State::After, b']') | (State::ElementOrEnd, b']') if !self.in_object => {
                if self.depth == 0 {
                    return Err(input.malformed("text after the end of the document"));
                }
                self.close();
            }
            (State::Value | State::ElementOrEnd, _) => return self.value(byte, input),
            _ => return Err(input.malformed(self.expected(state))),
        }
        input.at += 1;
        Ok(())
    }

    const fn expected(&self, state: State) -> &'static str {
        match state {
            State::Colon => "expected ':'",
            State::Name => "expected the name of a member",
            State::NameOrEnd => "expected the name of a member, or '}'",
            State::After if self.depth == 0 => "text after the end of the document",
            State::After if self.in_object => "expected ',' or '}'",
            State::After => "expected ',' or ']'",
            _ => "expected a value",
        }
    }

    /// Takes the first byte of a value.
    #[inline]
    fn value(&mut self, byte: u8, input: &mut Input<'_>) -> Result<(), CodecError> {
        let state = match byte {
            b'"' => State::String(Text::Run),
            b'{' | b'[' => return self.open(byte == b'{', input),
            b't' => State::Word(b"rue", Some(true)),
            b'f' => State::Word(b"alse", Some(false)),
            b'n' => State::Word(b"ull", None),
            0xEF if input.offset() == 0 => {
                return Err(input.malformed("a byte order mark before the document"));
            }
            _ => match number::Part::first(byte) {
                Some(part) => State::Number(part),
                None => return Err(input.malformed("expected a value")),
            },
        };
        let rule = self.chosen(input)?;
        self.state = state;
        let token = &mut self.token;
        token.start = input.offset();
        token.is_name = false;
        token.rule = rule;
        token.held = rule.is_some();
        token.escaped = false;
        token.until = match rule {
            Some(_) => token.start.saturating_add(self.limits.value_bytes as u64),
            None => u64::MAX,
        };
        input.at += 1;
        Ok(())
    }

    fn begin_name(&mut self, input: &mut Input<'_>) {
        let start = input.offset();
        self.token.start = start;
        self.token.until = start.saturating_add(self.limits.key_bytes as u64);
        self.token.is_name = true;
        self.token.rule = None;
        self.token.held = self.is_living();
        self.token.escaped = false;
    }

    /// Whether a rule may still match something in the innermost container.
    #[inline]
    const fn is_living(&self) -> bool {
        self.walk.living() == self.depth
    }

    /// The rule for the value that begins here.
    #[inline]
    fn chosen(&mut self, input: &Input<'_>) -> Result<Option<usize>, CodecError> {
        if !self.is_living() {
            return Ok(None);
        }
        if self.depth > 0 && !self.in_object {
            self.choice = self.walk.element();
        }
        match self.choice {
            Choice::Nothing => Ok(None),
            Choice::Rule(rule) => Ok(Some(rule)),
            Choice::Clash(first, second) => {
                Err(CodecError::Ambiguous { first, second, offset: input.offset() })
            }
        }
    }

    fn open(&mut self, object: bool, input: &mut Input<'_>) -> Result<(), CodecError> {
        let offset = input.offset();
        if let Some(rule) = self.chosen(input)? {
            return Err(CodecError::Composite { rule, offset });
        }
        if self.depth >= self.limits.depth {
            return Err(CodecError::Limit { limit: "depth of nesting", offset });
        }
        self.enter(object);
        input.at += 1;
        Ok(())
    }

    /// Goes into a container.
    #[inline]
    fn enter(&mut self, object: bool) {
        if self.is_living() {
            self.walk.enter();
        }
        self.around.push(self.in_object);
        self.depth += 1;
        self.in_object = object;
        self.state = if object { State::NameOrEnd } else { State::ElementOrEnd };
    }

    /// Goes on to the next member or element.
    #[inline]
    const fn separate(&mut self) {
        self.state = if self.in_object { State::Name } else { State::Value };
    }

    /// Leaves the innermost container.
    #[inline]
    fn close(&mut self) {
        if self.is_living() {
            self.walk.leave();
        }
        self.depth = self.depth.saturating_sub(1);
        self.in_object = self.around.pop().unwrap_or(false);
        self.state = State::After;
    }
}
