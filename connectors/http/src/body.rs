//! A body on its way to the guard: content coding off, then taken apart by the codec.

use std::io::Write as _;
use std::sync::Arc;

use allonym_contract::{Fault, Refusal};
use allonym_record::Piece;
use allonym_record::codec::json::Json;
use allonym_record::codec::{Codec, CodecError};
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, header};

/// Compressed bytes are fed in steps of this size, so that a bomb is seen before it has
/// filled the memory: one step can become a thousand times as much.
const STEP: usize = 1 << 10;
/// How much larger than its compressed form a body may be.
const RATIO: usize = 100;
/// Below this size a ratio says nothing.
const RATIO_FROM: usize = 64 << 10;

/// How a body is coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

/// Reads one JSON body.
pub(crate) struct Body {
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    json: Json,
    /// The rules of the place as they are written, for errors.
    rules: Arc<[String]>,
    coded: usize,
    decoded: usize,
    most: usize,
}

impl Body {
    pub(crate) fn new(coding: Coding, json: Json, rules: &Arc<[String]>, most: usize) -> Self {
        Self {
            gzip: (coding == Coding::Gzip).then(|| MultiGzDecoder::new(Vec::new())),
            json,
            rules: Arc::clone(rules),
            coded: 0,
            decoded: 0,
            most,
        }
    }

    /// Takes the next bytes; what is complete is added to `pieces`.
    ///
    /// # Errors
    /// Bytes that are not what they say they are, or too many of them.
    pub(crate) fn push(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        self.coded += bytes.len();
        let Some(gzip) = &mut self.gzip else {
            self.decoded += bytes.len();
            return self.decode(bytes, pieces);
        };
        let mut plain = Vec::new();
        for step in bytes.chunks(STEP) {
            gzip.write_all(step).map_err(|_| not_gzip())?;
            self.decoded += gzip.get_ref().len();
            plain.append(gzip.get_mut());
            if self.decoded > self.most {
                return Err(too_large());
            }
            if self.decoded > RATIO_FROM && self.decoded / RATIO > self.coded {
                let says = "the body is more than a hundred times larger than its compressed form";
                return Err(Refusal::new(Fault::TooLarge, "compression-ratio", says));
            }
        }
        self.decode(&plain, pieces)
    }

    /// Ends the body. One without a single byte is none.
    ///
    /// # Errors
    /// When it is not complete.
    pub(crate) fn finish(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        if self.coded == 0 {
            return Ok(());
        }
        if let Some(gzip) = &mut self.gzip {
            gzip.try_finish().map_err(|_| not_gzip())?;
            let rest = std::mem::take(gzip.get_mut());
            self.decoded += rest.len();
            self.decode(&rest, pieces)?;
        }
        let rest = self.json.finish().map_err(|error| refused(error, &self.rules))?;
        if !rest.is_empty() {
            pieces.push(rest);
        }
        Ok(())
    }

    /// How many bytes it has, decoded, so far.
    pub(crate) const fn decoded(&self) -> usize {
        self.decoded
    }

    fn decode(&mut self, plain: &[u8], pieces: &mut Vec<Piece>) -> Result<(), Refusal> {
        if self.decoded > self.most {
            return Err(too_large());
        }
        let piece = self.json.push(plain).map_err(|error| refused(error, &self.rules))?;
        if !piece.is_empty() {
            pieces.push(piece);
        }
        Ok(())
    }
}

/// A body over the limit.
pub(crate) fn too_large() -> Refusal {
    Refusal::new(Fault::TooLarge, "body-too-large", "the body is larger than limits.body_bytes")
}

/// How a body is coded, if it is in a way we can take off.
///
/// # Errors
/// Any other coding: it would pass unread.
pub(crate) fn coding(headers: &HeaderMap) -> Result<Coding, Refusal> {
    let mut coding = Coding::Identity;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let name = value.as_bytes().trim_ascii();
        if name.eq_ignore_ascii_case(b"identity") {
            continue;
        }
        let gzip = name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip");
        if !gzip || coding == Coding::Gzip {
            let says = "a body is taken apart here: only identity and gzip can be read";
            return Err(Refusal::new(Fault::Unsupported, "content-encoding", says));
        }
        coding = Coding::Gzip;
    }
    Ok(coding)
}

/// Whether a body says that it is JSON in UTF-8.
///
/// # Errors
/// When it says anything else, or nothing.
pub(crate) fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    let json = value.is_some_and(|value| {
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        is_document(&essence)
            && parts.all(|part| !part.to_ascii_lowercase().starts_with("charset") || utf_8(part))
    });
    if json {
        return Ok(());
    }
    let says = "a body is taken apart here: its content type must be application/json, in UTF-8";
    Err(Refusal::new(Fault::Unsupported, "content-type", says))
}

/// Whether a type is that of a document, and not of a list of changes to one: there a
/// value stands under another name than its own.
fn is_document(essence: &str) -> bool {
    let Some((_, subtype)) = essence.split_once('/').filter(|(_, subtype)| !subtype.contains('/'))
    else {
        return false;
    };
    let patch = subtype.contains("patch") && subtype != "merge-patch+json";
    essence == "application/json" || (subtype.ends_with("+json") && !patch)
}

fn utf_8(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("charset")
            && value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}

fn not_gzip() -> Refusal {
    Refusal::new(Fault::Malformed, "bad-gzip", "the body says gzip and is not, or not all of it")
}

fn refused(error: CodecError, rules: &[String]) -> Refusal {
    let (fault, rule) = match error {
        CodecError::Malformed { .. } => (Fault::Malformed, "malformed-json"),
        CodecError::Limit { .. } => (Fault::TooLarge, "json-limit"),
        CodecError::Composite { .. } => (Fault::Unacceptable, "not-a-single-value"),
        CodecError::Ambiguous { .. } => (Fault::Unacceptable, "ambiguous-selectors"),
        CodecError::AmbiguousName { rule, offset } => {
            let says = format!(
                "the name at byte {offset} differs in case only from a selected one, and some \
                 readers take it for that one"
            );
            let field = rules.get(rule).map_or("", String::as_str);
            return Refusal::new(Fault::Unacceptable, "name-ambiguous", says).at(field);
        }
    };
    Refusal::new(fault, rule, format!("the body is {}", describe(error)))
}

fn describe(error: CodecError) -> String {
    match error {
        CodecError::Composite { .. } => format!("not what the place expects: {error}"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(name.clone(), value.parse().unwrap());
        }
        map
    }

    #[test]
    fn content_types() {
        let cases: [(&[&str], bool); 23] = [
            (&["application/merge-patch+json"], true),
            (&["application/vnd.api+json"], true),
            (&["application/ld+json; charset=utf-8"], true),
            (&["application/json-patch+json"], false),
            (&["Application/JSON-Patch+JSON; charset=utf-8"], false),
            (&["application/strategic-merge-patch+json"], false),
            (&["application/json-seq"], false),
            (&["application/json"], true),
            (&["Application/JSON; charset=UTF-8"], true),
            (&["application/json;charset=\"utf-8\""], true),
            (&["application/problem+json"], true),
            (&["application/json; profile=x"], true),
            (&["application/json; charset=utf-16"], false),
            (&["application/json; charset=iso-8859-1"], false),
            (&["application/json; charset = utf-16"], false),
            (&["application/json; charset"], false),
            (&["text/plain"], false),
            (&["application/jsonx"], false),
            (&["multipart/form-data; boundary=x"], false),
            (&["application/x-ndjson"], false),
            (&["json"], false),
            (&[], false),
            (&["application/json", "text/plain"], false),
        ];
        for (values, expected) in cases {
            let map = headers(header::CONTENT_TYPE, values);
            assert_eq!(is_json(&map).is_ok(), expected, "{values:?}");
        }
    }

    #[test]
    fn codings() {
        let cases: [(&[&str], Option<Coding>); 8] = [
            (&[], Some(Coding::Identity)),
            (&["identity"], Some(Coding::Identity)),
            (&["gzip"], Some(Coding::Gzip)),
            (&["X-GZIP"], Some(Coding::Gzip)),
            (&["br"], None),
            (&["gzip, br"], None),
            (&["gzip", "gzip"], None),
            (&["deflate"], None),
        ];
        for (values, expected) in cases {
            let map = headers(header::CONTENT_ENCODING, values);
            assert_eq!(coding(&map).ok(), expected, "{values:?}");
        }
    }
}
