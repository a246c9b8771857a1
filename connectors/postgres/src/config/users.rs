use std::collections::HashSet;
use std::fmt;

use allonym_contract::config::SecretRef;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

/// The users that may log in, in the order in which they stand.
#[derive(Clone, Debug, Default)]
pub struct Users(pub Vec<(Spanned<String>, User)>);

/// A user, and as whom it is at the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The role of `access:` it has.
    pub role: String,
    /// The purpose that is fixed for it; without one a connection may declare its own.
    #[serde(default)]
    pub purpose: Option<String>,
    /// The name that its client certificate has to show (a DNS or URI name, an e-mail
    /// address, or the common name): then it logs in by that, and without a password.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The role it is at the server; without it the one of its own name.
    #[serde(default)]
    pub upstream_user: Option<String>,
    /// The password of that role.
    #[serde(default)]
    pub upstream_password: Option<SecretRef>,
}

impl Users {
    /// The user of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&User> {
        self.0.iter().find(|(other, _)| other.value == name).map(|(_, user)| user)
    }

    /// Roles at the server that more than one user has.
    #[must_use]
    pub fn shared(&self) -> Vec<&str> {
        let (mut seen, mut shared) = (HashSet::new(), Vec::new());
        for (name, user) in &self.0 {
            let role = user.upstream_user.as_deref().unwrap_or(&name.value);
            if !seen.insert(role) && !shared.contains(&role) {
                shared.push(role);
            }
        }
        shared
    }
}

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Listed;
        impl<'de> Visitor<'de> for Listed {
            type Value = Users;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of user names to `{ role: …, upstream_password: … }`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Users, A::Error> {
                let mut users = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    users.push(entry);
                }
                Ok(Users(users))
            }
        }
        deserializer.deserialize_map(Listed)
    }
}
