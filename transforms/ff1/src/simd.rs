//! The engines for x86-64 processors with AES instructions; the only place with `unsafe` code.
//!
//! ```text
//!   level: what the processor has ──▶ schedule: the round keys ──▶ blocks: AES for the rounds of all engines
//!                                     plan: constants of a shape ──▶ vectors: AES and arithmetic of short halves
//!                                                                    single: the same of one value
//! ```

#![allow(unsafe_code, reason = "vector instructions and the loads and stores around them")]

mod blocks;
mod level;
mod plan;
mod schedule;
mod single;
mod vectors;

pub(crate) use level::Level;
pub(crate) use plan::Plan;
pub(crate) use vectors::{Symbol, Values};

use crate::cipher::Work;
use crate::engine::Single;
use schedule::Schedule;

/// A key schedule and the instructions that run it.
pub(crate) struct Cipher {
    schedule: Box<Schedule>,
    level: Level,
}

impl Cipher {
    /// The schedule of a key of 16, 24 or 32 bytes, none for another length; the level is available.
    pub(crate) fn new(key: &[u8], level: Level) -> Option<Self> {
        assert!(level.is_available(), "an engine runs only where its instructions are");
        // SAFETY: every level has the AES instructions, and this one is available.
        let schedule = unsafe { Schedule::new(key) }?;
        Some(Self { schedule, level })
    }

    /// Runs `work` with the instructions of the level.
    pub(crate) fn run(&self, work: impl Work) {
        // SAFETY: `new` saw that the level is available.
        unsafe { blocks::run(&self.schedule, self.level, work) }
    }

    /// Whether `run_values` is for this level.
    pub(crate) fn has_vectors(&self) -> bool {
        self.level == Level::Zmm
    }

    /// Runs values that have a plan in vectors.
    pub(crate) fn run_values<S: Symbol>(&self, values: Values<'_, S>) {
        assert!(self.has_vectors(), "vectors are for the level that has them");
        // SAFETY: `new` saw that the level is available.
        unsafe {
            match self.schedule.rounds {
                10 => vectors::run::<11, S>(self.schedule.keys(), values),
                12 => vectors::run::<13, S>(self.schedule.keys(), values),
                _ => vectors::run::<15, S>(self.schedule.keys(), values),
            }
        }
    }

    /// Runs the halves of a single value that has a plan in vectors.
    pub(crate) fn run_single(&self, plan: &Plan, value: Single<'_>) {
        assert!(self.has_vectors(), "vectors are for the level that has them");
        // SAFETY: `new` saw that the level is available.
        unsafe {
            match self.schedule.rounds {
                10 => single::run::<11>(self.schedule.keys(), plan, value),
                12 => single::run::<13>(self.schedule.keys(), plan, value),
                _ => single::run::<15>(self.schedule.keys(), plan, value),
            }
        }
    }
}
