//! The access log: one line for each request, without anything a value could be in.

use std::sync::Arc;

use serde::Serialize;

/// One request, as the access log tells it. Path, query, headers and bodies are not in
/// it: the place says where the request went.
#[derive(Clone, Debug, Serialize)]
pub struct AccessRecord {
    /// When its head had been read, in milliseconds since 1970 (UTC).
    pub time: u64,
    /// Its id, as in `Allonym-Request` and the audit log.
    pub request: String,
    /// The connector.
    pub connector: Arc<str>,
    /// The place; absent for what is not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Arc<str>>,
    /// The method, if it is a known one.
    pub method: &'static str,
    /// The status of the answer; 0 if none was sent.
    pub status: u16,
    /// The whole exchange, in microseconds.
    pub duration_us: u64,
    /// Until the request could be sent onward, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protect_us: Option<u64>,
    /// Until the head of the upstream's answer had come, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_us: Option<u64>,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Who asked, as the audit log names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The rule that refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'static str>,
    /// The answer was cut after its head had been sent, or the client left.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// Where access records go. It must not wait.
pub type AccessLog = Arc<dyn Fn(&AccessRecord) + Send + Sync>;
