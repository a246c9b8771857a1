//! An upstream for a few requests: it keeps what it is sent and sends it back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Outcome;

/// Listens, and answers this many requests.
pub(crate) struct Capture {
    bodies: JoinHandle<Outcome<Vec<String>>>,
}

impl Capture {
    pub(crate) fn start(address: SocketAddr, requests: usize) -> Outcome<Self> {
        let listener = TcpListener::bind(address)?;
        let serve = move || {
            let mut bodies = Vec::new();
            while bodies.len() < requests {
                let (stream, _) = listener.accept()?;
                // A connection without a request was only a look whether somebody is there.
                bodies.extend(exchange(stream)?);
            }
            Ok(bodies)
        };
        Ok(Self { bodies: thread::spawn(serve) })
    }

    /// The bodies, in the order in which they came; waits for the last one.
    pub(crate) fn bodies(self) -> Outcome<Vec<String>> {
        self.bodies.join().map_err(|_| "the capturing upstream panicked")?
    }
}

/// One request, and a close: no connection of this upstream outlives it.
fn exchange(mut stream: TcpStream) -> Outcome<Option<String>> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(body) = body(&bytes)? {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes())?;
            return Ok(Some(body));
        }
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
}

/// The body, if all of it is there.
fn body(bytes: &[u8]) -> Outcome<Option<String>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, rest) = bytes.split_at(end + 4);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize =
        length.ok_or("the gateway sent a body without its length")?.trim().parse()?;
    match rest.get(..length) {
        Some(body) => Ok(Some(String::from_utf8(body.to_vec())?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_whole_or_not_there_yet() {
        let request = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc";
        for cut in 0..request.len() {
            assert_eq!(body(&request[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(body(request).unwrap().as_deref(), Some("abc"));
        assert!(body(b"POST / HTTP/1.1\r\n\r\n").is_err());
    }
}
