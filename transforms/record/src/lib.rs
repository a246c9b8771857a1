//! What flows: values, where they are found, and the formats they travel in.
//!
//! ```text
//!   bytes ──Codec──▶ Piece ──fields()──▶ [Field { rule, value }] ──▶ Piece::into_bytes ──▶ bytes
//! ```
//!
//! A [`codec::Codec`] reads bytes as they arrive and hands out [`Piece`]s: bytes that
//! are complete, with the selected values lifted out. Whoever holds a piece may change
//! its values; everything else leaves byte for byte as it came. Nothing here does I/O,
//! and nothing here panics, whatever the bytes are.

pub mod codec;
mod piece;
mod selector;
mod value;

pub use piece::{CannotInsert, EncodeError, Field, Piece, Record};
pub use selector::{Path, Segment, Selector, SelectorError, Step};
pub use value::{Kind, Value};
