use std::borrow::Cow;

/// A clear no. Says which rule and which field, and never holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {detail}")]
pub struct Refusal {
    /// Whose fault it is, which decides the protocol's status.
    pub fault: Fault,
    /// The rule, as a stable word for programs: `outside-template`, `token-refused` …
    pub rule: &'static str,
    /// The field, as the configuration selects it (`$.card.number`), if one is at fault.
    pub field: Option<String>,
    /// What happened and what to do, for people.
    pub detail: Cow<'static, str>,
}

/// Whose fault a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The bytes are not what they say they are (400).
    Malformed,
    /// No valid credential (401).
    Unauthenticated,
    /// The principal may not (403).
    Forbidden,
    /// Too large or too deep (413).
    TooLarge,
    /// A format or coding we do not judge (415).
    Unsupported,
    /// Well-formed, but this value may not be here (422).
    Unacceptable,
    /// A budget is spent (429).
    TooMany,
    /// The upstream's answer cannot be judged (502).
    Upstream,
    /// We cannot do it now: the store, the audit log or a key is away (503).
    Unavailable,
    /// The upstream did not answer in time (504).
    UpstreamTimeout,
}

impl Refusal {
    /// A refusal that names no field.
    #[must_use]
    pub fn new(fault: Fault, rule: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { fault, rule, field: None, detail: detail.into() }
    }

    /// The same, naming the field.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}
