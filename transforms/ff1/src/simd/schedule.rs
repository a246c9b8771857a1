//! The AES key schedule (FIPS 197, section 5.2).

use std::arch::x86_64::{_mm_aeskeygenassist_si128, _mm_cvtsi128_si32, _mm_set_epi32};

use zeroize::{Zeroize, Zeroizing};

/// The round keys of AES-256, which has the most.
const MOST: usize = 15;

/// The round keys, each four times over, so that one load gives it to four blocks.
#[repr(C, align(64))]
pub(super) struct Schedule {
    keys: [[[u8; 16]; 4]; MOST],
    pub(super) rounds: usize,
}

impl Schedule {
    /// The schedule of a key of 16, 24 or 32 bytes, none for another length.
    #[target_feature(enable = "aes,sse4.1")]
    pub(super) fn new(key: &[u8]) -> Option<Box<Self>> {
        let size = match key.len() {
            16 | 24 | 32 => key.len() / 4,
            _ => return None,
        };
        let rounds = size + 6;
        let mut words = Zeroizing::new([0u32; 4 * MOST]);
        for (word, bytes) in words.iter_mut().zip(key.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let mut constant = 1u32;
        for at in size..4 * (rounds + 1) {
            let (before, rest) = words.split_at_mut(at);
            let (Some(last), Some(first)) = (before.last(), before.get(at - size)) else {
                return None;
            };
            let added = if at % size == 0 {
                let added = substitute(last.rotate_right(8)) ^ constant;
                constant = (constant << 1) ^ (0x11b * (constant >> 7));
                added
            } else if size > 6 && at % size == 4 {
                substitute(*last)
            } else {
                *last
            };
            if let Some(word) = rest.first_mut() {
                *word = first ^ added;
            }
        }
        let mut schedule = Box::new(Self { keys: [[[0; 16]; 4]; MOST], rounds });
        for (copies, words) in schedule.keys.iter_mut().zip(words.as_chunks::<4>().0) {
            for copy in copies {
                for (to, word) in copy.as_chunks_mut::<4>().0.iter_mut().zip(words) {
                    *to = word.to_le_bytes();
                }
            }
        }
        Some(schedule)
    }

    /// The first `N` round keys.
    #[inline(always)]
    pub(super) fn keys<const N: usize>(&self) -> &[[[u8; 16]; 4]; N] {
        const { assert!(N <= MOST) };
        self.keys.first_chunk().unwrap_or_else(|| unreachable!())
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.keys.as_flattened_mut().as_flattened_mut().zeroize();
    }
}

/// SubWord of the standard, in the processor, so that no table is looked into by a secret.
#[target_feature(enable = "aes,sse4.1")]
fn substitute(word: u32) -> u32 {
    let word = _mm_set_epi32(0, 0, word.cast_signed(), 0);
    _mm_cvtsi128_si32(_mm_aeskeygenassist_si128::<0>(word)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last round keys of the examples in FIPS 197, appendix A.
    #[test]
    fn published_schedules() {
        if !is_x86_feature_detected!("aes") || !is_x86_feature_detected!("sse4.1") {
            return;
        }
        let check = |key: &[u8], expected: u128| {
            // SAFETY: the instructions were found above.
            let schedule = unsafe { Schedule::new(key) }.unwrap();
            let last = schedule.keys[schedule.rounds];
            assert_eq!(last, [expected.to_be_bytes(); 4], "{} bytes", key.len());
        };
        check(
            &0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes(),
            0xd014_f9a8_c9ee_2589_e13f_0cc8_b663_0ca6,
        );
        let mut key = [0; 24];
        key[..16].copy_from_slice(&0x8e73_b0f7_da0e_6452_c810_f32b_8090_79e5_u128.to_be_bytes());
        key[16..].copy_from_slice(&0x62f8_ead2_522c_6b7b_u64.to_be_bytes());
        check(&key, 0xe98b_a06f_448c_773c_8ecc_7204_0100_2202);
        let mut key = [0; 32];
        key[..16].copy_from_slice(&0x603d_eb10_15ca_71be_2b73_aef0_857d_7781_u128.to_be_bytes());
        key[16..].copy_from_slice(&0x1f35_2c07_3b61_08d7_2d98_10a3_0914_dff4_u128.to_be_bytes());
        check(&key, 0xfe48_90d1_e618_8d0b_046d_f344_706c_631e);
    }
}
