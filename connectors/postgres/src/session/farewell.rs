//! Last words, and how they arrive.

use std::io;
use std::time::Duration;

use allonym_contract::{Fault, Refusal, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::refusal::write_fatal;
use crate::session::relay::{Ended, Relay};
use crate::wire::message::write_terminate;
use crate::worker::End;

/// How long a last word may take to be sent and heard.
const LAST_WORD: Duration = Duration::from_secs(2);
/// How much is read of a client that has not heard yet that it is over, in bytes.
const MOST_UNHEARD: usize = 256 << 10;

/// Tells a client that it is refused.
pub(super) async fn refuse(mut client: Stream, refusal: &Refusal) {
    let mut last = Vec::new();
    write_fatal(&mut last, refusal);
    let told = async {
        say(&mut client, &last).await?;
        hear_out(&mut client).await
    };
    let _ = timeout(LAST_WORD, told).await;
}

/// Closes, once what was asked for is done.
pub(super) async fn close(mut client: Stream) {
    let _ = timeout(LAST_WORD, client.shutdown()).await;
}

/// Tells both sides of a session why it is over, where they can be told.
pub(super) async fn part(relay: &mut Relay, ended: &Ended) {
    let _ = timeout(LAST_WORD, tell(relay, ended)).await;
}

async fn tell(relay: &mut Relay, ended: &Ended) {
    let refusal = match ended {
        Ended::By(End::Shutdown) => Refusal::new(
            Fault::Unavailable,
            "shutdown",
            "terminating connection: the gateway stops",
        ),
        Ended::By(End::Idle) => Refusal::new(
            Fault::Unavailable,
            "idle-timeout",
            "terminating connection: it was idle for too long",
        ),
        Ended::Wire(error) => Refusal::new(Fault::Malformed, "malformed", error.to_string()),
        Ended::By(End::Stalled | End::Parted) | Ended::Client | Ended::Server | Ended::Broken => {
            return;
        }
    };
    let mut last = Vec::new();
    // In the middle of a message nothing can be said.
    let told = relay.can_tell_client();
    if told {
        write_fatal(&mut last, &refusal);
        let _ = say(&mut relay.client.stream, &last).await;
    }
    if relay.can_tell_server() {
        last.clear();
        write_terminate(&mut last);
        let _ = say(&mut relay.server.stream, &last).await;
    }
    // Who is idle has nothing unread, and looks when it wants something next.
    if told && (relay.is_under_way() || matches!(ended, Ended::Wire(_))) {
        let _ = hear_out(&mut relay.client.stream).await;
    }
}

async fn say(stream: &mut Stream, last: &[u8]) -> io::Result<()> {
    stream.write_all(last).await?;
    stream.shutdown().await
}

/// Reads what still comes, until the other side closes: a socket that is closed with bytes
/// unread resets the connection, and what it said last may be lost.
async fn hear_out(stream: &mut Stream) -> io::Result<()> {
    let (mut room, mut left) = (vec![0; 4 << 10], MOST_UNHEARD);
    loop {
        let count = stream.read(&mut room).await?;
        left = left.saturating_sub(count);
        if count == 0 || left == 0 {
            return Ok(());
        }
    }
}
