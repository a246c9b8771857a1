//! The login at the server, in the client's name.

use std::sync::Arc;

use allonym_contract::{Fault, Refusal, Stream};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::cancel::{Cancellable, Cancels};
use crate::scram::{
    Client, ClientBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramError, end_point_hash,
};
use crate::session::exchange::{Message, receive, send};
use crate::session::login::{Denied, Onward};
use crate::session::opening::Begun;
use crate::site::Site;
use crate::wire::message::{
    Authentication, Fields, Mechanisms, write_password, write_sasl, write_sasl_initial,
    write_sasl_response,
};
use crate::wire::startup::{
    BackendKey, Negotiation, PROTOCOL_OPTION, write_negotiation, write_startup,
};
use crate::wire::{Side, WireError};

/// The newest minor version of protocol 3 that is known here. A newer one, or an option
/// of the protocol, could bring messages that are not.
const NEWEST: u16 = 2;
/// The minor version from which cancel keys may be long.
const LONG_KEYS: u16 = 2;

/// The most a server may say to a client before it is ready, in bytes: it waits here until
/// the login is over.
const MOST_TOLD: usize = 256 << 10;

/// A login that is under way, and what the client is told of it.
pub(crate) struct Onwards<'a> {
    pub(crate) site: &'a Site,
    pub(crate) begun: &'a Begun,
    pub(crate) onward: &'a Onward,
    pub(crate) client: &'a mut Stream,
    pub(crate) server: &'a mut Stream,
    /// What the client is told once it is known who it is.
    pub(crate) told: Vec<u8>,
    /// What is spoken; until it is negotiated, what is asked of the server.
    minor: u16,
    is_negotiated: bool,
    judged: Judged,
}

/// How far the server is with judging who logs in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judged {
    /// It has asked for nothing.
    Not,
    /// A login that takes several messages is under way.
    UnderWay,
    /// It was given what it asked for; by SCRAM it has proven itself, too.
    Yes,
}

impl<'a> Onwards<'a> {
    pub(crate) fn new(
        site: &'a Site,
        begun: &'a Begun,
        onward: &'a Onward,
        (client, server): (&'a mut Stream, &'a mut Stream),
    ) -> Self {
        Self {
            site,
            begun,
            onward,
            client,
            server,
            told: Vec::new(),
            minor: begun.minor.min(NEWEST),
            is_negotiated: false,
            judged: Judged::Not,
        }
    }

    /// Sends the client's start-up packet on, and has the server authenticate whom the
    /// configuration says.
    ///
    /// # Errors
    /// When the server refuses, or is gone.
    pub(crate) async fn authenticate(&mut self) -> Result<(), Denied> {
        let startup = self.startup()?;
        send(self.server, &startup).await.map_err(|_| gone())?;
        loop {
            let message = self.next().await?;
            match message.tag {
                b'v' if !self.is_negotiated => {
                    self.minor = self.minor.min(Negotiation::parse(&message.body)?.minor);
                    self.negotiate().await?;
                }
                b'N' => self.pass(&message).await?,
                b'E' => return self.refused(&message).await,
                b'R' => {
                    self.negotiate().await?;
                    match Authentication::parse(&message.body)? {
                        Authentication::Ok => {
                            self.judge()?;
                            return self.tell(&message);
                        }
                        asked => self.answer(&asked, &message).await?,
                    }
                }
                tag => return Err(WireError::Unexpected { tag }.into()),
            }
        }
    }

    /// Tells a client that asked for more which version is spoken, and that its options of
    /// the protocol are not known. The server may speak less, and was not told of options.
    async fn negotiate(&mut self) -> Result<(), Denied> {
        if std::mem::replace(&mut self.is_negotiated, true) {
            return Ok(());
        }
        let unknown = self.begun.protocol_options();
        if self.minor < self.begun.minor || unknown.clone().next().is_some() {
            write_negotiation(&mut self.told, self.minor, unknown)?;
        }
        self.flush().await
    }

    /// Whether the server may let the user in now. A server that trusts our address asks
    /// for nothing: then somebody else must have judged the user, and where the server has
    /// to prove itself by a password, it has not.
    fn judge(&self) -> Result<(), Refusal> {
        match self.onward {
            _ if self.judged == Judged::Yes => Ok(()),
            Onward::Ours { password: None, .. } => Ok(()),
            Onward::Ours { .. } if !self.site.config.server_proves() => Ok(()),
            Onward::Ours { .. } => Err(unable(
                "the database asks for no password, and so does not prove that it knows it (upstream_login)",
            )),
            Onward::Theirs { .. } | Onward::Relayed { .. } => {
                Err(unable("the database asks for no password, so nobody has judged the user"))
            }
        }
    }

    /// What comes between the login and the first statement: the client is told all of
    /// it, with a cancel key of ours.
    ///
    /// # Errors
    /// When the server refuses after all, or is gone.
    pub(crate) async fn settle(
        &mut self,
        cancels: &Arc<Cancels>,
    ) -> Result<Option<Cancellable>, Denied> {
        let mut cancellable = None;
        loop {
            let message = self.next().await?;
            match message.tag {
                b'S' | b'N' => self.tell(&message)?,
                b'K' => {
                    let theirs = BackendKey::parse(&message.body)?;
                    let is_long = self.minor >= LONG_KEYS;
                    let own = cancels.register(theirs.pid, theirs.key, is_long).map_err(|_| {
                        let says = "no random bytes from the system";
                        Refusal::new(Fault::Unavailable, "no-randomness", says)
                    })?;
                    let (pid, key) = own.shown();
                    BackendKey { pid, key }.write(&mut self.told)?;
                    cancellable = Some(own);
                }
                b'Z' => {
                    self.tell(&message)?;
                    return Ok(cancellable);
                }
                b'E' => {
                    self.refused(&message).await?;
                }
                tag => return Err(WireError::Unexpected { tag }.into()),
            }
        }
    }

    /// The client's parameters, with the role it is at the server and a database that is
    /// named: the server would take the role's name for it.
    fn startup(&self) -> Result<Vec<u8>, Denied> {
        let (Onward::Ours { role, .. } | Onward::Theirs { role, .. } | Onward::Relayed { role }) =
            self.onward;
        let named = self.begun.find("database").filter(|name| !name.is_empty());
        let by_default = self.site.upstream.address.database.as_deref().map(str::as_bytes);
        let database = named.or(by_default).or(self.begun.find("user")).unwrap_or_default();
        let own: [(&[u8], &[u8]); 2] = [(b"user", role.as_bytes()), (b"database", database)];
        let theirs = self.begun.parameters.iter();
        let theirs = theirs.map(|(name, value)| (name.as_slice(), value.as_slice()));
        let theirs = theirs.filter(|(name, _)| {
            *name != b"user" && *name != b"database" && !name.starts_with(PROTOCOL_OPTION)
        });
        let mut packet = Vec::new();
        write_startup(&mut packet, self.minor, own.into_iter().chain(theirs))?;
        Ok(packet)
    }

    async fn answer(
        &mut self,
        asked: &Authentication<'_>,
        message: &Message,
    ) -> Result<(), Denied> {
        let (role, password) = match self.onward {
            Onward::Relayed { .. } => return self.relay(asked, message).await,
            Onward::Theirs { role, password } => (role, Some(password)),
            Onward::Ours { role, password } => (role, password.as_ref()),
        };
        if self.judged != Judged::Not {
            return Err(WireError::Unexpected { tag: b'R' }.into());
        }
        let password = password.ok_or_else(|| {
            unable("the database asks for a password, and the user has no `upstream_password`")
        })?;
        if self.site.config.server_proves() && !matches!(asked, Authentication::Sasl(_)) {
            return Err(unable(
                "the database asks for a login by which it does not prove that it knows the password (upstream_login)",
            )
            .into());
        }
        let mut out = Zeroizing::new(Vec::new());
        match asked {
            Authentication::CleartextPassword if !self.server.is_tls() => {
                return Err(unable(
                    "the database asks for the password in plain text over a connection without TLS",
                )
                .into());
            }
            Authentication::CleartextPassword => write_password(&mut out, password.as_bytes())?,
            Authentication::Md5Password(salt) => {
                write_password(&mut out, md5_answer(role, password, *salt).as_bytes())?;
            }
            Authentication::Sasl(offered) => return self.scram(*offered, password).await,
            Authentication::SaslContinue(_) | Authentication::SaslFinal(_) => {
                return Err(WireError::Unexpected { tag: b'R' }.into());
            }
            Authentication::Ok | Authentication::Other(_) => {
                return Err(unable(
                    "the database asks for a kind of login that is not spoken here",
                )
                .into());
            }
        }
        self.judged = Judged::Yes;
        send(self.server, &out).await.map_err(|_| gone())
    }

    async fn scram(
        &mut self,
        offered: Mechanisms<'_>,
        password: &Zeroizing<String>,
    ) -> Result<(), Denied> {
        let end_point = self.server.certificate().and_then(end_point_hash);
        let (mechanism, binding) = match end_point {
            Some(hash) if offered.contains(SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, ClientBinding::EndPoint(hash))
            }
            Some(_) => (SCRAM_SHA_256, ClientBinding::NotOffered),
            None => (SCRAM_SHA_256, ClientBinding::Impossible),
        };
        if !offered.contains(mechanism) {
            return Err(unable("the database offers no SCRAM-SHA-256").into());
        }
        let (client, first) = Client::begin(binding).map_err(failed)?;
        let mut out = Vec::new();
        write_sasl_initial(&mut out, mechanism, Some(&first))?;
        send(self.server, &out).await.map_err(|_| gone())?;

        let challenge = self.challenged().await?;
        let Authentication::SaslContinue(data) = Authentication::parse(&challenge.body)? else {
            return Err(WireError::Unexpected { tag: b'R' }.into());
        };
        let challenge = client.read(data).map_err(failed)?;
        let is_ours = matches!(self.onward, Onward::Ours { .. });
        let keys = self.site.keys.find(challenge, password, is_ours);
        let (challenge, keys) = keys.await.map_err(failed)?;
        let (proven, last) = challenge.prove(&keys).map_err(failed)?;
        out.clear();
        write_sasl_response(&mut out, &last)?;
        send(self.server, &out).await.map_err(|_| gone())?;

        let signed = self.challenged().await?;
        let Authentication::SaslFinal(data) = Authentication::parse(&signed.body)? else {
            return Err(WireError::Unexpected { tag: b'R' }.into());
        };
        // Who does not know the verifier is not the server.
        proven.verify(data).map_err(failed)?;
        self.judged = Judged::Yes;
        Ok(())
    }

    /// The next word of an authentication. A refusal is told as the server says it.
    async fn challenged(&mut self) -> Result<Message, Denied> {
        loop {
            let message = self.next().await?;
            match message.tag {
                b'R' => return Ok(message),
                b'N' => self.pass(&message).await?,
                b'E' => self.refused(&message).await?,
                tag => return Err(WireError::Unexpected { tag }.into()),
            }
        }
    }

    /// Has the client answer the server. What binds a login to a channel is taken out:
    /// there are two of them.
    async fn relay(&mut self, asked: &Authentication<'_>, message: &Message) -> Result<(), Denied> {
        let mut out = Vec::new();
        let is_encrypted = self.client.is_tls() && self.server.is_tls();
        self.judged = match (self.judged, asked) {
            (Judged::Not, Authentication::Sasl(offered)) if offered.contains(SCRAM_SHA_256) => {
                write_sasl(&mut out, &[SCRAM_SHA_256])?;
                Judged::UnderWay
            }
            (Judged::Not, Authentication::CleartextPassword) if !is_encrypted => {
                return Err(unable(
                    "the database asks for the password in plain text, and a connection on its way is without TLS",
                )
                .into());
            }
            (Judged::Not, Authentication::Sasl(_) | Authentication::Other(_)) => {
                return Err(
                    unable("the database asks for a kind of login that cannot be relayed").into()
                );
            }
            (Judged::Not, Authentication::CleartextPassword | Authentication::Md5Password(_)) => {
                frame(&mut out, message)?;
                Judged::Yes
            }
            (Judged::UnderWay, Authentication::SaslContinue(_)) => {
                frame(&mut out, message)?;
                Judged::UnderWay
            }
            (Judged::UnderWay, Authentication::SaslFinal(_)) => {
                frame(&mut out, message)?;
                Judged::Yes
            }
            _ => return Err(WireError::Unexpected { tag: b'R' }.into()),
        };
        send(self.client, &out).await.map_err(|_| Denied::Gone)?;
        if matches!(asked, Authentication::SaslFinal(_)) {
            return Ok(());
        }
        let answer = receive(self.client, Side::Frontend).await?;
        if answer.tag != b'p' {
            return Err(WireError::Unexpected { tag: answer.tag }.into());
        }
        let mut out = Zeroizing::new(Vec::new());
        frame(&mut out, &answer)?;
        send(self.server, &out).await.map_err(|_| gone())
    }

    /// The server's refusal. That our own credential is wrong is nothing the client could
    /// change, or should know.
    async fn refused(&mut self, message: &Message) -> Result<(), Denied> {
        let fields = Fields::parse(&message.body)?;
        let about_login = fields.sqlstate().is_some_and(|code| code.starts_with("28"));
        if about_login && matches!(self.onward, Onward::Ours { .. }) {
            return Err(unable("the database refused the login of this user's role").into());
        }
        self.tell(message)?;
        send(self.client, &self.told).await.map_err(|_| Denied::Gone)?;
        Err(Denied::Told)
    }

    async fn next(&mut self) -> Result<Message, Denied> {
        receive(self.server, Side::Backend).await.map_err(|error| match Denied::from(error) {
            Denied::Gone => gone(),
            Denied::Refused(refusal) => Refusal { fault: Fault::Upstream, ..refusal }.into(),
            denied @ (Denied::Hidden(_) | Denied::Told) => denied,
        })
    }

    /// Passes a message on: now, where the client takes part in the login, or else later.
    async fn pass(&mut self, message: &Message) -> Result<(), Denied> {
        self.tell(message)?;
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Denied> {
        if matches!(self.onward, Onward::Relayed { .. }) {
            let told = std::mem::take(&mut self.told);
            send(self.client, &told).await.map_err(|_| Denied::Gone)?;
        }
        Ok(())
    }

    fn tell(&mut self, message: &Message) -> Result<(), Denied> {
        if self.told.len() + message.body.len() > MOST_TOLD {
            return Err(unable("the database says too much before it is ready").into());
        }
        Ok(frame(&mut self.told, message)?)
    }
}

/// A message as it came.
fn frame(out: &mut Vec<u8>, message: &Message) -> Result<(), WireError> {
    let length = u32::try_from(message.body.len() + 4);
    let too_long =
        WireError::Malformed { message: "login", rule: "it does not fit into a message" };
    out.reserve(message.body.len() + 5);
    out.push(message.tag);
    out.extend_from_slice(&length.map_err(|_| too_long)?.to_be_bytes());
    out.extend_from_slice(&message.body);
    Ok(())
}

/// `md5` and MD5(MD5(password, role), salt), each in hexadecimal.
fn md5_answer(role: &str, password: &str, salt: [u8; 4]) -> Zeroizing<String> {
    let hex = |digest: &[u8]| {
        let digits = digest.iter().map(|byte| format!("{byte:02x}"));
        Zeroizing::new(digits.collect::<String>())
    };
    let inner = hex(&Md5::new().chain_update(password).chain_update(role).finalize());
    let outer = hex(&Md5::new().chain_update(inner.as_bytes()).chain_update(salt).finalize());
    Zeroizing::new(format!("md5{}", outer.as_str()))
}

fn unable(says: &'static str) -> Refusal {
    Refusal::new(Fault::Upstream, "upstream-login", says)
}

fn gone() -> Denied {
    let says = "the database closed the connection during the login";
    Refusal::new(Fault::Upstream, "upstream-closed", says).into()
}

fn failed(error: ScramError) -> Refusal {
    Refusal::new(Fault::Upstream, "upstream-login", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a PostgreSQL server with `password_encryption = md5`.
    #[test]
    fn md5_is_answered() {
        let inner = Md5::digest(b"secretalice");
        let hex: String = inner.iter().map(|byte| format!("{byte:02x}")).collect();
        let outer = Md5::digest([hex.as_bytes(), &[1, 2, 3, 4]].concat());
        let outer: String = outer.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(*md5_answer("alice", "secret", [1, 2, 3, 4]), format!("md5{outer}"));
    }
}
