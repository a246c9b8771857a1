use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// TLS toward the clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsChoice {
    /// Plain text, knowingly.
    Off,
    /// A certificate chain and its key.
    Pem(TlsFiles),
}

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The chain, PEM, the leaf first.
    pub cert: PathBuf,
    /// The key.
    pub key: KeyFile,
}

/// A private key is never written into the configuration itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// PEM.
    pub file: PathBuf,
}

/// How the upstream's certificate is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTls {
    /// The authorities to trust, PEM; without it those of the system.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The name in the certificate, where it is not the host of `upstream`.
    #[serde(default)]
    pub name: Option<String>,
}

impl<'de> Deserialize<'de> for TlsChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = TlsChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`{ cert: FILE, key: { file: FILE } }` or the word `off`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<TlsChoice, E> {
                match word {
                    "off" => Ok(TlsChoice::Off),
                    _ => Err(E::invalid_value(de::Unexpected::Other("another word"), &self)),
                }
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<TlsChoice, E> {
                if on {
                    Err(E::invalid_value(de::Unexpected::Bool(on), &self))
                } else {
                    Ok(TlsChoice::Off)
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TlsChoice, A::Error> {
                TlsFiles::deserialize(MapAccessDeserializer::new(map)).map(TlsChoice::Pem)
            }
        }
        deserializer.deserialize_any(Choice)
    }
}
