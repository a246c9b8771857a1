use crate::StoreError;
use crate::sql::Row;

/// A vaulted token and what it stands for, sealed by the caller.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TokenRow {
    /// Keyed hash of the value, for convergent tokens.
    pub lookup: Option<[u8; 16]>,
    /// The token; unique in its domain.
    pub token: String,
    /// The key version that sealed the value.
    pub version: u32,
    /// The sealed value: the store neither opens nor interprets it.
    pub sealed: Vec<u8>,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
    /// When it ends, in milliseconds since 1970; at that moment it has ended. The store
    /// gives ended rows like others until they are replaced or tidied: whoever asked
    /// judges.
    pub expires: Option<i64>,
    /// Whether it is switched off. The store gives it all the same.
    pub disabled: bool,
    /// Keyed hash of whom the value is about, made by the caller.
    pub subject: Option<[u8; 16]>,
    /// Metadata, sealed by the caller.
    pub meta: Option<Vec<u8>>,
}

/// A token out of the columns lookup, token, version, sealed, created, expires, disabled,
/// subject and meta of a row, which SQLite's and ours give alike.
macro_rules! token_row {
    ($row:expr) => {
        Ok(TokenRow {
            lookup: $row.get(0)?,
            token: $row.get(1)?,
            version: $row.get(2)?,
            sealed: $row.get(3)?,
            created: $row.get(4)?,
            expires: $row.get(5)?,
            disabled: $row.get(6)?,
            subject: $row.get(7)?,
            meta: $row.get(8)?,
        })
    };
}
pub(super) use token_row;

impl TokenRow {
    /// Whether it has ended at this time, in milliseconds since 1970.
    #[must_use]
    pub fn ended(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Out of the columns of `token_row!`.
    pub(super) fn from_row(row: &Row) -> Result<Self, StoreError> {
        token_row!(row)
    }
}
