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
