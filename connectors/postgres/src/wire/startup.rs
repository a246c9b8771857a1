//! The first packets of a connection: they have a length and a code, but no type.

use super::{Reader, WireError, begin, put_text, without_zero};

/// The longest first packet, in bytes with its length field. The server allows four more.
pub const MAX_PACKET: u32 = 10_000;
/// The most parameters of one start-up packet: drivers send fewer than twenty, and
/// looking for duplicates must stay cheap before anyone is authenticated.
pub const MAX_PARAMETERS: usize = 256;
/// The lengths of a cancel key: 4 in protocol 3.0, up to 256 from 3.2 on.
pub const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 4..=256;
/// What marks a start-up parameter as an option of the protocol itself.
pub const PROTOCOL_OPTION: &[u8] = b"_pq_.";

const REQUEST: u16 = 1234;
const CANCEL: u16 = 5678;
const SSL: u16 = 5679;
const GSSENC: u16 = 5680;
/// The first byte of a TLS handshake record; as a length it would be far over the limit.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a client opens a connection with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Opening<'a> {
    /// Asks whether TLS is spoken here; answered by one byte.
    SslRequest,
    /// Asks whether GSSAPI encryption is spoken here; answered by one byte.
    GssEncRequest,
    /// Asks to cancel what another connection runs; never answered.
    CancelRequest {
        /// The number the server gave with its key.
        pid: u32,
        /// The key, 4 to 256 bytes.
        key: &'a [u8],
    },
    /// Begins a session.
    Startup(Startup<'a>),
    /// A TLS handshake without being asked for: its bytes are left to TLS.
    DirectTls,
}

/// The packet that begins a session: checked as a whole, its parameters in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Startup<'a> {
    minor: u16,
    /// Pairs of texts, without the zero byte that ends the packet.
    pairs: &'a [u8],
}

/// The pairs of a start-up packet.
#[derive(Clone, Copy)]
pub struct Parameters<'a>(Reader<'a>);

impl<'a> Opening<'a> {
    /// Reads the packet a buffer begins with, and how many bytes it took. `None`: more
    /// bytes are needed.
    ///
    /// # Errors
    /// A length out of bounds, another protocol than 3, a packet whose inside breaks a
    /// rule. The same bytes give the same error, however many of them follow.
    pub fn parse(buffer: &'a [u8]) -> Result<Option<(Self, usize)>, WireError> {
        if buffer.first() == Some(&TLS_HANDSHAKE) {
            return Ok(Some((Self::DirectTls, 0)));
        }
        let mut head = Reader::new("first packet", buffer);
        let Ok(length) = head.u32() else { return Ok(None) };
        if !(8..=MAX_PACKET).contains(&length) {
            return Err(WireError::StartupLength { length, least: 8 });
        }
        let (Ok(major), Ok(minor)) = (head.u16(), head.u16()) else { return Ok(None) };
        if !matches!((major, minor), (3, _) | (REQUEST, CANCEL | SSL | GSSENC)) {
            return Err(WireError::Protocol { major, minor });
        }
        let least = match (major, minor) {
            (REQUEST, CANCEL) => 16,
            (REQUEST, _) => 8,
            _ => 9,
        };
        let exact = major == REQUEST && minor != CANCEL;
        if length < least || (exact && length != least) {
            return Err(WireError::StartupLength { length, least });
        }
        let taken = length as usize;
        let Ok(body) = head.bytes(taken.saturating_sub(8)) else { return Ok(None) };
        let opening = match (major, minor) {
            (REQUEST, CANCEL) => cancel(body)?,
            (REQUEST, SSL) => Self::SslRequest,
            (REQUEST, _) => Self::GssEncRequest,
            _ => Self::Startup(Startup::parse(minor, body)?),
        };
        Ok(Some((opening, taken)))
    }
}

fn cancel(body: &[u8]) -> Result<Opening<'_>, WireError> {
    let BackendKey { pid, key } = BackendKey::read("CancelRequest", body)?;
    Ok(Opening::CancelRequest { pid, key })
}

impl<'a> Startup<'a> {
    const NAME: &'static str = "StartupMessage";

    fn parse(minor: u16, body: &'a [u8]) -> Result<Self, WireError> {
        let broken = |rule| WireError::Malformed { message: Self::NAME, rule };
        let Some((&0, pairs)) = body.split_last() else {
            return Err(broken("no zero byte ends it"));
        };
        let startup = Self { minor, pairs };
        let mut reader = Reader::new(Self::NAME, pairs);
        let mut seen = 0;
        while !reader.rest.is_empty() {
            let name = reader.text()?;
            if name.is_empty() {
                return Err(broken("a parameter has no name, or bytes follow its end"));
            }
            // Two readers could take different ones; the server ignores the case of most.
            let before = Parameters(Reader::new(Self::NAME, pairs)).take(seen);
            if before.into_iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(broken("a parameter is there twice"));
            }
            reader.text()?;
            seen += 1;
            if seen > MAX_PARAMETERS {
                return Err(broken("it has more than 256 parameters"));
            }
        }
        Ok(startup)
    }

    /// The minor version of protocol 3 that the client asks for.
    #[must_use]
    pub const fn minor(&self) -> u16 {
        self.minor
    }

    /// Every parameter, protocol options too, as name and value, in order.
    #[must_use]
    pub const fn parameters(&self) -> Parameters<'a> {
        Parameters(Reader::new(Self::NAME, self.pairs))
    }

    /// The names and values of the protocol options (`_pq_.` and what follows), in order.
    pub fn protocol_options(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.parameters().filter(|(name, _)| name.starts_with(PROTOCOL_OPTION))
    }

    /// The value of one parameter; names are compared as the server compares `user`,
    /// `database`, `options` and `replication`: byte by byte.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'a [u8]> {
        self.parameters().find(|(other, _)| *other == name.as_bytes()).map(|(_, value)| value)
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.rest.is_empty() {
            return None;
        }
        Some((self.0.text().ok()?, self.0.text().ok()?))
    }
}

/// Appends a start-up packet of protocol 3 with this minor version.
///
/// # Errors
/// An empty name, a zero byte in a name or value, more than [`MAX_PACKET`] bytes.
pub fn write_startup<'a, P>(out: &mut Vec<u8>, minor: u16, parameters: P) -> Result<(), WireError>
where
    P: IntoIterator<Item = (&'a [u8], &'a [u8])> + Clone,
{
    let mut body = 5_usize;
    for (name, value) in parameters.clone() {
        if name.is_empty() {
            let rule = "a parameter has no name, or bytes follow its end";
            return Err(WireError::Malformed { message: Startup::NAME, rule });
        }
        without_zero(Startup::NAME, name)?;
        without_zero(Startup::NAME, value)?;
        body = body.saturating_add(name.len()).saturating_add(value.len()).saturating_add(2);
    }
    let length = u32::try_from(body.saturating_add(4)).unwrap_or(u32::MAX);
    if length > MAX_PACKET {
        return Err(WireError::StartupLength { length, least: 9 });
    }
    begin(out, Startup::NAME, None, body)?;
    put_code(out, 3, minor);
    for (name, value) in parameters {
        put_text(out, name);
        put_text(out, value);
    }
    out.push(0);
    Ok(())
}

/// Appends the question whether TLS is spoken.
pub fn write_ssl_request(out: &mut Vec<u8>) {
    out.extend_from_slice(&8_u32.to_be_bytes());
    put_code(out, REQUEST, SSL);
}

/// Appends a request to cancel what the session of this key runs.
///
/// # Errors
/// A key that is not 4 to 256 bytes long.
pub fn write_cancel_request(out: &mut Vec<u8>, pid: u32, key: &[u8]) -> Result<(), WireError> {
    check_key("CancelRequest", key)?;
    begin(out, "CancelRequest", None, key.len().saturating_add(8))?;
    put_code(out, REQUEST, CANCEL);
    out.extend_from_slice(&pid.to_be_bytes());
    out.extend_from_slice(key);
    Ok(())
}

fn put_code(out: &mut Vec<u8>, major: u16, minor: u16) {
    out.extend_from_slice(&major.to_be_bytes());
    out.extend_from_slice(&minor.to_be_bytes());
}

/// BackendKeyData: what a client later cancels with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BackendKey<'a> {
    /// A number, not secret.
    pub pid: u32,
    /// The key, 4 to 256 bytes: whoever has it can cancel.
    pub key: &'a [u8],
}

impl<'a> BackendKey<'a> {
    const NAME: &'static str = "BackendKeyData";

    /// Reads the body of a BackendKeyData message (`K`).
    ///
    /// # Errors
    /// A body that ends early, a key that is not 4 to 256 bytes long.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        Self::read(Self::NAME, body)
    }

    fn read(message: &'static str, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message, body);
        let pid = reader.u32()?;
        check_key(message, reader.rest)?;
        Ok(Self { pid, key: reader.rest })
    }

    /// Appends the message.
    ///
    /// # Errors
    /// A key that is not 4 to 256 bytes long. In protocol 3.0 it must be 4 bytes long,
    /// which is for the caller to keep.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        check_key(Self::NAME, self.key)?;
        begin(out, Self::NAME, Some(b'K'), self.key.len().saturating_add(4))?;
        out.extend_from_slice(&self.pid.to_be_bytes());
        out.extend_from_slice(self.key);
        Ok(())
    }
}

fn check_key(message: &'static str, key: &[u8]) -> Result<(), WireError> {
    if KEY_LENGTHS.contains(&key.len()) {
        return Ok(());
    }
    Err(WireError::Malformed { message, rule: "a key has 4 to 256 bytes" })
}

/// NegotiateProtocolVersion: the server speaks an older minor version than was asked for,
/// or does not know some of the protocol options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Negotiation<'a> {
    /// The newest minor version of protocol 3 that the server speaks.
    pub minor: u16,
    /// How many options follow.
    count: u32,
    names: &'a [u8],
}

impl<'a> Negotiation<'a> {
    const NAME: &'static str = "NegotiateProtocolVersion";

    /// Reads the body of the message (`v`).
    ///
    /// # Errors
    /// A body that ends early or late, another major version than 3.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(Self::NAME, body);
        // PostgreSQL sends the whole version; its documentation speaks of the minor alone.
        let (major, minor) = (reader.u16()?, reader.u16()?);
        if !matches!(major, 0 | 3) {
            return Err(WireError::Protocol { major, minor });
        }
        let count = reader.u32()?;
        let names = reader.rest;
        for _ in 0..count {
            reader.text()?;
        }
        reader.end()?;
        Ok(Self { minor, count, names })
    }

    /// The names of the protocol options that the server does not know.
    pub fn unknown(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader::new(Self::NAME, self.names);
        (0..self.count).map_while(move |_| reader.text().ok())
    }
}

/// Appends NegotiateProtocolVersion with the newest minor version spoken, and the names
/// of the protocol options that are not known.
///
/// # Errors
/// A zero byte in a name.
pub fn write_negotiation<'a, N>(out: &mut Vec<u8>, minor: u16, unknown: N) -> Result<(), WireError>
where
    N: IntoIterator<Item = &'a [u8]> + Clone,
{
    let (mut body, mut count) = (8_usize, 0_u32);
    for name in unknown.clone() {
        without_zero(Negotiation::NAME, name)?;
        body = body.saturating_add(name.len()).saturating_add(1);
        count = count.saturating_add(1);
    }
    begin(out, Negotiation::NAME, Some(b'v'), body)?;
    put_code(out, 3, minor);
    out.extend_from_slice(&count.to_be_bytes());
    for name in unknown {
        put_text(out, name);
    }
    Ok(())
}
