//! The record of a session for the access log: who, for how long, and how it ended.
//! Never what was said in it.

use std::sync::Arc;

use serde::Serialize;

/// Takes records; it must not wait.
pub type SessionLog = Arc<dyn Fn(&SessionRecord) + Send + Sync>;

/// A session, or an attempt at one.
#[derive(Debug, Serialize)]
pub struct SessionRecord {
    /// When it began, in milliseconds since 1970.
    pub time: u64,
    /// The connector's name.
    pub connector: String,
    /// Where the client is.
    pub client: String,
    /// Who logged in, as the audit log names it; nobody until that was proven.
    pub principal: Option<String>,
    /// The purpose it is bound to, or has declared; `(unknown)` if it is not one of the
    /// configuration's.
    pub purpose: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// Whether the client's side is encrypted.
    pub tls: bool,
    /// How long it lasted, in seconds.
    pub seconds: f64,
    /// `left`, `server-left`, `broken`, `refused`, or why it was ended.
    pub end: &'static str,
    /// The rule, where it was refused; the true one, also where the client was told less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
}
