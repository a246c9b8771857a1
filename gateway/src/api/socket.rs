//! The server's end of the control socket. Who asks is what the kernel says of the peer.

use std::collections::HashMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use allonym_contract::Shutdown;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{Operator, OperatorRight, Problem, Reply, Request, answer};
use crate::runtime::Gateway;

/// A request is one line of at most this many bytes.
const LINE_BYTES: u64 = 16 << 20;
/// Connections at a time.
const CONNECTIONS: usize = 64;

/// Makes the control socket.
///
/// # Errors
/// When the folder is not there or not ours to write.
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    // The store's lock says that no other gateway is there: what lies here is left over.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Everybody may connect; what a user may do is decided by who the kernel says it is.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Answers on the control socket until shutdown.
pub async fn serve(gateway: Arc<Gateway>, listener: UnixListener, mut shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|stop| *stop) => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let (gateway, mut shutdown) = (Arc::clone(&gateway), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = converse(&gateway, stream) => {}
                _ = shutdown.wait_for(|stop| *stop) => {}
            }
            drop(slot);
        });
    }
}

async fn converse(gateway: &Arc<Gateway>, stream: UnixStream) -> std::io::Result<()> {
    let operator = identify(gateway, stream.peer_cred()?.uid());
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = zeroize::Zeroizing::new(Vec::new());
        (&mut reader).take(LINE_BYTES).read_until(b'\n', &mut line).await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => answer(gateway, &operator, request).await,
            Err(_) => Err(Problem::new("malformed", "not a request this version knows")),
        };
        let reply = reply.unwrap_or_else(Reply::Refused);
        let mut text = zeroize::Zeroizing::new(serde_json::to_vec(&reply)?);
        text.push(b'\n');
        writer.write_all(&text).await?;
    }
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
    let uid = own_uid();
    let name = uid.and_then(user_name).unwrap_or_else(|| "unknown".to_owned());
    let rights = configured.get(&name).cloned();
    let rights = rights.unwrap_or_else(|| vec![OperatorRight::Keys, OperatorRight::Audit]);
    Operator { name, rights }
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
