//! Asks a server that may be gone the next moment.

use std::{net::SocketAddr, time::Duration};

use axum::body::Body;
use chassis::transport::{HttpTransport, HttpTransportConfig, Transport as _};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::time::Instant;

use crate::process::PATIENCE;

const ASK_AGAIN: Duration = Duration::from_millis(10);

/// Why a tale did not come to its end.
#[derive(Debug)]
pub enum Stop {
    /// The server is gone.
    Gone,
    /// Something is wrong.
    Wrong(String),
}

pub struct Client(HttpTransport);

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn expect(self, status: StatusCode) -> Result<Value, Stop> {
        if self.status != status {
            return Err(Stop::Wrong(format!("answered {} instead of {status}: {}", self.status, self.text)));
        }
        Ok(serde_json::from_str(&self.text).unwrap_or(Value::Null))
    }
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let config = HttpTransportConfig { base: format!("http://{address}"), connect_timeout: Duration::from_secs(5) };
        Self(HttpTransport::new(&config).unwrap())
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Reply, Stop> {
        self.ask(Method::GET, path, headers, None).await
    }

    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, Stop> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(ToString::to_string).unwrap_or_default();
        let asked = async {
            let response = self.0.send(request.body(Body::from(body)).unwrap()).await.map_err(|_| Stop::Gone)?;
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await.map_err(|_| Stop::Gone)?.to_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok(Reply { status: parts.status, headers: parts.headers, text })
        };
        let late = |_| Stop::Wrong(format!("{path} was not answered within {PATIENCE:?}"));
        tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
    }

    /// Asks for `path` until `done` likes the answer.
    pub async fn wait(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        what: &str,
        done: impl Fn(&Value) -> bool,
    ) -> Result<Value, Stop> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path, headers).await?.expect(StatusCode::OK)?;
            if done(&answer) {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                return Err(Stop::Wrong(format!("waited in vain for {what}: {answer}")));
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}
