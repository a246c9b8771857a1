//! FF1 under AES-256: one value and 256 at a time, by the engine of this processor and by the portable one.

use std::hint::black_box;

use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};
use aes::{Aes256, Aes256Enc, Block};
use allonym_ff1::{Engine, Ff1, Tweaks};
use fpe::ff1::{FF1, FlexibleNumeralString};

use crate::Outcome;
use crate::measure::{Arm, Pace, Sample, Series, interleave, repeat};
use crate::report::{Figure, Goal, Row, Section};

const KEY: [u8; 32] = *b"a key for comparisons, not used!";
const TWEAK: &[u8] = b"2026-11";
const DIGITS: usize = 16;
const BATCH: usize = 256;
/// FF1 has ten rounds, and with a short tweak one AES block in each.
const BLOCKS: usize = 10;

const LATENCY: Figure = Figure { of: Sample::nanoseconds, scale: 1.0, unit: "ns" };
/// Of one value in a batch.
const TIME: Figure = LATENCY;
const RATE: Figure = Figure { of: Sample::per_second, scale: 1e-6, unit: "M values/s/core" };

pub(crate) fn compare(pace: Pace) -> Outcome<Section> {
    let ff1 = Ff1::new(&KEY, 10)?;
    let peer = FF1::<Aes256>::new(&KEY, 10).map_err(|error| format!("fpe: {error:?}"))?;
    verify(&ff1, &peer)?;
    let portable = Ff1::with_engine(&KEY, 10, Engine::Portable)?;
    verify(&portable, &peer)?;
    let ff1_62 = Ff1::new(&KEY, 62)?;
    let aes = Aes256Enc::new(&KEY.into());
    let mut block = Block::default();
    let mut blocks = vec![Block::default(); BATCH * BLOCKS];
    let mut theirs = FlexibleNumeralString::from(digits(1));
    let each: Vec<[u8; 7]> = digits(BATCH).chunks_exact(DIGITS).map(tweak_of).collect();
    let each: Vec<&[u8]> = each.iter().map(<[u8; 7]>::as_slice).collect();
    let same = Tweaks::Same(TWEAK);
    let arms = [
        Arm::new("one AES-256 block", |length| {
            repeat(length, || {
                aes.encrypt_with_backend(Chain { block: &mut block, count: 1000 });
                Ok(1000)
            })
        }),
        Arm::new("the AES-256 blocks alone, side by side", |length| {
            repeat(length, || {
                aes.encrypt_blocks(black_box(&mut blocks));
                Ok(BATCH)
            })
        }),
        Arm::new("crate fpe 0.7", |length| {
            repeat(length, || {
                theirs = peer
                    .encrypt(black_box(TWEAK), &theirs)
                    .map_err(|error| format!("fpe: {error:?}"))?;
                Ok(1)
            })
        }),
        single("single", &ff1, DIGITS),
        batch("batch", &ff1, same, DIGITS),
        single_ascii(&ff1),
        batch_ascii(&ff1),
        decrypted(&ff1),
        batch("a tweak for each value", &ff1, Tweaks::Each(&each), DIGITS),
        batch("9 digits", &ff1, same, 9),
        batch("20 of 62 symbols", &ff1_62, same, 20),
        single("64 of 62 symbols", &ff1_62, 64),
        single("single, portable engine", &portable, DIGITS),
        batch("batch, portable engine", &portable, same, DIGITS),
    ];
    let series = interleave(arms, pace.rounds, pace.round)?;
    let details = format!("The engine of this processor: {}.", ff1.engine());
    Ok(Section { title: "FF1", rows: rows(&series), how: HOW, details })
}

/// One value after another, each the output of the one before.
fn single<'a>(name: &'static str, ff1: &'a Ff1, digits_each: usize) -> Arm<'a> {
    let mut one = digits(64);
    one.truncate(digits_each);
    Arm::new(name, move |length| {
        repeat(length, || {
            for _ in 0..64 {
                ff1.encrypt(black_box(TWEAK), &mut one)?;
            }
            Ok(64)
        })
    })
}

fn batch<'a>(name: &'static str, ff1: &'a Ff1, tweaks: Tweaks<'a>, digits_each: usize) -> Arm<'a> {
    let mut values = digits(2 * BATCH);
    values.truncate(BATCH * digits_each);
    Arm::new(name, move |length| {
        repeat(length, || {
            ff1.encrypt_batch(black_box(tweaks), digits_each, &mut values)?;
            Ok(BATCH)
        })
    })
}

fn decrypted(ff1: &Ff1) -> Arm<'_> {
    let mut values = digits(BATCH);
    Arm::new("batch, decrypted", move |length| {
        repeat(length, || {
            ff1.decrypt_batch(Tweaks::Same(black_box(TWEAK)), DIGITS, &mut values)?;
            Ok(BATCH)
        })
    })
}

fn single_ascii(ff1: &Ff1) -> Arm<'_> {
    let mut one = ascii(1);
    Arm::new("single, ASCII", move |length| {
        repeat(length, || {
            for _ in 0..64 {
                ff1.encrypt_bytes_batch(Tweaks::Same(black_box(TWEAK)), DIGITS, b'0', &mut one)?;
            }
            Ok(64)
        })
    })
}

fn batch_ascii(ff1: &Ff1) -> Arm<'_> {
    let mut values = ascii(BATCH);
    Arm::new("batch, ASCII", move |length| {
        repeat(length, || {
            ff1.encrypt_bytes_batch(Tweaks::Same(black_box(TWEAK)), DIGITS, b'0', &mut values)?;
            Ok(BATCH)
        })
    })
}

fn rows(series: &[Series; 14]) -> Vec<Row> {
    let [
        block,
        blocks,
        peer,
        single,
        batch,
        single_ascii,
        batch_ascii,
        decrypted,
        each,
        nine,
        of_20,
        of_64,
        portable_single,
        portable_batch,
    ] = series;
    let latency = |id, what, arm| Row::new(id, what, LATENCY, arm, block);
    let times = |id, what, arm| Row::new(id, what, TIME, arm, block);
    vec![
        latency("ff1.single", "one value, to one dependent block", single)
            .goal(Goal::RatioAtMost(18.0)),
        latency("ff1.single.ascii", "one value, ASCII in and out", single_ascii)
            .goal(Goal::RatioAtMost(18.0)),
        Row::new("ff1.single.fpe", "one value", RATE, single, peer),
        Row::new("ff1.batch256", "256 values", RATE, batch, blocks).goal(Goal::ValueAtLeast(20.0)),
        Row::new("ff1.batch256.ascii", "256 values, ASCII in and out", RATE, batch_ascii, blocks)
            .goal(Goal::ValueAtLeast(20.0)),
        times("ff1.batch256.block", "256 values, ASCII, each to one dependent block", batch_ascii)
            .goal(Goal::RatioAtMost(2.5)),
        Row::new("ff1.batch256.fpe", "256 values", RATE, batch, peer),
        Row::new("ff1.batch256.decrypt", "256 values, decrypted", RATE, decrypted, blocks),
        Row::new("ff1.batch256.tweaks", "256 values, a tweak for each", RATE, each, blocks),
        Row::new("ff1.batch256.nine", "256 values of 9 digits", RATE, nine, blocks),
        Row::new("ff1.batch256.62", "256 values of 20 of 62 symbols", RATE, of_20, blocks)
            .goal(Goal::ValueAtLeast(10.0)),
        latency("ff1.single.62", "one value of 64 of 62 symbols", of_64),
        latency("ff1.portable.single", "one value, portable engine", portable_single)
            .goal(Goal::RatioAtMost(23.0)),
        times("ff1.portable.batch256", "256 values, portable engine, each", portable_batch)
            .goal(Goal::RatioAtMost(8.0)),
    ]
}

const HOW: &str = "16 decimal digits, AES-256, one tweak of 7 bytes, numerals in and out unless a row says otherwise, one \
thread. One value: each is the input of the next, so it is a latency; its floor is an AES-256 \
block whose input is the block before. 256 values: one call for all; its floor is the 10 AES-256 blocks that each value \
needs, 2,560 independent blocks in one call of the crate `aes`. Before timing, the batch, the single values and the \
crate `fpe` must agree on 256 values, and decrypting must give them back.";

/// Values that differ in all places.
fn digits(values: usize) -> Vec<u16> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut digit = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u16 % 10
    };
    (0..values * DIGITS).map(|_| digit()).collect()
}

fn ascii(values: usize) -> Vec<u8> {
    digits(values).into_iter().map(|digit| digit as u8 + b'0').collect()
}

/// A tweak that differs from value to value.
fn tweak_of(value: &[u16]) -> [u8; 7] {
    let mut tweak = [0; 7];
    for (byte, digit) in tweak.iter_mut().zip(value) {
        *byte = *digit as u8;
    }
    tweak
}

fn verify(ff1: &Ff1, peer: &FF1<Aes256>) -> Outcome<()> {
    let plain = digits(BATCH);
    let mut batch = plain.clone();
    ff1.encrypt_batch(Tweaks::Same(TWEAK), DIGITS, &mut batch)?;
    for (plain, batched) in plain.chunks_exact(DIGITS).zip(batch.chunks_exact(DIGITS)) {
        let mut single = plain.to_vec();
        ff1.encrypt(TWEAK, &mut single)?;
        let theirs = peer
            .encrypt(TWEAK, &FlexibleNumeralString::from(plain.to_vec()))
            .map_err(|error| format!("fpe: {error:?}"))?;
        if single != batched || single != Vec::from(theirs) {
            return Err("FF1: the implementations do not agree".into());
        }
    }
    ff1.decrypt_batch(Tweaks::Same(TWEAK), DIGITS, &mut batch)?;
    if batch == plain {
        Ok(())
    } else {
        Err("FF1: decrypting does not give the values back".into())
    }
}

/// Blocks of which each is the input of the next, inside one back end of the cipher.
pub(crate) struct Chain<'a> {
    pub(crate) block: &'a mut Block,
    pub(crate) count: usize,
}

impl BlockSizeUser for Chain<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Chain<'_> {
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        for _ in 0..self.count {
            backend.encrypt_block_inplace(self.block);
        }
        black_box(self.block);
    }
}
