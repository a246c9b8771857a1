//! What kind of statement a text is, told by its first keywords and without parsing it:
//! for figures and for what is let through by kind, never for what is protected.

/// How much of a statement is looked at, in bytes.
pub const LOOKED_AT: usize = 4096;

/// The kind of a statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum StatementClass {
    /// `SELECT`, `VALUES`, `TABLE`.
    Select,
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `COPY`.
    Copy,
    /// What defines: `CREATE`, `ALTER`, `DROP`, `TRUNCATE`, `GRANT` and the like.
    Ddl,
    /// `BEGIN`, `COMMIT`, `ROLLBACK`, savepoints, `PREPARE TRANSACTION`.
    Transaction,
    /// `SET`, `RESET`, `DISCARD`.
    Set,
    /// `SHOW`.
    Show,
    /// `PREPARE`, `DEALLOCATE`.
    Prepare,
    /// `EXECUTE`.
    Execute,
    /// `DECLARE`, `FETCH`, `MOVE`, `CLOSE`.
    Cursor,
    /// `LISTEN`, `UNLISTEN`, `NOTIFY`.
    Listen,
    /// `CALL`.
    Call,
    /// `DO`.
    Do,
    /// `EXPLAIN`.
    Explain,
    /// Anything else, and what cannot be told from the first 4 KiB.
    #[default]
    Other,
    /// Nothing but spaces, comments and semicolons.
    Empty,
}

impl StatementClass {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 19] = [
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Merge,
        Self::Copy,
        Self::Ddl,
        Self::Transaction,
        Self::Set,
        Self::Show,
        Self::Prepare,
        Self::Execute,
        Self::Cursor,
        Self::Listen,
        Self::Call,
        Self::Do,
        Self::Explain,
        Self::Other,
        Self::Empty,
    ];

    /// The class of the first statement of a text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let cut = text.len() > LOOKED_AT;
        let mut lexer = Lexer { rest: text.get(..LOOKED_AT).unwrap_or(text), broken: cut };
        loop {
            match lexer.next() {
                Some(Token::Mark(b'(' | b';')) => {}
                Some(Token::Word(word)) if word.eq_ignore_ascii_case(b"with") => {
                    return with(&mut lexer);
                }
                Some(Token::Word(word)) => return Self::by_word(word, &mut lexer),
                None if !lexer.broken => return Self::Empty,
                _ => return Self::Other,
            }
        }
    }

    /// Its name in figures and in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Merge => "merge",
            Self::Copy => "copy",
            Self::Ddl => "ddl",
            Self::Transaction => "transaction",
            Self::Set => "set",
            Self::Show => "show",
            Self::Prepare => "prepare",
            Self::Execute => "execute",
            Self::Cursor => "cursor",
            Self::Listen => "listen",
            Self::Call => "call",
            Self::Do => "do",
            Self::Explain => "explain",
            Self::Other => "other",
            Self::Empty => "empty",
        }
    }

    /// Its number, as a label of an expected reply.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The class of a number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    fn by_word(word: &[u8], lexer: &mut Lexer<'_>) -> Self {
        let mut lower = [0; 12];
        let Some(lower) = lower.get_mut(..word.len()) else { return Self::Other };
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        match &*lower {
            b"select" | b"values" | b"table" => Self::Select,
            b"insert" => Self::Insert,
            b"update" => Self::Update,
            b"delete" => Self::Delete,
            b"merge" => Self::Merge,
            b"copy" => Self::Copy,
            b"create" | b"alter" | b"drop" | b"truncate" | b"comment" | b"grant" | b"revoke"
            | b"reindex" | b"refresh" | b"cluster" | b"security" | b"import" | b"reassign" => {
                Self::Ddl
            }
            b"begin" | b"start" | b"commit" | b"end" | b"rollback" | b"abort" | b"savepoint"
            | b"release" => Self::Transaction,
            b"prepare" => match lexer.next() {
                Some(Token::Word(next)) if next.eq_ignore_ascii_case(b"transaction") => {
                    Self::Transaction
                }
                _ => Self::Prepare,
            },
            b"deallocate" => Self::Prepare,
            b"set" | b"reset" | b"discard" => Self::Set,
            b"show" => Self::Show,
            b"execute" => Self::Execute,
            b"declare" | b"fetch" | b"move" | b"close" => Self::Cursor,
            b"listen" | b"unlisten" | b"notify" => Self::Listen,
            b"call" => Self::Call,
            b"do" => Self::Do,
            b"explain" => Self::Explain,
            _ => Self::Other,
        }
    }
}

/// The class of what follows the common table expressions.
fn with(lexer: &mut Lexer<'_>) -> StatementClass {
    // Not where a name stands: PostgreSQL lets `update` and the like be names.
    let mut named = true;
    let mut depth = 0_usize;
    let mut closed = false;
    while let Some(token) = lexer.next() {
        match token {
            // Behind an expression that is closed a bracket is the statement's own.
            Token::Mark(b'(') if depth == 0 && closed => named = false,
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') => {
                depth = depth.saturating_sub(1);
                (named, closed) = (false, depth == 0);
            }
            Token::Mark(b';') => return StatementClass::Other,
            Token::Mark(mark) if depth == 0 => (named, closed) = (mark == b',', false),
            Token::Word(word) if depth == 0 => {
                let class = match word.len() {
                    5 | 6 => StatementClass::by_word(word, lexer),
                    _ => StatementClass::Other,
                };
                if !named && is_main_verb(class) {
                    return class;
                }
                (named, closed) = (before_a_name(word), false);
            }
            Token::Quoted if depth == 0 => (named, closed) = (false, false),
            _ => {}
        }
    }
    StatementClass::Other
}

const fn is_main_verb(class: StatementClass) -> bool {
    matches!(
        class,
        StatementClass::Select
            | StatementClass::Insert
            | StatementClass::Update
            | StatementClass::Delete
            | StatementClass::Merge
    )
}

/// `RECURSIVE`, and the words of `SEARCH` and `CYCLE` that a column follows.
fn before_a_name(word: &[u8]) -> bool {
    [&b"recursive"[..], b"by", b"set", b"using", b"cycle", b"to", b"default"]
        .iter()
        .any(|other| other.eq_ignore_ascii_case(word))
}

enum Token<'a> {
    /// A word without quotes.
    Word(&'a [u8]),
    /// A quoted word, a string, a number.
    Quoted,
    /// Any other character.
    Mark(u8),
}

/// Takes words, strings and marks; spaces and comments are skipped.
struct Lexer<'a> {
    rest: &'a [u8],
    /// Whether the end is not that of the text: something is not ended.
    broken: bool,
}

impl<'a> Lexer<'a> {
    /// The next token; nothing at the end, and where something is not ended.
    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks()?;
        let first = *self.rest.first()?;
        match first {
            b'\'' | b'"' => self.quoted(first, false),
            b'$' => self.dollar(),
            b'0'..=b'9' => {
                self.take_while(|byte| is_word(byte) || byte == b'.');
                Some(Token::Quoted)
            }
            _ if is_word(first) => {
                let word = self.take_while(|byte| is_word(byte) || byte == b'$');
                match (self.rest.first(), word) {
                    (Some(b'\''), b"e" | b"E") => self.quoted(b'\'', true),
                    _ => Some(Token::Word(word)),
                }
            }
            _ => {
                self.advance(1);
                Some(Token::Mark(first))
            }
        }
    }

    /// Nothing when a comment is not ended.
    fn skip_blanks(&mut self) -> Option<()> {
        loop {
            match self.rest {
                [b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, ..] => self.advance(1),
                [b'-', b'-', ..] => {
                    let end = memchr::memchr2(b'\n', b'\r', self.rest);
                    self.advance(end.unwrap_or(self.rest.len()));
                }
                [b'/', b'*', ..] => self.skip_comment()?,
                _ => return Some(()),
            }
        }
    }

    fn skip_comment(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.rest {
                [b'/', b'*', ..] => {
                    depth += 1;
                    self.advance(2);
                }
                [b'*', b'/', ..] => {
                    depth -= 1;
                    self.advance(2);
                    if depth == 0 {
                        return Some(());
                    }
                }
                [_, ..] => self.advance(1),
                [] => return self.not_ended(),
            }
        }
    }

    fn quoted(&mut self, quote: u8, escapes: bool) -> Option<Token<'a>> {
        self.advance(1);
        loop {
            match self.rest {
                [byte, next, ..] if byte == next && *byte == quote => self.advance(2),
                [b'\\', _, ..] if escapes => self.advance(2),
                [byte, ..] if *byte == quote => {
                    self.advance(1);
                    return Some(Token::Quoted);
                }
                [_, ..] => self.advance(1),
                [] => return self.not_ended(),
            }
        }
    }

    /// `$tag$ … $tag$`, or a parameter.
    fn dollar(&mut self) -> Option<Token<'a>> {
        let tag = self.rest.get(1..)?.iter().take_while(|byte| is_word(**byte)).count();
        let opens = self.rest.get(tag + 1) == Some(&b'$')
            && !self.rest.get(1).is_some_and(u8::is_ascii_digit);
        if !opens {
            self.advance(tag + 1);
            return Some(Token::Quoted);
        }
        let (mark, text) = self.rest.split_at_checked(tag + 2)?;
        let Some(end) = memchr::memmem::find(text, mark) else { return self.not_ended() };
        self.rest = text;
        self.advance(end + mark.len());
        Some(Token::Quoted)
    }

    fn not_ended<T>(&mut self) -> Option<T> {
        (self.rest, self.broken) = (&[], true);
        None
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let count = self.rest.iter().take_while(|byte| wanted(**byte)).count();
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }
}

/// What words are made of; everything beyond ASCII counts as a letter, as in PostgreSQL.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
