//! The relay: bytes from one socket to the other, as they came. It reads headers, and
//! the few bodies that say what is under way.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use allonym_contract::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::cancel::Cancellable;
use crate::session::portals::Portals;
use crate::wire::WireError;
use crate::wire::frame::{Event, Flow, HEADER, Scanner, Wanted};
use crate::wire::replies::{Replies, TransactionStatus};
use crate::wire::statement::LOOKED_AT;
use crate::worker::{Desk, End, Stage, Vitals};

/// How often bytes are moved before others have their turn.
const TURNS: usize = 32;

/// What is seen of a statement, in bytes: a name, and more than is looked at of its text,
/// so that a text that goes on can be told from one that ends.
const STATEMENT: u32 = LOOKED_AT as u32 + 128;

/// A session whose login is done.
pub(crate) struct Relay {
    pub(crate) client: Leg,
    pub(crate) server: Leg,
    replies: Replies,
    /// Unanswered requests from which on the client waits.
    pipeline: usize,
    portals: Portals,
    cancellable: Option<Cancellable>,
    desk: Rc<Desk>,
    vitals: Rc<Vitals>,
    /// Whether the client said that it is leaving.
    leaving: bool,
    /// Whether the server was told that nothing more comes.
    shut: bool,
    /// Whether it counts as one that waits for the server.
    waiting: bool,
}

/// One side: its socket, where its messages begin, and what it has not taken yet.
pub(crate) struct Leg {
    pub(crate) stream: Stream,
    scanner: Scanner,
    pending: Vec<u8>,
    taken: usize,
    /// Whether TLS holds records back that the socket did not take.
    unflushed: bool,
    /// Whether it has taken something since this was looked at.
    took: bool,
    /// The tick since when it takes nothing, although there is something for it.
    stalled: Option<u64>,
    /// Whether a part of a message went on whose rest never will.
    torn: bool,
    closed: bool,
}

/// Why a relay ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The client left, with or without a word.
    Client,
    /// The server did.
    Server,
    /// A socket failed.
    Broken,
    /// One side said what the protocol does not know.
    Wire(WireError),
    /// The gateway ends it.
    By(End),
}

/// Which bodies of the client are looked at: names of statements and portals, and the
/// first words of statements.
pub(crate) fn wanted_of_client() -> Wanted {
    Wanted::nothing()
        .and(b'Q', STATEMENT)
        .and(b'P', STATEMENT)
        .and(b'B', 256)
        .and(b'E', 128)
        .and(b'C', 128)
}

/// Of the server: only its readiness.
pub(crate) fn wanted_of_server() -> Wanted {
    Wanted::nothing().and(b'Z', 1)
}

impl Leg {
    pub(crate) fn new(stream: Stream, scanner: Scanner) -> Self {
        Self {
            stream,
            scanner,
            pending: Vec::new(),
            taken: 0,
            unflushed: false,
            took: false,
            stalled: None,
            torn: false,
            closed: false,
        }
    }

    /// Whether the last byte that was passed on of what it says ended a message.
    fn is_at_border(&self) -> bool {
        self.scanner.is_at_border() && !self.torn
    }

    /// Since when it takes nothing. Who is slow, and takes a little now and then, is not
    /// stalled.
    fn stalled_since(&mut self, now: u64) -> Option<u64> {
        if !self.owes() {
            self.stalled = None;
        } else if self.took || self.stalled.is_none() {
            self.stalled = Some(now);
        }
        self.took = false;
        self.stalled
    }

    fn owes(&self) -> bool {
        self.taken < self.pending.len() || self.unflushed
    }

    /// Writes what it has not taken. Room that was needed once is given back.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.pending.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.taken += count;
                    self.took = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.pending = Vec::new();
        self.taken = 0;
        self.poll_flush(cx)
    }

    /// Writes, and keeps what it does not take now.
    fn poll_give(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    rest = rest.get(count..).unwrap_or_default();
                    self.took = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.pending.extend_from_slice(rest);
                    return Ok(());
                }
            }
        }
        match self.poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// TLS keeps records back until it is asked for them; a plain socket has none.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.stream.is_tls() {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.unflushed = flushed.is_pending();
        flushed
    }
}

impl Relay {
    pub(crate) fn new(
        client: Leg,
        server: Leg,
        pipeline: usize,
        cancellable: Option<Cancellable>,
        (desk, vitals): (Rc<Desk>, Rc<Vitals>),
    ) -> Self {
        // One read may hold more requests than are left of the pipeline.
        let replies = Replies::new(pipeline.saturating_add(Desk::REQUESTS));
        let (portals, leaving, shut) = (Portals::default(), false, false);
        Self {
            client,
            server,
            replies,
            pipeline,
            portals,
            cancellable,
            desk,
            vitals,
            leaving,
            shut,
            waiting: false,
        }
    }

    /// Whether the client can be told something: not in the middle of what the server says.
    pub(crate) fn can_tell_client(&self) -> bool {
        self.server.is_at_border() && !self.client.owes()
    }

    /// Whether the server can be told something: not in the middle of what the client says.
    pub(crate) fn can_tell_server(&self) -> bool {
        self.client.is_at_border() && !self.server.owes()
    }

    /// Whether something was asked that is not answered yet, or a transaction is open.
    pub(crate) fn is_under_way(&self) -> bool {
        self.vitals.under_way.get()
    }

    /// Relays until one side leaves.
    pub(crate) async fn run(&mut self) -> Ended {
        let vitals = Rc::clone(&self.vitals);
        let desk = Rc::clone(&self.desk);
        let _watched = desk.watch(&vitals);
        poll_fn(|cx| {
            let mut waker = vitals.waker.borrow_mut();
            if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            drop(waker);
            self.poll(cx)
        })
        .await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        for _ in 0..TURNS {
            let up = match self.poll_up(cx) {
                Ok(moved) => moved,
                Err(ended) => return Poll::Ready(ended),
            };
            let down = match self.poll_down(cx) {
                Ok(moved) => moved,
                Err(ended) => return Poll::Ready(ended),
            };
            if !up && !down {
                self.note();
                return self.over().map_or(Poll::Pending, Poll::Ready);
            }
        }
        // Bytes that never pause are no reason not to look up.
        self.note();
        match self.over() {
            Some(ended) => Poll::Ready(ended),
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// From the client to the server. Whether something moved.
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        if self.server.owes() {
            match self.server.poll_drain(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Err(Ended::Broken),
                Poll::Pending => return Ok(false),
            }
        }
        // What was asked before the client left is still answered.
        if self.client.closed && !self.shut {
            match Pin::new(&mut self.server.stream).poll_shutdown(cx) {
                Poll::Ready(_) => self.shut = true,
                Poll::Pending => return Ok(false),
            }
        }
        // Too much is unanswered: the client waits for the server to answer.
        if self.client.closed || self.leaving || self.replies.in_flight() >= self.pipeline {
            return Ok(false);
        }
        let desk = Rc::clone(&self.desk);
        let mut buffer = desk.buffer.borrow_mut();
        let Some(read) = read(&mut self.client.stream, cx, &mut buffer)? else { return Ok(false) };
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            self.client.closed = true;
            return Ok(true);
        };
        let began = Instant::now();
        let (sound, judged) = self.scan_up(bytes);
        let sent = self.server.poll_give(cx, bytes.get(..sound).unwrap_or_default());
        desk.tally.added(began.elapsed());
        desk.tally.client_sent(read);
        self.vitals.heard.set(desk.now());
        sent.map_err(|_| Ended::Broken)?;
        judged.map_err(Ended::Wire)?;
        Ok(true)
    }

    /// From the server to the client. Whether something moved.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        if self.client.owes() {
            match self.client.poll_drain(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Err(Ended::Broken),
                Poll::Pending => return Ok(false),
            }
        }
        if self.server.closed {
            return Ok(false);
        }
        let desk = Rc::clone(&self.desk);
        let mut buffer = desk.buffer.borrow_mut();
        let Some(read) = read(&mut self.server.stream, cx, &mut buffer)? else { return Ok(false) };
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            self.server.closed = true;
            return Ok(true);
        };
        let began = Instant::now();
        let (sound, judged) = self.scan_down(bytes);
        let sent = self.client.poll_give(cx, bytes.get(..sound).unwrap_or_default());
        desk.tally.added(began.elapsed());
        desk.tally.server_sent(read);
        sent.map_err(|_| Ended::Broken)?;
        judged.map_err(Ended::Wire)?;
        Ok(true)
    }

    /// How many bytes are sound, and what is wrong with the next.
    fn scan_up(&mut self, bytes: &[u8]) -> (usize, Result<(), WireError>) {
        let Self { client, replies, portals, desk, leaving, .. } = self;
        // Of the first header some bytes may have been forwarded before.
        let (mut sound, mut header) = (0, HEADER - client.scanner.unfinished().len());
        let walked = client.scanner.scan(bytes, |event| {
            if let Event::Message { tag, end, body, .. } = event {
                replies.frontend(tag, 0)?;
                if let Some(class) = portals.statement(tag, body) {
                    desk.tally.statement(class);
                }
                (sound, header) = (end, HEADER);
                if tag == b'X' {
                    *leaving = true;
                    return Ok(Flow::Stop);
                }
            }
            Ok::<_, WireError>(Flow::Continue)
        });
        match walked {
            // What begins a message that goes on later is forwarded too.
            Ok(walked) => (walked, Ok(())),
            Err(error @ WireError::TooLong { .. }) => (sound, Err(error)),
            // The server says what is wrong with its header, in its turn, and closes.
            Err(_) => {
                (*leaving, client.torn) = (true, true);
                (bytes.len().min(sound + header), Ok(()))
            }
        }
    }

    fn scan_down(&mut self, bytes: &[u8]) -> (usize, Result<(), WireError>) {
        let Self { server, replies, portals, .. } = self;
        let mut sound = 0;
        let walked = server.scanner.scan(bytes, |event| {
            if let Event::Message { tag, end, body, .. } = event {
                replies.backend(tag, body)?;
                if tag == b'Z' && replies.status() == TransactionStatus::Idle {
                    portals.transaction_over();
                }
                sound = end;
            }
            Ok::<_, WireError>(Flow::Continue)
        });
        match walked {
            Ok(walked) => (walked, Ok(())),
            Err(error) => (sound, Err(error)),
        }
    }

    /// Tells others how it is: who cancels, and who looks at the clock.
    fn note(&mut self) {
        let idle = self.replies.is_idle();
        self.wait(!idle);
        if let Some(cancellable) = &self.cancellable {
            cancellable.note(!idle);
        }
        // An answer is under way until it was taken.
        let owed = self.client.owes() || self.server.owes();
        let open = self.replies.status() != TransactionStatus::Idle;
        self.vitals.under_way.set(!idle || open || owed);
        let now = self.desk.now();
        let legs = [&mut self.client, &mut self.server].into_iter();
        self.vitals.stalled.set(legs.filter_map(|leg| leg.stalled_since(now)).min());
        if self.leaving || self.client.closed {
            // What was asked before is still answered, however long that takes.
            let parted = self.replies.in_flight() == 0 && !self.client.owes();
            let since = self.vitals.parted.get().unwrap_or(now);
            self.vitals.parted.set(parted.then_some(since));
        }
    }

    fn wait(&mut self, waiting: bool) {
        if waiting != self.waiting {
            self.waiting = waiting;
            let pauses = &self.desk.pauses;
            if waiting { pauses.asked() } else { pauses.answered() }
        }
    }

    /// Whether it is over.
    fn over(&self) -> Option<Ended> {
        if self.vitals.end.get().is_some() {
            // Bytes may have come since the worker looked.
            let end = self.vitals.overdue(self.desk.now());
            self.vitals.end.set(end);
            if let Some(end) = end {
                return Some(Ended::By(end));
            }
        }
        if self.server.closed && !self.client.owes() {
            let left = self.client.closed || self.leaving;
            return Some(if left { Ended::Client } else { Ended::Server });
        }
        match self.desk.stage.get() {
            Stage::Serving => None,
            Stage::Draining if self.vitals.under_way.get() => None,
            Stage::Draining | Stage::Over => Some(Ended::By(End::Shutdown)),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.wait(false);
    }
}

/// Reads what there is; nothing if there is nothing yet.
fn read(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Result<Option<usize>, Ended> {
    let mut room = ReadBuf::new(buffer);
    match Pin::new(stream).poll_read(cx, &mut room) {
        Poll::Ready(Ok(())) => Ok(Some(room.filled().len())),
        // Many leave without a word of TLS.
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(0)),
        Poll::Ready(Err(_)) => Err(Ended::Broken),
        Poll::Pending => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{Duration, timeout};

    use super::*;
    use crate::metrics::Tally;
    use crate::wire::Side;
    use crate::worker::pauses::Pauses;

    /// A leg, and the other side of its socket.
    async fn leg(side: Side, wanted: Wanted) -> (Leg, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        (Leg::new(Stream::Plain(socket), Scanner::new(side, u32::MAX, Arc::new(wanted))), other)
    }

    #[tokio::test]
    async fn who_speaks_at_the_last_moment_was_not_idle() {
        let (client, mut asking) = leg(Side::Frontend, wanted_of_client()).await;
        let (server, mut answering) = leg(Side::Backend, wanted_of_server()).await;
        let desk = Rc::new(Desk::new(Tally::new(Arc::default()), Arc::new(Pauses::new())));
        let vitals = Rc::new(Vitals::default());
        vitals.idle_after.set(Some(1));
        vitals.stalled_after.set(u64::MAX);
        let vital = Rc::clone(&vitals);
        let mut relay = Relay::new(client, server, 4096, None, (Rc::clone(&desk), vitals));
        let mut run = std::pin::pin!(relay.run());
        let (soon, idle) = (Duration::from_millis(50), Duration::from_millis(600));
        assert!(timeout(soon, &mut run).await.is_err());
        tokio::time::sleep(idle).await;
        // The worker looks, and the statement is not read yet.
        asking.write_all(b"Q\0\0\0\x06;\0").await.unwrap();
        tokio::time::sleep(soon).await;
        desk.tick();
        assert_eq!(vital.end.get(), Some(End::Idle));
        let mut read = [0; 7];
        tokio::select! {
            ended = &mut run => panic!("{ended:?}"),
            count = answering.read_exact(&mut read) => assert_eq!(count.unwrap(), 7),
        }
        answering.write_all(b"I\0\0\0\x04Z\0\0\0\x05I").await.unwrap();
        assert!(timeout(soon, &mut run).await.is_err());
        // Who says nothing then is let go.
        tokio::time::sleep(idle).await;
        desk.tick();
        let ended = timeout(Duration::from_secs(20), run).await.unwrap();
        assert!(matches!(ended, Ended::By(End::Idle)), "{ended:?}");
    }
}
