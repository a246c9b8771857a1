//! Who the client is.

use std::sync::Arc;

use allonym_contract::{Caller, Credential, Fault, Principal, Refusal, Stream};
use zeroize::Zeroizing;

use crate::config::Login;
use crate::scram::{ScramError, Server, end_point_hash};
use crate::session::exchange::{ExchangeError, Message, receive, send};
use crate::session::opening::Begun;
use crate::session::{Arrival, certificate};
use crate::wire::message::{
    Authentication, SaslInitial, parse_password, write_authentication, write_sasl,
};
use crate::wire::{Side, WireError};

/// The rule of every login that fails by its credential.
const CREDENTIAL_INVALID: &str = "credential-invalid";

/// How the login at the server goes on.
pub(crate) enum Onward {
    /// As the role the configuration says, by a password of ours if there is one.
    Ours { role: String, password: Option<Zeroizing<String>> },
    /// As the client, by its own password.
    Theirs { role: String, password: Zeroizing<String> },
    /// As the client, which the server authenticates through us.
    Relayed { role: String },
}

/// Why there is no session.
pub(crate) enum Denied {
    /// The client is told why.
    Refused(Refusal),
    /// The client is told that its credential is not valid. Why is for the log alone: from
    /// that it could be seen which names there are.
    Hidden(&'static str),
    /// The client was told by the server, in its own words.
    Told,
    /// There is nobody to tell.
    Gone,
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ExchangeError> for Denied {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Io(_) => Self::Gone,
            ExchangeError::Wire(error) => error.into(),
        }
    }
}

impl From<WireError> for Denied {
    fn from(error: WireError) -> Self {
        Self::Refused(Refusal::new(Fault::Malformed, "malformed", error.to_string()))
    }
}

/// Asks the client to prove who it is, as the configuration says; where the server is to
/// judge that, what it needs for it.
///
/// # Errors
/// When it does not, or the client is gone.
pub(crate) async fn prove(
    arrival: &Arrival,
    stream: &mut Stream,
    begun: &Begun,
) -> Result<Onward, Denied> {
    let name = begun.text("user").filter(|name| !name.is_empty()).ok_or_else(|| {
        let says = "the start-up packet names no user, or not as UTF-8";
        Refusal::new(Fault::Unauthenticated, "user-missing", says)
    })?;
    let role = name.to_owned();
    match arrival.site.config.callers.login {
        Login::Relay => Ok(Onward::Relayed { role }),
        Login::Password => {
            let password = password(stream).await?;
            Ok(Onward::Theirs { role, password })
        }
        Login::Scram => {
            let user = arrival.site.config.callers.users.named(name);
            match user.and_then(|user| user.certificate.as_deref()) {
                Some(expected) => {
                    if let Err(rule) = certified(stream, expected) {
                        return Err(uncertified(arrival, stream, name, rule).await);
                    }
                }
                None => {
                    let signature = scram(arrival, stream, name).await?;
                    let mut out = Vec::new();
                    write_authentication(&mut out, &Authentication::SaslFinal(&signature))?;
                    send(stream, &out).await.map_err(|_| Denied::Gone)?;
                }
            }
            let role = user.and_then(|user| user.upstream_user.clone()).unwrap_or(role);
            Ok(Onward::Ours { role, password: arrival.site.password(name).await? })
        }
    }
}

/// The principal of a user who has proven who it is.
///
/// # Errors
/// When the configuration knows no such user.
pub(crate) async fn identify(
    arrival: &Arrival,
    begun: &Begun,
    purpose: Option<&str>,
) -> Result<Arc<Principal>, Refusal> {
    let name = begun.text("user").unwrap_or_default().to_owned();
    let caller = Caller {
        connector: &arrival.site.connector,
        address: Some(arrival.address.ip().to_canonical()),
        credentials: vec![Credential::DatabaseUser(name)],
        purpose,
    };
    // Who may not log in is told no more than who gives a wrong password.
    arrival.site.guard.identify(&caller).await.map_err(|refusal| match refusal.fault {
        Fault::Unauthenticated => not_valid(),
        _ => refusal,
    })
}

/// What everybody is told whose credential is not right, whatever is wrong with it.
pub(crate) fn not_valid() -> Refusal {
    Refusal::new(
        Fault::Unauthenticated,
        CREDENTIAL_INVALID,
        "the login failed: wrong user, or wrong password",
    )
}

/// Whether the certificate that came with TLS names the user; the rule, where it does not.
fn certified(stream: &Stream, expected: &str) -> Result<(), &'static str> {
    let shown = stream.certificate().ok_or("certificate-missing")?;
    if certificate::names(shown, expected) { Ok(()) } else { Err("certificate-invalid") }
}

/// Asks for a password like anybody's, and it is never the right one: else it could be
/// seen which names log in by a certificate.
async fn uncertified(
    arrival: &Arrival,
    stream: &mut Stream,
    name: &str,
    rule: &'static str,
) -> Denied {
    match scram(arrival, stream, name).await {
        Err(Denied::Refused(refusal)) if refusal.rule != CREDENTIAL_INVALID => refusal.into(),
        Ok(_) | Err(_) => Denied::Hidden(rule),
    }
}

async fn password(stream: &mut Stream) -> Result<Zeroizing<String>, Denied> {
    let mut asked = Vec::new();
    write_authentication(&mut asked, &Authentication::CleartextPassword)?;
    send(stream, &asked).await.map_err(|_| Denied::Gone)?;
    let answer = answer(stream).await?;
    let password = parse_password(&answer.body)?;
    let text = std::str::from_utf8(password).map_err(|_| not_valid())?;
    if text.is_empty() {
        return Err(not_valid().into());
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Has the client prove its password; gives the signature by which we prove ours, which
/// is yet to be sent.
async fn scram(arrival: &Arrival, stream: &mut Stream, name: &str) -> Result<Vec<u8>, Denied> {
    let end_point = match &arrival.tls {
        Some(server) if stream.is_tls() => end_point_hash(&server.certificate),
        _ => None,
    };
    let users = &arrival.site.config.callers.users;
    let server = Server::new(arrival.logins.verifier(name, users), end_point);
    let mut out = Vec::new();
    write_sasl(&mut out, server.mechanisms())?;
    send(stream, &out).await.map_err(|_| Denied::Gone)?;

    let first = answer(stream).await?;
    let initial = SaslInitial::parse(&first.body)?;
    let response = initial.response.unwrap_or_default();
    let (waiting, challenge) = server.challenge(initial.mechanism, response).map_err(failed)?;
    out.clear();
    write_authentication(&mut out, &Authentication::SaslContinue(&challenge))?;
    send(stream, &out).await.map_err(|_| Denied::Gone)?;

    let last = answer(stream).await?;
    waiting.verify(&last.body).map_err(failed)
}

/// An answer to what was asked, whatever its kind: all have one type.
async fn answer(stream: &mut Stream) -> Result<Message, Denied> {
    let message = receive(stream, Side::Frontend).await?;
    match message.tag {
        b'p' => Ok(message),
        b'X' => Err(Denied::Gone),
        tag => Err(WireError::Unexpected { tag }.into()),
    }
}

fn failed(error: ScramError) -> Denied {
    let refusal = match error {
        ScramError::Proof => not_valid(),
        ScramError::Random => {
            Refusal::new(Fault::Unavailable, "no-randomness", "no random bytes from the system")
        }
        ScramError::Downgrade | ScramError::Binding => {
            Refusal::new(Fault::Unauthenticated, "channel-binding", error.to_string())
        }
        _ => Refusal::new(Fault::Malformed, "malformed", error.to_string()),
    };
    refusal.into()
}
