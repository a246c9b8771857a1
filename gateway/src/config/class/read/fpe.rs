use allonym_protect::{
    DateFormat, EmailPart, MethodSpec, TemplateSpec, TimestampFormat, VersionMode,
    can_be_in_alphabet,
};

use super::Reader;
use super::alphabet::{self, AlphabetError};
use crate::config::Located;
use crate::config::class::typed::TemplateName;
use crate::config::error::suggest;
use crate::config::units;

/// What a template can do with a key version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    /// It has check digits.
    CheckDigits,
    /// Some of its formats have check digits; which, the build knows.
    Perhaps,
    /// It has none.
    None,
}

/// The keys of templates of method `fpe`.
const OWN: [&str; 14] = [
    "template",
    "version",
    "keep",
    "lengths",
    "alphabet",
    "pass",
    "part",
    "range",
    "width",
    "reserved",
    "format",
    "keep_bits",
    "id",
    "pattern",
];

const UNFIT: &str = "combining marks, unassigned characters, those that change under normalisation form C, `*` and `•` can be in no alphabet and cannot pass; of ranges and named classes they are left out";

const TEMPLATES: &str = "pan, iban, national, ssn, phone, digits, alphanumeric, string, email, integer, decimal, date, timestamp, uuid, ipv4, ipv6 or regex";

impl Reader<'_> {
    pub(super) fn fpe(&mut self) -> Option<MethodSpec> {
        self.only("fpe", &OWN, true);
        let Some(typed) = self.typed.template.clone() else {
            let hint = format!("{TEMPLATES}; for other text use `method: siv`");
            self.problems.add(self.at, "method `fpe` needs a `template`", hint);
            return None;
        };
        let template = self.template(&typed)?;
        let version = self.fpe_version(&typed)?;
        self.check_reserved(&template, version)?;
        Some(MethodSpec::Fpe { template, version })
    }

    fn template(&mut self, typed: &Located<TemplateName>) -> Option<TemplateSpec> {
        let name = typed.value;
        self.only_of_template(name, &OWN, keys_of(name));
        Some(match name {
            TemplateName::Pan => {
                let (keep, (min, max)) = (self.keep(), self.lengths(Some((13, 19)))?);
                TemplateSpec::Pan { keep, min, max }
            }
            TemplateName::Digits => {
                let (keep, (min, max)) = (self.keep(), self.lengths(None)?);
                TemplateSpec::Digits { keep, min, max }
            }
            TemplateName::Alphanumeric => {
                let (keep, (min, max)) = (self.keep(), self.lengths(None)?);
                TemplateSpec::Alphanumeric { keep, min, max }
            }
            TemplateName::Phone => TemplateSpec::Phone,
            TemplateName::Iban => TemplateSpec::Iban,
            TemplateName::String => self.string()?,
            TemplateName::Email => {
                let part = self.typed.part.as_ref().map_or(EmailPart::Local, |part| part.value);
                TemplateSpec::Email { part }
            }
            TemplateName::Integer => self.integer()?,
            TemplateName::Decimal => self.decimal()?,
            TemplateName::Date => {
                let (from, to) = self.days("1900-01-01")?;
                TemplateSpec::Date { format: self.date_format()?, from, to }
            }
            TemplateName::Timestamp => {
                let (from, to) = self.days("1970-01-01")?;
                TemplateSpec::Timestamp { format: self.timestamp_format()?, from, to }
            }
            TemplateName::Uuid => TemplateSpec::Uuid,
            TemplateName::Ipv4 => TemplateSpec::Ipv4 { keep: self.keep_bits() },
            TemplateName::Ipv6 => TemplateSpec::Ipv6 { keep: self.keep_bits() },
            TemplateName::National => self.national()?,
            TemplateName::Ssn => TemplateSpec::National { id: "us_ssn".to_owned() },
            TemplateName::Regex => self.regex()?,
            TemplateName::Plain => {
                let message = "template `plain` is for `method: token`";
                self.problems.add(typed.at, message, TEMPLATES);
                return None;
            }
        })
    }

    fn string(&mut self) -> Option<TemplateSpec> {
        let alphabet = self.alphabet()?;
        let pass = self.typed.pass.clone();
        if let Some(pass) = &pass
            && pass.value.chars().any(|symbol| alphabet::has(&alphabet, symbol))
        {
            let hint = "a character either changes or stays where it stands: take it out of one";
            self.problems.add(pass.at, "`pass` has a character of the `alphabet`", hint);
        }
        if let Some(pass) = &pass
            && let Some(symbol) = pass.value.chars().find(|symbol| !can_be_in_alphabet(*symbol))
        {
            let message = format!("`pass` has {}", code_point(symbol));
            self.problems.add(pass.at, message, UNFIT);
        }
        let pass = pass.map(|pass| pass.value).unwrap_or_default();
        let (keep, (min, max)) = (self.keep(), self.lengths(None)?);
        Some(TemplateSpec::String { alphabet, pass, keep, min, max })
    }

    fn alphabet(&mut self) -> Option<String> {
        let Some(typed) = self.typed.alphabet.clone() else {
            let hint = "a character class, for instance `alphabet: \"[0-9A-Za-z]\"`";
            self.problems.add(self.at, "template `string` needs an `alphabet`", hint);
            return None;
        };
        let error = match alphabet::expand(&typed.value) {
            Ok(alphabet) => return Some(alphabet),
            Err(error) => error,
        };
        let unfit;
        let (message, hint) = match error {
            AlphabetError::Unfit(symbol) => {
                unfit = format!("`alphabet` has {}", code_point(symbol));
                (&*unfit, UNFIT)
            }
            AlphabetError::NotAClass => (
                "`alphabet` is not a character class",
                "for instance `'[0-9A-Za-z]'`, `'[\\p{Greek}&&\\p{Ll}]'` or `'[\\u{370}-\\u{3FF}]'`",
            ),
            AlphabetError::TooFew => {
                ("`alphabet` has fewer than 2 characters", "nothing could change")
            }
            AlphabetError::TooMany => (
                "`alphabet` has more than 65536 characters",
                "name the characters that occur; for any text use `method: siv`",
            ),
        };
        self.problems.add(typed.at, message, hint);
        None
    }

    fn integer(&mut self) -> Option<TemplateSpec> {
        let typed = self.needs_range("`range: 0..999999999` (both included)")?;
        let Some((from, to)) = units::integers(&typed.value) else {
            let hint = "`0..999999999` (both included, the lowest first)";
            self.problems.add(typed.at, "`range` is not a range of integers", hint);
            return None;
        };
        let width = self.typed.width.as_ref().map(|width| width.value);
        let width = width.map(|width| usize::try_from(width).unwrap_or(usize::MAX));
        let reserved = self.typed.reserved.as_ref().map(|typed| typed.value.clone());
        Some(TemplateSpec::Integer { from, to, width, reserved: reserved.unwrap_or_default() })
    }

    fn decimal(&mut self) -> Option<TemplateSpec> {
        let typed = self.needs_range("`range: 0.00..99999.99` (both included)")?;
        let Some((from, to, scale)) = units::decimals(&typed.value) else {
            let hint = "`0.00..99999.99`: the lowest first, both ends with the same number of digits after the point";
            self.problems.add(typed.at, "`range` is not a range of decimals", hint);
            return None;
        };
        Some(TemplateSpec::Decimal { from, to, scale })
    }

    fn needs_range(&mut self, hint: &str) -> Option<Located<String>> {
        let range = self.typed.range.clone();
        if range.is_none() {
            self.problems.add(self.at, "this template needs a `range`", hint);
        }
        range
    }

    /// The window of a date or moment; it begins on `first` and ends with the century
    /// unless it is written.
    fn days(&mut self, first: &str) -> Option<(String, String)> {
        let Some(typed) = &self.typed.range else {
            return Some((first.to_owned(), "2099-12-31".to_owned()));
        };
        let days = units::days(&typed.value);
        if days.is_none() {
            let hint = "`1900-01-01..2099-12-31` (both included, the first day first)";
            self.problems.add(typed.at, "`range` is not a range of days", hint);
        }
        days
    }

    pub(super) fn date_format(&mut self) -> Option<DateFormat> {
        let known = [
            ("YYYY-MM-DD", DateFormat::Iso),
            ("YYYYMMDD", DateFormat::Compact),
            ("DD.MM.YYYY", DateFormat::Points),
            ("DD/MM/YYYY", DateFormat::DayFirst),
            ("MM/DD/YYYY", DateFormat::MonthFirst),
        ];
        self.format(&known, DateFormat::Iso)
    }

    fn timestamp_format(&mut self) -> Option<TimestampFormat> {
        let known = [
            ("seconds", TimestampFormat::Seconds),
            ("millis", TimestampFormat::Millis),
            ("micros", TimestampFormat::Micros),
            ("sql", TimestampFormat::Sql),
            ("epoch", TimestampFormat::Epoch),
            ("epoch_millis", TimestampFormat::EpochMillis),
        ];
        self.format(&known, TimestampFormat::Seconds)
    }

    fn format<F: Copy>(&mut self, known: &[(&str, F)], default: F) -> Option<F> {
        let Some(typed) = &self.typed.format else { return Some(default) };
        let found = known.iter().find(|(word, _)| *word == typed.value).map(|(_, format)| *format);
        if found.is_none() {
            let hint = suggest(&typed.value, known.iter().map(|(word, _)| *word));
            self.problems.add(typed.at, "this `format` is not known", hint);
        }
        found
    }

    fn keep_bits(&self) -> u8 {
        self.typed.keep_bits.as_ref().map_or(0, |bits| bits.value)
    }

    fn national(&mut self) -> Option<TemplateSpec> {
        let Some(id) = &self.typed.id else {
            let hint = "which identifier it is, for instance `id: us_ssn`";
            self.problems.add(self.at, "template `national` needs an `id`", hint);
            return None;
        };
        Some(TemplateSpec::National { id: id.value.clone() })
    }

    fn regex(&mut self) -> Option<TemplateSpec> {
        let Some(pattern) = self.typed.pattern.clone() else {
            let hint = "what the whole value matches, for instance `pattern: \"[A-Z]{2}[0-9]{6}\"`";
            self.problems.add(self.at, "template `regex` needs a `pattern`", hint);
            return None;
        };
        let (min, max) = self.lengths(Some((1, 64)))?;
        if let Some(lengths) = &self.typed.lengths
            && min != 1
        {
            let hint = format!("the pattern says how short a value may be: `lengths: 1..{max}`");
            self.problems.add(lengths.at, "`lengths` of template `regex` begin with 1", hint);
        }
        Some(TemplateSpec::Regex { pattern: pattern.value, max })
    }

    fn fpe_version(&mut self, template: &Located<TemplateName>) -> Option<VersionMode> {
        const NO_ROOM: &str = "this template has no check digits to carry the key version";
        let room = room(template.value);
        let Some(version) = &self.typed.version else {
            return match room {
                Room::CheckDigits => Some(VersionMode::Slack),
                Room::Perhaps => Some(VersionMode::Pinned),
                Room::None => {
                    let hint = "write `version: pinned`: one key version, changed by a rewrap only; its values carry no mark";
                    self.problems.add(template.at, NO_ROOM, hint);
                    None
                }
            };
        };
        match version.value {
            VersionMode::Slack if room == Room::None => {
                self.problems.add(version.at, NO_ROOM, "use `version: pinned`");
                None
            }
            VersionMode::Reserved if template.value != TemplateName::Integer => {
                let hint = "use `version: pinned`, or template `integer` with a declared `range`";
                let message = "only template `integer` has ranges to reserve";
                self.problems.add(version.at, message, hint);
                None
            }
            mode => Some(mode),
        }
    }

    /// Ranges are declared where they carry the version, and none meets another.
    fn check_reserved(&mut self, template: &TemplateSpec, version: VersionMode) -> Option<()> {
        let TemplateSpec::Integer { from, to, reserved, .. } = template else { return Some(()) };
        match (&self.typed.reserved, &self.typed.version) {
            (None, Some(mode)) if version == VersionMode::Reserved => {
                let hint = "where protected values of each slot begin: `reserved: [1000000000, 2000000000]`";
                self.problems.add(mode.at, "`version: reserved` needs `reserved`", hint);
                None
            }
            (Some(typed), _) if version != VersionMode::Reserved => {
                let hint = "add `version: reserved`, or leave it out";
                let message = "`reserved` has no meaning without `version: reserved`";
                self.problems.add(typed.at, message, hint);
                None
            }
            (Some(typed), _) if !units::are_apart(*from, *to, reserved) => {
                let hint =
                    "each begins where no other range lies, and is as large as the plain one";
                let message =
                    "`reserved` is empty, or a range of it meets another or the plain one";
                self.problems.add(typed.at, message, hint);
                None
            }
            _ => Some(()),
        }
    }
}

/// How a character is named that may not be seen by itself.
fn code_point(symbol: char) -> String {
    format!("U+{:04X}", u32::from(symbol))
}

/// Its own keys.
const fn keys_of(template: TemplateName) -> &'static [&'static str] {
    match template {
        TemplateName::Pan | TemplateName::Digits | TemplateName::Alphanumeric => {
            &["keep", "lengths"]
        }
        TemplateName::String => &["alphabet", "pass", "keep", "lengths"],
        TemplateName::Email => &["part"],
        TemplateName::Integer => &["range", "width", "reserved"],
        TemplateName::Decimal => &["range"],
        TemplateName::Date | TemplateName::Timestamp => &["format", "range"],
        TemplateName::Ipv4 | TemplateName::Ipv6 => &["keep_bits"],
        TemplateName::National => &["id"],
        TemplateName::Regex => &["pattern", "lengths"],
        TemplateName::Phone
        | TemplateName::Iban
        | TemplateName::Uuid
        | TemplateName::Ssn
        | TemplateName::Plain => &[],
    }
}

const fn room(template: TemplateName) -> Room {
    match template {
        TemplateName::Pan | TemplateName::Iban => Room::CheckDigits,
        TemplateName::National | TemplateName::Ssn => Room::Perhaps,
        _ => Room::None,
    }
}
