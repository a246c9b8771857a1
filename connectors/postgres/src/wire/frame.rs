//! Where messages begin and end in the buffers of one direction: only their five-byte
//! headers are read, and the bodies that were asked for.
//!
//! The relay reads into a buffer, lets the scanner walk it, and writes the whole buffer
//! on; because events carry offsets, the buffer can also be cut between messages.

use std::sync::Arc;

use zeroize::{Zeroize, Zeroizing};

use super::{Side, WireError};

/// The longest message either side sends, in bytes with its length field: 1 GiB.
pub const DEFAULT_LIMIT: u32 = 1 << 30;
/// Type and length.
pub const HEADER: usize = 5;
/// What the room for split bodies may hold on to between buffers.
const KEPT: usize = 512;

/// Which bodies are shown, and how much of each, by message type.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted([u32; 128]);

/// Walks the messages of one direction, whatever buffers they come in.
pub struct Scanner {
    side: Side,
    limit: u32,
    wanted: Arc<Wanted>,
    state: State,
    /// What has arrived of a wanted body that is split over buffers.
    body: Zeroizing<Vec<u8>>,
}

enum State {
    /// Some bytes of a header, the first `have` of `bytes`.
    Header { bytes: [u8; HEADER], have: u8 },
    /// A message whose header is read and of whose body `left` bytes are to come; up to
    /// `cap` bytes of it are kept.
    Body { tag: u8, length: u32, left: u32, cap: u32 },
}

/// What was found in a buffer. It cannot be printed: bodies hold what users send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The header of a message that ends in a later buffer; its `Message` follows then.
    Begun {
        /// Its type.
        tag: u8,
        /// The length of its body in bytes.
        length: u32,
        /// Where it begins in this buffer; `None` when its header began in an earlier one.
        start: Option<usize>,
    },
    /// A message that ends in this buffer.
    Message {
        /// Its type.
        tag: u8,
        /// The length of its body in bytes.
        length: u32,
        /// Where it begins in this buffer; `None` when it began in an earlier one.
        start: Option<usize>,
        /// Where the next message begins in this buffer.
        end: usize,
        /// The first bytes of its body, as many as were asked for of its type: the same
        /// ones however the message was split.
        body: &'a [u8],
    },
}

/// Whether to look at the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop behind this message; the rest of the buffer is scanned by another call.
    /// After `Begun` there is nothing left to stop before.
    Stop,
}

impl Wanted {
    /// No body at all.
    #[must_use]
    pub const fn nothing() -> Self {
        Self([0; 128])
    }

    /// The same, and up to `cap` bytes of the body of each message of this type.
    #[must_use]
    pub const fn and(mut self, tag: u8, cap: u32) -> Self {
        // Types are ASCII letters and digits; others never pass the scanner.
        if tag < 128
            && let Some(slot) = self.0.split_at_mut(tag as usize).1.first_mut()
        {
            *slot = cap;
        }
        self
    }

    fn cap(&self, tag: u8) -> u32 {
        self.0.get(usize::from(tag)).copied().unwrap_or(0)
    }
}

impl Scanner {
    /// A scanner at the border between two messages. `limit` is for a declared length,
    /// which counts its own four bytes.
    #[must_use]
    pub fn new(side: Side, limit: u32, wanted: Arc<Wanted>) -> Self {
        let body = Zeroizing::new(Vec::new());
        Self { side, limit, wanted, state: State::BORDER, body }
    }

    /// Changes which bodies are shown, from the next message on that is not yet begun.
    pub fn want(&mut self, wanted: Arc<Wanted>) {
        self.wanted = wanted;
    }

    /// Walks a buffer and tells of each message; says how many bytes it walked, which are
    /// all of them unless `on` stopped it.
    ///
    /// # Errors
    /// A length or a type that is not allowed, and what `on` returns. The messages told
    /// of before are sound; nothing can be scanned afterwards.
    pub fn scan<E: From<WireError>>(
        &mut self,
        buffer: &[u8],
        mut on: impl FnMut(Event<'_>) -> Result<Flow, E>,
    ) -> Result<usize, E> {
        let mut at = 0;
        if !self.is_at_border() {
            let (taken, flow) = self.resume(buffer, &mut on)?;
            if flow == Flow::Stop || taken == buffer.len() {
                return Ok(taken);
            }
            at = taken;
        }
        loop {
            let rest = buffer.get(at..).unwrap_or_default();
            let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else {
                self.state = State::partial(rest);
                return Ok(buffer.len());
            };
            let (tag, length) = self.check(*header)?;
            let cap = self.wanted.cap(tag);
            if rest.len() < length as usize {
                self.split(tag, length, cap, rest);
                on(Event::Begun { tag, length, start: Some(at) })?;
                return Ok(buffer.len());
            }
            let body = rest.get(..length.min(cap) as usize).unwrap_or_default();
            let end = at + HEADER + length as usize;
            let flow = on(Event::Message { tag, length, start: Some(at), end, body })?;
            at = end;
            if flow == Flow::Stop || at == buffer.len() {
                return Ok(at);
            }
        }
    }

    /// Whether the last byte walked was the last of a message.
    #[must_use]
    pub const fn is_at_border(&self) -> bool {
        matches!(self.state, State::Header { have: 0, .. })
    }

    /// The bytes of a header that is not whole yet, 0 to 4: they were the last that were
    /// walked. Who must decide about a message before any of it is forwarded holds
    /// them back.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        match &self.state {
            State::Header { bytes, have } => bytes.get(..usize::from(*have)).unwrap_or_default(),
            State::Body { .. } => &[],
        }
    }

    /// Type, body length and missing bytes of the message that is not whole yet.
    #[must_use]
    pub const fn inside(&self) -> Option<(u8, u32, u32)> {
        match self.state {
            State::Body { tag, length, left, .. } => Some((tag, length, left)),
            State::Header { .. } => None,
        }
    }

    /// Finishes what an earlier buffer began.
    fn resume<E: From<WireError>>(
        &mut self,
        buffer: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<Flow, E>,
    ) -> Result<(usize, Flow), E> {
        let mut at = 0;
        if let State::Header { bytes, have } = &mut self.state {
            let missing = bytes.get_mut(usize::from(*have)..).unwrap_or_default();
            at = missing.len().min(buffer.len());
            for (slot, byte) in missing.iter_mut().zip(buffer) {
                *slot = *byte;
                *have += 1;
            }
            if usize::from(*have) < HEADER {
                return Ok((at, Flow::Continue));
            }
            let (tag, length) = Self::check_with(self.side, self.limit, *bytes)?;
            let cap = self.wanted.cap(tag);
            self.state = State::Body { tag, length, left: length, cap };
            let rest = buffer.get(at..).unwrap_or_default();
            if rest.len() < length as usize {
                self.split(tag, length, cap, rest);
                on(Event::Begun { tag, length, start: None })?;
                return Ok((buffer.len(), Flow::Continue));
            }
        }
        let State::Body { tag, length, left, cap } = self.state else {
            return Ok((at, Flow::Continue));
        };
        let rest = buffer.get(at..).unwrap_or_default();
        let taken = rest.len().min(left as usize);
        self.keep(cap, rest.get(..taken).unwrap_or_default());
        if taken < left as usize {
            let left = left - u32::try_from(taken).unwrap_or(left);
            self.state = State::Body { tag, length, left, cap };
            return Ok((buffer.len(), Flow::Continue));
        }
        let end = at + taken;
        let flow = on(Event::Message { tag, length, start: None, end, body: &self.body })?;
        // Not before: what is refused now has been forwarded in part, and stays unfinished.
        self.state = State::BORDER;
        if self.body.capacity() > KEPT {
            self.body = Zeroizing::new(Vec::new());
        } else {
            self.body.zeroize();
        }
        Ok((end, flow))
    }

    /// A message goes on in the next buffer.
    fn split(&mut self, tag: u8, length: u32, cap: u32, have: &[u8]) {
        let left = length - u32::try_from(have.len()).unwrap_or(length);
        self.state = State::Body { tag, length, left, cap };
        self.keep(cap, have);
    }

    /// Keeps what is wanted of a part of a body. Room grows with what has arrived, never
    /// with what is only declared.
    fn keep(&mut self, cap: u32, part: &[u8]) {
        let missing = (cap as usize).saturating_sub(self.body.len());
        let part = part.get(..missing).unwrap_or(part);
        let needed = self.body.len() + part.len();
        if needed > self.body.capacity() {
            // Growing in place would leave a copy behind that nobody wipes.
            let mut larger = Vec::with_capacity(needed.max(self.body.len() * 2));
            larger.extend_from_slice(&self.body);
            self.body = Zeroizing::new(larger);
        }
        self.body.extend_from_slice(part);
    }

    #[inline]
    fn check(&self, header: [u8; HEADER]) -> Result<(u8, u32), WireError> {
        Self::check_with(self.side, self.limit, header)
    }

    /// The type and the length of the body.
    #[inline]
    fn check_with(
        side: Side,
        limit: u32,
        [tag, length @ ..]: [u8; HEADER],
    ) -> Result<(u8, u32), WireError> {
        let length = u32::from_be_bytes(length);
        if !side.sends(tag) {
            return Err(WireError::UnknownTag { side, tag });
        }
        if length > limit {
            return Err(WireError::TooLong { tag, length, limit });
        }
        match length.checked_sub(4) {
            Some(body) => Ok((tag, body)),
            None => Err(WireError::TooShort { tag, length }),
        }
    }
}

impl State {
    const BORDER: Self = Self::Header { bytes: [0; HEADER], have: 0 };

    /// After the first bytes of a header, fewer than there are in one.
    fn partial(part: &[u8]) -> Self {
        let mut bytes = [0; HEADER];
        let mut have = 0;
        for (slot, byte) in bytes.iter_mut().zip(part) {
            *slot = *byte;
            have += 1;
        }
        Self::Header { bytes, have }
    }
}

impl Side {
    /// Whether this side sends messages of this type, at any time.
    #[inline]
    #[must_use]
    pub const fn sends(self, tag: u8) -> bool {
        const FRONTEND: u128 = set(b"QPBDECSHFdcfpX");
        const BACKEND: u128 = set(b"RKSZTDC123ntsIENAGHWdcVv");
        let tags = match self {
            Self::Frontend => FRONTEND,
            Self::Backend => BACKEND,
        };
        tag < 128 && (tags >> tag) & 1 == 1
    }
}

const fn set(mut tags: &[u8]) -> u128 {
    let mut set = 0;
    while let Some((tag, rest)) = tags.split_first() {
        set |= 1 << *tag;
        tags = rest;
    }
    set
}
