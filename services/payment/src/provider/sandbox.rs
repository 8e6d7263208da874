//! Speaks the sandbox provider's protocol (`docs/sandbox-provider.md`).

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chassis::transport::{Transport, TransportError};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{Notice, NoticeError, Outcome, Provider, ProviderCall, QueryError, Snapshot};

mod wire;

use wire::{Authorization, AuthorizeRequest, List, MoneyRequest, WebhookEvent};

/// Longer answers are not what this provider sends.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// A webhook signed longer ago than this is a replay.
const REPLAY_WINDOW_SECONDS: i64 = 300;

/// Our account at the provider.
#[derive(Clone)]
pub struct SandboxAccount {
    /// Authenticates us.
    pub secret_key: SecretString,
    /// Authenticates the provider's webhooks.
    pub webhook_secret: SecretString,
}

/// The sandbox provider.
pub struct SandboxProvider {
    transport: Arc<dyn Transport>,
    authorization: HeaderValue,
    webhook_key: SecretString,
    public_url: Option<String>,
}

impl SandboxProvider {
    /// Our account, reached through `transport`. Fails if the secret key cannot stand in a header.
    pub fn new(transport: Arc<dyn Transport>, account: SandboxAccount) -> Result<Self, http::Error> {
        let bearer = format!("Bearer {}", account.secret_key.expose_secret());
        let mut authorization = HeaderValue::from_str(&bearer)?;
        authorization.set_sensitive(true);
        Ok(Self { transport, authorization, webhook_key: account.webhook_secret, public_url: None })
    }

    /// Lets buyers come back, from the provider's pages, to the shop at `public_url`.
    pub fn returning_to(self, public_url: Option<String>) -> Self {
        Self { public_url, ..self }
    }

    async fn post(&self, call: &ProviderCall, path: String, body: &impl Serialize) -> Outcome {
        let key = call.operation_id.to_string();
        let request = serde_json::to_vec(body).map_err(|error| error.to_string()).and_then(|body| {
            Request::post(path)
                .header(header::AUTHORIZATION, self.authorization.clone())
                .header(header::CONTENT_TYPE, "application/json")
                .header("idempotency-key", key)
                .body(Body::from(body))
                .map_err(|error| error.to_string())
        });
        match request {
            Ok(request) => self.send(request).await,
            Err(error) => Outcome::Unreachable(error),
        }
    }

    async fn send(&self, request: Request<Body>) -> Outcome {
        let response = match self.transport.send(request).await {
            Ok(response) => response,
            Err(TransportError::Unreachable(reason)) => return Outcome::Unreachable(reason),
            Err(TransportError::Unknown(reason)) => return Outcome::Unknown(reason),
        };
        let status = response.status();
        let body = match axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await {
            Ok(body) => body,
            Err(error) => return Outcome::Unknown(format!("the answer broke off: {error}")),
        };
        if status.is_success() {
            return match serde_json::from_slice::<Authorization>(&body).map_err(|error| error.to_string()) {
                Ok(authorization) => wire::outcome(authorization),
                Err(error) => Outcome::Unknown(format!("the answer cannot be read: {error}")),
            };
        }
        wire::refusal(status, &body)
    }

    async fn get<T: DeserializeOwned>(&self, path: String) -> Result<Option<T>, QueryError> {
        let request = Request::get(path)
            .header(header::AUTHORIZATION, self.authorization.clone())
            .body(Body::empty())
            .map_err(|error| QueryError(error.to_string()))?;
        let response = self.transport.send(request).await.map_err(|error| QueryError(error.to_string()))?;
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX)
            .await
            .map_err(|error| QueryError(error.to_string()))?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(QueryError(format!("answered {status}")));
        }
        serde_json::from_slice(&body).map(Some).map_err(|error| QueryError(error.to_string()))
    }

    /// Constant in time over the signatures that were sent.
    fn signed(&self, id: &str, timestamp: &str, body: &[u8], signatures: &str) -> bool {
        let secret = self.webhook_key.expose_secret();
        let key = secret
            .strip_prefix("whsec_")
            .and_then(|encoded| BASE64.decode(encoded).ok())
            .unwrap_or_else(|| secret.as_bytes().to_vec());
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        let expected = mac.finalize().into_bytes();
        signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,")).any(|signature| {
            BASE64.decode(signature).is_ok_and(|signature| bool::from(signature.ct_eq(expected.as_slice())))
        })
    }
}

/// The path under the authorization of `call`, which every operation after the first needs.
fn under(call: &ProviderCall, what: &str) -> Option<String> {
    call.provider_ref.as_ref().map(|authorization| format!("/v1/authorizations/{authorization}/{what}"))
}

fn not_authorized() -> Outcome {
    Outcome::Declined { code: "not_authorized".to_owned(), retryable: false, provider_ref: None }
}

#[async_trait]
impl Provider for SandboxProvider {
    async fn authorize(&self, call: &ProviderCall) -> Outcome {
        let body = AuthorizeRequest {
            amount_minor: call.amount.amount_minor,
            currency: call.amount.currency.code(),
            method_token: &call.method_token,
            reference: &call.reference,
            return_url: self
                .public_url
                .as_ref()
                .map(|base| format!("{}/v1/payments/{}/return", base.trim_end_matches('/'), call.payment_id)),
            deposit_due_at: call.pay_by,
        };
        self.post(call, "/v1/authorizations".to_owned(), &body).await
    }

    async fn capture(&self, call: &ProviderCall) -> Outcome {
        match under(call, "captures") {
            Some(path) => self.post(call, path, &MoneyRequest::of(call)).await,
            None => not_authorized(),
        }
    }

    async fn void(&self, call: &ProviderCall) -> Outcome {
        match under(call, "void") {
            Some(path) => self.post(call, path, &serde_json::json!({})).await,
            None => not_authorized(),
        }
    }

    async fn refund(&self, call: &ProviderCall) -> Outcome {
        match under(call, "refunds") {
            Some(path) => self.post(call, path, &MoneyRequest::of(call)).await,
            None => not_authorized(),
        }
    }

    async fn query(&self, call: &ProviderCall) -> Result<Option<Snapshot>, QueryError> {
        let found = match &call.provider_ref {
            Some(authorization) => self.get::<Authorization>(format!("/v1/authorizations/{authorization}")).await?,
            None => {
                let list: Option<List> = self.get(format!("/v1/authorizations?reference={}", call.reference)).await?;
                list.and_then(|list| list.items.into_iter().next())
            }
        };
        found.map(wire::snapshot).transpose().map_err(QueryError)
    }

    fn parse_webhook(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Notice, NoticeError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).ok_or(NoticeError::Forged);
        let (id, timestamp) = (text("webhook-id")?, text("webhook-timestamp")?);
        if !self.signed(id, timestamp, body, text("webhook-signature")?) {
            return Err(NoticeError::Forged);
        }
        let sent_at: i64 = timestamp.parse().map_err(|_| NoticeError::OutsideWindow)?;
        if now.as_second().abs_diff(sent_at) > REPLAY_WINDOW_SECONDS.unsigned_abs() {
            return Err(NoticeError::OutsideWindow);
        }
        let malformed = |error: String| NoticeError::Malformed(error);
        let event: WebhookEvent = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
        let known = event.event_type.starts_with("authorization.") || event.event_type.starts_with("refund.");
        let snapshot = if known {
            let authorization: Authorization =
                serde_json::from_value(event.data).map_err(|error| malformed(error.to_string()))?;
            Some(wire::snapshot(authorization).map_err(malformed)?)
        } else {
            None
        };
        Ok(Notice { event_id: id.to_owned(), event_type: event.event_type, snapshot })
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use chassis::{
        Env,
        sqlite::Location,
        transport::{HttpTransport, HttpTransportConfig},
    };
    use sandbox_provider::SandboxConfig;
    use secrecy::SecretString;

    use super::{SandboxAccount, SandboxProvider};
    use crate::provider::{Outcome, Provider as _, contract};

    fn adapter(base: String, secret_key: &str) -> SandboxProvider {
        let config = HttpTransportConfig { base, connect_timeout: Duration::from_secs(5) };
        let account = SandboxAccount {
            secret_key: SecretString::from(secret_key.to_owned()),
            webhook_secret: SandboxConfig::default().webhook_secret,
        };
        SandboxProvider::new(Arc::new(HttpTransport::new(&config).unwrap()), account).unwrap()
    }

    async fn server(env: &Env) -> String {
        let router = sandbox_provider::build(SandboxConfig::default(), &Location::Memory, env).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stopping = env.clone();
        env.spawn("sandbox", async move {
            tokio::select! {
                biased;
                () = stopping.stopping() => {}
                _ = axum::serve(listener, router) => {}
            }
        });
        base
    }

    #[tokio::test]
    async fn passes_the_suite_against_the_real_server() {
        let env = Env::system();
        let provider = adapter(server(&env).await, "sk_sandbox");
        let tokens = contract::Tokens {
            approved: "tok_approve",
            declined: "tok_decline",
            declined_for_now: "tok_insufficient_funds",
            challenged: "tok_3ds",
            transferred: "tok_virtual_account",
        };
        contract::all(&provider, &tokens).await;
        env.stop().await;
    }

    #[tokio::test]
    async fn a_wrong_key_and_a_closed_port_do_nothing() {
        let env = Env::system();
        let base = server(&env).await;
        let call = contract::some_authorization();
        let stranger = adapter(base.clone(), "sk_wrong").authorize(&call).await;
        assert!(matches!(stranger, Outcome::Unreachable(_)), "{stranger:?}");
        env.stop().await;
        let closed = adapter(base, "sk_sandbox").authorize(&call).await;
        assert!(matches!(closed, Outcome::Unreachable(_)), "{closed:?}");
    }
}
