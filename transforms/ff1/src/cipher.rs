//! AES in the three key sizes, and the way to run a whole batch inside one of the `aes` crate's back ends.

use aes::cipher::consts::U16;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, KeyInit, ParBlocks,
};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc, Block};

/// A key schedule; boxed, so that moving it leaves no copies behind.
pub(crate) enum Cipher {
    Aes128(Box<Aes128Enc>),
    Aes192(Box<Aes192Enc>),
    Aes256(Box<Aes256Enc>),
}

impl Cipher {
    /// The schedule of a key of 16, 24 or 32 bytes, none for another length.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Enc::new_from_slice(key).ok().map(|aes| Self::Aes128(Box::new(aes))),
            24 => Aes192Enc::new_from_slice(key).ok().map(|aes| Self::Aes192(Box::new(aes))),
            32 => Aes256Enc::new_from_slice(key).ok().map(|aes| Self::Aes256(Box::new(aes))),
            _ => None,
        }
    }

    /// Runs `work` inside the back end chosen for this processor, so that it is chosen once and not for each block.
    pub(crate) fn run(&self, work: impl BlockCipherEncClosure<BlockSize = U16>) {
        match self {
            Self::Aes128(aes) => aes.encrypt_with_backend(work),
            Self::Aes192(aes) => aes.encrypt_with_backend(work),
            Self::Aes256(aes) => aes.encrypt_with_backend(work),
        }
    }
}

/// A back end of the `aes` crate.
pub(crate) trait Backend: BlockCipherEncBackend<BlockSize = U16> {}

impl<B: BlockCipherEncBackend<BlockSize = U16>> Backend for B {}

/// Encrypts one block, given and returned as a big-endian number.
#[inline(always)]
pub(crate) fn encrypt_block<B: Backend>(backend: &B, block: u128) -> u128 {
    let mut block = Block::from(block.to_be_bytes());
    backend.encrypt_block_inplace(&mut block);
    number(&block)
}

/// Encrypts any number of independent blocks.
#[inline(always)]
pub(crate) fn encrypt_blocks<B: Backend>(backend: &B, blocks: &mut [Block]) {
    if let [block] = blocks {
        return backend.encrypt_block_inplace(block);
    }
    let width = B::ParBlocksSize::USIZE;
    for group in blocks.chunks_mut(width) {
        if group.len() < width {
            backend.encrypt_tail_blocks_inplace(group);
        } else if let Ok(full) = <&mut ParBlocks<B>>::try_from(group) {
            backend.encrypt_par_blocks_inplace(full);
        }
    }
}

/// The big-endian number of a block, NUM of the standard.
#[inline(always)]
pub(crate) fn number(block: &Block) -> u128 {
    u128::from_be_bytes(block.0)
}

/// The schedules are wiped on drop only while the feature `zeroize` of `aes` is on; without it this does not compile.
const _: () = {
    const fn wiped_on_drop<T: zeroize::ZeroizeOnDrop>() {}
    wiped_on_drop::<Aes128Enc>();
    wiped_on_drop::<Aes192Enc>();
    wiped_on_drop::<Aes256Enc>();
};
