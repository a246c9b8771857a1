use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// The content of one field. Wiped when dropped. It has no `Display` and cannot be
/// serialized; `Debug` tells kind and length, never content.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// The field is there and says nothing. Never transformed.
    Null,
    /// True or false.
    Bool(bool),
    /// A number as it was written, digit for digit: it never passes through
    /// floating point.
    Number(Zeroizing<String>),
    /// Text, unescaped.
    Text(Zeroizing<String>),
}

/// Which kind of value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// [`Value::Null`].
    Null,
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Number`].
    Number,
    /// [`Value::Text`].
    Text,
}

impl Value {
    /// Text.
    #[must_use]
    pub fn text(content: impl Into<String>) -> Self {
        Self::Text(Zeroizing::new(content.into()))
    }

    /// A number, as written.
    #[must_use]
    pub fn number(written: impl Into<String>) -> Self {
        Self::Number(Zeroizing::new(written.into()))
    }

    /// The characters of a text or a number; nothing for null and booleans.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(content) | Self::Number(content) => Some(content),
            Self::Null | Self::Bool(_) => None,
        }
    }

    /// Which kind of value it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Number(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
        }
    }

    /// A value of the same kind with other characters (null and booleans become text).
    #[must_use]
    pub fn with(&self, content: String) -> Self {
        match self {
            Self::Number(_) => Self::number(content),
            _ => Self::text(content),
        }
    }

    /// Null, or text without characters: there is nothing to protect, and what holds
    /// nothing stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(content) => content.is_empty(),
            Self::Bool(_) | Self::Number(_) => false,
        }
    }
}

impl Zeroize for Value {
    fn zeroize(&mut self) {
        // The characters are wiped by the drop of what is replaced.
        *self = Self::Null;
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool"),
            Self::Number(content) => write!(f, "Number({} characters)", content.chars().count()),
            Self::Text(content) => write!(f, "Text({} characters)", content.chars().count()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_kind_and_length_only() {
        assert_eq!(format!("{:?}", Value::text("häßlich")), "Text(7 characters)");
        assert_eq!(format!("{:?}", Value::number("4929")), "Number(4 characters)");
        assert_eq!(format!("{:?}", Value::Bool(true)), "Bool");
    }
}
