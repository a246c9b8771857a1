use super::check::{Check, Checks, Sum};
use super::piece::Piece;
use super::{Declared, PLAIN};

/// Identifiers of the Americas.
pub(super) const DECLARED: &[Declared] = &[
    // Argentina: CUIT and CUIL; kinds of persons, then a number.
    Declared {
        id: "ar_cuit",
        forms: &["xxxxxxxxxxk", "xx-xxxxxxxx-k"],
        body: &[
            Piece::Number(2, &[(20, 20), (23, 27), (30, 30), (33, 34), (50, 51), (55, 55)]),
            Piece::Of("0-9", 8),
        ],
        checks: Checks(&[Check::Sum(Sum::new(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2], 11, "09987654321"))]),
        ..PLAIN
    },
    // Brazil: legal persons, by root and branch (digits only); branch 0000 is none.
    Declared {
        id: "br_cnpj",
        forms: &["xxxxxxxxxxxxkk", "xx.xxx.xxx/xxxx-kk"],
        body: &[Piece::Of("0-9", 8), Piece::Number(4, &[(1, 9999)])],
        checks: Checks(&[
            Check::Sum(Sum::new(&[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], 11, "00987654321")),
            Check::Sum(Sum::new(&[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], 11, "00987654321")),
        ]),
        ..PLAIN
    },
    // Brazil: natural persons; eleven equal digits are none.
    Declared {
        id: "br_cpf",
        forms: &["xxxxxxxxxkk", "xxx.xxx.xxx-kk"],
        body: &[Piece::Of("0-9", 9)],
        except: &[
            "000000000",
            "111111111",
            "222222222",
            "333333333",
            "444444444",
            "555555555",
            "666666666",
            "777777777",
            "888888888",
            "999999999",
        ],
        checks: Checks(&[
            Check::Sum(Sum::new(&[10, 9, 8, 7, 6, 5, 4, 3, 2], 11, "00987654321")),
            Check::Sum(Sum::new(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2], 11, "00987654321")),
        ]),
        ..PLAIN
    },
    // Canada: Social Insurance Number; 0 is not issued, 8 is for business numbers.
    Declared {
        id: "ca_sin",
        forms: &["xxxxxxxxk", "xxx xxx xxk", "xxx-xxx-xxk"],
        body: &[Piece::Of("1-79", 1), Piece::Of("0-9", 7)],
        checks: Checks(&[Check::Sum(Sum::luhn(&[1, 2, 1, 2, 1, 2, 1, 2]))]),
        ..PLAIN
    },
    // Chile: RUN and RUT, of eight digits and of seven.
    Declared {
        id: "cl_rut",
        forms: &["xxxxxxxx-k", "xx.xxx.xxx-k"],
        body: &[Piece::Of("1-9", 1), Piece::Of("0-9", 7)],
        checks: Checks(&[Check::Sum(Sum::new(&[3, 2, 7, 6, 5, 4, 3, 2], 11, "0K987654321"))]),
        ..PLAIN
    },
    Declared {
        id: "cl_rut",
        forms: &["xxxxxxx-k", "x.xxx.xxx-k"],
        body: &[Piece::Of("1-9", 1), Piece::Of("0-9", 6)],
        checks: Checks(&[Check::Sum(Sum::new(&[2, 7, 6, 5, 4, 3, 2], 11, "0K987654321"))]),
        ..PLAIN
    },
    // Ecuador: natural persons, by province; the third digit is below 6.
    Declared {
        id: "ec_cedula",
        forms: &["xxxxxxxxxk", "xxxxxxxxx-k"],
        body: &[Piece::Number(2, &[(1, 24), (30, 30)]), Piece::Of("0-5", 1), Piece::Of("0-9", 6)],
        checks: Checks(&[Check::Sum(Sum::luhn(&[2, 1, 2, 1, 2, 1, 2, 1, 2]))]),
        ..PLAIN
    },
    // Peru: tax payers, by kind.
    Declared {
        id: "pe_ruc",
        forms: &["xxxxxxxxxxk"],
        body: &[Piece::One(&["10", "15", "16", "17", "20"]), Piece::Of("0-9", 8)],
        checks: Checks(&[Check::Sum(Sum::new(&[5, 4, 3, 2, 7, 6, 5, 4, 3, 2], 11, "10987654321"))]),
        ..PLAIN
    },
    // United States: Employer Identification Number; the prefixes the IRS has in use.
    Declared {
        id: "us_ein",
        forms: &["xxxxxxxxx", "xx-xxxxxxx"],
        body: &[
            Piece::Number(
                2,
                &[
                    (1, 6),
                    (10, 16),
                    (20, 27),
                    (30, 48),
                    (50, 68),
                    (71, 77),
                    (80, 88),
                    (90, 95),
                    (98, 99),
                ],
            ),
            Piece::Of("0-9", 7),
        ],
        ..PLAIN
    },
    // United States: Individual Taxpayer Identification Number.
    Declared {
        id: "us_itin",
        forms: &["xxxxxxxxx", "xxx-xx-xxxx"],
        body: &[
            Piece::One(&["9"]),
            Piece::Of("0-9", 2),
            Piece::Number(2, &[(50, 65), (70, 88), (90, 92), (94, 99)]),
            Piece::Of("0-9", 4),
        ],
        ..PLAIN
    },
    // United States: National Provider Identifier; Luhn with 80840 before it, which adds 24.
    Declared {
        id: "us_npi",
        forms: &["xxxxxxxxxk"],
        body: &[Piece::Of("12", 1), Piece::Of("0-9", 8)],
        checks: Checks(&[Check::Sum(Sum::luhn(&[2, 1, 2, 1, 2, 1, 2, 1, 2]).plus(24))]),
        ..PLAIN
    },
    // United States: routing transit number of a bank, by Federal Reserve district.
    Declared {
        id: "us_routing",
        forms: &["xxxxxxxxk"],
        body: &[Piece::Number(2, &[(0, 12), (21, 32), (61, 72), (80, 80)]), Piece::Of("0-9", 6)],
        except: &["00000000"],
        checks: Checks(&[Check::Sum(Sum::new(&[3, 7, 1, 3, 7, 1, 3, 7], 10, "0987654321"))]),
        ..PLAIN
    },
    // United States: Social Security number.
    Declared {
        id: "us_ssn",
        forms: &["xxxxxxxxx", "xxx-xx-xxxx"],
        body: &[
            Piece::Number(3, &[(1, 665), (667, 899)]),
            Piece::Number(2, &[(1, 99)]),
            Piece::Number(4, &[(1, 9999)]),
        ],
        ..PLAIN
    },
];
