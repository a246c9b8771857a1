use super::check::{Check, Checks, Sum, value};
use super::piece::{Day, Machine, Piece, day_first, short_year_first};
use super::{Declared, PLAIN, powers};

const POWERS_8_OF_23: [i32; 8] = powers(23);
const POWERS_8_OF_97: [i32; 8] = powers(97);
const POWERS_9_OF_97: [i32; 9] = powers(97);
const POWERS_13_OF_97: [i32; 13] = powers(97);

const SPANISH: &str = "TRWAGMYFPDXBNJZSQVHLCKE";

/// Three letters of a name: its consonants, then its vowels, then X.
const ITALIAN_NAME: Piece = Piece::Either(&[
    &[Piece::Of("B-DF-HJ-NP-TV-Z", 2), Piece::Of("A-Z", 1)],
    &[Piece::Of("A-Z", 1), Piece::Of("AEIOU", 1), Piece::Of("AEIOUX", 1)],
    &[Piece::Of("AEIOU", 1), Piece::One(&["XX"])],
]);

/// Identifiers of western and southern Europe.
pub(super) const DECLARED: &[Declared] = &[
    // Austria: serial, check digit, day of birth.
    Declared {
        id: "at_svnr",
        forms: &["xxxkxxxxxx", "xxxk xxxxxx"],
        body: &[Piece::Number(3, &[(100, 999)]), Piece::Day(1901, 2000, day_first)],
        checks: Checks(&[Check::Sum(Sum::new(&[3, 7, 9, 5, 8, 4, 2, 1, 6], 11, "0123456789 "))]),
        ..PLAIN
    },
    // Belgium: enterprises.
    Declared {
        id: "be_enterprise",
        forms: &["xxxxxxxxkk", "xxxx.xxx.xkk"],
        body: &[Piece::Of("01", 1), Piece::Of("0-9", 7)],
        except: &["00000000"],
        checks: Checks(&[Check::Sum(Sum::down(&POWERS_8_OF_97, 97, 97))]),
        ..PLAIN
    },
    // Belgium: day of birth and serial; for those born from 2000 on, the check digits are
    // those of the number with a 2 before it.
    Declared {
        id: "be_national_number",
        kind: "born before 2000",
        forms: &["xxxxxxxxxkk", "xx.xx.xx-xxx.kk"],
        body: &[Piece::Day(1900, 1999, short_year_first), Piece::Number(3, &[(1, 998)])],
        checks: Checks(&[Check::Sum(Sum::down(&POWERS_9_OF_97, 97, 97))]),
        told_by_checks: true,
        ..PLAIN
    },
    Declared {
        id: "be_national_number",
        kind: "born from 2000 on",
        forms: &["xxxxxxxxxkk", "xx.xx.xx-xxx.kk"],
        body: &[Piece::Day(2000, 2099, short_year_first), Piece::Number(3, &[(1, 998)])],
        checks: Checks(&[Check::Sum(Sum::down(&POWERS_9_OF_97, 97, 97).plus(2_000_000_000))]),
        told_by_checks: true,
        ..PLAIN
    },
    // Switzerland: old-age insurance, an EAN-13 that begins with 756.
    Declared {
        id: "ch_ahv",
        forms: &["xxxxxxxxxxxxk", "xxx.xxxx.xxxx.xk"],
        body: &[Piece::One(&["756"]), Piece::Of("0-9", 9)],
        checks: Checks(&[Check::Sum(Sum::new(
            &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3],
            10,
            "0987654321",
        ))]),
        ..PLAIN
    },
    // Switzerland: enterprises.
    Declared {
        id: "ch_uid",
        forms: &["CHExxxxxxxxk", "CHE-xxx.xxx.xxk"],
        body: &[Piece::Of("0-9", 8)],
        checks: Checks(&[Check::Sum(Sum::new(&[5, 4, 3, 2, 7, 6, 5, 4], 11, "0 987654321"))]),
        ..PLAIN
    },
    // Germany: of the first ten digits, the first of which is not 0, exactly one is there
    // twice or three times, and three of it do not stand side by side.
    Declared {
        id: "de_tax_id",
        forms: &["xxxxxxxxxxk", "xx xxx xxx xxk"],
        body: &[Piece::Digits(10, GERMAN)],
        checks: Checks(&[Check::Hybrid]),
        ..PLAIN
    },
    // Germany: value added tax.
    Declared {
        id: "de_vat_id",
        forms: &["DExxxxxxxxk"],
        body: &[Piece::Of("1-9", 1), Piece::Of("0-9", 7)],
        checks: Checks(&[Check::Hybrid]),
        ..PLAIN
    },
    // Spain: identity card.
    Declared {
        id: "es_dni",
        forms: &["xxxxxxxxk", "xxxxxxxx-k"],
        body: &[Piece::Of("0-9", 8)],
        checks: Checks(&[Check::Sum(Sum::new(&POWERS_8_OF_23, 23, SPANISH))]),
        ..PLAIN
    },
    // Spain: foreigners; X, Y, Z stand for 0, 1, 2.
    Declared {
        id: "es_nie",
        forms: &["xxxxxxxxk", "x-xxxxxxx-k"],
        body: &[Piece::Of("X-Z", 1), Piece::Of("0-9", 7)],
        checks: Checks(&[Check::Sum(Sum::new(&POWERS_8_OF_23, 23, SPANISH).of(spanish_foreigner))]),
        ..PLAIN
    },
    // France: sex, year and month of birth (or a stand-in for the month), department (2A and
    // 2B for Corsica count 19 and 18), commune or country, serial.
    Declared {
        id: "fr_nir",
        forms: &["xxxxxxxxxxxxxkk", "x xx xx xx xxx xxx kk"],
        body: &[
            Piece::Of("1-478", 1),
            Piece::Of("0-9", 2),
            Piece::Number(2, &[(1, 12), (20, 42), (50, 99)]),
            Piece::Either(&[&[Piece::Number(2, &[(1, 99)])], &[Piece::One(&["2A", "2B"])]]),
            Piece::Number(3, &[(1, 990)]),
            Piece::Number(3, &[(1, 999)]),
        ],
        checks: Checks(&[Check::Sum(Sum::down(&POWERS_13_OF_97, 97, 97).of(corsican))]),
        ..PLAIN
    },
    // France: enterprises.
    Declared {
        id: "fr_siren",
        forms: &["xxxxxxxxk", "xxx xxx xxk"],
        body: &[Piece::Of("0-9", 8)],
        except: &["00000000"],
        checks: Checks(&[Check::Sum(Sum::luhn(&[1, 2, 1, 2, 1, 2, 1, 2]))]),
        ..PLAIN
    },
    // United Kingdom: patients of the National Health Service.
    Declared {
        id: "gb_nhs",
        forms: &["xxxxxxxxxk", "xxx xxx xxxk"],
        body: &[Piece::Of("0-9", 9)],
        except: &["000000000"],
        checks: Checks(&[Check::Sum(Sum::new(&[10, 9, 8, 7, 6, 5, 4, 3, 2], 11, "0 987654321"))]),
        ..PLAIN
    },
    // United Kingdom: National Insurance.
    Declared {
        id: "gb_nino",
        forms: &["xxxxxxxxx", "xx xx xx xx x"],
        body: &[
            Piece::Of("A-CEGHJ-PR-TW-Z", 1),
            Piece::Of("A-CEGHJ-NPR-TW-Z", 1),
            Piece::Of("0-9", 6),
            Piece::Of("A-D", 1),
        ],
        except: &["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"],
        ..PLAIN
    },
    // United Kingdom: tax payers; the check digit comes first.
    Declared {
        id: "gb_utr",
        forms: &["kxxxxxxxxx"],
        body: &[Piece::Of("0-9", 9)],
        checks: Checks(&[Check::Sum(Sum::new(&[6, 7, 8, 9, 10, 5, 4, 3, 2], 11, "21987654321"))]),
        ..PLAIN
    },
    // Greece: tax payers.
    Declared {
        id: "gr_afm",
        forms: &["xxxxxxxxk"],
        body: &[Piece::Of("0-9", 8)],
        except: &["00000000"],
        checks: Checks(&[Check::Sum(Sum::new(
            &[256, 128, 64, 32, 16, 8, 4, 2],
            11,
            "01234567890",
        ))]),
        ..PLAIN
    },
    // Greece: social insurance: day of birth and serial.
    Declared {
        id: "gr_amka",
        forms: &["xxxxxxxxxxk"],
        body: &[Piece::Day(1901, 2000, day_first), Piece::Of("0-9", 4)],
        checks: Checks(&[Check::Sum(Sum::luhn(&[1, 2, 1, 2, 1, 2, 1, 2, 1, 2]))]),
        ..PLAIN
    },
    // Ireland: Personal Public Service number; one letter, or two, of which the second
    // counts nine times, and W nothing.
    Declared {
        id: "ie_pps",
        forms: &["xxxxxxxk"],
        body: &[Piece::Of("0-9", 7)],
        checks: Checks(&[Check::Sum(Sum::new(&[8, 7, 6, 5, 4, 3, 2], 23, IRISH))]),
        ..PLAIN
    },
    Declared {
        id: "ie_pps",
        forms: &["xxxxxxxkx"],
        body: &[Piece::Of("0-9", 7), Piece::Of("A-IW", 1)],
        checks: Checks(&[Check::Sum(Sum::new(&[8, 7, 6, 5, 4, 3, 2, 9], 23, IRISH).of(irish))]),
        ..PLAIN
    },
    // Italy: names, day of birth (its month as a letter, its day plus 40 for women), place;
    // digits that are not replaced by letters.
    Declared {
        id: "it_codice_fiscale",
        forms: &["xxxxxxxxxxxxxxxk"],
        body: &[
            ITALIAN_NAME,
            ITALIAN_NAME,
            Piece::Either(&[
                &[Piece::Day(1901, 2000, italian_man)],
                &[Piece::Day(1901, 2000, italian_woman)],
            ]),
            Piece::Either(&[
                &[Piece::Of("A-M", 1), Piece::Number(3, &[(1, 999)])],
                &[Piece::One(&["Z"]), Piece::Number(3, &[(100, 999)])],
            ]),
        ],
        checks: Checks(&[Check::Sum(
            Sum::new(&[1; 15], 26, "ABCDEFGHIJKLMNOPQRSTUVWXYZ").of(italian),
        )]),
        ..PLAIN
    },
    // Italy: value added tax: serial and province.
    Declared {
        id: "it_partita_iva",
        forms: &["xxxxxxxxxxk"],
        body: &[
            Piece::Number(7, &[(1, 9_999_999)]),
            Piece::Number(3, &[(1, 100), (120, 121), (888, 888), (999, 999)]),
        ],
        checks: Checks(&[Check::Sum(Sum::luhn(&[1, 2, 1, 2, 1, 2, 1, 2, 1, 2]))]),
        ..PLAIN
    },
    // Netherlands: citizen service number of nine digits, of which at most one leading
    // digit is 0.
    Declared {
        id: "nl_bsn",
        forms: &["xxxxxxxxk"],
        body: &[Piece::Of("0-9", 8)],
        except: &["00"],
        checks: Checks(&[Check::Sum(Sum::new(&[9, 8, 7, 6, 5, 4, 3, 2], 11, "0123456789 "))]),
        ..PLAIN
    },
    // Portugal: tax payers, by kind.
    Declared {
        id: "pt_nif",
        forms: &["xxxxxxxxk"],
        body: &[Piece::Either(&[
            &[Piece::Of("1-3568", 1), Piece::Of("0-9", 7)],
            &[
                Piece::Number(2, &[(45, 45), (70, 72), (74, 75), (77, 79), (90, 91), (98, 99)]),
                Piece::Of("0-9", 6),
            ],
        ])],
        checks: Checks(&[Check::Sum(Sum::new(&[9, 8, 7, 6, 5, 4, 3, 2], 11, "00987654321"))]),
        ..PLAIN
    },
];

const IRISH: &str = "WABCDEFGHIJKLMNOPQRSTUV";

const fn irish(_at: usize, symbol: u8, weight: i32) -> i32 {
    match symbol {
        b'W' => 0,
        b'A'..=b'I' => (symbol - b'A' + 1) as i32 * weight,
        digit => value(digit) * weight,
    }
}

const fn spanish_foreigner(_at: usize, symbol: u8, weight: i32) -> i32 {
    match symbol {
        b'X'..=b'Z' => (symbol - b'X') as i32 * weight,
        digit => value(digit) * weight,
    }
}

/// 2A is 19 and 2B is 18: 20 less 1, and less 2.
const fn corsican(_at: usize, symbol: u8, weight: i32) -> i32 {
    match symbol {
        b'A' => -weight,
        b'B' => -2 * weight,
        digit => value(digit) * weight,
    }
}

/// Characters at even places, counted from 1, stand for their place in the alphabet or for
/// themselves, those at odd places for what the decree's table says.
fn italian(at: usize, symbol: u8, _weight: i32) -> i32 {
    const ODD: [i32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let place = match value(symbol) {
        digit @ ..10 => digit,
        letter => letter - 10,
    };
    let odd = usize::try_from(place).ok().and_then(|place| ODD.get(place));
    if at.is_multiple_of(2) { odd.copied().unwrap_or_default() } else { place }
}

fn italian_man(day: Day) -> String {
    let month = b"ABCDEHLMPRST".get(day.month as usize - 1).copied().unwrap_or_default();
    format!("{:02}{}{:02}", day.year % 100, char::from(month), day.day)
}

fn italian_woman(day: Day) -> String {
    italian_man(Day { day: day.day + 40, ..day })
}

/// The state: the digits seen, a bit for each; above them either the last digit, or that
/// which is there twice, with whether both stand at the end; above these, how often one
/// digit is there, if more than once.
const GERMAN: Machine = Machine { start: 0, step: german, ends: |state| state >> 20 >= 2 };

fn german(state: u64, digit: u8) -> Option<u64> {
    let digit = u64::from(digit);
    let (seen, other, at_end, times) =
        (state & 0x3ff, state >> 10 & 0xf, state >> 14 & 1, state >> 20);
    let fresh = seen >> digit & 1 == 0;
    let seen_now = seen | 1 << digit;
    match times {
        _ if seen == 0 && digit == 0 => None,
        0 if fresh => Some(seen_now | digit << 10),
        0 => Some(seen | digit << 10 | u64::from(other == digit) << 14 | 2 << 20),
        2 if fresh => Some(seen_now | other << 10 | 2 << 20),
        2 if other == digit && at_end == 0 => Some(seen | 3 << 20),
        3 if fresh => Some(seen_now | 3 << 20),
        _ => None,
    }
}
