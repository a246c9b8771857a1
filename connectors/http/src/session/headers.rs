//! Which header lines pass, in either direction.

use allonym_contract::{Fault, Refusal};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::session::Client;

/// They speak to the next hop only.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// A `Connection` header that names one of these would take away what decides how the
/// message is read, or who sent it.
const NOT_NOMINATED: [&str; 8] = [
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// They speak of the bytes as the upstream wrote them.
const OF_BYTES: [&str; 7] = [
    "etag",
    "content-md5",
    "digest",
    "repr-digest",
    "content-digest",
    "content-range",
    "accept-ranges",
];

/// Takes away what does not go further, including what is reserved for the gateway.
///
/// # Errors
/// When `Connection` names a header that must not be lost.
pub(crate) fn strip(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let mut nominated = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        for name in value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            if let Ok(name) = HeaderName::from_bytes(name) {
                nominated.push(name);
            }
        }
    }
    for name in nominated {
        if NOT_NOMINATED.contains(&name.as_str()) {
            let says = "Connection names a header that belongs to the message";
            return Err(Refusal::new(Fault::Malformed, "connection-nominates", says));
        }
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    let ours: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("allonym-")).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    Ok(())
}

/// Takes away what a changed body would make a lie.
pub(crate) fn strip_of_bytes(headers: &mut HeaderMap) {
    for name in OF_BYTES {
        headers.remove(name);
    }
}

/// Takes away what would let a cache keep an answer, including what only some caches obey.
pub(crate) fn strip_of_caches(headers: &mut HeaderMap) {
    let targeted: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().ends_with("cache-control")).cloned().collect();
    for name in targeted {
        headers.remove(name);
    }
    headers.remove("surrogate-control");
    headers.remove(header::EXPIRES);
}

/// Whether a message belongs to a scheme that logs in a connection and not a request: one
/// who came later on the same connection would be taken for the one who logged in.
pub(crate) fn binds_connection(headers: &HeaderMap) -> bool {
    let names = [header::AUTHORIZATION, header::WWW_AUTHENTICATE];
    let mut lines = names.iter().flat_map(|name| headers.get_all(name));
    lines.any(|line| {
        line.as_bytes().split(|b| *b == b',').any(|challenge| {
            let mut words = challenge.trim_ascii().split(u8::is_ascii_whitespace);
            let scheme = words.next().unwrap_or_default();
            scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate")
        })
    })
}

/// Says for whom the request is made: `X-Forwarded-For`, `-Host` and `-Proto`.
pub(crate) fn forward_for(headers: &mut HeaderMap, client: Client, host: Option<&HeaderValue>) {
    let mut chain = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(client.address.to_string().as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&chain) {
        headers.insert("x-forwarded-for", value);
    }
    let proto = if client.tls { "https" } else { "http" };
    headers.insert("x-forwarded-proto", HeaderValue::from_static(proto));
    match host {
        Some(host) => headers.insert("x-forwarded-host", host.clone()),
        None => headers.remove("x-forwarded-host"),
    };
}

/// HTTP/2 may cut cookies into several lines; HTTP/1.1 has one.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let lines: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(|v| v.as_bytes()).collect();
    if let Ok(value) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(header::COOKIE, value);
    }
}
