//! The target of a request: read once, so that what is matched, what is protected and
//! what the upstream sees are the same thing.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Path and query of a request.
pub(crate) struct Target {
    segments: Vec<Written>,
    /// Without the `?`.
    query: Option<Query>,
}

/// A part of a target: as it reads, and as it was written.
pub(crate) struct Written {
    raw: String,
    decoded: String,
}

enum Query {
    Raw(String),
    Pairs(Vec<Pair>),
}

/// One `name=value` of a query.
pub(crate) struct Pair {
    pub(crate) name: Written,
    pub(crate) value: Option<Written>,
}

impl Target {
    /// Reads a request target.
    ///
    /// # Errors
    /// What two readers could understand differently: dot segments, empty segments,
    /// encoded slashes, dots and control characters, invalid UTF-8. Says which.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(raw).map_err(|_| "the target is not text")?;
        if !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains('#') {
            return Err("the target holds characters that must be percent-encoded");
        }
        let text = without_origin(text).ok_or("the target is not a path")?;
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(Query::Raw(query.to_owned()))),
            None => (text, None),
        };
        let rest = path.strip_prefix('/').ok_or("the target is not a path")?;
        let mut segments = Vec::new();
        if !rest.is_empty() {
            let mut parts = rest.split('/').peekable();
            while let Some(part) = parts.next() {
                // A path may end with a slash; it matches no route then.
                if part.is_empty() && parts.peek().is_some() {
                    return Err("the path has an empty segment");
                }
                segments.push(segment(part)?);
            }
        }
        Ok(Self { segments, query })
    }

    /// How many segments the path has.
    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }

    /// The path's segments, decoded.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(Written::as_str)
    }

    /// One segment.
    pub(crate) fn segment(&mut self, index: usize) -> Option<&mut Written> {
        self.segments.get_mut(index)
    }

    /// The query, taken apart.
    ///
    /// # Errors
    /// What two readers could understand differently.
    pub(crate) fn pairs(&mut self) -> Result<&mut [Pair], &'static str> {
        if let Some(Query::Raw(raw)) = &self.query {
            self.query = Some(Query::Pairs(pairs(raw)?));
        }
        match &mut self.query {
            Some(Query::Pairs(pairs)) => Ok(pairs),
            _ => Ok(&mut []),
        }
    }

    /// As it goes to the upstream: what was not changed is written as it came.
    pub(crate) fn to_wire(&self) -> String {
        let mut out = String::new();
        for segment in &self.segments {
            out.push('/');
            out.push_str(&segment.raw);
        }
        if self.segments.is_empty() {
            out.push('/');
        }
        match &self.query {
            None => {}
            Some(Query::Raw(raw)) => {
                out.push('?');
                out.push_str(raw);
            }
            Some(Query::Pairs(pairs)) => {
                for (index, pair) in pairs.iter().enumerate() {
                    out.push(if index == 0 { '?' } else { '&' });
                    out.push_str(&pair.name.raw);
                    if let Some(value) = &pair.value {
                        out.push('=');
                        out.push_str(&value.raw);
                    }
                }
            }
        }
        out
    }
}

impl Written {
    /// As it reads.
    pub(crate) fn as_str(&self) -> &str {
        &self.decoded
    }

    /// Puts another text in.
    pub(crate) fn replace(&mut self, text: &str) {
        if text != self.decoded {
            self.raw = encoded(text);
            text.clone_into(&mut self.decoded);
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.raw);
        zeroize::Zeroize::zeroize(&mut self.decoded);
    }
}

/// `http://host/path` is `/path`; Pingora has compared the host with `Host`.
fn without_origin(text: &str) -> Option<&str> {
    if text.starts_with('/') {
        return Some(text);
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    Some(rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/"))
}

fn segment(raw: &str) -> Result<Written, &'static str> {
    let lower = raw.to_ascii_lowercase();
    if lower.contains("%2e") {
        return Err("the path holds a percent-encoded dot");
    }
    if lower.contains("%2f") || lower.contains("%5c") || raw.contains('\\') {
        return Err("the path holds an encoded slash or a backslash");
    }
    let decoded = decoded(raw)?;
    if decoded == "." || decoded == ".." || decoded.starts_with(".;") || decoded.starts_with("..;")
    {
        return Err("the path has a dot segment");
    }
    if decoded.chars().any(char::is_control) {
        return Err("the path holds a control character");
    }
    Ok(Written { raw: raw.to_owned(), decoded: decoded.into_owned() })
}

fn pairs(raw: &str) -> Result<Vec<Pair>, &'static str> {
    if raw.contains(';') {
        return Err("the query holds a `;`, which some take for a separator: encode it as %3B");
    }
    let written = |raw: &str| -> Result<Written, &'static str> {
        let spaced = raw.replace('+', " ");
        let text = decoded(&spaced)?.into_owned();
        Ok(Written { raw: raw.to_owned(), decoded: text })
    };
    raw.split('&')
        .map(|part| match part.split_once('=') {
            Some((name, value)) => Ok(Pair { name: written(name)?, value: Some(written(value)?) }),
            None => Ok(Pair { name: written(part)?, value: None }),
        })
        .collect()
}

fn decoded(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
            return Err("a percent sign is not followed by two hexadecimal digits");
        };
        out.push(u8::try_from(high << 4 | low).unwrap_or_default());
    }
    let text = String::from_utf8(out).map_err(|_| "percent-encoded bytes are not UTF-8")?;
    Ok(Cow::Owned(text))
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        let refused = [
            "/a//b",
            "//a",
            "/a/./b",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/%2E/b",
            "/a/x%2ey",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00b",
            "/a%0ab",
            "/a%7fb",
            "/a%ff",
            "/a%zz",
            "/a%2",
            "/a#b",
            "/a b",
            "/\u{e4}",
            "a",
            "",
            "*",
            "/a/..;x/b",
            "ftp://h/a",
            "/a%C2%85b",
        ];
        for raw in refused {
            assert!(Target::parse(raw.as_bytes()).is_err(), "{raw} was taken");
        }
        assert!(Target::parse(b"/a\xff").is_err());
    }

    #[test]
    fn what_is_not_changed_is_written_as_it_came() {
        let kept = [
            "/",
            "/a",
            "/a/",
            "/a/b?x=1&y",
            "/%C3%A4",
            "/a?",
            "/a?x=%3b&&=",
            "/a;b=1/c",
            "/%61?q=%zz",
        ];
        for raw in kept {
            assert_eq!(Target::parse(raw.as_bytes()).unwrap().to_wire(), raw);
        }
        let mut target = Target::parse(b"/a?x=1+2&&y&z=%C3%A4&=").unwrap();
        target.pairs().unwrap();
        assert_eq!(target.to_wire(), "/a?x=1+2&&y&z=%C3%A4&=");
        assert_eq!(Target::parse(b"http://h:1/a?b").unwrap().to_wire(), "/a?b");
        assert_eq!(Target::parse(b"http://h").unwrap().to_wire(), "/");
    }

    #[test]
    fn values_are_read_and_replaced() {
        let mut target = Target::parse(b"/u/j%C3%A4%40x?e=a%40b+c").unwrap();
        assert_eq!(target.segments().collect::<Vec<_>>(), ["u", "jä@x"]);
        target.segment(1).unwrap().replace("ö/?");
        let pair = target.pairs().unwrap().first_mut().unwrap();
        let value = pair.value.as_mut().unwrap();
        assert_eq!(value.as_str(), "a@b c");
        value.replace("x&y=z");
        assert_eq!(target.to_wire(), "/u/%C3%B6%2F%3F?e=x%26y%3Dz");
    }

    #[test]
    fn ambiguous_queries_are_refused() {
        for raw in ["/a?x=1;y=2", "/a?x=%", "/a?x=%ff"] {
            assert!(Target::parse(raw.as_bytes()).unwrap().pairs().is_err(), "{raw}");
        }
    }
}
