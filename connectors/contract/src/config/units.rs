//! Sizes and durations as people write them: `64KiB`, `500ms`.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A number of bytes: `65536`, `64KiB`, `1MiB`, `2GiB`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size(pub usize);

/// A length of time: `500ms`, `10s`, `5m`, `1h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Time(pub Duration);

impl Size {
    /// So many times 1,024 bytes.
    #[must_use]
    pub const fn kib(count: usize) -> Self {
        Self(count << 10)
    }

    /// So many times 1,048,576 bytes.
    #[must_use]
    pub const fn mib(count: usize) -> Self {
        Self(count << 20)
    }
}

impl Time {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        time(&text).map(Self).ok_or_else(|| {
            de::Error::custom("not a length of time above zero: write 500ms, 10s, 5m or 1h")
        })
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size above zero: 65536, 64KiB, 1MiB or 2GiB")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
        let whole = usize::try_from(bytes).ok().filter(|bytes| *bytes > 0);
        whole.map(Size).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(bytes), &self))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
        let whole = usize::try_from(bytes).ok().filter(|bytes| *bytes > 0);
        whole.map(Size).ok_or_else(|| E::invalid_value(de::Unexpected::Signed(bytes), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        size(text).map(Size).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

fn size(text: &str) -> Option<usize> {
    let (count, unit) = split(text)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    usize::try_from(count).ok()?.checked_mul(1 << shift).filter(|bytes| *bytes > 0)
}

fn time(text: &str) -> Option<Duration> {
    let (count, unit) = split(text)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let total = count.checked_mul(milliseconds)?;
    // Deadlines are added to the present; a year is more than anyone waits.
    (1..=31_536_000_000).contains(&total).then(|| Duration::from_millis(total))
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at_checked(end)?;
    Some((count.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            ("1", Some(1)),
            ("64KiB", Some(65_536)),
            ("64 KiB", Some(65_536)),
            ("1MiB", Some(1 << 20)),
            ("2GiB", Some(2 << 30)),
            ("0", None),
            ("1KB", None),
            ("-1", None),
            ("", None),
            ("99999999999999999999GiB", None),
            ("18446744073709551615GiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(size(text), expected, "{text}");
        }
    }

    #[test]
    fn times() {
        let cases = [
            ("500ms", Some(500)),
            ("10s", Some(10_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("0s", None),
            ("10", None),
            ("1d", None),
            ("99999999h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(time(text), expected.map(Duration::from_millis), "{text}");
        }
    }
}
