use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use zeroize::Zeroizing;

/// Who is on the wire, as authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// How the audit log names it: `token:NAME`, `jwt:SUBJECT`, `user:NAME`,
    /// `db:NAME`, `anonymous`.
    pub name: String,
    /// How it was authenticated.
    pub kind: PrincipalKind,
    /// The roles that `access:` speaks of.
    pub roles: Vec<String>,
    /// The purpose that is bound to the credential itself, if there is one.
    pub purpose: Option<String>,
    /// Claims a tweak scope may use (`tenant: <claim>`).
    pub claims: BTreeMap<String, String>,
    /// When the credential ends.
    pub expires: Option<SystemTime>,
    /// Whose budget is charged: the name, or for anonymous callers their address.
    pub budget_key: String,
}

/// How a principal was authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum PrincipalKind {
    /// An API token.
    ApiToken,
    /// A JSON Web Token.
    Jwt,
    /// A user of the local socket.
    LocalUser,
    /// A login of a database connector.
    DatabaseUser,
    /// Nobody: no credential was brought, and the connector allows that.
    Anonymous,
}

/// What a caller brought. A connector only carries it; the guard judges it.
pub struct Caller<'a> {
    /// The connector's name in the configuration.
    pub connector: &'a str,
    /// Where the caller is.
    pub address: Option<IpAddr>,
    /// Everything that claims to be a credential. If any of them is not valid, the
    /// caller is refused, whatever the others say.
    pub credentials: Vec<Credential>,
    /// The purpose the caller declares outside of its credential.
    pub purpose: Option<&'a str>,
}

/// Something that claims to prove who the caller is.
pub enum Credential {
    /// An API token.
    ApiToken(Zeroizing<String>),
    /// A JSON Web Token, without the word `Bearer`.
    Jwt(Zeroizing<String>),
    /// A user of a database, who proved to the connector (or to the server behind it) who
    /// it is.
    DatabaseUser(String),
    /// A credential the connector could not read (not text, twice, empty).
    Unreadable,
}
