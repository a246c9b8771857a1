use super::{Alphabet, Layout, Run, SMALLEST_DOMAIN, Template};
use crate::FaultRule;
use crate::tweak::Part;

/// The BBAN of each country, as runs of digits (`n`), upper-case letters (`a`) and both
/// (`c`), neighbours of one kind taken together (facts from the IBAN registry, ISO 13616-2).
#[rustfmt::skip]
const COUNTRIES: &[(&str, &str)] = &[
    ("AD", "8n12c"), ("AE", "19n"), ("AL", "8n16c"), ("AT", "16n"), ("AZ", "4a20c"),
    ("BA", "16n"), ("BE", "12n"), ("BG", "4a6n8c"), ("BH", "4a14c"), ("BI", "23n"),
    ("BR", "23n1a1c"), ("BY", "4c4n16c"), ("CH", "5n12c"), ("CR", "18n"), ("CY", "8n16c"),
    ("CZ", "20n"), ("DE", "18n"), ("DJ", "23n"), ("DK", "14n"), ("DO", "4c20n"), ("EE", "16n"),
    ("EG", "25n"), ("ES", "20n"), ("FI", "14n"), ("FK", "2a12n"), ("FO", "14n"),
    ("FR", "10n11c2n"), ("GB", "4a14n"), ("GE", "2a16n"), ("GI", "4a15c"), ("GL", "14n"),
    ("GR", "7n16c"), ("GT", "24c"), ("HR", "17n"), ("HU", "24n"), ("IE", "4a14n"), ("IL", "19n"),
    ("IQ", "4a15n"), ("IS", "22n"), ("IT", "1a10n12c"), ("JO", "4a4n18c"), ("KW", "4a22c"),
    ("KZ", "3n13c"), ("LB", "4n20c"), ("LC", "4a24c"), ("LI", "5n12c"), ("LT", "16n"),
    ("LU", "3n13c"), ("LV", "4a13c"), ("LY", "21n"), ("MC", "10n11c2n"), ("MD", "20c"),
    ("ME", "18n"), ("MK", "3n10c2n"), ("MR", "23n"), ("MT", "4a5n18c"), ("MU", "4a19n3a"),
    ("NL", "4a10n"), ("NO", "11n"), ("PK", "4a16c"), ("PL", "24n"), ("PS", "4a21c"),
    ("PT", "21n"), ("QA", "4a21c"), ("RO", "4a16c"), ("RS", "18n"), ("SA", "2n18c"),
    ("SC", "4a20n3a"), ("SE", "20n"), ("SI", "15n"), ("SK", "20n"), ("SM", "1a10n12c"),
    ("ST", "21n"), ("SV", "4a20n"), ("TL", "19n"), ("TN", "20n"), ("TR", "6n16c"),
    ("UA", "6n19c"), ("VA", "18n"), ("VG", "4a16n"), ("XK", "16n"),
];

/// Country and check digits, before the BBAN.
const FRONT: usize = 4;

/// A run of this many X is a mask, not an account, though the alphabet has the letter.
const MASK_RUN: usize = 4;

/// An IBAN (ISO 13616-1) in upper case without spaces. Country and letters-only parts
/// stay; the digits-only positions of a country are enciphered together, and so are the
/// alphanumeric ones, each if they have at least 10^6 values. National check digits
/// inside the BBAN are enciphered with the rest: a token need not satisfy them.
pub(crate) struct Iban {
    /// What may stand where, from the front, for each country.
    classes: Vec<Vec<Class>>,
    layouts: Vec<Layout>,
}

/// What may stand at a position (ISO 13616-1, section 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Digit,
    Letter,
    Either,
}

impl Iban {
    pub(crate) fn new() -> Self {
        let classes: Vec<Vec<Class>> =
            COUNTRIES.iter().map(|(_, structure)| classes(structure)).collect();
        let layouts = COUNTRIES
            .iter()
            .zip(&classes)
            .map(|((country, _), classes)| layout(country, classes))
            .collect();
        Self { classes, layouts }
    }
}

impl Template for Iban {
    fn layouts(&self) -> &[Layout] {
        &self.layouts
    }

    fn fit(&self, text: &str) -> Result<usize, FaultRule> {
        let country = text.get(..2).ok_or(FaultRule::Structure)?;
        let index = COUNTRIES
            .binary_search_by_key(&country, |(code, _)| code)
            .map_err(|_| FaultRule::Structure)?;
        let classes = self.classes.get(index).ok_or(FaultRule::Structure)?;
        if !text.bytes().all(|symbol| Class::Either.admits(symbol)) {
            return Err(FaultRule::Alphabet);
        }
        if text.len() != classes.len() {
            return Err(FaultRule::Length);
        }
        if !text.bytes().zip(classes).all(|(symbol, class)| class.admits(symbol)) {
            return Err(FaultRule::Structure);
        }
        // A country of which nothing can be enciphered is one this template does not have.
        let enciphered = self.layouts.get(index).is_some_and(|layout| !layout.runs.is_empty());
        if enciphered { Ok(index) } else { Err(FaultRule::Structure) }
    }

    fn looks_masked(&self, text: &str) -> bool {
        crate::mask::has_run_of_x(text, MASK_RUN)
    }

    fn slots(&self) -> u32 {
        96
    }

    fn slot(&self, text: &[u8]) -> Result<u32, FaultRule> {
        let [_, _, tens, ones, ..] = *text else {
            return Err(FaultRule::Length);
        };
        let written = u32::from(tens & 0xf) * 10 + u32::from(ones & 0xf);
        // 00, 01 and 99 are congruent to 97, 98 and 02: they could be read in two ways.
        if !(2..=98).contains(&written) {
            return Err(FaultRule::CheckDigits);
        }
        Ok((written + 97 - valid(text)) % 97)
    }

    fn set_slot(&self, text: &mut [u8], slot: u32) {
        let moved = (valid(text) - 2 + slot) % 97 + 2;
        if let [_, _, tens, ones, ..] = text {
            *tens = b'0' + (moved / 10) as u8;
            *ones = b'0' + (moved % 10) as u8;
        }
    }
}

impl Class {
    const fn admits(self, symbol: u8) -> bool {
        match self {
            Self::Digit => symbol.is_ascii_digit(),
            Self::Letter => symbol.is_ascii_uppercase(),
            Self::Either => symbol.is_ascii_digit() || symbol.is_ascii_uppercase(),
        }
    }
}

/// The classes of all positions of a country, from the front.
fn classes(structure: &str) -> Vec<Class> {
    let mut classes = vec![Class::Letter, Class::Letter, Class::Digit, Class::Digit];
    let mut count = 0;
    for symbol in structure.bytes() {
        let class = match symbol {
            b'n' => Class::Digit,
            b'a' => Class::Letter,
            b'c' => Class::Either,
            digit => {
                count = count * 10 + usize::from(digit & 0xf);
                continue;
            }
        };
        classes.extend(std::iter::repeat_n(class, count));
        count = 0;
    }
    classes
}

fn layout(country: &str, classes: &[Class]) -> Layout {
    let positions = |wanted: Class| -> Vec<usize> {
        (FRONT..classes.len()).filter(|at| classes.get(*at) == Some(&wanted)).collect()
    };
    let runs: Vec<Run> = [(Alphabet::Decimal, Class::Digit), (Alphabet::Base36, Class::Either)]
        .into_iter()
        .map(|(alphabet, class)| Run::new(alphabet, positions(class)))
        .filter(|run| run.domain_size() >= SMALLEST_DOMAIN)
        .collect();
    let mut kept = vec![(Part::Text, 0..2)];
    let mut at = FRONT;
    for part in classes.get(FRONT..).unwrap_or_default().chunk_by(|one, next| one == next) {
        let range = at..at + part.len();
        at = range.end;
        if !runs.iter().any(|run| run.positions().contains(&range.start)) {
            let kind = if part.first() == Some(&Class::Digit) { Part::Digits } else { Part::Text };
            kept.push((kind, range));
        }
    }
    Layout::new(format!("country {country}"), runs, kept)
}

/// The valid check digits, 2 to 98 (ISO 13616-1, section 7; ISO/IEC 7064, MOD 97-10).
fn valid(text: &[u8]) -> u32 {
    let (country, bban) =
        (text.get(..2).unwrap_or_default(), text.get(FRONT..).unwrap_or_default());
    let rest = bban.iter().chain(country).chain(b"00").fold(0, |rest, symbol| match symbol {
        b'0'..=b'9' => (rest * 10 + u32::from(symbol - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter.wrapping_sub(b'A')) + 10) % 97,
    });
    98 - rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The registry's own examples.
    const EXAMPLES: &[&str] = &[
        "AD1200012030200359100100",
        "AE070331234567890123456",
        "AT611904300234573201",
        "BE68539007547034",
        "CH9300762011623852957",
        "CZ6508000000192000145399",
        "DE89370400440532013000",
        "DK5000400440116243",
        "EE382200221020145685",
        "ES9121000418450200051332",
        "FI2112345600000785",
        "FR1420041010050500013M02606",
        "GB29NWBK60161331926819",
        "GR1601101250000000012300695",
        "HR1210010051863000160",
        "HU42117730161111101800000000",
        "IE29AIBK93115212345678",
        "IS140159260076545510730339",
        "IT60X0542811101000000123456",
        "LI21088100002324013AA",
        "LT121000011101001000",
        "LU280019400644750000",
        "LV80BANK0000435195001",
        "MC5811222000010123456789030",
        "MT84MALT011000012345MTLCAST001S",
        "NL91ABNA0417164300",
        "NO9386011117947",
        "PL61109010140000071219812874",
        "PT50000201231234567890154",
        "RO49AAAA1B31007593840000",
        "SA0380000000608010167519",
        "SE4550000000058398257466",
        "SI56263300012039086",
        "SK3112000000198742637541",
        "SM86U0322509800000000270100",
        "TR330006100519786457841326",
    ];

    #[test]
    fn the_registrys_examples_are_valid() {
        let iban = Iban::new();
        for example in EXAMPLES {
            assert!(iban.fit(example).is_ok(), "{example}");
            assert_eq!(iban.slot(example.as_bytes()), Ok(0), "{example}");
            for slot in 0..=96 {
                let mut moved = example.as_bytes().to_vec();
                iban.set_slot(&mut moved, slot);
                assert_eq!(iban.slot(&moved), Ok(slot));
                assert_eq!(moved == example.as_bytes(), slot == 0);
            }
        }
    }

    #[test]
    fn the_table_is_sorted_and_every_country_can_be_enciphered() {
        assert!(COUNTRIES.is_sorted() && COUNTRIES.len() > 70);
        let iban = Iban::new();
        for ((country, _), layout) in COUNTRIES.iter().zip(iban.layouts()) {
            assert!(!layout.runs.is_empty(), "{country}");
        }
    }

    #[test]
    fn positions_are_enciphered_by_kind() {
        let iban = Iban::new();
        let check = |example: &str, enciphered: &[&str], kept: &[&str]| {
            let layout = &iban.layouts()[iban.fit(example).unwrap()];
            let runs: Vec<String> = layout
                .runs
                .iter()
                .map(|run| {
                    run.positions().iter().map(|at| char::from(example.as_bytes()[*at])).collect()
                })
                .collect();
            assert_eq!(runs, enciphered);
            let parts: Vec<&str> = layout.kept.iter().map(|(_, at)| &example[at.clone()]).collect();
            assert_eq!(parts, kept);
        };
        check("DE89370400440532013000", &["370400440532013000"], &["DE"]);
        check("FR1420041010050500013M02606", &["200410100506", "0500013M026"], &["FR"]);
        check("CH9300762011623852957", &["011623852957"], &["CH", "00762"]);
        check("IT60X0542811101000000123456", &["0542811101", "000000123456"], &["IT", "X"]);
        check("GB29NWBK60161331926819", &["60161331926819"], &["GB", "NWBK"]);
    }

    #[test]
    fn what_is_not_of_the_structure_is_refused() {
        let iban = Iban::new();
        for (text, expected) in [
            ("", FaultRule::Structure),
            ("D", FaultRule::Structure),
            ("ZZ89370400440532013000", FaultRule::Structure),
            ("de89370400440532013000", FaultRule::Structure),
            ("DE8937040044053201300", FaultRule::Length),
            ("DE893704004405320130000", FaultRule::Length),
            ("DE89 3704 0044 0532 0130 00", FaultRule::Alphabet),
            ("DE8937040044053201300A", FaultRule::Structure),
            ("DEA937040044053201300A", FaultRule::Structure),
            ("GB291WBK60161331926819", FaultRule::Structure),
            ("FR1420041010050500013m02606", FaultRule::Alphabet),
            ("Dé89370400440532013000", FaultRule::Structure),
        ] {
            assert_eq!(iban.fit(text), Err(expected), "{text}");
        }
        for (text, expected) in [
            ("DE00370400440532013000", Err(FaultRule::CheckDigits)),
            ("DE01370400440532013000", Err(FaultRule::CheckDigits)),
            ("DE99370400440532013000", Err(FaultRule::CheckDigits)),
            ("DE90370400440532013000", Ok(1)),
            ("DE88370400440532013000", Ok(96)),
            ("DE98370400440532013000", Ok(9)),
            ("DE02370400440532013000", Ok(10)),
        ] {
            assert_eq!(iban.slot(text.as_bytes()), expected, "{text}");
        }
    }
}
