//! Addresses, users and combinations that cannot be meant.

use std::collections::HashSet;

use allonym_contract::config::{ConfigFault, TlsChoice, kind_fault, listen_fault, location};

use super::{Login, PostgresConfig, UpstreamLogin, UpstreamTlsChoice};
use crate::wire::replies::LEAST_DEPTH;

const LISTEN_EXAMPLES: &str = "127.0.0.1:6432, 0.0.0.0:6432 or [::]:6432";

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The database of clients that name none.
    pub(crate) database: Option<String>,
}

impl PostgresConfig {
    /// What is wrong.
    pub(crate) fn faults(&self) -> Vec<ConfigFault> {
        let mut faults = Vec::new();
        faults.extend(kind_fault(self.kind.as_ref(), "postgres"));
        faults.extend(listen_fault(&self.listen, self.tls.as_ref(), LISTEN_EXAMPLES));
        faults.extend(self.upstream_address().err());
        faults.extend(self.tables_fault());
        faults.extend(self.login_faults());
        faults.extend(self.user_faults());
        faults.extend(self.limit_faults());
        faults
    }

    /// Whether clients are met with TLS.
    pub(crate) fn has_tls(&self) -> bool {
        matches!(self.tls, Some(TlsChoice::Pem(_)))
    }

    /// Whether the server has to prove that it knows the password of who logs in there.
    pub(crate) fn server_proves(&self) -> bool {
        let by_default = match self.upstream_tls {
            UpstreamTlsChoice::Off => UpstreamLogin::Scram,
            UpstreamTlsChoice::Verified(_) => UpstreamLogin::Any,
        };
        self.upstream_login.unwrap_or(by_default) == UpstreamLogin::Scram
    }

    /// The upstream, taken apart.
    pub(crate) fn upstream_address(&self) -> Result<UpstreamAddress, ConfigFault> {
        let fault = |message: &str| {
            ConfigFault::new(location(&self.upstream), format!("upstream: {message}"))
                .hint("write postgres://host:5432, or postgres://host:5432/database")
        };
        let typed = &self.upstream.value;
        let rest = typed
            .strip_prefix("postgres://")
            .or_else(|| typed.strip_prefix("postgresql://"))
            .ok_or_else(|| fault("it begins with postgres://"))?;
        if rest.contains('?') || rest.contains('#') {
            return Err(fault("options do not belong here: see upstream_tls and callers"));
        }
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(fault("a credential does not belong here: see callers"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(|| fault("a `]` is missing"))?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("5432")))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, Some("5432")),
            },
        };
        let port = port.and_then(|port| port.parse().ok()).filter(|port| *port != 0);
        let port: u16 = port.ok_or_else(|| fault("not a port"))?;
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(named) {
            return Err(fault("no host"));
        }
        if database.contains('/') || database.contains('%') {
            return Err(fault("not the name of a database"));
        }
        let database = (!database.is_empty()).then(|| database.to_owned());
        Ok(UpstreamAddress { host: host.to_owned(), port, database })
    }

    fn tables_fault(&self) -> Option<ConfigFault> {
        let tables = self.tables.as_ref()?;
        let says = "tables: columns are not protected yet, and nothing passes unprotected that was to be protected";
        let fault = ConfigFault::new(location(tables), says);
        Some(fault.hint("take `tables` out: then every byte is relayed as it is"))
    }

    fn login_faults(&self) -> Vec<ConfigFault> {
        let at = location(&self.listen);
        let encrypted = !matches!(self.upstream_tls, UpstreamTlsChoice::Off);
        let mut faults = Vec::new();
        let mut add = |says: &str, hint: &str| faults.push(ConfigFault::new(at, says).hint(hint));
        match self.callers.login {
            Login::Scram => {}
            Login::Password if !self.has_tls() => add(
                "callers.login: a password is taken over TLS only",
                "give `tls: { cert: …, key: { file: … } }`, or use `login: scram`",
            ),
            Login::Password => {}
            Login::Relay if self.has_tls() && encrypted => add(
                "callers.login: with TLS on both sides the server takes a relayed login for an attack, since the client says that it could bind it to its channel and was not offered to",
                "use `login: scram` or `login: password`, or TLS on one side only",
            ),
            Login::Relay => {}
        }
        if self.callers.login == Login::Relay && self.upstream_login.is_some() {
            add(
                "upstream_login: with `login: relay` the client answers what the server asks",
                "take `upstream_login` out, or use `login: scram` or `login: password`",
            );
        }
        if self.client_ca.is_some() && !self.has_tls() {
            add(
                "client_ca: certificates come with TLS",
                "give `tls: { cert: …, key: { file: … } }`",
            );
        }
        faults
    }

    fn user_faults(&self) -> Vec<ConfigFault> {
        let mut faults = Vec::new();
        let (mut names, mut certificates) = (HashSet::new(), HashSet::new());
        for (name, user) in &self.callers.users.0 {
            let mut add = |says: String| {
                faults.push(ConfigFault::new(
                    location(name),
                    format!("user `{}`: {says}", name.value),
                ));
            };
            if !is_name(&name.value) {
                add("a name has 1 to 63 bytes, none of them zero".to_owned());
            }
            if !names.insert(&name.value) {
                add("it is there twice".to_owned());
            }
            let upstream = user.upstream_user.as_deref();
            if upstream.is_some_and(|name| !is_name(name)) {
                add("upstream_user has 1 to 63 bytes, none of them zero".to_owned());
            }
            if let Some(certificate) = &user.certificate {
                if self.client_ca.is_none() {
                    add("a certificate is judged by `client_ca`, which is missing".to_owned());
                }
                if !certificates.insert(certificate) {
                    add("another user has this certificate".to_owned());
                }
            }
            if self.callers.login != Login::Scram
                && (user.upstream_user.is_some()
                    || user.upstream_password.is_some()
                    || user.certificate.is_some())
            {
                add("with this `login` a user is at the server who it is here, by its own credential: only `role` and `purpose` belong here".to_owned());
            }
        }
        faults
    }

    fn limit_faults(&self) -> Vec<ConfigFault> {
        let at = location(&self.listen);
        let limits = &self.limits;
        let wrong = [
            (!(1..=1_000_000).contains(&limits.connections), "limits: connections: 1 to 1000000"),
            // One place is the listener's, for who comes next.
            (!(4..=1_000_000).contains(&limits.openings), "limits: openings: 4 to 1000000"),
            // With less the server would keep its answers back for more, which never comes.
            (
                !(LEAST_DEPTH..=1 << 24).contains(&limits.pipeline),
                "limits: pipeline: 4096 to 16777216",
            ),
            (
                !(1 << 16..=1 << 30).contains(&limits.message_bytes.0),
                "limits: message_bytes: 64KiB to 1GiB",
            ),
            (
                self.workers.is_some_and(|workers| !(1..=256).contains(&workers)),
                "workers: 1 to 256",
            ),
        ];
        let faults = wrong.iter().filter(|(wrong, _)| *wrong);
        faults.map(|(_, says)| ConfigFault::new(at, *says)).collect()
    }

    /// Whether the two listen alike: what differs here needs a restart.
    pub(crate) fn listens_like(&self, other: &Self) -> bool {
        self.listen.value == other.listen.value
            && self.limits.connections == other.limits.connections
            && self.limits.openings == other.limits.openings
            && self.workers == other.workers
    }
}

/// PostgreSQL cuts names at 63 bytes, so that two could become one.
fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len()) && !name.contains('\0')
}
