//! What is refused, and that a refusal changes nothing; what the standard admits and another implementation does not.

use std::collections::HashSet;

use allonym_ff1::{Engine, Ff1, Ff1Error, Tweaks, domain_size, larger_half_bytes};

const KEY: [u8; 32] = [3; 32];

#[test]
fn keys_and_radices() {
    for (bytes, radix, expected) in [
        (16, 2, None),
        (24, 10, None),
        (32, 65_536, None),
        (0, 10, Some(Ff1Error::KeyLength)),
        (15, 10, Some(Ff1Error::KeyLength)),
        (17, 10, Some(Ff1Error::KeyLength)),
        (64, 10, Some(Ff1Error::KeyLength)),
        (32, 0, Some(Ff1Error::Radix)),
        (32, 1, Some(Ff1Error::Radix)),
        (32, 65_537, Some(Ff1Error::Radix)),
        (32, u32::MAX, Some(Ff1Error::Radix)),
    ] {
        let ff1 = Ff1::new(&vec![1; bytes], radix);
        assert_eq!(ff1.as_ref().err().copied(), expected, "{bytes} bytes, radix {radix}");
        assert_eq!(ff1.map(|ff1| ff1.radix()).unwrap_or(radix), radix);
    }
}

#[test]
fn single_values() {
    for (radix, value, expected) in [
        (10, vec![], Err(Ff1Error::Length { length: 0, minimum: 2 })),
        (10, vec![1], Err(Ff1Error::Length { length: 1, minimum: 2 })),
        (10, vec![1, 2], Ok(())),
        (2, vec![1; 6], Err(Ff1Error::Length { length: 6, minimum: 7 })),
        (2, vec![1; 7], Ok(())),
        (65_536, vec![65_535], Err(Ff1Error::Length { length: 1, minimum: 2 })),
        (65_536, vec![65_535; 2], Ok(())),
        (10, vec![1, 2, 3, 10, 5], Err(Ff1Error::Numeral { index: 3 })),
        (65_535, vec![65_535; 4], Err(Ff1Error::Numeral { index: 0 })),
    ] {
        let ff1 = Ff1::new(&KEY, radix).unwrap();
        for run in [Ff1::encrypt, Ff1::decrypt] {
            let mut numerals = value.clone();
            assert_eq!(run(&ff1, b"tweak", &mut numerals), expected, "radix {radix}, {value:?}");
            assert!(expected.is_ok() || numerals == value, "radix {radix}, {value:?}");
        }
    }
}

#[test]
fn batches() {
    let ff1 = Ff1::new(&KEY, 10).unwrap();
    let two: [&[u8]; 2] = [b"a", b""];
    for (tweaks, length, count, expected) in [
        (Tweaks::Same(b"a"), 8, 16, Ok(())),
        (Tweaks::Each(&two), 8, 16, Ok(())),
        (Tweaks::Same(b"a"), 8, 0, Ok(())),
        (Tweaks::Each(&[]), 8, 0, Ok(())),
        (Tweaks::Same(b"a"), 8, 15, Err(Ff1Error::BatchShape)),
        (Tweaks::Each(&two), 8, 8, Err(Ff1Error::BatchShape)),
        (Tweaks::Each(&two), 8, 24, Err(Ff1Error::BatchShape)),
        (Tweaks::Each(&[]), 8, 8, Err(Ff1Error::BatchShape)),
        (Tweaks::Same(b"a"), 0, 16, Err(Ff1Error::Length { length: 0, minimum: 2 })),
        (Tweaks::Same(b"a"), 1, 16, Err(Ff1Error::Length { length: 1, minimum: 2 })),
    ] {
        for run in [Ff1::encrypt_batch, Ff1::decrypt_batch] {
            let mut numerals = vec![7; count];
            assert_eq!(run(&ff1, tweaks, length, &mut numerals), expected, "{count} by {length}");
            assert!(expected.is_ok() || numerals == vec![7; count], "{count} by {length}");
        }
    }
}

#[test]
fn one_wrong_numeral_leaves_the_whole_batch_as_it_is() {
    let ff1 = Ff1::new(&KEY, 10).unwrap();
    let mut numerals = vec![4; 1600];
    numerals[1599] = 11;
    let before = numerals.clone();
    let error = ff1.encrypt_batch(Tweaks::Same(b""), 16, &mut numerals).unwrap_err();
    assert_eq!(error, Ff1Error::Numeral { index: 1599 });
    assert_eq!(error.to_string(), "the numeral at index 1599 is not below the radix");
    assert_eq!(numerals, before);
}

#[test]
fn values_in_bytes() {
    for (radix, first, value, expected) in [
        (10, b'0', *b"1234567890", Ok(())),
        (10, b'0', *b"12345/7890", Err(Ff1Error::Numeral { index: 5 })),
        (10, b'0', *b"123456789:", Err(Ff1Error::Numeral { index: 9 })),
        (10, 246, [250; 10], Ok(())),
        (10, 247, [250; 10], Err(Ff1Error::Bytes)),
        (256, 0, [255; 10], Ok(())),
        (256, 1, [255; 10], Err(Ff1Error::Bytes)),
        (257, 0, [0; 10], Err(Ff1Error::Bytes)),
        (65_536, 0, [0; 10], Err(Ff1Error::Bytes)),
    ] {
        for engine in Engine::available() {
            let ff1 = Ff1::with_engine(&KEY, radix, engine).unwrap();
            for run in [Ff1::encrypt_bytes_batch, Ff1::decrypt_bytes_batch] {
                let mut bytes = value;
                let done = run(&ff1, Tweaks::Same(b""), 10, first, &mut bytes);
                assert_eq!(done, expected, "radix {radix} from {first}, {engine}");
                assert_eq!(bytes == value, expected.is_err(), "radix {radix} from {first}");
                let error = run(&ff1, Tweaks::Same(b""), 4, first, &mut bytes).unwrap_err();
                let shape = [Ff1Error::BatchShape, Ff1Error::Bytes];
                assert!(shape.contains(&error), "{error}");
            }
        }
    }
}

#[test]
fn engines() {
    let all: Vec<Engine> = Engine::available().collect();
    assert_eq!(all.first(), Some(&Engine::Portable));
    assert_eq!(all.last(), Some(&Engine::best()));
    assert_eq!(Ff1::new(&KEY, 10).unwrap().engine(), Engine::best());
    let mut names = HashSet::new();
    for engine in [Engine::Portable, Engine::AesNi, Engine::Vaes256, Engine::Vaes512] {
        assert_eq!(engine.is_available(), all.contains(&engine), "{engine}");
        assert!(names.insert(engine.to_string()), "{engine}");
        match Ff1::with_engine(&KEY, 10, engine) {
            Ok(ff1) => assert_eq!(ff1.engine(), engine),
            Err(error) => assert!(!engine.is_available() && error == Ff1Error::Engine(engine)),
        }
    }
}

/// FF1 permutes its domain; the smallest domains can be run through whole, in one batch.
#[test]
fn small_domains_are_permuted() {
    let domains = [(10u32, 2), (2, 7), (10, 3), (2, 13), (3, 5), (100, 2), (7, 4)];
    for (radix, length) in domains.into_iter().take(if cfg!(miri) { 2 } else { 7 }) {
        let ff1 = Ff1::new(&KEY, radix).unwrap();
        let size = domain_size(radix, length).unwrap() as u32;
        let value = |number: u32| {
            (0..length as u32).rev().map(move |place| (number / radix.pow(place) % radix) as u16)
        };
        let plain: Vec<u16> = (0..size).flat_map(value).collect();
        let mut cipher = plain.clone();
        ff1.encrypt_batch(Tweaks::Same(b"column"), length, &mut cipher).unwrap();
        let different: HashSet<&[u16]> = cipher.chunks(length).collect();
        assert_eq!(different.len(), size as usize, "radix {radix}, length {length}");
        assert!(cipher.iter().all(|numeral| u32::from(*numeral) < radix));
        assert_ne!(cipher, plain);
        ff1.decrypt_batch(Tweaks::Same(b"column"), length, &mut cipher).unwrap();
        assert_eq!(cipher, plain, "radix {radix}, length {length}");
    }
}

/// Key and tweak matter, and a tweak of zeros is not the empty tweak (the tweak length is part of block P).
#[test]
fn keys_and_tweaks_separate() {
    let mut seen = HashSet::new();
    let tweaks: [&[u8]; 6] = [b"", b"\0", b"\0\0", &[0; 16], &[0; 17], b"a"];
    for key in [[1; 32], [2; 32]] {
        for tweak in tweaks {
            let mut value = vec![5; 16];
            Ff1::new(&key, 10).unwrap().encrypt(tweak, &mut value).unwrap();
            seen.insert(value);
        }
    }
    assert_eq!(seen.len(), 12);
}

#[test]
fn an_instance_is_shared_between_threads() {
    let ff1 = Ff1::new(&KEY, 36).unwrap();
    let run = || {
        let mut value = vec![35; 25];
        ff1.encrypt(b"shared", &mut value).map(|()| value)
    };
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect::<HashSet<_>>()
    });
    assert_eq!(results.len(), 1);
}

#[test]
fn sizes_are_public() {
    assert_eq!(domain_size(10, 16), Some(10_000_000_000_000_000));
    assert_eq!(larger_half_bytes(10, 16), 4);
}
