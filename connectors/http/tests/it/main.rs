//! The HTTP connector on real sockets.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod config;
mod confusion;
mod edges;
mod fixture;
mod refusals;
mod relay;
mod values;
