use std::fmt;

use allonym_contract::Location;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use super::Located;
use super::entries::Entries;
use super::error::custom;

/// One of the configuration's own tests: what a role sees of a plain value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Where it stands.
    #[serde(skip)]
    pub at: Location,
    /// The record, in plain; the test protects it first.
    pub given: Given,
    /// As whom it is read.
    #[serde(rename = "as")]
    pub role: Located<String>,
    /// For what purpose.
    pub purpose: Option<Located<String>>,
    /// What must come back, by selector, in file order.
    #[serde(deserialize_with = "scalars")]
    pub sees: Vec<(Located<String>, Scalar)>,
}

/// The record of a test.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The connector.
    pub connector: Located<String>,
    /// The place, as the connector names it.
    pub route: Located<String>,
    /// Plain values by selector, in file order.
    #[serde(deserialize_with = "scalars")]
    pub value: Vec<(Located<String>, Scalar)>,
}

/// A value of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// Null.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number, in decimal digits.
    Number(String),
    /// Text.
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, true, false or null")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.to_string()))
            }

            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Scalar, E> {
                Err(custom("a number with a fraction cannot be compared exactly", "quote it"))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Null)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

fn scalars<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(Located<String>, Scalar)>, D::Error> {
    Entries::deserialize(deserializer).map(|entries| entries.0)
}
