//! Values in bytes, for the engines that want numerals.

use zeroize::{Zeroize, Zeroizing};

use crate::Tweaks;
use crate::scratch::room;

/// The numerals that are staged at a time; a longer value is staged in the caller's room.
const STAGE: usize = 1024;

/// Runs checked values through `run`, some of them at a time.
pub(crate) fn stage(
    tweaks: Tweaks<'_>,
    length: usize,
    first: u8,
    bytes: &mut [u8],
    long: &mut Zeroizing<Vec<u16>>,
    mut run: impl FnMut(Tweaks<'_>, &mut [u16]),
) {
    let values = STAGE / length;
    if values == 0 {
        room(long, bytes.len());
        return through(tweaks, first, bytes, long, &mut run);
    }
    let mut stage = [0; STAGE];
    let used = STAGE.min(bytes.len());
    for (index, bytes) in bytes.chunks_mut(values * length).enumerate() {
        let tweaks = match tweaks {
            Tweaks::Same(tweak) => Tweaks::Same(tweak),
            Tweaks::Each(each) => {
                let (_, rest) = each.split_at(index * values);
                Tweaks::Each(rest.get(..bytes.len() / length).unwrap_or_default())
            }
        };
        let (numerals, _) = stage.split_at_mut(bytes.len());
        through(tweaks, first, bytes, numerals, &mut run);
    }
    let (used, _) = stage.split_at_mut(used);
    used.zeroize();
}

fn through(
    tweaks: Tweaks<'_>,
    first: u8,
    bytes: &mut [u8],
    numerals: &mut [u16],
    run: &mut impl FnMut(Tweaks<'_>, &mut [u16]),
) {
    for (numeral, byte) in numerals.iter_mut().zip(bytes.iter()) {
        *numeral = u16::from(byte.wrapping_sub(first));
    }
    run(tweaks, numerals);
    for (byte, numeral) in bytes.iter_mut().zip(numerals) {
        // A numeral of a radix up to 256 fits a byte.
        *byte = (*numeral as u8).wrapping_add(first);
    }
}
