//! The product, from outside. Everything is in `it/`; this crate has no library of its own.
