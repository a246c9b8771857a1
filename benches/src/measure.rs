//! Arms, interleaved in rounds, and what came of them.

use std::time::{Duration, Instant};

use crate::Outcome;

/// How many rounds, and how long each arm runs in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) rounds: usize,
    /// One arm in one round, for what runs in this process.
    pub(crate) round: Duration,
    /// One arm in one round, for whole processes under load. Their CPU time comes in
    /// ticks of 10 ms, so it takes seconds.
    pub(crate) load: Duration,
}

impl Pace {
    pub(crate) const FULL: Self =
        Self { rounds: 5, round: Duration::from_millis(700), load: Duration::from_secs(3) };
    pub(crate) const QUICK: Self =
        Self { rounds: 2, round: Duration::from_millis(60), load: Duration::from_secs(1) };
}

/// What one arm did in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) operations: f64,
    pub(crate) seconds: f64,
    /// CPU time of the processes under test, where it was taken.
    pub(crate) cpu_seconds: f64,
}

impl Sample {
    pub(crate) fn per_second(&self) -> f64 {
        self.operations / self.seconds
    }

    pub(crate) fn nanoseconds(&self) -> f64 {
        self.seconds * 1e9 / self.operations
    }

    pub(crate) fn cpu_microseconds(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.operations
    }

    /// How much of one core the processes under test used, from 0 to 1 and above.
    pub(crate) fn cores(&self) -> f64 {
        self.cpu_seconds / self.seconds
    }
}

/// Something that is timed.
pub(crate) struct Arm<'a> {
    name: &'static str,
    run: Box<dyn FnMut(Duration) -> Outcome<Sample> + 'a>,
}

impl<'a> Arm<'a> {
    pub(crate) fn new(
        name: &'static str,
        run: impl FnMut(Duration) -> Outcome<Sample> + 'a,
    ) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// What an arm did in all rounds.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    samples: Vec<Sample>,
}

impl Series {
    pub(crate) fn spread(&self, of: fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(of).collect())
    }

    /// Ratios round by round, so that what slows a whole round down falls out.
    pub(crate) fn ratio(&self, peer: &Self, of: fn(&Sample) -> f64) -> Spread {
        self.paired(peer, |ours, theirs| of(ours) / of(theirs))
    }

    /// Something of both, round by round.
    pub(crate) fn paired(&self, peer: &Self, of: impl Fn(&Sample, &Sample) -> f64) -> Spread {
        let pairs = self.samples.iter().zip(&peer.samples);
        Spread::of(pairs.map(|(ours, theirs)| of(ours, theirs)).collect())
    }
}

/// Median, and from where to where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        let last = figures.len().saturating_sub(1);
        Self {
            median: f64::midpoint(at(last / 2), at(figures.len() / 2)),
            min: at(0),
            max: at(last),
        }
    }

    pub(crate) fn scaled(self, by: f64) -> Self {
        Self { median: self.median * by, min: self.min * by, max: self.max * by }
    }
}

/// Runs every arm once in each round. Each round begins with another arm: none is
/// always the one that finds the machine warm.
pub(crate) fn interleave<const N: usize>(
    mut arms: [Arm<'_>; N],
    rounds: usize,
    length: Duration,
) -> Outcome<[Series; N]> {
    let mut series = arms.each_ref().map(|arm| Series { name: arm.name, samples: Vec::new() });
    for round in 0..rounds {
        for step in 0..N {
            let index = (round + step) % N;
            if let (Some(arm), Some(series)) = (arms.get_mut(index), series.get_mut(index)) {
                series.samples.push((arm.run)(length)?);
            }
        }
    }
    Ok(series)
}

/// Repeats `work`, which says how many operations it did, for a time, on this thread.
/// One call should last well over a microsecond: the clock is read after each.
pub(crate) fn repeat(
    length: Duration,
    mut work: impl FnMut() -> Outcome<usize>,
) -> Outcome<Sample> {
    let mut operations = 0;
    let start = Instant::now();
    loop {
        operations += work()?;
        let elapsed = start.elapsed();
        if elapsed >= length {
            let seconds = elapsed.as_secs_f64();
            return Ok(Sample { operations: operations as f64, seconds, cpu_seconds: seconds });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_median_and_ends() {
        let check = |figures: &[f64], median, min, max| {
            assert_eq!(Spread::of(figures.to_vec()), Spread { median, min, max });
        };
        check(&[3.0], 3.0, 3.0, 3.0);
        check(&[9.0, 1.0, 2.0], 2.0, 1.0, 9.0);
        check(&[4.0, 1.0, 2.0, 8.0], 3.0, 1.0, 8.0);
    }

    #[test]
    fn every_arm_runs_once_a_round_and_ratios_are_paired() {
        let order = std::cell::RefCell::new(String::new());
        let arm = |name: &'static str, rates: [f64; 3]| {
            let mut rates = rates.into_iter();
            let order = &order;
            Arm::new(name, move |_| {
                order.borrow_mut().push_str(name);
                let operations = rates.next().unwrap();
                Ok(Sample { operations, seconds: 2.0, cpu_seconds: 1.0 })
            })
        };
        let arms = [arm("a", [10.0, 20.0, 40.0]), arm("b", [5.0, 20.0, 10.0])];
        let [a, b] = interleave(arms, 3, Duration::ZERO).unwrap();
        assert_eq!(*order.borrow(), "abbaab");
        assert_eq!(a.spread(Sample::per_second), Spread { median: 10.0, min: 5.0, max: 20.0 });
        assert_eq!(a.ratio(&b, Sample::per_second), Spread { median: 2.0, min: 1.0, max: 4.0 });
    }
}
