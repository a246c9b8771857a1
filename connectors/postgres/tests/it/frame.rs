//! Message borders: the same events however the bytes are cut.

use std::sync::Arc;

use allonym_postgres::wire::frame::{DEFAULT_LIMIT, Event, Flow, Scanner, Wanted};
use allonym_postgres::wire::{Side, WireError};
use proptest::prelude::*;

/// One message as it was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    tag: u8,
    length: u32,
    body: Vec<u8>,
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

fn wanted() -> Arc<Wanted> {
    Arc::new(Wanted::nothing().and(b'Q', 8).and(b'P', u32::MAX).and(b'Z', 1))
}

fn scanner(side: Side) -> Scanner {
    Scanner::new(side, DEFAULT_LIMIT, wanted())
}

/// Scans buffer after buffer, checks that offsets are right, and gives what was seen.
fn scan<'a>(
    scanner: &mut Scanner,
    buffers: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Seen>, Result<(), WireError>) {
    let (mut seen, mut begun, mut before, mut began_at) = (Vec::new(), None, 0_usize, 0_usize);
    for buffer in buffers {
        let mut last_end = 0;
        let result = scanner.scan(buffer, |event| {
            match event {
                Event::Begun { tag, length, start } => {
                    assert_eq!(begun, None, "two begin without an end");
                    began_at = start.map_or(began_at, |start| before + start);
                    begun = Some((tag, length));
                }
                Event::Message { tag, length, start, end, body } => {
                    if let Some((other, expected)) = begun.take() {
                        assert_eq!((tag, length, start), (other, expected, None));
                    }
                    let start = start.map_or(began_at, |start| before + start);
                    assert_eq!(before + end - start, length as usize + 5, "offsets");
                    assert!(last_end < end && end <= buffer.len(), "offsets go up");
                    last_end = end;
                    began_at = before + end;
                    seen.push(Seen { tag, length, body: body.to_vec() });
                }
            }
            Ok::<_, WireError>(Flow::Continue)
        });
        match result {
            Ok(walked) => assert_eq!(walked, buffer.len()),
            Err(error) => return (seen, Err(error)),
        }
        before += buffer.len();
    }
    (seen, Ok(()))
}

#[test]
fn bodies_as_asked() {
    let bytes = [
        message(b'Q', b"select 1\0"),
        message(b'Q', b"\0"),
        message(b'P', b"a longer one than that\0"),
        message(b'D', b"never shown"),
        message(b'S', b""),
        message(b'X', b""),
    ]
    .concat();
    let expected = [
        (b'Q', 9, &b"select 1"[..]),
        (b'Q', 1, b"\0"),
        (b'P', 23, b"a longer one than that\0"),
        (b'D', 11, b""),
        (b'S', 0, b""),
        (b'X', 0, b""),
    ]
    .map(|(tag, length, body)| Seen { tag, length, body: body.to_vec() });
    let (whole, result) = scan(&mut scanner(Side::Frontend), [&bytes[..]]);
    assert_eq!((whole, result), (expected.to_vec(), Ok(())));
    // At every byte, at every two bytes, and one at a time.
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let mut scanner = scanner(Side::Frontend);
            let parts = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(scan(&mut scanner, parts).0, expected, "at {first} and {second}");
            assert!(scanner.is_at_border());
        }
    }
    assert_eq!(scan(&mut scanner(Side::Frontend), bytes.chunks(1)).0, expected);
}

#[test]
fn refused() {
    let check = |side, bytes: &[u8], expected: WireError| {
        let mut limited = Scanner::new(side, 100, wanted());
        assert_eq!(scan(&mut limited, [bytes]).1, Err(expected), "{bytes:?}");
        let mut limited = Scanner::new(side, 100, wanted());
        assert_eq!(scan(&mut limited, bytes.chunks(1)).1, Err(expected), "{bytes:?}");
    };
    let front = Side::Frontend;
    for length in 0..4_u8 {
        let length32 = u32::from(length);
        let expected = WireError::TooShort { tag: b'Q', length: length32 };
        check(front, &[b'Q', 0, 0, 0, length], expected);
    }
    check(front, b"Q\0\0\0\x65", WireError::TooLong { tag: b'Q', length: 101, limit: 100 });
    check(
        front,
        b"Q\xff\xff\xff\xff",
        WireError::TooLong { tag: b'Q', length: u32::MAX, limit: 100 },
    );
    check(front, b"Q\x80\0\0\0", WireError::TooLong { tag: b'Q', length: 1 << 31, limit: 100 });
    check(front, b"Z\0\0\0\x05I", WireError::UnknownTag { side: front, tag: b'Z' });
    check(front, b"\0\0\0\0\x08", WireError::UnknownTag { side: front, tag: 0 });
    check(front, b"\xd1\0\0\0\x04", WireError::UnknownTag { side: front, tag: 0xd1 });
    let back = Side::Backend;
    check(back, b"Q\0\0\0\x05\0", WireError::UnknownTag { side: back, tag: b'Q' });
    // What stands before it is told of.
    let (seen, result) = scan(&mut scanner(front), [&b"S\0\0\0\x04?\0\0\0\x04"[..]]);
    assert_eq!((seen.len(), result), (1, Err(WireError::UnknownTag { side: front, tag: b'?' })));
    let exactly = message(b'D', &[0; 96]);
    assert_eq!(scan(&mut Scanner::new(back, 100, wanted()), [&exactly[..]]).1, Ok(()));
}

#[test]
fn every_type() {
    let check = |side: Side, tags: &[u8]| {
        for tag in 0..=255 {
            assert_eq!(side.sends(tag), tags.contains(&tag), "{side:?} {tag:#x}");
        }
    };
    check(Side::Frontend, b"QPBDECSHFdcfpX");
    check(Side::Backend, b"RKSZTDC123ntsIENAGHWdcVv");
}

#[test]
fn stopping_and_holding_back() {
    let bytes = [message(b'S', b""), message(b'Q', b"a\0"), message(b'S', b"")].concat();
    let mut scanner = scanner(Side::Frontend);
    let mut tags = Vec::new();
    let mut at = 0;
    let mut calls = 0;
    while at < bytes.len() {
        at += scanner
            .scan(&bytes[at..], |event| {
                if let Event::Message { tag, .. } = event {
                    tags.push(tag);
                }
                Ok::<_, WireError>(Flow::Stop)
            })
            .unwrap();
        calls += 1;
    }
    assert_eq!((tags.as_slice(), calls), (&b"SQS"[..], 3));
    // A message that began in an earlier buffer stops too.
    assert_eq!(scan(&mut scanner, [&b"Q\0\0\0\x06a"[..]]).1, Ok(()));
    assert_eq!(scanner.inside(), Some((b'Q', 2, 1)));
    let walked = scanner.scan(b"\0S\0\0\0\x04", |_| Ok::<_, WireError>(Flow::Stop)).unwrap();
    assert_eq!((walked, scanner.is_at_border()), (1, true));
    // The first bytes of a header are known, so that they can wait.
    assert_eq!(scan(&mut scanner, [&b"S\0\0\0\x04Q\0\0"[..]]).1, Ok(()));
    assert_eq!(scanner.unfinished(), b"Q\0\0");
    assert_eq!(scan(&mut scanner, [&b"\0"[..]]).1, Ok(()));
    assert_eq!((scanner.unfinished(), scanner.is_at_border()), (&b"Q\0\0\0"[..], false));
    // An idle connection holds no room for bodies.
    assert!(size_of::<Scanner>() <= 72);
    // The caller's own error stops it as well.
    let mut other = self::scanner(Side::Frontend);
    let refused = WireError::Unexpected { tag: b'S' };
    assert_eq!(other.scan(&bytes, |_| Err(refused)), Err(refused));
}

#[test]
fn a_message_refused_at_its_end_stays_unfinished() {
    let mut scanner = scanner(Side::Backend);
    let refused = WireError::Unexpected { tag: b'C' };
    // Its beginning has been forwarded when the end of it is judged.
    assert_eq!(scan(&mut scanner, [&b"C\0\0\0\x08ab"[..]]).1, Ok(()));
    assert_eq!(scanner.scan(b"cd", |_| Err(refused)), Err(refused));
    assert!(!scanner.is_at_border());
    // Nothing of this one has.
    let mut scanner = self::scanner(Side::Backend);
    assert_eq!(scanner.scan(b"C\0\0\0\x04", |_| Err(refused)), Err(refused));
    assert!(scanner.is_at_border());
}

#[test]
fn a_change_of_mind_spares_the_message_inside() {
    let mut scanner = scanner(Side::Frontend);
    let mut bodies = Vec::new();
    let mut keep = |event: Event<'_>| {
        if let Event::Message { body, .. } = event {
            bodies.push(body.to_vec());
        }
        Ok::<_, WireError>(Flow::Continue)
    };
    scanner.scan(b"P\0\0\0\x08ab", &mut keep).unwrap();
    scanner.want(Arc::new(Wanted::nothing().and(b'P', 1)));
    scanner.scan(b"cdP\0\0\0\x08abcd", &mut keep).unwrap();
    assert_eq!(bodies, [b"abcd".to_vec(), b"a".to_vec()]);
}

fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let mut from = 0;
    let part = |to| bytes[std::mem::replace(&mut from, to)..to].to_vec();
    cuts.into_iter().map(part).collect()
}

fn messages() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let tag = prop::sample::select(b"QPBDECSHFdcfpX".to_vec());
    prop::collection::vec((tag, prop::collection::vec(any::<u8>(), 0..40)), 0..20)
}

proptest! {
    #[test]
    fn cut_anywhere(messages in messages(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let bytes = messages.iter().flat_map(|(tag, body)| message(*tag, body)).collect::<Vec<_>>();
        let expected: Vec<_> = messages
            .iter()
            .map(|(tag, body)| {
                let cap = match tag { b'Q' => 8, b'P' => body.len(), _ => 0 };
                let length = u32::try_from(body.len()).unwrap();
                Seen { tag: *tag, length, body: body[..cap.min(body.len())].to_vec() }
            })
            .collect();
        let parts = cut(&bytes, &cuts);
        let (seen, result) = scan(&mut scanner(Side::Frontend), parts.iter().map(Vec::as_slice));
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn any_bytes(
        messages in messages(),
        tail in prop::collection::vec(any::<u8>(), 0..30),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let mut bytes = messages.iter().flat_map(|(tag, body)| message(*tag, body)).collect::<Vec<_>>();
        bytes.extend(tail);
        for side in [Side::Frontend, Side::Backend] {
            let whole = scan(&mut scanner(side), [&bytes[..]]);
            let parts = cut(&bytes, &cuts);
            prop_assert_eq!(scan(&mut scanner(side), parts.iter().map(Vec::as_slice)), whole);
        }
    }
}
