//! What a caller brought to say who it is.

use allonym_contract::{Caller, Credential, Fault, Refusal};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use zeroize::Zeroizing;

use crate::place::Site;
use crate::session::Client;

/// Carries an API token; never passed on.
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("allonym-token");

/// The caller of a request.
///
/// # Errors
/// When it declares two purposes, or one that is not text.
pub(crate) fn caller<'a>(
    site: &'a Site,
    client: Client,
    headers: &'a HeaderMap,
) -> Result<Caller<'a>, Refusal> {
    let mut credentials = Vec::new();
    credentials.extend(one(headers, &TOKEN).map(|value| match value.and_then(token) {
        Some(token) => Credential::ApiToken(token),
        None => Credential::Unreadable,
    }));
    credentials.extend(json_web_token(site, headers));
    let purpose = match site.purpose_header.as_ref().and_then(|name| one(headers, name)) {
        None => None,
        Some(value) => {
            let text = value.and_then(|value| value.to_str().ok()).map(str::trim);
            let text = text.filter(|text| !text.is_empty()).ok_or_else(|| {
                let says = "the purpose is given twice, is empty or is not text";
                Refusal::new(Fault::Malformed, "purpose-ambiguous", says)
            })?;
            Some(text)
        }
    };
    Ok(Caller { connector: &site.connector, address: Some(client.address), credentials, purpose })
}

/// A token in its own header, or in `Authorization: Bearer`. Another scheme there is
/// meant for the upstream.
fn json_web_token(site: &Site, headers: &HeaderMap) -> Option<Credential> {
    site.config.callers.jwt.as_ref()?;
    let found = match &site.jwt_header {
        Some(name) if *name != header::AUTHORIZATION => one(headers, name)?.and_then(|value| {
            let text = value.to_str().ok()?;
            token_text(bearer(text).unwrap_or(text))
        }),
        _ => match one(headers, &header::AUTHORIZATION)? {
            None => None,
            Some(value) => match value.to_str() {
                Ok(text) => token_text(bearer(text)?),
                Err(_) => None,
            },
        },
    };
    Some(found.map_or(Credential::Unreadable, Credential::Jwt))
}

/// What follows the scheme; nothing, which is no token, where no blank parts the two.
fn bearer(text: &str) -> Option<&str> {
    let (scheme, rest) = text.trim().split_at_checked("bearer".len())?;
    let parted = rest.starts_with(char::is_whitespace);
    scheme.eq_ignore_ascii_case("bearer").then(|| if parted { rest.trim() } else { "" })
}

fn token(value: &HeaderValue) -> Option<Zeroizing<String>> {
    token_text(value.to_str().ok()?.trim())
}

fn token_text(text: &str) -> Option<Zeroizing<String>> {
    let fits = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=:".contains(&b));
    fits.then(|| Zeroizing::new(text.to_owned()))
}

/// The only value of a header: `None` if there is none, `Some(None)` if there are more.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a HeaderValue>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(values.next().is_none().then_some(first))
}
