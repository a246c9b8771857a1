use std::time::{Duration, SystemTime};

/// A duration as it is typed: a whole number and one of `s`, `m`, `h`, `d`.
pub(crate) fn duration(typed: &str) -> Option<Duration> {
    let (number, unit) = typed.split_at_checked(typed.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let number = digits(number)?.checked_mul(seconds)?;
    // A century is longer than any setting means, and keeps later sums from overflowing.
    (1..=100 * 365 * 24 * 60 * 60).contains(&number).then(|| Duration::from_secs(number))
}

/// A range of lengths: `15..19` (both included) or `16`.
pub(super) fn lengths(typed: &str) -> Option<(usize, usize)> {
    let (min, max) = typed.split_once("..").unwrap_or((typed, typed));
    let number = |part: &str| digits(part).and_then(|n| usize::try_from(n).ok());
    let (min, max) = (number(min)?, number(max)?);
    (1 <= min && min <= max && max <= 1_000).then_some((min, max))
}

/// A range of integers: `-5..99`, both included.
pub(super) fn integers(typed: &str) -> Option<(i64, i64)> {
    let (from, to) = typed.split_once("..")?;
    let (from, to) = (signed(from)?, signed(to)?);
    (from <= to).then_some((from, to))
}

/// A range of decimals without their points, and how many digits stand behind it at both
/// ends: `0.00..99999.99`.
pub(super) fn decimals(typed: &str) -> Option<(i64, i64, u8)> {
    let (from, to) = typed.split_once("..")?;
    let without_point = |end: &str| {
        let (whole, fraction) = end.split_once('.')?;
        let given = digits(whole.strip_prefix('-').unwrap_or(whole)).is_some();
        let scale = u8::try_from(fraction.len()).ok().filter(|_| digits(fraction).is_some());
        Some((signed(&format!("{whole}{fraction}")).filter(|_| given)?, scale?))
    };
    let ((from, scale), (to, other)) = (without_point(from)?, without_point(to)?);
    (scale == other && from <= to).then_some((from, to, scale))
}

/// A range of days: `1900-01-01..2099-12-31`, both included.
pub(super) fn days(typed: &str) -> Option<(String, String)> {
    let (from, to) = typed.split_once("..")?;
    // Written with all their digits, dates are in the order of their texts.
    (is_day(from) && is_day(to) && from <= to).then(|| (from.to_owned(), to.to_owned()))
}

fn is_day(typed: &str) -> bool {
    let mut parts = typed.splitn(3, '-');
    let mut part = |length| parts.next().and_then(|part| fixed(part, length));
    let (Some(year), Some(month), Some(day)) = (part(4), part(2), part(2)) else { return false };
    year >= 1 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day)
}

/// Whether ranges as large as `from..=to`, beginning at these numbers, meet neither each
/// other nor that one; false if there is none.
pub(super) fn are_apart(from: i64, to: i64, starts: &[i64]) -> bool {
    let last = i128::from(to) - i128::from(from);
    let mut all: Vec<i128> = starts.iter().map(|start| i128::from(*start)).collect();
    let fit = all.iter().all(|start| start + last <= i128::from(i64::MAX));
    all.push(i128::from(from));
    all.sort_unstable();
    let apart = all.iter().zip(all.iter().skip(1)).all(|(one, next)| next - one > last);
    !starts.is_empty() && fit && apart
}

/// An instant (RFC 3339): a date means until its end in UTC, a date-time that instant.
pub(super) fn instant(typed: &str) -> Option<SystemTime> {
    let (date, time) = match typed.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (typed, None),
    };
    let mut parts = date.splitn(3, '-');
    let (year, month, day) =
        (fixed(parts.next()?, 4)?, fixed(parts.next()?, 2)?, fixed(parts.next()?, 2)?);
    if !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) || year < 1970 {
        return None;
    }
    let midnight = days_since_epoch(year, month, day).checked_mul(86_400)?;
    let seconds = match time {
        None => midnight + 86_400,
        Some(time) => midnight.checked_add(time_of_day(time)?)?,
    };
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Seconds since midnight UTC of `23:59:59`, with an optional fraction (dropped) and
/// `Z` or an offset.
fn time_of_day(typed: &str) -> Option<i64> {
    let (clock, rest) = typed.split_at_checked(8)?;
    let mut parts = clock.splitn(3, ':');
    let mut part = |most: i64| parts.next().and_then(|p| fixed(p, 2)).filter(|n| *n <= most);
    let (hour, minute, second) = (part(23)?, part(59)?, part(60)?);
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            (zone.len() < fraction.len()).then_some(zone)?
        }
        None => rest,
    };
    let (sign, zone) = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => (0, "00:00"),
        ("+", zone) => (-1, zone),
        ("-", zone) => (1, zone),
        _ => return None,
    };
    let (zone_hour, zone_minute) = zone.split_once(':')?;
    let offset = fixed(zone_hour, 2).filter(|h| *h <= 23)? * 3_600
        + fixed(zone_minute, 2).filter(|m| *m <= 59)? * 60;
    Some(hour * 3_600 + minute * 60 + second + sign * offset)
}

fn fixed(typed: &str, length: usize) -> Option<i64> {
    (typed.len() == length).then(|| digits(typed))?.and_then(|n| i64::try_from(n).ok())
}

fn signed(typed: &str) -> Option<i64> {
    match typed.strip_prefix('-') {
        Some(number) => digits(number).and_then(|n| 0_i64.checked_sub_unsigned(n)),
        None => digits(typed).and_then(|n| i64::try_from(n).ok()),
    }
}

fn digits(typed: &str) -> Option<u64> {
    let plain = !typed.is_empty() && typed.bytes().all(|b| b.is_ascii_digit());
    if plain { typed.parse().ok() } else { None }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |before: i64| (before - 1) / 4 - (before - 1) / 100 + (before - 1) / 400;
    let years = (year - 1970) * 365 + leap_days(year) - leap_days(1970);
    let months: i64 = (1..month).map(|m| days_in(year, m)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (typed, expected) in [
            ("180d", Some(180 * 86_400)),
            ("90s", Some(90)),
            ("10m", Some(600)),
            ("12h", Some(43_200)),
            ("0s", None),
            ("d", None),
            ("", None),
            ("1.5h", None),
            ("+1h", None),
            ("1w", None),
            ("1é", None),
            ("99999999999999999999d", None),
            ("40000d", None),
        ] {
            assert_eq!(duration(typed).map(|d| d.as_secs()), expected, "{typed}");
        }
    }

    #[test]
    fn ranges() {
        for (typed, expected) in [
            ("15..19", Some((15, 19))),
            ("16", Some((16, 16))),
            ("19..15", None),
            ("0..5", None),
            ("15-19", None),
            ("..19", None),
            ("15..1001", None),
        ] {
            assert_eq!(lengths(typed), expected, "{typed}");
        }
    }

    #[test]
    fn ranges_of_numbers() {
        for (typed, expected) in [
            ("0..999999999", Some((0, 999_999_999))),
            ("-5..-5", Some((-5, -5))),
            ("-9223372036854775808..9223372036854775807", Some((i64::MIN, i64::MAX))),
            ("0..9223372036854775808", None),
            ("5..4", None),
            ("5", None),
            ("+1..2", None),
            ("1..2..3", None),
            ("..", None),
        ] {
            assert_eq!(integers(typed), expected, "{typed}");
        }
        for (typed, expected) in [
            ("0.00..99999.99", Some((0, 9_999_999, 2))),
            ("-0.50..0.50", Some((-50, 50, 2))),
            ("0.0..9.99", None),
            ("0..9", None),
            (".5..0.6", None),
            ("0.5..0.", None),
            ("0.-5..0.6", None),
            ("1.0..0.9", None),
        ] {
            assert_eq!(decimals(typed), expected, "{typed}");
        }
    }

    #[test]
    fn ranges_of_days() {
        for (typed, expected) in [
            ("1900-01-01..2099-12-31", true),
            ("2024-02-29..2024-02-29", true),
            ("2023-02-29..2024-02-29", false),
            ("2024-01-02..2024-01-01", false),
            ("0000-01-01..2024-01-01", false),
            ("1-1-1..2024-01-01", false),
            ("2024-01-01", false),
            ("2024-01-01..", false),
        ] {
            assert_eq!(days(typed).is_some(), expected, "{typed}");
        }
    }

    #[test]
    fn ranges_that_meet() {
        for (from, to, starts, expected) in [
            (0, 9, &[10, 20][..], true),
            (0, 9, &[20, 10], true),
            (0, 9, &[9], false),
            (0, 9, &[10, 19], false),
            (0, 9, &[10, 10], false),
            (0, 9, &[-10], true),
            (0, 9, &[-9], false),
            (0, 9, &[], false),
            (0, 9, &[i64::MAX - 9], true),
            (0, 9, &[i64::MAX - 8], false),
            (i64::MIN, i64::MAX, &[0], false),
        ] {
            assert_eq!(are_apart(from, to, starts), expected, "{starts:?}");
        }
    }

    #[test]
    fn instants() {
        for (typed, expected) in [
            ("1970-01-01", Some(86_400)),
            ("2000-02-29", Some(951_868_800)),
            ("2026-11-23T00:00:00Z", Some(1_795_392_000)),
            ("2026-11-23T01:30:00+01:30", Some(1_795_392_000)),
            ("2026-11-22T22:00:00.250-02:00", Some(1_795_392_000)),
            ("2026-02-29", None),
            ("2026-13-01", None),
            ("2026-1-1", None),
            ("2026-11-23T00:00:00", None),
            ("2026-11-23T24:00:00Z", None),
            ("2026-11-23T00:00:00.Z", None),
            ("1969-12-31", None),
            ("tomorrow", None),
        ] {
            let seconds =
                instant(typed).map(|t| t.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
            assert_eq!(seconds, expected, "{typed}");
        }
    }
}
