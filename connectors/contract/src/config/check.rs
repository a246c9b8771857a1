use std::net::SocketAddr;

use serde_saphyr::Spanned;

use super::{ConfigFault, TlsChoice, location};

/// What is wrong with a `type` that stands in the section of a connector of another.
#[must_use]
pub fn kind_fault(kind: Option<&Spanned<String>>, wanted: &str) -> Option<ConfigFault> {
    let kind = kind.filter(|kind| kind.value != wanted)?;
    Some(ConfigFault::new(location(kind), format!("this connector is `type: {wanted}`")))
}

/// What is wrong with an address to listen on: other machines are met with TLS, or
/// without it knowingly. `examples` are addresses to write instead.
#[must_use]
pub fn listen_fault(
    listen: &Spanned<String>,
    tls: Option<&TlsChoice>,
    examples: &str,
) -> Option<ConfigFault> {
    let at = location(listen);
    let Ok(address) = listen.value.parse::<SocketAddr>() else {
        let fault = ConfigFault::new(at, "listen: not an address and port");
        return Some(fault.hint(format!("write {examples}")));
    };
    if tls.is_none() && !address.ip().is_loopback() {
        let fault = ConfigFault::new(at, "listen: reachable from other machines without tls");
        return Some(fault.hint(
            "give `tls: { cert: …, key: { file: … } }`, or write `tls: off` if that is meant",
        ));
    }
    None
}
