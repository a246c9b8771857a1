use std::fmt;
use std::path::{Path, PathBuf};

use allonym_contract::Location;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::Problems;
use super::{Located, SecretRef};

/// Where keys, tokens and pinned specifications are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Where it stands (line 0 if it is the default).
    pub at: Location,
    /// A file, or a database on a server.
    pub kind: StoreKind,
}

/// The kinds of store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// One SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Postgres(Postgres),
}

/// A PostgreSQL database and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// `postgres://user@host:port/database?…`, without a password.
    pub url: String,
    /// The password, if it takes one.
    pub password: Option<SecretRef>,
    /// The most connections at a time.
    pub connections: usize,
}

impl Store {
    /// The folder of what has no place of its own: that of the file, or the default one
    /// where the store is on a server.
    #[must_use]
    pub fn folder(&self) -> &Path {
        let path = match &self.kind {
            StoreKind::File(path) => path,
            StoreKind::Postgres(_) => Path::new(DEFAULT_STORE),
        };
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            StoreKind::File(path) => path.display().fmt(f),
            StoreKind::Postgres(database) => write!(f, "PostgreSQL at {}", database.address()),
        }
    }
}

impl Postgres {
    /// Hosts with their ports, as messages name them. Never user, password or database.
    #[must_use]
    pub fn address(&self) -> String {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
        let with_port = |host: &str| {
            let port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
            let host = host.replace("%2F", "/").replace("%2f", "/");
            if port || host.starts_with('/') { host } else { format!("{host}:5432") }
        };
        hosts.split(',').map(with_port).collect::<Vec<_>>().join(", ")
    }
}

/// Where the store is unless `store:` says otherwise.
const DEFAULT_STORE: &str = "/var/lib/allonym/store.db";
/// Connections to a server unless it is said.
const CONNECTIONS: usize = 8;
/// The most that may be said: a server takes 100 in all unless it was told otherwise.
const MOST_CONNECTIONS: usize = 200;
/// How a store on a server is written.
const FORM: &str = "`postgres://user@host:5432/database`";

/// `store:` as typed: a path, a URL, or the long form.
pub(super) enum StoreTyped {
    Text(String),
    Long(PostgresTyped),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PostgresTyped {
    postgres: Located<String>,
    password: Option<SecretRef>,
    connections: Option<Located<u64>>,
}

impl<'de> Deserialize<'de> for StoreTyped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrMap;

        impl<'de> Visitor<'de> for TextOrMap {
            type Value = StoreTyped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a file, a `postgres://…` URL, or `{ postgres: URL, password: { env: NAME } }`",
                )
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StoreTyped, E> {
                Ok(StoreTyped::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<StoreTyped, A::Error> {
                PostgresTyped::deserialize(MapAccessDeserializer::new(map)).map(StoreTyped::Long)
            }
        }

        deserializer.deserialize_any(TextOrMap)
    }
}

pub(super) fn convert(typed: Option<Located<StoreTyped>>, problems: &mut Problems) -> Store {
    let Some(Located { value, at }) = typed else {
        return Store { at: Location::default(), kind: StoreKind::File(DEFAULT_STORE.into()) };
    };
    let kind = match value {
        StoreTyped::Text(text) if is_postgres(&text) => {
            check_url(&text, at, problems);
            let (password, connections) = (None, CONNECTIONS);
            StoreKind::Postgres(Postgres { url: text, password, connections })
        }
        StoreTyped::Text(text) => {
            check_path(&text, at, problems);
            StoreKind::File(text.into())
        }
        StoreTyped::Long(typed) => StoreKind::Postgres(long(typed, problems)),
    };
    Store { at, kind }
}

fn long(typed: PostgresTyped, problems: &mut Problems) -> Postgres {
    let Located { value: url, at } = typed.postgres;
    if is_postgres(&url) {
        check_url(&url, at, problems);
    } else {
        problems.add(at, "`postgres` is not a URL of PostgreSQL", format!("write {FORM}"));
    }
    let connections = typed.connections.map_or(CONNECTIONS, |typed| {
        let number = usize::try_from(typed.value).unwrap_or(usize::MAX);
        if !(1..=MOST_CONNECTIONS).contains(&number) {
            let message = format!("`connections` is not 1 to {MOST_CONNECTIONS}");
            problems.add(typed.at, message, format!("{CONNECTIONS} are usual"));
        }
        number
    });
    Postgres { url, password: typed.password, connections }
}

fn is_postgres(text: &str) -> bool {
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

fn check_path(path: &str, at: Location, problems: &mut Problems) {
    if path.contains("://") {
        let hint = format!("a store is a file (`store: {DEFAULT_STORE}`) or {FORM}");
        problems.add(at, "unknown kind of store", hint);
    } else if path.is_empty() {
        problems.add(at, "`store` is empty", "leave it out, or name a file");
    }
}

/// What is wrong with a URL. It may hold a password, so nothing of it is repeated.
fn check_url(url: &str, at: Location, problems: &mut Problems) {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut wrong = |message: &str, hint: &str| problems.add(at, message, hint);
    let named = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let has_password = named.clone().any(|(name, _)| name == "password");
    // A slash or a question mark in a password moves its `@` behind the authority.
    let displaced = user.is_empty() && url.matches('@').count() > 0;
    if user.contains(':') || has_password || displaced {
        wrong(
            "the URL of the store holds a password",
            "leave it out, and write `store: { postgres: URL, password: { env: NAME } }` or `{ file: PATH }`",
        );
        return;
    }
    let hint = format!("write {FORM}");
    if user.is_empty() {
        wrong("the URL of the store names no user", &hint);
    }
    if hosts.split(',').any(|host| host.is_empty() || host.starts_with(':')) {
        wrong("the URL of the store names no host", &hint);
    }
    if database.is_empty() {
        wrong("the URL of the store names no database", &hint);
    }
    let modes = ["verify-full", "disable"];
    if named.clone().any(|(name, mode)| name == "sslmode" && !modes.contains(&mode)) {
        wrong(
            "`sslmode` is neither `verify-full` nor `disable`",
            "`verify-full` is the default; anything less would let another server answer",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_hosts_and_ports_only() {
        let check = |url: &str, expected: &str| {
            let (url, password) = (url.to_owned(), None);
            assert_eq!(Postgres { url, password, connections: 1 }.address(), expected);
        };
        check("postgres://a@db.example/x", "db.example:5432");
        check("postgresql://a@db.example:5433/x?sslmode=verify-full", "db.example:5433");
        check("postgres://a@[::1]/x", "[::1]:5432");
        check("postgres://a@[::1]:7/x", "[::1]:7");
        check("postgres://a@one,two:6/x", "one:5432, two:6");
        check("postgres://a@%2Frun%2Fpg/x", "/run/pg");
    }
}
