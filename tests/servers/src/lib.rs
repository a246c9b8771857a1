//! Real servers for tests and benches, each in a folder and on a port of its own.

pub mod postgres;
