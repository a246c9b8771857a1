//! The part of the round function's input that does not change from round to round: block P and the tweak (SP 800-38G,
//! algorithm 7, steps 5 and 6.i).

use crate::cipher::Backend;
use crate::shape::Geometry;

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
                let state = backend.encrypt_block(self.geometry.block_p(tweak.len()));
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

#[inline(always)]
fn left_aligned(bytes: Option<&[u8]>) -> u128 {
    let mut block = [0u8; 16];
    for (to, from) in block.iter_mut().zip(bytes.unwrap_or_default()) {
        *to = *from;
    }
    u128::from_be_bytes(block)
}
