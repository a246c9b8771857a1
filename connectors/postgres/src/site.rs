//! What is in force for new connections: swapped as a whole.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use allonym_contract::config::{ConfigFault, SecretRef, location};
use allonym_contract::{Fault, Guard, Refusal};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::config::{PostgresConfig, Users};
use crate::scram::{Challenge, ClientKeys, ScramError, Verifier};
use crate::tls::{self, Server};
use crate::upstream::Upstream;

/// What the passwords of database users are verified by.
pub trait Logins: Send + Sync {
    /// The verifier of one of these users of a connector. For a name that is none of them,
    /// has no password, or logs in by a certificate, it is a mock one that looks like
    /// those of the others ([`Verifier::mock_like`]), so that nobody can find out which
    /// names log in how.
    fn verifier(&self, user: &str, among: &Users) -> Arc<Verifier>;
}

/// A configuration, and what is made of it.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) connector: Arc<str>,
    pub(crate) config: PostgresConfig,
    pub(crate) guard: Arc<dyn Guard>,
    /// How clients are met, pinned when they come.
    pub(crate) tls: Option<Arc<Server>>,
    pub(crate) upstream: Arc<Upstream>,
    /// Passwords for the server that come from the environment.
    passwords: HashMap<String, Zeroizing<String>>,
    /// What passwords of ours became for the server.
    pub(crate) keys: Arc<KeptKeys>,
}

/// What passwords became, so that not each login costs a millisecond.
#[derive(Default)]
pub(crate) struct KeptKeys(Mutex<VecDeque<(Zeroizing<String>, Arc<ClientKeys>)>>);

/// How many of those are kept.
const KEPT_KEYS: usize = 64;

impl Site {
    /// Reads certificates, authorities and passwords.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, or cannot be read.
    pub(crate) fn new(
        connector: &Arc<str>,
        config: PostgresConfig,
        guard: Arc<dyn Guard>,
    ) -> Result<Self, Vec<ConfigFault>> {
        let mut faults = config.faults();
        let passwords = passwords(&config, &mut faults);
        let tls = tls::server(&config).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let upstream = Arc::new(Upstream::new(&config).map_err(|fault| vec![fault])?);
        let (connector, keys) = (Arc::clone(connector), Arc::default());
        Ok(Self { connector, config, guard, tls, upstream, passwords, keys })
    }

    /// The password of a user at the server, if it has one. One in a file is read again
    /// each time, so that it can be changed without a reload; off the threads that carry
    /// connections, since a file may be slow.
    ///
    /// # Errors
    /// When that file cannot be read: an older password is not tried instead.
    pub(crate) async fn password(&self, user: &str) -> Result<Option<Zeroizing<String>>, Refusal> {
        let known = self.config.callers.users.named(user);
        let Some(file @ SecretRef::File(_)) = known.and_then(|user| user.upstream_password.clone())
        else {
            return Ok(self.passwords.get(user).cloned());
        };
        match tokio::task::spawn_blocking(move || file.resolve()).await {
            Ok(Ok(password)) => Ok(Some(password)),
            Ok(Err(_)) | Err(_) => {
                let says = "the file of this user's upstream_password cannot be read";
                Err(Refusal::new(Fault::Unavailable, "upstream-password", says))
            }
        }
    }
}

impl PostgresConfig {
    /// What it names that cannot be had here and now: a connector of it would not start.
    #[must_use]
    pub fn missing(&self) -> Vec<ConfigFault> {
        let mut faults: Vec<_> = tls::server(self).err().into_iter().collect();
        faults.extend(Upstream::new(self).err());
        passwords(self, &mut faults);
        faults
    }
}

/// The passwords of users at the server.
fn passwords(
    config: &PostgresConfig,
    faults: &mut Vec<ConfigFault>,
) -> HashMap<String, Zeroizing<String>> {
    let mut passwords = HashMap::new();
    for (name, user) in &config.callers.users.0 {
        let Some(secret) = &user.upstream_password else { continue };
        match secret.resolve() {
            Ok(password) => {
                passwords.insert(name.value.clone(), password);
            }
            Err(error) => faults.push(ConfigFault::new(
                location(name),
                format!("user `{}`: upstream_password: {error}", name.value),
            )),
        }
    }
    passwords
}

impl KeptKeys {
    /// What a password answers a challenge of the server with. Computed off the threads
    /// that carry connections. It is kept if it is ours: a client's own may be wrong, and
    /// is not for us to have.
    ///
    /// # Errors
    /// A password or a salt that is none.
    pub(crate) async fn find(
        &self,
        challenge: Challenge,
        password: &Zeroizing<String>,
        is_ours: bool,
    ) -> Result<(Challenge, Arc<ClientKeys>), ScramError> {
        let kept = {
            let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let fits = |(of, keys): &&(Zeroizing<String>, Arc<ClientKeys>)| {
                challenge.fits(keys) && bool::from(of.as_bytes().ct_eq(password.as_bytes()))
            };
            keys.iter().find(fits).map(|(_, keys)| Arc::clone(keys))
        };
        if let Some(keys) = kept {
            return Ok((challenge, keys));
        }
        let of = password.clone();
        let computed = tokio::task::spawn_blocking(move || {
            let keys = challenge.derive(of.as_bytes())?;
            Ok((challenge, of, Arc::new(keys)))
        });
        let (challenge, of, derived) = computed.await.map_err(|_| ScramError::Random)??;
        if is_ours {
            let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            keys.truncate(KEPT_KEYS - 1);
            keys.push_front((of, Arc::clone(&derived)));
        }
        Ok((challenge, derived))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram::{Client, ClientBinding};

    fn challenge() -> Challenge {
        let (client, first) = Client::begin(ClientBinding::Impossible).unwrap();
        let nonce = String::from_utf8(first).unwrap().split_once("r=").unwrap().1.to_owned();
        client.read(format!("r={nonce}more,s=c2FsdA==,i=4096").as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn only_what_is_ours_is_kept() {
        let keys = KeptKeys::default();
        let password = Zeroizing::new("canary".to_owned());
        let (_, theirs) = keys.find(challenge(), &password, false).await.unwrap();
        assert!(keys.0.lock().unwrap().is_empty());
        let (_, ours) = keys.find(challenge(), &password, true).await.unwrap();
        assert!(!Arc::ptr_eq(&theirs, &ours));
        let (_, again) = keys.find(challenge(), &password, true).await.unwrap();
        assert!(Arc::ptr_eq(&ours, &again));
        assert_eq!(keys.0.lock().unwrap().len(), 1);
    }
}
