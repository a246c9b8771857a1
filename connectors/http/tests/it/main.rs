//! The HTTP connector on real sockets.

#![allow(missing_docs, unreachable_pub)]

mod config;
mod edges;
mod fixture;
mod refusals;
mod relay;
mod values;
