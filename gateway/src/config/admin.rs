use std::net::SocketAddr;
use std::path::PathBuf;

use allonym_contract::Location;
use serde::Deserialize;

use super::entries::Entries;
use super::error::Problems;
use super::{Located, Store};

/// The administrative side: metrics, health, and the local socket of the CLI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where `/metrics`, `/livez` and `/readyz` are served; nowhere unless it is said.
    pub listen: Option<Located<SocketAddr>>,
    /// The Unix socket the CLI talks to; `allonym.sock` beside the store unless it is said.
    pub socket: PathBuf,
    /// Local users with administrative rights.
    pub operators: Vec<Operator>,
    /// Local users who may use `protect` and `reveal` under a role.
    pub users: Vec<LocalUser>,
}

/// A local user with administrative rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The user's name on this machine.
    pub user: Located<String>,
    /// What the user may administer.
    pub rights: Vec<AdminRight>,
}

/// What an operator may administer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminRight {
    /// List and rotate keys, back up and restore.
    Keys,
    /// Create API tokens, also such that can reveal.
    Tokens,
    /// Read and verify the audit log.
    Audit,
}

/// A local user with a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalUser {
    /// The user's name on this machine.
    pub user: Located<String>,
    /// The role of `access:`.
    pub role: Located<String>,
    /// The purpose that is bound to the user, if there is one.
    pub purpose: Option<Located<String>>,
}

/// Whether a listener that is not on loopback may do without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminTls {
    /// It may: it carries no values.
    Off,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminTyped {
    listen: Option<Located<String>>,
    tls: Option<AdminTls>,
    socket: Option<PathBuf>,
    #[serde(default)]
    operators: Entries<Vec<AdminRight>>,
    #[serde(default)]
    users: Entries<UserTyped>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserTyped {
    role: Located<String>,
    purpose: Option<Located<String>>,
}

pub(super) fn convert(typed: Option<AdminTyped>, store: &Store, problems: &mut Problems) -> Admin {
    let beside_store = || store.folder().join("allonym.sock");
    let Some(typed) = typed else {
        return Admin {
            listen: None,
            socket: beside_store(),
            operators: Vec::new(),
            users: Vec::new(),
        };
    };
    Admin {
        listen: typed.listen.and_then(|listen| address(listen, typed.tls, problems)),
        socket: typed.socket.unwrap_or_else(beside_store),
        operators: typed
            .operators
            .0
            .into_iter()
            .map(|(user, rights)| Operator { user, rights })
            .collect(),
        users: typed
            .users
            .0
            .into_iter()
            .map(|(user, typed)| LocalUser { user, role: typed.role, purpose: typed.purpose })
            .collect(),
    }
}

fn address(
    typed: Located<String>,
    tls: Option<AdminTls>,
    problems: &mut Problems,
) -> Option<Located<SocketAddr>> {
    let at: Location = typed.at;
    let Ok(address) = typed.value.parse::<SocketAddr>() else {
        problems.add(
            at,
            "`listen` is not an address and a port",
            "for instance `127.0.0.1:9464` or `[::1]:9464`",
        );
        return None;
    };
    if !address.ip().is_loopback() && tls.is_none() {
        let message = "the admin listener is not on loopback and has no TLS";
        problems.add(
            at,
            message,
            "listen on 127.0.0.1, or add `tls: off` if that network may see the metrics",
        );
    }
    Some(Located::new(address, at))
}
