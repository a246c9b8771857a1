//! A login by SCRAM with somebody between the two: what they change must not go unseen.
//!
//! ```text
//!   1 byte     its two lowest bits: what the client binds to; the next two: whether the
//!              server offers to be bound, and to what
//!   edits      4 bytes each: which of the four messages, where, how, and a byte
//! ```
//! With the highest bit of the first byte set, the rest are messages, each behind its
//! length, that both sides are given instead.

#![no_main]

use std::sync::{Arc, OnceLock};

use allonym_postgres::scram::{
    Client, ClientBinding, ClientKeys, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramError, Server,
    Verifier,
};
use libfuzzer_sys::fuzz_target;

const HASH: &[u8] = b"the hash of a certificate";
const OTHER: &[u8] = b"the hash of another one";

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let binding = match first & 3 {
        0 => ClientBinding::Impossible,
        1 => ClientBinding::NotOffered,
        2 => ClientBinding::EndPoint(HASH.to_vec()),
        _ => ClientBinding::EndPoint(OTHER.to_vec()),
    };
    let end_point = (first & 4 != 0).then(|| if first & 8 == 0 { HASH } else { OTHER }.to_vec());
    if first & 0x80 != 0 {
        return invented(binding, end_point, rest);
    }
    let may = match (&binding, &end_point) {
        (ClientBinding::EndPoint(theirs), Some(ours)) => theirs == ours,
        (ClientBinding::EndPoint(_), None) | (ClientBinding::NotOffered, Some(_)) => false,
        (ClientBinding::Impossible, _) | (ClientBinding::NotOffered, None) => true,
    };
    let mut between = Between { edits: rest, changed: false, extended: false };
    let ended = log_in(binding, end_point, &mut between);
    match ended {
        Ok(()) => assert!(may && !between.changed, "a login that must fail"),
        Err(_) => {
            assert!(!may || between.changed || between.extended, "a login that must not fail");
        }
    }
});

/// Who carries the messages.
struct Between<'a> {
    edits: &'a [u8],
    changed: bool,
    /// Only behind what is signed, which a client may take or not.
    extended: bool,
}

impl Between<'_> {
    fn carry(&mut self, number: u8, message: Vec<u8>) -> Vec<u8> {
        let mut edited = message.clone();
        for edit in self.edits.chunks_exact(4).filter(|edit| edit[0] & 3 == number) {
            let at = usize::from(edit[1]).min(edited.len());
            match edit[2] % 4 {
                0 => edited.insert(at, edit[3]),
                1 if at < edited.len() => edited[at] = edit[3],
                2 if at < edited.len() => drop(edited.remove(at)),
                3 => edited.truncate(at),
                _ => {}
            }
        }
        // Behind the server's signature there is room for extensions nobody knows.
        let extended = number == 3 && edited.starts_with(&[&message[..], b","].concat());
        self.extended |= extended;
        self.changed |= edited != message && !extended;
        edited
    }
}

/// What both sides keep of the password: made once, since that takes its time.
fn known() -> &'static (Arc<Verifier>, ClientKeys) {
    static KNOWN: OnceLock<(Arc<Verifier>, ClientKeys)> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let verifier = Arc::new(Verifier::derive(b"pencil", b"sixteen bytes ..", 4096).unwrap());
        let (client, first) = Client::begin(ClientBinding::Impossible).unwrap();
        let server = Server::new(Arc::clone(&verifier), None);
        let (_, challenge) = server.challenge(SCRAM_SHA_256.as_bytes(), &first).unwrap();
        let keys = client.read(&challenge).unwrap().derive(b"pencil").unwrap();
        (verifier, keys)
    })
}

fn log_in(
    binding: ClientBinding,
    end_point: Option<Vec<u8>>,
    between: &mut Between<'_>,
) -> Result<(), ScramError> {
    let (verifier, keys) = known();
    let mechanism = binding.mechanism().as_bytes();
    let (client, first) = Client::begin(binding)?;
    let server = Server::new(Arc::clone(verifier), end_point);
    let (waiting, challenge) = server.challenge(mechanism, &between.carry(0, first))?;
    let challenge = client.read(&between.carry(1, challenge))?;
    // Another salt or count: the keys of it take long, and do not fit.
    let (proven, last) = challenge.prove(keys)?;
    let signature = waiting.verify(&between.carry(2, last))?;
    proven.verify(&between.carry(3, signature))
}

/// Messages that no other side has made.
fn invented(binding: ClientBinding, end_point: Option<Vec<u8>>, rest: &[u8]) {
    let mut rest = rest;
    let mut next = || {
        let (length, after) = rest.split_first().unwrap_or((&0, &[]));
        let (message, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        message
    };
    let (verifier, keys) = known();
    for mechanism in [SCRAM_SHA_256, SCRAM_SHA_256_PLUS] {
        let server = Server::new(Arc::clone(verifier), end_point.clone());
        if let Ok((waiting, challenge)) = server.challenge(mechanism.as_bytes(), next()) {
            assert!(challenge.starts_with(b"r="));
            assert!(waiting.verify(next()).is_err(), "a proof from nowhere");
        }
    }
    let (client, first) = Client::begin(binding).unwrap();
    // A server knows our nonce; `%` stands for it.
    let text = String::from_utf8_lossy(&first);
    let nonce = text.rsplit_once("r=").unwrap().1.as_bytes().to_vec();
    let message = next().iter().flat_map(|byte| match byte {
        b'%' => nonce.clone(),
        byte => vec![*byte],
    });
    if let Ok(challenge) = client.read(&message.collect::<Vec<_>>())
        && let Ok((proven, _)) = challenge.prove(keys)
    {
        assert!(proven.verify(next()).is_err(), "a signature from nowhere");
    }
}
