use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::{
    Attributes, BINDING, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramError, Verifier, binding_value,
    decode, hmac, is_nonce, nonce, sha256, text, xor,
};

/// The server's role, before the client's first message.
pub struct Server {
    verifier: Arc<Verifier>,
    end_point: Option<Vec<u8>>,
}

/// The server's role, after the challenge was sent.
pub struct AwaitingProof {
    verifier: Arc<Verifier>,
    /// What `c=` must be.
    binding: String,
    nonce: String,
    /// The first two parts of what is signed, each with its comma.
    signed: String,
}

impl Server {
    /// A login of the user whose verifier this is. `end_point` is the hash of our own
    /// certificate ([`super::end_point_hash`]) if the client came by TLS and was offered
    /// [`SCRAM_SHA_256_PLUS`], and `None` if it was not.
    #[must_use]
    pub const fn new(verifier: Arc<Verifier>, end_point: Option<Vec<u8>>) -> Self {
        Self { verifier, end_point }
    }

    /// The mechanisms to offer, best first.
    #[must_use]
    pub const fn mechanisms(&self) -> &'static [&'static str] {
        match self.end_point {
            Some(_) => &[SCRAM_SHA_256_PLUS, SCRAM_SHA_256],
            None => &[SCRAM_SHA_256],
        }
    }

    /// Reads the mechanism a client chose and its first message; gives the challenge to
    /// send. The user name in the message is ignored, as PostgreSQL does: the one of the
    /// start-up packet counts.
    ///
    /// # Errors
    /// A mechanism that was not offered, a downgrade, a message that breaks a rule.
    pub fn challenge(
        self,
        mechanism: &[u8],
        client_first: &[u8],
    ) -> Result<(AwaitingProof, Vec<u8>), ScramError> {
        self.challenge_with(mechanism, client_first, &nonce()?)
    }

    fn challenge_with(
        self,
        mechanism: &[u8],
        client_first: &[u8],
        own_nonce: &str,
    ) -> Result<(AwaitingProof, Vec<u8>), ScramError> {
        let (header, bare) = self.header(mechanism, text(client_first)?)?;
        let mut attributes = Attributes::new(bare);
        attributes.value('n', "a user name, and no mandatory extension, comes first")?;
        let theirs = attributes.value('r', "a nonce follows the user name")?;
        attributes.extensions()?;
        if !is_nonce(theirs) {
            return Err(ScramError::Malformed("a nonce is of visible characters"));
        }
        let nonce = format!("{theirs}{own_nonce}");
        let salt = STANDARD.encode(self.verifier.salt());
        let first = format!("r={nonce},s={salt},i={}", self.verifier.iterations());
        let data = match header {
            BINDING => self.end_point.as_deref().unwrap_or_default(),
            _ => &[],
        };
        let waiting = AwaitingProof {
            binding: binding_value(header, data),
            nonce,
            signed: format!("{bare},{first},"),
            verifier: self.verifier,
        };
        Ok((waiting, first.into_bytes()))
    }

    /// Splits the first message behind its header, which says how the channel is bound.
    fn header<'a>(
        &self,
        mechanism: &[u8],
        message: &'a str,
    ) -> Result<(&'static str, &'a str), ScramError> {
        let plus = mechanism == SCRAM_SHA_256_PLUS.as_bytes();
        let offered =
            if plus { self.end_point.is_some() } else { mechanism == SCRAM_SHA_256.as_bytes() };
        if !offered {
            return Err(ScramError::Mechanism("the mechanism was not offered"));
        }
        if let Some(bare) = message.strip_prefix(BINDING) {
            let says = "the client binds the channel, but chose the mechanism without";
            return if plus { Ok((BINDING, bare)) } else { Err(ScramError::Mechanism(says)) };
        }
        if message.starts_with("p=") {
            return Err(ScramError::Mechanism("only tls-server-end-point is offered"));
        }
        for (header, downgrade) in [("n,,", false), ("y,,", self.end_point.is_some())] {
            let Some(bare) = message.strip_prefix(header) else { continue };
            if plus {
                let says = "the client chose to bind the channel, but does not";
                return Err(ScramError::Mechanism(says));
            }
            return if downgrade { Err(ScramError::Downgrade) } else { Ok((header, bare)) };
        }
        Err(ScramError::Malformed("a message begins with n, y or p and no other identity"))
    }
}

impl AwaitingProof {
    /// Reads the client's last message; gives ours, which proves that we know the verifier.
    /// Only after it is the user who they say they are.
    ///
    /// # Errors
    /// [`ScramError::Proof`] for a wrong password and for a user who does not exist; a
    /// channel or a nonce that does not match, a message that breaks a rule.
    pub fn verify(self, client_final: &[u8]) -> Result<Vec<u8>, ScramError> {
        let message = text(client_final)?;
        let (signed, proof) =
            message.rsplit_once(",p=").ok_or(ScramError::Malformed("a proof comes last"))?;
        let proof =
            decode::<32>(proof).ok_or(ScramError::Malformed("a proof is 32 bytes in base64"))?;
        let mut attributes = Attributes::new(signed);
        let binding = attributes.value('c', "the channel binding comes first")?;
        let nonce = attributes.value('r', "a nonce follows the channel binding")?;
        attributes.extensions()?;
        if !bool::from(binding.as_bytes().ct_eq(self.binding.as_bytes())) {
            return Err(ScramError::Binding);
        }
        if !bool::from(nonce.as_bytes().ct_eq(self.nonce.as_bytes())) {
            return Err(ScramError::Nonce);
        }
        let parts = [self.signed.as_bytes(), signed.as_bytes()];
        let signature = hmac(self.verifier.stored_key(), &parts);
        let client_key = xor(&proof, &signature);
        let is_right = sha256(client_key.as_slice()).ct_eq(self.verifier.stored_key().as_slice());
        if !bool::from(is_right) {
            return Err(ScramError::Proof);
        }
        let signature = hmac(self.verifier.server_key(), &parts);
        Ok(format!("v={}", STANDARD.encode(*signature)).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 section 3.
    #[test]
    fn rfc_7677() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Arc::new(Verifier::derive(b"pencil", &salt, 4096).unwrap());
        let server = Server::new(Arc::clone(&verifier), None);
        let own = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let (waiting, first) = server
            .challenge_with(b"SCRAM-SHA-256", b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", own)
            .unwrap();
        assert_eq!(
            String::from_utf8(first).unwrap(),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = waiting
            .verify(
                b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                  p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            )
            .unwrap();
        assert_eq!(last, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
