use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// `path` with `suffix` after its whole name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the folder a file will stand in, for its owner only.
pub(crate) fn make_folder(path: &Path) -> Result<(), StoreError> {
    let folder = folder(path);
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    Ok(builder.create(folder)?)
}

/// Makes a file for its owner only. It must not exist.
pub(crate) fn make_private(path: &Path) -> Result<File, StoreError> {
    let mut options = private();
    options.create_new(true).open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => StoreError::Exists(path.to_owned()),
        _ => error.into(),
    })
}

/// Takes away what group and others may do with a file.
pub(crate) fn close_to_others(path: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Holds a store for this process until it is dropped.
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// Closing the file is not enough: a child that is just being started has it open too,
    /// until it runs its own program.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Holds a store for this process.
pub(crate) fn lock(store: &Path) -> Result<Lock, StoreError> {
    let file = private().create(true).truncate(false).open(beside(store, ".lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(store.to_owned())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Gives a finished file its name, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to)?;
    Ok(File::open(folder(to))?.sync_all()?)
}

/// A file that is gone when this is dropped, along with what SQLite puts beside it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// The name, free of what an earlier crash may have left there.
    pub(crate) fn new(path: PathBuf) -> Self {
        let scratch = Self(path);
        scratch.remove();
        scratch
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves the file where it is.
    pub(crate) fn keep(mut self) {
        self.0 = PathBuf::new();
    }

    fn remove(&self) {
        if self.0.as_os_str().is_empty() {
            return;
        }
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let _ = std::fs::remove_file(beside(&self.0, suffix));
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.remove();
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_is_being_started_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        let held = lock(&store).unwrap();
        let in_the_child = held.0.try_clone().unwrap();
        assert!(matches!(lock(&store), Err(StoreError::InUse(_))));
        drop(held);
        lock(&store).unwrap();
        drop(in_the_child);
    }
}
