use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Reason;

/// The longest text of a claim that is used, in bytes.
const LONGEST: usize = 256;
/// The most roles one token can give.
const ROLES: usize = 256;

/// A JSON object in which no name occurs twice, at any depth: with two, it is for the
/// reader to choose which one was signed.
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// Reads one.
    pub(super) fn parse(json: &[u8]) -> Result<Self, Reason> {
        match serde_json::from_slice(json) {
            Ok(Unique(Value::Object(claims))) => Ok(Self(claims)),
            Ok(_) => Err(Reason::Claims),
            Err(_) => Err(Reason::Malformed),
        }
    }

    /// A text, if there is one; of another type or unfit, it is an error.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Reason> {
        match self.find(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_fit(text) => Ok(Some(text)),
            Some(_) => Err(Reason::Claims),
        }
    }

    /// Whether there is such a claim, of whatever type.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A `NumericDate` (RFC 7519 section 2) in whole seconds, if there is one; a text,
    /// a fraction or a negative number is an error.
    pub(super) fn time(&self, name: &str) -> Result<Option<SystemTime>, Reason> {
        let Some(value) = self.find(name) else {
            return Ok(None);
        };
        let seconds = value.as_u64().ok_or(Reason::Claims)?;
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        time.map(Some).ok_or(Reason::Claims)
    }

    /// A text or an array of texts, as `aud` and roles are; absent is none.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Reason> {
        let one = |value: &Value| match value {
            Value::String(text) if is_fit(text) => Ok(text.clone()),
            _ => Err(Reason::Claims),
        };
        match self.find(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) if values.len() <= ROLES => values.iter().map(one).collect(),
            Some(value) => Ok(vec![one(value)?]),
        }
    }

    /// The named claims that are there, all of which have to be texts.
    pub(super) fn subset(&self, names: &[String]) -> Result<BTreeMap<String, String>, Reason> {
        let mut found = BTreeMap::new();
        for name in names {
            if let Some(text) = self.text(name)? {
                found.insert(name.clone(), text.to_owned());
            }
        }
        Ok(found)
    }

    /// A claim of this very name, or else along a path with dots.
    fn find(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let mut parts = name.split('.');
        let first = self.0.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.as_object()?.get(part))
    }
}

/// Short enough, not empty, and without characters that could forge a log line.
fn is_fit(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Any JSON value without repeated names.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated names")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("no such number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, Unique>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name occurs twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_without_repeated_names_and_nothing_else() {
        for (json, expected) in [
            (r#"{}"#, None),
            (r#"{"a":1,"b":{"a":[{"a":null},1.5,-2,true,"x"]}}"#, None),
            (r#"{"a":1,"a":1}"#, Some(Reason::Malformed)),
            (r#"{"a":1,"\u0061":1}"#, Some(Reason::Malformed)),
            (r#"{"x":[{"a":1,"a":2}]}"#, Some(Reason::Malformed)),
            (r#"[]"#, Some(Reason::Claims)),
            (r#""x""#, Some(Reason::Claims)),
            (r#"{} {}"#, Some(Reason::Malformed)),
            (r#"{"a":1"#, Some(Reason::Malformed)),
            ("", Some(Reason::Malformed)),
            ("{\"a\":\"\u{1}\"}", Some(Reason::Malformed)),
        ] {
            assert_eq!(Claims::parse(json.as_bytes()).err(), expected, "{json}");
        }
        assert_eq!(Claims::parse(b"{\"a\":\"\xff\"}").err(), Some(Reason::Malformed));
        let deep = "[".repeat(100_000);
        assert_eq!(Claims::parse(deep.as_bytes()).err(), Some(Reason::Malformed));
    }

    #[test]
    fn claims_are_found_by_name_and_then_by_path() {
        let json = r#"{"a.b":"literal","a":{"b":"nested","c":{"d":["x","y"]}},"n":{"e":"z"}}"#;
        let claims = Claims::parse(json.as_bytes()).unwrap();
        assert_eq!(claims.text("a.b"), Ok(Some("literal")));
        assert_eq!(claims.texts("a.c.d"), Ok(vec!["x".to_owned(), "y".to_owned()]));
        assert_eq!(claims.text("n.e"), Ok(Some("z")));
        assert_eq!(claims.text("n.e.f"), Ok(None));
        assert_eq!(claims.text("a"), Err(Reason::Claims));
        assert_eq!(claims.text(""), Ok(None));
        assert_eq!(claims.texts("missing"), Ok(vec![]));
    }

    #[test]
    fn texts_are_bounded_and_clean() {
        for (value, fit) in [
            ("\"x\"".to_owned(), true),
            ("\"\"".to_owned(), false),
            (r#""a\nb""#.to_owned(), false),
            (r#""a\u0085b""#.to_owned(), false),
            (format!("\"{}\"", "x".repeat(256)), true),
            (format!("\"{}\"", "x".repeat(257)), false),
            ("5".to_owned(), false),
            ("null".to_owned(), false),
            ("[5]".to_owned(), false),
        ] {
            let claims = Claims::parse(format!("{{\"a\":{value}}}").as_bytes()).unwrap();
            assert_eq!(claims.text("a").is_ok(), fit, "{value}");
            assert_eq!(claims.texts("a").is_ok(), fit, "{value}");
        }
    }

    #[test]
    fn times_are_whole_seconds() {
        for (value, fit) in [
            ("0", true),
            ("1800000000", true),
            ("1.5", false),
            ("1800000000.0", false),
            ("1e9", false),
            ("-1", false),
            ("\"1800000000\"", false),
            ("null", false),
            ("18446744073709551615", false),
            ("18446744073709551616", false),
            ("[1]", false),
        ] {
            let claims = Claims::parse(format!("{{\"exp\":{value}}}").as_bytes()).unwrap();
            assert_eq!(claims.time("exp").is_ok(), fit, "{value}");
        }
    }
}
