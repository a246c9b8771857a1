use std::time::{SystemTime, UNIX_EPOCH};

/// The length of a time as it is written, in bytes.
pub(crate) const LENGTH: usize = "2026-11-23T00:00:00.000000Z".len();

/// UTC with microseconds as RFC 3339 writes it. A clock before 1970 reads as 1970, one
/// after the year 9999 as its end: the log goes on with a wrong clock.
pub fn rfc3339(time: SystemTime) -> String {
    const LAST: u64 = 253_402_300_799;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().min(LAST);
    let (year, month, day) = civil(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60,
        since.subsec_micros()
    )
}

/// Whether this is a time as [`rfc3339`] writes it (its form; not its calendar).
pub(crate) fn is_rfc3339(text: &[u8]) -> bool {
    const FORM: &[u8; LENGTH] = b"0000-00-00T00:00:00.000000Z";
    text.len() == LENGTH
        && text.iter().zip(FORM).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        })
}

/// Year, month and day of a number of days since 1970-01-01. Years begin in March here,
/// so that the leap day is the last of its year; 400 years have 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_time_is_written_as_rfc_3339() {
        let check = |seconds: u64, micros: u64, expected: &str| {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros);
            assert_eq!(rfc3339(time), expected);
            assert!(is_rfc3339(expected.as_bytes()));
        };
        check(0, 0, "1970-01-01T00:00:00.000000Z");
        check(951_782_399, 999_999, "2000-02-28T23:59:59.999999Z");
        check(951_782_400, 1, "2000-02-29T00:00:00.000001Z");
        check(951_868_800, 0, "2000-03-01T00:00:00.000000Z");
        check(1_709_164_800, 0, "2024-02-29T00:00:00.000000Z");
        check(1_795_392_000, 0, "2026-11-23T00:00:00.000000Z");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000000Z");
        check(253_402_300_799, 0, "9999-12-31T23:59:59.000000Z");
        check(300_000_000_000, 0, "9999-12-31T23:59:59.000000Z");
    }

    #[test]
    fn what_is_not_a_time_is_seen() {
        for wrong in [
            "",
            "2026-11-23T00:00:00.000000z",
            "2026-11-23 00:00:00.000000Z",
            "2026-11-23T00:00:00Z",
        ] {
            assert!(!is_rfc3339(wrong.as_bytes()), "{wrong}");
        }
    }
}
