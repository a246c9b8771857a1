//! Tokens with their values as lines of JSON: `docs/tokens.md` says what each means.

mod export;
mod import;

use allonym_record::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::upkeep::Metadata;

pub use export::Exporter;
pub use import::{ImportError, Imported, Importer, Summary};

const FORMAT: &str = "allonym-tokens";
const VERSION: u32 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    /// The id of the domain they come from; absent where that is not one of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
}

/// The last line.
#[derive(Serialize)]
struct Trailer {
    end: bool,
    lines: u64,
}

/// Any line after the first.
#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<u64>,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<LineKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Plain>,
    #[serde(skip_serializing_if = "String::is_empty")]
    tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(skip_serializing_if = "is_false")]
    disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_hash: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    shared: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<String>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    meta: Metadata,
}

/// A value as a line writes it. Wiped when dropped.
struct Plain(Zeroizing<String>);

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LineKind {
    Text,
    Number,
    Boolean,
}

impl Line {
    /// Takes over what a value says.
    fn set_value(&mut self, value: &Value) {
        let (kind, text) = match value {
            Value::Null => return,
            Value::Bool(true) => (LineKind::Boolean, "true"),
            Value::Bool(false) => (LineKind::Boolean, "false"),
            Value::Number(written) => (LineKind::Number, written.as_str()),
            Value::Text(text) => (LineKind::Text, text.as_str()),
        };
        self.kind = Some(kind);
        self.value = Some(Plain(Zeroizing::new(text.to_owned())));
    }

    /// Whether nothing but what the last line has is in it.
    fn is_last(&self) -> bool {
        self.token.is_empty() && self.tenant.is_empty() && self.claim.is_none() && self.is_bare()
    }

    /// Whether nothing but what a claim has is in it.
    fn is_bare_claim(&self) -> bool {
        self.end.is_none() && self.lines.is_none() && self.is_bare()
    }

    /// Whether nothing is in it that token lines alone have.
    fn is_bare(&self) -> bool {
        let value = self.kind.is_some() || self.value.is_some();
        let times = self.created.is_some() || self.expires.is_some();
        let about = self.subject.is_some() || self.subject_hash.is_some() || self.shared;
        !(value || times || about || self.disabled || !self.meta.is_empty())
    }

    fn value(&self) -> Option<Value> {
        let text = self.value.as_ref()?.0.as_str();
        Some(match self.kind.unwrap_or(LineKind::Text) {
            LineKind::Text => Value::text(text),
            // Only a number that JSON could have held goes out as one again.
            LineKind::Number => {
                let json = serde_json::from_str::<&RawValue>(text).ok()?;
                let number = json.get() == text
                    && text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
                return number.then(|| Value::number(text));
            }
            LineKind::Boolean => Value::Bool(text.parse().ok()?),
        })
    }
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Zeroizing::new(String::deserialize(deserializer)?)))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}
