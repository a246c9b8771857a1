//! Which replies the server still owes to one connection, in which order.
//!
//! Fed with the messages of both directions as they pass, it knows which request a reply
//! belongs to, also after an error, in pipelines and in COPY. What it knows is what the
//! server does (`PostgresMain`, `CopyGetData`), not what a well-behaved client sends.

use std::collections::VecDeque;

use super::{Side, WireError};

/// The least a queue must hold: until a Sync or a Flush the server keeps replies in a
/// buffer of 8 KiB, so 1,638 of five bytes can be owed before any is sent; a bound below
/// that would stop a sound pipeline for ever. This has room for a larger buffer.
pub const LEAST_DEPTH: usize = 4096;
/// A queue that ran empty gives back more room than this many entries.
const KEPT: usize = 32;

/// The ordered queue of expected replies. Starts behind the first ReadyForQuery.
pub struct Replies {
    entries: VecDeque<Entry>,
    most: usize,
    /// Whether the front entry has had a reply, and of what kind.
    front: Progress,
    copy: Copy,
    /// After an error in a batch whose Sync has not been sent: all messages up to it are
    /// skipped by the server.
    skipping: bool,
    /// Extended messages were sent since the last Sync, so a transaction may be open.
    unsynced: bool,
    /// Syncs sent into a COPY that is running: the server swallows those it reads there.
    swallowed: u32,
    /// After a COPY in that failed: the ReadyForQuery that may come in addition, because
    /// it is not known which of those Syncs were read before the failure.
    spare: u32,
    status: TransactionStatus,
}

/// An expected reply: what was sent, and the caller's label.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    label: u8,
}

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A simple query, which may hold many statements.
    Query,
    /// Parse.
    Parse,
    /// Bind.
    Bind,
    /// Describe, of a statement or a portal.
    Describe,
    /// Execute.
    Execute,
    /// Close, of a statement or a portal.
    Close,
    /// Sync.
    Sync,
    /// A function call by number.
    FunctionCall,
    /// CopyDone or CopyFail sent before it is known whether a COPY runs: owed no reply.
    CopyEnd,
}

/// What the last ReadyForQuery said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionStatus {
    /// Outside of a transaction.
    Idle,
    /// In a transaction.
    Open,
    /// In a transaction that failed.
    Failed,
}

/// How something that was sent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// What was sent.
    pub kind: Kind,
    /// The label it was given.
    pub label: u8,
    /// Whether the server did it.
    pub ok: bool,
    /// How many later entries the server skips because of it.
    pub dropped: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Fresh,
    Answered,
    /// A row or a piece of a COPY; another of this type may follow.
    Streams(u8),
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Copy {
    No,
    /// From the client; `ended`: it has sent its CopyDone or CopyFail, or something else
    /// that does not belong into a COPY, at which the server stops reading data.
    In {
        ended: bool,
    },
    Out,
    /// Replication; `ended` as above.
    Both {
        ended: bool,
    },
}

impl Replies {
    /// An empty queue that holds at most `most` entries, but never fewer than
    /// [`LEAST_DEPTH`].
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            most: most.max(LEAST_DEPTH),
            front: Progress::Fresh,
            copy: Copy::No,
            skipping: false,
            unsynced: false,
            swallowed: 0,
            spare: 0,
            status: TransactionStatus::Idle,
        }
    }

    /// A message of the client passed. `label` comes back in its [`Outcome`].
    ///
    /// # Errors
    /// A message that has no place after login, or one too many ([`Replies::is_full`]).
    pub fn frontend(&mut self, tag: u8, label: u8) -> Result<(), WireError> {
        let kind = match tag {
            b'Q' => Kind::Query,
            b'P' => Kind::Parse,
            b'B' => Kind::Bind,
            b'D' => Kind::Describe,
            b'E' => Kind::Execute,
            b'C' => Kind::Close,
            b'S' => Kind::Sync,
            b'F' => Kind::FunctionCall,
            b'c' | b'f' => Kind::CopyEnd,
            b'd' | b'H' | b'X' => return Ok(()),
            _ if Side::Frontend.sends(tag) => return Err(WireError::Unexpected { tag }),
            _ => return Err(WireError::UnknownTag { side: Side::Frontend, tag }),
        };
        match (kind, &mut self.copy) {
            (Kind::CopyEnd, Copy::In { ended } | Copy::Both { ended }) if !*ended => {
                *ended = true;
                return Ok(());
            }
            // Nothing runs that could be a COPY, so the server ignores its end.
            (Kind::CopyEnd, _) if self.entries.is_empty() => return Ok(()),
            (Kind::Sync, Copy::In { ended: false }) => {
                self.swallowed = self.swallowed.saturating_add(1);
                return Ok(());
            }
            (_, Copy::In { ended } | Copy::Both { ended }) => *ended = true,
            _ => {}
        }
        if self.skipping && kind != Kind::Sync {
            return Ok(());
        }
        if self.is_full() {
            return Err(WireError::TooManyInFlight { most: self.most });
        }
        match kind {
            Kind::Sync => (self.skipping, self.unsynced) = (false, false),
            Kind::Query => self.unsynced = false,
            Kind::FunctionCall | Kind::CopyEnd => {}
            _ => self.unsynced = true,
        }
        self.entries.push_back(Entry { kind, label });
        Ok(())
    }

    /// A message of the server passed. Of its body only that of ReadyForQuery is read.
    ///
    /// # Errors
    /// [`WireError::Unexpected`] for a reply that nothing asked for.
    #[inline]
    pub fn backend(&mut self, tag: u8, body: &[u8]) -> Result<Option<Outcome>, WireError> {
        if self.front == Progress::Streams(tag) {
            return Ok(None);
        }
        self.reply(tag, body)
    }

    fn reply(&mut self, tag: u8, body: &[u8]) -> Result<Option<Outcome>, WireError> {
        match tag {
            b'N' | b'S' | b'A' => return Ok(None),
            b'Z' => return self.ready(TransactionStatus::parse(body)?),
            b'E' => return Ok(self.error()),
            _ if !Side::Backend.sends(tag) => {
                return Err(WireError::UnknownTag { side: Side::Backend, tag });
            }
            _ => {}
        }
        let unexpected = WireError::Unexpected { tag };
        self.skip_copy_ends();
        let Some(front) = self.entries.front() else { return Err(unexpected) };
        if self.front == Progress::Failed {
            return Err(unexpected);
        }
        let finished = match (front.kind, tag) {
            (Kind::Parse, b'1') | (Kind::Bind, b'2') | (Kind::Close, b'3') => true,
            (Kind::Describe, b't') if self.front == Progress::Fresh => false,
            (Kind::Describe, b'T' | b'n') => true,
            (Kind::FunctionCall, b'V') if self.front == Progress::Fresh => false,
            (Kind::Query | Kind::Execute, b'D' | b'C' | b'I' | b's' | b'T')
            | (Kind::Query | Kind::Execute, b'G' | b'H' | b'W' | b'd' | b'c') => {
                self.result(front.kind, tag).ok_or(unexpected)?
            }
            _ => return Err(unexpected),
        };
        self.spare = 0;
        self.front = match tag {
            b'D' | b'd' => Progress::Streams(tag),
            _ => Progress::Answered,
        };
        Ok(if finished { self.finish(true, 0) } else { None })
    }

    /// How many replies are owed.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.entries.len()
    }

    /// Whether no more may be sent until the server has answered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.most
    }

    /// Whether nothing is owed, skipped or unsynced: between two requests.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.entries.is_empty() && !self.skipping && !self.unsynced
    }

    /// The transaction status of the last ReadyForQuery.
    #[must_use]
    pub const fn status(&self) -> TransactionStatus {
        self.status
    }

    /// What the server answers now, with its label.
    #[must_use]
    pub fn current(&self) -> Option<(Kind, u8)> {
        let front = self.entries.iter().find(|entry| entry.kind != Kind::CopyEnd)?;
        Some((front.kind, front.label))
    }

    /// Whether the server waits for CopyData, so that a client that sends nothing is not
    /// one that waits.
    #[must_use]
    pub const fn wants_copy_data(&self) -> bool {
        matches!(self.copy, Copy::In { ended: false } | Copy::Both { ended: false })
    }

    /// A message of a result; says whether it was the last, or nothing if it has no place.
    fn result(&mut self, kind: Kind, tag: u8) -> Option<bool> {
        let query = kind == Kind::Query;
        match (tag, self.copy) {
            (b'T', Copy::No) if query => return Some(false),
            (b'D', Copy::No) => return Some(false),
            (b's', Copy::No) if !query => {}
            (b'I', Copy::No) => {}
            (b'C', _) => {
                // Whatever was sent into a COPY that went well was read in it.
                (self.copy, self.swallowed) = (Copy::No, 0);
            }
            (b'G', Copy::No) => {
                self.begin_copy_in();
                return Some(false);
            }
            (b'H', Copy::No) => {
                self.copy = Copy::Out;
                return Some(false);
            }
            (b'W', Copy::No) if query => {
                self.copy = Copy::Both { ended: false };
                return Some(false);
            }
            (b'd' | b'c', Copy::Out | Copy::Both { .. }) => return self.copied(tag),
            _ => return None,
        }
        Some(!query)
    }

    /// Data of a COPY out or its end. Replication may go on with results.
    fn copied(&mut self, tag: u8) -> Option<bool> {
        if tag == b'c' {
            self.copy = Copy::No;
        }
        Some(false)
    }

    /// What was sent behind a COPY before it answered: Syncs up to the end of the data
    /// are read by it and swallowed.
    fn begin_copy_in(&mut self) {
        let mut ended = false;
        while let Some(next) = self.entries.get(1).map(|entry| entry.kind) {
            match next {
                Kind::Sync => self.swallowed = self.swallowed.saturating_add(1),
                Kind::CopyEnd => ended = true,
                // The server closes the connection when it reads this in a COPY.
                _ => {
                    ended = true;
                    break;
                }
            }
            self.entries.remove(1);
            if ended {
                break;
            }
        }
        self.copy = Copy::In { ended };
        // What follows has set `unsynced` itself, unless it is nothing of that kind. This
        // ends at the first that is: the queue may be long, and full of COPYs.
        let neither = |entry: &Entry| matches!(entry.kind, Kind::FunctionCall | Kind::CopyEnd);
        let extended = self.entries.front().is_some_and(|front| front.kind == Kind::Execute);
        self.unsynced |= extended && self.entries.iter().skip(1).all(neither);
    }

    fn ready(&mut self, status: TransactionStatus) -> Result<Option<Outcome>, WireError> {
        self.skip_copy_ends();
        let kind = self.entries.front().map(|entry| entry.kind);
        let outcome = match (kind, self.front) {
            (Some(Kind::Sync), front) => self.finish(front != Progress::Failed, 0),
            (Some(Kind::Query | Kind::FunctionCall), Progress::Failed) => self.finish(false, 0),
            (Some(Kind::Query | Kind::FunctionCall), Progress::Answered)
                if self.copy == Copy::No =>
            {
                self.finish(true, 0)
            }
            _ if self.spare > 0 => {
                self.spare -= 1;
                if std::mem::take(&mut self.skipping) {
                    // The Sync it answers ended the batch.
                    self.unsynced = false;
                }
                None
            }
            _ => return Err(WireError::Unexpected { tag: b'Z' }),
        };
        self.status = status;
        Ok(outcome)
    }

    /// An error ends what the server answers now. Without such a thing it is the
    /// server's farewell.
    fn error(&mut self) -> Option<Outcome> {
        self.skip_copy_ends();
        if matches!(self.copy, Copy::In { .. }) {
            self.spare = self.spare.saturating_add(self.swallowed);
        }
        (self.copy, self.swallowed) = (Copy::No, 0);
        let Some(front) = self.entries.front() else {
            self.skipping = self.unsynced;
            return None;
        };
        if matches!(front.kind, Kind::Query | Kind::FunctionCall | Kind::Sync) {
            self.front = Progress::Failed;
            return None;
        }
        let sync = self.entries.iter().position(|entry| entry.kind == Kind::Sync);
        let until = sync.unwrap_or(self.entries.len());
        let skipped = self.entries.drain(1..until.max(1));
        let dropped = skipped.filter(|entry| entry.kind != Kind::CopyEnd).count();
        self.skipping = sync.is_none();
        self.finish(false, dropped)
    }

    /// CopyDone and CopyFail that reached the front belong to no COPY: the server
    /// ignores them.
    fn skip_copy_ends(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.kind == Kind::CopyEnd) {
            self.entries.pop_front();
        }
    }

    fn finish(&mut self, ok: bool, dropped: usize) -> Option<Outcome> {
        let Entry { kind, label } = self.entries.pop_front()?;
        self.front = Progress::Fresh;
        self.copy = Copy::No;
        self.skip_copy_ends();
        if self.entries.is_empty() && self.entries.capacity() > KEPT {
            self.entries = VecDeque::new();
        }
        Some(Outcome { kind, label, ok, dropped })
    }
}

impl TransactionStatus {
    /// Reads the body of a ReadyForQuery message (`Z`).
    ///
    /// # Errors
    /// A body that is not one of the three letters.
    pub const fn parse(body: &[u8]) -> Result<Self, WireError> {
        match body {
            b"I" => Ok(Self::Idle),
            b"T" => Ok(Self::Open),
            b"E" => Ok(Self::Failed),
            _ => Err(WireError::Malformed {
                message: "ReadyForQuery",
                rule: "its status is I, T or E",
            }),
        }
    }

    /// The letter on the wire.
    #[must_use]
    pub const fn letter(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::Open => b'T',
            Self::Failed => b'E',
        }
    }
}
