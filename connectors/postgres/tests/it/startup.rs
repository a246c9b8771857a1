//! The first packets: what is read, what is refused, what is written.

use allonym_postgres::wire::WireError;
use allonym_postgres::wire::startup::{
    BackendKey, Negotiation, Opening, write_cancel_request, write_negotiation, write_ssl_request,
    write_startup,
};
use proptest::prelude::*;

/// A packet with a right length.
fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap();
    [&length.to_be_bytes()[..], &code.to_be_bytes()[..], body].concat()
}

fn startup(body: &[u8]) -> Vec<u8> {
    packet(3 << 16, body)
}

fn pairs(opening: Opening<'_>) -> Vec<(String, String)> {
    let Opening::Startup(startup) = opening else { panic!("not a start-up packet") };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    startup.parameters().map(|(name, value)| (text(name), text(value))).collect()
}

#[test]
fn requests() {
    let check = |bytes: &[u8], expected: fn(&Opening<'_>) -> bool, taken: usize| {
        let (opening, len) = Opening::parse(bytes).unwrap().unwrap();
        assert!(expected(&opening) && len == taken, "{bytes:?}");
    };
    let mut ssl = Vec::new();
    write_ssl_request(&mut ssl);
    assert_eq!(ssl, packet(80_877_103, b""));
    check(&ssl, |opening| matches!(opening, Opening::SslRequest), 8);
    // What follows a request is not taken: it must not be believed after TLS.
    check(&[&ssl[..], b"more"].concat(), |opening| matches!(opening, Opening::SslRequest), 8);
    check(&packet(80_877_104, b""), |opening| matches!(opening, Opening::GssEncRequest), 8);
    check(b"\x16\x03\x01", |opening| matches!(opening, Opening::DirectTls), 0);
    let short = |opening: &Opening<'_>| {
        matches!(opening, Opening::CancelRequest { pid: 7, key: b"\x01\x02\x03\x04" })
    };
    let mut cancel = Vec::new();
    write_cancel_request(&mut cancel, 7, &[1, 2, 3, 4]).unwrap();
    assert_eq!(cancel, packet(80_877_102, &[0, 0, 0, 7, 1, 2, 3, 4]));
    check(&cancel, short, 16);
    let mut cancel = Vec::new();
    write_cancel_request(&mut cancel, 7, &[9; 256]).unwrap();
    let long = |opening: &Opening<'_>| matches!(opening, Opening::CancelRequest { pid: 7, key } if *key == [9; 256]);
    check(&cancel, long, 268);
    for length in [0, 3, 257] {
        assert!(write_cancel_request(&mut Vec::new(), 7, &vec![0; length]).is_err(), "{length}");
    }
}

#[test]
fn parameters_in_order() {
    let body =
        b"user\0ann\0_pq_.x\0on\0database\0\0options\0-c a=b\0application_name\0\xff\xfe\0\0";
    let bytes = packet(3 << 16 | 2, body);
    let (opening, taken) = Opening::parse(&bytes).unwrap().unwrap();
    assert_eq!(taken, bytes.len());
    let Opening::Startup(startup) = opening else { panic!() };
    assert_eq!(startup.minor(), 2);
    assert_eq!(startup.find("user"), Some(&b"ann"[..]));
    assert_eq!(startup.find("User"), None);
    assert_eq!(startup.find("database"), Some(&b""[..]));
    assert_eq!(startup.find("application_name"), Some(&b"\xff\xfe"[..]));
    assert_eq!(startup.protocol_options().collect::<Vec<_>>(), [(&b"_pq_.x"[..], &b"on"[..])]);
    let names: Vec<_> = pairs(opening).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["user", "_pq_.x", "database", "options", "application_name"]);
    // A packet without parameters is sound; that a user is missing is for the login to say.
    let bytes = self::startup(b"\0");
    assert!(pairs(Opening::parse(&bytes).unwrap().unwrap().0).is_empty());
}

#[test]
fn refused() {
    let check = |bytes: &[u8], expected: &str| {
        let Err(error) = Opening::parse(bytes) else { panic!("{bytes:?} was taken") };
        assert!(error.to_string().contains(expected), "{error} for {bytes:?}");
        // Bytes that follow change nothing.
        assert!(Opening::parse(&[bytes, b"abc"].concat()).is_err_and(|other| other == error));
    };
    check(&[0, 0, 0, 7], "7 bytes; 8 to 10000");
    check(&[0, 0, 0, 0], "0 bytes");
    check(&[0, 0, 0x27, 0x11], "10001 bytes");
    check(&[0xff; 4], "4294967295 bytes");
    check(b"GET / HTTP/1.1\r\n", "8 to 10000");
    check(&packet(2 << 16, b"\0"), "protocol 2.0 is not spoken");
    check(&packet(4 << 16, b"\0"), "protocol 4.0");
    check(&packet(80_877_105, b""), "protocol 1234.5681");
    check(&packet(80_877_103, b"x"), "9 bytes; 8 to");
    check(&packet(80_877_102, &[0; 7]), "15 bytes; 16 to");
    check(&packet(80_877_102, &[0; 261]), "4 to 256 bytes");
    check(&startup(b""), "8 bytes; 9 to");
    check(&startup(b"user\0ann\0x"), "no zero byte ends it");
    check(&startup(b"user\0ann\0"), "a text has no end");
    check(&startup(b"user\0\0"), "a text has no end");
    check(&startup(b"user\0ann\0\0\0"), "bytes follow its end");
    check(&startup(b"user\0ann\0\0database\0d\0\0"), "bytes follow its end");
    check(&startup(b"user\0ann\0user\0bob\0\0"), "there twice");
    check(&startup(b"user\0ann\0USER\0bob\0\0"), "there twice");
    let many: String = (0..257).map(|n| format!("p{n}\0v\0")).collect();
    check(&startup(format!("{many}\0").as_bytes()), "more than 256");
}

#[test]
fn keys_and_versions() {
    for length in [4, 32, 256] {
        let key = vec![0xab; length];
        let mut out = Vec::new();
        BackendKey { pid: 3, key: &key }.write(&mut out).unwrap();
        assert_eq!(out[0], b'K');
        assert_eq!(u32::from_be_bytes(out[1..5].try_into().unwrap()) as usize, out.len() - 1);
        let read = BackendKey::parse(&out[5..]).unwrap();
        assert!(read == BackendKey { pid: 3, key: &key });
    }
    for length in [0, 3, 257] {
        let key = vec![0; length];
        assert!(BackendKey { pid: 3, key: &key }.write(&mut Vec::new()).is_err());
        assert!(BackendKey::parse(&[&[0; 4][..], &key].concat()).is_err());
    }
    let mut out = Vec::new();
    write_negotiation(&mut out, 0, [&b"_pq_.a"[..], b"_pq_.b"]).unwrap();
    assert_eq!(out, b"v\0\0\0\x1a\0\x03\0\0\0\0\0\x02_pq_.a\0_pq_.b\0");
    let read = Negotiation::parse(&out[5..]).unwrap();
    assert_eq!(read.minor, 0);
    assert_eq!(read.unknown().collect::<Vec<_>>(), [b"_pq_.a", b"_pq_.b"]);
    // The minor version alone, as its documentation has it.
    assert_eq!(Negotiation::parse(&[0, 0, 0, 2, 0, 0, 0, 0]).unwrap().minor, 2);
    for body in [
        &b""[..],
        &[0, 3, 0, 0],
        &[0, 3, 0, 0, 0, 0, 0, 1],
        &[0, 3, 0, 0, 0xff, 0xff, 0xff, 0xff, 0],
    ] {
        assert!(matches!(Negotiation::parse(body), Err(WireError::Malformed { .. })), "{body:?}");
    }
    let body = [0, 4, 0, 0, 0, 0, 0, 0];
    let expected = WireError::Protocol { major: 4, minor: 0 };
    assert_eq!(Negotiation::parse(&body).unwrap_err(), expected);
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(1_u8..=255, 0..20)
}

proptest! {
    #[test]
    fn startups_round_trip(minor: u16, values in proptest::collection::vec(text(), 0..20)) {
        let named: Vec<_> =
            values.iter().enumerate().map(|(n, value)| (format!("n{n}"), value)).collect();
        let given = named.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
        let mut out = Vec::new();
        write_startup(&mut out, minor, given.clone()).unwrap();
        let (opening, taken) = Opening::parse(&out).unwrap().unwrap();
        prop_assert_eq!(taken, out.len());
        let Opening::Startup(startup) = opening else { panic!() };
        prop_assert_eq!(startup.minor(), minor);
        prop_assert!(startup.parameters().eq(given));
        // Every part of it needs more.
        for cut in 0..out.len() {
            prop_assert!(matches!(Opening::parse(&out[..cut]), Ok(None)));
        }
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64), short: bool) {
        let mut bytes = bytes;
        if short && bytes.len() > 4 {
            bytes[..3].fill(0);
        }
        let whole = Opening::parse(&bytes);
        for cut in 0..bytes.len() {
            match Opening::parse(&bytes[..cut]) {
                Ok(None) => {}
                early => prop_assert!(early == whole, "at {}", cut),
            }
        }
        let _ = BackendKey::parse(&bytes);
        if let Ok(read) = Negotiation::parse(&bytes) {
            read.unknown().count();
        }
    }
}

#[test]
fn not_written() {
    let check = |name: &[u8], value: &[u8]| {
        let mut out = Vec::new();
        assert!(write_startup(&mut out, 0, [(name, value)]).is_err());
        assert!(out.is_empty());
    };
    check(b"", b"v");
    check(b"a\0", b"v");
    check(b"a", b"v\0x");
    check(b"a", &[b'x'; 10_000]);
    assert!(write_negotiation(&mut Vec::new(), 0, [&b"a\0"[..]]).is_err());
}
