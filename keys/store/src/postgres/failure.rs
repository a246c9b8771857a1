use std::error::Error as _;
use std::io::ErrorKind;

use crate::StoreError;

/// Why an attempt failed, and whether another may succeed.
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    pub(crate) again: Again,
}

/// Whether to try again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    No,
    /// Others changed the same rows: PostgreSQL undid this one.
    Conflict,
    /// The connection was lost, and with it all of the transaction.
    Lost,
}

const RIGHTS: &str = "the role has not the rights it needs: CONNECT on the database, USAGE and \
     CREATE on the schema, and its tables";

const READ_ONLY: &str = "PostgreSQL takes no writes here: it is a standby or read-only";

impl Failure {
    pub(crate) fn lost(why: &str) -> Self {
        Self { error: StoreError::Unavailable(why.to_owned()), again: Again::Lost }
    }

    /// Why a connection did not come about. That is never tried again here: another
    /// attempt would only make everybody wait.
    pub(crate) fn of_connecting(error: &tokio_postgres::Error) -> Self {
        let again = Again::No;
        if error.code().is_some() {
            return Self { again, ..Self::of(error) };
        }
        let source = error.source();
        let io = source.and_then(|source| source.downcast_ref::<std::io::Error>());
        let tls = io.and_then(|io| io.get_ref()?.downcast_ref::<rustls::Error>());
        let error = match (tls, io, source) {
            (Some(tls), ..) => StoreError::Refused(format!("TLS: {tls}")),
            (None, Some(io), _) if is_of_library(io, ErrorKind::PermissionDenied) => {
                StoreError::Unavailable(READ_ONLY.to_owned())
            }
            (None, Some(io), _) => {
                StoreError::Unavailable(format!("PostgreSQL cannot be reached: {}", io.kind()))
            }
            // What the library says of its own: no server, TLS or password where there
            // has to be one.
            (None, None, Some(source)) => StoreError::Refused(source.to_string()),
            (None, None, None) => {
                StoreError::Unavailable("PostgreSQL closed the connection".to_owned())
            }
        };
        Self { error, again }
    }

    /// PostgreSQL's own words may quote values, so only its code is kept.
    fn of(error: &tokio_postgres::Error) -> Self {
        let Some(code) = error.code().map(tokio_postgres::error::SqlState::code) else {
            let source = error.source();
            return match source.and_then(|source| source.downcast_ref::<std::io::Error>()) {
                None if source.is_some() && !error.is_closed() => {
                    StoreError::Damaged("a column has a type it cannot have".to_owned()).into()
                }
                _ => Self::lost("the connection to PostgreSQL was lost"),
            };
        };
        let unavailable =
            |why: &str| StoreError::Unavailable(format!("PostgreSQL {why} (code {code})")).into();
        let refused = |why: &str| StoreError::Refused(format!("{why} (code {code})")).into();
        match code {
            "40001" | "40P01" => Self {
                error: StoreError::Unavailable("others kept changing the same rows".to_owned()),
                again: Again::Conflict,
            },
            "57P01" | "57P02" | "57P05" => Self::lost("PostgreSQL is shutting down"),
            "57P03" => unavailable("is starting or stopping"),
            "57014" | "55P03" => unavailable("took longer than it may"),
            "25006" => StoreError::Unavailable(READ_ONLY.to_owned()).into(),
            "42501" => refused(RIGHTS),
            "42P07" => refused("the schema has a table of the store's, but is no store"),
            "3D000" => refused("there is no such database"),
            _ => match code.get(..2).unwrap_or_default() {
                "08" => Self::lost("the connection to PostgreSQL was lost"),
                "28" => refused("PostgreSQL does not accept the role or its password"),
                "53" => unavailable("is out of memory, disk or connections"),
                "57" | "58" => unavailable("failed"),
                "XX" => StoreError::Damaged(format!("PostgreSQL answered {code}")).into(),
                _ => StoreError::Database(format!("PostgreSQL answered {code}")).into(),
            },
        }
    }
}

/// Whether the client library says so by itself, and not the operating system.
fn is_of_library(error: &std::io::Error, kind: ErrorKind) -> bool {
    error.kind() == kind && error.raw_os_error().is_none()
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, again: Again::No }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::of(&error)
    }
}
