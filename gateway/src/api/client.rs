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
        // One that was turned away at the door is told why and not listened to.
        let _ = self.writer.write_all(&written(request)?);
        self.more()
    }

    /// Sends what is not answered by itself.
    ///
    /// # Errors
    /// When the gateway went away.
    pub fn tell(&mut self, request: &Request) -> Result<(), Problem> {
        self.writer.write_all(&written(request)?).map_err(gone)
    }

    /// Waits for the next answer, where a request has several.
    ///
    /// # Errors
    /// When the gateway refuses, or goes away.
    pub fn more(&mut self) -> Result<Reply, Problem> {
        let mut answer = zeroize::Zeroizing::new(String::new());
        self.reader.read_line(&mut answer).map_err(gone)?;
        match serde_json::from_str(&answer) {
            Ok(Reply::Refused(problem)) => Err(problem),
            Ok(reply) => Ok(reply),
            Err(error) => Err(gone(error)),
        }
    }
}

/// A request as a line.
fn written(request: &Request) -> Result<zeroize::Zeroizing<Vec<u8>>, Problem> {
    let line = serde_json::to_vec(request);
    let line = line.map_err(|_| Problem::new("internal", "the request cannot be written"));
    let mut line = zeroize::Zeroizing::new(line?);
    line.push(b'\n');
    Ok(line)
}

fn gone<E>(_: E) -> Problem {
    Problem::new("gateway-gone", "the gateway closed the connection")
}
