//! A client that asks again with the same key until it is answered: what a good client of a shop does.

use std::time::Duration;

use anyhow::{Result, bail};
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use crate::http1::{Answer, Connection};

use super::Soak;

/// Nobody waits longer than this for an answer; the process is back within a second.
const PATIENCE: Duration = Duration::from_secs(60);
const ANSWER_MAX: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum As<'a> {
    /// Somebody unknown.
    Anybody,
    /// The owner of a guest's cart or order.
    Guest(&'a str),
    /// The administrator.
    Staff,
}

pub(crate) struct Patient<'a> {
    soak: &'a Soak,
    connection: Option<Connection>,
}

impl<'a> Patient<'a> {
    pub(crate) fn new(soak: &'a Soak) -> Self {
        Self { soak, connection: None }
    }

    /// Gets `path`, however often that takes.
    pub(crate) async fn get(&mut self, who: As<'_>, path: &str) -> Result<Value> {
        let answer = self.ask(Method::GET, who, path, None, "").await?;
        if answer.status != StatusCode::OK {
            bail!("GET {path} answered {}: {}", answer.status, text(&answer));
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Posts under `key`, however often that takes; answers what the first success said.
    pub(crate) async fn post(&mut self, who: As<'_>, path: &str, key: &str, body: &Value) -> Result<Value> {
        let answer = self.ask(Method::POST, who, path, Some(key), &body.to_string()).await?;
        if !answer.status.is_success() {
            bail!("POST {path} answered {}: {}", answer.status, text(&answer));
        }
        if answer.headers.contains_key("idempotency-replayed") {
            self.soak.books.borrow_mut().replays += 1;
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }

    async fn ask(&mut self, method: Method, who: As<'_>, path: &str, key: Option<&str>, body: &str) -> Result<Answer> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let token = match who {
                As::Staff => Some(format!("Bearer {}", self.soak.token.borrow())),
                As::Anybody | As::Guest(_) => None,
            };
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(key.map(|key| ("idempotency-key", key)));
            headers.extend(token.as_deref().map(|token| ("authorization", token)));
            if let As::Guest(token) = who {
                headers.push(("guest-token", token));
            }
            let asked = self.ask_once(method.clone(), path, &headers, body);
            match tokio::time::timeout(ANSWER_MAX, asked).await {
                Ok(Ok(answer)) if answer.status == StatusCode::UNAUTHORIZED && token.is_some() => {
                    Box::pin(self.sign_in()).await?;
                }
                Ok(Ok(answer)) if !is_passing(&answer) => return Ok(answer),
                _ if Instant::now() > deadline => bail!("{method} {path} was not answered within {PATIENCE:?}"),
                _ => {
                    self.connection = None;
                    self.soak.books.borrow_mut().repeated += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn ask_once(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<Answer> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.soak.address).await?),
        };
        connection.ask(method, path, headers, body.to_owned().into()).await
    }

    async fn sign_in(&mut self) -> Result<()> {
        let (email, password) = &self.soak.admin;
        let body = serde_json::json!({"email": email, "password": password}).to_string();
        let answer = self.ask(Method::POST, As::Anybody, "/v1/sessions", None, &body).await?;
        let session: Value = serde_json::from_slice(&answer.body)?;
        let Some(token) = session["access_token"].as_str() else { bail!("no session: {}", text(&answer)) };
        token.clone_into(&mut self.soak.token.borrow_mut());
        Ok(())
    }
}

/// Passes by itself: not up yet, or the same request is still running.
fn is_passing(answer: &Answer) -> bool {
    answer.status == StatusCode::SERVICE_UNAVAILABLE
        || answer.status == StatusCode::CONFLICT && text(answer).contains("idempotency_key_in_flight")
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}
