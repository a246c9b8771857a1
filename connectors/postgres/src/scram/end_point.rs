use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

#[derive(Clone, Copy)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
/// The first, tagged parameter of RSASSA-PSS: its hash.
const TAGGED: u8 = 0xa0;

/// 1.2.840.113549.1.1.10, whose hash is in its parameters.
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];

/// Signature algorithms by their object identifiers. MD5 and SHA-1 are replaced by
/// SHA-256 (RFC 5929 section 4.1).
const SIGNATURES: [(&[u8], Hash); 11] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12], Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13], Hash::Sha512),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 14], Hash::Sha224),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 1], Hash::Sha224),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], Hash::Sha256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], Hash::Sha512),
];

/// Hash algorithms by their object identifiers, as RSASSA-PSS names them.
const HASHES: [(&[u8], Hash); 5] = [
    (&[0x2b, 14, 3, 2, 26], Hash::Sha256),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 4], Hash::Sha224),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1], Hash::Sha256),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2], Hash::Sha384),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3], Hash::Sha512),
];

/// The `tls-server-end-point` data of a certificate in DER (RFC 5929): its hash by the
/// algorithm of its signature. `None` where none is defined, as for Ed25519: channel
/// binding is impossible then, and must not be offered.
#[must_use]
pub fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(match signature_hash(certificate)? {
        Hash::Sha224 => Sha224::digest(certificate).to_vec(),
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }`.
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    let (certificate, behind) = element(SEQUENCE, certificate)?;
    if !behind.is_empty() {
        return None;
    }
    let (_, rest) = element(SEQUENCE, certificate)?;
    let (algorithm, _) = element(SEQUENCE, rest)?;
    let (id, parameters) = element(OBJECT_ID, algorithm)?;
    if id != RSA_PSS {
        return find(&SIGNATURES, id);
    }
    let (parameters, _) = element(SEQUENCE, parameters)?;
    // Without this parameter it is SHA-1, which SHA-256 replaces.
    let Some((hash, _)) = element(TAGGED, parameters) else { return Some(Hash::Sha256) };
    let (hash, _) = element(SEQUENCE, hash)?;
    find(&HASHES, element(OBJECT_ID, hash)?.0)
}

fn find(known: &[(&[u8], Hash)], id: &[u8]) -> Option<Hash> {
    known.iter().find(|(other, _)| *other == id).map(|(_, hash)| *hash)
}

/// The content of an element with this tag, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
