//! A client that keeps one connection open, as an application would.

use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Failure;

/// One connection to one address, with one caller's credential.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    address: String,
    token: Option<String>,
    purpose: Option<String>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) notice: Option<String>,
}

impl Client {
    pub(crate) async fn connect(address: &str, token: Option<&str>) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            address: address.to_owned(),
            token: token.map(str::to_owned),
            purpose: None,
        })
    }

    pub(crate) fn for_purpose(mut self, purpose: &str) -> Self {
        self.purpose = Some(purpose.to_owned());
        self
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, String::new()).await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(path).header("host", &self.address);
        if let Some(token) = &self.token {
            request = request.header("allonym-token", token);
        }
        if let Some(purpose) = &self.purpose {
            request = request.header("allonym-purpose", purpose);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
        let status = answer.status().as_u16();
        let notice = answer.headers().get("allonym-notice");
        let notice = notice.and_then(|text| text.to_str().ok()).map(str::to_owned);
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned(), notice })
    }
}
