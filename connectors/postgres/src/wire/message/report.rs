use crate::wire::{Reader, WireError, begin, put_text, without_zero};

/// How bad a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The connection is closed after it.
    Fatal,
    /// As above, and the server restarts all others too.
    Panic,
    /// Something a user may want to know.
    Warning,
    /// Likewise, and nothing is wrong.
    Notice,
    /// Only for those who asked for much detail.
    Debug,
    /// What the user asked for.
    Info,
    /// For the server's log, normally.
    Log,
}

/// What an ErrorResponse or a NoticeResponse is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// How bad it is.
    pub severity: Severity,
    /// The five characters of PostgreSQL's error codes.
    pub sqlstate: &'a str,
    /// One line for people.
    pub message: &'a str,
    /// More about what happened.
    pub detail: Option<&'a str>,
    /// What to do.
    pub hint: Option<&'a str>,
}

/// The fields of an ErrorResponse or a NoticeResponse.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a>(&'a [u8]);

impl Severity {
    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Panic => "PANIC",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Log => "LOG",
        }
    }

    fn from_word(word: &[u8]) -> Option<Self> {
        const ALL: [Severity; 8] = [
            Severity::Error,
            Severity::Fatal,
            Severity::Panic,
            Severity::Warning,
            Severity::Notice,
            Severity::Debug,
            Severity::Info,
            Severity::Log,
        ];
        ALL.into_iter().find(|severity| severity.word().as_bytes() == word)
    }
}

const REPORT: &str = "ErrorResponse";

/// Appends an ErrorResponse (`E`).
///
/// # Errors
/// An error code that is not five capital letters and digits, a zero byte in a text.
pub fn write_error(out: &mut Vec<u8>, report: &Report<'_>) -> Result<(), WireError> {
    write(out, b'E', report)
}

/// Appends a NoticeResponse (`N`).
///
/// # Errors
/// As [`write_error`].
pub fn write_notice(out: &mut Vec<u8>, report: &Report<'_>) -> Result<(), WireError> {
    write(out, b'N', report)
}

fn write(out: &mut Vec<u8>, tag: u8, report: &Report<'_>) -> Result<(), WireError> {
    let code = report.sqlstate.as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    if code.len() != 5 || !code.iter().all(allowed) {
        let rule = "an error code has five capital letters and digits";
        return Err(WireError::Malformed { message: REPORT, rule });
    }
    let word = report.severity.word();
    let fields = [
        (b'S', Some(word)),
        (b'V', Some(word)),
        (b'C', Some(report.sqlstate)),
        (b'M', Some(report.message)),
        (b'D', report.detail),
        (b'H', report.hint),
    ];
    let mut body = 1_usize;
    for text in fields.iter().filter_map(|(_, text)| *text) {
        without_zero(REPORT, text.as_bytes())?;
        body = body.saturating_add(text.len()).saturating_add(2);
    }
    begin(out, REPORT, Some(tag), body)?;
    for (code, text) in fields {
        if let Some(text) = text {
            out.push(code);
            put_text(out, text.as_bytes());
        }
    }
    out.push(0);
    Ok(())
}

impl<'a> Fields<'a> {
    /// Reads the body of an ErrorResponse (`E`) or a NoticeResponse (`N`).
    ///
    /// # Errors
    /// A field or the list without its end, bytes behind it.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(REPORT, body);
        while reader.byte()? != 0 {
            reader.text()?;
        }
        reader.end()?;
        Ok(Self(body))
    }

    /// Every field: its letter and its text, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(REPORT, self.0);
        std::iter::from_fn(move || match reader.byte().ok()? {
            0 => None,
            letter => Some((letter, reader.text().ok()?)),
        })
    }

    /// The first field with this letter.
    #[must_use]
    pub fn find(&self, letter: u8) -> Option<&'a [u8]> {
        self.iter().find(|(other, _)| *other == letter).map(|(_, text)| text)
    }

    /// How bad it is; servers before 9.6 tell it in their own language only, which is
    /// read as far as it is English.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.find(b'V').or_else(|| self.find(b'S')).and_then(Severity::from_word)
    }

    /// The error code, if it is one: five characters.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&'a str> {
        let code = self.find(b'C').filter(|code| code.len() == 5)?;
        std::str::from_utf8(code).ok()
    }

    /// The line for people. It may hold values of the statement's user.
    #[must_use]
    pub fn message(&self) -> Option<&'a [u8]> {
        self.find(b'M')
    }
}
