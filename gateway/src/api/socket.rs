//! The server's end of the control socket. Who asks is what the kernel says of the peer.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use allonym_contract::Shutdown;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::answer::NOT_ALLOWED;
use super::{Operator, OperatorRight, Problem, Reply, Request, answer, transfer};
use crate::runtime::Gateway;

/// A request is one line of at most this many bytes.
const LINE_BYTES: u64 = 16 << 20;
/// How long a request line may take to come, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the answer to somebody without the right waits: each such request is put on
/// the record, which nobody may fill at will.
const PENALTY: Duration = Duration::from_secs(1);
/// Connections at a time of operators: the others cannot take these.
const OPERATORS: usize = 16;
/// Connections at a time of all users without an operator's rights.
const OTHERS: usize = 48;
/// Connections at a time of one user without an operator's rights.
const EACH: usize = 4;

/// Makes the control socket.
///
/// # Errors
/// When something that is not a socket lies there, or the folder is not there or not ours
/// to write.
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    // The store's lock says that no other gateway is there: a socket here is left over.
    remove(path)?;
    let listener = UnixListener::bind(path)?;
    // Everybody may connect; what a user may do is decided by who the kernel says it is.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Removes the socket, if one is there.
///
/// # Errors
/// When something else lies there, which is left as it is, or it cannot be removed.
pub fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => {
            let what = "something that is not a socket is there, and is left as it is";
            Err(Error::new(ErrorKind::AlreadyExists, what))
        }
    }
}

/// Answers on the control socket until shutdown.
pub async fn serve(gateway: Arc<Gateway>, listener: UnixListener, mut shutdown: Shutdown) {
    let slots = Slots::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|stop| *stop) => return,
        };
        let Ok((stream, _)) = accepted else {
            // No descriptor is free: one will be.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(uid) = stream.peer_cred().map(|peer| peer.uid()) else { continue };
        let Some(slot) = slots.take(uid, !identify(&gateway, uid).rights.is_empty()) else {
            turn_away(stream);
            continue;
        };
        let (gateway, mut shutdown) = (Arc::clone(&gateway), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = converse(&gateway, stream, uid) => {}
                _ = shutdown.wait_for(|stop| *stop) => {}
            }
            drop(slot);
        });
    }
}

/// The connections of each user.
type Counts = Arc<Mutex<HashMap<u32, usize>>>;

/// How many connections there may be, by who asks.
struct Slots {
    operators: Arc<Semaphore>,
    others: Arc<Semaphore>,
    each: Counts,
}

/// The right to one connection, for as long as it lives.
struct Slot {
    _permit: OwnedSemaphorePermit,
    counted: Option<(Counts, u32)>,
}

impl Slots {
    fn new() -> Self {
        Self {
            operators: Arc::new(Semaphore::new(OPERATORS)),
            others: Arc::new(Semaphore::new(OTHERS)),
            each: Arc::default(),
        }
    }

    fn take(&self, uid: u32, is_operator: bool) -> Option<Slot> {
        if is_operator {
            let permit = Arc::clone(&self.operators).try_acquire_owned().ok()?;
            return Some(Slot { _permit: permit, counted: None });
        }
        let permit = Arc::clone(&self.others).try_acquire_owned().ok()?;
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = each.entry(uid).or_default();
        if *taken >= EACH {
            return None;
        }
        *taken += 1;
        Some(Slot { _permit: permit, counted: Some((Arc::clone(&self.each), uid)) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some((each, uid)) = &self.counted else { return };
        let mut each = each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = each.get_mut(uid) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                each.remove(uid);
            }
        }
    }
}

/// Says why, and waits for nothing: a new socket has room for a line.
fn turn_away(stream: UnixStream) {
    let why =
        "this user has as many connections as it may have at a time, or all users together have";
    let reply = Reply::Refused(Problem::new("too-many-connections", why));
    if let (Ok(mut stream), Ok(mut text)) = (stream.into_std(), serde_json::to_vec(&reply)) {
        text.push(b'\n');
        let _ = stream.write_all(&text);
    }
}

/// The other end of a connection.
pub(super) struct Peer {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// A part was taken that is not answered yet.
    owes_answer: bool,
}

impl Peer {
    fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, owes_answer: false }
    }

    /// Answers.
    ///
    /// # Errors
    /// When the client is gone, or does not take it.
    pub(super) async fn send(&mut self, reply: &Result<Reply, Problem>) -> std::io::Result<()> {
        let mut text = Zeroizing::new(match reply {
            Ok(reply) => serde_json::to_vec(reply)?,
            Err(problem) => serde_json::to_vec(&Reply::Refused(problem.clone()))?,
        });
        text.push(b'\n');
        timeout(PATIENCE, self.writer.write_all(&text)).await??;
        Ok(())
    }

    /// The next request of one exchange of several; what came before is answered first.
    ///
    /// # Errors
    /// When the client is gone, or what comes is not a request.
    pub(super) async fn exchange(&mut self) -> std::io::Result<Option<Request>> {
        if self.owes_answer {
            self.send(&Ok(Reply::Done(String::new()))).await?;
        }
        self.owes_answer = true;
        let Some(line) = line(&mut self.reader, PATIENCE).await? else { return Ok(None) };
        let request = serde_json::from_slice(&line).map_err(|_| ErrorKind::InvalidData)?;
        Ok(Some(request))
    }
}

async fn converse(gateway: &Arc<Gateway>, stream: UnixStream, uid: u32) -> std::io::Result<()> {
    let mut peer = Peer::new(stream);
    while let Some(line) = line(&mut peer.reader, PATIENCE).await? {
        // Again for each request: a reload may have taken a right away.
        let operator = identify(gateway, uid);
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(Request::ExportTokens(asked)) => {
                transfer::export(gateway, &operator, &asked, &mut peer).await?
            }
            Ok(Request::ImportTokens(asked)) => {
                transfer::import(gateway, &operator, &asked, &mut peer).await?
            }
            Ok(request) => answer(gateway, &operator, request).await,
            Err(_) => Err(Problem::new("malformed", "not a request this version knows")),
        };
        if reply.as_ref().is_err_and(|problem| problem.rule == NOT_ALLOWED) {
            tokio::time::sleep(PENALTY).await;
        }
        peer.send(&reply).await?;
        peer.owes_answer = false;
    }
    Ok(())
}

/// The next line; none at the end, or where a line has no end.
async fn line(
    reader: &mut (impl AsyncBufRead + Unpin),
    patience: Duration,
) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::new());
    let mut limited = reader.take(LINE_BYTES);
    timeout(patience, limited.read_until(b'\n', &mut line)).await??;
    Ok((line.last() == Some(&b'\n')).then_some(line))
}

/// What the user with this number may do: as configured, or `keys` and `audit` for the
/// gateway's own user.
fn identify(gateway: &Gateway, uid: u32) -> Operator {
    let name = user_name(uid).unwrap_or_else(|| uid.to_string());
    let configured = gateway.operators();
    let rights = configured.get(&name).or_else(|| configured.get(&uid.to_string())).cloned();
    let rights = rights.unwrap_or_else(|| match own_uid() {
        Some(own) if own == uid => vec![OperatorRight::Keys, OperatorRight::Audit],
        _ => Vec::new(),
    });
    Operator { name, rights }
}

/// The operator a command is when it opens the store itself: whoever can read seal and
/// store may administer them.
#[must_use]
pub fn own_operator(configured: &HashMap<String, Vec<OperatorRight>>) -> Operator {
    let name = own_name().unwrap_or_else(|| "unknown".to_owned());
    let rights = configured.get(&name).cloned();
    let rights = rights.unwrap_or_else(|| vec![OperatorRight::Keys, OperatorRight::Audit]);
    Operator { name, rights }
}

/// The name of the user this process runs as.
#[must_use]
pub fn own_name() -> Option<String> {
    own_uid().and_then(user_name)
}

fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

fn user_name(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_rights_leaves_room() {
        let slots = Slots::new();
        let held: Vec<_> = (0..EACH).map(|_| slots.take(7, false).unwrap()).collect();
        assert!(slots.take(7, false).is_none(), "one more than each may have");
        assert!(slots.take(7, true).is_some(), "as an operator it has room of its own");
        let others: Vec<_> = (100..).map_while(|uid| slots.take(uid, false)).collect();
        assert_eq!(others.len(), OTHERS - EACH);
        let operators: Vec<_> = (0..).map_while(|_| slots.take(0, true)).collect();
        assert_eq!(operators.len(), OPERATORS, "however many others there are");
        drop((held, others));
        assert!(slots.take(7, false).is_some());
        assert!(slots.each.lock().unwrap().is_empty(), "nobody is remembered who is gone");
    }

    #[tokio::test]
    async fn a_line_that_does_not_come_is_not_waited_for() {
        let patience = Duration::from_millis(20);
        for sent in [&b""[..], b"half a request"] {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(sent).await.unwrap();
            let read = line(&mut BufReader::new(server), patience).await;
            assert_eq!(read.unwrap_err().kind(), ErrorKind::TimedOut);
        }
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(b"one\nhalf").await.unwrap();
        drop(client);
        let mut reader = BufReader::new(server);
        assert_eq!(**line(&mut reader, PATIENCE).await.unwrap().unwrap(), *b"one\n");
        assert!(line(&mut reader, PATIENCE).await.unwrap().is_none());
    }
}
