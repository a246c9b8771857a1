//! Nothing is allocated for a value: while its halves have 256 bits at most, and above in the caller's room. A counting
//! allocator says so.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
#![allow(unsafe_code, reason = "an allocator is unsafe to be")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use allonym_ff1::{Engine, Ff1, Scratch, Tweaks, larger_half_bytes};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is left to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: what the caller promises is promised on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: what the caller promises is promised on.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn no_allocation_for_a_value() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new([0u8; 9])))), 1);
    let tweaks: Vec<&[u8]> =
        (0..37usize).map(|at| &b"a tweak of up to 36 bytes, or of none"[..at]).collect();
    for (radix, length) in [
        (10, 6),
        (10, 9),
        (10, 16),
        (10, 19),
        (62, 20),
        (62, 32),
        (10, 76),
        (62, 64),
        (10, 154),
        (2, 511),
        (2, 512),
        (256, 63),
        (65_536, 32),
    ] {
        assert!(larger_half_bytes(radix, length) <= 32, "radix {radix}, length {length}");
        for engine in Engine::available() {
            let ff1 = Ff1::with_engine(&[1; 32], radix, engine).unwrap();
            let mut numerals = vec![1; 37 * length];
            let mut bytes = vec![1; if radix <= 256 { 37 * length } else { 0 }];
            // The first value of a length makes what all later ones use.
            ff1.encrypt(b"", &mut numerals[..length]).unwrap();
            let count = allocations(|| {
                ff1.encrypt(b"tweak", &mut numerals[..length]).unwrap();
                ff1.decrypt(b"tweak", &mut numerals[..length]).unwrap();
                for tweaks in [Tweaks::Same(b"a tweak over sixteen bytes"), Tweaks::Each(&tweaks)] {
                    ff1.encrypt_batch(tweaks, length, &mut numerals).unwrap();
                    ff1.decrypt_batch(tweaks, length, &mut numerals).unwrap();
                }
                if radix <= 256 {
                    ff1.encrypt_bytes_batch(Tweaks::Each(&tweaks), length, 0, &mut bytes).unwrap();
                    ff1.decrypt_bytes_batch(Tweaks::Same(b""), length, 0, &mut bytes).unwrap();
                }
            });
            assert_eq!(count, 0, "{engine}: radix {radix}, length {length}");
        }
    }
}

#[test]
fn no_allocation_for_a_long_value_in_the_callers_room() {
    for (radix, length) in [(10, 155), (10, 400), (2, 1000), (62, 129), (65_536, 33), (65_536, 700)]
    {
        assert!(larger_half_bytes(radix, length) > 32, "radix {radix}, length {length}");
        for engine in Engine::available() {
            let ff1 = Ff1::with_engine(&[1; 32], radix, engine).unwrap();
            let other = Ff1::with_engine(&[2; 32], radix, engine).unwrap();
            let plain: Vec<u16> = (0..3 * length).map(|at| (at % 2) as u16).collect();
            let (mut expected, mut numerals) = (plain.clone(), plain.clone());
            ff1.encrypt_batch(Tweaks::Same(b"tweak"), length, &mut expected).unwrap();
            let mut scratch = Scratch::new();
            // What another key left behind makes no difference.
            other.encrypt_batch_in(&mut scratch, Tweaks::Same(b""), length, &mut numerals).unwrap();
            numerals.clone_from(&plain);
            let tweaks = Tweaks::Same(b"tweak");
            ff1.encrypt_batch_in(&mut scratch, tweaks, length, &mut numerals).unwrap();
            assert!(numerals == expected, "{engine}: radix {radix}, length {length}");
            let count = allocations(|| {
                ff1.decrypt_batch_in(&mut scratch, tweaks, length, &mut numerals).unwrap();
                ff1.encrypt_batch_in(&mut scratch, tweaks, length, &mut numerals).unwrap();
                ff1.decrypt_batch_in(&mut scratch, tweaks, length, &mut numerals).unwrap();
            });
            assert_eq!(count, 0, "{engine}: radix {radix}, length {length}");
            assert!(numerals == plain, "{engine}: radix {radix}, length {length}");
        }
    }
}
