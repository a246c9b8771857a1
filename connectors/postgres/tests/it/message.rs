//! The messages that are read and written: both ways, and what is refused.

use allonym_postgres::wire::WireError;
use allonym_postgres::wire::message::{
    Authentication, Fields, ParameterStatus, ParseMessage, Report, SaslInitial, Severity,
    parse_password, parse_query, write_authentication, write_copy_fail, write_error, write_notice,
    write_parameter_status, write_parse, write_password, write_query, write_ready, write_sasl,
    write_sasl_initial, write_sasl_response, write_terminate,
};
use allonym_postgres::wire::replies::TransactionStatus;
use proptest::prelude::*;

/// What is written is one whole message of this type; gives its body.
fn written(tag: u8, write: impl FnOnce(&mut Vec<u8>) -> Result<(), WireError>) -> Vec<u8> {
    let mut out = b"before".to_vec();
    write(&mut out).unwrap();
    let message = out.strip_prefix(b"before").unwrap();
    let (head, body) = message.split_first_chunk::<5>().unwrap();
    assert_eq!(head[0], tag);
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    assert_eq!(length as usize, body.len() + 4);
    body.to_vec()
}

#[track_caller]
fn malformed<T>(result: Result<T, WireError>) {
    assert!(matches!(result, Err(WireError::Malformed { .. })));
}

#[test]
fn reports() {
    let report = Report {
        severity: Severity::Fatal,
        sqlstate: "28P01",
        message: "no",
        detail: None,
        hint: Some("try again"),
    };
    let body = written(b'E', |out| write_error(out, &report));
    assert_eq!(body, b"SFATAL\0VFATAL\0C28P01\0Mno\0Htry again\0\0");
    assert_eq!(written(b'N', |out| write_notice(out, &report)), body);
    let fields = Fields::parse(&body).unwrap();
    assert_eq!(fields.severity(), Some(Severity::Fatal));
    assert_eq!(fields.sqlstate(), Some("28P01"));
    assert_eq!(fields.message(), Some(&b"no"[..]));
    assert_eq!((fields.find(b'H'), fields.find(b'D')), (Some(&b"try again"[..]), None));
    assert_eq!(fields.iter().count(), 5);
    // An old server, one that speaks another language, one that says nothing.
    let severity = |body: &[u8]| Fields::parse(body).unwrap().severity();
    assert_eq!(severity(b"SERROR\0\0"), Some(Severity::Error));
    assert_eq!(severity(b"SFEHLER\0VERROR\0\0"), Some(Severity::Error));
    assert_eq!(severity(b"SFEHLER\0\0"), None);
    assert_eq!(severity(b"\0"), None);
    // A code that is missing, empty (a crash elsewhere once) or not five characters.
    for body in [&b"\0"[..], b"C\0\0", b"C1234\0\0", b"C\xff\xff\xff\xff\xff\0\0"] {
        assert_eq!(Fields::parse(body).unwrap().sqlstate(), None, "{body:?}");
    }
    for body in [&b""[..], b"M", b"Mno", b"Mno\0", b"Mno\0\0x", b"Mno\0\0\0"] {
        malformed(Fields::parse(body));
    }
    for sqlstate in ["", "2800", "280000", "28p01", "28 01", "2800é"] {
        malformed(write_error(&mut Vec::new(), &Report { sqlstate, ..report }));
    }
    malformed(write_error(&mut Vec::new(), &Report { message: "a\0b", ..report }));
    malformed(write_error(&mut Vec::new(), &Report { hint: Some("a\0b"), ..report }));
}

#[test]
fn logins() {
    let check = |authentication: Authentication<'_>, expected: &[u8]| {
        let body = written(b'R', |out| write_authentication(out, &authentication));
        assert_eq!(body, expected);
        assert!(Authentication::parse(&body).unwrap() == authentication);
    };
    check(Authentication::Ok, &[0, 0, 0, 0]);
    check(Authentication::CleartextPassword, &[0, 0, 0, 3]);
    check(Authentication::Md5Password([1, 2, 3, 4]), &[0, 0, 0, 5, 1, 2, 3, 4]);
    check(Authentication::SaslContinue(b"r="), b"\0\0\0\x0br=");
    check(Authentication::SaslFinal(b""), b"\0\0\0\x0c");
    check(Authentication::Other(7), &[0, 0, 0, 7]);
    let body = written(b'R', |out| write_sasl(out, &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]));
    assert_eq!(body, b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    let parsed = Authentication::parse(&body).unwrap();
    let Authentication::Sasl(mechanisms) = parsed else { panic!() };
    assert_eq!(mechanisms.iter().count(), 2);
    assert!(mechanisms.contains("SCRAM-SHA-256") && !mechanisms.contains("SCRAM-SHA-1"));
    assert!(!mechanisms.contains(""));
    check(parsed, &body);
    for body in [
        &b""[..],
        b"\0\0\0",
        b"\0\0\0\0x",
        b"\0\0\0\x05abc",
        b"\0\0\0\x05abcde",
        b"\0\0\0\x0a",
        b"\0\0\0\x0aA\0",
        b"\0\0\0\x0aA\0\0x",
    ] {
        malformed(Authentication::parse(body));
    }
    malformed(write_sasl(&mut Vec::new(), &[""]));
    malformed(write_sasl(&mut Vec::new(), &["a\0"]));
}

#[test]
fn answers() {
    let check = |response: Option<&[u8]>, expected: &[u8]| {
        let body = written(b'p', |out| write_sasl_initial(out, "X", response));
        assert_eq!(body, expected);
        let parsed = SaslInitial::parse(&body).unwrap();
        assert!(parsed == SaslInitial { mechanism: b"X", response });
    };
    check(None, b"X\0\xff\xff\xff\xff");
    check(Some(b""), b"X\0\0\0\0\0");
    check(Some(b"n,,"), b"X\0\0\0\0\x03n,,");
    for body in [
        &b""[..],
        b"X",
        b"X\0",
        b"X\0\0\0\0\x04n,,",
        b"X\0\0\0\0\x02n,,",
        b"X\0\xff\xff\xff\xff.",
        b"X\0\xff\xff\xff\xfe",
    ] {
        malformed(SaslInitial::parse(body));
    }
    malformed(write_sasl_initial(&mut Vec::new(), "a\0", None));
    assert_eq!(written(b'p', |out| write_sasl_response(out, b"c=biws")), b"c=biws");
    assert_eq!(written(b'p', |out| write_password(out, b"secret")), b"secret\0");
    assert_eq!(parse_password(b"secret\0"), Ok(&b"secret"[..]));
    for body in [&b""[..], b"secret", b"secret\0\0", b"secret\0x\0"] {
        malformed(parse_password(body));
    }
    malformed(write_password(&mut Vec::new(), b"a\0b"));
}

#[test]
fn statements() {
    assert_eq!(written(b'Q', |out| write_query(out, b"select 1")), b"select 1\0");
    assert_eq!(parse_query(b"select 1\0"), Ok(&b"select 1"[..]));
    for body in [&b""[..], b"select 1", b"select\0 1\0", b"select 1\0\0"] {
        malformed(parse_query(body));
    }
    malformed(write_query(&mut Vec::new(), b"a\0"));
    let body = written(b'P', |out| write_parse(out, b"s", b"select $1", &[23, 0]));
    assert_eq!(body, b"s\0select $1\0\0\x02\0\0\0\x17\0\0\0\0");
    let parsed = ParseMessage::parse(&body).unwrap();
    assert_eq!((parsed.name, parsed.text), (&b"s"[..], &b"select $1"[..]));
    assert!(parsed.types().eq([23, 0]));
    for body in [
        &b""[..],
        b"s\0",
        b"s\0x\0",
        b"s\0x\0\0\x01",
        b"s\0x\0\0\x01\0\0\0\0\0",
        b"s\0x\0\0\0\0",
        b"s\0x\0\xff\xff",
    ] {
        malformed(ParseMessage::parse(body));
    }
    malformed(write_parse(&mut Vec::new(), b"", b"", &vec![0; 65_536]));
    malformed(write_parse(&mut Vec::new(), b"\0", b"", &[]));
    malformed(write_parse(&mut Vec::new(), b"", b"\0", &[]));
    let body = written(b'S', |out| write_parameter_status(out, b"TimeZone", b"UTC"));
    assert_eq!(body, b"TimeZone\0UTC\0");
    let parsed = ParameterStatus::parse(&body).unwrap();
    assert_eq!((parsed.name, parsed.value), (&b"TimeZone"[..], &b"UTC"[..]));
    malformed(ParameterStatus::parse(b"TimeZone\0UTC"));
    malformed(ParameterStatus::parse(b"TimeZone\0UTC\0\0"));
    malformed(write_parameter_status(&mut Vec::new(), b"a\0", b""));
    malformed(write_parameter_status(&mut Vec::new(), b"", b"a\0"));
    assert_eq!(written(b'f', |out| write_copy_fail(out, "stopped")), b"stopped\0");
    malformed(write_copy_fail(&mut Vec::new(), "\0"));
    let nothing = written(b'X', |out| {
        write_terminate(out);
        Ok(())
    });
    assert!(nothing.is_empty());
    for status in [TransactionStatus::Idle, TransactionStatus::Open, TransactionStatus::Failed] {
        let body = written(b'Z', |out| {
            write_ready(out, status);
            Ok(())
        });
        assert_eq!(TransactionStatus::parse(&body), Ok(status));
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1_u8..=255, 0..50)
}

proptest! {
    #[test]
    fn round_trips(a in text(), b in text(), types in prop::collection::vec(any::<u32>(), 0..9), c in "[^\0]{0,40}") {
        let body = written(b'P', |out| write_parse(out, &a, &b, &types));
        let parsed = ParseMessage::parse(&body).unwrap();
        prop_assert!(parsed.name == a && parsed.text == b && parsed.types().eq(types));
        let body = written(b'S', |out| write_parameter_status(out, &a, &b));
        let parsed = ParameterStatus::parse(&body).unwrap();
        prop_assert!(parsed.name == a && parsed.value == b);
        let body = written(b'Q', |out| write_query(out, &a));
        prop_assert_eq!(parse_query(&body), Ok(a.as_slice()));
        let body = written(b'p', |out| write_password(out, &a));
        prop_assert_eq!(parse_password(&body), Ok(a.as_slice()));
        let report = Report {
            severity: Severity::Error,
            sqlstate: "XX000",
            message: &c,
            detail: Some(&c),
            hint: None,
        };
        let body = written(b'E', |out| write_error(out, &report));
        let fields = Fields::parse(&body).unwrap();
        prop_assert_eq!(fields.message(), Some(c.as_bytes()));
        prop_assert_eq!(fields.find(b'D'), Some(c.as_bytes()));
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60), code in 0_u8..14) {
        if let Ok(fields) = Fields::parse(&bytes) {
            fields.iter().count();
            let _ = (fields.severity(), fields.sqlstate(), fields.message());
        }
        for body in [bytes.clone(), [&[0, 0, 0, code][..], &bytes].concat()] {
            if let Ok(Authentication::Sasl(mechanisms)) = Authentication::parse(&body) {
                mechanisms.iter().count();
            }
        }
        if let Ok(parsed) = ParseMessage::parse(&bytes) {
            prop_assert!(parsed.types().count() * 4 < bytes.len());
        }
        let _ = (SaslInitial::parse(&bytes).is_ok(), parse_query(&bytes), parse_password(&bytes));
        let _ = ParameterStatus::parse(&bytes).is_ok();
    }
}
