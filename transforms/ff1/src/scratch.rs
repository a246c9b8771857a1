use aes::Block;
use zeroize::{Zeroize, Zeroizing};

use crate::shape::Shape;

/// Room for values whose halves have more than 256 bits: kept by a caller from one batch to the next, it makes that nothing
/// is allocated for them either. It is wiped when it grows and on drop, and holds what was computed last until then.
///
/// It may go from one [`crate::Ff1`] to another, and from one length to another.
#[derive(Default)]
pub struct Scratch {
    pub(crate) left: Zeroizing<Vec<u64>>,
    pub(crate) right: Zeroizing<Vec<u64>>,
    /// The blocks of a round's input after those of the prefix.
    pub(crate) input: Zeroizing<Vec<u8>>,
    /// The blocks of a round's output.
    pub(crate) output: Blocks,
    /// The output as a number, with a zero limb on top.
    pub(crate) stream: Zeroizing<Vec<u64>>,
    /// A value in bytes, as numerals.
    pub(crate) stage: Zeroizing<Vec<u16>>,
    /// The shape of the last length that was used and is not kept otherwise, and whose it is.
    pub(crate) shape: Option<(u64, usize, Box<Shape>)>,
}

impl Scratch {
    /// Empty: nothing is allocated before it is used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// So many zeros. What does not fit is made anew, since growing would leave a copy behind.
pub(crate) fn room<T: Zeroize + Clone + Default>(buffer: &mut Zeroizing<Vec<T>>, size: usize)
where
    Vec<T>: Zeroize,
{
    if buffer.capacity() < size {
        *buffer = Zeroizing::new(Vec::with_capacity(size));
    }
    buffer.clear();
    buffer.resize(size, T::default());
}

/// Blocks that are wiped on drop.
#[derive(Default)]
pub(crate) struct Blocks(Vec<Block>);

impl Blocks {
    /// So many blocks, of whatever content.
    pub(crate) fn room(&mut self, size: usize) {
        if self.0.capacity() < size {
            *self = Self(Vec::with_capacity(size));
        }
        self.0.resize(size, Block::default());
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Block] {
        &mut self.0
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.0.fill(Block::default());
        zeroize::optimization_barrier(self.0.as_slice());
    }
}
