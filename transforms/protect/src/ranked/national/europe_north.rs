use super::check::{Check, Checks, Sum};
use super::piece::{Piece, day_first, long_year_first, short_year_first};
use super::{Declared, PLAIN, powers};

/// The number without its sign, modulo 31.
const FINNISH: &[i32] = &{
    let [a, b, c, d, e, f, g, h, i] = powers::<9>(31);
    [a, b, c, d, e, f, 0, g, h, i]
};

/// Sex and century, day of birth, serial, as in Estonia and Lithuania.
const BALTIC: &[Piece] = &[
    Piece::Either(&[
        &[Piece::Of("12", 1), Piece::Day(1800, 1899, short_year_first)],
        &[Piece::Of("34", 1), Piece::Day(1900, 1999, short_year_first)],
        &[Piece::Of("56", 1), Piece::Day(2000, 2099, short_year_first)],
        &[Piece::Of("78", 1), Piece::Day(2100, 2199, short_year_first)],
    ]),
    Piece::Of("0-9", 3),
];

const BALTIC_CHECK: Checks = Checks(&[Check::Twice(
    Sum::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 1], 11, "0123456789 "),
    Sum::new(&[3, 4, 5, 6, 7, 8, 9, 1, 2, 3], 11, "01234567890"),
)]);

/// Identifiers of the Nordic and Baltic countries.
pub(super) const DECLARED: &[Declared] = &[
    // Denmark: day of birth and serial, whose first digit tells the century.
    Declared {
        id: "dk_cpr",
        forms: &["xxxxxxxxxx", "xxxxxx-xxxx"],
        body: &[
            Piece::Either(&[
                &[Piece::Day(1900, 1999, day_first), Piece::Of("0-3", 1)],
                &[Piece::Day(1937, 2036, day_first), Piece::Of("49", 1)],
                &[Piece::Day(2000, 2057, day_first), Piece::Of("5-8", 1)],
                &[Piece::Day(1858, 1899, day_first), Piece::Of("5-8", 1)],
            ]),
            Piece::Of("0-9", 3),
        ],
        ..PLAIN
    },
    // Denmark: enterprises.
    Declared {
        id: "dk_cvr",
        forms: &["xxxxxxxk"],
        body: &[Piece::Of("1-9", 1), Piece::Of("0-9", 6)],
        checks: Checks(&[Check::Sum(Sum::new(&[2, 7, 6, 5, 4, 3, 2], 11, "0 987654321"))]),
        ..PLAIN
    },
    // Estonia.
    Declared {
        id: "ee_isikukood",
        forms: &["xxxxxxxxxxk"],
        body: BALTIC,
        checks: BALTIC_CHECK,
        ..PLAIN
    },
    // Finland: day of birth, a sign for the century, serial 002 to 899.
    Declared {
        id: "fi_hetu",
        forms: &["xxxxxxxxxxk"],
        body: &[
            Piece::Either(&[
                &[Piece::Day(1800, 1899, day_first), Piece::Of("+", 1)],
                &[Piece::Day(1900, 1999, day_first), Piece::Of("-U-Y", 1)],
                &[Piece::Day(2000, 2099, day_first), Piece::Of("A-F", 1)],
            ]),
            Piece::Number(3, &[(2, 899)]),
        ],
        checks: Checks(&[Check::Sum(Sum::new(FINNISH, 31, "0123456789ABCDEFHJKLMNPRSTUVWXY"))]),
        ..PLAIN
    },
    // Finland: businesses.
    Declared {
        id: "fi_ytunnus",
        forms: &["xxxxxxx-k"],
        body: &[Piece::Of("0-9", 7)],
        except: &["0000000"],
        checks: Checks(&[Check::Sum(Sum::new(&[7, 9, 10, 5, 8, 4, 2], 11, "0 987654321"))]),
        ..PLAIN
    },
    // Iceland, natural persons: day of birth, serial from 20, check digit, century.
    Declared {
        id: "is_kennitala",
        forms: &["xxxxxxxxkx", "xxxxxx-xxkx"],
        body: &[Piece::Either(&[
            &[Piece::Day(1800, 1899, day_first), Piece::Number(2, &[(20, 99)]), Piece::Of("8", 1)],
            &[Piece::Day(1900, 1999, day_first), Piece::Number(2, &[(20, 99)]), Piece::Of("9", 1)],
            &[Piece::Day(2000, 2099, day_first), Piece::Number(2, &[(20, 99)]), Piece::Of("0", 1)],
        ])],
        checks: Checks(&[Check::Sum(Sum::new(&[3, 2, 7, 6, 5, 4, 3, 2, 0], 11, "0 987654321"))]),
        ..PLAIN
    },
    // Lithuania.
    Declared {
        id: "lt_asmens_kodas",
        forms: &["xxxxxxxxxxk"],
        body: BALTIC,
        checks: BALTIC_CHECK,
        ..PLAIN
    },
    // Norway: day of birth, and a serial whose ranges are those of the years; the rules of
    // numbers given out before 2032.
    Declared {
        id: "no_fodselsnummer",
        forms: &["xxxxxxxxxkk", "xxxxxx xxxkk"],
        body: &[Piece::Either(&[
            &[Piece::Day(1900, 1999, day_first), Piece::Number(3, &[(0, 499)])],
            &[Piece::Day(1854, 1899, day_first), Piece::Number(3, &[(500, 749)])],
            &[Piece::Day(1940, 1999, day_first), Piece::Number(3, &[(900, 999)])],
            &[Piece::Day(2000, 2039, day_first), Piece::Number(3, &[(500, 999)])],
        ])],
        checks: Checks(&[
            Check::Sum(Sum::new(&[3, 7, 6, 1, 8, 9, 4, 5, 2], 11, "0 987654321")),
            Check::Sum(Sum::new(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2], 11, "0 987654321")),
        ]),
        ..PLAIN
    },
    // Norway: organisations.
    Declared {
        id: "no_orgnr",
        forms: &["xxxxxxxxk", "xxx xxx xxk"],
        body: &[Piece::Of("89", 1), Piece::Of("0-9", 7)],
        checks: Checks(&[Check::Sum(Sum::new(&[3, 2, 7, 6, 5, 4, 3, 2], 11, "0 987654321"))]),
        ..PLAIN
    },
    // Sweden: day of birth and serial; `+` for those of 100 years and more.
    Declared {
        id: "se_personnummer",
        forms: &["xxxxxxxxxk", "xxxxxx-xxxk", "xxxxxx+xxxk"],
        body: &[Piece::Day(1901, 2000, short_year_first), Piece::Number(3, &[(1, 999)])],
        checks: Checks(&[Check::Sum(Sum::luhn(&[2, 1, 2, 1, 2, 1, 2, 1, 2]))]),
        ..PLAIN
    },
    // The same with the century, which is not in the check digit.
    Declared {
        id: "se_personnummer",
        forms: &["xxxxxxxxxxxk", "xxxxxxxx-xxxk"],
        body: &[Piece::Day(1800, 2099, long_year_first), Piece::Number(3, &[(1, 999)])],
        checks: Checks(&[Check::Sum(Sum::luhn(&[0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 2]))]),
        ..PLAIN
    },
];
