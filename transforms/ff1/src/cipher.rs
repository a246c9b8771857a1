//! AES in the three key sizes, and the way to run a whole batch inside one back end.

use aes::cipher::consts::U16;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
    ParBlocks, array::ArraySize,
};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc, Block};

use crate::Tweaks;
use crate::engine::{Direction, Numeral, Several, Single};
use crate::selection::Engine;
use crate::shape::Shape;

/// How many values run side by side, where they are many and where they are not.
const MANY: usize = 16;
const FEW: usize = 4;

/// A key schedule; boxed, so that moving it leaves no copies behind.
pub(crate) enum Cipher {
    Aes128(Box<Aes128Enc>),
    Aes192(Box<Aes192Enc>),
    Aes256(Box<Aes256Enc>),
    #[cfg(target_arch = "x86_64")]
    Simd(crate::simd::Cipher),
}

impl Cipher {
    /// The schedule of a key of 16, 24 or 32 bytes, none for another length; `engine` is available.
    pub(crate) fn new(key: &[u8], engine: Engine) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if let Some(level) = crate::simd::Level::of(engine) {
            return crate::simd::Cipher::new(key, level).map(Self::Simd);
        }
        let _ = engine;
        match key.len() {
            16 => Aes128Enc::new_from_slice(key).ok().map(|aes| Self::Aes128(Box::new(aes))),
            24 => Aes192Enc::new_from_slice(key).ok().map(|aes| Self::Aes192(Box::new(aes))),
            32 => Aes256Enc::new_from_slice(key).ok().map(|aes| Self::Aes256(Box::new(aes))),
            _ => None,
        }
    }

    /// Runs `work` inside the back end chosen for this processor, so that it is chosen once and not for each block.
    pub(crate) fn run(&self, work: impl Work) {
        match self {
            Self::Aes128(aes) => aes.encrypt_with_backend(Portable(work)),
            Self::Aes192(aes) => aes.encrypt_with_backend(Portable(work)),
            Self::Aes256(aes) => aes.encrypt_with_backend(Portable(work)),
            #[cfg(target_arch = "x86_64")]
            Self::Simd(cipher) => cipher.run(work),
        }
    }
}

impl Cipher {
    /// Runs a checked value that is alone; gives the values back where they are more or their halves are not short.
    pub(crate) fn run_single<'a, S: Numeral>(
        &self,
        shape: &Shape,
        direction: Direction,
        tweaks: Tweaks<'_>,
        (first, symbols): (u8, &'a mut [S]),
    ) -> Option<&'a mut [S]> {
        let geometry = shape.geometry();
        match (tweaks.of_single(), &geometry.small) {
            (Some(tweak), Some(rings)) if symbols.len() == geometry.length => {
                let run = |value: Single<'_>| {
                    #[cfg(target_arch = "x86_64")]
                    if let (Self::Simd(cipher), Some(plan)) = (self, &geometry.plan)
                        && cipher.has_vectors()
                    {
                        return cipher.run_single(plan, value);
                    }
                    self.run(value);
                };
                Single::through((geometry, rings), direction, tweak, (first, symbols), run);
                None
            }
            _ => Some(symbols),
        }
    }

    /// Runs checked values with short halves; gives them back where these are longer, or the back end has no better way for
    /// short ones.
    pub(crate) fn run_several<'a, S: Numeral>(
        &self,
        shape: &Shape,
        direction: Direction,
        tweaks: Tweaks<'_>,
        (first, symbols): (u8, &'a mut [S]),
    ) -> Option<&'a mut [S]> {
        let geometry = shape.geometry();
        let Some(rings) = geometry.small.as_deref().filter(|_| self.is_simd()) else {
            return Some(symbols);
        };
        let (sizes, given) = ((geometry, rings), (first, symbols));
        if given.1.len() > FEW * geometry.length {
            let run = |values: Several<'_, MANY>| self.run(values);
            Several::through(sizes, direction, tweaks, given, run);
        } else {
            let run = |values: Several<'_, FEW>| self.run(values);
            Several::through(sizes, direction, tweaks, given, run);
        }
        None
    }

    fn is_simd(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return matches!(self, Self::Simd(_));
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

#[cfg(target_arch = "x86_64")]
impl Cipher {
    /// Runs checked values in vectors; gives them back where this processor or the shape is not for it.
    pub(crate) fn run_vectors<'a, S: crate::simd::Symbol>(
        &self,
        shape: &Shape,
        direction: Direction,
        tweaks: Tweaks<'_>,
        (first, symbols): (u8, &'a mut [S]),
    ) -> Option<&'a mut [S]> {
        let geometry = shape.geometry();
        match (self, &geometry.plan) {
            (Self::Simd(cipher), Some(plan)) if cipher.has_vectors() => {
                let values =
                    crate::simd::Values { plan, geometry, direction, tweaks, symbols, first };
                cipher.run_values(values);
                None
            }
            _ => Some(symbols),
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Cipher {
    /// No vectors for this processor: gives the values back.
    pub(crate) fn run_vectors<'a, S>(
        &self,
        _: &Shape,
        _: Direction,
        _: Tweaks<'_>,
        (_, symbols): (u8, &'a mut [S]),
    ) -> Option<&'a mut [S]> {
        Some(symbols)
    }
}

/// What is done inside a back end.
pub(crate) trait Work {
    fn run<B: Backend>(self, backend: &B);
}

/// AES under one key, as one processor does it best.
pub(crate) trait Backend {
    /// How many blocks it takes side by side.
    type Lanes: ArraySize;

    /// Encrypts one block, given and returned as a big-endian number.
    fn encrypt_block(&self, block: u128) -> u128;

    /// Encrypts the block that is the sum of `rest` and `half`, and gives its first eight bytes. `rest` is known earlier.
    #[inline(always)]
    fn stream(&self, rest: u128, half: u64) -> u64 {
        (self.encrypt_block(rest ^ u128::from(half)) >> 64) as u64
    }

    /// Encrypts blocks that are sums of a prefix, of a half and of `byte`, and gives the first eight bytes of each.
    #[inline(always)]
    fn streams<const W: usize>(
        &self,
        prefixes: &[Block; W],
        halves: &[u64; W],
        byte: u64,
    ) -> [u64; W] {
        let mut streams = [0; W];
        for ((stream, prefix), half) in streams.iter_mut().zip(prefixes).zip(halves) {
            *stream = self.stream(number(prefix) ^ u128::from(byte), *half);
        }
        streams
    }

    /// Encrypts any number of independent blocks.
    fn encrypt_blocks(&self, blocks: &mut [Block]);
}

/// The big-endian number of a block, NUM of the standard.
#[inline(always)]
pub(crate) fn number(block: &Block) -> u128 {
    u128::from_be_bytes(block.0)
}

/// What is done inside a back end of the `aes` crate, or such a back end.
struct Portable<T>(T);

impl<W> BlockSizeUser for Portable<W> {
    type BlockSize = U16;
}

impl<W: Work> BlockCipherEncClosure for Portable<W> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        self.0.run(&Portable(backend));
    }
}

impl<B: BlockCipherEncBackend<BlockSize = U16>> Backend for Portable<&B> {
    type Lanes = B::ParBlocksSize;

    #[inline(always)]
    fn encrypt_block(&self, block: u128) -> u128 {
        let mut block = Block::from(block.to_be_bytes());
        self.0.encrypt_block_inplace(&mut block);
        number(&block)
    }

    #[inline(always)]
    fn encrypt_blocks(&self, blocks: &mut [Block]) {
        if let [block] = blocks {
            return self.0.encrypt_block_inplace(block);
        }
        let width = B::ParBlocksSize::USIZE;
        for group in blocks.chunks_mut(width) {
            if group.len() < width {
                self.0.encrypt_tail_blocks_inplace(group);
            } else if let Ok(full) = <&mut ParBlocks<B>>::try_from(group) {
                self.0.encrypt_par_blocks_inplace(full);
            }
        }
    }
}

/// The schedules are wiped on drop only while the feature `zeroize` of `aes` is on; without it this does not compile.
const _: () = {
    const fn wiped_on_drop<T: zeroize::ZeroizeOnDrop>() {}
    wiped_on_drop::<Aes128Enc>();
    wiped_on_drop::<Aes192Enc>();
    wiped_on_drop::<Aes256Enc>();
};
