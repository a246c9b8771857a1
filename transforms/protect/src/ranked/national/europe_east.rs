use super::check::{Check, Checks, Sum};
use super::piece::{Day, Piece, short_year_first};
use super::{Declared, PLAIN};

/// Identifiers of central, eastern and south-eastern Europe.
pub(super) const DECLARED: &[Declared] = &[
    // Bulgaria: day of birth, its month moved by the century, and serial.
    Declared {
        id: "bg_egn",
        forms: &["xxxxxxxxxk"],
        body: &[Piece::Day(1800, 2099, bulgarian), Piece::Of("0-9", 3)],
        checks: Checks(&[Check::Sum(Sum::new(&[2, 4, 8, 5, 10, 9, 7, 3, 6], 11, "01234567890"))]),
        ..PLAIN
    },
    // Czechia: organisations.
    Declared {
        id: "cz_ico",
        forms: &["xxxxxxxk"],
        body: &[Piece::Of("0-9", 7)],
        except: &["0000000"],
        checks: Checks(&[Check::Sum(Sum::new(&[8, 7, 6, 5, 4, 3, 2], 11, "10987654321"))]),
        ..PLAIN
    },
    // Croatia.
    Declared {
        id: "hr_oib",
        forms: &["xxxxxxxxxxk"],
        body: &[Piece::Of("0-9", 10)],
        checks: Checks(&[Check::Hybrid]),
        ..PLAIN
    },
    // Hungary: social insurance.
    Declared {
        id: "hu_taj",
        forms: &["xxxxxxxxk", "xxx xxx xxk"],
        body: &[Piece::Of("0-9", 8)],
        except: &["00000000"],
        checks: Checks(&[Check::Sum(Sum::new(&[3, 7, 3, 7, 3, 7, 3, 7], 10, "0123456789"))]),
        ..PLAIN
    },
    // Poland: tax payers.
    Declared {
        id: "pl_nip",
        forms: &["xxxxxxxxxk", "xxx-xxx-xx-xk"],
        body: &[Piece::Of("0-9", 9)],
        except: &["000"],
        checks: Checks(&[Check::Sum(Sum::new(&[6, 5, 7, 2, 3, 4, 5, 6, 7], 11, "0123456789 "))]),
        ..PLAIN
    },
    // Poland: day of birth, its month moved by the century, and serial.
    Declared {
        id: "pl_pesel",
        forms: &["xxxxxxxxxxk"],
        body: &[Piece::Day(1800, 2299, polish), Piece::Of("0-9", 4)],
        checks: Checks(&[Check::Sum(Sum::new(&[1, 3, 7, 9, 1, 3, 7, 9, 1, 3], 10, "0987654321"))]),
        ..PLAIN
    },
    // Poland: businesses, of nine digits.
    Declared {
        id: "pl_regon",
        forms: &["xxxxxxxxk"],
        body: &[Piece::Of("0-9", 8)],
        checks: Checks(&[Check::Sum(Sum::new(&[8, 9, 2, 3, 4, 5, 6, 7], 11, "01234567890"))]),
        ..PLAIN
    },
    // Romania: sex and century, day of birth, county, serial; 7 and 8 are residents of
    // either century.
    Declared {
        id: "ro_cnp",
        forms: &["xxxxxxxxxxxxk"],
        body: &[
            Piece::Either(&[
                &[Piece::Of("12", 1), Piece::Day(1900, 1999, short_year_first)],
                &[Piece::Of("34", 1), Piece::Day(1800, 1899, short_year_first)],
                &[Piece::Of("56", 1), Piece::Day(2000, 2099, short_year_first)],
                &[Piece::Of("78", 1), Piece::Day(1901, 2000, short_year_first)],
            ]),
            Piece::Number(2, &[(1, 48), (51, 52), (70, 70), (80, 83)]),
            Piece::Number(3, &[(1, 999)]),
        ],
        checks: Checks(&[Check::Sum(Sum::new(
            &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9],
            11,
            "01234567891",
        ))]),
        ..PLAIN
    },
    // Serbia and the other states of former Yugoslavia: day of birth with the last three
    // digits of the year, region, serial.
    Declared {
        id: "rs_jmbg",
        forms: &["xxxxxxxxxxxxk"],
        body: &[Piece::Day(1800, 2099, yugoslav), Piece::Of("0-9", 5)],
        checks: Checks(&[Check::Sum(Sum::new(
            &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2],
            11,
            "0 987654321",
        ))]),
        ..PLAIN
    },
    // Russia: tax payers, organisations with ten digits and natural persons with twelve.
    Declared {
        id: "ru_inn",
        forms: &["xxxxxxxxxk"],
        body: &[Piece::Of("0-9", 9)],
        except: &["00"],
        checks: Checks(&[Check::Sum(Sum::new(&[2, 4, 10, 3, 5, 9, 4, 6, 8], 11, "01234567890"))]),
        ..PLAIN
    },
    Declared {
        id: "ru_inn",
        forms: &["xxxxxxxxxxkk"],
        body: &[Piece::Of("0-9", 10)],
        except: &["00"],
        checks: Checks(&[
            Check::Sum(Sum::new(&[7, 2, 4, 10, 3, 5, 9, 4, 6, 8], 11, "01234567890")),
            Check::Sum(Sum::new(&[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8], 11, "01234567890")),
        ]),
        ..PLAIN
    },
    // Ukraine: tax payers.
    Declared {
        id: "ua_rntrc",
        forms: &["xxxxxxxxxk"],
        body: &[Piece::Of("0-9", 9)],
        checks: Checks(&[Check::Sum(Sum::new(&[-1, 5, 7, 9, 4, 6, 10, 5, 7], 11, "01234567890"))]),
        ..PLAIN
    },
];

fn bulgarian(day: Day) -> String {
    let moved = match day.year {
        ..1900 => 20,
        1900..2000 => 0,
        _ => 40,
    };
    short_year_first(Day { month: day.month + moved, ..day })
}

fn polish(day: Day) -> String {
    let moved = match day.year {
        ..1900 => 80,
        year => (year - 1900) / 100 * 20,
    };
    short_year_first(Day { month: day.month + moved, ..day })
}

fn yugoslav(day: Day) -> String {
    format!("{:02}{:02}{:03}", day.day, day.month, day.year % 1000)
}
