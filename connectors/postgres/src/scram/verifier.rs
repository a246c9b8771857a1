use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::prepare::prepare;
use super::{Key, ScramError, decode, hmac, sha256};

/// The iterations of a new verifier: PostgreSQL's own default, so that an upstream that
/// asks for more or fewer is the exception.
pub const DEFAULT_ITERATIONS: u32 = 4096;
/// The random bytes of a new salt, as many as PostgreSQL uses.
const SALT: usize = 16;
/// The longest salt that is read.
const MAX_SALT: usize = 256;
const PREFIX: &str = "SCRAM-SHA-256";

/// What a server needs to recognise a password, from which neither the password nor a
/// login elsewhere can be made. A leaked one can be tried against guesses, though, so it
/// is kept like a secret: it cannot be printed and is wiped.
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Key,
    server_key: Key,
}

impl Verifier {
    /// A verifier of a password, with a salt of its own.
    ///
    /// # Errors
    /// As [`Verifier::derive`]; no random bytes from the system.
    pub fn from_password(password: &[u8], iterations: u32) -> Result<Self, ScramError> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|_| ScramError::Random)?;
        Self::derive(password, &salt, iterations)
    }

    /// The verifier of a password with this salt. Takes about a millisecond for each
    /// 4096 iterations.
    ///
    /// # Errors
    /// An empty password, an empty or very long salt, iterations out of bounds.
    pub fn derive(password: &[u8], salt: &[u8], iterations: u32) -> Result<Self, ScramError> {
        let keys = derive(password, salt, iterations)?;
        Ok(Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: sha256(keys.client_key.as_slice()),
            server_key: keys.server_key,
        })
    }

    /// A verifier that no password fits, for a name that no user has: nobody can find what
    /// its StoredKey would be the hash of, and the same name gets the same salt, so that
    /// asking twice does not tell. `iterations` must be those of real ones
    /// ([`Verifier::mock_like`]), and `secret` must outlive restarts.
    #[must_use]
    pub fn mock(name: &[u8], secret: &[u8; 32], iterations: u32) -> Self {
        Self::mocked(name, secret, iterations, SALT)
    }

    /// The same, that shows as many iterations and as long a salt as this one.
    #[must_use]
    pub fn mock_like(&self, name: &[u8], secret: &[u8; 32]) -> Self {
        Self::mocked(name, secret, self.iterations, self.salt.len())
    }

    /// The iterations go into all of it: one salt with changing ones would tell.
    fn mocked(name: &[u8], secret: &[u8; 32], iterations: u32, salt: usize) -> Self {
        let count = iterations.to_be_bytes();
        let part = |label: &[u8], number: u8| hmac(secret, &[label, &[0, number], &count, name]);
        Self {
            iterations,
            salt: (0..=u8::MAX).flat_map(|number| *part(b"salt", number)).take(salt).collect(),
            stored_key: part(b"stored key", 0),
            server_key: part(b"server key", 0),
        }
    }

    /// Reads PostgreSQL's text form, as in `pg_authid.rolpassword`:
    /// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
    ///
    /// # Errors
    /// Anything else; says which part, never what it holds.
    pub fn parse(text: &str) -> Result<Self, ScramError> {
        let broken = ScramError::Malformed;
        let rest = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('$'));
        let rest = rest.ok_or(broken("a verifier begins with SCRAM-SHA-256$"))?;
        let (head, keys) = rest.split_once('$').ok_or(broken("a verifier has three parts"))?;
        let (iterations, salt) =
            head.split_once(':').ok_or(broken("a verifier has iterations and a salt"))?;
        let (stored, server) = keys.split_once(':').ok_or(broken("a verifier has two keys"))?;
        let digits = !iterations.is_empty() && iterations.bytes().all(|b| b.is_ascii_digit());
        let iterations = iterations.parse().ok().filter(|count| digits && is_count(*count));
        let salt = STANDARD.decode(salt).ok().filter(|salt| is_salt(salt));
        Ok(Self {
            iterations: iterations.ok_or(broken("a verifier's iterations are not a count"))?,
            salt: salt.ok_or(broken("a verifier's salt is not base64"))?,
            stored_key: decode(stored).ok_or(broken("a verifier's StoredKey is not one"))?,
            server_key: decode(server).ok_or(broken("a verifier's ServerKey is not one"))?,
        })
    }

    /// PostgreSQL's text form, which it accepts in `CREATE ROLE … PASSWORD` too.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        // One allocation of the final size, so that no copy is left behind.
        let mut text = Zeroizing::new(String::with_capacity(160 + self.salt.len() * 2));
        let mut push = |part: &str| text.push_str(part);
        push(PREFIX);
        push("$");
        push(&self.iterations.to_string());
        push(":");
        push(&STANDARD.encode(&self.salt));
        push("$");
        push(&Zeroizing::new(STANDARD.encode(*self.stored_key)));
        push(":");
        push(&Zeroizing::new(STANDARD.encode(*self.server_key)));
        text
    }

    /// How often the hash is repeated.
    #[must_use]
    pub const fn iterations(&self) -> u32 {
        self.iterations
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) fn stored_key(&self) -> &[u8; 32] {
        &self.stored_key
    }

    pub(super) fn server_key(&self) -> &[u8; 32] {
        &self.server_key
    }
}

pub(super) struct Derived {
    pub(super) client_key: Key,
    pub(super) server_key: Key,
}

/// The keys of a password (RFC 5802 section 3).
pub(super) fn derive(password: &[u8], salt: &[u8], iterations: u32) -> Result<Derived, ScramError> {
    if password.is_empty() {
        return Err(ScramError::Malformed("a password is empty"));
    }
    if !is_salt(salt) {
        return Err(ScramError::Malformed("a salt is empty or very long"));
    }
    if !is_count(iterations) {
        return Err(ScramError::Malformed("iterations are out of bounds"));
    }
    let password = prepare(password);
    let mut salted = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2::<Hmac<Sha256>>(&password, salt, iterations, salted.as_mut_slice())
        .map_err(|_| ScramError::Malformed("a password is too long"))?;
    Ok(Derived {
        client_key: hmac(salted.as_slice(), &[b"Client Key"]),
        server_key: hmac(salted.as_slice(), &[b"Server Key"]),
    })
}

fn is_salt(salt: &[u8]) -> bool {
    (1..=MAX_SALT).contains(&salt.len())
}

/// What PostgreSQL's `scram_iterations` allows.
const fn is_count(iterations: u32) -> bool {
    iterations >= 1 && iterations <= i32::MAX.cast_unsigned()
}
