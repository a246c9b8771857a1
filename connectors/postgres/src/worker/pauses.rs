//! Pauses of a busy worker, as a network card moderates its interrupts.
//!
//! A thread that sleeps until the next byte is woken for each, and the waking costs more
//! than the work: of the one who sends, too. Where many sessions wait for a busy server,
//! a worker that has nothing to do sleeps a little, in which more bytes come, and nobody
//! is woken for them. A query crosses twice, so it waits for two pauses at most: one
//! eighth of what it takes anyway.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A pause, as a part of the time from a question to its answer.
const PART: f64 = 16.0;
/// A shorter pause gathers too little.
const SHORTEST: Duration = Duration::from_micros(25);
const LONGEST: Duration = Duration::from_micros(100);
/// Below this rate a worker sleeps most of the time: what is saved is little. Answers a
/// second.
const BUSY_RATE: f64 = 10_000.0;
/// With fewer sessions that wait, each could be the one that all is slower for.
const FEWEST: usize = 8;
/// How often a worker runs out of work between two looks at the clock.
const PERIOD: u64 = 256;

/// What decides whether a worker pauses. Used by one thread; the runtime wants it shared.
pub(crate) struct Pauses {
    /// Sessions that wait for the server.
    waiting: AtomicUsize,
    /// What follows is since the last look at the clock.
    answered: AtomicU64,
    idle: AtomicU64,
    waited: AtomicU64,
    /// Nanoseconds from the start.
    looked: AtomicU64,
    started: Instant,
    /// Nanoseconds.
    pause: AtomicU64,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            looked: AtomicU64::new(0),
            started: Instant::now(),
            pause: AtomicU64::new(0),
        }
    }

    /// A session has asked the server.
    pub(crate) fn asked(&self) {
        self.waiting.fetch_add(1, Relaxed);
    }

    /// It has its answer, or is over.
    pub(crate) fn answered(&self) {
        self.waiting.fetch_sub(1, Relaxed);
        self.answered.fetch_add(1, Relaxed);
    }

    /// The worker has nothing to do, and would sleep now until something comes.
    pub(crate) fn idle(&self) {
        let waiting = self.waiting.load(Relaxed);
        self.waited.fetch_add(waiting as u64, Relaxed);
        if self.idle.fetch_add(1, Relaxed) + 1 >= PERIOD {
            self.look();
        }
        let pause = self.pause.load(Relaxed);
        if pause > 0 && waiting >= FEWEST {
            std::thread::sleep(Duration::from_nanos(pause));
        }
    }

    fn look(&self) {
        let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let seconds = now.saturating_sub(self.looked.swap(now, Relaxed)) as f64 / 1e9;
        let waiting = self.waited.swap(0, Relaxed) as f64 / self.idle.swap(0, Relaxed) as f64;
        let rate = self.answered.swap(0, Relaxed) as f64 / seconds;
        let pause = pause(waiting, rate).as_nanos();
        self.pause.store(u64::try_from(pause).unwrap_or_default(), Relaxed);
    }
}

/// How long to pause where so many sessions wait on average and so many answers come in a
/// second: their quotient is how long an answer takes (Little's law).
fn pause(waiting: f64, rate: f64) -> Duration {
    if !(rate >= BUSY_RATE && waiting >= FEWEST as f64) {
        return Duration::ZERO;
    }
    let wished = Duration::try_from_secs_f64(waiting / rate / PART).unwrap_or_default();
    if wished < SHORTEST { Duration::ZERO } else { wished.min(LONGEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_small_part_of_an_answers_time() {
        let check = |waiting, rate, microseconds: u128| {
            let found = pause(waiting, rate).as_nanos();
            assert_eq!(found, microseconds * 1000, "{waiting} at {rate} a second");
        };
        // 64 sessions that wait 3.2 ms each, 16 that wait 0.5 ms.
        check(64.0, 20_000.0, 100);
        check(16.0, 31_250.0, 32);
        // The server is quicker than any pause is worth.
        check(16.0, 80_000.0, 0);
        // One after the other, or few, or seldom.
        check(1.0, 14_000.0, 0);
        check(7.9, 10_000.0, 0);
        check(1000.0, 9_000.0, 0);
        check(f64::NAN, 20_000.0, 0);
        check(8.0, f64::INFINITY, 0);
    }

    #[test]
    fn who_waits_is_counted() {
        let pauses = Pauses::new();
        pauses.asked();
        pauses.asked();
        pauses.answered();
        assert_eq!(pauses.waiting.load(Relaxed), 1);
        for _ in 0..PERIOD {
            pauses.idle();
        }
        // Looked at, and begun anew.
        assert_eq!((pauses.idle.load(Relaxed), pauses.answered.load(Relaxed)), (0, 0));
        assert_eq!(pauses.pause.load(Relaxed), 0);
    }
}
