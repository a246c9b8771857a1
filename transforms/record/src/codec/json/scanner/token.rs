use super::{Input, Scanner, State};
use crate::codec::CodecError;
use crate::codec::json::escape;
use crate::codec::json::number::{self, Next};
use crate::codec::json::run::{Partial, measure};
use crate::{Field, Value};

/// Where in a string.
#[derive(Clone, Copy)]
pub(super) enum Text {
    Run,
    Escape,
    /// In the digits of `\u`, where `low` says that a low surrogate must come.
    Hex {
        left: u8,
        code: u32,
        low: bool,
    },
    LowSlash,
    LowU,
}

/// A string, number or word that is being read.
pub(super) struct Token {
    /// Where it begins, in bytes from the start of the document.
    pub(super) start: u64,
    /// Where it must have ended.
    pub(super) until: u64,
    /// Whether it is the name of a member.
    pub(super) is_name: bool,
    /// The rule that selects it.
    pub(super) rule: Option<usize>,
    /// Whether its bytes must stay together until it is complete.
    pub(super) held: bool,
    pub(super) escaped: bool,
    pub(super) partial: Partial,
}

/// What reads inside of tokens, and may stop anywhere in them.
impl Scanner {
    /// Reads on in a string. Says whether it is complete.
    #[inline]
    pub(super) fn string(
        &mut self,
        mut text: Text,
        input: &mut Input<'_>,
        found: &mut Vec<Field>,
    ) -> Result<bool, CodecError> {
        loop {
            if matches!(text, Text::Run) {
                self.run(input)?;
            }
            let Some(byte) = input.peek_before(self.token.until) else {
                self.state = State::String(text);
                return self.may_go_on(input).map(|()| false);
            };
            text = match (text, byte) {
                (Text::Run, b'"') => {
                    input.at += 1;
                    return self.end_string(input, found).map(|()| true);
                }
                (Text::Run, b'\\') => {
                    self.token.escaped = true;
                    Text::Escape
                }
                (Text::Run, _) => return Err(input.malformed("a control character in a string")),
                _ => self.escape(text, byte, input)?,
            };
            input.at += 1;
        }
    }

    /// Skips what is not special in a string.
    #[inline]
    fn run(&mut self, input: &mut Input<'_>) -> Result<(), CodecError> {
        let window = input.window(self.token.until);
        let run = measure(window);
        if run.wide || !self.token.partial.is_empty() {
            let (bytes, rest) = window.split_at(run.len);
            self.token.partial.check(bytes, !rest.is_empty()).map_err(|at| {
                CodecError::Malformed {
                    reason: "a string is not UTF-8",
                    offset: input.offset().saturating_add_signed(at),
                }
            })?;
        }
        input.at += run.len;
        Ok(())
    }

    /// Takes one byte of an escape.
    fn escape(&self, text: Text, byte: u8, input: &Input<'_>) -> Result<Text, CodecError> {
        const LONE: &str = "half of a surrogate pair in a string";
        match (text, byte) {
            (Text::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(Text::Run),
            (Text::Escape, b'u') => Ok(Text::Hex { left: 4, code: 0, low: false }),
            (Text::Escape | Text::Run, _) => Err(input.malformed("an unknown escape in a string")),
            (Text::LowSlash, b'\\') => Ok(Text::LowU),
            (Text::LowU, b'u') => Ok(Text::Hex { left: 4, code: 0, low: true }),
            (Text::LowSlash | Text::LowU, _) => Err(input.malformed(LONE)),
            (Text::Hex { left, code, low }, _) => {
                let Some(digit) = char::from(byte).to_digit(16) else {
                    return Err(input.malformed("expected a hexadecimal digit"));
                };
                let code = code << 4 | digit;
                match (left, code, low) {
                    (2.., ..) => Ok(Text::Hex { left: left - 1, code, low }),
                    (_, 0xDC00..0xE000, true) => Ok(Text::Run),
                    (_, 0xDC00..0xE000, false) | (_, _, true) => Err(input.malformed(LONE)),
                    (_, 0xD800..0xDC00, false) => Ok(Text::LowSlash),
                    _ => Ok(Text::Run),
                }
            }
        }
    }

    #[inline]
    fn end_string(&mut self, input: &Input<'_>, found: &mut Vec<Field>) -> Result<(), CodecError> {
        if self.token.is_name {
            self.state = State::Colon;
            if self.token.held {
                self.choose(input)?;
            }
            return Ok(());
        }
        self.state = State::After;
        let Some(rule) = self.token.rule else {
            return Ok(());
        };
        let content = self.content(input)?;
        let text = escape::unescape(content).ok_or_else(|| input.malformed("an unknown escape"))?;
        self.add(rule, Value::Text(text), input, found)
    }

    /// Looks up the name that was just read.
    #[inline]
    fn choose(&mut self, input: &Input<'_>) -> Result<(), CodecError> {
        let raw = self.content(input)?;
        if !self.token.escaped {
            return self.choose_named(raw);
        }
        let name = escape::unescape(raw).ok_or_else(|| input.malformed("an unknown escape"))?;
        self.choose_named(name.as_bytes())
    }

    #[inline]
    fn choose_named(&mut self, name: &[u8]) -> Result<(), CodecError> {
        if self.strict_names
            && let Some(rule) = self.walk.alike(name)
        {
            return Err(CodecError::AmbiguousName { rule, offset: self.token.start });
        }
        self.choice = self.walk.member(name);
        Ok(())
    }

    /// What stands between the quotes of the string that was just read.
    #[inline]
    fn content<'a>(&self, input: &Input<'a>) -> Result<&'a [u8], CodecError> {
        let start = input.position(self.token.start) + 1;
        let content = input.bytes.get(start..input.at.saturating_sub(1));
        content.ok_or_else(|| input.malformed("a string without quotes"))
    }

    /// Reads on in a number. Says whether it is complete.
    #[inline]
    pub(super) fn number(
        &mut self,
        mut part: number::Part,
        input: &mut Input<'_>,
        found: &mut Vec<Field>,
    ) -> Result<bool, CodecError> {
        while let Some(byte) = input.peek() {
            match part.next(byte) {
                Next::More(_) if input.offset() >= self.token.until => {
                    return self.may_go_on(input).map(|()| true);
                }
                Next::More(next) => part = next,
                Next::End => return self.end_number(input, found).map(|()| true),
                Next::Wrong(reason) => return Err(input.malformed(reason)),
            }
            input.at += 1;
        }
        self.state = State::Number(part);
        Ok(false)
    }

    pub(super) fn end_number(
        &mut self,
        input: &Input<'_>,
        found: &mut Vec<Field>,
    ) -> Result<(), CodecError> {
        self.state = State::After;
        let Some(rule) = self.token.rule else {
            return Ok(());
        };
        let bytes = input.bytes.get(input.position(self.token.start)..input.at);
        let written = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
        let written = written.ok_or_else(|| input.malformed("a number is not ASCII"))?;
        self.add(rule, Value::number(written), input, found)
    }

    /// Reads on in `true`, `false` or `null`. Says whether it is complete.
    #[inline]
    pub(super) fn word(
        &mut self,
        mut rest: &'static [u8],
        bool: Option<bool>,
        input: &mut Input<'_>,
        found: &mut Vec<Field>,
    ) -> Result<bool, CodecError> {
        while let Some((next, others)) = rest.split_first() {
            let Some(byte) = input.peek() else {
                self.state = State::Word(rest, bool);
                return Ok(false);
            };
            if byte != *next {
                return Err(input.malformed("expected true, false or null"));
            }
            rest = others;
            input.at += 1;
        }
        self.state = State::After;
        if let Some(rule) = self.token.rule {
            self.add(rule, bool.map_or(Value::Null, Value::Bool), input, found)?;
        }
        Ok(true)
    }

    /// Checks that a token has not reached its limit.
    fn may_go_on(&self, input: &Input<'_>) -> Result<(), CodecError> {
        if input.offset() < self.token.until {
            return Ok(());
        }
        let limit =
            if self.token.is_name { "bytes of a name" } else { "bytes of a selected value" };
        Err(CodecError::Limit { limit, offset: self.token.start })
    }

    /// Adds the selected value that ends here.
    fn add(
        &mut self,
        rule: usize,
        value: Value,
        input: &Input<'_>,
        found: &mut Vec<Field>,
    ) -> Result<(), CodecError> {
        if self.selected >= self.limits.fields {
            return Err(CodecError::Limit { limit: "selected values", offset: self.token.start });
        }
        self.selected += 1;
        let span = input.position(self.token.start)..input.at;
        found.push(Field::new(rule, value, span, self.in_object));
        Ok(())
    }
}
