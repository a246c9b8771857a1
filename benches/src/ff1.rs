//! FF1: 16 digits under AES-256, one value and 256 at a time.

use std::hint::black_box;

use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};
use aes::{Aes256, Aes256Enc, Block};
use allonym_ff1::{Ff1, Tweaks};
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
const RATE: Figure = Figure { of: Sample::per_second, scale: 1e-6, unit: "M values/s/core" };

pub(crate) fn compare(pace: Pace) -> Outcome<Section> {
    let ff1 = Ff1::new(&KEY, 10)?;
    let peer = FF1::<Aes256>::new(&KEY, 10).map_err(|error| format!("fpe: {error:?}"))?;
    verify(&ff1, &peer)?;
    let aes = Aes256Enc::new(&KEY.into());
    let mut block = Block::default();
    let mut blocks = vec![Block::default(); BATCH * BLOCKS];
    let (mut one, mut batch) = (digits(1), digits(BATCH));
    let mut theirs = FlexibleNumeralString::from(digits(1));
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
        Arm::new("single", |length| {
            repeat(length, || {
                for _ in 0..64 {
                    ff1.encrypt(black_box(TWEAK), &mut one)?;
                }
                Ok(64)
            })
        }),
        Arm::new("batch", |length| {
            repeat(length, || {
                ff1.encrypt_batch(Tweaks::Same(black_box(TWEAK)), DIGITS, &mut batch)?;
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
    ];
    let series = interleave(arms, pace.rounds, pace.round)?;
    Ok(Section { title: "FF1", rows: rows(&series), how: HOW, details: String::new() })
}

fn rows([block, blocks, single, batch, peer]: &[Series; 5]) -> Vec<Row> {
    vec![
        Row::new("ff1.single", "one value, to one dependent block", LATENCY, single, block)
            .goal(Goal::RatioAtMost(18.0)),
        Row::new("ff1.single.fpe", "one value", RATE, single, peer),
        Row::new("ff1.batch256", "256 values", RATE, batch, blocks).goal(Goal::ValueAtLeast(20.0)),
        Row::new("ff1.batch256.fpe", "256 values", RATE, batch, peer),
    ]
}

const HOW: &str = "16 decimal digits, AES-256, one tweak of 7 bytes, numerals in and out (converting them from and \
to ASCII is not in it), one thread. One value: each is the input of the next, so it is a latency; its floor is an AES-256 \
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
struct Chain<'a> {
    block: &'a mut Block,
    count: usize,
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
