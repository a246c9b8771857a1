use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Response, StatusCode, Uri};
use http_body_util::Full;
use serde_json::Value;

/// The customers, each exactly as it was sent.
#[derive(Default)]
pub(crate) struct Customers {
    by_id: Mutex<BTreeMap<String, Bytes>>,
}

/// How many customers a list holds at most.
const MOST: usize = 1_000;

impl Customers {
    /// Answers one request.
    pub(crate) fn answer(&self, method: &Method, uri: &Uri, body: Bytes) -> Response<Full<Bytes>> {
        let segments: Vec<&str> = uri.path().split('/').skip(1).collect();
        match (method.as_str(), segments.as_slice()) {
            ("POST", ["v1", "customers"]) => self.store(None, body),
            ("GET", ["v1", "customers"]) => self.list(uri.query().unwrap_or_default()),
            ("GET", ["v1", "customers", id] | ["debug", "stored", id]) => self.show(&decoded(id)),
            ("PUT", ["v1", "customers", id]) => self.store(Some(decoded(id)), body),
            ("DELETE", ["v1", "customers", id]) => self.delete(&decoded(id)),
            (_, ["v1", "customers"] | ["v1", "customers", _] | ["debug", "stored", _]) => {
                problem(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this path")
            }
            _ => problem(StatusCode::NOT_FOUND, "no such path"),
        }
    }

    /// Stores a customer under the id in its body; `expected` is the one in the path.
    fn store(&self, expected: Option<String>, body: Bytes) -> Response<Full<Bytes>> {
        let Ok(customer) = serde_json::from_slice::<Value>(&body) else {
            return problem(StatusCode::BAD_REQUEST, "the body is not JSON");
        };
        let id = match customer.get("id") {
            Some(Value::String(id)) if !id.is_empty() => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            _ => return problem(StatusCode::UNPROCESSABLE_ENTITY, "the body has no `id`"),
        };
        let status = match expected {
            Some(expected) if expected != id => {
                return problem(
                    StatusCode::CONFLICT,
                    "the `id` of the body is not that of the path",
                );
            }
            Some(_) => StatusCode::OK,
            None => StatusCode::CREATED,
        };
        self.customers().insert(id, body.clone());
        json(status, body)
    }

    fn show(&self, id: &str) -> Response<Full<Bytes>> {
        match self.customers().get(id) {
            Some(customer) => json(StatusCode::OK, customer.clone()),
            None => problem(StatusCode::NOT_FOUND, "no such customer"),
        }
    }

    fn delete(&self, id: &str) -> Response<Full<Bytes>> {
        match self.customers().remove(id) {
            Some(_) => {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            None => problem(StatusCode::NOT_FOUND, "no such customer"),
        }
    }

    /// The customers in the order of their ids, all or those with this very e-mail.
    fn list(&self, query: &str) -> Response<Full<Bytes>> {
        let parameter = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| form_decoded(value))
        };
        let limit = match parameter("limit").map(|limit| limit.parse::<usize>()) {
            None => MOST,
            Some(Ok(limit)) => limit.min(MOST),
            Some(Err(_)) => return problem(StatusCode::BAD_REQUEST, "`limit` is not a number"),
        };
        let email = parameter("email");
        let mut body = vec![b'['];
        let customers = self.customers();
        let wanted = customers.values().filter(|customer| match &email {
            Some(email) => has_email(customer, email),
            None => true,
        });
        for (index, customer) in wanted.take(limit).enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(customer);
        }
        body.push(b']');
        json(StatusCode::OK, body.into())
    }

    fn customers(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        // A map of whole bodies is never half changed.
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_email(customer: &[u8], email: &str) -> bool {
    let customer = serde_json::from_slice::<Value>(customer).unwrap_or_default();
    customer.get("email").and_then(Value::as_str) == Some(email)
}

fn form_decoded(text: &str) -> String {
    decoded(&text.replace('+', " "))
}

/// Percent-decoding (RFC 3986, section 2.1); what is not an escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten()
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = after.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// An error as JSON.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    json(status, serde_json::json!({ "error": detail }).to_string().into())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn check(customers: &Customers, method: Method, path: &str, body: &str, expected: (u16, &str)) {
        let response = customers.answer(&method, &path.parse().unwrap(), body.to_owned().into());
        let status = response.status().as_u16();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
        assert_eq!((status, std::str::from_utf8(&body).unwrap()), expected, "{method} {path}");
    }

    #[test]
    fn what_is_sent_is_stored_byte_for_byte() {
        let customers = Customers::default();
        let anna = r#"{ "id": "a 1", "email":"anna+x@example.com" }"#;
        let zoe = r#"{"id":"z","email":"zoë@example.com"}"#;
        let (post, get, put, delete) = (Method::POST, Method::GET, Method::PUT, Method::DELETE);
        check(&customers, post.clone(), "/v1/customers", anna, (201, anna));
        check(&customers, post, "/v1/customers", zoe, (201, zoe));
        check(&customers, get.clone(), "/v1/customers/a%201", "", (200, anna));
        check(&customers, get.clone(), "/debug/stored/z", "", (200, zoe));
        check(&customers, get.clone(), "/v1/customers", "", (200, &format!("[{anna},{zoe}]")));
        check(&customers, get.clone(), "/v1/customers?limit=1", "", (200, &format!("[{anna}]")));
        let by_email = "/v1/customers?email=anna%2Bx%40example.com";
        check(&customers, get.clone(), by_email, "", (200, &format!("[{anna}]")));
        check(&customers, get.clone(), "/v1/customers?email=none", "", (200, "[]"));
        let changed = r#"{"id":"z"}"#;
        check(&customers, put, "/v1/customers/z", changed, (200, changed));
        check(&customers, get.clone(), "/v1/customers/z", "", (200, changed));
        check(&customers, delete, "/v1/customers/z", "", (204, ""));
        check(&customers, get, "/v1/customers/z", "", (404, r#"{"error":"no such customer"}"#));
    }

    #[test]
    fn errors_are_json() {
        let customers = Customers::default();
        for (method, path, body, status, detail) in [
            (Method::POST, "/v1/customers", "{", 400, "the body is not JSON"),
            (Method::POST, "/v1/customers", "{}", 422, "the body has no `id`"),
            (
                Method::PUT,
                "/v1/customers/b",
                r#"{"id":"a"}"#,
                409,
                "the `id` of the body is not that of the path",
            ),
            (Method::GET, "/v1/customers?limit=x", "", 400, "`limit` is not a number"),
            (Method::PATCH, "/v1/customers", "", 405, "this method is not for this path"),
            (Method::GET, "/", "", 404, "no such path"),
        ] {
            let expected = serde_json::json!({ "error": detail }).to_string();
            check(&customers, method, path, body, (status, &expected));
        }
    }

    #[test]
    fn percent_decoding() {
        for (typed, expected) in [
            ("a%20b", "a b"),
            ("%C3%A9", "é"),
            ("%", "%"),
            ("%4", "%4"),
            ("%+1", "%+1"),
            ("%zz", "%zz"),
        ] {
            assert_eq!(decoded(typed), expected, "{typed}");
        }
    }
}
