//! FF1 against published vectors, against another implementation, and against itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]
#![allow(clippy::print_stdout, reason = "the counts are for who asks for them")]

mod batches;
mod cases;
mod differential;
mod rules;
mod samples;
mod wycheproof_vectors;
