//! Refunds over HTTP.

use axum::{extract::State, response::Response};
use chassis::{
    Problem,
    http::{CurrentCaller, GuestToken, IfMatch, Keyed, Path, Problems, answer},
    idempotency::{Answer, Receipt},
};
use contracts::order::OrderId;
use http::StatusCode;

use super::{AppState, Turn, carts::IfMatchParam, requests::RefundOrderRequest, respond, shopper, take_turn};
use crate::order_view::OrderView;

/// Refund an order
///
/// Wholly, by amount or by units. Never more goes back than was captured, however many ask at once.
#[utoipa::path(
    post, path = "/v1/orders/{id}/refunds", tag = "Orders", request_body = RefundOrderRequest,
    params(
        ("id" = OrderId, Path), IfMatchParam,
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("bearer" = ["refunds:write"])),
    responses((status = 201, description = "The order; its last refund is on its way.", body = OrderView), Problems)
)]
pub(super) async fn refund_order(
    State(state): State<AppState>,
    caller: CurrentCaller,
    Path(id): Path<OrderId>,
    IfMatch(if_match): IfMatch,
    request: Keyed<RefundOrderRequest>,
) -> Result<Response, Problem> {
    let key = request.required_key()?.clone();
    let (scope, reason) = request.body.check()?;
    let _held = match take_turn(&state.idempotency, Some(&key)).await? {
        Turn::Done(response) => return Ok(response),
        mine @ Turn::Mine(_) => mine,
    };
    let receipt = Receipt::new(key, refunded_answer);
    let staff = shopper(caller, GuestToken(None));
    let order = state.service.refund_order(&staff, id, if_match, scope, reason, receipt).await?;
    respond(refunded_answer(&order))
}

fn refunded_answer(order: &OrderView) -> Result<Answer, serde_json::Error> {
    Ok(answer(StatusCode::CREATED, order)?.location(format!("/v1/orders/{}", order.id)).etag(order.version))
}
