use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::verifier::derive;
use super::{
    Attributes, BINDING, Key, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramError, binding_value, decode,
    hmac, is_nonce, nonce, sha256, text, xor,
};

/// What a server may ask for. Fewer than RFC 7677's 4096 would let somebody who plays the
/// server collect proofs that are cheap to guess from; a million is what OWASP advises
/// with room, and a second of computing at most: more would be an attack on us.
pub(super) const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=1_000_000;

/// How the client's role is bound to the TLS connection.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientBinding {
    /// There is no TLS, or the server's certificate has no hash ([`super::end_point_hash`]).
    Impossible,
    /// It could be bound, but the server did not offer it: told to the server, which
    /// refuses if it did.
    NotOffered,
    /// Bound to the server's certificate, of which this is the hash.
    EndPoint(Vec<u8>),
}

/// The client's role, after its first message was made.
pub struct Client {
    binding: ClientBinding,
    nonce: String,
    /// The first message without its header, with a comma.
    signed: String,
}

/// The server's challenge, to be answered with the keys of the password.
pub struct Challenge {
    binding: ClientBinding,
    nonce: String,
    salt: Vec<u8>,
    iterations: u32,
    /// The first two parts of what is signed, each with its comma.
    signed: String,
}

/// What a password becomes with one salt and count. As good as the password for this
/// server, so it is wiped and cannot be printed; kept, it saves the iterations of the
/// next login.
pub struct ClientKeys {
    salt: Vec<u8>,
    iterations: u32,
    client_key: Key,
    server_key: Key,
}

/// The client's role, after its proof was made.
pub struct Proven {
    expected: Key,
}

impl ClientBinding {
    const fn header(&self) -> &'static str {
        match self {
            Self::Impossible => "n,,",
            Self::NotOffered => "y,,",
            Self::EndPoint(_) => BINDING,
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::EndPoint(hash) => hash,
            Self::Impossible | Self::NotOffered => &[],
        }
    }

    /// The mechanism that goes with it.
    #[must_use]
    pub const fn mechanism(&self) -> &'static str {
        match self {
            Self::EndPoint(_) => SCRAM_SHA_256_PLUS,
            Self::Impossible | Self::NotOffered => SCRAM_SHA_256,
        }
    }
}

impl Client {
    /// Begins a login; gives the first message to send. It names no user: PostgreSQL takes
    /// the one of the start-up packet.
    ///
    /// # Errors
    /// No random bytes from the system.
    pub fn begin(binding: ClientBinding) -> Result<(Self, Vec<u8>), ScramError> {
        Ok(Self::begin_with(binding, "", nonce()?))
    }

    fn begin_with(binding: ClientBinding, user: &str, nonce: String) -> (Self, Vec<u8>) {
        let bare = format!("n={user},r={nonce}");
        let first = format!("{}{bare}", binding.header());
        (Self { binding, nonce, signed: format!("{bare},") }, first.into_bytes())
    }

    /// Reads the server's challenge.
    ///
    /// # Errors
    /// A nonce that does not continue ours, iterations out of bounds, a message that
    /// breaks a rule.
    pub fn read(self, server_first: &[u8]) -> Result<Challenge, ScramError> {
        let message = text(server_first)?;
        let mut attributes = Attributes::new(message);
        let nonce = attributes.value('r', "a nonce, and no mandatory extension, comes first")?;
        let salt = attributes.value('s', "a salt follows the nonce")?;
        let count = attributes.value('i', "a count of iterations follows the salt")?;
        attributes.extensions()?;
        let added = nonce.strip_prefix(&self.nonce).ok_or(ScramError::Nonce)?;
        if !is_nonce(added) {
            return Err(ScramError::Nonce);
        }
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        let asked = count.parse().ok().filter(|_| digits);
        let asked = asked.ok_or(ScramError::Malformed("a count of iterations is a number"))?;
        if !ITERATIONS.contains(&asked) {
            return Err(ScramError::Iterations { asked });
        }
        let salt = STANDARD.decode(salt).map_err(|_| ScramError::Malformed("a salt is base64"))?;
        Ok(Challenge {
            binding: self.binding,
            nonce: nonce.to_owned(),
            salt,
            iterations: asked,
            signed: format!("{}{message},", self.signed),
        })
    }
}

impl Challenge {
    /// The keys of a password for this challenge: a millisecond for each 4096 iterations,
    /// so not to be done where others wait.
    ///
    /// # Errors
    /// An empty password, an empty or very long salt.
    pub fn derive(&self, password: &[u8]) -> Result<ClientKeys, ScramError> {
        let keys = derive(password, &self.salt, self.iterations)?;
        Ok(ClientKeys {
            salt: self.salt.clone(),
            iterations: self.iterations,
            client_key: keys.client_key,
            server_key: keys.server_key,
        })
    }

    /// Whether keys that were kept are those for this challenge.
    #[must_use]
    pub fn fits(&self, keys: &ClientKeys) -> bool {
        self.salt == keys.salt && self.iterations == keys.iterations
    }

    /// Proves the password; gives the last message to send.
    ///
    /// # Errors
    /// Keys of another challenge ([`Challenge::fits`]).
    pub fn prove(self, keys: &ClientKeys) -> Result<(Proven, Vec<u8>), ScramError> {
        if !self.fits(keys) {
            return Err(ScramError::Malformed("the keys are for another salt"));
        }
        let binding = binding_value(self.binding.header(), self.binding.data());
        let unproven = format!("c={binding},r={}", self.nonce);
        let parts = [self.signed.as_bytes(), unproven.as_bytes()];
        let signature = hmac(sha256(keys.client_key.as_slice()).as_slice(), &parts);
        let proof = Zeroizing::new(STANDARD.encode(*xor(&keys.client_key, &signature)));
        let message = format!("{unproven},p={}", proof.as_str());
        Ok((Proven { expected: hmac(keys.server_key.as_slice(), &parts) }, message.into_bytes()))
    }
}

impl Proven {
    /// Checks that the server knows the password's verifier. Without it the server is
    /// anyone, whatever it says next.
    ///
    /// # Errors
    /// A refusal, a wrong signature, a message that breaks a rule.
    pub fn verify(self, server_final: &[u8]) -> Result<(), ScramError> {
        let mut attributes = Attributes::new(text(server_final)?);
        let signature = match attributes.any() {
            Some(('e', _)) => return Err(ScramError::Refused),
            Some(('v', signature)) => decode::<32>(signature),
            _ => return Err(ScramError::Malformed("a signature comes first")),
        };
        attributes.extensions()?;
        let signature =
            signature.ok_or(ScramError::Malformed("a signature is 32 bytes in base64"))?;
        if bool::from(signature.as_slice().ct_eq(self.expected.as_slice())) {
            Ok(())
        } else {
            Err(ScramError::Signature)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 section 3.
    #[test]
    fn rfc_7677() {
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        let (client, first) = Client::begin_with(ClientBinding::Impossible, "user", nonce);
        assert_eq!(first, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = client
            .read(
                b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                  s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            )
            .unwrap();
        let keys = challenge.derive(b"pencil").unwrap();
        let (proven, last) = challenge.prove(&keys).unwrap();
        assert_eq!(
            String::from_utf8(last).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let signature = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(proven.verify(signature), Ok(()));
    }
}
