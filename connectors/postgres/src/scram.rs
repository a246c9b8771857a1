//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677, RFC 5929), both roles,
//! as PostgreSQL speaks them and without I/O.
//!
//! A server needs a [`Verifier`], never a password: what a client proves cannot be used
//! to log in elsewhere. The order of calls is in the types, so no step can be left out.

mod client;
mod end_point;
mod prepare;
mod server;
mod verifier;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub use client::{Challenge, Client, ClientBinding, ClientKeys, Proven};
pub use end_point::end_point_hash;
pub use server::{AwaitingProof, Server};
pub use verifier::{DEFAULT_ITERATIONS, Verifier};

/// The mechanism without channel binding.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
/// The mechanism that is bound to the TLS connection.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The one kind of channel binding PostgreSQL knows.
const BINDING: &str = "p=tls-server-end-point,,";
/// The longest message that is read, in bytes: real ones have about a hundred.
const MAX_MESSAGE: usize = 4096;
/// The random bytes of a nonce, as many as PostgreSQL uses.
const NONCE: usize = 18;

type Key = Zeroizing<[u8; 32]>;

/// Why a login by SCRAM failed. Names the rule, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message, a verifier or a password breaks a rule.
    #[error("SCRAM: {0}")]
    Malformed(&'static str),
    /// The mechanism was not offered, or does not fit what the message says.
    #[error("SCRAM: {0}")]
    Mechanism(&'static str),
    /// The client could bind to the channel and was told that we cannot: somebody between
    /// has taken the offer away.
    #[error("SCRAM: the client believes that no channel binding was offered, but it was")]
    Downgrade,
    /// The two sides do not speak over the same TLS connection.
    #[error("SCRAM: the channel binding does not match")]
    Binding,
    /// A nonce is not the one that was sent.
    #[error("SCRAM: the nonce does not match")]
    Nonce,
    /// The password is wrong, or there is no such user: nobody can tell which.
    #[error("SCRAM: the password is not right")]
    Proof,
    /// The server asks for too few or too many iterations.
    #[error("SCRAM: the server asks for {asked} iterations; {least} to {most} are allowed", least = client::ITERATIONS.start(), most = client::ITERATIONS.end())]
    Iterations {
        /// What it asks for.
        asked: u32,
    },
    /// The server refused.
    #[error("SCRAM: the server refused the login")]
    Refused,
    /// The server does not know the password's verifier: it is not the one it seems to be.
    #[error("SCRAM: the server's signature is not right")]
    Signature,
    /// The system gives no random bytes.
    #[error("no random bytes from the system")]
    Random,
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut out = Zeroizing::new([0; 32]);
    // HMAC takes keys of any length, so there is no other case.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        for part in parts {
            mac.update(part);
        }
        out.copy_from_slice(&mac.finalize().into_bytes());
    }
    out
}

fn sha256(bytes: &[u8]) -> Key {
    Zeroizing::new(Sha256::digest(bytes).into())
}

fn xor(a: &[u8; 32], b: &[u8; 32]) -> Key {
    let mut out = Zeroizing::new(*a);
    for (byte, other) in out.iter_mut().zip(b) {
        *byte ^= other;
    }
    out
}

fn decode<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let mut out = Zeroizing::new([0; N]);
    if bytes.len() != N {
        return None;
    }
    out.copy_from_slice(&bytes);
    Some(out)
}

fn nonce() -> Result<String, ScramError> {
    let mut bytes = [0; NONCE];
    getrandom::fill(&mut bytes).map_err(|_| ScramError::Random)?;
    Ok(STANDARD.encode(bytes))
}

/// A message as text of a bearable length.
fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MAX_MESSAGE {
        return Err(ScramError::Malformed("a message is too long"));
    }
    std::str::from_utf8(message).map_err(|_| ScramError::Malformed("a message is not UTF-8"))
}

/// The attributes of a message: a letter, `=`, and a text without commas.
struct Attributes<'a> {
    rest: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    const fn new(message: &'a str) -> Self {
        Self { rest: Some(message) }
    }

    /// The value of the next attribute, which must have this letter.
    fn value(&mut self, letter: char, rule: &'static str) -> Result<&'a str, ScramError> {
        let (found, value) = self.any().ok_or(ScramError::Malformed(rule))?;
        if found == letter { Ok(value) } else { Err(ScramError::Malformed(rule)) }
    }

    /// The next attribute; nothing at the end or if it is none.
    fn any(&mut self) -> Option<(char, &'a str)> {
        let rest = self.rest?;
        let (attribute, rest) = match rest.split_once(',') {
            Some((attribute, rest)) => (attribute, Some(rest)),
            None => (rest, None),
        };
        let (letter, value) = attribute.split_once('=')?;
        let mut letters = letter.chars();
        let letter = letters.next().filter(char::is_ascii_alphabetic)?;
        if letters.next().is_some() {
            return None;
        }
        self.rest = rest;
        Some((letter, value))
    }

    /// All that follows must be attributes that may be ignored.
    fn extensions(&mut self) -> Result<(), ScramError> {
        while self.rest.is_some() {
            self.any().ok_or(ScramError::Malformed("an extension is not an attribute"))?;
        }
        Ok(())
    }
}

/// What a nonce may be made of: visible ASCII without commas.
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// The value of `c=`: what the client said first, and the channel's data.
fn binding_value(header: &str, data: &[u8]) -> String {
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(data);
    STANDARD.encode(bytes)
}
