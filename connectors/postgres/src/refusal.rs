//! Refusals as PostgreSQL says them: an error with a code, a line for people, and what
//! to do.

use allonym_contract::{Fault, Refusal};

use crate::wire::message::{Report, Severity, write_error};

/// Appends a refusal that ends the connection.
pub(crate) fn write_fatal(out: &mut Vec<u8>, refusal: &Refusal) {
    let sqlstate = sqlstate(refusal);
    let rule = format!("rule: {}", refusal.rule);
    let report = Report {
        severity: Severity::Fatal,
        sqlstate,
        message: &refusal.detail,
        detail: Some(&rule),
        hint: None,
    };
    // What cannot be written (a zero byte, in a text of ours) is said shorter.
    if write_error(out, &report).is_err() {
        let report = Report { message: refusal.rule, detail: None, ..report };
        let _ = write_error(out, &report);
    }
}

/// The code that drivers act on (PostgreSQL, appendix A).
fn sqlstate(refusal: &Refusal) -> &'static str {
    match (refusal.rule, refusal.fault) {
        // invalid_password
        ("credential-invalid", _) => "28P01",
        // too_many_connections
        ("connections", _) => "53300",
        // admin_shutdown
        ("shutdown", _) => "57P01",
        // idle_session_timeout
        ("idle-timeout", _) => "57P05",
        // protocol_violation
        (_, Fault::Malformed) => "08P01",
        // invalid_authorization_specification
        (_, Fault::Unauthenticated) => "28000",
        // insufficient_privilege
        (_, Fault::Forbidden) => "42501",
        // program_limit_exceeded
        (_, Fault::TooLarge) => "54000",
        // feature_not_supported
        (_, Fault::Unsupported) => "0A000",
        // data_exception
        (_, Fault::Unacceptable) => "22000",
        // configuration_limit_exceeded
        (_, Fault::TooMany) => "53400",
        // sqlclient_unable_to_establish_sqlconnection
        (_, Fault::Upstream | Fault::UpstreamTimeout) => "08001",
        // cannot_connect_now
        (_, Fault::Unavailable) => "57P03",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::message::Fields;

    #[test]
    fn a_refusal_has_a_code_and_a_rule() {
        for (fault, rule, expected) in [
            (Fault::Unauthenticated, "credential-invalid", "28P01"),
            (Fault::Unauthenticated, "tls-required", "28000"),
            (Fault::Malformed, "malformed", "08P01"),
            (Fault::Upstream, "upstream-connect", "08001"),
            (Fault::Unavailable, "shutdown", "57P01"),
            (Fault::Unavailable, "draining", "57P03"),
            (Fault::TooMany, "connections", "53300"),
        ] {
            let mut out = Vec::new();
            write_fatal(&mut out, &Refusal::new(fault, rule, "what happened"));
            assert_eq!(out[0], b'E');
            let fields = Fields::parse(&out[5..]).unwrap();
            assert_eq!(fields.sqlstate(), Some(expected), "{rule}");
            assert_eq!(fields.severity(), Some(Severity::Fatal));
            assert_eq!(fields.find(b'D'), Some(format!("rule: {rule}").as_bytes()));
        }
    }
}
