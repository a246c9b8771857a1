//! The nine FF1 samples that NIST publishes with SP 800-38G.

use crate::cases::engines;

const KEY: &str = "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94";
const TWEAK_10: &str = "39383736353433323130";
const TWEAK_36: &str = "3737373770717273373737";

#[test]
fn nist_samples() {
    for (sample, key_bytes, radix, tweak, plain, cipher) in [
        (1, 16, 10, "", "0123456789", "2433477484"),
        (2, 16, 10, TWEAK_10, "0123456789", "6124200773"),
        (3, 16, 36, TWEAK_36, "0123456789abcdefghi", "a9tv40mll9kdu509eum"),
        (4, 24, 10, "", "0123456789", "2830668132"),
        (5, 24, 10, TWEAK_10, "0123456789", "2496655549"),
        (6, 24, 36, TWEAK_36, "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"),
        (7, 32, 10, "", "0123456789", "6657667009"),
        (8, 32, 10, TWEAK_10, "0123456789", "1001623463"),
        (9, 32, 36, TWEAK_36, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
    ] {
        for ff1 in engines(&hex(KEY)[..key_bytes], radix) {
            let mut value = numerals(plain);
            ff1.encrypt(&hex(tweak), &mut value).unwrap();
            assert_eq!(value, numerals(cipher), "sample {sample}, {}", ff1.engine());
            ff1.decrypt(&hex(tweak), &mut value).unwrap();
            assert_eq!(value, numerals(plain), "sample {sample}, {}", ff1.engine());
        }
    }
}

fn numerals(text: &str) -> Vec<u16> {
    text.chars().map(|digit| digit.to_digit(36).unwrap() as u16).collect()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
