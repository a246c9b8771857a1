//! The PostgreSQL protocol, version 3, without I/O: no function here waits, panics on any
//! bytes, or gives another result when the input is split elsewhere.

pub mod frame;
pub mod message;
pub mod replies;
pub mod startup;
pub mod statement;

/// Who sends the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client.
    Frontend,
    /// The server.
    Backend,
}

/// Why bytes are not the protocol, or cannot become it. Names the rule, never a value;
/// after it the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The length of a first packet is out of bounds.
    #[error("a first packet declares {length} bytes; {least} to {most} are allowed", most = startup::MAX_PACKET)]
    StartupLength {
        /// As declared.
        length: u32,
        /// The least this kind of packet has.
        least: u32,
    },
    /// A first packet is neither a request nor protocol 3.
    #[error("protocol {major}.{minor} is not spoken here: 3.0 to 3.2 are")]
    Protocol {
        /// The upper half of the code.
        major: u16,
        /// The lower half of the code.
        minor: u16,
    },
    /// A message is shorter than its own length field.
    #[error("message {tag:?} declares a length of {length}", tag = char::from(*tag))]
    TooShort {
        /// Its type.
        tag: u8,
        /// As declared.
        length: u32,
    },
    /// A message is longer than the limit.
    #[error("message {tag:?} declares {length} bytes; the limit is {limit}", tag = char::from(*tag))]
    TooLong {
        /// Its type.
        tag: u8,
        /// As declared.
        length: u32,
        /// The limit in force, in bytes.
        limit: u32,
    },
    /// A message has a type this side does not send.
    #[error("unknown message type {tag:#04x} from the {side}", side = match side { Side::Frontend => "client", Side::Backend => "server" })]
    UnknownTag {
        /// Who sent it.
        side: Side,
        /// The type.
        tag: u8,
    },
    /// A message the state of the conversation has no place for.
    #[error("message {tag:?} is not expected here", tag = char::from(*tag))]
    Unexpected {
        /// Its type.
        tag: u8,
    },
    /// More replies are awaited than the connection may owe.
    #[error("more than {most} replies are awaited on one connection")]
    TooManyInFlight {
        /// The limit in force.
        most: usize,
    },
    /// A message whose inside breaks a rule.
    #[error("{message}: {rule}")]
    Malformed {
        /// Its name in the protocol's documentation.
        message: &'static str,
        /// The rule.
        rule: &'static str,
    },
}

/// Reads what is inside one message, from front to back.
#[derive(Clone, Copy)]
struct Reader<'a> {
    message: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    const fn new(message: &'static str, rest: &'a [u8]) -> Self {
        Self { message, rest }
    }

    const fn broken(&self, rule: &'static str) -> WireError {
        WireError::Malformed { message: self.message, rule }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) =
            self.rest.split_first_chunk::<N>().ok_or(self.broken("it ends inside of a number"))?;
        self.rest = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Bytes up to a zero byte, which is taken too.
    fn text(&mut self) -> Result<&'a [u8], WireError> {
        let end = memchr::memchr(0, self.rest).ok_or(self.broken("a text has no end"))?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(text)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(self.broken("it is shorter than it declares"))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.broken("bytes follow its end")) }
    }
}

/// Appends one message of a known body length; the room is reserved first, so that no
/// half-written body is left behind in memory that is given back.
fn begin(
    out: &mut Vec<u8>,
    message: &'static str,
    tag: Option<u8>,
    body: usize,
) -> Result<(), WireError> {
    let too_long = WireError::Malformed { message, rule: "it does not fit into a message" };
    let length = body.checked_add(4).and_then(|length| i32::try_from(length).ok());
    let length = length.ok_or(too_long)?;
    out.reserve(body.saturating_add(5));
    out.extend(tag);
    out.extend_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Appends a text and the zero byte that ends it.
fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    out.push(0);
}

/// A text on the wire ends at its first zero byte, so it cannot hold one.
fn without_zero(message: &'static str, text: &[u8]) -> Result<(), WireError> {
    match memchr::memchr(0, text) {
        None => Ok(()),
        Some(_) => Err(WireError::Malformed { message, rule: "a text holds a zero byte" }),
    }
}
