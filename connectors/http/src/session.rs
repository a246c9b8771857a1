//! The life of one exchange.
//!
//! ```text
//!   client                        this connector                          upstream
//!     │  head ──▶ deadline ─▶ Site pinned ─▶ target read once ─▶ place       │
//!     │                         │                                            │
//!     │                         ├─ Guard::identify   who is it?              │
//!     │                         ├─ Guard::admit      may it pass?            │
//!     │  body ──▶ read whole ───┤                                            │
//!     │           (up to        ├─ Guard::transform  protect                 │
//!     │        buffer_bytes)    └──────────────────────── first byte ──────▶ │
//!     │                                                                      │
//!     │  ┌ client side ┐   bounded    ┌ request writer ┐                     │
//!     │ ─┤ reads body  ├───queue────▶ ┤ protects       ├──── the rest ─────▶ │
//!     │ ◀┤ writes      │◀──queue───── ┤ answer reader  ├◀─── head, body ──── │
//!     │  └─────────────┘              └ reveals, masks ┘                     │
//!     │                         Guard::close, for both crossings             │
//! ```
//!
//! The client side, the request writer and the answer reader run beside each other in
//! one task: none of them waits for another except through its queue, so an upstream
//! that answers while it is still being written to, or a client that reads late, cannot
//! bring the exchange to a stop. What is wrong before a head was sent becomes an error
//! answer; what is wrong after it cuts the connection without an end, so that nobody can
//! take a part for the whole.

mod checks;
mod credentials;
mod headers;
mod relay;
mod request;
mod response;

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use allonym_contract::{Crossing, Fault, Principal, Refusal, RequestId};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::Version;
use pingora_core::apps::{
    HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream,
};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::access_log::{AccessLog, AccessRecord};
use crate::metrics::{Finished, Metrics, method_label};
use crate::place::{Place, Site};
use crate::refusal;
use crate::stream::LinkState;

/// How long an unread request body is read on before the connection is closed: closed
/// at once, the answer could be lost to a reset.
const LINGER: Duration = Duration::from_secs(2);

/// One connection of a client.
pub(crate) struct Conversation {
    pub(crate) site: Arc<ArcSwap<Site>>,
    pub(crate) metrics: Metrics,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) link: Arc<LinkState>,
    /// Ends exchanges that a drain cannot wait for.
    pub(crate) cut: watch::Receiver<bool>,
    pub(crate) client: Client,
    pub(crate) options: HttpServerOptions,
}

/// Where the client is, and how it came.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    pub(crate) tls: bool,
}

/// One request and its answer.
pub(crate) struct Exchange {
    site: Arc<Site>,
    id: RequestId,
    client: Client,
    link: Arc<LinkState>,
    place: Option<Arc<Place>>,
    principal: Option<Arc<Principal>>,
    /// The crossing toward the upstream, and the one toward the client.
    up: Option<Crossing>,
    down: Option<Crossing>,
    began: Instant,
    times: Times,
    /// Whether the head of an answer may have left: from then on a fault cuts it.
    begun: AtomicBool,
}

#[derive(Default)]
struct Times {
    protected: Option<Duration>,
    answered: Option<Duration>,
}

/// Why an exchange ends early.
pub(crate) enum Stop {
    Refused(Refusal),
    /// The client has left, or takes nothing.
    ClientGone,
}

/// How an exchange ended.
enum End {
    /// The answer is complete.
    Complete,
    /// A refusal was the answer.
    Refused(Refusal),
    /// The answer was cut.
    Cut(Refusal),
    /// Nobody is there to answer.
    ClientGone,
}

#[async_trait]
impl HttpServerApp for Conversation {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !self.read_head(&mut session, shutdown).await {
            return None;
        }
        let site = self.site.load_full();
        let _active = self.metrics.active(&site.connector);
        // Without randomness there is no id, and what cannot be named is not served.
        let id = RequestId::random().ok()?;
        session.set_write_timeout(Some(site.config.limits.write_timeout.0));
        session.set_read_timeout(Some(site.config.limits.body_timeout.0));
        session.set_total_drain_timeout(Some(LINGER));
        let mut exchange = Exchange::new(site, id, self.client, Arc::clone(&self.link));
        let connector = Arc::clone(&exchange.site.connector);
        let end = self.ended(&connector, exchange.run(&mut session, shutdown)).await;
        let record = exchange.record(&mut session, &end);
        // Recorded first: the client may take its time.
        exchange.close(&end).await;
        self.tell(exchange.place.as_deref(), &record);
        exchange.finish(session, &end, shutdown).await
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

impl Conversation {
    /// How an exchange ends: by itself, by a defect, or because the drain is over. Its
    /// crossings are there to be closed whichever it is.
    async fn ended(&self, connector: &Arc<str>, running: impl Future<Output = End> + Send) -> End {
        let mut running = std::pin::pin!(running);
        let caught = std::future::poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
            polled.unwrap_or_else(|_| {
                self.metrics.panicked(connector);
                let refusal = Refusal::new(Fault::Unavailable, "internal", "a defect of ours");
                Poll::Ready(End::Cut(refusal))
            })
        });
        let mut cut = self.cut.clone();
        tokio::select! {
            biased;
            end = caught => end,
            _ = cut.wait_for(|cut| *cut) => {
                let says = "the gateway stops, and limits.drain_timeout is over";
                End::Cut(Refusal::new(Fault::Unavailable, "shutdown", says))
            }
        }
    }

    /// Reads a head, or tells why there is none to serve.
    async fn read_head(&self, session: &mut ServerSession, shutdown: &ShutdownWatch) -> bool {
        self.link.hold(false);
        if session.is_http2() {
            self.link.head_is_read();
            return true;
        }
        if !*shutdown.borrow() {
            session.set_keepalive(Some(0));
        }
        self.link.await_head();
        let read = {
            let mut shutdown = shutdown.clone();
            let mut reading = std::pin::pin!(session.read_request());
            tokio::select! {
                biased;
                read = &mut reading => read,
                () = async { drop(shutdown.wait_for(|stop| *stop).await) } => {
                    if self.link.is_idle() {
                        return false;
                    }
                    reading.await
                }
            }
        };
        self.link.head_is_read();
        match read {
            Ok(found) => found,
            Err(_) => {
                self.refuse_head(session).await;
                false
            }
        }
    }

    /// Answers a head that could not be read; the connection ends with it.
    async fn refuse_head(&self, session: &mut ServerSession) {
        let says = "the head of the request is malformed, too large or too slow";
        let refusal = Refusal::new(Fault::Malformed, "malformed-head", says);
        let Ok(id) = RequestId::random() else { return };
        if let Ok((head, body)) = refusal::answer(&refusal, id) {
            // The connection is closed whether this arrives or not.
            let _ = session.write_error_response(head, Bytes::from(body)).await;
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = AccessRecord {
            time: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            request: id.to_string(),
            connector: Arc::clone(&self.site.load().connector),
            place: None,
            method: "_OTHER",
            status: 400,
            duration_us: 0,
            protect_us: None,
            upstream_us: None,
            bytes_in: 0,
            bytes_out: 0,
            principal: None,
            refusal: Some(refusal.rule),
            cut: false,
        };
        self.tell(None, &record);
    }

    fn tell(&self, place: Option<&Place>, record: &AccessRecord) {
        self.metrics.finished(&Finished {
            connector: &record.connector,
            method: record.method,
            route: place.map(|place| &*place.route),
            status: record.status,
            seconds: Duration::from_micros(record.duration_us).as_secs_f64(),
            received: record.bytes_in,
            sent: record.bytes_out,
            refusal: record.refusal,
            aborted: record.cut && record.refusal.is_some(),
        });
        if let Some(log) = &self.access_log {
            log(record);
        }
    }
}

impl Exchange {
    fn new(site: Arc<Site>, id: RequestId, client: Client, link: Arc<LinkState>) -> Self {
        Self {
            site,
            id,
            client,
            link,
            place: None,
            principal: None,
            up: None,
            down: None,
            began: Instant::now(),
            times: Times::default(),
            begun: AtomicBool::new(false),
        }
    }

    /// Serves the request; a refusal becomes an answer where there is none yet.
    async fn run(&mut self, session: &mut ServerSession, shutdown: &ShutdownWatch) -> End {
        let patience = self.site.config.limits.request_timeout.0;
        let refusal = match timeout(patience, self.serve(session, shutdown)).await {
            Ok(Ok(())) => return End::Complete,
            Ok(Err(Stop::ClientGone)) => return End::ClientGone,
            Ok(Err(Stop::Refused(refusal))) => refusal,
            Err(_) => {
                let says = "the exchange took longer than limits.request_timeout";
                Refusal::new(Fault::UpstreamTimeout, "request-timeout", says)
            }
        };
        self.link.hold(false);
        if self.begun.load(Ordering::Relaxed) {
            return End::Cut(refusal);
        }
        if !session.is_body_done() || *shutdown.borrow() {
            session.set_keepalive(None);
        }
        match self.answer(session, &refusal).await {
            Ok(()) => End::Refused(refusal),
            Err(_) => End::ClientGone,
        }
    }

    async fn answer(
        &self,
        session: &mut ServerSession,
        refusal: &Refusal,
    ) -> pingora_error::Result<()> {
        let (head, body) = refusal::answer(refusal, self.id)?;
        self.link.hold(true);
        session.write_response_header(Box::new(head)).await?;
        session.write_response_body(Bytes::from(body), true).await?;
        self.link.hold(false);
        Ok(())
    }

    /// Ends the exchange on the wire; a connection that may serve again is returned.
    async fn finish(
        &self,
        mut session: ServerSession,
        end: &End,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        match end {
            End::Cut(_) | End::ClientGone => {
                // The connection or the stream ends without an end of the message.
                session.shutdown().await;
                return None;
            }
            End::Complete | End::Refused(_) => {}
        }
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        if !session.is_body_done() {
            // What it still sends is thrown away; a client that keeps sending is cut off,
            // and so is one whose body has no end that can be found.
            if session.drain_request_body().await.is_err() {
                session.set_keepalive(None);
            }
        }
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok().flatten()?;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }

    /// Both crossings are over.
    async fn close(&mut self, end: &End) {
        let gone = Refusal::new(Fault::Malformed, "client-gone", "the client left");
        let result = match end {
            End::Complete => Ok(()),
            End::Refused(refusal) | End::Cut(refusal) => Err(refusal),
            End::ClientGone => Err(&gone),
        };
        for crossing in [self.up.take(), self.down.take()].into_iter().flatten() {
            self.site.guard.close(crossing, result).await;
        }
    }

    fn record(&self, session: &mut ServerSession, end: &End) -> AccessRecord {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began = now.saturating_sub(self.began.elapsed());
        let (refusal, cut) = match end {
            End::Complete => (None, false),
            End::Refused(refusal) => (Some(refusal.rule), false),
            End::Cut(refusal) => (Some(refusal.rule), true),
            End::ClientGone => (None, true),
        };
        AccessRecord {
            time: u64::try_from(began.as_millis()).unwrap_or(u64::MAX),
            request: self.id.to_string(),
            connector: Arc::clone(&self.site.connector),
            place: self.place.as_ref().map(|place| Arc::clone(&place.name)),
            method: method_label(&session.req_header().method),
            status: session.response_written().map_or(0, |head| head.status.as_u16()),
            duration_us: micros(self.began.elapsed()),
            protect_us: self.times.protected.map(micros),
            upstream_us: self.times.answered.map(micros),
            bytes_in: session.body_bytes_read() as u64,
            bytes_out: session.body_bytes_sent() as u64,
            principal: self.principal.as_ref().map(|principal| principal.name.clone()),
            refusal,
            cut,
        }
    }

    /// Whether values are selected where this request goes.
    fn is_protected(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.is_protected())
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Whether the client understands chunks and informational answers.
fn is_modern(session: &ServerSession) -> bool {
    session.req_header().version >= Version::HTTP_11
}
