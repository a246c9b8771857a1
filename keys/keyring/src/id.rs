use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A permanent id of 128 random bits. Names change, ids never do, and only ids
/// enter a derivation or an AAD: renaming never changes a ciphertext.
macro_rules! permanent_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// A fresh random id.
            ///
            /// # Errors
            /// When the operating system has no randomness to give.
            pub fn random() -> Result<Self, getrandom::Error> {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes)?;
                Ok(Self(bytes))
            }

            /// The bytes that enter derivations and AADs.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

permanent_id! {
    /// A tenant's world: its keys, domains and tokens share nothing with another's.
    NamespaceId
}
permanent_id! {
    /// A named key, over all its versions and names.
    KeyId
}
permanent_id! {
    /// The scope in which equal inputs give equal outputs.
    DomainId
}

impl NamespaceId {
    /// The namespace of an installation that has named none. It is in every
    /// derivation from the first day, so that namespaces can come later without
    /// changing a stored value.
    pub const DEFAULT: Self = Self(*b"allonym:default\0");
}

/// The text is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits")]
pub struct ParseIdError;

fn parse(text: &str) -> Result<[u8; 16], ParseIdError> {
    if text.len() != 32 || !text.is_ascii() {
        return Err(ParseIdError);
    }
    let value = u128::from_str_radix(text, 16).map_err(|_| ParseIdError)?;
    // `from_str_radix` takes a sign; an id has none.
    if text.starts_with('+') {
        return Err(ParseIdError);
    }
    Ok(value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_hexadecimal_text() {
        let id = KeyId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233343536373839616263646566");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in
            ["", "30", "+0313233343536373839616263646566", "3031323334353637383961626364656g"]
        {
            assert_eq!(wrong.parse::<KeyId>(), Err(ParseIdError), "{wrong}");
        }
    }
}
