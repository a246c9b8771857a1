//! Client side, request writer and answer reader, beside each other.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use allonym_contract::{Crossing, Direction, Fault, Ledger, Refusal};
use bytes::Bytes;
use http::Version;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_core::server::ShutdownWatch;
use pingora_error::ErrorType;
use pingora_http::RequestHeader;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::timeout;

use super::request::{Onward, OnwardBody, Pace, Rest, joined, transform};
use super::response::{Answer, AnswerReader, Speaks, upstream_failed};
use super::{Exchange, Stop, headers};
use crate::config::Limits;
use crate::place::{Place, Site};
use crate::record::Texts;
use crate::stream::{LinkState, UpstreamLink};

/// Pieces that may wait in a queue. A piece is what one read brings, 64 KiB at most
/// (the first piece of a long body: `buffer_bytes`).
const QUEUE: usize = 4;

/// What is written before the clock of a write timeout starts anew.
const PIECE: usize = 64 << 10;

/// A request body on its way.
type Writing = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// A part of the request body, on its way from the client side to the request writer.
enum Inbound {
    Piece(Bytes),
    End,
}

/// A request that has been sent, and the connection it went over.
struct Call {
    http: HttpSession,
    link: UpstreamLink,
    /// Whether all of the request was written.
    sent: bool,
    /// What is still to be written.
    writing: Option<Writing>,
}

impl Exchange {
    /// Serves the request whose head has been read.
    pub(super) async fn serve(
        &mut self,
        session: &mut ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Result<(), Stop> {
        let Onward { head, body, idempotent } = self.receive(session).await?;
        self.times.protected = Some(self.began.elapsed());
        let site = Arc::clone(&self.site);
        let place = self.place.clone();
        let place = place.as_deref();
        let pending = self.up.as_ref().map(toward_client);
        let (out, answers) = mpsc::channel(QUEUE);
        let (pieces, inbound) = mpsc::channel(QUEUE);
        let rest = matches!(body, OnwardBody::Rest(_));
        let reader = AnswerReader {
            site: &site,
            id: self.id,
            place,
            method: &head.method,
            speaks: speaks(session),
            pending,
            down: &mut self.down,
            began: self.began,
            answered: &mut self.times.answered,
            told: self.up.as_ref().map(|up| up.notices.clone()).unwrap_or_default(),
            out,
        };
        let client = ClientSide {
            session,
            link: &self.link,
            begun: &self.begun,
            limits: &site.config.limits,
            shutdown,
            answers,
            pieces: rest.then_some(pieces),
        };
        // The upstream's connection is free for others before a slow client has it all.
        match body {
            OnwardBody::Whole(body) => {
                let answered = async {
                    let mut call = call(&site, &head, &body, idempotent).await?;
                    call.answered(reader).await?;
                    call.end(&site, &head).await;
                    Ok(())
                };
                tokio::try_join!(answered, client.run())?;
            }
            OnwardBody::Rest(rest) => {
                let mut call = open(&site, &head).await?;
                let sent = AtomicBool::new(false);
                let writer = RequestWriter {
                    site: &site,
                    place,
                    crossing: self.up.as_mut(),
                    link: call.link.clone(),
                    inbound,
                    sent: &sent,
                };
                let answered = async {
                    let read = call.http.read_response().await;
                    read.map_err(|error| upstream_failed(&error))?;
                    reader.run(&mut call.http).await?;
                    call.sent = sent.load(Ordering::Relaxed);
                    call.end(&site, &head).await;
                    Ok(())
                };
                tokio::select! {
                    biased;
                    refusal = writer.run(rest) => return Err(refusal.into()),
                    done = async { tokio::try_join!(answered, client.run()) } => done?,
                };
            }
        }
        Ok(())
    }
}

/// Reads the request body and watches the client; writes the answer.
struct ClientSide<'a> {
    session: &'a mut ServerSession,
    link: &'a LinkState,
    begun: &'a AtomicBool,
    limits: &'a Limits,
    shutdown: &'a ShutdownWatch,
    answers: Receiver<Answer>,
    /// Where the rest of the request body goes, while there is any.
    pieces: Option<Sender<Inbound>>,
}

/// What the client did.
enum Heard {
    /// It sent a piece of its body.
    Piece,
    /// Its body is over, or nobody wants the rest.
    BodyOver,
    /// It sends the next request already: it will be answered on another connection.
    Pipelined,
}

impl ClientSide<'_> {
    async fn run(mut self) -> Result<(), Stop> {
        let mut pace = Pace::new(self.limits);
        let mut watch = true;
        loop {
            let heard = tokio::select! {
                biased;
                answer = self.answers.recv() => {
                    // The reader has stopped; its reason comes from the reader itself.
                    let Some(answer) = answer else { return pending().await };
                    if self.write(answer).await? {
                        return Ok(());
                    }
                    continue;
                }
                heard = hear(self.session, self.pieces.as_ref(), watch, &mut pace) => heard?,
            };
            match heard {
                Heard::Piece => {}
                Heard::BodyOver => self.pieces = None,
                Heard::Pipelined => {
                    watch = false;
                    self.session.set_keepalive(None);
                }
            }
        }
    }

    /// Writes a part of the answer; true after the last one.
    async fn write(&mut self, answer: Answer) -> Result<bool, Stop> {
        let session = &mut *self.session;
        let written = match answer {
            Answer::Informational(head) => {
                session.write_response_header(head).await.map(|()| false)
            }
            Answer::Whole(head, body) => {
                self.begin(false);
                self.link.hold(true);
                let head = self.session.write_response_header(head).await;
                let body = match head {
                    Ok(()) => put(self.session, body, true).await,
                    Err(error) => Err(error),
                };
                self.link.hold(false);
                body.map(|()| true)
            }
            Answer::Head { head, close } => {
                self.begin(close);
                self.session.write_response_header(head).await.map(|()| false)
            }
            Answer::Piece(bytes) => put(session, bytes, false).await.map(|()| false),
            Answer::End => put(session, Bytes::new(), true).await.map(|()| true),
        };
        written.map_err(|_| Stop::ClientGone)
    }

    /// From here on a fault cuts the answer.
    fn begin(&mut self, close: bool) {
        self.begun.store(true, Ordering::Relaxed);
        if close || *self.shutdown.borrow() {
            self.session.set_keepalive(None);
        }
    }
}

/// Writes in steps, so that a write timeout is about a step and not about a whole body.
async fn put(
    session: &mut ServerSession,
    mut bytes: Bytes,
    end: bool,
) -> pingora_error::Result<()> {
    while bytes.len() > PIECE {
        session.write_response_body(bytes.split_to(PIECE), false).await?;
    }
    session.write_response_body(bytes, end).await
}

/// Waits for the client: for more of its body, or for it to leave. Can be dropped and
/// called again without losing anything.
async fn hear(
    session: &mut ServerSession,
    pieces: Option<&Sender<Inbound>>,
    watch: bool,
    pace: &mut Pace,
) -> Result<Heard, Stop> {
    if let Some(pieces) = pieces {
        let Ok(permit) = pieces.reserve().await else {
            return Ok(Heard::BodyOver);
        };
        return match pace.read(session).await? {
            Some(bytes) => {
                permit.send(Inbound::Piece(bytes));
                Ok(Heard::Piece)
            }
            None => {
                permit.send(Inbound::End);
                Ok(Heard::BodyOver)
            }
        };
    }
    if !watch {
        return pending().await;
    }
    match session.read_body_or_idle(true).await {
        Err(error) if error.etype == ErrorType::ConnectError => Ok(Heard::Pipelined),
        _ => Err(Stop::ClientGone),
    }
}

/// Protects and writes the rest of a request body.
struct RequestWriter<'a> {
    site: &'a Site,
    place: Option<&'a Place>,
    crossing: Option<&'a mut Crossing>,
    link: UpstreamLink,
    inbound: Receiver<Inbound>,
    sent: &'a AtomicBool,
}

impl RequestWriter<'_> {
    /// Ends with a refusal only. When the upstream takes no more, its answer decides.
    async fn run(mut self, mut rest: Rest) -> Refusal {
        let first = std::mem::take(&mut rest.first);
        if self.write(&rest, &first).await.is_err() {
            return self.give_up().await;
        }
        loop {
            let (inbound, over) = match self.inbound.recv().await {
                Some(Inbound::Piece(bytes)) => (bytes, false),
                Some(Inbound::End) => (Bytes::new(), true),
                // The client side has ended: so has the exchange.
                None => return pending().await,
            };
            let bytes = match self.protect(&mut rest, inbound, over).await {
                Ok(bytes) => bytes,
                Err(refusal) => return refusal,
            };
            let mut written = self.write(&rest, &bytes).await;
            if over && written.is_ok() {
                written = self.end(&rest).await;
            }
            match written {
                Ok(()) if over => {
                    self.sent.store(true, Ordering::Relaxed);
                    return pending().await;
                }
                Ok(()) => {}
                Err(_) => return self.give_up().await,
            }
        }
    }

    async fn protect(
        &mut self,
        rest: &mut Rest,
        inbound: Bytes,
        over: bool,
    ) -> Result<Bytes, Refusal> {
        let (Some(body), Some(place)) = (&mut rest.body, self.place) else {
            return Ok(inbound);
        };
        let mut pieces = Vec::new();
        if over {
            body.finish(&mut pieces)?;
        } else {
            body.push(&inbound, &mut pieces)?;
        }
        let says = "the request has nobody to be protected for";
        let crossing = self.crossing.as_deref_mut();
        let crossing = crossing.ok_or_else(|| Refusal::new(Fault::Forbidden, "unlisted", says))?;
        transform(&*self.site.guard, crossing, &mut Texts::default(), &mut pieces).await?;
        joined(place, pieces).map(Bytes::from)
    }

    async fn write(&mut self, rest: &Rest, bytes: &[u8]) -> std::io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if !rest.chunked {
            return self.put(bytes).await;
        }
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.reserve(bytes.len() + 2);
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.put(&chunk).await
    }

    async fn end(&mut self, rest: &Rest) -> std::io::Result<()> {
        if rest.chunked { self.put(b"0\r\n\r\n").await } else { Ok(()) }
    }

    async fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let wait = self.site.config.limits.upstream_write_timeout.0;
        let link = &mut self.link;
        timeout(wait, async {
            link.write_all(bytes).await?;
            link.flush().await
        })
        .await?
    }

    /// The upstream takes no more: what it has to say comes from the answer reader.
    async fn give_up(mut self) -> Refusal {
        self.inbound.close();
        while self.inbound.recv().await.is_some() {}
        pending().await
    }
}

impl Call {
    /// Keeps the connection, if both messages came to their end and nobody is logged in
    /// on it.
    async fn end(mut self, site: &Site, head: &RequestHeader) {
        self.http.respect_keepalive();
        let bound = headers::binds_connection(&head.headers)
            || self.http.resp_header().is_none_or(|head| headers::binds_connection(&head.headers));
        if self.sent && !bound && self.http.reuse().await.is_some() {
            site.upstream.keep(self.link);
        }
    }

    /// Reads the answer; what is still to be written of the request is written meanwhile.
    async fn answered(&mut self, reader: AnswerReader<'_>) -> Result<(), Stop> {
        let Some(mut writing) = self.writing.take() else {
            return reader.run(&mut self.http).await;
        };
        let sent = &mut self.sent;
        tokio::select! {
            biased;
            done = reader.run(&mut self.http) => done,
            never = async {
                *sent = writing.as_mut().await.is_ok();
                pending().await
            } => never,
        }
    }
}

/// Sends a request that is held whole and reads the first head of its answer. A kept
/// connection that turns out to be dead is replaced once, where that is safe: not a
/// byte of an answer has come, and the request may be repeated. What is sent again are
/// the same, already protected bytes.
async fn call(
    site: &Site,
    head: &RequestHeader,
    body: &Bytes,
    idempotent: bool,
) -> Result<Call, Refusal> {
    let mut fresh = false;
    loop {
        let connection = site.upstream.connection(fresh).await?;
        let link = connection.link;
        let mut http = over(site, &link);
        link.hold(true);
        // Held back: nothing is on the wire yet.
        let begun = http.write_request_header(Box::new(head.clone())).await;
        begun.map_err(|error| upstream_failed(&error))?;
        let wait = site.config.limits.upstream_write_timeout.0;
        let mut writing: Writing = Box::pin(write(link.clone(), body.clone(), wait));
        // An upstream may answer before it has read everything, and close.
        let (written, read) = tokio::select! {
            biased;
            written = &mut writing => (Some(written), http.read_response().await),
            read = http.read_response() => (None, read),
        };
        let dead = link.received() == 0;
        let sent = matches!(written, Some(Ok(())));
        let writing = written.is_none().then_some(writing);
        let error = match read {
            Ok(_) => {
                return Ok(Call { http, link, sent, writing });
            }
            Err(error) => error,
        };
        let slow = matches!(error.etype, ErrorType::ReadTimedout | ErrorType::WriteTimedout);
        if !(connection.reused && !fresh && dead && idempotent && !slow) {
            return Err(upstream_failed(&error));
        }
        fresh = true;
    }
}

/// Writes a body behind a head that is held back, so that both leave together.
async fn write(mut link: UpstreamLink, body: Bytes, wait: Duration) -> std::io::Result<()> {
    for piece in body.chunks(PIECE) {
        timeout(wait, link.write_all(piece)).await??;
    }
    link.hold(false);
    timeout(wait, link.flush()).await?
}

/// Sends the head of a request whose body follows. Nothing of the body is lost if this
/// fails; later, a body that passed through cannot be sent again.
async fn open(site: &Site, head: &RequestHeader) -> Result<Call, Refusal> {
    let mut fresh = false;
    loop {
        let connection = site.upstream.connection(fresh).await?;
        let link = connection.link;
        let mut http = over(site, &link);
        match http.write_request_header(Box::new(head.clone())).await {
            Ok(_) => {
                return Ok(Call { http, link, sent: false, writing: None });
            }
            Err(_) if connection.reused && !fresh => fresh = true,
            Err(error) => return Err(upstream_failed(&error)),
        }
    }
}

fn over(site: &Site, link: &UpstreamLink) -> HttpSession {
    let limits = &site.config.limits;
    link.restart();
    let mut http = HttpSession::new(Box::new(link.clone()));
    http.read_timeout = Some(limits.upstream_read_timeout.0);
    http.write_timeout = Some(limits.upstream_write_timeout.0);
    http
}

fn speaks(session: &ServerSession) -> Speaks {
    match session.req_header().version {
        _ if session.is_http2() => Speaks::Http2,
        Version::HTTP_11 => Speaks::Http11,
        _ => Speaks::Http10,
    }
}

/// The crossing of the answer to a request.
fn toward_client(up: &Crossing) -> Crossing {
    Crossing {
        request: up.request,
        namespace: up.namespace,
        place: Arc::clone(&up.place),
        direction: Direction::ToClient,
        principal: Arc::clone(&up.principal),
        purpose: up.purpose.clone(),
        subject: up.subject.clone(),
        row: up.row,
        revision: up.revision,
        notices: Vec::new(),
        ledger: Ledger::default(),
    }
}
