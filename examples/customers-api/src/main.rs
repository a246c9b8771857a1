//! An API to stand in front of.
fn main() {}
