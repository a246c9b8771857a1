use zeroize::Zeroizing;

use super::number;
use crate::Value;
use crate::piece::Encode;

/// How JSON writes values.
pub(super) const ENCODE: Encode = Encode { value, sibling };

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The text of a string that was found to be valid; nothing if it was not.
pub(super) fn unescape(raw: &[u8]) -> Option<Zeroizing<String>> {
    let mut rest = std::str::from_utf8(raw).ok()?;
    // Unescaped text is never longer, so the buffer never moves and leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(raw.len()));
    while let Some((run, escape)) = rest.split_once('\\') {
        text.push_str(run);
        let mut chars = escape.chars();
        let c = match chars.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => unicode(&mut chars)?,
            c => c,
        };
        text.push(c);
        rest = chars.as_str();
    }
    text.push_str(rest);
    Some(text)
}

fn unicode(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let first = hex(chars)?;
    let Some(high) = first.checked_sub(0xD800).filter(|high| *high < 0x400) else {
        return char::from_u32(first);
    };
    (chars.next()? == '\\' && chars.next()? == 'u').then_some(())?;
    let low = hex(chars)?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
    char::from_u32(0x1_0000 + (high << 10) + low)
}

fn hex(chars: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |code, _| Some(code << 4 | chars.next()?.to_digit(16)?))
}

fn value(value: &Value, out: &mut Vec<u8>) -> Result<(), &'static str> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(written) => {
            number::check(written)?;
            out.extend_from_slice(written.as_bytes());
        }
        Value::Text(text) => string(text, out),
    }
    Ok(())
}

fn sibling(name: &str, beside: &Value, out: &mut Vec<u8>) -> Result<(), &'static str> {
    out.push(b',');
    string(name, out);
    out.push(b':');
    value(beside, out)
}

/// Writes a string with no more escapes than RFC 8259 demands.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        let (run, tail) = rest.split_at(at);
        out.extend_from_slice(run.as_bytes());
        let mut bytes = tail.chars();
        if let Some(c) = bytes.next() {
            escape(c, out);
        }
        rest = bytes.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

fn escape(c: char, out: &mut Vec<u8>) {
    let short = match c {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        _ => {
            let code = u32::from(c) as usize;
            out.extend_from_slice(b"\\u00");
            out.extend([code >> 4, code & 15].iter().filter_map(|digit| DIGITS.get(*digit)));
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_no_more_than_needed() {
        let check = |text: &str, expected: &str| {
            let mut out = Vec::new();
            value(&Value::text(text), &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check("", r#""""#);
        check("grüße/€😀\u{7f}\u{2028}", "\"grüße/€😀\u{7f}\u{2028}\"");
        check("a\"b\\c", r#""a\"b\\c""#);
        check("\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f}", r#""\u0000\b\t\n\u000b\f\r\u001f""#);
    }

    #[test]
    fn escapes_are_read() {
        let check = |raw: &str, expected: Option<&str>| {
            assert_eq!(unescape(raw.as_bytes()).as_deref().map(String::as_str), expected, "{raw}");
        };
        check("plain", Some("plain"));
        check(r#"\"\\\/\b\f\n\r\t"#, Some("\"\\/\u{8}\u{c}\n\r\t"));
        check(r"\u0041\u00e9\u20AC\ud83d\uDE00\u0000", Some("Aé€😀\0"));
        check(r"\ud83d", None);
        check(r"\udc00", None);
        check(r"\ud83d\u0041", None);
    }

    #[test]
    fn siblings_and_other_kinds() {
        let mut out = Vec::new();
        sibling("a\"v", &Value::number("2"), &mut out).unwrap();
        sibling("b", &Value::Null, &mut out).unwrap();
        sibling("c", &Value::Bool(true), &mut out).unwrap();
        sibling("d", &Value::Bool(false), &mut out).unwrap();
        assert_eq!(out, br#","a\"v":2,"b":null,"c":true,"d":false"#);
        assert!(sibling("e", &Value::number("02"), &mut out).is_err());
    }
}
