//! The client's end of the control socket. Blocking: the command line has nothing else to do.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{Problem, Reply, Request};

/// A connection to a running gateway.
pub struct Client {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Client {
    /// Connects, if a gateway listens there.
    #[must_use]
    pub fn connect(socket: &Path) -> Option<Self> {
        let writer = UnixStream::connect(socket).ok()?;
        let reader = BufReader::new(writer.try_clone().ok()?);
        Some(Self { reader, writer })
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// When the gateway refuses, or goes away.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, Problem> {
        let gone = |_| Problem::new("gateway-gone", "the gateway closed the connection");
        let mut line = zeroize::Zeroizing::new(
            serde_json::to_vec(request)
                .map_err(|_| Problem::new("internal", "the request cannot be written"))?,
        );
        line.push(b'\n');
        // One that was turned away at the door is told why and not listened to.
        let sent = self.writer.write_all(&line);
        let mut answer = zeroize::Zeroizing::new(String::new());
        let read = self.reader.read_line(&mut answer).map_err(gone)?;
        if read == 0 {
            sent.map_err(gone)?;
        }
        match serde_json::from_str(&answer) {
            Ok(Reply::Refused(problem)) => Err(problem),
            Ok(reply) => Ok(reply),
            Err(_) => Err(Problem::new("gateway-gone", "the gateway closed the connection")),
        }
    }
}
