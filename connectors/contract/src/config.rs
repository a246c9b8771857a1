//! What every connector's section of the configuration file may say.

mod check;
mod secret;
mod tls;
mod units;

use serde_saphyr::Spanned;

use crate::Location;

pub use check::{kind_fault, listen_fault};
pub use secret::{SecretError, SecretRef};
pub use tls::{KeyFile, TlsChoice, TlsFiles, UpstreamTls};
pub use units::{Size, Time};

/// Something in the configuration that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigFault {
    /// Where.
    pub location: Location,
    /// What.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl ConfigFault {
    /// A fault at a place.
    pub fn new(location: Location, message: impl Into<String>) -> Self {
        Self { location, message: message.into(), hint: None }
    }

    /// A change that is for the next start: what it names stays as it is until then.
    #[must_use]
    pub fn needs_restart(location: Location, message: impl Into<String>) -> Self {
        Self::new(location, message).hint("restart the gateway to have this take effect")
    }

    /// The same, with what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Where a value stands.
#[must_use]
pub fn location<T>(spanned: &Spanned<T>) -> Location {
    let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Location {
        line: narrow(spanned.referenced.line()),
        column: narrow(spanned.referenced.column()),
    }
}
