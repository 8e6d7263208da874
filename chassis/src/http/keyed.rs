//! Bodies of operations that can be repeated safely.

use axum::extract::{FromRequest, Request};
use contracts::{Caller, Violation};
use http::{HeaderMap, HeaderName};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{
    caller::GUEST_TOKEN,
    json::{check_content_type, parse, read_body},
};
use crate::{Problem, idempotency::IdempotencyKey};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEY_LEN_MAX: usize = 255;
/// Callers without any credential share one name space: a key that another could guess or hit by accident
/// would hand over an answer that is not theirs.
const STRANGERS_KEY_LEN_MIN: usize = 16;

/// A JSON body (an empty one counts as `{}`) and the caller's `Idempotency-Key`.
#[derive(Debug, Clone)]
pub struct Keyed<T> {
    /// The body.
    pub body: T,
    /// The key, if one was sent.
    pub key: Option<IdempotencyKey>,
}

impl<T> Keyed<T> {
    /// The key, for operations that insist on one.
    pub fn required_key(&self) -> Result<&IdempotencyKey, Problem> {
        self.key.as_ref().ok_or_else(|| {
            Problem::invalid(vec![Violation::new(
                "Idempotency-Key",
                "is required, so that repeating this request is safe: send a fresh random value, like a UUID",
            )])
            .kind("idempotency_key_required")
        })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Keyed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let identity = identify(&request)?;
        let typed = check_content_type(request.headers());
        let body = read_body(request, state).await?;
        let key = identity.map(|unhashed| unhashed.over(&body));
        if body.is_empty() {
            return Ok(Self { body: parse(b"{}")?, key });
        }
        typed?;
        Ok(Self { body: parse(&body)?, key })
    }
}

/// A key whose request is not hashed completely yet.
struct Unhashed {
    scope: String,
    key: String,
    hash: Sha256,
}

impl Unhashed {
    fn over(mut self, body: &[u8]) -> IdempotencyKey {
        self.hash.update(body);
        IdempotencyKey { scope: self.scope, key: self.key, request_hash: self.hash.finalize().into() }
    }
}

fn identify(request: &Request) -> Result<Option<Unhashed>, Problem> {
    let Some(value) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let refuse = |detail| Err(Problem::invalid(vec![Violation::new("Idempotency-Key", detail)]));
    let key = match value.to_str() {
        Ok(key) if (1..=KEY_LEN_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) => key,
        _ => return refuse("must be 1 to 255 visible ASCII characters"),
    };
    let owner = owner(request.extensions().get(), request.headers());
    if owner.is_none() && key.len() < STRANGERS_KEY_LEN_MIN {
        return refuse("must be at least 16 characters, and random, when sent without a token");
    }
    let (method, path) = (request.method().as_str(), request.uri().path());
    let mut hash = Sha256::new();
    hash.update(method);
    hash.update([0]);
    hash.update(path);
    hash.update([0]);
    let scope = format!("{} {method} {path}", owner.as_deref().unwrap_or("anonymous"));
    Ok(Some(Unhashed { scope, key: key.to_owned(), hash }))
}

fn owner(caller: Option<&Caller>, headers: &HeaderMap) -> Option<String> {
    match caller {
        Some(caller @ (Caller::Account { .. } | Caller::ApiKey { .. })) => Some(caller.actor()),
        Some(Caller::Anonymous) | None => {
            let token = headers.get(GUEST_TOKEN)?;
            let digest = Sha256::digest(token.as_bytes());
            Some(digest.iter().fold("guest:".to_owned(), |mut text, byte| {
                use std::fmt::Write as _;
                let _infallible = write!(text, "{byte:02x}");
                text
            }))
        }
    }
}
