//! Makes customers who do not exist, one JSON object a line.
//!
//! ```text
//! make-customers [COUNT]
//! ```
//! The same count gives the same customers. E-mail domains are those reserved for
//! examples (RFC 2606), phone numbers come from the ranges that regulators reserve for
//! fiction, cards and accounts only have valid check digits.

mod countries;

use std::collections::HashSet;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use countries::{Bban, COUNTRIES, Country};

fn main() -> ExitCode {
    let count = match std::env::args().nth(1).map(|typed| typed.parse::<u32>()) {
        None => 1_000,
        Some(Ok(count)) => count,
        Some(Err(_)) => {
            let _ = writeln!(std::io::stderr(), "usage: make-customers [COUNT]");
            return ExitCode::FAILURE;
        }
    };
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let mut maker = Maker::new();
    for number in 1..=count {
        if writeln!(stdout, "{}", maker.customer(number)).is_err() {
            return ExitCode::FAILURE;
        }
    }
    if stdout.flush().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Number ranges reserved for fiction: Bundesnetzagentur, Ofcom (two), Arcep, PTS, NANPA.
const PHONES: [&str; 6] =
    ["+493023125###", "+447700900###", "+442079460###", "+3363998####", "+467017406", "+121255501"];

/// Prefix and length of card numbers.
const CARDS: [(&str, usize); 7] = [
    ("492912", 16),
    ("453201", 16),
    ("510510", 16),
    ("222300", 16),
    ("378282", 15),
    ("675964", 19),
    ("601100", 16),
];

const MAIL_DOMAINS: [&str; 5] =
    ["example.com", "example.org", "example.net", "mail.example", "post.example.com"];

const NOTES: [&str; 6] = [
    "prefers letters",
    "asked for an \"offline\" contract",
    "calls back in the afternoon",
    "",
    "line one\nline two",
    "tea, not coffee ☕",
];

struct Maker {
    random: Random,
    mails: HashSet<String>,
}

impl Maker {
    fn new() -> Self {
        Self { random: Random(0x0C0F_FEE0_DDBA_11AD), mails: HashSet::new() }
    }

    /// One customer; the members stand in the order in which people read them.
    fn customer(&mut self, number: u32) -> String {
        let country = &self.random.pick(&COUNTRIES);
        let (first, last) = (self.random.pick(country.first), self.random.pick(country.last));
        let members = [
            ("id", text(&format!("c-{number:05}"))),
            ("full_name", text(&format!("{first} {last}"))),
            ("email", text(&self.email(first, last))),
            ("phone", text(&self.phone())),
            ("card", self.card()),
            ("iban", text(&self.iban(country))),
            ("national_id", text(&self.random.filled(country.national_id))),
            ("birth_date", text(&self.birth_date())),
            ("address", self.address(country)),
            ("notes", text(self.random.pick(&NOTES))),
        ];
        object(&members)
    }

    fn email(&mut self, first: &str, last: &str) -> String {
        let local = format!("{}.{}", ascii(first), ascii(last));
        let domain = self.random.pick(&MAIL_DOMAINS);
        let mut address = format!("{local}@{domain}");
        let mut suffix = 1;
        while !self.mails.insert(address.clone()) {
            suffix += 1;
            address = format!("{local}{suffix}@{domain}");
        }
        address
    }

    fn phone(&mut self) -> String {
        let range = self.random.pick(&PHONES);
        match range {
            // The last two digits are free in these two ranges, from 05 in Sweden.
            "+467017406" => format!("{range}{:02}", 5 + self.random.below(95)),
            "+121255501" => format!("{range}{:02}", self.random.below(100)),
            _ => range.chars().map(|c| if c == '#' { self.random.digit() } else { c }).collect(),
        }
    }

    fn card(&mut self) -> String {
        let (prefix, length) = self.random.pick(&CARDS);
        let number =
            with_luhn(&format!("{prefix}{}", self.random.digits(length - prefix.len() - 1)));
        let expiry = format!("{:02}/{}", 1 + self.random.below(12), 27 + self.random.below(5));
        object(&[("number", text(&number)), ("expiry", text(&expiry))])
    }

    fn iban(&mut self, country: &Country) -> String {
        let bban = match country.bban {
            Bban::Plain(pattern) => self.random.filled(pattern),
            Bban::French => french(&self.random.digits(21)),
            Bban::Spanish => spanish(&self.random.digits(8), &self.random.digits(10)),
        };
        let check = 98 - remainder_97(&format!("{bban}{}00", country.code));
        format!("{}{check:02}{bban}", country.code)
    }

    fn birth_date(&mut self) -> String {
        let (year, month) = (1940 + self.random.below(67), 1 + self.random.below(12));
        format!("{year}-{month:02}-{:02}", 1 + self.random.below(28))
    }

    fn address(&mut self, country: &Country) -> String {
        let street = self.random.pick(country.streets);
        let street = match country.code {
            "FR" => format!("{} {street}", 1 + self.random.below(180)),
            _ => format!("{street} {}", 1 + self.random.below(180)),
        };
        object(&[
            ("street", text(&street)),
            ("city", text(self.random.pick(country.cities))),
            ("postcode", text(&self.random.filled(country.postcode))),
            ("country", text(country.code)),
        ])
    }
}

fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A name as the local part of an address is written.
fn ascii(name: &str) -> String {
    let mut plain = String::new();
    for c in name.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => plain.push(c),
            'à' | 'á' | 'å' | 'â' => plain.push('a'),
            'ä' => plain.push_str("ae"),
            'ç' => plain.push('c'),
            'è' | 'é' | 'ê' | 'ë' => plain.push('e'),
            'ì' | 'í' | 'î' | 'ï' => plain.push('i'),
            'ñ' => plain.push('n'),
            'ò' | 'ó' | 'ô' => plain.push('o'),
            'ö' => plain.push_str("oe"),
            'ù' | 'ú' => plain.push('u'),
            'ü' => plain.push_str("ue"),
            'ß' => plain.push_str("ss"),
            ' ' | '-' => plain.push('-'),
            _ => {}
        }
    }
    plain
}

/// Adds the check digit of ISO/IEC 7812-1.
fn with_luhn(digits: &str) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, digit)| (u32::from(digit - b'0'), index % 2 == 0))
        .map(|(digit, doubled)| if doubled { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// The remainder modulo 97 of letters and digits, with `A` as 10 (ISO 7064).
fn remainder_97(characters: &str) -> u32 {
    characters.chars().filter_map(|c| c.to_digit(36)).fold(0, |rest, digit| {
        let shift = if digit < 10 { 10 } else { 100 };
        (rest * shift + digit) % 97
    })
}

/// Bank (5), branch (5) and account (11) with their key (RIB).
fn french(digits: &str) -> String {
    let part = |from: usize, to: usize| {
        digits.get(from..to).and_then(|part| part.parse::<u64>().ok()).unwrap_or_default()
    };
    let key = 97 - (89 * part(0, 5) + 15 * part(5, 10) + 3 * part(10, 21)) % 97;
    format!("{digits}{key:02}")
}

/// Bank and branch (8), two control digits, account (10).
fn spanish(bank: &str, account: &str) -> String {
    let control = |digits: &str| {
        const WEIGHTS: [u32; 10] = [1, 2, 4, 8, 5, 10, 9, 7, 3, 6];
        let sum: u32 =
            digits.bytes().zip(WEIGHTS).map(|(d, weight)| u32::from(d - b'0') * weight).sum();
        match 11 - sum % 11 {
            10 => 1,
            11 => 0,
            digit => digit,
        }
    };
    format!("{bank}{}{}{account}", control(&format!("00{bank}")), control(account))
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or_default();
        #[allow(clippy::indexing_slicing, reason = "below the length; no list here is empty")]
        from[index]
    }

    fn digit(&mut self) -> char {
        char::from(b'0' + (self.below(10) as u8))
    }

    fn digits(&mut self, length: usize) -> String {
        (0..length).map(|_| self.digit()).collect()
    }

    /// A pattern with `9` for digits and `A` for letters.
    fn filled(&mut self, pattern: &str) -> String {
        let fill = |c| match c {
            '9' => self.digit(),
            'A' => char::from(b'A' + (self.below(26) as u8)),
            other => other,
        };
        pattern.chars().map(fill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_check_digits() {
        assert_eq!(with_luhn("492912000000646"), "4929120000006466");
        assert_eq!(with_luhn("37828224631000"), "378282246310005");
        assert_eq!(remainder_97("370400440532013000DE89"), 1);
        // The examples of the IBAN registry (the French one with its letter as a digit).
        assert_eq!(french("200410100505000134026"), "20041010050500013402606");
        assert_eq!(spanish("21000418", "0200051332"), "21000418450200051332");
    }

    #[test]
    fn customers_are_the_same_every_time_and_all_valid() {
        let (mut one, mut two) = (Maker::new(), Maker::new());
        let mut mails = HashSet::new();
        let mut other_letters = 0;
        for number in 1..=1_000 {
            let line = one.customer(number);
            assert_eq!(line, two.customer(number));
            let customer: serde_json::Value = serde_json::from_str(&line).unwrap();
            let member = |pointer: &str| customer.pointer(pointer).unwrap().as_str().unwrap();
            let card = member("/card/number");
            assert_eq!(with_luhn(&card[..card.len() - 1]), card);
            let iban = member("/iban");
            assert_eq!(remainder_97(&format!("{}{}", &iban[4..], &iban[..4])), 1, "{iban}");
            assert!(
                member("/phone").starts_with('+') && (11..=15).contains(&member("/phone").len())
            );
            assert!(member("/email").is_ascii() && mails.insert(member("/email").to_owned()));
            other_letters += usize::from(!member("/full_name").is_ascii());
        }
        assert!(other_letters > 500, "{other_letters}");
    }
}
