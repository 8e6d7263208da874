//! Speaks the sandbox provider's protocol (`docs/sandbox-provider.md`).

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chassis::transport::{Transport, TransportError};
use contracts::{Currency, Money};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{Notice, NoticeError, Outcome, Provider, ProviderCall, ProviderStatus, QueryError, RefundSeen, Snapshot};

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
}

#[derive(Serialize)]
struct AuthorizeRequest<'a> {
    amount_minor: i64,
    currency: &'a str,
    method_token: &'a str,
    reference: &'a str,
}

#[derive(Serialize)]
struct AmountRequest {
    amount_minor: i64,
}

#[derive(Serialize)]
struct RefundRequest<'a> {
    amount_minor: i64,
    reference: &'a str,
}

#[derive(Deserialize)]
struct Authorization {
    id: String,
    reference: String,
    status: Status,
    currency: String,
    amount_minor: i64,
    captured_minor: i64,
    #[serde(default)]
    decline_code: Option<String>,
    #[serde(default)]
    refunds: Vec<Refund>,
}

#[derive(Deserialize)]
struct Refund {
    id: String,
    reference: String,
    amount_minor: i64,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    Authorized,
    PartiallyCaptured,
    Captured,
    Voided,
    Declined,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Authorization>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    message: String,
}

#[derive(Deserialize)]
struct WebhookEvent {
    #[serde(rename = "type")]
    event_type: String,
    data: serde_json::Value,
}

impl SandboxProvider {
    /// Our account, reached through `transport`. Fails if the secret key cannot stand in a header.
    pub fn new(transport: Arc<dyn Transport>, account: SandboxAccount) -> Result<Self, http::Error> {
        let bearer = format!("Bearer {}", account.secret_key.expose_secret());
        let mut authorization = HeaderValue::from_str(&bearer)?;
        authorization.set_sensitive(true);
        Ok(Self { transport, authorization, webhook_key: account.webhook_secret })
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
                Ok(authorization) => outcome(authorization),
                Err(error) => Outcome::Unknown(format!("the answer cannot be read: {error}")),
            };
        }
        refusal(status, &body)
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

/// An answer that is no success: what it says about whether anything was done.
fn refusal(status: StatusCode, body: &[u8]) -> Outcome {
    let error = serde_json::from_slice::<ErrorAnswer>(body).map(|answer| answer.error).ok();
    let said = error.as_ref().map_or_else(|| status.to_string(), |error| format!("{status}: {}", error.message));
    match status {
        // This provider promises that nothing was done.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Outcome::Unreachable(said),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            tracing::error!(%status, "the payment provider does not accept our key");
            Outcome::Unreachable(said)
        }
        status if status.is_client_error() => match error {
            Some(error) => Outcome::Declined { code: error.code, provider_ref: None },
            None => Outcome::Unknown(said),
        },
        _ => Outcome::Unknown(said),
    }
}

fn outcome(authorization: Authorization) -> Outcome {
    match (authorization.status, snapshot(authorization)) {
        (_, Err(error)) => Outcome::Unknown(error),
        (Status::Pending, Ok(snapshot)) => Outcome::Pending(snapshot),
        (Status::Declined, Ok(snapshot)) => Outcome::Declined {
            code: snapshot.decline_code.unwrap_or_else(|| "declined".to_owned()),
            provider_ref: Some(snapshot.provider_ref),
        },
        (_, Ok(snapshot)) => Outcome::Approved(snapshot),
    }
}

fn snapshot(authorization: Authorization) -> Result<Snapshot, String> {
    let currency: Currency = authorization.currency.parse().map_err(|error| format!("{error}"))?;
    Ok(Snapshot {
        reference: authorization.reference,
        provider_ref: authorization.id,
        status: match authorization.status {
            Status::Pending => ProviderStatus::Pending,
            Status::Authorized => ProviderStatus::Authorized,
            Status::PartiallyCaptured => ProviderStatus::PartiallyCaptured,
            Status::Captured => ProviderStatus::Captured,
            Status::Voided => ProviderStatus::Voided,
            Status::Declined => ProviderStatus::Declined,
        },
        amount: Money::new(authorization.amount_minor, currency),
        captured_minor: authorization.captured_minor,
        refunds: authorization
            .refunds
            .into_iter()
            .map(|refund| RefundSeen {
                reference: refund.reference,
                provider_ref: refund.id,
                amount_minor: refund.amount_minor,
            })
            .collect(),
        decline_code: authorization.decline_code,
    })
}

/// The path under the authorization of `call`, which every operation after the first needs.
fn under(call: &ProviderCall, what: &str) -> Option<String> {
    call.provider_ref.as_ref().map(|authorization| format!("/v1/authorizations/{authorization}/{what}"))
}

fn not_authorized() -> Outcome {
    Outcome::Declined { code: "not_authorized".to_owned(), provider_ref: None }
}

#[async_trait]
impl Provider for SandboxProvider {
    async fn authorize(&self, call: &ProviderCall) -> Outcome {
        let body = AuthorizeRequest {
            amount_minor: call.amount.amount_minor,
            currency: call.amount.currency.code(),
            method_token: &call.method_token,
            reference: &call.payment_id.to_string(),
        };
        self.post(call, "/v1/authorizations".to_owned(), &body).await
    }

    async fn capture(&self, call: &ProviderCall) -> Outcome {
        match under(call, "captures") {
            Some(path) => self.post(call, path, &AmountRequest { amount_minor: call.amount.amount_minor }).await,
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
        let reference = call.operation_id.to_string();
        let body = RefundRequest { amount_minor: call.amount.amount_minor, reference: &reference };
        match under(call, "refunds") {
            Some(path) => self.post(call, path, &body).await,
            None => not_authorized(),
        }
    }

    async fn query(&self, call: &ProviderCall) -> Result<Option<Snapshot>, QueryError> {
        let found = match &call.provider_ref {
            Some(authorization) => self.get::<Authorization>(format!("/v1/authorizations/{authorization}")).await?,
            None => {
                let list: Option<List> = self.get(format!("/v1/authorizations?reference={}", call.payment_id)).await?;
                list.and_then(|list| list.items.into_iter().next())
            }
        };
        found.map(snapshot).transpose().map_err(QueryError)
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
            Some(snapshot(authorization).map_err(malformed)?)
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
        let tokens = contract::Tokens { approved: "tok_approve", declined: "tok_decline" };
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
