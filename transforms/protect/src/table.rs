//! Keyed permutation tables: a stored format, for domains too small for FF1.
//!
//! ```text
//!   seed   = HMAC-SHA-256(table key, "allonym-table-1" ‖ N as u64 ‖ typed encoding of the scope)
//!   draws  = AES-256(seed) of the counters 0, 1, 2, … (16 bytes, big-endian), each block
//!            two u64, big-endian
//!   p      = 0, 1, …, N − 1; for i from N − 1 down to 1: draw x until
//!            x < floor(2^64 / (i + 1)) · (i + 1), j = x mod (i + 1), swap p[i] and p[j]
//! ```
//!
//! The protected number is `p[number]`. It is a permutation like any other to whoever does
//! not have the key, whatever N is; what remains is that there are only N values. Looking up
//! is not constant in time: the address depends on the number.

mod kept;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes256Enc, Block};
use allonym_keyring::Secret;
use hmac::Mac;
use hmac::digest::FixedOutput;
use zeroize::{Zeroize, Zeroizing};

use crate::tweak;

pub(crate) use kept::{MOST_BYTES, MOST_TABLES, TableKey, Tables};

const LABEL: &[u8] = b"allonym-table-1";

/// Blocks that are drawn at once.
const BLOCKS: usize = 64;

/// A permutation and its inverse. Wiped when dropped.
pub(crate) enum Table {
    /// Of at most 65536 numbers.
    Small(Permutation<u16>),
    /// Of more.
    Large(Permutation<u32>),
}

/// Both directions.
pub(crate) struct Permutation<T: Zeroize> {
    forward: Zeroizing<Box<[T]>>,
    inverse: Zeroizing<Box<[T]>>,
}

impl Table {
    /// The table of `size` numbers, which are fewer than 2^32.
    pub(crate) fn new(key: &Secret, size: u32, scope: &[u8]) -> Self {
        // Written where it is wiped: `finalize` would leave a copy.
        let mut seed = Zeroizing::new([0; 32]);
        tweak::prf(key)
            .chain_update(LABEL)
            .chain_update(u64::from(size).to_be_bytes())
            .chain_update(scope)
            .finalize_into((&mut *seed).into());
        let mut draws = Draws::new(&seed);
        if size <= 1 << 16 {
            Self::Small(Permutation::new(size, &mut draws, |number| number as u16, u32::from))
        } else {
            Self::Large(Permutation::new(size, &mut draws, |number| number, |entry| entry))
        }
    }

    /// The protected number; `None` from the size on.
    pub(crate) fn protect(&self, number: u128) -> Option<u128> {
        let at = usize::try_from(number).ok()?;
        match self {
            Self::Small(table) => table.forward.get(at).map(|entry| u128::from(*entry)),
            Self::Large(table) => table.forward.get(at).map(|entry| u128::from(*entry)),
        }
    }

    /// The plain number; `None` from the size on.
    pub(crate) fn reveal(&self, number: u128) -> Option<u128> {
        let at = usize::try_from(number).ok()?;
        match self {
            Self::Small(table) => table.inverse.get(at).map(|entry| u128::from(*entry)),
            Self::Large(table) => table.inverse.get(at).map(|entry| u128::from(*entry)),
        }
    }

    /// How much memory a table of this size takes.
    pub(crate) const fn bytes(size: u32) -> usize {
        size as usize * if size <= 1 << 16 { 4 } else { 8 }
    }
}

impl<T: Zeroize + Copy> Permutation<T> {
    fn new(
        size: u32,
        draws: &mut Draws,
        entry: impl Fn(u32) -> T,
        number: impl Fn(T) -> u32,
    ) -> Self {
        let mut forward: Zeroizing<Box<[T]>> = Zeroizing::new((0..size).map(&entry).collect());
        for i in (1..size).rev() {
            forward.swap(i as usize, draws.below(u64::from(i) + 1) as usize);
        }
        let mut inverse = forward.clone();
        for (at, to) in (0..size).zip(forward.iter()) {
            if let Some(place) = inverse.get_mut(number(*to) as usize) {
                *place = entry(at);
            }
        }
        Self { forward, inverse }
    }
}

/// The stream of a seed.
struct Draws {
    cipher: Aes256Enc,
    counter: u128,
    /// What is left of the last blocks, the next at the end.
    left: Zeroizing<Vec<u64>>,
}

impl Draws {
    fn new(seed: &[u8; 32]) -> Self {
        let cipher = Aes256Enc::new(seed.into());
        Self { cipher, counter: 0, left: Zeroizing::new(Vec::with_capacity(2 * BLOCKS)) }
    }

    fn next(&mut self) -> u64 {
        if let Some(drawn) = self.left.pop() {
            return drawn;
        }
        let mut blocks = [Block::default(); BLOCKS];
        for block in &mut blocks {
            *block = self.counter.to_be_bytes().into();
            self.counter += 1;
        }
        self.cipher.encrypt_blocks(&mut blocks);
        for block in blocks.iter_mut().rev() {
            let number = u128::from_be_bytes((*block).into());
            self.left.extend([number as u64, (number >> 64) as u64]);
            block.as_mut_slice().zeroize();
        }
        self.left.pop().unwrap_or_default()
    }

    /// A number below `end`, each as likely as another.
    fn below(&mut self, end: u64) -> u64 {
        loop {
            let drawn = self.next();
            // 2^64 mod `end` draws at the top are too many; they are fewer than `end`, so
            // most draws need not be compared with more than that.
            if drawn <= u64::MAX - end || drawn <= u64::MAX - (u64::MAX % end + 1) % end {
                return drawn % end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Secret {
        Secret::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_table_is_a_permutation_and_its_inverse() {
        for size in [100, 101, 65_535, 65_536, 65_537, 200_000] {
            let table = Table::new(&key(1), size, &[0]);
            let mut seen = vec![false; size as usize];
            for number in 0..u128::from(size) {
                let protected = table.protect(number).unwrap();
                assert_eq!(table.reveal(protected), Some(number));
                assert!(!std::mem::replace(&mut seen[protected as usize], true));
            }
            for outside in [u128::from(size), u128::MAX] {
                assert_eq!((table.protect(outside), table.reveal(outside)), (None, None));
            }
        }
    }

    /// Published vectors: changing one would change stored values.
    #[test]
    fn the_table_is_a_stored_format() {
        use sha2::{Digest, Sha256};
        let check = |key: [u8; 32], size: u32, scope: &[u8], first: [u128; 8], digest: &str| {
            let table = Table::new(&Secret::new(Zeroizing::new(key)), size, scope);
            let numbers = (0..u128::from(size)).map(|number| table.protect(number).unwrap());
            let all: Vec<u8> =
                numbers.clone().flat_map(|to| u32::try_from(to).unwrap().to_be_bytes()).collect();
            assert!(numbers.take(8).eq(first), "{size}");
            let hex: String = Sha256::digest(&all).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, digest, "{size}");
        };
        check(
            [0; 32],
            1_000,
            &[0],
            [189, 859, 687, 879, 958, 45, 732, 380],
            "41274a38d0873cf944e83c4c418fd65188ab88c129071c05576e774f8e997f0d",
        );
        check(
            std::array::from_fn(|at| at as u8),
            70_000,
            b"\x01\x84acme",
            [49_307, 1_802, 16, 68_541, 57_963, 19_430, 39_950, 10_378],
            "e50f0927d6d87d050e5c63356ebc784105c262098eeb9cc176f5aeaa77ebac5a",
        );
    }

    #[test]
    fn key_size_and_scope_make_another_table() {
        let head = |table: &Table| (0..20).map(|n| table.protect(n).unwrap()).collect::<Vec<_>>();
        let one = head(&Table::new(&key(1), 1_000, &[0]));
        assert_ne!(one, head(&Table::new(&key(2), 1_000, &[0])));
        assert_ne!(one, head(&Table::new(&key(1), 1_001, &[0])));
        assert_ne!(one, head(&Table::new(&key(1), 1_000, &[1, 0x81, b'a'])));
        assert_eq!(one, head(&Table::new(&key(1), 1_000, &[0])));
    }

    /// Each number goes everywhere about as often: 1000 keys, 100 places.
    #[test]
    fn no_place_is_favoured() {
        let mut counts = [0_u32; 100];
        for byte in 0..=255 {
            for scope in 0..4 {
                let table = Table::new(&key(byte), 100, &[scope]);
                counts[table.protect(99).unwrap() as usize] += 1;
            }
        }
        // The chance that any of 100 counts of mean 10.24 leaves these bounds is below 10^-4,
        // and the keys are fixed.
        assert!(counts.iter().all(|count| (1..=30).contains(count)), "{counts:?}");
    }
}
