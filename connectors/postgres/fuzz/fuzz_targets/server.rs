//! The server's leg: its messages, between those of the client that they answer.

#![no_main]

use allonym_postgres_fuzz::{Input, compare};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    compare(&input, &input.pieces());
});
