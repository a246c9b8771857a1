//! Bytes that nobody should send.

use std::sync::Arc;

use allonym_record::codec::json::{Limits, Program};
use proptest::prelude::*;

use super::documents::{cut, document, path};
use super::reading::{program, read};

/// Bytes that mean something to JSON, so that random texts get somewhere.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => proptest::sample::select(br#"{}[]:,"\"\ -+.eE0123456789truefalsnu/b"#.to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..200)
}

/// Whether `serde_json` takes the text; nothing where it has limits of its own.
fn oracle(bytes: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(_) => Some(true),
        Err(error) if error.to_string().contains("out of range") => None,
        Err(error) if error.to_string().contains("recursion") => None,
        Err(_) => Some(false),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn random_bytes_are_answered_the_same_however_they_are_cut(
        bytes in prop_oneof![soup(), prop::collection::vec(any::<u8>(), 0..300)],
        points in prop::collection::vec(any::<u16>(), 0..8),
    ) {
        let program = program(&[(0, "$..a"), (1, "$[*][*]"), (2, "$.b.*")]);
        let whole = read(&program, Limits::default(), &[&bytes]);
        let cut = read(&program, Limits::default(), &cut(&bytes, &points));
        prop_assert_eq!(&whole, &cut);
        if let (Ok(outcome), Some(taken)) = (whole, oracle(&bytes)) {
            prop_assert!(taken);
            prop_assert_eq!(outcome.bytes, bytes);
        }
    }

    #[test]
    fn damaged_documents_are_taken_exactly_when_the_oracle_takes_them(
        document in document(),
        path in path(),
        damage in prop::collection::vec((any::<u16>(), any::<u8>(), 0..4_u8), 0..4),
    ) {
        let mut bytes = document.text.into_bytes();
        for (place, byte, kind) in damage {
            let at = usize::from(place) * bytes.len() / 65_536;
            match kind {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => { bytes.remove(at); }
                2 if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
                _ => bytes.truncate(bytes.len() - bytes.len() * usize::from(byte) / 2560),
            }
        }
        if let Some(taken) = oracle(&bytes) {
            let outcome = read(&program(&[]), Limits::default(), &[&bytes]);
            prop_assert_eq!(outcome.is_ok(), taken, "{:?}: {:?}", String::from_utf8_lossy(&bytes), outcome.err());
        }
        let selecting = Arc::new(Program::compile(&[(0, &path)]));
        let whole = read(&selecting, Limits::default(), &[&bytes]);
        prop_assert_eq!(read(&selecting, Limits::default(), &bytes.chunks(1).collect::<Vec<_>>()), whole);
    }
}
