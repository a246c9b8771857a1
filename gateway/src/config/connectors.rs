use std::fmt;

use allonym_contract::{Location, PlaceSpec};
use allonym_http::HttpConfig;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Located;
use super::entries::Entries;
use super::error::{Problems, options, suggest};
use super::keys::check_name;

/// A connector: where data passes.
#[derive(Clone, Debug)]
pub struct Connector {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub at: Location,
    /// What it is.
    pub config: ConnectorConfig,
    /// Its places.
    pub places: Vec<PlaceSpec>,
}

/// A connector's own section, by type.
#[derive(Clone, Debug)]
pub enum ConnectorConfig {
    /// `type: http`.
    Http(Box<HttpConfig>),
}

/// What the first reading takes from a connector: its type decides how the rest is read.
#[derive(Deserialize)]
pub(super) struct ConnectorTyped {
    r#type: Option<Located<String>>,
}

const BUILT: [&str; 1] = ["http"];
const NOT_BUILT: [&str; 4] = ["batch", "kafka", "mysql", "postgres"];

/// Every connector has a type that is built.
pub(super) fn check_types(typed: &Entries<ConnectorTyped>, problems: &mut Problems) {
    for (name, connector) in &typed.0 {
        check_name("connector", name, problems);
        let Some(kind) = &connector.r#type else {
            let message = format!("connector `{}` has no `type`", name.value);
            problems.add(name.at, message, format!("known: {}", BUILT.join(", ")));
            continue;
        };
        let word = kind.value.as_str();
        if NOT_BUILT.contains(&word) {
            let message = format!("connectors of type `{word}` are not built yet");
            problems.add(kind.at, message, format!("built: {}", BUILT.join(", ")));
        } else if !BUILT.contains(&word) {
            let message = format!("unknown connector type `{word}`");
            let hint = suggest(word, BUILT.iter().chain(&NOT_BUILT).copied());
            problems.add(kind.at, message, hint);
        }
    }
}

/// The connectors' own sections, once their types are known to be built. They are read
/// straight from the text, so that every error keeps its place.
pub(super) fn read(
    text: &str,
) -> Result<Vec<(Located<String>, ConnectorConfig)>, serde_saphyr::Error> {
    serde_saphyr::with_deserializer_from_str_with_options(text, options(), |file| {
        file.deserialize_map(TopLevel)
    })
}

/// Asks every connector for its places.
pub(super) fn convert(
    read: Vec<(Located<String>, ConnectorConfig)>,
    problems: &mut Problems,
) -> Vec<Connector> {
    let mut connectors = Vec::new();
    for (name, config) in read {
        let places = match &config {
            ConnectorConfig::Http(http) => http.places(&name.value),
        };
        let places = places.unwrap_or_else(|faults| {
            for fault in faults {
                problems.add(fault.location, fault.message, fault.hint.unwrap_or_default());
            }
            Vec::new()
        });
        connectors.push(Connector { name: name.value, at: name.at, config, places });
    }
    connectors
}

struct TopLevel;

impl<'de> Visitor<'de> for TopLevel {
    type Value = Vec<(Located<String>, ConnectorConfig)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut connectors = Vec::new();
        while let Some(section) = map.next_key::<String>()? {
            if section == "connectors" {
                let typed: Entries<HttpConfig> = map.next_value()?;
                let boxed = |(name, http)| (name, ConnectorConfig::Http(Box::new(http)));
                connectors = typed.0.into_iter().map(boxed).collect();
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(connectors)
    }
}
