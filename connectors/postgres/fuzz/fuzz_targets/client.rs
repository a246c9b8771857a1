//! The client's leg: what opens a connection, then its messages.

#![no_main]

use allonym_postgres::wire::Side;
use allonym_postgres::wire::startup::{
    Opening, write_cancel_request, write_ssl_request, write_startup,
};
use allonym_postgres_fuzz::{Input, Piece, compare};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    if !input.raw {
        let pieces = input.pieces();
        let of_client = pieces.into_iter().filter(|piece| piece.side == Side::Frontend);
        return compare(&input, &of_client.collect::<Vec<_>>());
    }
    let mut rest = input.rest;
    // Questions may come before a session begins.
    while let Some((opening, taken)) = open(&input, rest) {
        rest = &rest[taken..];
        if matches!(opening, Opening::Startup(_) | Opening::DirectTls) {
            break;
        }
    }
    compare(&input, &[Piece { side: Side::Frontend, bytes: rest.to_vec() }]);
});

/// Reads the packet these bytes begin with, and tries whether it can be told from less.
fn open<'a>(input: &Input<'_>, bytes: &'a [u8]) -> Option<(Opening<'a>, usize)> {
    let whole = Opening::parse(bytes);
    let mut arrived = 0;
    for part in input.cut(&bytes[..bytes.len().min(11_000)]) {
        arrived += part.len();
        match Opening::parse(&bytes[..arrived]) {
            Ok(None) => {
                assert!(whole.as_ref().ok().is_none_or(|found| {
                    found.as_ref().is_none_or(|(_, taken)| arrived < *taken)
                }))
            }
            told => assert!(told == whole, "another packet when less has arrived"),
        }
    }
    let (opening, taken) = whole.ok()??;
    let mut again = Vec::new();
    match opening {
        Opening::Startup(startup) => {
            assert!(startup.protocol_options().count() <= startup.parameters().count());
            for (name, _) in startup.parameters() {
                assert!(!name.is_empty());
            }
            write_startup(&mut again, startup.minor(), startup.parameters()).unwrap();
        }
        Opening::CancelRequest { pid, key } => {
            write_cancel_request(&mut again, pid, key).unwrap();
        }
        Opening::SslRequest => write_ssl_request(&mut again),
        Opening::GssEncRequest => again.extend_from_slice(b"\0\0\0\x08\x04\xd2\x16\x30"),
        Opening::DirectTls => {}
    }
    assert_eq!(again, &bytes[..taken], "another packet when it is written again");
    Some((opening, taken))
}
