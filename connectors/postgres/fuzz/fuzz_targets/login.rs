//! The bodies that are read here: of a login, and of the few messages that are looked
//! into later. What can be read can be written again, and is the same then.

#![no_main]

use allonym_postgres::certificate_names;
use allonym_postgres::scram::{Verifier, end_point_hash};
use allonym_postgres::wire::message::{
    Authentication, Fields, ParameterStatus, ParseMessage, SaslInitial, parse_password,
    parse_query, write_authentication, write_parameter_status, write_parse, write_password,
    write_query, write_sasl, write_sasl_initial,
};
use allonym_postgres::wire::startup::{BackendKey, Negotiation, write_negotiation};
use allonym_postgres::wire::statement::StatementClass;
use allonym_postgres_fuzz::message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((which, body)) = data.split_first() else { return };
    let mut again = Vec::new();
    let written = match which {
        b'R' => authentication(body, &mut again),
        b'I' => SaslInitial::parse(body).ok().and_then(|read| {
            let mechanism = std::str::from_utf8(read.mechanism).ok()?;
            write_sasl_initial(&mut again, mechanism, read.response).unwrap();
            Some(b'p')
        }),
        b'p' => parse_password(body).ok().map(|read| {
            write_password(&mut again, read).unwrap();
            b'p'
        }),
        b'K' => BackendKey::parse(body).ok().map(|read| {
            read.write(&mut again).unwrap();
            b'K'
        }),
        b'v' => Negotiation::parse(body).ok().and_then(|read| {
            let unknown: Vec<_> = read.unknown().collect();
            write_negotiation(&mut again, read.minor, unknown.iter().copied()).unwrap();
            // The major version may be left out by who sends it.
            body.starts_with(&[0, 3]).then_some(b'v')
        }),
        b'S' => ParameterStatus::parse(body).ok().map(|read| {
            write_parameter_status(&mut again, read.name, read.value).unwrap();
            b'S'
        }),
        b'P' => ParseMessage::parse(body).ok().map(|read| {
            let types: Vec<_> = read.types().collect();
            write_parse(&mut again, read.name, read.text, &types).unwrap();
            b'P'
        }),
        b'Q' => parse_query(body).ok().map(|read| {
            write_query(&mut again, read).unwrap();
            b'Q'
        }),
        b'E' => report(body, &mut again),
        b'V' => {
            verifier(body);
            None
        }
        b'w' => {
            // SASLprep; one iteration is enough to get there.
            let _ = Verifier::derive(body, b"salt", 1);
            None
        }
        b'C' => {
            let _ = end_point_hash(body);
            let _ = certificate_names(body, "app");
            None
        }
        _ => {
            let class = StatementClass::of(body);
            assert_eq!(StatementClass::from_number(class.number()), Some(class));
            None
        }
    };
    if let Some(tag) = written {
        assert_eq!(again, message(tag, body), "another message when it is written again");
    }
});

fn authentication(body: &[u8], again: &mut Vec<u8>) -> Option<u8> {
    let read = Authentication::parse(body).ok()?;
    write_authentication(again, &read).unwrap();
    if let Authentication::Sasl(offered) = read {
        let names: Option<Vec<_>> =
            offered.iter().map(|name| std::str::from_utf8(name).ok()).collect();
        if let Some(names) = names {
            assert!(names.iter().all(|name| offered.contains(name)));
            let mut listed = Vec::new();
            write_sasl(&mut listed, &names).unwrap();
            assert_eq!(listed, *again);
        }
    }
    // What follows the number of a method that is not spoken is left out.
    (!matches!(read, Authentication::Other(_))).then_some(b'R')
}

fn report(body: &[u8], again: &mut Vec<u8>) -> Option<u8> {
    let read = Fields::parse(body).ok()?;
    let _ = (read.severity(), read.sqlstate(), read.message());
    let mut fields = Vec::new();
    for (letter, text) in read.iter() {
        let first = read.iter().find(|(other, _)| *other == letter);
        assert_eq!(read.find(letter), first.map(|(_, text)| text));
        fields.push(letter);
        fields.extend_from_slice(text);
        fields.push(0);
    }
    fields.push(0);
    again.extend(message(b'E', &fields));
    Some(b'E')
}

fn verifier(body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    let Ok(read) = Verifier::parse(text) else { return };
    let again = read.to_text();
    let read = Verifier::parse(&again).unwrap();
    assert_eq!(*read.to_text(), *again);
}
