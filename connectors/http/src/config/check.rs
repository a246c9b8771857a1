//! Addresses and names that cannot be meant.

use allonym_contract::config::{ConfigFault, kind_fault, listen_fault, location};
use http::HeaderName;
use http::uri::{Authority, Uri};

use super::HttpConfig;

const LISTEN_EXAMPLES: &str = "127.0.0.1:8080, 0.0.0.0:8443 or [::]:8443";

/// Where the upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamAddress {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As it goes into `Host`.
    pub(crate) authority: String,
}

/// How the upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl HttpConfig {
    /// What is wrong beside the routes.
    pub(crate) fn faults(&self) -> Vec<ConfigFault> {
        let mut faults = Vec::new();
        faults.extend(kind_fault(self.kind.as_ref(), "http"));
        faults.extend(listen_fault(&self.listen, self.tls.as_ref(), LISTEN_EXAMPLES));
        faults.extend(self.upstream_address().err());
        faults.extend(self.header_faults());
        faults.extend(self.limit_faults());
        faults
    }

    /// The upstream, taken apart.
    pub(crate) fn upstream_address(&self) -> Result<UpstreamAddress, ConfigFault> {
        let fault = |message: &str| {
            ConfigFault::new(location(&self.upstream), format!("upstream: {message}"))
                .hint("write http://host:port or https://host")
        };
        let uri: Uri = self.upstream.value.parse().map_err(|_| fault("not a URL"))?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return Err(fault("it begins with http:// or https://")),
        };
        let authority: &Authority = uri.authority().ok_or_else(|| fault("no host"))?;
        if authority.as_str().contains('@') {
            return Err(fault("a credential does not belong here"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(fault("no path: routes are passed on as they are"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(fault("no host"));
        }
        let port = authority.port_u16().unwrap_or(default_port);
        if port == 0 {
            return Err(fault("no port 0"));
        }
        Ok(UpstreamAddress { scheme, host, port, authority: authority.to_string() })
    }

    fn header_faults(&self) -> Vec<ConfigFault> {
        let jwt = self.callers.jwt.as_ref().and_then(|jwt| jwt.header.as_ref());
        let purpose = self.callers.purpose_header.as_ref();
        let at = location(&self.listen);
        jwt.into_iter()
            .chain(purpose)
            .filter(|name| HeaderName::from_bytes(name.as_bytes()).is_err())
            .map(|_| ConfigFault::new(at, "callers: a header has a name that no header can have"))
            .collect()
    }

    fn limit_faults(&self) -> Vec<ConfigFault> {
        let at = location(&self.listen);
        let limits = &self.limits;
        let wrong = [
            (limits.header_count == 0 || limits.header_count > 250, "header_count: 1 to 250"),
            (limits.headers_bytes.0 > 1 << 20, "headers_bytes: at most 1MiB"),
            (limits.connections == 0, "connections: at least 1"),
            (limits.depth == 0 || limits.depth > 1_000, "depth: 1 to 1000"),
            (limits.fields == 0, "fields: at least 1"),
            (limits.buffer_bytes.0 > limits.body_bytes.0, "buffer_bytes: at most body_bytes"),
        ];
        let faults = wrong.iter().filter(|(wrong, _)| *wrong);
        faults.map(|(_, says)| ConfigFault::new(at, format!("limits: {says}"))).collect()
    }

    /// Whether the two listen alike: what differs here needs a restart.
    pub(crate) fn listens_like(&self, other: &Self) -> bool {
        self.listen.value == other.listen.value
            && self.limits.connections == other.limits.connections
    }
}
