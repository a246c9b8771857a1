use allonym_keyring::{DomainId, Info, NamespaceId, Purpose, Secret, derive};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::StoreError;

/// First byte of a sealed value, so that the format can change one day.
const FORMAT: u8 = 1;

/// Seals the values of rows under one key: AES-256-GCM-SIV with a random nonce, bound
/// to the row it stands in.
pub(crate) struct Sealer {
    namespace: NamespaceId,
    cipher: LessSafeKey,
}

/// Where a sealed value stands. A value moved to another row, table or namespace does
/// not open there, nor under another generation. An earlier value does open again when
/// it is put back together with its generation: nothing outside the file says which is
/// the newest, so whoever can write the file can roll a row back unseen.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) table: &'static str,
    pub(crate) id: &'a [u8],
    pub(crate) generation: i64,
}

impl Sealer {
    /// A sealer under the key that `parent` has for this purpose.
    pub(crate) fn under(
        parent: &Secret,
        namespace: NamespaceId,
        purpose: Purpose,
    ) -> Result<Self, StoreError> {
        let key = internal_key(parent, namespace, purpose);
        let key =
            UnboundKey::new(&AES_256_GCM_SIV, key.expose()).map_err(|_| StoreError::Cipher)?;
        Ok(Self { namespace, cipher: LessSafeKey::new(key) })
    }

    /// Format byte, nonce, ciphertext and tag.
    pub(crate) fn seal(&self, row: Row<'_>, plaintext: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        // The capacity is exact: growing would leave plaintext behind in freed memory.
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plaintext.len() + 16);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        let mut body = Zeroizing::new(Vec::with_capacity(plaintext.len() + 16));
        body.extend_from_slice(plaintext);
        let aad = Aad::from(typed(&[
            b"allonym-store-row",
            self.namespace.as_bytes(),
            row.table.as_bytes(),
            row.id,
            &row.generation.to_be_bytes(),
        ]));
        self.cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut *body)
            .map_err(|_| StoreError::Cipher)?;
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// What was sealed for this row.
    pub(crate) fn open(
        &self,
        row: Row<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let altered = || StoreError::Altered(row.table);
        let (head, body) = sealed.split_at_checked(1 + NONCE_LEN).ok_or_else(altered)?;
        let (format, nonce) = head.split_first().ok_or_else(altered)?;
        if *format != FORMAT {
            return Err(altered());
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| altered())?;
        let aad = Aad::from(typed(&[
            b"allonym-store-row",
            self.namespace.as_bytes(),
            row.table.as_bytes(),
            row.id,
            &row.generation.to_be_bytes(),
        ]));
        let mut body = Zeroizing::new(body.to_vec());
        let length = self.cipher.open_in_place(nonce, aad, &mut body).map_err(|_| altered())?.len();
        body.truncate(length);
        Ok(body)
    }

    /// A secret that was sealed for this row.
    pub(crate) fn open_secret(&self, row: Row<'_>, sealed: &[u8]) -> Result<Secret, StoreError> {
        secret(row.table, &self.open(row, sealed)?)
    }
}

/// A secret from 32 opened bytes.
pub(crate) fn secret(table: &'static str, bytes: &[u8]) -> Result<Secret, StoreError> {
    let mut copy = Zeroizing::new([0; 32]);
    if bytes.len() != copy.len() {
        return Err(StoreError::Altered(table));
    }
    copy.copy_from_slice(bytes);
    Ok(Secret::new(copy))
}

/// A key the store uses itself; what it hands out for the same purpose differs.
pub(crate) fn internal_key(parent: &Secret, namespace: NamespaceId, purpose: Purpose) -> Secret {
    derive(
        parent,
        Info { namespace, domain: DomainId::from_bytes([0; 16]), purpose, specification: b"store" },
    )
}

/// The parts, each with its position and length before it, so that no two lists of
/// parts give the same bytes.
pub(crate) fn typed(parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len() + 5).sum();
    let mut bytes = Vec::with_capacity(length);
    for (tag, part) in (0_u8..).zip(parts) {
        bytes.push(tag);
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(namespace: NamespaceId) -> Sealer {
        let parent = Secret::new(Zeroizing::new([7; 32]));
        Sealer::under(&parent, namespace, Purpose::StoreSeal).unwrap()
    }

    #[test]
    fn a_value_opens_in_its_own_row_only() {
        let here = Row { table: "keys", id: b"row", generation: 3 };
        let sealed = sealer(NamespaceId::DEFAULT).seal(here, b"value").unwrap();
        let check = |namespace: NamespaceId, row: Row<'_>, opens: bool| {
            let opened = sealer(namespace).open(row, &sealed);
            assert_eq!(opened.is_ok_and(|value| *value == b"value"), opens);
        };
        check(NamespaceId::DEFAULT, here, true);
        check(NamespaceId::from_bytes([1; 16]), here, false);
        check(NamespaceId::DEFAULT, Row { table: "key", ..here }, false);
        check(NamespaceId::DEFAULT, Row { id: b"raw", ..here }, false);
        check(NamespaceId::DEFAULT, Row { generation: 2, ..here }, false);
    }

    #[test]
    fn every_bit_counts() {
        let row = Row { table: "keys", id: b"row", generation: 1 };
        let sealer = sealer(NamespaceId::DEFAULT);
        let sealed = sealer.seal(row, b"value").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sealer.open(row, &flipped).err(), Some(StoreError::Altered("keys")));
        }
        for cut in 0..sealed.len() {
            assert_eq!(sealer.open(row, &sealed[..cut]).err(), Some(StoreError::Altered("keys")));
        }
    }

    #[test]
    fn no_two_lists_of_parts_are_alike() {
        assert_ne!(typed(&[b"ab", b"c"]), typed(&[b"a", b"bc"]));
        assert_ne!(typed(&[b"ab"]), typed(&[b"ab", b""]));
    }
}
