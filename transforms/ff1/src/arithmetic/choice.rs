//! Choices that depend on a secret, where `select_unpredictable` does not keep the compiler from a branch: of two numbers of
//! 128 bits it chooses by two moves, and these it makes a branch again.

use std::hint::black_box;

/// `one` if `condition`, else `other`.
#[inline(always)]
pub(super) fn choose(condition: bool, one: u128, other: u128) -> u128 {
    let mask = u128::from(mask(condition));
    other ^ ((one ^ other) & ((mask << 64) | mask))
}

/// All ones if `condition`, else zero; the compiler does not know that it is one of these two.
#[inline(always)]
pub(super) fn mask(condition: bool) -> u64 {
    black_box(u64::from(condition).wrapping_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_chooses_both_limbs() {
        let (one, other) = ((7 << 64) | 5, (9 << 64) | 11);
        assert_eq!(choose(true, one, other), one);
        assert_eq!(choose(false, one, other), other);
    }
}
