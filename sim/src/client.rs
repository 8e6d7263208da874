//! What people use: HTTP through the gateway, with answers that may never come.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use chassis::transport::{Transport as _, TransportError};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::{
    net::Wire,
    world::{Place, World},
};

/// How long people wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nobody knows.
    Stranger,
    /// Whoever has this `Guest-Token`.
    Guest(String),
    /// Whoever has this access token or API key.
    Bearer(String),
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// `POST`.
    pub method: Method,
    /// `/v1/orders`.
    pub path: String,
    /// Who asks.
    pub identity: Identity,
    /// Makes repeating safe.
    pub key: Option<String>,
    /// JSON; null for none.
    pub body: Value,
}

impl Ask {
    /// To look at something.
    pub fn get(identity: &Identity, path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), identity: identity.clone(), key: None, body: Value::Null }
    }

    /// To do something once.
    pub fn post(identity: &Identity, path: impl Into<String>, key: &str, body: Value) -> Self {
        let key = Some(key.to_owned());
        Self { method: Method::POST, path: path.into(), identity: identity.clone(), key, body }
    }

    /// To do something that has no key.
    pub fn send(method: Method, identity: &Identity, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), identity: identity.clone(), key: None, body }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Done, with this body.
    Done(Value),
    /// Refused with a status and a kind; nothing was changed.
    Refused(u16, String),
    /// Nobody knows.
    Unknown,
}

impl Answer {
    /// The body of what was done.
    pub fn done(&self) -> Option<&Value> {
        match self {
            Self::Done(body) => Some(body),
            Self::Refused(..) | Self::Unknown => None,
        }
    }

    /// True if nobody knows.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// True if a request under this key is running: its outcome is not this answer.
    pub fn is_in_flight(&self) -> bool {
        matches!(self, Self::Refused(_, kind) if kind == "idempotency_key_in_flight")
    }
}

impl World {
    /// Asks once.
    pub async fn ask(self: &Arc<Self>, ask: &Ask) -> Answer {
        let wire = Wire { world: Arc::clone(self), from: Place::Outside, to: Place::Gateway };
        let Some(request) = request(ask) else { return Answer::Refused(400, "not_a_request".to_owned()) };
        match tokio::time::timeout(PATIENCE, wire.send(request)).await {
            Err(_) | Ok(Err(TransportError::Unknown(_))) => Answer::Unknown,
            Ok(Err(TransportError::Unreachable(_))) => Answer::Refused(0, "unreachable".to_owned()),
            Ok(Ok(response)) => {
                let replayed = response.headers().contains_key("idempotency-replayed");
                let status = response.status();
                let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                if replayed {
                    self.coverage.reached("an answer was replayed");
                }
                self.judge(status, body)
            }
        }
    }

    fn judge(&self, status: StatusCode, body: Value) -> Answer {
        if status.is_success() {
            for refund in body["refunds"].as_array().into_iter().flatten() {
                self.coverage.reached(&format!("refund: {}", refund["status"].as_str().unwrap_or("?")));
            }
            if body["status_reason"] == "out_of_stock" {
                self.coverage.reached("cancelled: out_of_stock");
            }
            return Answer::Done(body);
        }
        let kind = body["type"].as_str().and_then(|kind| kind.rsplit(['/', ':']).next());
        let kind = kind.or_else(|| body["code"].as_str()).unwrap_or("none").to_owned();
        self.coverage.reached(&format!("refused: {kind}"));
        self.log(format_args!("refused: {kind}"));
        match status {
            StatusCode::GATEWAY_TIMEOUT | StatusCode::INTERNAL_SERVER_ERROR => Answer::Unknown,
            status => Answer::Refused(status.as_u16(), kind),
        }
    }

    /// Asks, and asks again under the same key while nobody knows, up to `tries` times in all.
    pub async fn insist(self: &Arc<Self>, ask: &Ask, tries: u32) -> Answer {
        let mut doubtful = false;
        let mut pause = Duration::from_millis(500);
        for tried in 1.. {
            let answer = self.ask(ask).await;
            let unsettled = answer.is_unknown() || answer.is_in_flight();
            let passing = unsettled || matches!(&answer, Answer::Refused(0 | 401 | 429 | 503, _));
            if answer.done().is_some() && doubtful {
                self.coverage.reached("an unknown outcome was settled by repeating");
            }
            doubtful |= unsettled;
            if tried >= tries || !passing {
                // An attempt before may still be under way: a refusal says nothing about that one.
                let unknown = doubtful && answer.done().is_none();
                if unknown {
                    self.coverage.reached("an outcome stayed unknown");
                    return Answer::Unknown;
                }
                return answer;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(20));
        }
        Answer::Unknown
    }
}

fn request(ask: &Ask) -> Option<Request<Body>> {
    let mut builder = Request::builder().method(ask.method.clone()).uri(&ask.path);
    match &ask.identity {
        Identity::Stranger => {}
        Identity::Guest(token) => builder = builder.header("guest-token", token),
        Identity::Bearer(token) => {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
            value.set_sensitive(true);
            builder = builder.header(header::AUTHORIZATION, value);
        }
    }
    if let Some(key) = &ask.key {
        builder = builder.header("idempotency-key", key);
    }
    let body = if ask.body.is_null() {
        Body::empty()
    } else {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
        Body::from(ask.body.to_string())
    };
    builder.body(body).ok()
}
