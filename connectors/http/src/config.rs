//! What was typed: the `http` connector of the configuration file.

mod check;
mod route;

use std::fmt;
use std::path::PathBuf;

use allonym_contract::PlaceSpec;
use allonym_contract::config::{ConfigFault, Size, Time, TlsChoice, UpstreamTls};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

pub(crate) use check::{Scheme, UpstreamAddress};
pub(crate) use route::{ParsedRoute, Segment, Template};

/// One HTTP connector: where it listens, what stands behind it, who may call, which
/// routes it knows and which of their fields are protected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// `http`, where the file says so.
    #[serde(default, rename = "type")]
    pub kind: Option<Spanned<String>>,
    /// Address and port to listen on. Not on loopback and without `tls` it is an error,
    /// unless `tls: off` is written.
    pub listen: Spanned<String>,
    /// Certificate and key, or the word `off`.
    #[serde(default)]
    pub tls: Option<TlsChoice>,
    /// `http://host:port` or `https://host:port`.
    pub upstream: Spanned<String>,
    /// How an `https` upstream is verified.
    #[serde(default)]
    pub upstream_tls: Option<UpstreamTls>,
    /// Pass the client's `Host` on instead of the upstream's own name.
    #[serde(default)]
    pub preserve_host: bool,
    /// Who may call.
    #[serde(default)]
    pub callers: Callers,
    /// What happens to a route that is not listed.
    #[serde(default)]
    pub unlisted: Unlisted,
    /// Whether CORS preflights to listed paths pass without a credential.
    #[serde(default)]
    pub cors: bool,
    /// Sizes, counts and times.
    #[serde(default)]
    pub limits: Limits,
    /// `METHOD /path/{param}` and what is protected there.
    #[serde(default)]
    pub routes: Routes,
}

/// Who may call, and how they say who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Callers {
    /// JSON Web Tokens; the connector only finds them, the gateway judges them.
    pub jwt: Option<JwtCallers>,
    /// What becomes of a caller without a credential.
    pub anonymous: Anonymous,
    /// The header in which a caller declares its purpose. It is stripped.
    pub purpose_header: Option<String>,
}

/// Which JSON Web Tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtCallers {
    /// The header that holds the token; without it `Authorization: Bearer`.
    #[serde(default)]
    pub header: Option<String>,
    /// The claim `iss` must be this.
    pub issuer: String,
    /// The claim `aud` must hold this.
    pub audience: String,
    /// Where the keys are.
    pub jwks: Jwks,
    /// Which algorithms are accepted.
    #[serde(default)]
    pub algorithms: Option<Vec<String>>,
    /// The claim that lists the roles.
    #[serde(default)]
    pub roles_claim: Option<String>,
    /// The claim that names the purpose.
    #[serde(default)]
    pub purpose_claim: Option<String>,
    /// Claims that tweak scopes may use.
    #[serde(default)]
    pub tenant_claims: Vec<String>,
}

/// Where a JSON Web Key Set is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Jwks {
    /// In a file.
    File(PathBuf),
    /// Behind a URL.
    Url(String),
}

/// What becomes of a caller without a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anonymous {
    /// 401.
    #[default]
    Refuse,
    /// It may read protected or masked values.
    Read,
}

/// What happens to a route that is not listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unlisted {
    /// 403.
    #[default]
    Refuse,
    /// It passes, unread, for anyone.
    Pass,
}

/// Sizes, counts and times; every one has a default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// A body on a protected place, after decoding. Default 64 MiB.
    pub body_bytes: Size,
    /// Up to here a body is read whole before anything is sent. Default 1 MiB.
    pub buffer_bytes: Size,
    /// One selected value. Default 64 KiB.
    pub value_bytes: Size,
    /// Nesting of a document. Default 64.
    pub depth: usize,
    /// Selected values in one body. Default 100,000.
    pub fields: usize,
    /// The head of a request. Default 64 KiB.
    pub headers_bytes: Size,
    /// Header lines of a request. Default 100; no more than 250.
    pub header_count: usize,
    /// Connections at a time. Default 10,000.
    pub connections: usize,
    /// From the first byte of a head (or of a TLS handshake) to its last. Default 10 s.
    pub header_timeout: Time,
    /// Between two requests of a connection. Default 60 s.
    pub idle_timeout: Time,
    /// Between two pieces of a request body. Default 30 s.
    pub body_timeout: Time,
    /// Bytes a second a request body must come with, after its first ten seconds.
    /// Default 1 KiB.
    pub min_body_rate: Size,
    /// A client that takes nothing for so long is gone. Default 30 s.
    pub write_timeout: Time,
    /// The whole of one exchange. Default 15 min.
    pub request_timeout: Time,
    /// Connecting, with the TLS handshake. Default 5 s.
    pub upstream_connect_timeout: Time,
    /// Waiting for the next bytes of an answer. Default 60 s.
    pub upstream_read_timeout: Time,
    /// An upstream that takes nothing for so long is gone. Default 30 s.
    pub upstream_write_timeout: Time,
    /// Unused upstream connections that are kept. Default 512.
    pub upstream_idle_connections: usize,
    /// For how long they are kept. Default 30 s.
    pub upstream_idle_timeout: Time,
    /// How long running requests may take to finish at shutdown. Default 30 s.
    pub drain_timeout: Time,
}

/// The listed routes, in the order in which they stand.
#[derive(Clone, Debug, Default)]
pub struct Routes(pub Vec<RouteEntry>);

/// One route as it was typed.
#[derive(Clone, Debug)]
pub struct RouteEntry {
    /// `METHOD /path/{param}`.
    pub route: Spanned<String>,
    /// Selectors with their classes, and options with their values.
    pub entries: Vec<(Spanned<String>, Spanned<String>)>,
}

impl HttpConfig {
    /// What the plan is made from: one place for each route, its rules numbered in the
    /// order in which they stand.
    ///
    /// # Errors
    /// Everything that is wrong with this connector, each with its location.
    pub fn places(&self, connector: &str) -> Result<Vec<PlaceSpec>, Vec<ConfigFault>> {
        let mut faults = self.faults();
        let routes = self.parsed_routes(connector, &mut faults);
        if faults.is_empty() {
            Ok(routes.into_iter().map(|route| route.spec).collect())
        } else {
            Err(faults)
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: Size::mib(64),
            buffer_bytes: Size::mib(1),
            value_bytes: Size::kib(64),
            depth: 64,
            fields: 100_000,
            headers_bytes: Size::kib(64),
            header_count: 100,
            connections: 10_000,
            header_timeout: Time::seconds(10),
            idle_timeout: Time::seconds(60),
            body_timeout: Time::seconds(30),
            min_body_rate: Size::kib(1),
            write_timeout: Time::seconds(30),
            request_timeout: Time::seconds(900),
            upstream_connect_timeout: Time::seconds(5),
            upstream_read_timeout: Time::seconds(60),
            upstream_write_timeout: Time::seconds(30),
            upstream_idle_connections: 512,
            upstream_idle_timeout: Time::seconds(30),
            drain_timeout: Time::seconds(30),
        }
    }
}

impl<'de> Deserialize<'de> for Routes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Listed;
        impl<'de> Visitor<'de> for Listed {
            type Value = Routes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of `METHOD /path` to its fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Routes, A::Error> {
                let mut routes = Vec::new();
                while let Some((route, Entries(entries))) = map.next_entry()? {
                    routes.push(RouteEntry { route, entries });
                }
                Ok(Routes(routes))
            }
        }
        deserializer.deserialize_map(Listed)
    }
}

struct Entries(Vec<(Spanned<String>, Spanned<String>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of selectors to data classes")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Entries, E> {
                Ok(Entries(Vec::new()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_any(Fields)
    }
}
