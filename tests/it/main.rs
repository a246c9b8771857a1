//! The product, from outside: the real binary, a real upstream, real `curl`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(clippy::indexing_slicing, reason = "a test that looks where nothing is fails")]

mod stand;

mod control;
mod deploy;
mod docs;
mod fail_closed;
mod jwt;
mod keys;
mod layers;
mod lifecycle;
mod pins;
mod postgres_store;
mod relay;
mod roles;
mod server;
mod tokens;
