//! What was typed: the `postgres` connector of the configuration file.

mod check;
mod users;

use allonym_contract::PlaceSpec;
use allonym_contract::config::{ConfigFault, Size, Time, TlsChoice, UpstreamTls};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

pub(crate) use check::UpstreamAddress;
pub use users::{User, Users};

/// One PostgreSQL connector: where it listens, which server stands behind it, and who
/// may log in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// `postgres`, where the file says so.
    #[serde(default, rename = "type")]
    pub kind: Option<Spanned<String>>,
    /// Address and port to listen on. Not on loopback and without `tls` it is an error,
    /// unless `tls: off` is written.
    pub listen: Spanned<String>,
    /// Certificate and key, or the word `off`.
    #[serde(default)]
    pub tls: Option<TlsChoice>,
    /// The authorities whose client certificates are accepted, PEM.
    #[serde(default)]
    pub client_ca: Option<std::path::PathBuf>,
    /// `postgres://host:port`, with the database of clients that name none, if any.
    pub upstream: Spanned<String>,
    /// How the server's certificate is verified, or the word `off`. Without it the name
    /// is verified by the authorities of the system.
    #[serde(default)]
    pub upstream_tls: UpstreamTlsChoice,
    /// By which login the server is satisfied where it has to know a password. Without it
    /// any over TLS, and SCRAM alone over a connection that is not encrypted.
    #[serde(default)]
    pub upstream_login: Option<UpstreamLogin>,
    /// Who may log in, and how.
    #[serde(default)]
    pub callers: Callers,
    /// Sizes, counts and times.
    #[serde(default)]
    pub limits: Limits,
    /// Threads that carry connections; as many as there are processors unless it is said.
    #[serde(default)]
    pub workers: Option<usize>,
    /// Columns that are protected: not built yet, so a configuration that has it is
    /// refused.
    #[serde(default)]
    pub tables: Option<Spanned<IgnoredAny>>,
}

/// TLS toward the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamTlsChoice {
    /// Plain text, knowingly.
    Off,
    /// The server's certificate and name are verified.
    Verified(UpstreamTls),
}

/// By which login the server is satisfied where it has to know a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamLogin {
    /// SCRAM-SHA-256 or -PLUS, by which it proves that it knows the password.
    Scram,
    /// MD5 too, a plain password over TLS, or none at all.
    Any,
}

/// Who may log in, and how.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Callers {
    /// How a client proves who it is.
    pub login: Login,
    /// The users that may log in.
    pub users: Users,
}

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Login {
    /// By SCRAM-SHA-256 against a verifier of ours (`allonym db-users add`), or by its
    /// certificate where its user has one.
    #[default]
    Scram,
    /// By a password that is used for the login at the server, which judges it. Only
    /// over TLS.
    Password,
    /// The server's own authentication is relayed, message by message.
    Relay,
}

/// Sizes, counts and times; every one has a default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sessions at a time, each with a connection to the server. Default 10,000.
    pub connections: usize,
    /// How long a login waits for a session to end, where there are as many as there may
    /// be, before it is refused. Default 10 s.
    pub connections_wait: Time,
    /// Connections at a time that have not logged in yet. Half of them may wait for a
    /// session to end. Default 1,000.
    pub openings: usize,
    /// From the first byte of a connection to the end of its login, not counting the wait
    /// for a session to end. Default 30 s.
    pub startup_timeout: Time,
    /// Connecting to the server, with the TLS handshake. Default 10 s.
    pub upstream_connect_timeout: Time,
    /// The longest message in either direction. Default 1 GiB, which is PostgreSQL's own
    /// bound.
    pub message_bytes: Size,
    /// Requests of one connection that the server has not answered yet; more wait. At
    /// least 4,096, since a server may hold the answers of a batch back until its end.
    /// Default 65,536.
    pub pipeline: usize,
    /// A client that sends nothing for so long, with nothing under way, is let go.
    /// Default: never.
    pub idle_timeout: Option<Time>,
    /// A client or server that takes nothing for so long is gone. Default 1 h.
    pub write_timeout: Time,
    /// After so long without a sign of life the other side is asked for one (TCP
    /// keepalive); six that stay unanswered end the connection. Default 60 s.
    pub keepalive: Time,
    /// How long transactions may take to end at shutdown. Default 30 s.
    pub drain_timeout: Time,
}

impl PostgresConfig {
    /// What the plan is made from: no places, as long as no column is protected.
    ///
    /// # Errors
    /// Everything that is wrong with this connector, each with its location.
    pub fn places(&self, _connector: &str) -> Result<Vec<PlaceSpec>, Vec<ConfigFault>> {
        let faults = self.faults();
        if faults.is_empty() { Ok(Vec::new()) } else { Err(faults) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_wait: Time::seconds(10),
            openings: 1000,
            startup_timeout: Time::seconds(30),
            upstream_connect_timeout: Time::seconds(10),
            message_bytes: Size::mib(1024),
            pipeline: 65_536,
            idle_timeout: None,
            write_timeout: Time::seconds(3600),
            keepalive: Time::seconds(60),
            drain_timeout: Time::seconds(30),
        }
    }
}

impl Default for UpstreamTlsChoice {
    fn default() -> Self {
        Self::Verified(UpstreamTls::default())
    }
}

impl<'de> Deserialize<'de> for UpstreamTlsChoice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Typed {
            Word(String),
            Switch(bool),
            Verified(UpstreamTls),
        }
        let wrong = "`{ ca: FILE, name: NAME }`, both may be left out, or the word `off`";
        match Typed::deserialize(deserializer) {
            Ok(Typed::Verified(tls)) => Ok(Self::Verified(tls)),
            Ok(Typed::Switch(false)) => Ok(Self::Off),
            Ok(Typed::Word(word)) if word == "off" => Ok(Self::Off),
            _ => Err(serde::de::Error::custom(wrong)),
        }
    }
}
