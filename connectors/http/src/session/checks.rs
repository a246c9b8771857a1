//! What is refused before anything of a body is read.

use allonym_contract::{Fault, Refusal};
use http::{HeaderMap, Method, Version, header};
use pingora_core::protocols::http::ServerSession;
use pingora_http::RequestHeader;

use crate::body;
use crate::config::Limits;

/// What no place allows.
pub(super) fn check_head(session: &ServerSession, limits: &Limits) -> Result<(), Refusal> {
    let head = session.req_header();
    let refused = |rule, says| Err(Refusal::new(Fault::Malformed, rule, says));
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        return refused("method", "CONNECT and TRACE are not served");
    }
    if head.method.as_str().bytes().any(|b| b.is_ascii_lowercase()) {
        return refused("method", "a method is written in capital letters");
    }
    if !plainly_chunked(&head.headers) {
        let says = "no transfer coding but chunked can be read";
        return Err(Refusal::new(Fault::Unsupported, "transfer-encoding", says));
    }
    if head.headers.len() > limits.header_count {
        let says = "more header lines than limits.header_count";
        return Err(Refusal::new(Fault::TooLarge, "head-too-large", says));
    }
    let Some(http1) = session.as_http1() else {
        return Ok(());
    };
    let raw = http1.get_headers_raw_bytes();
    if raw.len() > limits.headers_bytes.0 {
        let says = "a head larger than limits.headers_bytes";
        return Err(Refusal::new(Fault::TooLarge, "head-too-large", says));
    }
    // Pingora has taken the length away where both were given.
    let named = |line: &&[u8]| {
        line.split(|b| *b == b':')
            .next()
            .is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"content-length"))
    };
    if head.headers.contains_key(header::TRANSFER_ENCODING)
        && raw.split(|b| *b == b'\n').skip(1).any(|line| named(&line))
    {
        return refused("two-lengths", "both Transfer-Encoding and Content-Length are given");
    }
    Ok(())
}

/// Whether a message has no transfer coding, or `chunked` and nothing else: another
/// one would be lost on the way.
pub(super) fn plainly_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = codings.next();
    codings.next().is_none()
        && first.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

/// What a protected place does not allow.
pub(super) fn check_protected(head: &RequestHeader) -> Result<(), Refusal> {
    let refused = |rule, says| Err(Refusal::new(Fault::Malformed, rule, says));
    if head.version < Version::HTTP_11 {
        return refused("http-1.0", "HTTP/1.0 cannot tell a cut answer from a complete one");
    }
    let connection = head.headers.get_all(header::CONNECTION).iter();
    let mut options = connection.flat_map(|value| value.as_bytes().split(|b| *b == b','));
    if head.headers.contains_key(header::UPGRADE)
        || options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    {
        return refused("upgrade", "another protocol could not be read here");
    }
    if head.headers.contains_key(header::RANGE) || head.headers.contains_key(header::IF_RANGE) {
        return refused("range", "a part of a document cannot be judged");
    }
    Ok(())
}

/// What a body says of itself, before a byte of it is read.
pub(super) fn check_length(head: &RequestHeader, most: usize) -> Result<(), Refusal> {
    let Some(length) = head.headers.get(header::CONTENT_LENGTH) else {
        return Ok(());
    };
    let length = length.to_str().ok().and_then(|text| text.parse::<usize>().ok());
    match length {
        Some(0) => Ok(()),
        Some(length) if length > most => Err(body::too_large()),
        Some(_) => {
            body::coding(&head.headers)?;
            body::is_json(&head.headers)
        }
        None => Ok(()),
    }
}

/// Whether a browser asks if it may ask.
pub(super) fn is_preflight(head: &RequestHeader) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// A route that is not listed.
pub(super) fn unlisted() -> Refusal {
    Refusal::new(Fault::Forbidden, "unlisted", "this method and path are not listed")
}

/// A path that a lenient upstream could take for a listed one.
pub(super) fn nearly_listed() -> Refusal {
    let says = "the path differs from a listed one in case, in `;` or in its last slash only";
    Refusal::new(Fault::Forbidden, "path-ambiguous", says)
}

/// An operand with more than one stored form.
pub(super) fn search_ambiguous(field: &str) -> Refusal {
    let says = "the value is stored under more than one key version: it cannot be searched now";
    Refusal::new(Fault::Unacceptable, "search-ambiguous", says).at(field)
}
