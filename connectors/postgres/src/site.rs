//! What is in force for new connections: swapped as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use allonym_contract::Guard;
use allonym_contract::config::{ConfigFault, SecretRef, location};
use zeroize::Zeroizing;

use crate::config::PostgresConfig;
use crate::scram::Verifier;
use crate::upstream::Upstream;

/// What the passwords of database users are verified by.
pub trait Logins: Send + Sync {
    /// The verifier of a user, if it has a password.
    fn verifier(&self, user: &str) -> Option<Arc<Verifier>>;
}

/// A configuration, and what is made of it.
pub(crate) struct Site {
    pub(crate) connector: Arc<str>,
    pub(crate) config: PostgresConfig,
    pub(crate) guard: Arc<dyn Guard>,
    pub(crate) upstream: Upstream,
    /// Passwords for the server that come from the environment.
    passwords: HashMap<String, Zeroizing<String>>,
}

impl Site {
    /// Reads authorities and passwords.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, or cannot be read.
    pub(crate) fn new(
        connector: &Arc<str>,
        config: PostgresConfig,
        guard: Arc<dyn Guard>,
    ) -> Result<Self, Vec<ConfigFault>> {
        let mut faults = config.faults();
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
        if !faults.is_empty() {
            return Err(faults);
        }
        let upstream = Upstream::new(&config).map_err(|fault| vec![fault])?;
        Ok(Self { connector: Arc::clone(connector), config, guard, upstream, passwords })
    }

    /// The password of a user at the server. One in a file is read again each time, so
    /// that it can be changed without a reload.
    pub(crate) fn password(&self, user: &str) -> Option<Zeroizing<String>> {
        let typed = self.config.callers.users.named(user)?.upstream_password.as_ref()?;
        if let SecretRef::File(_) = typed
            && let Ok(password) = typed.resolve()
        {
            return Some(password);
        }
        self.passwords.get(user).cloned()
    }
}
