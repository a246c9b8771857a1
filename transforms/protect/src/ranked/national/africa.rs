use super::check::{Check, Checks, Sum};
use super::piece::{Piece, short_year_first};
use super::{Declared, PLAIN};

/// Identifiers of Africa.
pub(super) const DECLARED: &[Declared] = &[
    // South Africa: day of birth, serial, citizenship, a digit that is 8 or 9, Luhn.
    Declared {
        id: "za_id",
        forms: &["xxxxxxxxxxxxk"],
        body: &[
            Piece::Day(1901, 2000, short_year_first),
            Piece::Of("0-9", 4),
            Piece::Of("0-2", 1),
            Piece::Of("89", 1),
        ],
        checks: Checks(&[Check::Sum(Sum::luhn(&[1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2]))]),
        ..PLAIN
    },
];
