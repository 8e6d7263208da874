//! What a command works on: the data folder of a stopped shop, or a running shop over its API.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use axum::body::Body;
use chassis::transport::{HttpTransport, HttpTransportConfig, Transport as _, TransportError};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};

use crate::config::Config;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the shop gives an import.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(180);
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Requests are repeated when the shop is busy or does not answer; repeating is safe for all that commands do.
const ATTEMPTS_MAX: u32 = 8;
const WAIT_FIRST: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Where a command finds the shop.
pub enum Target {
    /// The data folder of a stopped shop.
    Stopped {
        /// The shop's settings; `data_dir` says where.
        config: Box<Config>,
    },
    /// A running shop.
    Running {
        /// Where it answers: `http://127.0.0.1:8080`.
        url: String,
        /// A key with the permissions that the command needs.
        api_key: SecretString,
    },
}

/// A running shop.
pub(crate) struct RunningShop {
    transport: HttpTransport,
    url: String,
    api_key: SecretString,
}

/// How one attempt at a request ended.
enum Attempt {
    Done(Vec<u8>),
    /// Worth repeating after a while.
    Later(Option<Duration>, anyhow::Error),
    /// What was asked for is not there.
    Missing(anyhow::Error),
    Failed(anyhow::Error),
}

impl RunningShop {
    /// The shop at `url`, as the holder of `api_key`.
    pub(crate) fn new(url: &str, api_key: &SecretString) -> Result<Self> {
        let config = HttpTransportConfig { base: url.to_owned(), connect_timeout: CONNECT_TIMEOUT };
        let transport = HttpTransport::new(&config).context("--url")?;
        Ok(Self { transport, url: url.to_owned(), api_key: api_key.clone() })
    }

    /// Sends a request until it is answered, and reads the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T> {
        let answer = self.send(method, path, body).await??;
        serde_json::from_slice(&answer)
            .with_context(|| format!("{} does not answer like this version of Jangteo", self.url))
    }

    /// The same for what may not be there, and for answers without a body.
    pub(crate) async fn find(&self, method: Method, path: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.send(method, path, None).await?.ok())
    }

    /// Sends a request until it is answered. The inner error says that what was asked for is not there.
    async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Result<Vec<u8>>> {
        let body = bytes::Bytes::from(body.unwrap_or_default());
        let mut wait = WAIT_FIRST;
        for attempt in 1.. {
            match self.attempt(&method, path, body.clone()).await? {
                Attempt::Done(answer) => return Ok(Ok(answer)),
                Attempt::Missing(error) => return Ok(Err(error)),
                Attempt::Failed(error) => return Err(error),
                Attempt::Later(_, error) if attempt >= ATTEMPTS_MAX => return Err(error),
                Attempt::Later(told, _) => {
                    tokio::time::sleep(told.unwrap_or(wait).min(WAIT_MAX)).await;
                    wait = (wait * 2).min(WAIT_MAX);
                }
            }
        }
        bail!("{} did not answer", self.url)
    }

    async fn attempt(&self, method: &Method, path: &str, body: bytes::Bytes) -> Result<Attempt> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.api_key.expose_secret()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .context("--url")?;
        let unanswered = || anyhow!("{} did not answer in time", self.url);
        let exchange = async {
            let response = match self.transport.send(request).await {
                Ok(response) => response,
                Err(TransportError::Unreachable(reason)) => {
                    let error = anyhow!("cannot reach {}: {reason}. Is the shop running there?", self.url);
                    return Attempt::Failed(error);
                }
                Err(TransportError::Unknown(reason)) => {
                    return Attempt::Later(None, anyhow!("{} broke off: {reason}", self.url));
                }
            };
            let (parts, body) = response.into_parts();
            match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
                Ok(body) => self.judge(parts.status, &parts.headers, body.to_bytes().to_vec()),
                Err(error) => Attempt::Later(None, anyhow!("{} broke off: {error}", self.url)),
            }
        };
        Ok(tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.unwrap_or_else(|_| Attempt::Later(None, unanswered())))
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: Vec<u8>) -> Attempt {
        if status.is_success() {
            return Attempt::Done(body);
        }
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
        }
        let detail =
            serde_json::from_slice::<Problem>(&body).map_or_else(|_| String::new(), |it| format!(": {}", it.detail));
        let hint = match status {
            StatusCode::UNAUTHORIZED => " (is the API key right?)",
            StatusCode::PAYLOAD_TOO_LARGE => " (leave out --atomic, or import into the stopped shop with --data-dir)",
            _ => "",
        };
        let error = anyhow!("{} refused with {status}{detail}{hint}", self.url);
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        if status == StatusCode::NOT_FOUND {
            return Attempt::Missing(error);
        }
        if !busy.contains(&status) {
            return Attempt::Failed(error);
        }
        let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Attempt::Later(seconds.map(Duration::from_secs), error)
    }
}
