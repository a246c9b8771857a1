//! What an input means, and a session that is walked with it twice: in the buffers it
//! describes, and in others. Both walks must tell the same.
//!
//! ```text
//!   4 bytes    the sizes of the buffers of the second walk, less one, over and over
//!   1 byte     even: what follows is a script; odd: it is bytes
//!
//!   a script   `>` the client speaks, `<` the server; any other byte is a message of this
//!              type, its body in brackets if it has one; `*` and a byte repeat it
//!   bytes      pieces, each with a byte in front: its lowest bit says who speaks, the
//!              others how much
//! ```

use std::sync::Arc;

use allonym_postgres::Portals;
use allonym_postgres::wire::frame::{DEFAULT_LIMIT, Event, Flow, Scanner, Wanted};
use allonym_postgres::wire::replies::{LEAST_DEPTH, Replies, TransactionStatus};
use allonym_postgres::wire::{Side, WireError};

/// More bytes than this are not made of one script: enough for a queue to be full.
const MOST: usize = 24 << 10;

/// An input without its first bytes.
pub struct Input<'a> {
    sizes: [u8; 4],
    /// Whether the rest is bytes and no script.
    pub raw: bool,
    /// The rest.
    pub rest: &'a [u8],
}

/// What one side says before the other says something.
pub struct Piece {
    /// Who speaks.
    pub side: Side,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl<'a> Input<'a> {
    /// Nothing if it is too short.
    pub fn read(data: &'a [u8]) -> Option<Self> {
        let (sizes, rest) = data.split_first_chunk::<4>()?;
        let (mode, rest) = rest.split_first()?;
        Some(Self { sizes: *sizes, raw: mode & 1 == 1, rest })
    }

    /// The conversation it describes.
    pub fn pieces(&self) -> Vec<Piece> {
        if self.raw { pieces(self.rest) } else { script(self.rest) }
    }

    /// The same bytes in the buffers of the second walk.
    pub fn cut<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        let mut sizes = self.sizes.into_iter().cycle();
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let size = usize::from(sizes.next()?) + 1;
            let (part, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            (!part.is_empty()).then_some(part)
        })
    }
}

fn pieces(mut rest: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        let side = if first & 1 == 0 { Side::Frontend } else { Side::Backend };
        let (bytes, after) = after.split_at(usize::from(first >> 1).min(after.len()));
        pieces.push(Piece { side, bytes: bytes.to_vec() });
        rest = after;
    }
    pieces
}

fn script(mut rest: &[u8]) -> Vec<Piece> {
    let mut pieces = vec![Piece { side: Side::Frontend, bytes: Vec::new() }];
    let (mut made, mut last) = (0, Vec::new());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let times = match first {
            b'>' => {
                pieces.push(Piece { side: Side::Frontend, bytes: Vec::new() });
                continue;
            }
            b'<' => {
                pieces.push(Piece { side: Side::Backend, bytes: Vec::new() });
                continue;
            }
            b'*' => {
                let Some((count, after)) = rest.split_first() else { break };
                rest = after;
                usize::from(*count)
            }
            tag => {
                let mut body = &[][..];
                if let Some(inside) = rest.strip_prefix(b"(") {
                    let end = inside.iter().position(|byte| *byte == b')');
                    body = &inside[..end.unwrap_or(inside.len())];
                    rest = inside.get(body.len() + 1..).unwrap_or_default();
                }
                last = message(*tag, body);
                1
            }
        };
        let times = times.min((MOST - made) / last.len().max(1));
        made += times * last.len();
        if let Some(piece) = pieces.last_mut() {
            piece.bytes.extend_from_slice(&last.repeat(times));
        }
    }
    pieces
}

/// A message whose length is right.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

/// What the relay knows of a session: borders, replies, statements.
pub struct Session {
    client: Scanner,
    server: Scanner,
    followed: Followed,
    ended: Option<WireError>,
}

struct Followed {
    replies: Replies,
    portals: Portals,
    /// Everything that was told, in order.
    told: Told,
    /// Messages of the client, and what became of them.
    sent: usize,
    settled: usize,
}

impl Default for Session {
    fn default() -> Self {
        // As much of bodies as the relay looks at.
        let of_client = [(b'Q', 1024), (b'P', 1024), (b'B', 256), (b'E', 128), (b'C', 128)];
        let of_client =
            of_client.iter().fold(Wanted::nothing(), |wanted, (tag, cap)| wanted.and(*tag, *cap));
        let of_server = Wanted::nothing().and(b'Z', 1);
        let scanner = |side, wanted| Scanner::new(side, DEFAULT_LIMIT, Arc::new(wanted));
        Self {
            client: scanner(Side::Frontend, of_client),
            server: scanner(Side::Backend, of_server),
            followed: Followed {
                replies: Replies::new(0),
                portals: Portals::default(),
                told: Told(0),
                sent: 0,
                settled: 0,
            },
            ended: None,
        }
    }
}

impl Session {
    /// A buffer of one side. After an error there are no others.
    pub fn hear(&mut self, side: Side, bytes: &[u8]) {
        if self.ended.is_some() {
            return;
        }
        let followed = &mut self.followed;
        let scanner = match side {
            Side::Frontend => &mut self.client,
            Side::Backend => &mut self.server,
        };
        let walked = scanner.scan(bytes, |event| {
            if let Event::Message { tag, length, end, body, .. } = event {
                assert!(end <= bytes.len(), "a message ends beyond its buffer");
                assert!(body.len() <= length as usize, "a body is longer than it is");
                followed.message(side, tag, length, body)?;
            }
            Ok::<_, WireError>(Flow::Continue)
        });
        match walked {
            Ok(walked) => assert_eq!(walked, bytes.len(), "some was not walked"),
            Err(error) => self.ended = Some(error),
        }
    }

    /// All that was told, and how things stand.
    pub fn end(self) -> impl PartialEq + std::fmt::Debug {
        let Self { client, server, followed, ended } = self;
        let borders = [client, server].map(|scanner| {
            (scanner.is_at_border(), scanner.inside(), scanner.unfinished().to_vec())
        });
        // Where an error was found the scanner does not stand anywhere.
        let borders = ended.is_none().then_some(borders);
        (followed.told.0, followed.sent, followed.settled, ended, borders)
    }
}

impl Followed {
    fn message(&mut self, side: Side, tag: u8, length: u32, body: &[u8]) -> Result<(), WireError> {
        self.told.take(tag, u64::from(length));
        self.told.text(body);
        match side {
            Side::Frontend => {
                self.replies.frontend(tag, tag)?;
                self.sent += 1;
                let class = self.portals.statement(tag, body);
                self.told.take(b'>', class.map_or(99, |class| u64::from(class.number())));
            }
            Side::Backend => {
                if let Some(outcome) = self.replies.backend(tag, body)? {
                    self.told.take(outcome.kind as u8, u64::from(outcome.label));
                    self.told.take(u8::from(outcome.ok), outcome.dropped as u64);
                    self.settled += 1 + outcome.dropped;
                }
                if tag == b'Z' && self.replies.status() == TransactionStatus::Idle {
                    self.portals.transaction_over();
                }
            }
        }
        let replies = &self.replies;
        let current =
            replies.current().map_or(0, |(kind, label)| u64::from(label) << 8 | kind as u64);
        self.told.take(replies.status().letter(), current);
        self.told.take(u8::from(replies.wants_copy_data()), replies.in_flight() as u64);
        assert!(replies.in_flight() <= LEAST_DEPTH, "more is remembered than may be");
        assert!(self.settled + replies.in_flight() <= self.sent, "more is owed than was asked");
        assert!(!replies.is_idle() || replies.in_flight() == 0, "idle, and something is owed");
        Ok(())
    }
}

/// A digest of what was told. The one of the standard library is made of comparisons, each
/// of which a fuzzer looks at.
struct Told(u64);

impl Told {
    fn take(&mut self, letter: u8, word: u64) {
        let next = self.0.rotate_left(7) ^ word ^ (u64::from(letter) << 56);
        self.0 = next.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn text(&mut self, text: &[u8]) {
        let (words, rest) = text.as_chunks::<8>();
        words.iter().for_each(|word| self.take(b'w', u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.take(*byte, 1));
    }
}

/// Walks the same pieces in their own buffers and in those of the second walk.
pub fn compare(input: &Input<'_>, pieces: &[Piece]) {
    let (mut whole, mut cut) = (Session::default(), Session::default());
    for Piece { side, bytes } in pieces {
        whole.hear(*side, bytes);
        for part in input.cut(bytes) {
            cut.hear(*side, part);
        }
    }
    assert_eq!(whole.end(), cut.end(), "another result in other buffers");
}
