//! FF1 against published vectors, against another implementation, and against itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod batches;
mod cases;
mod differential;
mod rules;
mod samples;
mod wycheproof_vectors;
