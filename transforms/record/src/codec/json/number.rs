/// How much of a number (RFC 8259, section 6) was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

/// What a byte means after a part of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The number goes on.
    More(Part),
    /// The number was complete before this byte.
    End,
    /// There cannot be such a number.
    Wrong(&'static str),
}

impl Part {
    /// The part that a number begins with.
    #[inline]
    pub(super) const fn first(byte: u8) -> Option<Self> {
        match byte {
            b'-' => Some(Self::Minus),
            b'0' => Some(Self::Zero),
            b'1'..=b'9' => Some(Self::Integer),
            _ => None,
        }
    }

    #[inline]
    pub(super) const fn next(self, byte: u8) -> Next {
        use Part::{Exponent, Fraction, Integer, Minus, Point, Power, Sign, Zero};
        Next::More(match (self, byte) {
            (Integer, b'0'..=b'9') => Integer,
            (Fraction | Point, b'0'..=b'9') => Fraction,
            (Minus, b'0') => Zero,
            (Minus, b'1'..=b'9') => Integer,
            (Zero | Integer, b'.') => Point,
            (Zero | Integer | Fraction, b'e' | b'E') => Exponent,
            (Exponent, b'+' | b'-') => Sign,
            (Exponent | Sign | Power, b'0'..=b'9') => Power,
            (Zero, b'0'..=b'9') => return Next::Wrong("a number cannot begin with 0"),
            _ if self.may_end() => return Next::End,
            _ => return Next::Wrong("a digit is missing in a number"),
        })
    }

    /// Whether a number may be complete after this part.
    #[inline]
    pub(super) const fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::Power)
    }
}

/// Checks that a text is one whole number.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    const NONE: &str = "the new value is not a number";
    let mut bytes = text.bytes();
    let mut part = bytes.next().and_then(Part::first).ok_or(NONE)?;
    for byte in bytes {
        match part.next(byte) {
            Next::More(next) => part = next,
            Next::End => return Err(NONE),
            Next::Wrong(reason) => return Err(reason),
        }
    }
    if part.may_end() { Ok(()) } else { Err(NONE) }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn grammar() {
        for good in
            ["0", "-0", "10", "-1.50", "0.0", "1e400", "1E+5", "1e-05", "12345678901234567890"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "-", "+1", "1.", ".5", "1e", "1e+", "1.e5", "0x1", "1 ", "NaN", "--1", "١"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
        for zero in ["01", "-00", "0123.5"] {
            assert_eq!(check(zero), Err("a number cannot begin with 0"), "{zero}");
        }
    }
}
