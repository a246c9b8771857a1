//! Messages one by one, as long as a login lasts. Nothing beyond a message is read, so
//! that what follows is whole for whoever comes next.

use std::io;

use allonym_contract::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

use crate::wire::frame::HEADER;
use crate::wire::{Side, WireError};

/// The longest message of a login, in bytes. Tokens and tickets are far below it.
const LONGEST: u32 = 64 << 10;
/// The room for a message before any of it has arrived, in bytes: enough for most.
const FIRST: usize = 1024;

/// A message.
pub(crate) struct Message {
    pub(crate) tag: u8,
    /// Wiped: it may be a password.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("the connection was closed")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// The next message.
pub(crate) async fn receive(stream: &mut Stream, from: Side) -> Result<Message, ExchangeError> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await?;
    let [tag, length @ ..] = header;
    let length = u32::from_be_bytes(length);
    if !from.sends(tag) {
        return Err(WireError::UnknownTag { side: from, tag }.into());
    }
    if length < 4 {
        return Err(WireError::TooShort { tag, length }.into());
    }
    if length > LONGEST {
        return Err(WireError::TooLong { tag, length, limit: LONGEST }.into());
    }
    let body = body(stream, length as usize - 4).await?;
    Ok(Message { tag, body })
}

/// So many bytes. Room grows with what has arrived, never with what is only declared:
/// nobody has proven anything yet. What it grows out of is wiped.
async fn body(stream: &mut Stream, length: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(vec![0; length.min(FIRST)]);
    stream.read_exact(&mut body).await?;
    while body.len() < length {
        let (have, room) = (body.len(), length.min(body.len() * 4));
        let mut larger = Zeroizing::new(Vec::with_capacity(room));
        larger.extend_from_slice(&body);
        larger.resize(room, 0);
        stream.read_exact(larger.get_mut(have..).unwrap_or_default()).await?;
        body = larger;
    }
    Ok(body)
}

/// Sends what was written.
pub(crate) async fn send(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
