use serde::{Deserialize, Serialize};

/// A format for format-preserving encryption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "template", rename_all = "snake_case", deny_unknown_fields)]
pub enum TemplateSpec {
    /// A payment card number with its Luhn check digit, without separators.
    Pan {
        /// What stays in clear.
        keep: Keep,
        /// Shortest length in digits.
        min: usize,
        /// Longest length in digits.
        max: usize,
    },
    /// Decimal digits.
    Digits {
        /// What stays in clear.
        keep: Keep,
        /// Shortest length in digits.
        min: usize,
        /// Longest length in digits.
        max: usize,
    },
    /// The 62 characters 0-9, A-Z, a-z.
    Alphanumeric {
        /// What stays in clear.
        keep: Keep,
        /// Shortest length in characters.
        min: usize,
        /// Longest length in characters.
        max: usize,
    },
    /// An E.164 phone number; `+` and country code stay.
    Phone,
    /// An IBAN; the country stays, the BBAN is enciphered by the country's structure.
    Iban,
    /// Characters of a declared alphabet, in NFC.
    String {
        /// The alphabet: characters and ranges in the order of their code points, expanded
        /// when the configuration was read (`09AZaz` for `[0-9A-Za-z]`): first and last
        /// of each range, both included.
        alphabet: String,
        /// Characters that stay where they stand.
        pass: String,
        /// What stays in clear at either end, in characters.
        keep: Keep,
        /// Shortest length in characters.
        min: usize,
        /// Longest length in characters.
        max: usize,
    },
    /// An e-mail address in lower case; letters and digits change, all else stays.
    Email {
        /// Which part changes.
        part: EmailPart,
    },
    /// An integer of a declared range.
    Integer {
        /// The lowest.
        from: i64,
        /// The highest.
        to: i64,
        /// Text of so many digits with leading zeros; absent: without leading zeros.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<usize>,
        /// For version mode `reserved`: where protected values of each slot begin. Each
        /// range is as large as the plain one, and none meets another.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reserved: Vec<i64>,
    },
    /// A decimal of a declared range with so many digits after the point, all written.
    Decimal {
        /// The lowest, without its point.
        from: i64,
        /// The highest, without its point.
        to: i64,
        /// Digits after the point.
        scale: u8,
    },
    /// A date of a declared window.
    Date {
        /// How it is written.
        format: DateFormat,
        /// The first day, as `YYYY-MM-DD`.
        from: String,
        /// The last day.
        to: String,
    },
    /// A moment of a declared window, in UTC.
    Timestamp {
        /// How it is written.
        format: TimestampFormat,
        /// The first day, as `YYYY-MM-DD`.
        from: String,
        /// The last day.
        to: String,
    },
    /// A UUID (RFC 9562) in lower case; version and variant stay.
    Uuid,
    /// An IPv4 address in dotted decimals.
    Ipv4 {
        /// How many leading bits stay: 0 or 8.
        keep: u8,
    },
    /// An IPv6 address in its canonical text (RFC 5952).
    Ipv6 {
        /// How many leading bits stay: a multiple of 8, at most 104.
        keep: u8,
    },
    /// A national identifier with its exclusion rules and check digits.
    National {
        /// Which one: `us_ssn`, `de_tax_id` and so on.
        id: String,
    },
    /// What a regular expression over ASCII matches as a whole.
    Regex {
        /// The expression.
        pattern: String,
        /// The longest text, in characters.
        max: usize,
    },
}

/// Which part of an address changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailPart {
    /// What stands before the `@`; the domain stays.
    Local,
    /// The domain but for its last label; the local part stays.
    Domain,
    /// Both, as one string.
    Both,
}

/// How a date is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DateFormat {
    /// ISO 8601.
    #[serde(rename = "YYYY-MM-DD")]
    Iso,
    /// ISO 8601, basic.
    #[serde(rename = "YYYYMMDD")]
    Compact,
    /// Day first, with points.
    #[serde(rename = "DD.MM.YYYY")]
    Points,
    /// Day first, with slashes.
    #[serde(rename = "DD/MM/YYYY")]
    DayFirst,
    /// Month first, with slashes.
    #[serde(rename = "MM/DD/YYYY")]
    MonthFirst,
}

/// How a moment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestampFormat {
    /// `2026-11-23T10:11:12Z` (RFC 3339).
    Seconds,
    /// `2026-11-23T10:11:12.123Z`.
    Millis,
    /// `2026-11-23T10:11:12.123456Z`.
    Micros,
    /// `2026-11-23 10:11:12`, as databases write it.
    Sql,
    /// Seconds since 1970, as a number.
    Epoch,
    /// Milliseconds since 1970, as a number.
    EpochMillis,
}

/// How many characters stay in clear at either end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// At the beginning.
    #[serde(default)]
    pub first: usize,
    /// At the end.
    #[serde(default)]
    pub last: usize,
}

/// Where a protected value carries its key version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionMode {
    /// In spare room of the format (check digits): marked.
    Slack,
    /// In a header before text that may grow: marked.
    Header,
    /// In the range the protected value lies in, one declared for each slot: marked.
    Reserved,
    /// Beside the value, where the connector keeps it (sibling field, column, record
    /// header): marked by that.
    Sidecar,
    /// In the catalogue, by the position of the row. Unmarked.
    Epoch,
    /// Nowhere: there is one version, changed by a rewrap only. Unmarked.
    Pinned,
}

impl TemplateSpec {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pan { .. } => "pan",
            Self::Digits { .. } => "digits",
            Self::Alphanumeric { .. } => "alphanumeric",
            Self::Phone => "phone",
            Self::Iban => "iban",
            Self::String { .. } => "string",
            Self::Email { .. } => "email",
            Self::Integer { .. } => "integer",
            Self::Decimal { .. } => "decimal",
            Self::Date { .. } => "date",
            Self::Timestamp { .. } => "timestamp",
            Self::Uuid => "uuid",
            Self::Ipv4 { .. } => "ipv4",
            Self::Ipv6 { .. } => "ipv6",
            Self::National { .. } => "national",
            Self::Regex { .. } => "regex",
        }
    }
}

impl VersionMode {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Header => "header",
            Self::Reserved => "reserved",
            Self::Sidecar => "sidecar",
            Self::Epoch => "epoch",
            Self::Pinned => "pinned",
        }
    }
}
