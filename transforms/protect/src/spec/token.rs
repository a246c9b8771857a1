use serde::{Deserialize, Serialize};

use super::Keep;

/// The shape of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenTemplate {
    /// `tok_` and 28 characters: 128 random bits and a checksum.
    Plain,
    /// A random-looking local part at a domain of its own, which is the mark.
    Email {
        /// The domain of all tokens, `allonym.invalid` unless configured.
        token_domain: String,
    },
    /// A payment card number: the token is a counter enciphered between the kept ends.
    Pan {
        /// What stays in clear; `last` counts the check digit.
        keep: Keep,
        /// Shortest length in digits.
        min: usize,
        /// Longest length in digits.
        max: usize,
        /// The check digit of tokens.
        luhn: Luhn,
    },
    /// Decimal digits: a counter enciphered between the kept ends.
    Digits {
        /// What stays in clear.
        keep: Keep,
        /// Shortest length in digits.
        min: usize,
        /// Longest length in digits.
        max: usize,
    },
    /// The 62 characters 0-9, A-Z, a-z: a counter enciphered between the kept ends.
    Alphanumeric {
        /// What stays in clear.
        keep: Keep,
        /// Shortest length in characters.
        min: usize,
        /// Longest length in characters.
        max: usize,
    },
}

/// The check digit of card number tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Luhn {
    /// It does not hold, which tells a token from a card: marked.
    Fails,
    /// It holds. Unmarked.
    Valid,
}

/// How a value is brought into one form before it is looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Canonical {
    /// As it is.
    #[default]
    Exact,
    /// In lower case.
    Lower,
}

impl TokenTemplate {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Email { .. } => "email",
            Self::Pan { .. } => "pan",
            Self::Digits { .. } => "digits",
            Self::Alphanumeric { .. } => "alphanumeric",
        }
    }

    /// Whether its tokens come of a counter; else they are drawn at random.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        !matches!(self, Self::Plain | Self::Email { .. })
    }
}
