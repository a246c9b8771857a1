//! Pauses of a busy worker, as a network card moderates its interrupts.
//!
//! A thread that sleeps until the next byte is woken for each, and the waking costs more
//! than the work: of the one who sends, too. Where sessions wait for a busy server, a
//! worker that has nothing to do sleeps a little, in which more bytes come, and nobody is
//! woken for them. Where the server has time to spare, the same pause only makes answers
//! late. What it is cannot be known, but seen: a worker tries both, again and again, and
//! stays with what serves better.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A pause, as a part of the time from a question to its answer. A query crosses twice,
/// so it waits for two pauses at most.
const PART: f64 = 8.0;
/// A shorter pause gathers too little.
const SHORTEST: Duration = Duration::from_micros(25);
const LONGEST: Duration = Duration::from_micros(100);
/// Below this rate a worker sleeps most of the time: what is saved is little. Answers a
/// second.
const BUSY_RATE: f64 = 10_000.0;
/// With fewer sessions that wait, each could be the one that all is slower for.
const FEWEST: usize = 4;
/// How often a worker runs out of work between two looks at the clock.
const PERIOD: u64 = 256;
/// Every how many periods what serves less is tried again.
const TRIAL: u32 = 32;
/// What is seen of one period, as a part of what was seen before.
const NEWS: f64 = 0.25;
/// Pauses save time of the processor, so they need not serve quite as well.
const AS_GOOD: f64 = 0.97;

/// What decides whether a worker pauses. Used by one thread; the runtime wants it shared.
pub(crate) struct Pauses {
    /// Sessions that wait for the server.
    waiting: AtomicUsize,
    /// What follows is since the last look at the clock.
    answered: AtomicU64,
    idle: AtomicU64,
    waited: AtomicU64,
    /// Nanoseconds.
    pause: AtomicU64,
    judge: Mutex<(Instant, Judge)>,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            pause: AtomicU64::new(0),
            judge: Mutex::new((Instant::now(), Judge::default())),
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
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        let (looked, judge) = &mut *judge;
        let seconds = looked.elapsed().as_secs_f64();
        *looked = Instant::now();
        let waiting = self.waited.swap(0, Relaxed) as f64 / self.idle.swap(0, Relaxed) as f64;
        let rate = self.answered.swap(0, Relaxed) as f64 / seconds;
        let pause = judge.next(waiting, rate).as_nanos();
        self.pause.store(u64::try_from(pause).unwrap_or_default(), Relaxed);
    }
}

/// How well it went with pauses and without, and which is on.
#[derive(Default)]
struct Judge {
    /// The power of a system: answers a second, to the time of one (Kleinrock 1979). More
    /// answers raise it, later ones lower it.
    with: Option<f64>,
    without: Option<f64>,
    pausing: bool,
    periods: u32,
}

impl Judge {
    /// How long to pause in the next period, after one in which so many sessions waited on
    /// average and so many answers came in a second.
    fn next(&mut self, waiting: f64, rate: f64) -> Duration {
        let wished = pause(waiting, rate);
        if wished.is_zero() {
            *self = Self::default();
            return wished;
        }
        // How long an answer takes is their quotient (Little's law).
        let power = rate / (waiting / rate);
        let seen = if self.pausing { &mut self.with } else { &mut self.without };
        *seen = Some(seen.map_or(power, |before| before + NEWS * (power - before)));
        self.periods = self.periods.wrapping_add(1);
        let better = match (self.with, self.without) {
            (Some(with), Some(without)) => with >= without * AS_GOOD,
            (with, _) => with.is_none(),
        };
        self.pausing = better != self.periods.is_multiple_of(TRIAL);
        if self.pausing { wished } else { Duration::ZERO }
    }
}

/// How long to pause, if pauses are of use.
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
        // 64 sessions that wait 3.2 ms each, 16 that wait 0.4 ms.
        check(64.0, 20_000.0, 100);
        check(16.0, 40_000.0, 50);
        // The server is quicker than any pause is worth.
        check(16.0, 81_000.0, 0);
        // One after the other, or few, or seldom.
        check(1.0, 14_000.0, 0);
        check(3.9, 10_000.0, 0);
        check(1000.0, 9_000.0, 0);
        check(f64::NAN, 20_000.0, 0);
        check(8.0, f64::INFINITY, 0);
    }

    /// In how many of so many periods it pauses, where a pause does this to what waits and
    /// to the rate.
    fn pausing(judge: &mut Judge, periods: u32, with: (f64, f64), without: (f64, f64)) -> u32 {
        let mut pause = Duration::ZERO;
        let mut count = 0;
        for _ in 0..periods {
            let (waiting, rate) = if pause.is_zero() { without } else { with };
            pause = judge.next(waiting, rate);
            count += u32::from(!pause.is_zero());
        }
        count
    }

    #[test]
    fn pauses_stay_where_answers_are_not_later_for_them() {
        let rounds = 10;
        let all = TRIAL * rounds;
        let check = |with, without, expected: u32| {
            let found = pausing(&mut Judge::default(), all, with, without);
            assert!(found.abs_diff(expected) <= 1, "{found} of {all}");
        };
        // A server that is busy anyway: more answers, or as many, from as many sessions.
        check((16.0, 33_000.0), (16.0, 30_000.0), all - rounds);
        check((16.0, 30_000.0), (16.0, 30_000.0), all - rounds);
        // One that waits for the next question: fewer answers, or the same ones later.
        check((16.0, 39_000.0), (16.0, 48_000.0), rounds);
        check((24.0, 40_000.0), (20.0, 40_000.0), rounds);
    }

    #[test]
    fn what_changes_is_noticed() {
        let mut judge = Judge::default();
        let (busy, spare) = ((16.0, 33_000.0), (16.0, 48_000.0));
        assert!(pausing(&mut judge, TRIAL * 4, busy, (16.0, 30_000.0)) > TRIAL * 3);
        // The server has time again, where nobody pauses.
        pausing(&mut judge, TRIAL * 8, busy, spare);
        assert!(pausing(&mut judge, TRIAL * 4, busy, spare) <= 5);
        // Hardly anybody asks: what was seen is of no use any more.
        assert_eq!(judge.next(1.0, 500.0), Duration::ZERO);
        assert!(judge.with.is_none() && judge.without.is_none() && !judge.pausing);
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
