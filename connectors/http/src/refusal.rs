//! A refusal as `application/problem+json` (RFC 9457). It names field and rule, and it
//! has no way to name a value.

use allonym_contract::{Fault, Refusal, RequestId};
use http::{StatusCode, header};
use pingora_http::ResponseHeader;
use serde::Serialize;

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    request: String,
}

/// The status of a fault.
pub(crate) const fn status(fault: Fault) -> StatusCode {
    match fault {
        Fault::Malformed => StatusCode::BAD_REQUEST,
        Fault::Unauthenticated => StatusCode::UNAUTHORIZED,
        Fault::Forbidden => StatusCode::FORBIDDEN,
        Fault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Fault::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Fault::Unacceptable => StatusCode::UNPROCESSABLE_ENTITY,
        Fault::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Fault::Upstream => StatusCode::BAD_GATEWAY,
        Fault::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Fault::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// What went wrong with an answer is not the client's fault.
pub(crate) fn of_answer(mut refusal: Refusal) -> Refusal {
    if matches!(
        refusal.fault,
        Fault::Malformed | Fault::TooLarge | Fault::Unsupported | Fault::Unacceptable
    ) {
        refusal.fault = Fault::Upstream;
    }
    refusal
}

/// Head and body of the answer to a refused request.
pub(crate) fn answer(
    refusal: &Refusal,
    request: RequestId,
) -> pingora_error::Result<(ResponseHeader, Vec<u8>)> {
    let status = status(refusal.fault);
    let problem = Problem {
        r#type: format!("urn:allonym:refusal:{}", refusal.rule),
        title: status.canonical_reason().unwrap_or("Refused"),
        status: status.as_u16(),
        detail: &refusal.detail,
        rule: refusal.rule,
        field: refusal.field.as_deref(),
        request: request.to_string(),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut head = ResponseHeader::build(status, Some(8))?;
    head.insert_header(header::CONTENT_TYPE, "application/problem+json")?;
    head.insert_header(header::CONTENT_LENGTH, body.len().to_string())?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    head.insert_header("allonym-request", request.to_string())?;
    if refusal.fault == Fault::Unauthenticated {
        head.insert_header(header::WWW_AUTHENTICATE, "Bearer realm=\"allonym\"")?;
    }
    if matches!(refusal.fault, Fault::TooMany | Fault::Unavailable) {
        head.insert_header(header::RETRY_AFTER, "1")?;
    }
    Ok((head, body))
}
