//! The part of the round function's input that does not change from round to round: block P and the tweak (SP 800-38G,
//! algorithm 7, steps 5 and 6.i).

use crate::cipher::{Backend, Work};
use crate::shape::Geometry;

/// Tweaks shorter than this find block P encrypted.
pub(crate) const SHORT_TWEAKS: usize = 16;

/// Encrypts block P of all short tweak lengths.
pub(crate) struct EncryptP<'a>(pub(crate) &'a mut Geometry);

impl Work for EncryptP<'_> {
    #[inline(always)]
    fn run<B: Backend>(self, backend: &B) {
        for length in 0..SHORT_TWEAKS {
            let state = backend.encrypt_block(self.0.block_p(length));
            if let Some(to) = self.0.encrypted_p.get_mut(length) {
                *to = state;
            }
        }
    }
}

/// Binds tweaks to one shape, keeping the encrypted block P while the tweak length stays the same.
pub(crate) struct Prefixes<'a> {
    geometry: &'a Geometry,
    last: Option<(usize, u128)>,
}

impl<'a> Prefixes<'a> {
    pub(crate) fn new(geometry: &'a Geometry) -> Self {
        Self { geometry, last: None }
    }

    /// The chaining state after P and the whole blocks of the padded tweak, with the rest of the tweak added to it.
    ///
    /// Exactly the round byte and the half have still to be added, both right-aligned in the block or blocks that follow.
    #[inline(always)]
    pub(crate) fn bind<B: Backend>(&mut self, backend: &B, tweak: &[u8]) -> u128 {
        let mut state = match self.last {
            Some((length, state)) if length == tweak.len() => state,
            _ => {
                let state = match self.geometry.encrypted_p.get(tweak.len()) {
                    Some(state) => *state,
                    None => backend.encrypt_block(self.geometry.block_p(tweak.len())),
                };
                self.last = Some((tweak.len(), state));
                state
            }
        };
        let padding = (tweak.len() + self.geometry.half_bytes + 1).wrapping_neg() % 16;
        let mut blocks = tweak.chunks(16);
        for _ in 0..(tweak.len() + padding) / 16 {
            state = backend.encrypt_block(state ^ left_aligned(blocks.next()));
        }
        state ^ left_aligned(blocks.next())
    }
}

/// Up to 16 bytes at the upper end of a block, in loads of words: the bytes one by one would have to be waited for.
#[inline(always)]
fn left_aligned(bytes: Option<&[u8]>) -> u128 {
    let bytes = bytes.unwrap_or_default();
    let missing = 8 * (16 - bytes.len().min(16)) as u32;
    if let Some(all) = bytes.first_chunk() {
        u128::from_be_bytes(*all)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let last = u128::from(u64::from_be_bytes(*last)) << missing;
        (u128::from(u64::from_be_bytes(*first)) << 64) | last
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let last = u128::from(u32::from_be_bytes(*last)) << missing;
        (u128::from(u32::from_be_bytes(*first)) << 96) | last
    } else {
        let (first, second, third) = match *bytes {
            [first] => (first, 0, 0),
            [first, second] => (first, second, 0),
            [first, second, third] => (first, second, third),
            _ => return 0,
        };
        u128::from(u32::from_be_bytes([first, second, third, 0])) << 96
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_aligned_to_the_left() {
        let bytes: Vec<u8> = (1..=16).collect();
        for length in 0..=16 {
            let mut block = [0; 16];
            block[..length].copy_from_slice(&bytes[..length]);
            assert_eq!(left_aligned(Some(&bytes[..length])), u128::from_be_bytes(block));
        }
        assert_eq!(left_aligned(None), 0);
    }
}
