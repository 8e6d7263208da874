//! Where a buyer comes back to from a page of the provider.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    Problem,
    http::{Json, Path, Problems},
};
use contracts::{order::OrderId, payment::PaymentId};
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use crate::payment::PaymentState;

/// How it went.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReturnView {
    /// The order that is paid; its page says more to whoever may see it.
    order_id: OrderId,
    /// Where its payment stands.
    payment_state: PaymentState,
}

/// Come back from the provider's page
///
/// Providers send buyers here after 3-D Secure or a payment window. Nothing in the address is believed: the
/// provider is asked how it went.
#[utoipa::path(
    get,
    path = "/v1/payments/{id}/return",
    tag = "Payments",
    params(("id" = PaymentId, Path, description = "The payment.")),
    security(()),
    responses(
        (status = 200, description = "How it went, if the shop has no page to go on to.", body = ReturnView),
        (status = 303, description = "Goes on to the shop's page for the order.",
            headers(("Location" = String, description = "That page."))),
        Problems
    )
)]
pub(super) async fn return_from_provider(
    State(state): State<AppState>,
    Path(id): Path<PaymentId>,
) -> Result<Response, Problem> {
    let payment = state.returns.take(id).await?.ok_or_else(|| Problem::not_found("payment"))?;
    Ok(match state.returns.onwards(&payment) {
        Some(url) => Redirect::to(&url).into_response(),
        None => Json(ReturnView { order_id: payment.order_id, payment_state: payment.state }).into_response(),
    })
}
