use std::io::{ErrorKind, Read, Write};

use allonym_keyring::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::StoreError;

/// Plaintext of a chunk; the last one is shorter or as long.
const CHUNK: usize = 256 * 1024;
const TAG: usize = 16;

/// Seals a stream in chunks of AES-256-GCM. The key is of one stream only, so a counter
/// is a nonce that never comes again; the last chunk says that it is the last, so
/// neither a cut nor an added, missing or moved chunk goes unseen (the construction of
/// Hoang, Reyhanitabar, Rogaway and Vizár 2015, known as STREAM).
pub(crate) fn seal(
    key: &Secret,
    header: &[u8; 32],
    mut from: impl Read,
    mut to: impl Write,
) -> Result<(), StoreError> {
    let cipher = cipher(key)?;
    let mut chunk = next(&mut from, CHUNK)?;
    for counter in 0_u64.. {
        let following = next(&mut from, CHUNK)?;
        let last = following.is_empty();
        cipher
            .seal_in_place_append_tag(nonce(counter, last), Aad::from(header), &mut chunk)
            .map_err(|_| StoreError::Cipher)?;
        to.write_all(&chunk)?;
        if last {
            break;
        }
        chunk = following;
    }
    Ok(to.flush()?)
}

/// Opens what [`seal`] sealed. Until it returns, what came out may be cut short.
pub(crate) fn open(
    key: &Secret,
    header: &[u8; 32],
    mut from: impl Read,
    mut to: impl Write,
) -> Result<(), StoreError> {
    let cipher = cipher(key)?;
    let mut chunk = next(&mut from, CHUNK + TAG)?;
    for counter in 0_u64.. {
        let following = next(&mut from, CHUNK + TAG)?;
        let last = following.is_empty();
        let opened = cipher
            .open_in_place(nonce(counter, last), Aad::from(header), &mut chunk)
            .map_err(|_| StoreError::BackupAltered)?;
        to.write_all(opened)?;
        if last {
            break;
        }
        chunk = following;
    }
    Ok(to.flush()?)
}

/// Up to `length` bytes; fewer only at the end.
fn next(from: &mut impl Read, length: usize) -> Result<Vec<u8>, StoreError> {
    let mut chunk = Vec::with_capacity(length + TAG);
    let limit = u64::try_from(length).unwrap_or(u64::MAX);
    match from.take(limit).read_to_end(&mut chunk) {
        Ok(_) => Ok(chunk),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(StoreError::BackupAltered),
        Err(error) => Err(error.into()),
    }
}

fn nonce(counter: u64, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    for (byte, value) in bytes.iter_mut().skip(3).zip(counter.to_be_bytes()) {
        *byte = value;
    }
    if let Some(flag) = bytes.last_mut() {
        *flag = u8::from(last);
    }
    Nonce::assume_unique_for_key(bytes)
}

fn cipher(key: &Secret) -> Result<LessSafeKey, StoreError> {
    UnboundKey::new(&AES_256_GCM, key.expose())
        .map(LessSafeKey::new)
        .map_err(|_| StoreError::Cipher)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const HEADER: [u8; 32] = [9; 32];

    fn key() -> Secret {
        Secret::new(Zeroizing::new([3; 32]))
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        seal(&key(), &HEADER, plain, &mut out).unwrap();
        out
    }

    fn opened(sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut out = Vec::new();
        open(&key(), &HEADER, sealed, &mut out)?;
        Ok(out)
    }

    #[test]
    fn every_length_round_trips() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
            let plain: Vec<u8> = (0..=255).cycle().take(length).collect();
            let sealed = sealed(&plain);
            assert_eq!(sealed.len(), length + TAG * length.div_ceil(CHUNK).max(1));
            assert_eq!(opened(&sealed), Ok(plain), "{length}");
        }
    }

    #[test]
    fn chunks_cannot_be_cut_moved_doubled_or_changed() {
        let plain: Vec<u8> = (0..=255).cycle().take(3 * CHUNK).collect();
        let whole = sealed(&plain);
        let step = CHUNK + TAG;
        let parts: Vec<&[u8]> = whole.chunks(step).collect();
        let check = |bytes: Vec<u8>| assert_eq!(opened(&bytes), Err(StoreError::BackupAltered));
        check(Vec::new());
        check(whole[..step].to_vec());
        check(whole[..2 * step].to_vec());
        check(whole[..whole.len() - 1].to_vec());
        check([whole.as_slice(), b"x"].concat());
        check([parts[1], parts[0], parts[2]].concat());
        check([parts[0], parts[0], parts[2]].concat());
        check([parts[0], parts[2]].concat());
        check([parts[0], parts[1], parts[2], parts[2]].concat());
        for at in [0, step - 1, step, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            check(flipped);
        }
        let mut out = Vec::new();
        let other = open(&key(), &[8; 32], whole.as_slice(), &mut out);
        assert_eq!(other, Err(StoreError::BackupAltered), "the header is bound");
    }
}
