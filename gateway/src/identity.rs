//! Who is on the wire: API tokens and JSON Web Tokens.
//!
//! A connector hands over everything that claims to be a credential ([`Caller`]); an
//! [`Identifier`] turns it into a [`Principal`] or says no. The caller is told only
//! that a credential is not valid; the audit log is told why ([`IdentityError`]), and
//! neither is told any part of a credential.

mod api_token;
mod claims;
mod jwks;
mod jwt;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use allonym_contract::{Caller, Credential, Fault, Principal, PrincipalKind, Refusal};

pub use api_token::{ApiToken, TokenBook, TokenRecord};
pub use jwks::{JwksPace, JwksSource};
pub use jwt::{JwtAlgorithm, JwtConfig, JwtConfigError, JwtVerifier};

/// Says who a connector's callers are.
pub struct Identifier {
    tokens: Arc<TokenBook>,
    jwt: Option<Arc<JwtVerifier>>,
    users: HashMap<String, DatabaseUser>,
    anonymous: Anonymous,
}

/// A user of a database connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUser {
    /// The role of `access:` it has.
    pub role: String,
    /// The purpose that is fixed for it.
    pub purpose: Option<String>,
}

/// What becomes of a caller without a credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Anonymous {
    /// It is refused.
    #[default]
    Refuse,
    /// It becomes a principal without roles.
    Read,
}

/// Why a caller is not identified. Its text is for the audit log; what the caller is
/// told is the [`Refusal`] it turns into.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no credential, and one is needed.
    #[error("no credential")]
    Missing,
    /// There is one that is not valid.
    #[error("invalid credential: {}", .0.word())]
    Invalid(Reason),
    /// It cannot be judged now: no current key set.
    #[error("the key set for JSON Web Tokens is not available")]
    Unavailable,
}

/// Why a credential is not valid; for the audit log, never for the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Reason {
    /// It is not text, or not of the form it should have.
    Malformed,
    /// An API token whose checksum is wrong: cut off or mistyped.
    Damaged,
    /// It is longer than any real one.
    TooLarge,
    /// More than one credential was brought.
    Ambiguous,
    /// This connector takes no such credential.
    NotAccepted,
    /// No API token has this id.
    UnknownToken,
    /// The configuration has no such database user.
    UnknownUser,
    /// The id is known, the secret is wrong.
    WrongSecret,
    /// It was revoked.
    Revoked,
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYetValid,
    /// Its algorithm is not one of those that are accepted.
    Algorithm,
    /// It asks for an extension we do not know (`crit`), or is another kind of token (`typ`).
    Extension,
    /// No key of the set has its `kid`, or its algorithm.
    UnknownKey,
    /// Its signature is wrong.
    Signature,
    /// Its issuer is another one.
    Issuer,
    /// It is meant for somebody else.
    Audience,
    /// A claim is missing, twice, or of the wrong type.
    Claims,
}

impl IdentityError {
    /// The stable word for metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid(reason) => reason.word(),
            Self::Unavailable => "unavailable",
        }
    }
}

impl Identifier {
    /// Judges callers by these tokens and, if the connector takes them, JSON Web Tokens.
    #[must_use]
    pub fn new(
        tokens: Arc<TokenBook>,
        jwt: Option<Arc<JwtVerifier>>,
        anonymous: Anonymous,
    ) -> Self {
        Self { tokens, jwt, users: HashMap::new(), anonymous }
    }

    /// The same, that knows these users of a database connector.
    #[must_use]
    pub fn with_users(mut self, users: HashMap<String, DatabaseUser>) -> Self {
        self.users = users;
        self
    }

    /// Who this is, now.
    ///
    /// # Errors
    /// 401 without a credential where one is needed, and with any that is not valid;
    /// 503 when it cannot be judged now.
    pub fn identify(&self, caller: &Caller<'_>) -> Result<Arc<Principal>, Refusal> {
        Ok(self.judge(caller, SystemTime::now())?)
    }

    /// Who this is at a given time, with the reason where it is nobody.
    ///
    /// # Errors
    /// As [`Self::identify`], before it is made presentable.
    pub fn judge(
        &self,
        caller: &Caller<'_>,
        now: SystemTime,
    ) -> Result<Arc<Principal>, IdentityError> {
        match (caller.credentials.as_slice(), &self.jwt) {
            ([], _) if self.anonymous == Anonymous::Read => Ok(Arc::new(anonymous(caller.address))),
            ([], _) => Err(IdentityError::Missing),
            ([Credential::ApiToken(text)], _) => self.tokens.verify(text, now),
            ([Credential::Jwt(text)], Some(jwt)) => jwt.verify(text, now),
            ([Credential::Jwt(_)], None) => Err(IdentityError::Invalid(Reason::NotAccepted)),
            ([Credential::DatabaseUser(name)], _) => match self.users.get(name) {
                Some(user) => Ok(Arc::new(database_user(name, user))),
                None => Err(IdentityError::Invalid(Reason::UnknownUser)),
            },
            ([Credential::Unreadable], _) => Err(IdentityError::Invalid(Reason::Malformed)),
            // Whose rights would count? A caller brings one credential.
            ([_, _, ..], _) => Err(IdentityError::Invalid(Reason::Ambiguous)),
        }
    }
}

impl Reason {
    /// The stable word for audit records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Damaged => "damaged",
            Self::TooLarge => "too-large",
            Self::Ambiguous => "ambiguous",
            Self::NotAccepted => "not-accepted",
            Self::UnknownToken => "unknown-token",
            Self::UnknownUser => "unknown-user",
            Self::WrongSecret => "wrong-secret",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::Algorithm => "algorithm",
            Self::Extension => "extension",
            Self::UnknownKey => "unknown-key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Claims => "claims",
        }
    }
}

impl From<Reason> for IdentityError {
    fn from(reason: Reason) -> Self {
        Self::Invalid(reason)
    }
}

impl From<IdentityError> for Refusal {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Missing => Self::new(
                Fault::Unauthenticated,
                "credential-missing",
                "a credential is needed: an API token or, where configured, a JSON Web Token",
            ),
            IdentityError::Invalid(_) => Self::new(
                Fault::Unauthenticated,
                "credential-invalid",
                "the credential is not valid: bring exactly one that is",
            ),
            IdentityError::Unavailable => Self::new(
                Fault::Unavailable,
                "identity-unavailable",
                "the credential cannot be judged now: try again later",
            ),
        }
    }
}

fn database_user(name: &str, user: &DatabaseUser) -> Principal {
    let name = format!("db:{name}");
    Principal {
        budget_key: name.clone(),
        name,
        kind: PrincipalKind::DatabaseUser,
        roles: vec![user.role.clone()],
        purpose: user.purpose.clone(),
        claims: BTreeMap::new(),
        expires: None,
    }
}

fn anonymous(address: Option<IpAddr>) -> Principal {
    Principal {
        name: "anonymous".to_owned(),
        kind: PrincipalKind::Anonymous,
        roles: Vec::new(),
        purpose: None,
        claims: BTreeMap::new(),
        expires: None,
        budget_key: format!("anonymous:{}", neighbourhood(address)),
    }
}

/// What one party surely holds: an IPv4 address, or a /64 of IPv6. Callers whose
/// address is not known share one.
fn neighbourhood(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let network = address.to_bits() & (u128::MAX << 64);
            format!("{}/64", std::net::Ipv6Addr::from_bits(network))
        }
    }
}
