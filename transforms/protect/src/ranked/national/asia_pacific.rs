use super::check::{Check, Checks, Sum, value};
use super::piece::{Piece, long_year_first};
use super::{Declared, PLAIN};

/// Identifiers of Asia, Australia and New Zealand.
pub(super) const DECLARED: &[Declared] = &[
    // Australia: Australian Business Number; its check digits, 11 to 99, come first.
    Declared {
        id: "au_abn",
        forms: &["kkxxxxxxxxx", "kk xxx xxx xxx"],
        body: &[Piece::Of("0-9", 9)],
        checks: Checks(&[Check::Sum(Sum::down(&[3, 5, 7, 9, 11, 13, 15, 17, 19], 89, 99))]),
        ..PLAIN
    },
    // Australia: Tax File Number of nine digits.
    Declared {
        id: "au_tfn",
        forms: &["xxxxxxxxk", "xxx xxx xxk"],
        body: &[Piece::Of("0-9", 8)],
        checks: Checks(&[Check::Sum(Sum::new(&[1, 4, 3, 7, 5, 8, 6, 9], 11, "0123456789 "))]),
        ..PLAIN
    },
    // China: resident identity number (GB 11643): province, county, day of birth, serial.
    Declared {
        id: "cn_resident_id",
        forms: &["xxxxxxxxxxxxxxxxxk"],
        body: &[
            Piece::Number(
                2,
                &[(11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83)],
            ),
            Piece::Of("0-9", 4),
            Piece::Day(1800, 2099, long_year_first),
            Piece::Of("0-9", 3),
        ],
        checks: Checks(&[Check::Sum(Sum::new(
            &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2],
            11,
            "10X98765432",
        ))]),
        ..PLAIN
    },
    // Hong Kong: identity card number with one letter (a space before it counts 36) and
    // with two.
    Declared {
        id: "hk_hkid",
        forms: &["xxxxxxxk", "xxxxxxx(k)"],
        body: &[Piece::Of("A-Z", 1), Piece::Of("0-9", 6)],
        checks: Checks(&[Check::Sum(
            Sum::new(&[8, 7, 6, 5, 4, 3, 2], 11, "0A987654321").plus(36 * 9),
        )]),
        ..PLAIN
    },
    Declared {
        id: "hk_hkid",
        forms: &["xxxxxxxxk", "xxxxxxxx(k)"],
        body: &[Piece::Of("A-Z", 2), Piece::Of("0-9", 6)],
        checks: Checks(&[Check::Sum(Sum::new(&[9, 8, 7, 6, 5, 4, 3, 2], 11, "0A987654321"))]),
        ..PLAIN
    },
    // Israel: identity number of nine digits.
    Declared {
        id: "il_teudat_zehut",
        forms: &["xxxxxxxxk"],
        body: &[Piece::Of("0-9", 8)],
        except: &["00000000"],
        checks: Checks(&[Check::Sum(Sum::luhn(&[1, 2, 1, 2, 1, 2, 1, 2]))]),
        ..PLAIN
    },
    // India: Aadhaar; it begins with 2 to 9.
    Declared {
        id: "in_aadhaar",
        forms: &["xxxxxxxxxxxk", "xxxx xxxx xxxk"],
        body: &[Piece::Of("2-9", 1), Piece::Of("0-9", 10)],
        checks: Checks(&[Check::Verhoeff]),
        ..PLAIN
    },
    // India: Permanent Account Number; the fourth letter is the kind of the holder, and how
    // the last one is made has not been published.
    Declared {
        id: "in_pan",
        forms: &["xxxxxxxxxx"],
        body: &[
            Piece::Of("A-Z", 3),
            Piece::Of("ABCFGHJLPT", 1),
            Piece::Of("A-Z", 1),
            Piece::Number(4, &[(1, 9999)]),
            Piece::Of("A-Z", 1),
        ],
        ..PLAIN
    },
    // Japan: number of a legal person; its check digit, 1 to 9, comes first.
    Declared {
        id: "jp_corporate_number",
        forms: &["kxxxxxxxxxxxx"],
        body: &[Piece::Of("0-9", 12)],
        checks: Checks(&[Check::Sum(Sum::new(
            &[2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1],
            9,
            "987654321",
        ))]),
        ..PLAIN
    },
    // Japan: number of a natural person.
    Declared {
        id: "jp_my_number",
        forms: &["xxxxxxxxxxxk"],
        body: &[Piece::Of("0-9", 11)],
        checks: Checks(&[Check::Sum(Sum::new(
            &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2],
            11,
            "00987654321",
        ))]),
        ..PLAIN
    },
    // New Zealand: Inland Revenue number, 10,000,000 to 149,999,999.
    Declared {
        id: "nz_ird",
        forms: &["xxxxxxxk", "xx-xxx-xxk"],
        body: &[Piece::Number(7, &[(1_000_000, 9_999_999)])],
        checks: Checks(&[Check::Twice(
            Sum::new(&[2, 7, 6, 5, 4, 3, 2], 11, "0 987654321"),
            Sum::new(&[4, 3, 2, 5, 2, 7, 6], 11, "0 987654321"),
        )]),
        ..PLAIN
    },
    Declared {
        id: "nz_ird",
        forms: &["xxxxxxxxk", "xxx-xxx-xxk"],
        body: &[Piece::Number(8, &[(10_000_000, 14_999_999)])],
        checks: Checks(&[Check::Twice(
            Sum::new(&[3, 2, 7, 6, 5, 4, 3, 2], 11, "0 987654321"),
            Sum::new(&[7, 4, 3, 2, 5, 2, 7, 6], 11, "0 987654321"),
        )]),
        ..PLAIN
    },
    // Singapore: NRIC (S, T) and FIN (F, G); T and G add 4.
    Declared {
        id: "sg_nric",
        kind: "NRIC",
        forms: &["xxxxxxxxk"],
        body: &[Piece::Of("ST", 1), Piece::Of("0-9", 7)],
        checks: Checks(&[Check::Sum(
            Sum::new(&[1, 2, 7, 6, 5, 4, 3, 2], 11, "JZIHGFEDCBA").of(singaporean),
        )]),
        ..PLAIN
    },
    Declared {
        id: "sg_nric",
        kind: "FIN",
        forms: &["xxxxxxxxk"],
        body: &[Piece::Of("FG", 1), Piece::Of("0-9", 7)],
        checks: Checks(&[Check::Sum(
            Sum::new(&[1, 2, 7, 6, 5, 4, 3, 2], 11, "XWUTRQPNMLK").of(singaporean),
        )]),
        ..PLAIN
    },
    // Thailand: identity number.
    Declared {
        id: "th_id",
        forms: &["xxxxxxxxxxxxk", "x-xxxx-xxxxx-xx-k"],
        body: &[Piece::Of("1-8", 1), Piece::Of("0-9", 11)],
        checks: Checks(&[Check::Sum(Sum::new(
            &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2],
            11,
            "10987654321",
        ))]),
        ..PLAIN
    },
    // Turkey: identity number.
    Declared {
        id: "tr_kimlik",
        forms: &["xxxxxxxxxkk"],
        body: &[Piece::Of("1-9", 1), Piece::Of("0-9", 8)],
        checks: Checks(&[
            Check::Sum(Sum::new(&[7, -1, 7, -1, 7, -1, 7, -1, 7], 10, "0123456789")),
            Check::Sum(Sum::new(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1], 10, "0123456789")),
        ]),
        ..PLAIN
    },
    // Taiwan: identity number of citizens (1, 2) and residents (8, 9).
    Declared {
        id: "tw_national_id",
        forms: &["xxxxxxxxxk"],
        body: &[Piece::Of("A-Z", 1), Piece::Of("1289", 1), Piece::Of("0-9", 7)],
        checks: Checks(&[Check::Sum(
            Sum::new(&[1, 8, 7, 6, 5, 4, 3, 2, 1], 10, "0987654321").of(taiwanese),
        )]),
        ..PLAIN
    },
];

const fn singaporean(_at: usize, symbol: u8, weight: i32) -> i32 {
    match symbol {
        b'T' | b'G' => 4,
        b'S' | b'F' => 0,
        digit => value(digit) * weight,
    }
}

/// A letter stands for 10 to 35 in an order of its own, of which the tens count once and
/// the ones nine times.
fn taiwanese(_at: usize, symbol: u8, weight: i32) -> i32 {
    match b"ABCDEFGHJKLMNPQRSTUVXYWZIO".iter().zip(10..).find(|(letter, _)| **letter == symbol) {
        Some((_, number)) => number / 10 + number % 10 * 9,
        None => value(symbol) * weight,
    }
}
