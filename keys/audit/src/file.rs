use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::chain::{Broken, Head};
use crate::error::OpenError;
use crate::line::{Line, MAX_LINE};

/// What the log needs of its file.
pub(crate) trait LogFile: Send + Sync {
    /// Appends all of these bytes, in one write where the kernel takes them in one.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file to this length.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Returns once everything appended is on the disk.
    fn sync(&self) -> io::Result<()>;
}

/// A file that this process alone appends to, until it is dropped.
pub(crate) struct Held(File);

impl LogFile for Held {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&mut &self.0).write_all(bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Deref for Held {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Held {
    /// Closing the file is not enough: a child that is just being started has it open too,
    /// until it runs its own program.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Where a log stands that was just opened.
pub(crate) struct Tail {
    /// Where its complete lines end.
    pub(crate) head: Head,
    /// How long they are together, in bytes.
    pub(crate) length: u64,
    /// How many bytes follow that are not a complete line.
    pub(crate) torn: u64,
}

/// Opens the file for appending, alone: folder and file belong to their owner only.
pub(crate) fn open(folder: &Path, path: &Path) -> Result<Held, OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed)?;
    // A link could lead the log to where others read or cut it.
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => return Err(OpenError::NotAFile(path.to_owned())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let file = Held(file);
    file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
    // The name of a new file is as durable as its lines only once its folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(file)
}

/// Reads the end of the file and checks its last lines.
pub(crate) fn tail(file: &File, path: &Path) -> Result<Tail, OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    let (start, bytes) = last_bytes(file, 16 * MAX_LINE as u64).map_err(failed)?;
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let torn = bytes.len() - complete;
    let lines = bytes.get(..complete).unwrap_or_default();
    let head = check(lines, start == 0).map_err(|(sequence, broken)| OpenError::Broken {
        path: path.to_owned(),
        sequence,
        broken,
    })?;
    if torn > MAX_LINE {
        let (sequence, broken) = (head.sequence.saturating_add(1), Broken::TooLong);
        return Err(OpenError::Broken { path: path.to_owned(), sequence, broken });
    }
    Ok(Tail { head, length: start + complete as u64, torn: torn as u64 })
}

/// Up to `length` bytes from the end, and where they begin.
pub(crate) fn last_bytes(mut file: &File, length: u64) -> io::Result<(u64, Vec<u8>)> {
    let end = file.seek(SeekFrom::End(0))?;
    let start = end.saturating_sub(length);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok((start, bytes))
}

/// Complete lines of which the first may be cut, unless they begin the log. Where they
/// end, or which sequence number is not as it must be, and why.
fn check(lines: &[u8], from_start: bool) -> Result<Head, (u64, Broken)> {
    let mut head = from_start.then_some(Head::EMPTY);
    let skipped = usize::from(!from_start);
    for line in lines.split_inclusive(|byte| *byte == b'\n').skip(skipped) {
        let next = head.map_or(0, |head| head.sequence.saturating_add(1));
        let failed = |broken| (next, broken);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = Line::parse(line).map_err(failed)?;
        line.follows(&head.unwrap_or(line.before())).map_err(failed)?;
        line.event().map_err(failed)?;
        head = Some(line.head());
    }
    head.ok_or((0, Broken::Malformed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_is_being_started_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let held = open(folder.path(), &log).unwrap();
        let in_the_child = held.try_clone().unwrap();
        assert!(matches!(open(folder.path(), &log), Err(OpenError::InUse(_))));
        drop(held);
        open(folder.path(), &log).unwrap();
        drop(in_the_child);
    }
}
