//! FF1 of NIST SP 800-38G: format-preserving encryption of numeral strings.
//!
//! A value is a string of numerals, each below the radix; the ciphertext has the same length and radix. The batch is the
//! interface: [`Ff1::encrypt_batch`] runs many values of one length side by side, and [`Ff1::encrypt`] is a batch of one.
//!
//! FF1 is deterministic and unauthenticated: a wrong key or tweak gives a plausible wrong value, never an error. Its strength
//! depends on the domain; this crate accepts what the standard of 2016 does (`radix^length >= 100`), and the stricter bound
//! of 10^6 is for the caller to enforce with [`domain_size`].

mod arithmetic;
mod bytes;
mod cipher;
mod engine;
mod prefix;
mod scratch;
mod selection;
mod shape;
#[cfg(target_arch = "x86_64")]
mod simd;
mod size;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use cipher::Cipher;
use engine::{Batch, Direction};
use shape::Shape;

pub use scratch::Scratch;
pub use selection::Engine;
pub use size::{domain_size, larger_half_bytes};

/// Shapes of lengths up to this, and of all whose halves have 256 bits at most, are kept, so that single values do not pay
/// for them again.
const KEPT_LENGTHS: usize = 128;

/// The number of the next [`Ff1`].
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// FF1 with one key and one radix.
///
/// It is deliberately not `Debug` or `Clone`; the AES key schedule is wiped on drop.
pub struct Ff1 {
    cipher: Cipher,
    engine: Engine,
    radix: u32,
    minimum_length: usize,
    /// Which of all it is: a shape holds what depends on its key.
    number: u64,
    shapes: Box<[OnceLock<Box<Shape>>]>,
}

impl Ff1 {
    /// FF1 under `key` (16, 24 or 32 bytes for AES-128, AES-192 or AES-256) for numerals of `radix` (2 to 65536), by the
    /// fastest engine that this processor can run.
    ///
    /// # Errors
    /// [`Ff1Error::KeyLength`] and [`Ff1Error::Radix`].
    pub fn new(key: &[u8], radix: u32) -> Result<Self, Ff1Error> {
        Self::with_engine(key, radix, Engine::best())
    }

    /// FF1 as [`Ff1::new`] gives it, by the engine asked for.
    ///
    /// # Errors
    /// [`Ff1Error::KeyLength`], [`Ff1Error::Radix`] and [`Ff1Error::Engine`].
    pub fn with_engine(key: &[u8], radix: u32, engine: Engine) -> Result<Self, Ff1Error> {
        if !(2..=65_536).contains(&radix) {
            return Err(Ff1Error::Radix);
        }
        if !engine.is_available() {
            return Err(Ff1Error::Engine(engine));
        }
        let cipher = Cipher::new(key, engine).ok_or(Ff1Error::KeyLength)?;
        let kept = (KEPT_LENGTHS..)
            .take_while(|length| size::larger_half_bytes(radix, *length) <= 32)
            .last()
            .unwrap_or(KEPT_LENGTHS);
        let shapes = (0..=kept).map(|_| OnceLock::new()).collect();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let minimum_length = size::minimum_length(radix);
        Ok(Self { cipher, engine, radix, minimum_length, number, shapes })
    }

    /// The number of different numerals.
    pub fn radix(&self) -> u32 {
        self.radix
    }

    /// The engine that runs.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Encrypts one value in place (SP 800-38G, algorithm 7).
    ///
    /// # Errors
    /// All of [`Ff1Error`] but those of [`Ff1::new`] and `BatchShape`; `numerals` is then unchanged.
    pub fn encrypt(&self, tweak: &[u8], numerals: &mut [u16]) -> Result<(), Ff1Error> {
        self.encrypt_batch(Tweaks::Same(tweak), numerals.len(), numerals)
    }

    /// Decrypts one value in place (SP 800-38G, algorithm 8).
    ///
    /// # Errors
    /// As [`Ff1::encrypt`].
    pub fn decrypt(&self, tweak: &[u8], numerals: &mut [u16]) -> Result<(), Ff1Error> {
        self.decrypt_batch(Tweaks::Same(tweak), numerals.len(), numerals)
    }

    /// Encrypts `numerals.len() / length` values in place; they have `length` numerals each and stand one after another.
    ///
    /// # Errors
    /// All of [`Ff1Error`] but those of [`Ff1::new`]; `numerals` is then unchanged as a whole.
    pub fn encrypt_batch(
        &self,
        tweaks: Tweaks<'_>,
        length: usize,
        numerals: &mut [u16],
    ) -> Result<(), Ff1Error> {
        self.encrypt_batch_in(&mut Scratch::new(), tweaks, length, numerals)
    }

    /// Does what [`Ff1::encrypt_batch`] does, in room that the caller keeps: it is needed for halves over 256 bits only, and
    /// values with shorter ones are as fast without.
    ///
    /// # Errors
    /// As [`Ff1::encrypt_batch`].
    pub fn encrypt_batch_in(
        &self,
        scratch: &mut Scratch,
        tweaks: Tweaks<'_>,
        length: usize,
        numerals: &mut [u16],
    ) -> Result<(), Ff1Error> {
        self.run(Direction::Encrypt, tweaks, length, numerals, scratch)
    }

    /// Decrypts `numerals.len() / length` values in place, laid out as for [`Ff1::encrypt_batch`].
    ///
    /// # Errors
    /// As [`Ff1::encrypt_batch`].
    pub fn decrypt_batch(
        &self,
        tweaks: Tweaks<'_>,
        length: usize,
        numerals: &mut [u16],
    ) -> Result<(), Ff1Error> {
        self.decrypt_batch_in(&mut Scratch::new(), tweaks, length, numerals)
    }

    /// Does what [`Ff1::decrypt_batch`] does, in room that the caller keeps, as for [`Ff1::encrypt_batch_in`].
    ///
    /// # Errors
    /// As [`Ff1::decrypt_batch`].
    pub fn decrypt_batch_in(
        &self,
        scratch: &mut Scratch,
        tweaks: Tweaks<'_>,
        length: usize,
        numerals: &mut [u16],
    ) -> Result<(), Ff1Error> {
        self.run(Direction::Decrypt, tweaks, length, numerals, scratch)
    }

    /// Encrypts `bytes.len() / length` values in place, of which each byte is `first` plus a numeral: with `b'0'` and radix 10
    /// ASCII digits, with `b'a'` and radix 26 lower-case letters. This is faster than to make numerals of them first.
    ///
    /// # Errors
    /// As [`Ff1::encrypt_batch`], and [`Ff1Error::Bytes`].
    pub fn encrypt_bytes_batch(
        &self,
        tweaks: Tweaks<'_>,
        length: usize,
        first: u8,
        bytes: &mut [u8],
    ) -> Result<(), Ff1Error> {
        self.run_bytes(Direction::Encrypt, tweaks, length, (first, bytes))
    }

    /// Decrypts `bytes.len() / length` values in place, laid out as for [`Ff1::encrypt_bytes_batch`].
    ///
    /// # Errors
    /// As [`Ff1::encrypt_bytes_batch`].
    pub fn decrypt_bytes_batch(
        &self,
        tweaks: Tweaks<'_>,
        length: usize,
        first: u8,
        bytes: &mut [u8],
    ) -> Result<(), Ff1Error> {
        self.run_bytes(Direction::Decrypt, tweaks, length, (first, bytes))
    }

    fn run(
        &self,
        direction: Direction,
        tweaks: Tweaks<'_>,
        length: usize,
        numerals: &mut [u16],
        scratch: &mut Scratch,
    ) -> Result<(), Ff1Error> {
        self.check(tweaks, length, numerals.len())?;
        let wrong = |numeral: &u16| u32::from(*numeral) >= self.radix;
        // All are looked at, which the compiler makes vectors of; where the first is wrong matters only if one is.
        if numerals.iter().fold(false, |any, numeral| any | wrong(numeral)) {
            let index = numerals.iter().position(wrong).unwrap_or_default();
            return Err(Ff1Error::Numeral { index });
        }
        self.with_shape(length, scratch, |shape, scratch| {
            let left = self.cipher.run_single(shape, direction, tweaks, (0, numerals));
            let left = left.and_then(|numerals| {
                self.cipher.run_vectors(shape, direction, tweaks, (0, numerals))
            });
            let left = left.and_then(|numerals| {
                self.cipher.run_several(shape, direction, tweaks, (0, numerals))
            });
            if let Some(numerals) = left {
                self.cipher.run(Batch { shape, direction, tweaks, numerals, scratch });
            }
        });
        Ok(())
    }

    fn run_bytes(
        &self,
        direction: Direction,
        tweaks: Tweaks<'_>,
        length: usize,
        (first, bytes): (u8, &mut [u8]),
    ) -> Result<(), Ff1Error> {
        let fits = self.radix.checked_add(u32::from(first)).is_some_and(|end| end <= 256);
        // The radix is 256 at most, so that its last numeral fits a byte.
        let last = u8::try_from(self.radix - 1).ok().filter(|_| fits).ok_or(Ff1Error::Bytes)?;
        self.check(tweaks, length, bytes.len())?;
        let wrong = |byte: &u8| byte.wrapping_sub(first) > last;
        if bytes.iter().fold(false, |any, byte| any | wrong(byte)) {
            let index = bytes.iter().position(wrong).unwrap_or_default();
            return Err(Ff1Error::Numeral { index });
        }
        self.with_shape(length, &mut Scratch::new(), |shape, scratch| {
            let left = self.cipher.run_single(shape, direction, tweaks, (first, bytes));
            let left = left.and_then(|bytes| {
                self.cipher.run_vectors(shape, direction, tweaks, (first, bytes))
            });
            let left = left.and_then(|bytes| {
                self.cipher.run_several(shape, direction, tweaks, (first, bytes))
            });
            if let Some(bytes) = left {
                let mut long = std::mem::take(&mut scratch.stage);
                bytes::stage(tweaks, length, first, bytes, &mut long, |tweaks, numerals| {
                    self.cipher.run(Batch { shape, direction, tweaks, numerals, scratch });
                });
            }
        });
        Ok(())
    }

    fn with_shape(
        &self,
        length: usize,
        scratch: &mut Scratch,
        run: impl FnOnce(&Shape, &mut Scratch),
    ) {
        let shape = || Box::new(Shape::new(self.radix, length).bind(&self.cipher));
        if let Some(kept) = self.shapes.get(length) {
            return run(kept.get_or_init(shape), scratch);
        }
        let (own, kept) = (self.number, scratch.shape.take());
        let kept = kept.filter(|(of, kept, _)| (*of, *kept) == (own, length));
        let shape = kept.map_or_else(shape, |(_, _, shape)| shape);
        run(&shape, scratch);
        scratch.shape = Some((own, length, shape));
    }

    fn check(&self, tweaks: Tweaks<'_>, length: usize, numerals: usize) -> Result<(), Ff1Error> {
        let minimum = self.minimum_length;
        if length < minimum || u32::try_from(length).is_err() {
            return Err(Ff1Error::Length { length, minimum });
        }
        if !numerals.is_multiple_of(length) {
            return Err(Ff1Error::BatchShape);
        }
        let fits = |tweak: &[u8]| u32::try_from(tweak.len()).is_ok();
        let tweaks_fit = match tweaks {
            Tweaks::Same(tweak) => fits(tweak),
            Tweaks::Each(each) if each.len() != numerals / length => {
                return Err(Ff1Error::BatchShape);
            }
            Tweaks::Each(each) => each.iter().all(|tweak| fits(tweak)),
        };
        if tweaks_fit { Ok(()) } else { Err(Ff1Error::TweakLength) }
    }
}

/// The tweaks of a batch; a tweak may be empty.
#[derive(Clone, Copy)]
pub enum Tweaks<'a> {
    /// One tweak for all values, which makes a batch fastest.
    Same(&'a [u8]),
    /// A tweak for each value, in the order of the values; their lengths may differ.
    Each(&'a [&'a [u8]]),
}

impl<'a> Tweaks<'a> {
    /// The tweak of a value that is alone.
    #[inline(always)]
    fn of_single(self) -> Option<&'a [u8]> {
        match self {
            Self::Same(tweak) => Some(tweak),
            Self::Each([tweak]) => Some(tweak),
            Self::Each(_) => None,
        }
    }
}

/// Why FF1 refused; it names the rule and never holds a part of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ff1Error {
    /// The key is not an AES key.
    #[error("an FF1 key has 16, 24 or 32 bytes")]
    KeyLength,
    /// The radix is out of the standard's range.
    #[error("an FF1 radix is from 2 to 65536")]
    Radix,
    /// The engine needs instructions that this processor does not have.
    #[error("this processor cannot run the FF1 engine {0}")]
    Engine(Engine),
    /// The value is too short for its radix (`radix^length >= 100`), or longer than 2^32 - 1 numerals.
    #[error("FF1 needs from {minimum} to 4294967295 numerals in this radix, not {length}")]
    Length {
        /// The numerals of a value.
        length: usize,
        /// The least that the standard admits in this radix.
        minimum: usize,
    },
    /// The tweak is longer than 2^32 - 1 bytes.
    #[error("an FF1 tweak has at most 4294967295 bytes")]
    TweakLength,
    /// A numeral is not below the radix.
    #[error("the numeral at index {index} is not below the radix")]
    Numeral {
        /// Where it stands, counted from 0 over the whole batch.
        index: usize,
    },
    /// Numerals of this radix do not fit bytes from the first one on.
    #[error("numerals of this radix do not fit a byte each from the first byte on")]
    Bytes,
    /// The numerals are no whole number of values, or the tweaks are not one for each value.
    #[error("the batch is not a whole number of values with a tweak each")]
    BatchShape,
}
