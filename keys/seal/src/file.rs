use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use allonym_keyring::Secret;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

use crate::{Seal, SealError, SealKind, WrappedRoot};

/// A longer file is not a key: 64 digits and a line end are 66 bytes.
const LONGEST: u64 = 128;

/// A seal by a key file: 32 random bytes as 64 hexadecimal digits or as base64, and a
/// line end. Keep it on another volume than the store, and a copy in a safe.
pub struct FileSeal {
    path: PathBuf,
    key: Secret,
}

impl FileSeal {
    /// Reads a key file.
    ///
    /// # Errors
    /// When it is missing, holds anything but 32 encoded bytes, or (on Unix) may be
    /// read or written by its group or by others.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SealError> {
        let path = path.as_ref();
        let failed = |error: &std::io::Error| unreadable(path, error);
        // A pipe in the file's place would block the opening for ever.
        if !std::fs::metadata(path).map_err(|error| failed(&error))?.is_file() {
            return Err(SealError::NotAKey(path.to_owned()));
        }
        let file = File::open(path).map_err(|error| failed(&error))?;
        refuse_open_to_others(path, &file)?;
        let mut text = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
        file.take(LONGEST + 1).read_to_end(&mut text).map_err(|error| failed(&error))?;
        let key = parse(&text).ok_or_else(|| SealError::NotAKey(path.to_owned()))?;
        Ok(Self { path: path.to_owned(), key })
    }

    /// Makes a new key file, readable by its owner only and on disk before this
    /// returns, and opens it.
    ///
    /// # Errors
    /// When a file is there already, or the new one cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, SealError> {
        let path = path.as_ref();
        let key = Secret::random().map_err(|_| SealError::Randomness)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => SealError::Exists(path.to_owned()),
            _ => unreadable(path, &error),
        })?;
        if let Err(error) = write(file, &key).and_then(|()| sync_folder(path)) {
            // Half a key file would only stand in the way of the next attempt.
            let _ = std::fs::remove_file(path);
            return Err(unreadable(path, &error));
        }
        Ok(Self { path: path.to_owned(), key })
    }
}

impl Seal for FileSeal {
    fn name(&self) -> String {
        format!("file:{}", self.path.display())
    }

    fn wrap(&self, root: &Secret) -> Result<WrappedRoot, SealError> {
        WrappedRoot::close(&self.key, SealKind::File, None, root)
    }

    fn unwrap(&self, wrapped: &WrappedRoot) -> Result<Secret, SealError> {
        wrapped.expect(SealKind::File)?;
        wrapped.open(&self.key)
    }
}

impl fmt::Debug for FileSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileSeal({})", self.path.display())
    }
}

fn write(mut file: File, key: &Secret) -> std::io::Result<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Zeroizing::new(Vec::with_capacity(65));
    for byte in key.expose() {
        text.extend(
            [byte >> 4, byte & 15].iter().filter_map(|half| DIGITS.get(usize::from(*half))),
        );
    }
    text.push(b'\n');
    file.write_all(&text)?;
    file.sync_all()
}

/// A new name is on disk only when its folder is.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn parse(text: &[u8]) -> Option<Secret> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let mut key = Zeroizing::new([0; 32]);
    if text.len() == 64 {
        for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        return Some(Secret::new(key));
    }
    let engine = if text.ends_with(b"=") { STANDARD } else { STANDARD_NO_PAD };
    let decoded = Zeroizing::new(engine.decode(text).ok()?);
    if decoded.len() != key.len() {
        return None;
    }
    key.copy_from_slice(&decoded);
    Some(Secret::new(key))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(unix)]
fn refuse_open_to_others(path: &Path, file: &File) -> Result<(), SealError> {
    use std::os::unix::fs::MetadataExt;
    let mode = file.metadata().map_err(|error| unreadable(path, &error))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SealError::OpenToOthers { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_open_to_others(_: &Path, _: &File) -> Result<(), SealError> {
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> SealError {
    SealError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hexadecimal_or_base64() {
        let check = |text: &str, expected: Option<[u8; 32]>| {
            let parsed = parse(text.as_bytes()).map(|key| *key.expose());
            assert_eq!(parsed, expected, "{text}");
        };
        let mut counting = [0; 32];
        counting.iter_mut().zip(0..).for_each(|(byte, number)| *byte = number);
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
        let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        check(hex, Some(counting));
        check(&format!("{hex}\n"), Some(counting));
        check(&format!("{hex}\r\n"), Some(counting));
        check(base64, Some(counting));
        check(&format!("{}\n", base64.trim_end_matches('=')), Some(counting));
        check("", None);
        check(&hex[1..], None);
        check(&hex[2..], None);
        check(&format!("{hex}00"), None);
        check(&format!("{hex}\n\n"), None);
        check(&hex.replace('A', "g"), None);
        check(&hex.replace("00", "+0"), None);
        check(&base64[4..], None);
        check(&base64.replace('A', "-"), None);
    }
}
