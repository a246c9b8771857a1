//! Does the time of FF1 depend on the value? The test of Reparaz, Balasch and Verbauwhede, "Dude, is my code constant
//! time?" (2017): times of one fixed value and of random ones, in random order, compared by Welch's t.
//!
//! An absolute t over 10 is a leak for certain, below 4.5 none was seen. Noise of the machine makes no t large, it hides one.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

use allonym_ff1::{Engine, Ff1, Ff1Error, Tweaks};

/// Encrypts or decrypts a batch.
type Run = fn(&Ff1, Tweaks<'_>, usize, &mut [u16]) -> Result<(), Ff1Error>;

const SAMPLES: usize = 100_000;
/// The slowest are left out, by as many limits as there are here; the largest t counts.
const KEPT: [f64; 6] = [0.5, 0.7, 0.8, 0.9, 0.95, 1.0];

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for engine in Engine::available() {
        for (radix, length, values) in [
            (10, 16, 1),
            (10, 16, 32),
            (10, 6, 1),
            (10, 19, 1),
            (62, 20, 1),
            (62, 32, 1),
            (62, 32, 32),
            (62, 64, 1),
            (62, 100, 1),
        ] {
            let ff1 = Ff1::with_engine(b"a key for timing, 32 bytes long.", radix, engine)?;
            let encrypt = largest_t(&times(&ff1, Ff1::encrypt_batch, length, values)?);
            let decrypt = largest_t(&times(&ff1, Ff1::decrypt_batch, length, values)?);
            let verdict = match encrypt.max(decrypt) {
                t if t > 10.0 => "leaks",
                t if t > 4.5 => "look again",
                _ => "none seen",
            };
            writeln!(
                out,
                "{engine:8} radix {radix:2} length {length:3} values {values:2}: \
                 t {encrypt:6.2} encrypt, {decrypt:6.2} decrypt, {verdict}"
            )?;
        }
    }
    Ok(())
}

/// Times in nanoseconds, each with its class: whether the values were random.
fn times(
    ff1: &Ff1,
    run: Run,
    length: usize,
    values: usize,
) -> Result<Vec<(bool, f64)>, Box<dyn Error>> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let radix = u64::from(ff1.radix());
    // The edge that arithmetic is most likely to treat in another way.
    let fixed = vec![0u16; length * values];
    let mut samples = Vec::with_capacity(SAMPLES);
    let mut buffer = fixed.clone();
    for _ in 0..SAMPLES {
        let class = random.next() & 1 == 1;
        // Both classes do the same work before the clock runs: no branch tells them apart, and no store is still to be done.
        let mask = black_box(0u16.wrapping_sub(u16::from(class)));
        for (to, fixed) in buffer.iter_mut().zip(&fixed) {
            let numeral = (random.next() % radix) as u16;
            *to = (numeral & mask) | (*fixed & !mask);
        }
        fence(Ordering::SeqCst);
        let start = Instant::now();
        run(ff1, Tweaks::Same(b"tweak"), length, black_box(&mut buffer))?;
        samples.push((class, start.elapsed().as_nanos() as f64));
    }
    // The first ones warm the machine up.
    samples.drain(..SAMPLES / 100);
    Ok(samples)
}

fn largest_t(samples: &[(bool, f64)]) -> f64 {
    let mut sorted: Vec<f64> = samples.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let limit = |kept: f64| {
        let index = (kept * (sorted.len() - 1) as f64) as usize;
        sorted.get(index).copied().unwrap_or(f64::MAX)
    };
    KEPT.into_iter().map(|kept| welch(samples, limit(kept)).abs()).fold(0.0, f64::max)
}

/// Welch's t of the times up to a limit.
fn welch(samples: &[(bool, f64)], limit: f64) -> f64 {
    let moments = |class: bool| {
        let times = || samples.iter().filter(|(of, time)| *of == class && *time <= limit);
        let count = times().count() as f64;
        let mean = times().map(|(_, time)| time).sum::<f64>() / count;
        let variance = times().map(|(_, time)| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((one, one_error), (other, other_error)) = (moments(false), moments(true));
    (one - other) / (one_error + other_error).sqrt()
}

/// Marsaglia's xorshift: no secret depends on it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
