use super::path::{begins_name, continues_name};
use super::{Segment, SelectorError, Step};

/// Indices stay exact in every JSON implementation up to here (RFC 9535, 2.1).
const LAST_INDEX: u64 = (1 << 53) - 1;

/// Reads the text of a selector from left to right.
pub(super) struct Parser<'a> {
    rest: &'a str,
    /// How many characters were read.
    read: usize,
}

impl<'a> Parser<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text, read: 0 }
    }

    /// An error at the next character.
    pub(super) fn wrong(&self, message: impl Into<String>) -> SelectorError {
        SelectorError { message: message.into(), position: self.read + 1 }
    }

    /// Reads this text if it comes next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(text) else {
            return false;
        };
        self.read += text.chars().count();
        self.rest = rest;
        true
    }

    /// A header name: a token of RFC 9110, 5.6.2, lower-cased.
    pub(super) fn header(&mut self) -> Result<String, SelectorError> {
        self.final_name(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
            .map(|name| name.to_ascii_lowercase())
    }

    /// A name that goes on to the end of the text.
    pub(super) fn final_name(
        &mut self,
        allowed: fn(char) -> bool,
    ) -> Result<String, SelectorError> {
        let name = self.run(allowed);
        match self.peek() {
            Some(c) => Err(self.wrong(format!("{c:?} cannot stand in this name"))),
            None if name.is_empty() => Err(self.wrong("the name is missing")),
            None => Ok(name.to_owned()),
        }
    }

    /// The next segment of a path; nothing at its end.
    pub(super) fn segment(&mut self) -> Result<Option<Segment>, SelectorError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.blank();
        let descendant = self.take("..");
        let bracketed = self.peek() == Some('[');
        let step = match self.peek() {
            Some('[') => self.bracket()?,
            _ if descendant || self.take(".") => self.shorthand()?,
            Some(c) => {
                let hint =
                    "expected '.' or '['; quote names that hold other characters: ['first-name']";
                return Err(self.wrong(format!("{c:?} cannot follow here, {hint}")));
            }
            None => return Err(self.wrong("a path cannot end with blanks")),
        };
        if !bracketed && self.peek() == Some('(') {
            return Err(self.wrong("functions are not supported: they need the whole document, which a stream does not have; select by name"));
        }
        Ok(Some(Segment { descendant, step }))
    }

    /// What follows a dot: a name without quotes, or `*`.
    fn shorthand(&mut self) -> Result<Step, SelectorError> {
        if self.take("*") {
            return Ok(Step::Any);
        }
        match self.peek() {
            Some(c) if begins_name(c) => Ok(Step::Name(self.run(continues_name).to_owned())),
            Some('.') => Err(self.wrong("a third dot; '..' selects descendants")),
            Some(_) => {
                Err(self
                    .wrong("a name after a dot begins with a letter or '_'; quote others: ['1st']"))
            }
            None => Err(self.wrong("the name is missing after the dot")),
        }
    }

    /// One selector in brackets.
    fn bracket(&mut self) -> Result<Step, SelectorError> {
        self.take("[");
        self.blank();
        let step = match self.peek() {
            Some('*') => {
                self.take("*");
                Step::Any
            }
            Some(quote @ ('\'' | '"')) => Step::Name(self.quoted(quote)?),
            Some('0'..='9') => Step::Index(self.index()?),
            Some('-') => {
                return Err(self.wrong("negative indices are not supported: they count from the end, which a stream does not know; count from the start, or use [*]"));
            }
            Some(':') => return Err(self.slice()),
            Some('?') => {
                return Err(self.wrong("filters are not supported: they look ahead, which a stream cannot; select by name, or use [*] or '..'"));
            }
            Some(']') => {
                return Err(self.wrong("the brackets are empty; write [0], [*] or ['name']"));
            }
            Some(_) => {
                return Err(self.wrong(
                    "expected an index, '*' or a quoted name; quote names in brackets: ['name']",
                ));
            }
            None => return Err(self.wrong("the bracket is not closed")),
        };
        self.blank();
        match self.peek() {
            Some(']') => {
                self.take("]");
                Ok(step)
            }
            Some(',') => Err(self.wrong("unions are not supported: one rule selects one place in a stream; write one selector for each")),
            Some(':') => Err(self.slice()),
            Some(_) => Err(self.wrong("expected ']'")),
            None => Err(self.wrong("the bracket is not closed")),
        }
    }

    fn slice(&self) -> SelectorError {
        self.wrong("slices are not supported: they may count from the end, which a stream does not know; write one selector for each index, or use [*]")
    }

    fn index(&mut self) -> Result<u64, SelectorError> {
        let start = Self { ..*self };
        let digits = self.run(|c| c.is_ascii_digit());
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(start.wrong("an index has no leading zeros"));
        }
        match digits.parse() {
            Ok(index) if index <= LAST_INDEX => Ok(index),
            _ => Err(start.wrong("an index is at most 2^53 - 1")),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, SelectorError> {
        self.next();
        let mut name = String::new();
        loop {
            match self.peek() {
                None => return Err(self.wrong("the quoted name is not closed")),
                Some(c) if c < ' ' => {
                    return Err(self.wrong("a control character; write it as \\u00XX"));
                }
                Some('\\') => name.push(self.escape(quote)?),
                Some(c) => {
                    self.next();
                    if c == quote {
                        return Ok(name);
                    }
                    name.push(c);
                }
            }
        }
    }

    fn escape(&mut self, quote: char) -> Result<char, SelectorError> {
        let start = Self { ..*self };
        self.next();
        let c = match self.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(c @ ('/' | '\\')) => c,
            Some(c) if c == quote => c,
            Some('u') => return self.unicode().ok_or_else(|| start.wrong("expected \\u and four hexadecimal digits of a character, or of a surrogate pair")),
            _ => return Err(start.wrong("an unknown escape")),
        };
        Ok(c)
    }

    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        let second = if self.take("\\u") {
            self.hex()?
        } else {
            return None;
        };
        let low = second.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + low)
    }

    fn hex(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |code, _| Some(code << 4 | self.next()?.to_digit(16)?))
    }

    /// Reads the blanks that RFC 9535 allows between parts.
    fn blank(&mut self) {
        self.run(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }

    /// Reads as long as the characters are of this sort.
    fn run(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !of(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.read += run.chars().count();
        self.rest = rest;
        run
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        self.read += 1;
        Some(next)
    }
}
