//! The first packets of a connection: TLS, and what the client wants.

use std::io;
use std::sync::Arc;

use allonym_contract::{Fault, Refusal, Stream};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::session::exchange::send;
use crate::tls::{ALPN, Server};
use crate::wire::startup::{MAX_PACKET, Opening, PROTOCOL_OPTION, Startup};

/// Questions a client may ask before it begins: GSSAPI and TLS, each once.
const QUESTIONS: usize = 3;

/// What a connection is for.
pub(crate) enum Purpose {
    /// A session.
    Session(Stream, Begun),
    /// A request to cancel. Its connection is closed when that is done.
    Cancel { client: Stream, process: u32, key: Zeroizing<Vec<u8>> },
    /// Nothing: it was closed, or asked only.
    Nothing,
    /// It is refused.
    Refused(Stream, Refusal),
    /// It is refused, and there is no way to say so.
    Failed(Refusal),
}

/// What a session begins with.
pub(crate) struct Begun {
    pub(crate) minor: u16,
    /// As they came, in order.
    pub(crate) parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Begun {
    fn of(startup: &Startup<'_>) -> Self {
        let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
        Self { minor: startup.minor(), parameters: startup.parameters().map(owned).collect() }
    }

    /// The value of a parameter.
    pub(crate) fn find(&self, name: &str) -> Option<&[u8]> {
        let found = self.parameters.iter().find(|(other, _)| other == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }

    /// The same as text, where it is one.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.find(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The names of the options of the protocol itself, in order.
    pub(crate) fn protocol_options(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let names = self.parameters.iter().map(|(name, _)| name.as_slice());
        names.filter(|name| name.starts_with(PROTOCOL_OPTION))
    }
}

/// Meets a client, until it is known what it wants.
pub(crate) async fn open(socket: TcpStream, tls: Option<&Arc<Server>>) -> Purpose {
    let mut first = [0];
    match socket.peek(&mut first).await {
        Ok(1..) => {}
        Ok(_) | Err(_) => return Purpose::Nothing,
    }
    let mut stream = Stream::Plain(socket);
    if first == [DIRECT_TLS] {
        let Some(server) = tls else { return Purpose::Failed(no_handshake()) };
        stream = match encrypt(stream, &server.acceptor, true).await {
            Ok(stream) => stream,
            Err(_) => return Purpose::Failed(no_handshake()),
        };
    }
    for _ in 0..QUESTIONS {
        let Ok(packet) = packet(&mut stream).await else { return Purpose::Nothing };
        let opening = match Opening::parse(&packet) {
            Ok(Some((opening, _))) => opening,
            Ok(None) => return Purpose::Nothing,
            Err(error) => {
                let refusal = Refusal::new(Fault::Malformed, "malformed", error.to_string());
                return Purpose::Refused(stream, refusal);
            }
        };
        match opening {
            Opening::CancelRequest { pid, key } => {
                let key = Zeroizing::new(key.to_vec());
                return Purpose::Cancel { client: stream, process: pid, key };
            }
            Opening::Startup(startup) if tls.is_some() && !stream.is_tls() => {
                let _ = startup;
                return Purpose::Refused(stream, no_tls());
            }
            Opening::Startup(startup) => return Purpose::Session(stream, Begun::of(&startup)),
            Opening::SslRequest => match tls.filter(|_| !stream.is_tls()) {
                Some(server) => {
                    if send(&mut stream, b"S").await.is_err() {
                        return Purpose::Nothing;
                    }
                    // Nothing beyond the packet was read: what comes now is TLS, or refused.
                    stream = match encrypt(stream, &server.acceptor, false).await {
                        Ok(stream) => stream,
                        Err(_) => return Purpose::Failed(no_handshake()),
                    };
                }
                None if send(&mut stream, b"N").await.is_err() => return Purpose::Nothing,
                None => {}
            },
            Opening::GssEncRequest => {
                if send(&mut stream, b"N").await.is_err() {
                    return Purpose::Nothing;
                }
            }
            Opening::DirectTls => return Purpose::Nothing,
        }
    }
    let says = "the connection asks again and again, and does not begin";
    Purpose::Refused(stream, Refusal::new(Fault::Malformed, "malformed", says))
}

/// The first byte of a TLS handshake.
const DIRECT_TLS: u8 = 0x16;

fn no_handshake() -> Refusal {
    Refusal::new(Fault::Malformed, "tls-handshake", "the TLS handshake failed")
}

fn no_tls() -> Refusal {
    Refusal::new(
        Fault::Unauthenticated,
        "tls-required",
        "TLS is needed here: connect with sslmode=require, or better verify-full",
    )
}

/// The next packet, and nothing beyond it.
async fn packet(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    stream.read_exact(&mut packet).await?;
    let length = packet.first_chunk::<4>().map_or(0, |head| u32::from_be_bytes(*head));
    // What is out of bounds is judged by its head.
    let length = if (4..=MAX_PACKET).contains(&length) { length as usize } else { 8 };
    packet.resize(length.max(4), 0);
    if let Some(rest) = packet.get_mut(4..) {
        stream.read_exact(rest).await?;
    }
    Ok(packet)
}

/// Encrypts a connection. Who begins with TLS has to name the protocol in it, so that
/// nothing else is taken for it.
async fn encrypt(stream: Stream, acceptor: &TlsAcceptor, named: bool) -> io::Result<Stream> {
    let Stream::Plain(socket) = stream else { return Err(io::ErrorKind::InvalidInput.into()) };
    let tls = acceptor.accept(socket).await?;
    if named && tls.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Stream::Tls(Box::new(tls.into())))
}
