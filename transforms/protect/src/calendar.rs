//! Days of the proleptic Gregorian calendar, years 1 to 9999.

use allonym_record::Value;

use crate::{DateFormat, FaultRule, header};

/// A day that the calendar has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The day, if the calendar has it.
    pub(crate) fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let real = (1..=9999).contains(&year) && (1..=days_in(year, month)).contains(&day);
        real.then_some(Self { year, month, day })
    }

    pub(crate) const fn year(self) -> u16 {
        self.year
    }

    pub(crate) const fn month(self) -> u8 {
        self.month
    }

    /// Days since 1970-01-01.
    pub(crate) fn days(self) -> i64 {
        days_from_civil(self.year.into(), self.month.into(), self.day.into())
    }

    /// The day so many days after 1970-01-01, if its year is one of 1 to 9999.
    pub(crate) fn from_days(days: i64) -> Option<Self> {
        // Further away there is no such year, and nothing below overflows.
        if days.unsigned_abs() > 4_000_000 {
            return None;
        }
        let (year, month, day) = civil_from_days(days);
        Self::new(u16::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
    }
}

/// Days from 1970-01-01 to a day. Years begin with March, so that the day a leap year has
/// more is its last; 400 of them have 146,097 days.
pub(crate) const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    cycle * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - FROM_MARCH_0000
}

/// Year, month and day of the day so many days after 1970-01-01.
pub(crate) const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + FROM_MARCH_0000;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = cycle * 400 + year;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

/// Days from 0000-03-01 to 1970-01-01.
const FROM_MARCH_0000: i64 = 719_468;

const fn days_in(year: u16, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 0,
    }
}

impl DateFormat {
    /// What is written where: Y, M and D are digits, all else is itself.
    const fn pattern(self) -> &'static str {
        match self {
            Self::Iso => "YYYY-MM-DD",
            Self::Compact => "YYYYMMDD",
            Self::Points => "DD.MM.YYYY",
            Self::DayFirst => "DD/MM/YYYY",
            Self::MonthFirst => "MM/DD/YYYY",
        }
    }

    /// The date in a text of exactly this form; nothing if there is none, or the calendar
    /// does not have it.
    pub(crate) fn parse(self, text: &str) -> Option<Date> {
        let pattern = self.pattern();
        if text.len() != pattern.len() {
            return None;
        }
        let (mut year, mut month, mut day) = (0, 0, 0);
        for (kind, symbol) in pattern.bytes().zip(text.bytes()) {
            let part = match kind {
                b'Y' => &mut year,
                b'M' => &mut month,
                b'D' => &mut day,
                separator if separator == symbol => continue,
                _ => return None,
            };
            let digit = symbol.is_ascii_digit().then(|| symbol - b'0')?;
            *part = *part * 10 + u16::from(digit);
        }
        Date::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
    }

    /// The text of a date.
    pub(crate) fn write(self, date: Date) -> String {
        let (mut year, mut month, mut day) = (1000, 10, 10);
        let digit = |part: u16, place: &mut u16| {
            let digit = part.checked_div(*place).unwrap_or_default() % 10;
            *place /= 10;
            char::from(b'0' + digit as u8)
        };
        let symbol = |kind| match kind {
            'Y' => digit(date.year, &mut year),
            'M' => digit(date.month.into(), &mut month),
            'D' => digit(date.day.into(), &mut day),
            separator => separator,
        };
        // A buffer that grew would leave pieces of the date behind.
        let mut text = String::with_capacity(self.pattern().len());
        text.extend(self.pattern().chars().map(symbol));
        text
    }

    /// The date of a plain value: text, or a number where digits are all there is to the
    /// form.
    pub(crate) fn of(self, value: &Value) -> Result<Date, FaultRule> {
        let text = match value {
            Value::Text(text) => text,
            Value::Number(text) if self == Self::Compact => text,
            _ => return Err(FaultRule::Kind),
        };
        header::judge(value)?;
        self.parse(text).ok_or(FaultRule::Structure)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Days and their numbers.
    pub(crate) const KNOWN_DAYS: [(&str, i64); 6] = [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        ("2000-02-29", 11_016),
        ("2026-11-23", 20_780),
        ("0001-01-01", -719_162),
        ("9999-12-31", 2_932_896),
    ];

    const FORMATS: [DateFormat; 5] = [
        DateFormat::Iso,
        DateFormat::Compact,
        DateFormat::Points,
        DateFormat::DayFirst,
        DateFormat::MonthFirst,
    ];

    #[test]
    fn every_day_there_is_comes_back() {
        let first = Date::new(1, 1, 1).unwrap().days();
        let last = Date::new(9999, 12, 31).unwrap().days();
        assert_eq!(last - first + 1, 3_652_059);
        let (mut year, mut month, mut day) = (1, 1, 1);
        for days in first..=last {
            let date = Date { year, month, day };
            assert_eq!((Date::from_days(days), date.days()), (Some(date), days));
            if day < days_in(year, month) {
                day += 1;
            } else {
                (day, month) = (1, month % 12 + 1);
                year += u16::from(month == 1);
            }
        }
        for days in [first - 1, last + 1, i64::MIN, i64::MAX] {
            assert_eq!(Date::from_days(days), None, "{days}");
        }
    }

    #[test]
    fn known_days_have_known_numbers() {
        for (text, days) in KNOWN_DAYS {
            assert_eq!(DateFormat::Iso.parse(text).unwrap().days(), days, "{text}");
        }
    }

    #[test]
    fn a_date_has_one_text_in_each_format() {
        let date = Date::new(987, 3, 4).unwrap();
        let texts = ["0987-03-04", "09870304", "04.03.0987", "04/03/0987", "03/04/0987"];
        for (format, text) in FORMATS.into_iter().zip(texts) {
            assert_eq!(format.write(date), text);
            assert_eq!(format.parse(text), Some(date));
        }
    }

    #[test]
    fn what_is_no_date_is_nothing() {
        for wrong in [
            "",
            "2026",
            "2026-1-01",
            "2026-01-1",
            "20260101",
            "2026-01-011",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-01-32",
            "2026-04-31",
            "2026-02-29",
            "1900-02-29",
            "0000-01-01",
            "2026/01/01",
            "2026-01-0a",
            "+026-01-01",
            "-026-01-01",
            "2026-01- 1",
            " 2026-01-1",
            "２026-01-0",
            "2026-01-0é",
            "***",
        ] {
            assert_eq!(DateFormat::Iso.parse(wrong), None, "{wrong}");
        }
        assert_eq!(DateFormat::DayFirst.parse("12/31/2026"), None);
        assert_eq!(DateFormat::MonthFirst.parse("31/12/2026"), None);
        assert!(DateFormat::Iso.parse("2000-02-29").is_some());
    }

    #[test]
    fn only_digits_are_a_number() {
        for format in FORMATS {
            let expected = if format == DateFormat::Compact {
                Ok(Date::new(2026, 11, 23).unwrap())
            } else {
                Err(FaultRule::Kind)
            };
            assert_eq!(format.of(&Value::number("20261123")), expected);
            assert_eq!(format.of(&Value::Bool(true)), Err(FaultRule::Kind));
            assert_eq!(format.of(&Value::text("***")), Err(FaultRule::Masked));
            assert_eq!(format.of(&Value::text("aln1.AQ")), Err(FaultRule::BadMark));
            assert_eq!(format.of(&Value::text("today")), Err(FaultRule::Structure));
        }
    }
}
