//! The names in a client's certificate.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whether a certificate names this: as a DNS name, a URI or an e-mail address among its
/// alternative names, or, where it has none, as its common name (RFC 6125 section 6.4.4).
/// TLS has verified that an authority of ours stands for it. What is no certificate names
/// nobody.
pub fn names(certificate: &[u8], expected: &str) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    match certificate.subject_alternative_name() {
        Err(_) => false,
        Ok(Some(alternatives)) => alternatives.value.general_names.iter().any(|name| match name {
            GeneralName::DNSName(name) => name.eq_ignore_ascii_case(expected),
            GeneralName::URI(name) | GeneralName::RFC822Name(name) => *name == expected,
            _ => false,
        }),
        Ok(None) => {
            let mut names = certificate.subject().iter_common_name();
            // Of two common names nobody knows which is meant.
            match (names.next().and_then(|name| name.as_str().ok()), names.next()) {
                (Some(name), None) => name == expected,
                _ => false,
            }
        }
    }
}
