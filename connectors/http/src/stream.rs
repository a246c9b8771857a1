//! The two ends of an exchange as byte streams.
//!
//! [`ClientLink`] adds what Pingora has no setting for: one deadline for the whole head
//! of a request, a bound on its size, and an end for clients that take nothing.
//! [`UpstreamLink`] can be held by two at a time, so that a request is still being
//! written while its answer is already being read.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use allonym_contract::Stream;
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What is held back until it is flushed, at most.
const HELD_BYTES: usize = 64 << 10;
/// Bytes that may come in one read with the end of a head.
const HEAD_SLACK: usize = 16 << 10;

/// A connection to a client.
pub(crate) struct ClientLink {
    socket: Stream,
    held: BytesMut,
    state: Arc<LinkState>,
    limits: LinkLimits,
    head_bytes: usize,
    reading: Option<(u8, Pin<Box<Sleep>>)>,
    stalled: Option<Pin<Box<Sleep>>>,
}

/// What the exchange tells the link beneath it.
#[derive(Default)]
pub(crate) struct LinkState {
    phase: AtomicU8,
    hold: AtomicBool,
}

/// How patient the link is.
#[derive(Clone, Copy)]
pub(crate) struct LinkLimits {
    pub(crate) idle: Duration,
    pub(crate) head: Duration,
    pub(crate) head_bytes: usize,
    pub(crate) write: Duration,
}

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const OPEN: u8 = 2;

impl LinkState {
    /// A new head may come.
    pub(crate) fn await_head(&self) {
        self.phase.store(IDLE, Ordering::Relaxed);
    }

    /// The head is here: from now on the exchange has its own deadlines.
    pub(crate) fn head_is_read(&self) {
        self.phase.store(OPEN, Ordering::Relaxed);
    }

    /// Whether nothing of a next request has come.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == IDLE
    }

    /// Holds written bytes back until they are flushed, so that head and body of an
    /// answer leave in one write.
    pub(crate) fn hold(&self, hold: bool) {
        self.hold.store(hold, Ordering::Relaxed);
    }
}

impl ClientLink {
    pub(crate) fn new(socket: Stream, state: Arc<LinkState>, limits: LinkLimits) -> Self {
        Self {
            socket,
            held: BytesMut::new(),
            state,
            limits,
            head_bytes: 0,
            reading: None,
            stalled: None,
        }
    }

    /// Counts the bytes of a head, and starts its clock with the first one.
    fn note_read(&mut self, phase: u8, count: usize) -> io::Result<()> {
        match phase {
            OPEN => return Ok(()),
            IDLE => self.head_bytes = 0,
            _ => {}
        }
        if count > 0 && phase == IDLE {
            self.state.phase.store(HEAD, Ordering::Relaxed);
            // Whatever is waited for next has a clock of its own.
            if let Some((of, _)) = &mut self.reading {
                *of = OPEN;
            }
        }
        self.head_bytes += count;
        if self.head_bytes > self.limits.head_bytes + HEAD_SLACK {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too large"));
        }
        Ok(())
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, phase: u8) -> Poll<io::Error> {
        let wait = match phase {
            IDLE => self.limits.idle,
            HEAD => self.limits.head,
            _ => return Poll::Pending,
        };
        match &mut self.reading {
            Some((of, sleep)) if *of != phase => {
                *of = phase;
                sleep.as_mut().reset(Instant::now() + wait);
            }
            Some(_) => {}
            None => self.reading = Some((phase, Box::pin(tokio::time::sleep(wait)))),
        }
        if let Some((_, sleep)) = &mut self.reading {
            ready!(sleep.as_mut().poll(cx));
        }
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "no head in time"))
    }

    /// Passes a write's result on; a client that takes nothing for too long is gone.
    fn poll_stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            return result;
        }
        let wait = self.limits.write;
        let sleep = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = Pin::new(&mut self.socket).poll_write(cx, &self.held);
            let count = ready!(self.poll_stalled(cx, written))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ClientLink {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let phase = self.state.phase.load(Ordering::Relaxed);
        let before = buffer.filled().len();
        match Pin::new(&mut self.socket).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                Poll::Ready(self.note_read(phase, buffer.filled().len() - before))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_deadline(cx, phase).map(Err),
        }
    }
}

impl AsyncWrite for ClientLink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let hold = self.state.hold.load(Ordering::Relaxed);
        if hold && self.held.len() + bytes.len() <= HELD_BYTES {
            self.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_release(cx))?;
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.poll_stalled(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_release(cx))?;
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.poll_stalled(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_release(cx))?;
        let done = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.poll_stalled(cx, done)
    }
}

/// A connection to the upstream; clones are the same connection.
#[derive(Clone)]
pub(crate) struct UpstreamLink(Arc<Mutex<UpstreamLine>>);

struct UpstreamLine {
    socket: Stream,
    held: BytesMut,
    hold: bool,
    received: u64,
}

impl UpstreamLink {
    pub(crate) fn new(socket: Stream) -> Self {
        Self(Arc::new(Mutex::new(UpstreamLine {
            socket,
            held: BytesMut::new(),
            hold: false,
            received: 0,
        })))
    }

    /// Holds written bytes back, flushed or not, until the hold ends.
    pub(crate) fn hold(&self, hold: bool) {
        self.line().hold = hold;
    }

    /// A new exchange begins.
    pub(crate) fn restart(&self) {
        self.line().received = 0;
    }

    /// Bytes that have come in this exchange.
    pub(crate) fn received(&self) -> u64 {
        self.line().received
    }

    /// Whether it is open, with nothing to read: an upstream that speaks unasked cannot
    /// be trusted with the next request.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0; 1];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.line().socket).poll_read(&mut cx, &mut buffer).is_pending()
    }

    fn line(&self) -> MutexGuard<'_, UpstreamLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UpstreamLine {
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let count = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.held))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for UpstreamLink {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut line = self.line();
        let before = buffer.filled().len();
        let read = Pin::new(&mut line.socket).poll_read(cx, buffer);
        line.received += (buffer.filled().len() - before) as u64;
        read
    }
}

impl AsyncWrite for UpstreamLink {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut line = self.line();
        if line.hold && line.held.len() + bytes.len() <= HELD_BYTES {
            line.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(line.poll_release(cx))?;
        Pin::new(&mut line.socket).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = self.line();
        if line.hold {
            return Poll::Ready(Ok(()));
        }
        ready!(line.poll_release(cx))?;
        Pin::new(&mut line.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line().socket).poll_shutdown(cx)
    }
}

impl Ssl for ClientLink {
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match &self.socket {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Some(ALPN::H2),
                _ => Some(ALPN::H1),
            },
        }
    }
}

impl Ssl for UpstreamLink {}

/// What Pingora wants to know of a stream and this connector does not use.
macro_rules! pingora_stream {
    ($($link:ty),*) => {$(
        #[async_trait]
        impl Shutdown for $link {
            async fn shutdown(&mut self) {
                // The connection ends either way; there is nobody to tell of a failure.
                let _ = AsyncWriteExt::shutdown(self).await;
            }
        }
        impl UniqueID for $link {
            fn id(&self) -> UniqueIDType {
                0
            }
        }
        impl GetTimingDigest for $link {
            fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
                Vec::new()
            }
        }
        impl GetProxyDigest for $link {
            fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
                None
            }
        }
        impl GetSocketDigest for $link {
            fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
                None
            }
        }
        impl Peek for $link {}
        impl fmt::Debug for $link {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($link))
            }
        }
    )*};
}

pingora_stream!(ClientLink, UpstreamLink);

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use tokio::net::TcpStream;

    use super::*;

    /// A socket, and the other end of it. Loopback delivers within the write.
    async fn pair() -> (Stream, std::net::TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        // It stays non-blocking.
        let far = far.unwrap().0.into_std().unwrap();
        (Stream::Plain(near.unwrap()), far)
    }

    fn arrived(far: &mut std::net::TcpStream) -> String {
        let mut bytes = [0; 64];
        match far.read(&mut bytes) {
            Ok(count) => String::from_utf8_lossy(&bytes[..count]).into_owned(),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                String::new()
            }
        }
    }

    #[tokio::test]
    async fn an_answer_leaves_in_one_write() {
        let (socket, mut far) = pair().await;
        let wait = Duration::from_secs(10);
        let limits = LinkLimits { idle: wait, head: wait, head_bytes: 1, write: wait };
        let state = Arc::new(LinkState::default());
        let mut link = ClientLink::new(socket, Arc::clone(&state), limits);
        state.hold(true);
        link.write_all(b"head,").await.unwrap();
        link.write_all(b"body").await.unwrap();
        assert_eq!(arrived(&mut far), "");
        link.flush().await.unwrap();
        assert_eq!(arrived(&mut far), "head,body");
        state.hold(false);
        link.write_all(b"at once").await.unwrap();
        assert_eq!(arrived(&mut far), "at once");
    }

    #[tokio::test]
    async fn a_request_leaves_in_one_write() {
        let (socket, mut far) = pair().await;
        let mut link = UpstreamLink::new(socket);
        link.hold(true);
        link.write_all(b"head,").await.unwrap();
        link.flush().await.unwrap();
        link.write_all(b"body").await.unwrap();
        assert_eq!(arrived(&mut far), "");
        link.hold(false);
        link.flush().await.unwrap();
        assert_eq!(arrived(&mut far), "head,body");
        // More than is held back goes out meanwhile, in order.
        link.hold(true);
        link.write_all(&vec![b'x'; HELD_BYTES]).await.unwrap();
        assert_eq!(arrived(&mut far), "");
        link.write_all(b"y").await.unwrap();
        assert_eq!(arrived(&mut far).len(), 64);
    }
}
