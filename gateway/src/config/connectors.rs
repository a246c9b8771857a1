use std::fmt;

use allonym_contract::{Location, PlaceSpec};
use allonym_http::HttpConfig;
use allonym_postgres::PostgresConfig;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

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
    /// `type: postgres`.
    Postgres(Box<PostgresConfig>),
}

/// What the first reading takes from a connector: its type decides how the rest is read.
#[derive(Deserialize)]
pub(super) struct ConnectorTyped {
    r#type: Option<Located<String>>,
}

const BUILT: [&str; 2] = ["http", "postgres"];
const NOT_BUILT: [&str; 3] = ["batch", "kafka", "mysql"];

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
    typed: &Entries<ConnectorTyped>,
) -> Result<Vec<(Located<String>, ConnectorConfig)>, serde_saphyr::Error> {
    let types = typed.0.iter().map(|(_, connector)| connector.r#type.as_ref());
    let types: Vec<Option<&str>> = types.map(|kind| kind.map(|kind| &*kind.value)).collect();
    serde_saphyr::with_deserializer_from_str_with_options(text, options(), |file| {
        file.deserialize_map(TopLevel(&types))
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
            ConnectorConfig::Postgres(postgres) => postgres.places(&name.value),
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

/// The file, of which only the connectors are read; their types are known.
struct TopLevel<'t>(&'t [Option<&'t str>]);

/// The connectors.
struct Sections<'t>(&'t [Option<&'t str>]);

/// A connector of this type.
struct Section<'t>(Option<&'t str>);

impl<'de> Visitor<'de> for TopLevel<'_> {
    type Value = Vec<(Located<String>, ConnectorConfig)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut connectors = Vec::new();
        while let Some(section) = map.next_key::<String>()? {
            if section == "connectors" {
                connectors = map.next_value_seed(Sections(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(connectors)
    }
}

impl<'de> DeserializeSeed<'de> for Sections<'_> {
    type Value = Vec<(Located<String>, ConnectorConfig)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Sections<'_> {
    type Value = Vec<(Located<String>, ConnectorConfig)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut connectors = Vec::new();
        let mut types = self.0.iter();
        while let Some(name) = map.next_key::<Located<String>>()? {
            let section = Section(types.next().copied().flatten());
            connectors.push((name, map.next_value_seed(section)?));
        }
        Ok(connectors)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
}

impl<'de> DeserializeSeed<'de> for Section<'_> {
    type Value = ConnectorConfig;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            Some("postgres") => {
                let postgres = PostgresConfig::deserialize(deserializer)?;
                Ok(ConnectorConfig::Postgres(Box::new(postgres)))
            }
            _ => Ok(ConnectorConfig::Http(Box::new(HttpConfig::deserialize(deserializer)?))),
        }
    }
}
