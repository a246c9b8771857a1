use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize, Zeroizing};

/// Where a secret is: a configuration never holds the secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// In an environment variable of this name.
    Env(String),
    /// In a file; one line break at its end does not count.
    File(PathBuf),
}

/// Why a secret is not to be had. Names the place, never the content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, empty, or not UTF-8.
    #[error("the environment variable {0} is not set, empty or not UTF-8")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("{path}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is empty, not UTF-8, or too long to be a secret.
    #[error("{0}: empty, not UTF-8, or longer than 64 KiB")]
    NotASecret(PathBuf),
}

/// The longest secret, in bytes.
const LONGEST: u64 = 64 << 10;

impl SecretRef {
    /// Fetches the secret. This is the one place that reads the environment.
    ///
    /// # Errors
    /// When it is not there, empty, or not a text.
    pub fn resolve(&self) -> Result<Zeroizing<String>, SecretError> {
        match self {
            Self::Env(name) => from_environment(name),
            Self::File(path) => from_file(path),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a config says { env: NAME }: this is that one place")]
fn from_environment(name: &str) -> Result<Zeroizing<String>, SecretError> {
    match std::env::var(name) {
        Ok(secret) if !secret.is_empty() => Ok(Zeroizing::new(secret)),
        _ => Err(SecretError::NoVariable(name.to_owned())),
    }
}

fn from_file(path: &PathBuf) -> Result<Zeroizing<String>, SecretError> {
    let unreadable = |cause| SecretError::Unreadable { path: path.clone(), cause };
    let not_a_secret = || SecretError::NotASecret(path.clone());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(not_a_secret());
    }
    let mut text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
        error.into_bytes().zeroize();
        not_a_secret()
    })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    let text = Zeroizing::new(text);
    if text.is_empty() { Err(not_a_secret()) } else { Ok(text) }
}

/// What a literal secret is answered with: it must not be repeated. The gateway tells
/// the hint apart from what happened by this line.
const FORMS: &str = "\n  hint: write `{ env: NAME }` or `{ file: PATH }`";

fn custom<E: serde::de::Error>(message: &str, hint: &str) -> E {
    E::custom(format_args!("{message}{hint}"))
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reference;

        impl<'de> Visitor<'de> for Reference {
            type Value = SecretRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`{ env: NAME }` or `{ file: PATH }`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
                let Some(source) = map.next_key::<Source>()? else {
                    return Err(custom("the secret's place is missing", FORMS));
                };
                let place: String = match source {
                    Source::Env | Source::File => map.next_value()?,
                    Source::Secret => {
                        return Err(custom("`secret:` is not built yet", FORMS));
                    }
                };
                if map.next_key::<Source>()?.is_some() {
                    return Err(custom("a secret has one place", FORMS));
                }
                match source {
                    _ if place.is_empty() => Err(custom("the secret's place is empty", FORMS)),
                    Source::Env => Ok(SecretRef::Env(place)),
                    Source::File | Source::Secret => Ok(SecretRef::File(place.into())),
                }
            }

            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<SecretRef, E> {
                Err(custom("a secret must not stand in the configuration", FORMS))
            }

            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<SecretRef, E> {
                self.visit_str("")
            }

            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<SecretRef, E> {
                self.visit_str("")
            }

            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<SecretRef, E> {
                self.visit_str("")
            }
        }

        deserializer.deserialize_any(Reference)
    }
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Source {
    Env,
    File,
    Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_loses_one_line_break_only() {
        let folder = tempfile::tempdir().unwrap();
        let check = |content: &[u8], expected: Option<&str>| {
            let path = folder.path().join("secret");
            std::fs::write(&path, content).unwrap();
            let secret = SecretRef::File(path).resolve().ok();
            assert_eq!(secret.as_ref().map(|s| s.as_str()), expected, "{content:?}");
        };
        check(b"one\n", Some("one"));
        check(b"one\r\n", Some("one"));
        check(b"one\n\n", Some("one\n"));
        check(b" one ", Some(" one "));
        check(b"", None);
        check(b"\n", None);
        check(b"\xff", None);
        check(&vec![b'x'; 65_537], None);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let error = SecretRef::Env("ALLONYM_NO_SUCH_VARIABLE".to_owned()).resolve().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable ALLONYM_NO_SUCH_VARIABLE is not set, empty or not UTF-8"
        );
        let error = SecretRef::File("/no/such/file".into()).resolve().unwrap_err();
        assert!(error.to_string().starts_with("/no/such/file: "), "{error}");
    }
}
