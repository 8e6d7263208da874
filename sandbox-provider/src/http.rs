//! The provider's API for merchants.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chassis::{Env, StoreError, sqlite::Database};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Notify;

use crate::{
    config::SandboxConfig,
    fault::{FaultKind, Faults, Operation},
    operation::{self, Call, Done, Order, error_reply},
    store::{self, Key, Reply},
    token::AnswerManner,
};

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Sandbox {
    pub(crate) env: Env,
    pub(crate) config: Arc<SandboxConfig>,
    pub(crate) database: Database,
    pub(crate) faults: Arc<Faults>,
    pub(crate) bell: Arc<Notify>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Capture {
    #[serde(default)]
    amount_minor: Option<i64>,
    #[serde(default)]
    reference: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    reference: String,
}

pub(crate) fn router(sandbox: Sandbox) -> Router {
    let api = Router::new()
        .route("/v1/authorizations", post(authorize).get(search))
        .route("/v1/authorizations/{id}", get(show))
        .route("/v1/authorizations/{id}/captures", post(capture))
        .route("/v1/authorizations/{id}/void", post(void))
        .route("/v1/authorizations/{id}/refunds", post(refund).get(refunds));
    let api = if sandbox.config.control { api.merge(crate::control::router()) } else { api };
    api.layer(middleware::from_fn_with_state(sandbox.clone(), authenticate))
        .merge(crate::page::router())
        .route("/livez", get(|| async { "ok" }))
        .fallback(|| async { answer(error_reply(404, "not_found", "there is nothing at this path")) })
        .method_not_allowed_fallback(|| async {
            answer(error_reply(405, "method_not_allowed", "this path does not take this method"))
        })
        .with_state(sandbox)
}

/// Lets requests with the secret key through.
async fn authenticate(State(sandbox): State<Sandbox>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = sent.and_then(|value| match value.split_once(' ')? {
        (scheme, key) if scheme.eq_ignore_ascii_case("bearer") => Some(key.trim().to_owned()),
        (scheme, encoded) if scheme.eq_ignore_ascii_case("basic") => {
            let pair = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
            Some(pair.split(':').next()?.to_owned())
        }
        _ => None,
    });
    let expected = sandbox.config.secret_key.expose_secret().as_bytes();
    if key.is_some_and(|key| bool::from(key.as_bytes().ct_eq(expected))) {
        next.run(request).await
    } else {
        answer(error_reply(401, "unauthenticated", "send the secret key: Authorization: Bearer KEY"))
    }
}

pub(crate) fn answer(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, reply.body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) fn stored(error: &StoreError) -> Response {
    tracing::error!(%error, "the sandbox provider cannot use its store");
    answer(error_reply(500, "internal_error", "something is broken on the provider's side"))
}

fn internal_error() -> Response {
    answer(error_reply(500, "internal_error", "something went wrong here"))
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Box<Response>> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| Box::new(answer(error_reply(400, "invalid_request", &error.to_string()))))
}

async fn authorize(
    State(sandbox): State<Sandbox>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match parse(&body) {
        Ok(request) => {
            let key = key(&headers, &method, &uri, &body);
            perform(&sandbox, Operation::Authorize, Order::Authorize(request), key).await
        }
        Err(refusal) => *refusal,
    }
}

async fn capture(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match parse::<Capture>(&body) {
        Ok(Capture { amount_minor, reference }) => {
            if reference.as_ref().is_some_and(|reference| !(1..=200).contains(&reference.len())) {
                return answer(error_reply(400, "invalid_request", "reference must be 1 to 200 characters"));
            }
            let key = key(&headers, &method, &uri, &body);
            perform(&sandbox, Operation::Capture, Order::Capture { id, amount_minor, reference }, key).await
        }
        Err(refusal) => *refusal,
    }
}

async fn void(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match parse::<Empty>(&body) {
        Ok(Empty {}) => {
            let key = key(&headers, &method, &uri, &body);
            perform(&sandbox, Operation::Void, Order::Void { id }, key).await
        }
        Err(refusal) => *refusal,
    }
}

async fn refund(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match parse(&body) {
        Ok(refund) => {
            let key = key(&headers, &method, &uri, &body);
            perform(&sandbox, Operation::Refund, Order::Refund { id, refund }, key).await
        }
        Err(refusal) => *refusal,
    }
}

fn key(headers: &HeaderMap, method: &Method, uri: &Uri, body: &[u8]) -> Option<Key> {
    let key = headers.get("idempotency-key")?.to_str().ok()?.chars().take(300).collect();
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), uri.path().as_bytes(), body] {
        hash.update(part);
        hash.update([0]);
    }
    Some(Key { key, request_hash: hash.finalize().into() })
}

/// Does what is asked for and lets the answer travel as token and faults have it.
async fn perform(sandbox: &Sandbox, operation: Operation, order: Order, key: Option<Key>) -> Response {
    let fault = sandbox.faults.take(operation);
    match fault {
        Some(FaultKind::HangBefore) => {
            pause(sandbox, AnswerManner::Never).await;
            return answer(error_reply(503, "unavailable", "nothing was done"));
        }
        Some(FaultKind::Unavailable) => return answer(error_reply(503, "unavailable", "nothing was done")),
        Some(FaultKind::Error) => return internal_error(),
        Some(FaultKind::Refuse) => return answer(error_reply(409, "refused", "a fault was ordered")),
        Some(FaultKind::Slow | FaultKind::Hang | FaultKind::ErrorAfter) | None => {}
    }
    let call = Call {
        order,
        key,
        new_id: operation::mint(
            &sandbox.env,
            match operation {
                Operation::Refund => "rfnd",
                Operation::Capture => "cap",
                _ => "auth",
            },
        ),
        event_id: operation::mint(&sandbox.env, "evt"),
        now: sandbox.env.now(),
        answer: match fault {
            Some(FaultKind::Slow) => Some(AnswerManner::Slow),
            Some(FaultKind::Hang | FaultKind::ErrorAfter) => Some(AnswerManner::Never),
            _ => None,
        },
        asked: true,
    };
    let done = match write(sandbox, call).await {
        Ok(done) => done,
        Err(error) => return stored(&error),
    };
    if fault == Some(FaultKind::ErrorAfter) {
        return internal_error();
    }
    pause(sandbox, done.answer).await;
    let mut response = answer(done.reply);
    if done.replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// Does what somebody else than the merchant asks for: the buyer, or the bank.
pub(crate) async fn perform_unasked(sandbox: &Sandbox, order: Order) -> Result<Reply, StoreError> {
    let call = Call {
        order,
        key: None,
        new_id: operation::mint(&sandbox.env, "cap"),
        event_id: operation::mint(&sandbox.env, "evt"),
        now: sandbox.env.now(),
        answer: None,
        asked: false,
    };
    Ok(write(sandbox, call).await?.reply)
}

async fn write(sandbox: &Sandbox, call: Call) -> Result<Done, StoreError> {
    let config = Arc::clone(&sandbox.config);
    let done =
        sandbox.database.write_unsynced(move |transaction| operation::perform(transaction, &config, &call)).await?;
    if done.announced {
        sandbox.bell.notify_one();
    }
    Ok(done)
}

async fn pause(sandbox: &Sandbox, manner: AnswerManner) {
    let pause = match manner {
        AnswerManner::Prompt => return,
        AnswerManner::Slow => sandbox.config.slow(),
        AnswerManner::Never => sandbox.config.hang(),
    };
    tokio::select! {
        biased;
        () = sandbox.env.stopping() => {}
        () = tokio::time::sleep(pause) => {}
    }
}

/// The answer that a fault makes of a query, if one does.
async fn query_fault(sandbox: &Sandbox) -> Option<Response> {
    match sandbox.faults.take(Operation::Query)? {
        FaultKind::Slow => {
            pause(sandbox, AnswerManner::Slow).await;
            None
        }
        FaultKind::Hang | FaultKind::HangBefore => {
            pause(sandbox, AnswerManner::Never).await;
            None
        }
        FaultKind::Error | FaultKind::ErrorAfter => Some(internal_error()),
        FaultKind::Unavailable | FaultKind::Refuse => Some(answer(error_reply(503, "unavailable", "nothing was done"))),
    }
}

async fn show(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    if let Some(response) = query_fault(&sandbox).await {
        return response;
    }
    match sandbox.database.read(move |connection| store::find(connection, &id)).await {
        Ok(Some(authorization)) => axum::Json(authorization).into_response(),
        Ok(None) => answer(error_reply(404, "not_found", "there is no such authorization")),
        Err(error) => stored(&error),
    }
}

async fn refunds(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Response {
    if let Some(response) = query_fault(&sandbox).await {
        return response;
    }
    match sandbox.database.read(move |connection| store::find(connection, &id)).await {
        Ok(Some(authorization)) => axum::Json(serde_json::json!({"items": authorization.refunds})).into_response(),
        Ok(None) => answer(error_reply(404, "not_found", "there is no such authorization")),
        Err(error) => stored(&error),
    }
}

async fn search(State(sandbox): State<Sandbox>, search: Result<Query<Search>, QueryRejection>) -> Response {
    if let Some(response) = query_fault(&sandbox).await {
        return response;
    }
    let Ok(Query(Search { reference })) = search else {
        return answer(error_reply(400, "invalid_request", "ask with ?reference=…"));
    };
    match sandbox.database.read(move |connection| store::find_by_reference(connection, &reference)).await {
        Ok(items) => axum::Json(serde_json::json!({"items": items})).into_response(),
        Err(error) => stored(&error),
    }
}
