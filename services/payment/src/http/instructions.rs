//! Staff takes money in parts and lets go of the rest.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use chassis::{
    Problem,
    http::{Keyed, Path, Problems, answer},
    idempotency::{Answer, Begun, Receipt},
};
use contracts::{Money, Violation, payment::PaymentId};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{AppState, views::PaymentDetail};
use crate::store::{Lookup, PaymentRecord};

/// How much to take.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CaptureRequest {
    /// In the currency of the payment; all that is left if absent.
    #[serde(default)]
    amount: Option<Money>,
}

/// Nothing has to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VoidRequest {}

/// Capture a payment
///
/// Takes money that the provider holds, wholly or in part, as often as something is left. Never more is taken
/// than was authorized, however many ask at once.
#[utoipa::path(
    post,
    path = "/v1/payments/{id}/captures",
    tag = "Payments",
    request_body = CaptureRequest,
    params(
        ("id" = PaymentId, Path, description = "The payment."),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("bearer" = ["refunds:write"])),
    responses((status = 201, description = "The payment; its last capture is on its way.", body = PaymentDetail), Problems)
)]
pub(super) async fn capture_payment(
    State(state): State<AppState>,
    Path(id): Path<PaymentId>,
    request: Keyed<CaptureRequest>,
) -> Result<Response, Problem> {
    let key = request.required_key()?.clone();
    let _held = match state.idempotency.begin(&key).await? {
        Begun::Replay(response) => return Ok(response),
        Begun::Fresh(held) => held,
    };
    let amount_minor = match request.body.amount {
        Some(amount) => Some(checked(&state, id, amount).await?),
        None => None,
    };
    let record = state.instructions.capture(id, amount_minor, Receipt::new(key, captured_answer)).await?;
    Ok(captured_answer(&record).map_err(Problem::internal)?.into_response())
}

/// Void a payment
///
/// Lets go of what the provider holds and was not captured.
#[utoipa::path(
    post,
    path = "/v1/payments/{id}/void",
    tag = "Payments",
    request_body = VoidRequest,
    params(
        ("id" = PaymentId, Path, description = "The payment."),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("bearer" = ["refunds:write"])),
    responses((status = 202, description = "The payment; the rest is being let go.", body = PaymentDetail), Problems)
)]
pub(super) async fn void_payment(
    State(state): State<AppState>,
    Path(id): Path<PaymentId>,
    request: Keyed<VoidRequest>,
) -> Result<Response, Problem> {
    let key = request.required_key()?.clone();
    let _held = match state.idempotency.begin(&key).await? {
        Begun::Replay(response) => return Ok(response),
        Begun::Fresh(held) => held,
    };
    let record = state.instructions.void(id, Receipt::new(key, voided_answer)).await?;
    Ok(voided_answer(&record).map_err(Problem::internal)?.into_response())
}

/// The amount, if it is one of this payment.
async fn checked(state: &AppState, id: PaymentId, amount: Money) -> Result<i64, Problem> {
    let payment = state.store.find(Lookup::Payment(id)).await?.ok_or_else(|| Problem::not_found("payment"))?;
    let wrong = |field: &str, detail: String| Err(Problem::invalid(vec![Violation::new(field, detail)]));
    if amount.currency != payment.amount.currency {
        return wrong("/amount/currency", format!("must be {}, as in the payment", payment.amount.currency.code()));
    }
    if amount.amount_minor < 1 {
        return wrong("/amount/amount_minor", "must be at least 1".to_owned());
    }
    Ok(amount.amount_minor)
}

fn captured_answer(record: &PaymentRecord) -> Result<Answer, serde_json::Error> {
    let location = format!("/v1/payments/{}", record.payment.id);
    Ok(answer(StatusCode::CREATED, &detail(record))?.location(location))
}

fn voided_answer(record: &PaymentRecord) -> Result<Answer, serde_json::Error> {
    answer(StatusCode::ACCEPTED, &detail(record))
}

fn detail(record: &PaymentRecord) -> PaymentDetail {
    PaymentDetail::new(&record.payment, record.ledger.clone())
}
