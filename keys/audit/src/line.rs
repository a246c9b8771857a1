use std::io::Write as _;

use crate::chain::{self, Broken, Head};
use crate::error::AuditError;
use crate::{Event, time};

/// The longest event, as JSON, in bytes.
pub(crate) const MAX_EVENT: usize = 64 * 1024;
/// The longest line with its end, in bytes: an event and what stands around it.
pub(crate) const MAX_LINE: usize = MAX_EVENT + 320;

const PREVIOUS: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b",\"hash\":\"";

/// An event as it stands in its line: made once, on the thread that has it.
pub(crate) fn encode(event: &Event) -> Result<Vec<u8>, AuditError> {
    let json =
        serde_json::to_vec(event).map_err(|error| AuditError::Unwritable(error.to_string()))?;
    if json.len() > MAX_EVENT {
        return Err(AuditError::TooLarge { limit: MAX_EVENT });
    }
    Ok(json)
}

/// Appends the line that follows `head` and says what the head is after it:
/// `{"seq":N,"time":"T",<the event's members>,"prev":"H","hash":"H"}`.
pub(crate) fn append(out: &mut Vec<u8>, head: &Head, time: &str, event: &[u8]) -> Head {
    let start = out.len();
    let sequence = head.sequence.saturating_add(1);
    // Writing to memory does not fail.
    let _ = write!(out, "{{\"seq\":{sequence},\"time\":\"{time}\",");
    out.extend_from_slice(event.get(1..event.len().saturating_sub(1)).unwrap_or_default());
    out.extend_from_slice(PREVIOUS);
    chain::push_hex(out, &head.hash);
    out.push(b'"');
    let hash = chain::hash(&head.hash, out.get(start..).unwrap_or_default());
    out.extend_from_slice(HASH);
    chain::push_hex(out, &hash);
    out.extend_from_slice(b"\"}\n");
    Head { sequence, hash }
}

/// A line, taken apart.
pub(crate) struct Line<'a> {
    pub(crate) sequence: u64,
    pub(crate) time: &'a str,
    pub(crate) previous: [u8; 32],
    pub(crate) hash: [u8; 32],
    /// The event's members, without braces.
    members: &'a [u8],
    /// What the hash is taken over, besides the hash before.
    body: &'a [u8],
}

impl<'a> Line<'a> {
    /// Takes a line (without its end) apart, byte for byte as [`append`] writes it.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Broken> {
        Self::split(line).ok_or(Broken::Malformed)
    }

    fn split(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(b"\"}")?;
        let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
        let body = rest.strip_suffix(HASH)?;
        let rest = body.strip_suffix(b"\"")?;
        let (rest, previous) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
        let rest = rest.strip_suffix(PREVIOUS)?.strip_prefix(b"{\"seq\":")?;
        let comma = rest.iter().position(|byte| *byte == b',')?;
        let (digits, rest) = rest.split_at_checked(comma)?;
        let (time, rest) = rest.strip_prefix(b",\"time\":\"")?.split_at_checked(time::LENGTH)?;
        if !time::is_rfc3339(time) {
            return None;
        }
        Some(Self {
            sequence: number(digits)?,
            time: std::str::from_utf8(time).ok()?,
            previous: chain::parse_hex(previous)?,
            hash: chain::parse_hex(hash)?,
            members: rest.strip_prefix(b"\",")?,
            body,
        })
    }

    /// Whether it follows the line that `before` is the head of, and holds.
    pub(crate) fn follows(&self, before: &Head) -> Result<(), Broken> {
        if before.sequence.checked_add(1) != Some(self.sequence) {
            return Err(Broken::Sequence { found: self.sequence });
        }
        if self.previous != before.hash {
            return Err(Broken::Previous);
        }
        self.holds()
    }

    /// Whether its hash is that of its content.
    pub(crate) fn holds(&self) -> Result<(), Broken> {
        if chain::hash(&self.previous, self.body) == self.hash { Ok(()) } else { Err(Broken::Hash) }
    }

    /// The event in it.
    pub(crate) fn event(&self) -> Result<Event, Broken> {
        let json = [b"{".as_slice(), self.members, b"}"].concat();
        serde_json::from_slice(&json).map_err(|_| Broken::Malformed)
    }

    /// The head of a log that ends with it.
    pub(crate) const fn head(&self) -> Head {
        Head { sequence: self.sequence, hash: self.hash }
    }

    /// The head of a log that ends before it.
    pub(crate) const fn before(&self) -> Head {
        Head { sequence: self.sequence.saturating_sub(1), hash: self.previous }
    }
}

/// A number as it is written: digits without a leading zero.
fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.starts_with(b"0") && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClassCount, EventKind};

    fn full() -> Event {
        let mut event =
            Event::new(EventKind::Result, "token:\"shop\"\n", "reveal").with_detail("a", "ü");
        event.request = Some("r".into());
        event.place = Some("api GET /v1/{id}".into());
        event.classes =
            vec![ClassCount { class: "email".into(), outcome: "plain".into(), count: 3 }];
        event.purpose = Some("chargeback".into());
        event.outcome = Some("ok".into());
        event.rule = Some("access".into());
        event.key_versions.insert("contact".into(), vec![1, 2]);
        event.of = Some(4);
        event
    }

    #[test]
    fn a_line_is_a_stored_format() {
        let mut out = Vec::new();
        let event = encode(&full()).unwrap();
        let head = append(&mut out, &Head::EMPTY, "2026-11-23T00:00:00.000000Z", &event);
        let text = String::from_utf8(out).unwrap();
        let (body, hash) = text.split_once(",\"hash\"").unwrap();
        assert_eq!(
            body,
            format!(
                concat!(
                    r#"{{"seq":1,"time":"2026-11-23T00:00:00.000000Z","kind":"result","request":"r","#,
                    r#""actor":"token:\"shop\"\n","action":"reveal","place":"api GET /v1/{{id}}","#,
                    r#""classes":[{{"class":"email","outcome":"plain","count":3}}],"purpose":"chargeback","#,
                    r#""outcome":"ok","rule":"access","key_versions":{{"contact":[1,2]}},"#,
                    r#""detail":{{"a":"ü"}},"of":4,"prev":"{}""#
                ),
                "0".repeat(64)
            )
        );
        let expected = Head { sequence: 1, hash: chain::hash(&[0; 32], body.as_bytes()) };
        assert_eq!(head, expected);
        assert_eq!(hash, format!(":\"{}\"}}\n", &expected.to_string()[2..]));
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    #[test]
    fn a_line_comes_apart_as_it_was_put_together() {
        let mut out = Vec::new();
        let head = append(
            &mut out,
            &Head::EMPTY,
            "2026-11-23T00:00:00.000000Z",
            &encode(&full()).unwrap(),
        );
        let line = Line::parse(&out[..out.len() - 1]).unwrap();
        assert_eq!(line.event(), Ok(full()));
        assert_eq!((line.head(), line.before()), (head, Head::EMPTY));
        assert_eq!(line.follows(&Head::EMPTY), Ok(()));
        assert_eq!(line.follows(&head), Err(Broken::Sequence { found: 1 }));
        assert_eq!(line.follows(&Head { sequence: 0, hash: [1; 32] }), Err(Broken::Previous));
        for end in 0..out.len() - 1 {
            assert!(Line::parse(&out[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn an_event_has_a_limit() {
        let large = |length| encode(&Event::new(EventKind::Admin, "a".repeat(length), "x"));
        let around = large(0).unwrap().len();
        assert_eq!(large(MAX_EVENT - around).unwrap().len(), MAX_EVENT);
        assert_eq!(large(MAX_EVENT - around + 1), Err(AuditError::TooLarge { limit: MAX_EVENT }));
        let head = Head { sequence: u64::MAX - 1, hash: [0; 32] };
        let mut out = Vec::new();
        append(&mut out, &head, "2026-11-23T00:00:00.000000Z", &large(MAX_EVENT - around).unwrap());
        assert!(out.len() <= MAX_LINE);
    }
}
