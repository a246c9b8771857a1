use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use allonym_contract::{Principal, PrincipalKind};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::claims::Claims;
use super::jwks::{JwksPace, JwksSource, Keeper, KeySet};
use super::{IdentityError, Reason};

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;
/// The most a clock may be off.
const MOST_LEEWAY: Duration = Duration::from_secs(30);
/// How long a verified token is believed without verifying it again.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many verified tokens are remembered.
const REMEMBERED: usize = 16_384;

/// An algorithm a token may be signed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum JwtAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, keys of 2048 bits or more.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl JwtAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in `alg` (RFC 7518 section 3.1, RFC 8037 section 3.1).
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.word() == word)
    }

    const fn external(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// Which tokens are accepted, and what they say.
#[derive(Clone, Debug)]
pub struct JwtConfig {
    /// The claim `iss` must be this.
    pub issuer: String,
    /// The claim `aud` must be or contain one of these.
    pub audiences: Vec<String>,
    /// Which algorithms are accepted.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Where the issuer's keys are.
    pub jwks: JwksSource,
    /// The claim that holds the roles, a text or an array; may be a path with dots.
    pub roles_claim: Option<String>,
    /// The claim that holds the purpose; may be a path with dots.
    pub purpose_claim: Option<String>,
    /// Claims that tweak scopes may use.
    pub claims: Vec<String>,
    /// How much the issuer's clock may differ, at most 30 s.
    pub leeway: Duration,
    /// When the key set is read again.
    pub pace: JwksPace,
}

impl JwtConfig {
    /// Tokens of an issuer for an audience, with any of the three algorithms, no claims
    /// and 30 s of leeway.
    #[must_use]
    pub fn new(issuer: String, audience: String, jwks: JwksSource) -> Self {
        Self {
            issuer,
            audiences: vec![audience],
            algorithms: JwtAlgorithm::ALL.to_vec(),
            jwks,
            roles_claim: None,
            purpose_claim: None,
            claims: Vec::new(),
            leeway: MOST_LEEWAY,
            pace: JwksPace::default(),
        }
    }
}

impl JwtConfig {
    /// Whether it can be meant. A key set in a file is read, one behind a URL is not.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self) -> Result<(), JwtConfigError> {
        self.check_settings()?;
        Keeper::check(&self.jwks)
    }

    fn check_settings(&self) -> Result<(), JwtConfigError> {
        let has_empty = |texts: &[String]| texts.is_empty() || texts.iter().any(String::is_empty);
        if self.issuer.is_empty() {
            return Err(JwtConfigError::Empty("issuer"));
        }
        if has_empty(&self.audiences) {
            return Err(JwtConfigError::Empty("audience"));
        }
        if self.algorithms.is_empty() {
            return Err(JwtConfigError::Empty("algorithms"));
        }
        if self.leeway > MOST_LEEWAY {
            return Err(JwtConfigError::Leeway);
        }
        Ok(())
    }
}

/// Why tokens cannot be accepted so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtConfigError {
    /// A setting is empty.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// The leeway is too long.
    #[error("the leeway is more than {} s", MOST_LEEWAY.as_secs())]
    Leeway,
    /// The URL of the key set will not do.
    #[error("the URL of the key set: {0}")]
    Url(&'static str),
    /// The authorities to trust cannot be read.
    #[error("the authorities to trust: {0}")]
    Roots(String),
    /// The key set cannot be read.
    #[error("the key set: {0}")]
    KeySet(String),
}

/// Verifies the tokens of one issuer.
pub struct JwtVerifier {
    config: JwtConfig,
    keeper: Arc<Keeper>,
    believed: RwLock<HashMap<[u8; 32], Believed>>,
}

/// A token that was verified a moment ago.
struct Believed {
    principal: Arc<Principal>,
    key_set: [u8; 32],
    from: SystemTime,
    until: SystemTime,
}

impl JwtVerifier {
    /// Begins to keep the issuer's key set current, on a thread that ends with the last
    /// verifier of that set.
    ///
    /// # Errors
    /// When the configuration cannot be meant, or a key set in a file cannot be read. A
    /// URL that does not answer is no error: until it does, tokens cannot be judged.
    pub fn start(config: JwtConfig) -> Result<Arc<Self>, JwtConfigError> {
        config.check_settings()?;
        let keeper = Keeper::of(config.jwks.clone(), config.pace)?;
        Ok(Arc::new(Self { config, keeper, believed: RwLock::default() }))
    }

    /// Whether there is a key set to judge by.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.keeper.current().is_some()
    }

    /// Why the key set could not be read the last time, if it could not: for the log.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<String>> {
        self.keeper.trouble()
    }

    /// Whose token this is. Never waits: keys are read in the background.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] with the reason for the audit log, or
    /// [`IdentityError::Unavailable`] while there is no key set that is young enough.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Principal>, IdentityError> {
        if token.len() > LONGEST {
            return Err(Reason::TooLarge.into());
        }
        let keys = self.keeper.current().ok_or(IdentityError::Unavailable)?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(principal) = self.recall(&digest, &keys, now) {
            return Ok(principal);
        }
        let claims = self.verified_claims(token, &keys)?;
        let principal = Arc::new(self.principal(&claims, now)?);
        self.remember(digest, &principal, &keys, now);
        Ok(principal)
    }

    /// The claims, once the signature over them is verified; before that nobody looks.
    fn verified_claims(&self, token: &str, keys: &KeySet) -> Result<Claims, Reason> {
        let (message, signature) = token.rsplit_once('.').ok_or(Reason::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Reason::Malformed)?;
        if payload.contains('.') {
            return Err(Reason::Malformed);
        }
        let (kid, algorithm) = self.header(&decode(header)?)?;
        let candidates = keys.candidates(kid.as_deref(), algorithm);
        if candidates.is_empty() {
            self.keeper.suspect();
            return Err(Reason::UnknownKey);
        }
        let is_signed = candidates.iter().any(|candidate| {
            let algorithm = candidate.algorithm.external();
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &candidate.key, algorithm)
                .unwrap_or(false)
        });
        if !is_signed {
            return Err(Reason::Signature);
        }
        Claims::parse(&decode(payload)?)
    }

    /// The key and the algorithm a header asks for. It only chooses among what is
    /// accepted; keys in it (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.
    fn header(&self, json: &[u8]) -> Result<(Option<String>, JwtAlgorithm), Reason> {
        let header = Claims::parse(json).map_err(|_| Reason::Malformed)?;
        if header.has("crit") {
            return Err(Reason::Extension);
        }
        // RFC 8725 section 3.11: a token made for something else says so in `typ`.
        let kind = header.text("typ")?.map(str::to_ascii_lowercase);
        let kind = kind.as_deref().map(|kind| kind.strip_prefix("application/").unwrap_or(kind));
        if !matches!(kind, None | Some("jwt" | "at+jwt")) {
            return Err(Reason::Extension);
        }
        let algorithm = header.text("alg").ok().flatten().and_then(JwtAlgorithm::named);
        let algorithm = algorithm
            .filter(|algorithm| self.config.algorithms.contains(algorithm))
            .ok_or(Reason::Algorithm)?;
        Ok((header.text("kid")?.map(str::to_owned), algorithm))
    }

    fn principal(&self, claims: &Claims, now: SystemTime) -> Result<Principal, Reason> {
        let config = &self.config;
        let issuer = claims.text("iss")?.ok_or(Reason::Claims)?;
        if issuer != config.issuer {
            return Err(Reason::Issuer);
        }
        if !claims.has("aud") {
            return Err(Reason::Claims);
        }
        let meant_for = claims.texts("aud")?;
        if !meant_for.iter().any(|audience| config.audiences.contains(audience)) {
            return Err(Reason::Audience);
        }
        let expires = claims.time("exp")?.ok_or(Reason::Claims)?;
        let expires = expires.checked_add(config.leeway).ok_or(Reason::Claims)?;
        if expires <= now {
            return Err(Reason::Expired);
        }
        let latest = now.checked_add(config.leeway).ok_or(Reason::Claims)?;
        if claims.time("nbf")?.is_some_and(|from| from > latest) {
            return Err(Reason::NotYetValid);
        }
        let subject = claims.text("sub")?.ok_or(Reason::Claims)?;
        let named = |claim: &Option<String>| match claim {
            Some(claim) => claims.text(claim).map(|text| text.map(str::to_owned)),
            None => Ok(None),
        };
        let name = format!("jwt:{subject}");
        Ok(Principal {
            budget_key: name.clone(),
            name,
            kind: PrincipalKind::Jwt,
            roles: match &config.roles_claim {
                Some(claim) => claims.texts(claim)?,
                None => Vec::new(),
            },
            purpose: named(&config.purpose_claim)?,
            claims: claims.subset(&config.claims)?,
            expires: Some(expires),
        })
    }

    fn recall(&self, token: &[u8; 32], keys: &KeySet, now: SystemTime) -> Option<Arc<Principal>> {
        let believed = self.believed.read().unwrap_or_else(PoisonError::into_inner);
        let held = believed.get(token)?;
        let holds = held.key_set == keys.digest && held.from <= now && now < held.until;
        holds.then(|| Arc::clone(&held.principal))
    }

    fn remember(
        &self,
        token: [u8; 32],
        principal: &Arc<Principal>,
        keys: &KeySet,
        now: SystemTime,
    ) {
        let Some(until) = now.checked_add(BELIEVED) else {
            return;
        };
        let until = principal.expires.map_or(until, |end| end.min(until));
        let held =
            Believed { principal: Arc::clone(principal), key_set: keys.digest, from: now, until };
        let mut believed = self.believed.write().unwrap_or_else(PoisonError::into_inner);
        if believed.len() >= REMEMBERED {
            believed.clear();
        }
        believed.insert(token, held);
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::Malformed)
}
