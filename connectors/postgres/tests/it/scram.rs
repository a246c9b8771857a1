//! Logins by SCRAM: both roles against each other, and each against what must not pass.

use std::sync::Arc;

use allonym_postgres::Verifier;
use allonym_postgres::scram::{
    AwaitingProof, Client, ClientBinding, DEFAULT_ITERATIONS, SCRAM_SHA_256, SCRAM_SHA_256_PLUS,
    ScramError, Server, end_point_hash,
};
use proptest::prelude::*;

/// The password `pencil` with the salt of RFC 7677, in PostgreSQL's form.
const STORED: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

fn verifier(password: &[u8]) -> Arc<Verifier> {
    Arc::new(Verifier::from_password(password, DEFAULT_ITERATIONS).unwrap())
}

fn hash(byte: u8) -> Vec<u8> {
    vec![byte; 32]
}

/// A whole login, each side with what it knows.
fn login(
    verifier: &Arc<Verifier>,
    password: &[u8],
    offered: Option<Vec<u8>>,
    bound: ClientBinding,
) -> Result<(), ScramError> {
    let mechanism = bound.mechanism();
    let (client, first) = Client::begin(bound)?;
    let server = Server::new(Arc::clone(verifier), offered);
    let (waiting, first) = server.challenge(mechanism.as_bytes(), &first)?;
    let challenge = client.read(&first)?;
    let keys = challenge.derive(password)?;
    assert!(challenge.fits(&keys));
    let (proven, last) = challenge.prove(&keys)?;
    proven.verify(&waiting.verify(&last)?)
}

#[test]
fn logins() {
    let pencil = verifier(b"pencil");
    let check = |password: &[u8], offered: Option<Vec<u8>>, bound, expected| {
        assert_eq!(login(&pencil, password, offered, bound), expected);
    };
    let bound = |byte| ClientBinding::EndPoint(hash(byte));
    let offer = Some(hash(1));
    let not_offered = ScramError::Mechanism("the mechanism was not offered");
    check(b"pencil", None, ClientBinding::Impossible, Ok(()));
    check(b"pencil", None, ClientBinding::NotOffered, Ok(()));
    check(b"pencil", offer.clone(), ClientBinding::Impossible, Ok(()));
    check(b"pencil", offer.clone(), bound(1), Ok(()));
    check(b"pencil", offer.clone(), bound(2), Err(ScramError::Binding));
    check(b"pencil", offer.clone(), ClientBinding::NotOffered, Err(ScramError::Downgrade));
    check(b"pencil", None, bound(1), Err(not_offered));
    check(b"pencils", None, ClientBinding::Impossible, Err(ScramError::Proof));
    check(b"pencils", offer, bound(1), Err(ScramError::Proof));
    // Prepared alike on both sides, or not at all on both.
    for (one, other) in [("I\u{ad}X", "IX"), ("e\u{301}", "\u{e9}"), ("a\u{a0}b", "a b")] {
        let kept = verifier(one.as_bytes());
        assert_eq!(login(&kept, other.as_bytes(), None, ClientBinding::Impossible), Ok(()));
    }
    let raw = verifier(b"\xff\xfe");
    assert_eq!(login(&raw, b"\xff\xfe", None, ClientBinding::Impossible), Ok(()));
    let server = |offered| Server::new(verifier(b"x"), offered);
    assert_eq!(server(None).mechanisms(), [SCRAM_SHA_256]);
    assert_eq!(server(Some(hash(1))).mechanisms(), [SCRAM_SHA_256_PLUS, SCRAM_SHA_256]);
}

#[test]
fn stored_form() {
    let read = Verifier::parse(STORED).unwrap();
    assert_eq!((read.to_text().as_str(), read.iterations()), (STORED, 4096));
    let salt = [
        0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa,
        0x81,
    ];
    let made = Verifier::derive(b"pencil", &salt, 4096).unwrap();
    assert_eq!(made.to_text().as_str(), STORED);
    assert_eq!(login(&Arc::new(read), b"pencil", None, ClientBinding::Impossible), Ok(()));
    let refused = |text: &str, rule: &str| {
        let Err(error) = Verifier::parse(text) else { panic!("{text} was taken") };
        assert!(error.to_string().contains(rule), "{error} for {text}");
    };
    refused("", "begins with");
    refused("md5a3556571e93b0d20722ba62be61e8c2d", "begins with");
    refused("SCRAM-SHA-2564096:AA==$a:b", "begins with");
    refused("SCRAM-SHA-256$4096:AA==", "three parts");
    refused("SCRAM-SHA-256$4096$a:b", "iterations and a salt");
    refused("SCRAM-SHA-256$4096:AA==$ab", "two keys");
    for count in ["", "0", "-1", "+1", "4096 ", "2147483648", "99999999999"] {
        refused(&STORED.replace("4096", count), "not a count");
    }
    refused(&STORED.replace("W22ZaJ0SNY7soEsUEjb6gQ==", ""), "salt");
    refused(&STORED.replace("gQ==", "gQ="), "salt");
    refused(&STORED.replace("T4qY=", "T4q="), "StoredKey");
    refused(&STORED.replace("WG5d", ""), "StoredKey");
    refused(&STORED.replace("l2dU=", "l2dU=\n"), "ServerKey");
    refused(&format!("{STORED}:AA=="), "ServerKey");
    assert!(Verifier::derive(b"", &salt, 4096).is_err());
    assert!(Verifier::derive(b"x", &[], 4096).is_err());
    assert!(Verifier::derive(b"x", &salt, 0).is_err());
    assert!(Verifier::derive(b"x", &salt, u32::MAX).is_err());
}

#[test]
fn names_cannot_be_probed() {
    let secret = [7; 32];
    let challenge = |verifier: Verifier| {
        let server = Server::new(Arc::new(verifier), None);
        let (_, first) = server.challenge(SCRAM_SHA_256.as_bytes(), b"n,,n=,r=abc").unwrap();
        let text = String::from_utf8(first).unwrap();
        text.split_once(",s=").unwrap().1.to_owned()
    };
    let mock = |name: &[u8], secret: &[u8; 32]| challenge(Verifier::mock(name, secret, 4096));
    assert_eq!(mock(b"eve", &secret), mock(b"eve", &secret));
    assert_ne!(mock(b"eve", &secret), mock(b"eva", &secret));
    assert_ne!(mock(b"eve", &secret), mock(b"eve", &[8; 32]));
    let real = challenge(Verifier::from_password(b"pencil", 4096).unwrap());
    assert_eq!(real.len(), mock(b"eve", &secret).len());
    // Those of others look the same, whatever they are like.
    for (salt, iterations) in [(1, 1), (16, 4096), (28, 10_000), (256, 4096)] {
        let model = Verifier::derive(b"pencil", &vec![7; salt], iterations).unwrap();
        let parts = |text: &str| {
            let (salt, count) = text.split_once(",i=").unwrap();
            (salt.len(), count.parse::<u32>().unwrap())
        };
        let mock = challenge(model.mock_like(b"eve", &secret));
        assert_eq!(mock, challenge(model.mock_like(b"eve", &secret)));
        assert_eq!(parts(&mock), parts(&challenge(model)), "{salt} {iterations}");
    }
    // One salt with other iterations would tell that it is none.
    let other = challenge(Verifier::mock(b"eve", &secret, 4097));
    let same = mock(b"eve", &secret);
    assert_ne!(other.split_once(',').unwrap().0, same.split_once(',').unwrap().0);
    let mock = Arc::new(Verifier::mock(b"eve", &secret, 4096));
    for password in [&b"pencil"[..], b"eve", &secret] {
        assert_eq!(login(&mock, password, None, ClientBinding::Impossible), Err(ScramError::Proof));
    }
}

#[test]
fn what_a_client_may_begin_with() {
    let check = |mechanism: &str, first: &[u8], expected: Option<&str>| {
        let server = Server::new(verifier(b"pencil"), Some(hash(1)));
        let told = match server.challenge(mechanism.as_bytes(), first) {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        let shown = String::from_utf8_lossy(first);
        match (&told, expected) {
            (None, None) => {}
            (Some(told), Some(expected)) if told.contains(expected) => {}
            _ => panic!("{shown}: {told:?}, not {expected:?}"),
        }
    };
    let plain = SCRAM_SHA_256;
    let plus = SCRAM_SHA_256_PLUS;
    check(plain, b"n,,n=,r=abc", None);
    check(plain, b"n,,n=*,r=abc", None);
    check(plain, b"n,,n=a=2Cb,r=a+/=,x=an,y=extension", None);
    check(plus, b"p=tls-server-end-point,,n=,r=abc", None);
    check("SCRAM-SHA-1", b"n,,n=,r=abc", Some("not offered"));
    check("", b"n,,n=,r=abc", Some("not offered"));
    check(plus, b"n,,n=,r=abc", Some("chose to bind"));
    check(plus, b"y,,n=,r=abc", Some("chose to bind"));
    check(plain, b"y,,n=,r=abc", Some("believes"));
    check(plain, b"p=tls-server-end-point,,n=,r=abc", Some("without"));
    check(plus, b"p=tls-unique,,n=,r=abc", Some("only tls-server-end-point"));
    check(plus, b"p=tls-exporter,,n=,r=abc", Some("only tls-server-end-point"));
    check(plain, b"n,a=other,n=,r=abc", Some("no other identity"));
    check(plain, b"x,,n=,r=abc", Some("begins with"));
    check(plain, b"", Some("begins with"));
    check(plain, b"n,,m=ext,n=,r=abc", Some("mandatory"));
    check(plain, b"n,,r=abc", Some("user name"));
    check(plain, b"n,,n=user", Some("nonce"));
    check(plain, b"n,,n=,r=", Some("nonce"));
    check(plain, b"n,,n=,r=a b", Some("nonce"));
    check(plain, "n,,n=,r=é".as_bytes(), Some("nonce"));
    check(plain, b"n,,n=,r=abc,", Some("extension"));
    check(plain, b"n,,n=,r=abc,xyz", Some("extension"));
    check(plain, b"n,,n=\xff,r=abc", Some("UTF-8"));
    check(plain, format!("n,,n=,r={}", "a".repeat(5000)).as_bytes(), Some("too long"));
}

fn waiting() -> (AwaitingProof, String) {
    let server = Server::new(Arc::new(Verifier::parse(STORED).unwrap()), None);
    let (waiting, first) = server.challenge(SCRAM_SHA_256.as_bytes(), b"n,,n=,r=abc").unwrap();
    let nonce = String::from_utf8(first).unwrap();
    (waiting, nonce[2..].split_once(',').unwrap().0.to_owned())
}

#[test]
fn what_a_client_may_end_with() {
    let proof = "A".repeat(43) + "=";
    let check = |message: &str, expected: ScramError| {
        let (waiting, nonce) = waiting();
        let message = message.replace("NONCE", &nonce).replace("PROOF", &proof);
        assert_eq!(waiting.verify(message.as_bytes()).unwrap_err(), expected, "{message}");
    };
    let says = ScramError::Malformed;
    check("c=biws,r=NONCE,p=PROOF", ScramError::Proof);
    check("c=biws,r=NONCE,x=y,p=PROOF", ScramError::Proof);
    check("c=biws,r=NONCEx,p=PROOF", ScramError::Nonce);
    check("c=biws,r=abc,p=PROOF", ScramError::Nonce);
    check("c=eSws,r=NONCE,p=PROOF", ScramError::Binding);
    check("c=biws=,r=NONCE,p=PROOF", ScramError::Binding);
    check("c=,r=NONCE,p=PROOF", ScramError::Binding);
    check("r=NONCE,p=PROOF", says("the channel binding comes first"));
    check("c=biws,p=PROOF", says("a nonce follows the channel binding"));
    check("c=biws,r=NONCE", says("a proof comes last"));
    check("c=biws,r=NONCE,p=PROOF,x=y", says("a proof is 32 bytes in base64"));
    check("c=biws,r=NONCE,p=", says("a proof is 32 bytes in base64"));
    check("c=biws,r=NONCE,p=AAAA", says("a proof is 32 bytes in base64"));
    check("c=biws,r=NONCE,,p=PROOF", says("an extension is not an attribute"));
    check("", says("a proof comes last"));
}

#[test]
fn a_proof_is_for_one_login() {
    let pencil = verifier(b"pencil");
    let begin = || Client::begin(ClientBinding::Impossible).unwrap();
    let serve = |first: &[u8]| {
        let server = Server::new(Arc::clone(&pencil), None);
        server.challenge(SCRAM_SHA_256.as_bytes(), first).unwrap()
    };
    let (client, first) = begin();
    let (one, challenge) = serve(&first);
    let (other, _) = serve(&first);
    let challenge = client.read(&challenge).unwrap();
    let keys = challenge.derive(b"pencil").unwrap();
    let (proven, last) = challenge.prove(&keys).unwrap();
    assert_eq!(other.verify(&last), Err(ScramError::Nonce));
    assert_eq!(proven.verify(&one.verify(&last).unwrap()), Ok(()));
    // Keys that were kept serve the next login, and no other salt.
    let (client, first) = begin();
    let (waiting, challenge) = serve(&first);
    let (proven, last) = client.read(&challenge).unwrap().prove(&keys).unwrap();
    assert_eq!(proven.verify(&waiting.verify(&last).unwrap()), Ok(()));
    let (client, first) = begin();
    let server = Server::new(verifier(b"pencil"), None);
    let (_, challenge) = server.challenge(SCRAM_SHA_256.as_bytes(), &first).unwrap();
    let challenge = client.read(&challenge).unwrap();
    assert!(!challenge.fits(&keys) && challenge.prove(&keys).is_err());
}

#[test]
fn what_a_server_may_say() {
    let check = |rest: &str, expected: Result<(), ScramError>| {
        let (client, first) = Client::begin(ClientBinding::Impossible).unwrap();
        let nonce = String::from_utf8(first).unwrap().split_once("r=").unwrap().1.to_owned();
        let message = rest.replace("NONCE", &nonce);
        assert_eq!(client.read(message.as_bytes()).map(|_| ()), expected, "{rest}");
    };
    let says = |rule| Err(ScramError::Malformed(rule));
    check("r=NONCEx,s=AAAA,i=4096", Ok(()));
    check("r=NONCEx,s=AAAA,i=1000000,x=y", Ok(()));
    check("r=NONCE,s=AAAA,i=4096", Err(ScramError::Nonce));
    check("r=xNONCE,s=AAAA,i=4096", Err(ScramError::Nonce));
    check("r=x,s=AAAA,i=4096", Err(ScramError::Nonce));
    check("r=NONCEx,s=AAAA,i=4095", Err(ScramError::Iterations { asked: 4095 }));
    check("r=NONCEx,s=AAAA,i=1000001", Err(ScramError::Iterations { asked: 1_000_001 }));
    for count in ["", "-1", "+4096", "4096x", "4294967296"] {
        check(&format!("r=NONCEx,s=AAAA,i={count}"), says("a count of iterations is a number"));
    }
    check("r=NONCEx,s=A,i=4096", says("a salt is base64"));
    check("r=NONCEx,i=4096", says("a salt follows the nonce"));
    check("r=NONCEx,s=AAAA", says("a count of iterations follows the salt"));
    check("m=x,r=NONCEx,s=AAAA,i=4096", says("a nonce, and no mandatory extension, comes first"));
    check("", says("a nonce, and no mandatory extension, comes first"));
    let last = |message: &[u8]| {
        let (client, first) = Client::begin(ClientBinding::Impossible).unwrap();
        let server = Server::new(verifier(b"pencil"), None);
        let (_, challenge) = server.challenge(SCRAM_SHA_256.as_bytes(), &first).unwrap();
        let challenge = client.read(&challenge).unwrap();
        let keys = challenge.derive(b"pencil").unwrap();
        challenge.prove(&keys).unwrap().0.verify(message)
    };
    let zeroes = format!("v={}=", "A".repeat(43));
    assert_eq!(last(zeroes.as_bytes()), Err(ScramError::Signature));
    assert_eq!(last(b"e=invalid-proof"), Err(ScramError::Refused));
    assert_eq!(last(b"v=AAAA"), says("a signature is 32 bytes in base64"));
    assert_eq!(last(b""), says("a signature comes first"));
}

/// A certificate as far as its signature algorithm is told by it.
fn certificate(algorithm: &[u8]) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &length, content].concat()
    };
    let inside = [element(0x30, &[5; 300]), element(0x30, algorithm), element(3, &[0; 64])];
    element(0x30, &inside.concat())
}

#[test]
fn end_points() {
    let check = |algorithm: &[u8], length: Option<usize>| {
        let hash = end_point_hash(&certificate(algorithm));
        assert_eq!(hash.map(|hash| hash.len()), length, "{algorithm:x?}");
    };
    let rsa = |last: u8| [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last, 5, 0];
    for (last, length) in [(4, 32), (5, 32), (11, 32), (12, 48), (13, 64), (14, 28)] {
        check(&rsa(last), Some(length));
    }
    check(&rsa(2), None);
    let ecdsa = |last: u8| [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, last];
    for (last, length) in [(1, 28), (2, 32), (3, 48), (4, 64)] {
        check(&ecdsa(last), Some(length));
    }
    check(&[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1], Some(32));
    // Ed25519 and Ed448 have no hash of their own.
    check(&[0x06, 3, 0x2b, 0x65, 0x70], None);
    check(&[0x06, 3, 0x2b, 0x65, 0x71], None);
    // RSASSA-PSS: without parameters, with SHA-1 as its default, and with each hash.
    let pss = |parameters: &[u8]| {
        let id = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
        let length = u8::try_from(parameters.len()).unwrap();
        [&id[..], &[0x30, length], parameters].concat()
    };
    check(&pss(&[]), Some(32));
    for (last, length) in [(1, Some(32)), (2, Some(48)), (3, Some(64)), (4, Some(28)), (9, None)] {
        let hash = [0xa0, 13, 0x30, 11, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last];
        check(&pss(&hash), length);
    }
    check(&[], None);
    // It is the hash of all of it.
    let mut one = certificate(&rsa(11));
    let before = end_point_hash(&one);
    *one.last_mut().unwrap() ^= 1;
    assert_ne!(end_point_hash(&one), before);
    // Not one whole certificate.
    for cut in 0..one.len() {
        assert_eq!(end_point_hash(&one[..cut]), None, "cut at {cut}");
    }
    one.push(0);
    assert_eq!(end_point_hash(&one), None);
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..120), text in "[nyp]=?[a-z-]{0,22},{0,2}[nrscivpe]=[A-Za-z0-9+/=,]{0,60}") {
        let _ = end_point_hash(&bytes);
        let _ = end_point_hash(&[&[0x30, 0x82][..], &bytes].concat());
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let server = Server::new(Arc::new(Verifier::parse(STORED).unwrap()), Some(hash(1)));
            let _ = server.challenge(SCRAM_SHA_256.as_bytes(), bytes).is_ok();
            prop_assert!(waiting().0.verify(bytes).is_err());
            let (client, _) = Client::begin(ClientBinding::Impossible).unwrap();
            prop_assert!(client.read(bytes).is_err());
            let _ = Verifier::parse(&String::from_utf8_lossy(bytes)).is_ok();
        }
    }
}
