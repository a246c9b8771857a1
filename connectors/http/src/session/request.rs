//! A request, from its head to what goes onward.

use std::sync::Arc;
use std::time::{Duration, Instant};

use allonym_contract::{Crossing, Direction, Fault, Guard, Ledger, Namespace, Refusal};
use allonym_record::codec::json::Json;
use allonym_record::{Piece, Record};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use pingora_core::protocols::http::ServerSession;
use pingora_error::ErrorType;
use pingora_http::RequestHeader;
use tokio::time::timeout;

use super::checks::{
    check_head, check_length, check_options, check_override, check_protected, check_twins,
    has_parameters, is_preflight, length, lengths_differ, nearly_listed, search_ambiguous,
    unlisted,
};
use super::{Exchange, Stop, credentials, headers, is_modern};
use crate::body::{self, Body};
use crate::config::Limits;
use crate::place::{Place, Routed};
use crate::record::{Texts, not_encodable};
use crate::target::Target;

/// The namespace of an installation that has named none.
const DEFAULT_NAMESPACE: Namespace = Namespace(*b"allonym:default\0");

/// What goes to the upstream.
pub(super) struct Onward {
    pub(super) head: Box<RequestHeader>,
    pub(super) body: OnwardBody,
    /// Sent twice, it does what it does once.
    pub(super) idempotent: bool,
}

/// A body on its way onward.
pub(super) enum OnwardBody {
    /// All of it, protected. These bytes are what a second attempt sends too.
    Whole(Bytes),
    /// Its beginning; the client sends the rest meanwhile.
    Rest(Rest),
}

/// A body that is too large to be held, or that nobody reads.
pub(super) struct Rest {
    /// What is ready to be sent.
    pub(super) first: Bytes,
    /// Takes the rest apart; `None` where the body passes unread.
    pub(super) body: Option<Box<Body>>,
    /// Whether it goes in chunks; else its length was announced.
    pub(super) chunked: bool,
}

/// How fast a request body comes.
pub(super) struct Pace {
    waited: Duration,
    bytes: usize,
    wait: Duration,
    rate: usize,
}

impl Exchange {
    /// Reads the request, has it admitted and protected.
    pub(super) async fn receive(&mut self, session: &mut ServerSession) -> Result<Onward, Stop> {
        check_head(session, &self.site.config.limits)?;
        let head = session.req_header().clone();
        if self.site.has_rules() {
            check_override(&head.headers)?;
        }
        let mut target = Target::parse(head.raw_path())
            .map_err(|says| Refusal::new(Fault::Malformed, "malformed-target", says))?;
        let place = match self.site.route(&head.method, &target) {
            Routed::Listed(place) => place,
            Routed::Unlisted => {
                greet(session, &head).await?;
                return Ok(self.pass(session, &head, &target)?);
            }
            Routed::Refused => return Err(unlisted().into()),
            Routed::Ambiguous => return Err(nearly_listed().into()),
            Routed::Parameters => return Err(has_parameters().into()),
        };
        self.place = Some(Arc::clone(&place));
        let beside = self.site.beside(&head.method, &target);
        if place.is_protected() {
            check_protected(&head)?;
            let places = [&beside[..], &[Arc::clone(&place)]].concat();
            check_twins(&self.site, &places, &head.headers)?;
        }
        if self.site.config.cors && is_preflight(&head) {
            check_options(&[Arc::clone(&place)], session, &head.headers, &mut target)?;
            check_options(&beside, session, &head.headers, &mut target)?;
            return Ok(self.preflight(session, &head, &target)?);
        }
        self.admit(&place, &head).await?;
        if let (Some(at), Some(up)) = (place.subject, &mut self.up) {
            up.subject = target.segment(at).map(|segment| segment.as_str().into());
        }
        check_options(&beside, session, &head.headers, &mut target)?;
        if place.body.is_some() {
            check_length(&head, self.site.config.limits.body_bytes.0)?;
        }
        self.protect(session, &place, head, &mut target).await
    }

    /// Who is it, and may it pass?
    async fn admit(&mut self, place: &Place, head: &RequestHeader) -> Result<(), Refusal> {
        let site = Arc::clone(&self.site);
        let caller = credentials::caller(&site, self.client, &head.headers)?;
        let principal = site.guard.identify(&caller).await?;
        self.principal = Some(Arc::clone(&principal));
        let purpose = principal.purpose.as_deref().or(caller.purpose).map(Arc::from);
        let crossing = self.up.insert(Crossing {
            request: self.id,
            namespace: DEFAULT_NAMESPACE,
            place: Arc::clone(&place.name),
            direction: Direction::ToUpstream,
            principal,
            purpose,
            subject: None,
            row: None,
            revision: site.guard.revision(),
            notices: Vec::new(),
            ledger: Ledger::default(),
        });
        site.guard.admit(crossing).await
    }

    /// Has the selected values protected, and reads the body as far as it can be held.
    async fn protect(
        &mut self,
        session: &mut ServerSession,
        place: &Place,
        head: RequestHeader,
        target: &mut Target,
    ) -> Result<Onward, Stop> {
        let site = Arc::clone(&self.site);
        let guard = &*site.guard;
        let mut lines = head.headers.clone();
        let mut texts = Texts::of_headers(place, &lines)?;
        let searches = texts.add_target(place, target)?;
        greet(session, &head).await?;
        let read = match &place.body {
            Some(_) => self.read(session, place, &lines).await?,
            None => Read { pieces: Vec::new(), open: None },
        };
        // A request without a crossing has no principal to protect for.
        let crossing = self.up.as_mut().ok_or_else(unlisted)?;
        for search in searches {
            let stored = guard.stored_forms(crossing, search.rule, &search.operand).await?;
            match stored.as_slice() {
                [one] => search.write_back(one, target)?,
                _ => return Err(search_ambiguous(place.rule(search.rule)).into()),
            }
        }
        let mut pieces = read.pieces;
        transform(guard, crossing, &mut texts, &mut pieces).await?;
        texts.write_back(place, &mut lines, Some(target))?;
        let first = joined(place, pieces)?;
        let body = match read.open {
            Some(body) => {
                OnwardBody::Rest(Rest { first: first.into(), body: Some(body), chunked: true })
            }
            None if place.body.is_some() => OnwardBody::Whole(first.into()),
            None => unread(session, &lines),
        };
        if place.body.is_some() {
            lines.remove(header::CONTENT_ENCODING);
        }
        Ok(self.onward(&head, lines, target, body)?)
    }

    /// Reads a body that is taken apart, up to `buffer_bytes`.
    async fn read(
        &self,
        session: &mut ServerSession,
        place: &Place,
        lines: &HeaderMap,
    ) -> Result<Read, Stop> {
        let limits = &self.site.config.limits;
        let mut read = Read { pieces: Vec::new(), open: None };
        let (Some(program), false) = (&place.body, session.is_body_done()) else {
            return Ok(read);
        };
        let coding = body::coding(lines)?;
        // What the upstream makes of a name is not ours to know.
        let json = Json::strict_names(Arc::clone(program), self.site.json_limits());
        let mut body = Body::new(coding, json, &place.rules, limits.body_bytes.0);
        let mut pace = Pace::new(limits);
        while let Some(bytes) = pace.read(session).await? {
            if bytes.is_empty() {
                continue;
            }
            body::is_json(lines)?;
            body.push(&bytes, &mut read.pieces)?;
            if body.decoded() > limits.buffer_bytes.0 && !session.is_body_done() {
                read.open = Some(Box::new(body));
                return Ok(read);
            }
        }
        body.finish(&mut read.pieces)?;
        Ok(read)
    }

    /// A route that is not listed, where the configuration lets it pass.
    fn pass(
        &mut self,
        session: &mut ServerSession,
        head: &RequestHeader,
        target: &Target,
    ) -> Result<Onward, Refusal> {
        let body = unread(session, &head.headers);
        self.onward(head, head.headers.clone(), target, body)
    }

    /// A browser asks whether it may ask. It brings no credential, so nothing that has
    /// values may go with it.
    fn preflight(
        &mut self,
        session: &mut ServerSession,
        head: &RequestHeader,
        target: &Target,
    ) -> Result<Onward, Refusal> {
        if !session.is_body_done() {
            let says = "a preflight brings no credential, and this one holds a body";
            return Err(Refusal::new(Fault::Forbidden, "preflight-with-values", says));
        }
        self.onward(head, head.headers.clone(), target, OnwardBody::Whole(Bytes::new()))
    }

    fn onward(
        &self,
        head: &RequestHeader,
        mut lines: HeaderMap,
        target: &Target,
        body: OnwardBody,
    ) -> Result<Onward, Refusal> {
        let failed = |_| Refusal::new(Fault::Malformed, "malformed-head", "a header is malformed");
        let host = host(head);
        let length = length(&lines).map_err(|()| lengths_differ())?;
        headers::strip(&mut lines)?;
        headers::forward_for(&mut lines, self.client, host.as_ref());
        headers::join_cookies(&mut lines);
        for name in [header::EXPECT, header::CONTENT_LENGTH] {
            lines.remove(name);
        }
        if let Some(name) = &self.site.purpose_header {
            lines.remove(name);
        }
        if self.is_protected() {
            lines.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            headers::strip_of_bytes(&mut lines);
        }
        let kept = host.filter(|_| self.site.config.preserve_host);
        lines.insert(header::HOST, kept.unwrap_or_else(|| self.site.upstream.authority.clone()));
        match &body {
            OnwardBody::Whole(bytes) => {
                let expected = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
                if !bytes.is_empty() || expected || length.is_some() {
                    lines.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                }
            }
            OnwardBody::Rest(Rest { chunked: true, .. }) => {
                lines.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            OnwardBody::Rest(_) => {
                let length = length.map(HeaderValue::from);
                lines.extend(length.map(|length| (header::CONTENT_LENGTH, length)));
            }
        }
        let path = target.to_wire();
        let mut out =
            RequestHeader::build_no_case(head.method.clone(), path.as_bytes(), Some(lines.len()))
                .map_err(failed)?;
        for (name, value) in &lines {
            out.append_header(name.clone(), value.clone()).map_err(failed)?;
        }
        let idempotent = matches!(
            head.method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
        );
        Ok(Onward { head: Box::new(out), body, idempotent })
    }
}

/// What was read of a body: its pieces, and the reader if there is more to come.
struct Read {
    pieces: Vec<Piece>,
    open: Option<Box<Body>>,
}

impl Pace {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            waited: Duration::ZERO,
            bytes: 0,
            wait: limits.body_timeout.0,
            rate: limits.min_body_rate.0,
        }
    }

    /// The next bytes of a request body; `None` at its end. Only the time that the
    /// client lets us wait counts against it.
    pub(super) async fn read(
        &mut self,
        session: &mut ServerSession,
    ) -> Result<Option<Bytes>, Stop> {
        let began = Instant::now();
        let read = timeout(self.wait, session.read_request_body()).await;
        self.waited += began.elapsed();
        let read = match read {
            Ok(Ok(bytes)) => self.in_time(bytes),
            Ok(Err(error)) => Err(unreadable(&error.etype)),
            Err(_) => Err(too_slow().into()),
        };
        if read.is_err() {
            // Nobody knows where this body ends and the next request begins.
            session.set_keepalive(None);
        }
        read
    }

    fn in_time(&mut self, bytes: Option<Bytes>) -> Result<Option<Bytes>, Stop> {
        self.bytes += bytes.as_ref().map_or(0, Bytes::len);
        let grace = Duration::from_secs(10).min(self.wait);
        if let Some(over) = self.waited.checked_sub(grace)
            && (self.bytes as f64) < over.as_secs_f64() * self.rate as f64
        {
            return Err(too_slow().into());
        }
        Ok(bytes)
    }
}

/// Has the values of a message transformed, as one batch.
pub(super) async fn transform(
    guard: &dyn Guard,
    crossing: &mut Crossing,
    texts: &mut Texts,
    pieces: &mut [Piece],
) -> Result<usize, Refusal> {
    let texts = std::iter::once(texts as &mut dyn Record);
    let pieces = pieces.iter_mut().map(|piece| piece as &mut dyn Record);
    let mut records: Vec<&mut dyn Record> = Vec::new();
    let mut fields = 0;
    for record in texts.chain(pieces) {
        let count = record.fields().len();
        if count > 0 {
            fields += count;
            records.push(record);
        }
    }
    if !records.is_empty() {
        guard.transform(crossing, &mut records).await?;
    }
    Ok(fields)
}

/// The bytes of transformed pieces, one after the other.
pub(super) fn joined(place: &Place, pieces: Vec<Piece>) -> Result<Vec<u8>, Refusal> {
    let mut out: Vec<u8> = Vec::new();
    for piece in pieces {
        let bytes = piece.into_bytes().map_err(|error| not_encodable(place, error))?;
        if out.is_empty() {
            out = bytes;
        } else {
            out.extend_from_slice(&bytes);
        }
    }
    Ok(out)
}

/// A body that passes as it comes.
fn unread(session: &mut ServerSession, lines: &HeaderMap) -> OnwardBody {
    if session.is_body_done() {
        return OnwardBody::Whole(Bytes::new());
    }
    let chunked = !lines.contains_key(header::CONTENT_LENGTH);
    OnwardBody::Rest(Rest { first: Bytes::new(), body: None, chunked })
}

/// Lets a client that asked first send its body.
async fn greet(session: &mut ServerSession, head: &RequestHeader) -> Result<(), Stop> {
    let asked = head.headers.get(header::EXPECT);
    let asked = asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if asked && is_modern(session) && !session.is_body_done() {
        session.write_continue_response().await.map_err(|_| Stop::ClientGone)?;
    }
    Ok(())
}

fn host(head: &RequestHeader) -> Option<HeaderValue> {
    let named = head.headers.get(header::HOST).cloned();
    named.or_else(|| HeaderValue::from_str(head.uri.authority()?.as_str()).ok())
}

fn unreadable(error: &ErrorType) -> Stop {
    match error {
        ErrorType::ReadTimedout => too_slow().into(),
        ErrorType::ReadError | ErrorType::ConnectionClosed | ErrorType::H2Error => Stop::ClientGone,
        _ => {
            let says = "the body's framing is malformed, or it ends early";
            Refusal::new(Fault::Malformed, "malformed-body", says).into()
        }
    }
}

fn too_slow() -> Refusal {
    let says = "the body comes too slowly: limits.body_timeout, limits.min_body_rate";
    Refusal::new(Fault::Malformed, "body-too-slow", says)
}
