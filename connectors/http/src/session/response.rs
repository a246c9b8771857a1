//! An answer, from the upstream's head to what the client may see.

use std::sync::Arc;
use std::time::{Duration, Instant};

use allonym_contract::{Crossing, Fault, Notice, Refusal, RequestId};
use allonym_record::codec::json::Json;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_error::ErrorType;
use pingora_http::ResponseHeader;
use tokio::sync::mpsc::Sender;

use super::checks::{length, plainly_chunked};
use super::request::{joined, transform};
use super::{Stop, headers};
use crate::body::{self, Body, Coding};
use crate::place::{Place, Site};
use crate::record::Texts;
use crate::refusal::of_answer;

/// Informational answers before the real one, at most.
const INFORMATIONAL: usize = 16;

/// What the client side writes.
pub(super) enum Answer {
    /// An informational answer; the real one follows.
    Informational(Box<ResponseHeader>),
    /// Head and body, complete.
    Whole(Box<ResponseHeader>, Bytes),
    /// The head; pieces follow.
    Head {
        head: Box<ResponseHeader>,
        /// The end of the connection is the end of the body.
        close: bool,
    },
    Piece(Bytes),
    End,
}

/// How the client can be spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP/1.0: no chunks, nothing informational.
    Http10,
    Http11,
    Http2,
}

/// Reads one answer and hands out what the client may see of it.
pub(super) struct AnswerReader<'a> {
    pub(super) site: &'a Site,
    pub(super) id: RequestId,
    pub(super) place: Option<&'a Place>,
    pub(super) method: &'a Method,
    pub(super) speaks: Speaks,
    /// The crossing toward the client, before it is admitted.
    pub(super) pending: Option<Crossing>,
    pub(super) down: &'a mut Option<Crossing>,
    pub(super) began: Instant,
    pub(super) answered: &'a mut Option<Duration>,
    /// What was to be told of the request.
    pub(super) told: Vec<Notice>,
    pub(super) out: Sender<Answer>,
}

impl AnswerReader<'_> {
    /// Relays the answer whose first head has been read.
    pub(super) async fn run(self, http: &mut HttpSession) -> Result<(), Stop> {
        let head = self.final_head(http).await?;
        *self.answered = Some(self.began.elapsed());
        if !plainly_chunked(&head.headers) {
            let says = "the upstream uses a transfer coding that nobody asked for";
            return Err(Refusal::new(Fault::Upstream, "transfer-encoding", says).into());
        }
        let mut lines = head.headers.clone();
        headers::strip(&mut lines).map_err(of_answer)?;
        let length = length(&lines).map_err(|()| malformed())?.map(HeaderValue::from);
        lines.remove(header::CONTENT_LENGTH);
        match self.place.filter(|place| place.is_protected()) {
            Some(place) => self.judged(http, place, &head, lines, length).await,
            None => self.unread(http, &head, lines, length).await,
        }
    }

    /// Reads on until the head is that of the real answer.
    async fn final_head(&self, http: &mut HttpSession) -> Result<ResponseHeader, Stop> {
        for _ in 0..INFORMATIONAL {
            let head = http.resp_header().cloned().ok_or_else(malformed)?;
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                let says = "the upstream changes the protocol, and nobody asked it to";
                return Err(Refusal::new(Fault::Upstream, "upgrade", says).into());
            }
            if !head.status.is_informational() {
                return Ok(head);
            }
            let unread = !self.place.is_some_and(Place::is_protected);
            if head.status == StatusCode::EARLY_HINTS && unread && self.speaks == Speaks::Http11 {
                let mut lines = head.headers.clone();
                headers::strip(&mut lines).map_err(of_answer)?;
                lines.remove(header::CONTENT_LENGTH);
                let hints = assembled(&head, &lines)?;
                self.send(Answer::Informational(Box::new(hints))).await?;
            }
            http.read_response().await.map_err(|error| upstream_failed(&error))?;
        }
        let says = "too many informational answers";
        Err(Refusal::new(Fault::Upstream, "malformed-answer", says).into())
    }

    /// An answer without rules passes as it comes, in its own framing.
    async fn unread(
        &self,
        http: &mut HttpSession,
        head: &ResponseHeader,
        mut lines: HeaderMap,
        length: Option<HeaderValue>,
    ) -> Result<(), Stop> {
        self.sign(&mut lines, None);
        let framed = length.is_some();
        lines.extend(length.map(|length| (header::CONTENT_LENGTH, length)));
        if http.is_body_done() {
            if !framed && self.may_have_body(head) {
                lines.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
            }
            let head = Box::new(assembled(head, &lines)?);
            return self.send(Answer::Whole(head, Bytes::new())).await;
        }
        let chunked = head.headers.contains_key(header::TRANSFER_ENCODING);
        let close = !framed && (!chunked || self.speaks == Speaks::Http10);
        if !framed && !close && self.speaks == Speaks::Http11 {
            lines.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let head = Box::new(assembled(head, &lines)?);
        self.send(Answer::Head { head, close }).await?;
        while let Some(bytes) = read(http).await? {
            self.send(Answer::Piece(bytes)).await?;
        }
        self.send(Answer::End).await
    }

    /// An answer of a protected place: nothing of it leaves before the guard has seen it.
    async fn judged(
        mut self,
        http: &mut HttpSession,
        place: &Place,
        head: &ResponseHeader,
        mut lines: HeaderMap,
        length: Option<HeaderValue>,
    ) -> Result<(), Stop> {
        if head.status == StatusCode::PARTIAL_CONTENT {
            let says = "the upstream answers with a part, and nobody asked for one";
            return Err(Refusal::new(Fault::Upstream, "range", says).into());
        }
        headers::strip_of_bytes(&mut lines);
        let mut texts = Texts::of_headers(place, &lines).map_err(of_answer)?;
        let bodiless = http.is_body_done();
        let Some(crossing) = self.pending.take() else {
            return self.unattributed(head, lines, bodiless && texts.is_empty()).await;
        };
        let crossing = self.down.insert(crossing);
        self.site.guard.admit(crossing).await?;
        if bodiless || place.body.is_none() {
            let count = transform(&*self.site.guard, crossing, &mut texts, &mut []).await;
            let count = count.map_err(of_answer)?;
            texts.write_back(place, &mut lines, None).map_err(of_answer)?;
            forbid_store(&mut lines, count > 0);
            let notices = notices(&self.told, self.down.as_ref());
            self.sign(&mut lines, notices);
            if bodiless {
                if self.may_have_body(head) {
                    lines.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
                }
                let head = Box::new(assembled(head, &lines)?);
                return self.send(Answer::Whole(head, Bytes::new())).await;
            }
            return self.unread(http, head, lines, length).await;
        }
        self.body(http, place, head, lines, texts).await
    }

    /// The answer to a preflight: it has no principal, so it may hold no value.
    async fn unattributed(
        &self,
        head: &ResponseHeader,
        mut lines: HeaderMap,
        bare: bool,
    ) -> Result<(), Stop> {
        if !bare {
            let says = "the answer to a preflight holds a body or a selected header";
            return Err(Refusal::new(Fault::Upstream, "preflight-with-values", says).into());
        }
        self.sign(&mut lines, None);
        if self.may_have_body(head) {
            lines.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
        }
        let head = Box::new(assembled(head, &lines)?);
        self.send(Answer::Whole(head, Bytes::new())).await
    }

    /// Takes a body apart, has it judged, and hands it out: whole where it can be held,
    /// else in pieces.
    async fn body(
        self,
        http: &mut HttpSession,
        place: &Place,
        head: &ResponseHeader,
        mut lines: HeaderMap,
        mut texts: Texts,
    ) -> Result<(), Stop> {
        let limits = &self.site.config.limits;
        let guard = &*self.site.guard;
        let mut body = self.open(place, &lines)?;
        let mut pieces = Vec::new();
        let mut over = false;
        while !over && body.decoded() <= limits.buffer_bytes.0 {
            match read(http).await? {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => {
                    body::is_json(&lines).map_err(of_answer)?;
                    body.push(&bytes, &mut pieces).map_err(of_answer)?;
                }
                None => over = true,
            }
        }
        if over {
            body.finish(&mut pieces).map_err(of_answer)?;
        }
        let crossing = self.down.as_mut().ok_or_else(malformed)?;
        let count = transform(guard, crossing, &mut texts, &mut pieces).await;
        let count = count.map_err(of_answer)?;
        texts.write_back(place, &mut lines, None).map_err(of_answer)?;
        let first = Bytes::from(joined(place, pieces).map_err(of_answer)?);
        forbid_store(&mut lines, count > 0 || !over);
        lines.remove(header::CONTENT_ENCODING);
        let told = notices(&self.told, Some(crossing));
        sign(&mut lines, self.id, told);
        if over {
            lines.insert(header::CONTENT_LENGTH, HeaderValue::from(first.len()));
            let head = Box::new(assembled(head, &lines)?);
            return send(&self.out, Answer::Whole(head, first)).await;
        }
        if self.speaks == Speaks::Http11 {
            lines.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let head = Box::new(assembled(head, &lines)?);
        send(&self.out, Answer::Head { head, close: false }).await?;
        send(&self.out, Answer::Piece(first)).await?;
        self.rest(http, place, body).await
    }

    /// The rest of a body that could not be held.
    async fn rest(self, http: &mut HttpSession, place: &Place, mut body: Body) -> Result<(), Stop> {
        let crossing = self.down.as_mut().ok_or_else(malformed)?;
        let mut over = false;
        while !over {
            let mut pieces = Vec::new();
            match read(http).await? {
                Some(bytes) => body.push(&bytes, &mut pieces).map_err(of_answer)?,
                None => {
                    over = true;
                    body.finish(&mut pieces).map_err(of_answer)?;
                }
            }
            let mut none = Texts::default();
            let done = transform(&*self.site.guard, crossing, &mut none, &mut pieces).await;
            done.map_err(of_answer)?;
            let bytes = joined(place, pieces).map_err(of_answer)?;
            if !bytes.is_empty() {
                send(&self.out, Answer::Piece(bytes.into())).await?;
            }
        }
        send(&self.out, Answer::End).await
    }

    fn open(&self, place: &Place, lines: &HeaderMap) -> Result<Body, Refusal> {
        let program: &Arc<_> = place.body.as_ref().ok_or_else(malformed)?;
        let coding: Coding = body::coding(lines).map_err(of_answer)?;
        let most = self.site.config.limits.body_bytes.0;
        let json = Json::new(Arc::clone(program), self.site.json_limits());
        Ok(Body::new(coding, json, &place.rules, most))
    }

    fn may_have_body(&self, head: &ResponseHeader) -> bool {
        *self.method != Method::HEAD
            && !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    fn sign(&self, lines: &mut HeaderMap, notices: Option<HeaderValue>) {
        sign(lines, self.id, notices);
    }

    async fn send(&self, answer: Answer) -> Result<(), Stop> {
        send(&self.out, answer).await
    }
}

/// What an upstream connection that failed means for the client.
pub(super) fn upstream_failed(error: &pingora_error::Error) -> Refusal {
    match error.etype {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
            let says = "the upstream did not answer in time";
            Refusal::new(Fault::UpstreamTimeout, "upstream-timeout", says)
        }
        ErrorType::InvalidHTTPHeader => malformed(),
        _ => {
            let says = "the upstream closed the connection, or its answer is malformed";
            Refusal::new(Fault::Upstream, "upstream-failed", says)
        }
    }
}

async fn send(out: &Sender<Answer>, answer: Answer) -> Result<(), Stop> {
    out.send(answer).await.map_err(|_| Stop::ClientGone)
}

async fn read(http: &mut HttpSession) -> Result<Option<Bytes>, Refusal> {
    http.read_body_bytes().await.map_err(|error| upstream_failed(&error))
}

fn sign(lines: &mut HeaderMap, id: RequestId, notices: Option<HeaderValue>) {
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        lines.insert("allonym-request", id);
    }
    if let Some(notices) = notices {
        lines.insert("allonym-notice", notices);
    }
}

/// `email; purpose-required, card_number; budget-spent`.
fn notices(told: &[Notice], crossing: Option<&Crossing>) -> Option<HeaderValue> {
    let notices = told.iter().chain(crossing.into_iter().flat_map(|down| &down.notices));
    let told: Vec<String> =
        notices.map(|notice| format!("{}; {}", notice.class, notice.reason)).collect();
    if told.is_empty() { None } else { HeaderValue::from_str(&told.join(", ")).ok() }
}

/// What is revealed to one must not be kept for another.
fn forbid_store(lines: &mut HeaderMap, revealed: bool) {
    if revealed {
        headers::strip_of_caches(lines);
        lines.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn assembled(head: &ResponseHeader, lines: &HeaderMap) -> Result<ResponseHeader, Refusal> {
    let failed = |_| malformed();
    let mut out = ResponseHeader::build_no_case(head.status, Some(lines.len())).map_err(failed)?;
    for (name, value) in lines {
        out.append_header(name.clone(), value.clone()).map_err(failed)?;
    }
    Ok(out)
}

fn malformed() -> Refusal {
    Refusal::new(Fault::Upstream, "malformed-answer", "the upstream's answer is malformed")
}
