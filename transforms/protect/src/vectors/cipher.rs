use allonym_ff1::{Engine, Ff1, Ff1Error, Tweaks};
use serde::Deserialize;

use super::{Hex, VectorError, siv, wrong};

/// Copies of a value in one call, so that the engines' lanes are filled and left over.
const BATCH: usize = 19;

#[derive(Deserialize)]
pub(super) struct Ff1Vector {
    key: Hex,
    tweak: Hex,
    radix: u32,
    pt: Vec<u32>,
    ct: Vec<u32>,
}

#[derive(Deserialize)]
pub(super) struct SivVector {
    key: Hex,
    #[serde(default)]
    aad: Vec<Hex>,
    pt: Hex,
    ct: Hex,
}

/// FF1 (SP 800-38G), by every engine.
pub(super) fn ff1(vector: &Ff1Vector) -> Result<(), VectorError> {
    if vector.pt.len() != vector.ct.len() {
        return Err(wrong("plaintext and ciphertext do not have as many numerals"));
    }
    let (plain, cipher) = (numerals(&vector.pt)?, numerals(&vector.ct)?);
    for engine in Engine::available() {
        let by = |error: Ff1Error| wrong(format!("{error} ({engine} engine)"));
        let ff1 = Ff1::with_engine(&vector.key.0, vector.radix, engine).map_err(by)?;
        for copies in [1, BATCH] {
            let mut values = plain.repeat(copies);
            let tweak = Tweaks::Same(&vector.tweak.0);
            ff1.encrypt_batch(tweak, plain.len(), &mut values).map_err(by)?;
            if values != cipher.repeat(copies) {
                return Err(wrong(format!(
                    "encrypting gives another ciphertext ({engine} engine)"
                )));
            }
            ff1.decrypt_batch(tweak, plain.len(), &mut values).map_err(by)?;
            if values != plain.repeat(copies) {
                return Err(wrong(format!("decrypting gives another plaintext ({engine} engine)")));
            }
        }
    }
    Ok(())
}

/// AES-SIV (RFC 5297).
pub(super) fn aes_siv(vector: &SivVector) -> Result<(), VectorError> {
    if ![32, 48, 64].contains(&vector.key.0.len()) {
        return Err(wrong("an AES-SIV key has 32, 48 or 64 bytes"));
    }
    let associated: Vec<&[u8]> = vector.aad.iter().map(|bytes| bytes.0.as_slice()).collect();
    let limit = || wrong("more associated strings than AES-SIV takes (126)");
    let sealed = siv::seal(&vector.key.0, &associated, &vector.pt.0).ok_or_else(limit)?;
    if sealed != vector.ct.0 {
        return Err(wrong("encrypting gives another ciphertext"));
    }
    match siv::open(&vector.key.0, &associated, &vector.ct.0) {
        Some(plain) if *plain == vector.pt.0 => Ok(()),
        Some(_) => Err(wrong("decrypting gives another plaintext")),
        None => Err(wrong("the ciphertext does not open")),
    }
}

/// Numerals as the engines take them; what no radix has is refused.
fn numerals(written: &[u32]) -> Result<Vec<u16>, VectorError> {
    let numeral = |numeral: &u32| u16::try_from(*numeral);
    let numerals: Result<_, _> = written.iter().map(numeral).collect();
    numerals.map_err(|_| wrong("a numeral is not below the radix"))
}
