use zeroize::Zeroizing;

use super::{Class, Rank, Ranked, integer, window};
use crate::calendar::civil_from_days;
use crate::{FaultRule, SpecError, TimestampFormat};

const SECONDS_A_DAY: i64 = 86_400;

/// Moments of a window of whole days, in UTC, counted from its first in the format's own
/// resolution. There are no leap seconds.
struct Moments {
    format: TimestampFormat,
    /// The first moment, in units since 1970.
    first: i64,
    classes: [Class; 1],
}

/// The format of a specification.
pub(crate) fn build(
    format: TimestampFormat,
    from: &str,
    to: &str,
) -> Result<Box<dyn Ranked>, SpecError> {
    let (first, last) = window::days(from, to)?;
    let a_day = SECONDS_A_DAY * units(format);
    let days = u128::from(last.abs_diff(first)) + 1;
    let size = days * u128::from(a_day.unsigned_abs());
    let classes = [Class { name: format!("moments from {from} to {to}"), size }];
    Ok(Box::new(Moments { format, first: first * a_day, classes }))
}

impl Ranked for Moments {
    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn rank(&self, text: &str) -> Result<Rank, FaultRule> {
        let moment = parse(self.format, text)?;
        let number = moment.checked_sub(self.first).and_then(|number| u128::try_from(number).ok());
        let number = number.filter(|number| self.classes.iter().any(|all| *number < all.size));
        Ok(Rank { class: 0, number: number.ok_or(FaultRule::Range)?, slot: 0 })
    }

    fn unrank(&self, rank: Rank, _like: &str) -> Result<Zeroizing<String>, FaultRule> {
        let number = i64::try_from(rank.number).ok();
        let moment = number.and_then(|number| number.checked_add(self.first));
        let moment = moment.ok_or(FaultRule::Range)?;
        let units = units(self.format);
        let (seconds, fraction) = (moment.div_euclid(units), moment.rem_euclid(units));
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_A_DAY));
        let of_day = seconds.rem_euclid(SECONDS_A_DAY);
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        let date = Zeroizing::new(format!("{year:04}-{month:02}-{day:02}"));
        let time = Zeroizing::new(format!("{hour:02}:{minute:02}:{second:02}"));
        let (date, time) = (date.as_str(), time.as_str());
        Ok(Zeroizing::new(match self.format {
            TimestampFormat::Seconds => format!("{date}T{time}Z"),
            TimestampFormat::Millis => format!("{date}T{time}.{fraction:03}Z"),
            TimestampFormat::Micros => format!("{date}T{time}.{fraction:06}Z"),
            TimestampFormat::Sql => format!("{date} {time}"),
            TimestampFormat::Epoch | TimestampFormat::EpochMillis => moment.to_string(),
        }))
    }

    fn takes_numbers(&self) -> bool {
        matches!(self.format, TimestampFormat::Epoch | TimestampFormat::EpochMillis)
    }
}

/// Units in a second.
const fn units(format: TimestampFormat) -> i64 {
    match format {
        TimestampFormat::Seconds | TimestampFormat::Sql | TimestampFormat::Epoch => 1,
        TimestampFormat::Millis | TimestampFormat::EpochMillis => 1_000,
        TimestampFormat::Micros => 1_000_000,
    }
}

/// Units since 1970.
fn parse(format: TimestampFormat, text: &str) -> Result<i64, FaultRule> {
    let (separator, end, decimals) = match format {
        TimestampFormat::Epoch | TimestampFormat::EpochMillis => return integer::parse(text),
        TimestampFormat::Seconds => (b'T', &b"Z"[..], 0),
        TimestampFormat::Millis => (b'T', &b"Z"[..], 3),
        TimestampFormat::Micros => (b'T', &b"Z"[..], 6),
        TimestampFormat::Sql => (b' ', &b""[..], 0),
    };
    let point = if decimals == 0 { &b""[..] } else { &b"."[..] };
    let text = text.as_bytes();
    if text.len() != 19 + point.len() + decimals + end.len() {
        return Err(FaultRule::Length);
    }
    let parts = text.split_at_checked(10).and_then(|(date, rest)| {
        let rest = rest.strip_prefix(&[separator])?.strip_suffix(end)?;
        let (time, rest) = rest.split_at_checked(8)?;
        Some((date, time, rest.strip_prefix(point)?))
    });
    let (date, time, fraction) = parts.ok_or(FaultRule::Structure)?;
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *time else {
        return Err(FaultRule::Structure);
    };
    let day = window::iso(date)?;
    let hour = window::digits(&[h1, h2])?;
    let minute = window::digits(&[m1, m2])?;
    let second = window::digits(&[s1, s2])?;
    let fraction = window::digits(fraction)?;
    // Second 60 has no number: a leap second is refused.
    if hour > 23 || minute > 59 || second > 59 {
        return Err(FaultRule::Range);
    }
    let seconds = day * SECONDS_A_DAY + hour * 3_600 + minute * 60 + second;
    Ok(seconds * units(format) + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_numbered_from_the_first() {
        use TimestampFormat::{Epoch, EpochMillis, Micros, Millis, Seconds, Sql};
        for (format, text, expected) in [
            (Seconds, "1969-12-31T00:00:00Z", Ok(0)),
            (Seconds, "1970-01-01T00:00:01Z", Ok(86_401)),
            (Seconds, "2026-11-23T10:11:12Z", Ok(1_795_515_072)),
            (Seconds, "2026-11-23T23:59:59Z", Ok(1_795_564_799)),
            (Seconds, "2026-11-24T00:00:00Z", Err(FaultRule::Range)),
            (Seconds, "1969-12-30T23:59:59Z", Err(FaultRule::Range)),
            (Seconds, "2016-12-31T23:59:60Z", Err(FaultRule::Range)),
            (Seconds, "2016-12-31T24:00:00Z", Err(FaultRule::Range)),
            (Seconds, "2016-12-31T23:60:00Z", Err(FaultRule::Range)),
            (Seconds, "2026-11-23T10:11:12", Err(FaultRule::Length)),
            (Seconds, "2026-11-23T10:11:12z", Err(FaultRule::Structure)),
            (Seconds, "2026-11-23t10:11:12Z", Err(FaultRule::Structure)),
            (Seconds, "2026-11-23 10:11:12Z", Err(FaultRule::Structure)),
            (Seconds, "2026-11-23T10:11:12+00:00", Err(FaultRule::Length)),
            (Seconds, "2026-11-23T1:011:12Z", Err(FaultRule::Structure)),
            (Millis, "1969-12-31T00:00:00.001Z", Ok(1)),
            (Millis, "1969-12-31T00:00:00Z", Err(FaultRule::Length)),
            (Millis, "1969-12-31T00:00:00,001Z", Err(FaultRule::Structure)),
            (Micros, "1969-12-31T00:00:01.000002Z", Ok(1_000_002)),
            (Sql, "1969-12-31 00:01:00", Ok(60)),
            (Sql, "1969-12-31T00:01:00", Err(FaultRule::Structure)),
            (Epoch, "-86400", Ok(0)),
            (Epoch, "0", Ok(86_400)),
            (Epoch, "-86401", Err(FaultRule::Range)),
            (Epoch, "-0", Err(FaultRule::Structure)),
            (Epoch, "1.5", Err(FaultRule::Alphabet)),
            (EpochMillis, "-86399999", Ok(1)),
        ] {
            let moments = build(format, "1969-12-31", "2026-11-23").unwrap();
            let rank = moments.rank(text);
            assert_eq!(rank.map(|rank| rank.number), expected, "{text}");
            if let Ok(rank) = rank {
                assert_eq!(*moments.unrank(rank, text).unwrap(), text);
            }
        }
        let all = build(Micros, "0001-01-01", "9999-12-31").unwrap();
        for text in ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"] {
            let rank = all.rank(text).unwrap();
            assert_eq!(*all.unrank(rank, text).unwrap(), text);
        }
    }
}
