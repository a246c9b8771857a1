//! What is refused before anything of a body is read.

use std::sync::Arc;

use allonym_contract::{Fault, Refusal};
use http::{HeaderMap, HeaderName, Method, Version, header};
use pingora_core::protocols::http::ServerSession;
use pingora_http::RequestHeader;

use crate::body;
use crate::config::Limits;
use crate::place::{Place, Site};
use crate::record::Texts;
use crate::target::Target;

/// Frameworks take the method or the path from these instead.
const OVERRIDES: [&str; 5] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

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
    length(&head.headers).map_err(|()| lengths_differ())?;
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
        return Err(lengths_differ());
    }
    Ok(())
}

/// An upstream that obeys such a header would see another route than the one that was
/// judged.
pub(super) fn check_override(headers: &HeaderMap) -> Result<(), Refusal> {
    if OVERRIDES.iter().any(|name| headers.contains_key(*name)) {
        let says = "a header asks for another method or path than the request line";
        return Err(Refusal::new(Fault::Malformed, "route-override", says));
    }
    Ok(())
}

/// The length a message announces: one number, written in one way only.
pub(super) fn length(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let text = line.to_str().map_err(|_| ())?;
    let plain = text == "0" || !text.starts_with('0');
    if lines.next().is_some() || !plain || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(());
    }
    text.parse().map(Some).map_err(|_| ())
}

/// A body whose length could be read in two ways.
pub(super) fn lengths_differ() -> Refusal {
    let says = "Content-Length is not one plain number, or stands beside Transfer-Encoding";
    Refusal::new(Fault::Malformed, "two-lengths", says)
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
    match length(&head.headers).map_err(|()| lengths_differ())? {
        None | Some(0) => Ok(()),
        Some(length) if usize::try_from(length).is_ok_and(|length| length <= most) => {
            body::coding(&head.headers)?;
            body::is_json(&head.headers)
        }
        Some(_) => Err(body::too_large()),
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
    let says = "the path differs from a listed one in case, `;`, blanks, a last dot or slash only";
    Refusal::new(Fault::Forbidden, "path-ambiguous", says)
}

/// A path of which some upstreams read a part only.
pub(super) fn has_parameters() -> Refusal {
    let says = "the path holds a `;`, which some take for the end of a segment";
    Refusal::new(Fault::Malformed, "path-ambiguous", says)
}

/// An operand with more than one stored form.
pub(super) fn search_ambiguous(field: &str) -> Refusal {
    let says = "the value is stored under more than one key version: it cannot be searched now";
    Refusal::new(Fault::Unacceptable, "search-ambiguous", says).at(field)
}

/// OPTIONS that is not listed stands for every method of its path: what one of them
/// selects may not be in it, nor a body, which nobody reads.
pub(super) fn check_options(
    places: &[Arc<Place>],
    session: &mut ServerSession,
    headers: &HeaderMap,
    target: &mut Target,
) -> Result<(), Refusal> {
    for place in places.iter().filter(|place| place.is_protected()) {
        let mut texts = Texts::of_headers(place, headers)?;
        let searches = texts.add_target(place, target)?;
        if !texts.is_empty() || !searches.is_empty() || !session.is_body_done() {
            let says = "OPTIONS stands for every method of the path: it holds a body, or a value \
                        that one of them selects";
            return Err(Refusal::new(Fault::Forbidden, "preflight-with-values", says));
        }
    }
    Ok(())
}

/// Many servers read `_` and `-` in the name of a header as one: what would be taken for
/// a selected header, or for one that is ours to say, must not pass beside it.
pub(super) fn check_twins(
    site: &Site,
    places: &[Arc<Place>],
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let selected = || places.iter().flat_map(|place| place.headers.iter().map(|(_, name)| name));
    let ours = [&site.purpose_header, &site.jwt_header];
    for name in headers.keys() {
        if selected().any(|known| known == name) {
            continue;
        }
        let mut known = selected().chain(ours.into_iter().flatten());
        let reserved = name.as_str().contains('_')
            && ["allonym-", "x-forwarded-"].iter().any(|prefix| {
                let start = name.as_str().as_bytes().get(..prefix.len());
                start.is_some_and(|start| are_twins(start, prefix.as_bytes()))
            });
        let twin = |known: &HeaderName| {
            known != name && are_twins(known.as_str().as_bytes(), name.as_str().as_bytes())
        };
        if reserved || known.any(twin) {
            let says = "a header differs from a selected or reserved one in `_` and `-` only";
            return Err(Refusal::new(Fault::Malformed, "header-ambiguous", says));
        }
    }
    Ok(())
}

fn are_twins(one: &[u8], other: &[u8]) -> bool {
    let dashed = |b: &u8| if *b == b'_' { b'-' } else { *b };
    one.iter().map(dashed).eq(other.iter().map(dashed))
}
