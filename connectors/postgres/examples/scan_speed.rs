//! How long the scanner and the reply queue take for one message: run with `--release`.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allonym_postgres::wire::frame::{DEFAULT_LIMIT, Event, Flow, Scanner, Wanted};
use allonym_postgres::wire::replies::Replies;
use allonym_postgres::wire::statement::StatementClass;
use allonym_postgres::wire::{Side, WireError};

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

/// The least of many rounds, in nanoseconds for each of `count` things.
fn least(count: usize, mut round: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..2000 {
        let begun = Instant::now();
        round();
        best = best.min(begun.elapsed());
    }
    best.as_secs_f64() * 1e9 / f64::from(u32::try_from(count).unwrap())
}

fn main() {
    let wanted = Arc::new(Wanted::nothing().and(b'Z', 1).and(b'Q', 4097));
    let rows: Vec<u8> = std::iter::repeat_n(message(b'D', &[7; 60]), 1000).flatten().collect();
    let mut scanner = Scanner::new(Side::Backend, DEFAULT_LIMIT, Arc::clone(&wanted));
    let each = least(1000, || {
        let mut seen = 0;
        let on = |event: Event<'_>| {
            seen += usize::from(matches!(event, Event::Message { .. }));
            Ok::<_, WireError>(Flow::Continue)
        };
        scanner.scan(black_box(&rows), on).unwrap();
        assert_eq!(black_box(seen), 1000);
    });
    println!("scan, rows of 60 bytes:      {each:6.2} ns a message");

    let mut replies = Replies::new(0);
    replies.frontend(b'Q', 0).unwrap();
    let each = least(1000, || {
        scanner
            .scan(black_box(&rows), |event| {
                if let Event::Message { tag, body, .. } = event {
                    black_box(replies.backend(tag, body)?);
                }
                Ok::<_, WireError>(Flow::Continue)
            })
            .unwrap();
    });
    println!("the same with reply queue:   {each:6.2} ns a message");

    let asked = [message(b'B', &[0; 20]), message(b'E', &[0; 5]), message(b'S', b"")].concat();
    let told = [
        message(b'2', b""),
        message(b'D', &[0; 40]),
        message(b'C', b"SELECT 1\0"),
        message(b'Z', b"I"),
    ]
    .concat();
    let mut front = Scanner::new(Side::Frontend, DEFAULT_LIMIT, wanted);
    let mut replies = Replies::new(0);
    let each = least(100, || {
        for _ in 0..100 {
            let sent = front.scan(black_box(&asked), |event| {
                if let Event::Message { tag, .. } = event {
                    replies.frontend(tag, 0)?;
                }
                Ok::<_, WireError>(Flow::Continue)
            });
            let answered = scanner.scan(black_box(&told), |event| {
                if let Event::Message { tag, body, .. } = event {
                    black_box(replies.backend(tag, body)?);
                }
                Ok::<_, WireError>(Flow::Continue)
            });
            assert_eq!((sent, answered), (Ok(asked.len()), Ok(told.len())));
        }
    });
    println!("a prepared query, 7 messages: {each:5.1} ns a query");

    let text = b"select abalance from pgbench_accounts where aid = 12345";
    let with = b"with x as (select ')' from t) insert into y select * from x";
    for text in [&text[..], with] {
        let each = least(100, || {
            for _ in 0..100 {
                black_box(StatementClass::of(black_box(text)));
            }
        });
        println!("a statement's class:         {each:6.2} ns");
    }
}
