use allonym_contract::Location;
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// A value and where it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: Location,
}

impl<T> Located<T> {
    /// A value at a place.
    pub const fn new(value: T, at: Location) -> Self {
        Self { value, at }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, at: location(spanned.referenced) })
    }
}

/// A parser's location as the contract says it.
pub(super) fn location(at: serde_saphyr::Location) -> Location {
    let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Location { line: narrow(at.line()), column: narrow(at.column()) }
}
