//! What moves a payment on, over HTTP: another method of the buyer, the word of staff.

use axum::{extract::State, response::Response};
use chassis::{
    Problem,
    http::{CurrentCaller, GuestToken, IfMatch, Keyed, Path, Problems, answer},
    idempotency::{Answer, Receipt},
};
use contracts::order::OrderId;
use http::StatusCode;

use super::{
    AppState, Turn,
    carts::IfMatchParam,
    requests::{GivePaymentMethodRequest, ReleaseOrderRequest},
    respond, shopper, take_turn,
};
use crate::order_view::OrderView;

/// Name another payment method
///
/// While the order is `awaiting_payment` and `payment.method_required` is there: the method before was declined, and
/// payment tries this one. The order's `pay_by` stays.
#[utoipa::path(
    post, path = "/v1/orders/{id}/payment-attempts", tag = "Orders", request_body = GivePaymentMethodRequest,
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 201, description = "The order; its payment is under way again.", body = OrderView), Problems)
)]
pub(super) async fn give_payment_method(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(id): Path<OrderId>,
    request: Keyed<GivePaymentMethodRequest>,
) -> Result<Response, Problem> {
    let key = request.required_key()?.clone();
    let method = request.body.check()?;
    let _held = match take_turn(&state.idempotency, Some(&key)).await? {
        Turn::Done(response) => return Ok(response),
        mine @ Turn::Mine(_) => mine,
    };
    let receipt = Receipt::new(key, attempted_answer);
    let order = state.service.give_payment_method(&shopper(caller, guest), id, method, receipt).await?;
    respond(attempted_answer(&order))
}

/// Release an order
///
/// One that is `on_hold` goes on as if nothing had been odd about it: it is confirmed.
#[utoipa::path(
    post, path = "/v1/orders/{id}/release", tag = "Orders", request_body = ReleaseOrderRequest,
    params(
        ("id" = OrderId, Path), IfMatchParam,
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("bearer" = ["orders:write"])),
    responses((status = 200, description = "The confirmed order.", body = OrderView), Problems)
)]
pub(super) async fn release_order(
    State(state): State<AppState>,
    caller: CurrentCaller,
    Path(id): Path<OrderId>,
    IfMatch(if_match): IfMatch,
    request: Keyed<ReleaseOrderRequest>,
) -> Result<Response, Problem> {
    let _held = match take_turn(&state.idempotency, request.key.as_ref()).await? {
        Turn::Done(response) => return Ok(response),
        mine @ Turn::Mine(_) => mine,
    };
    let receipt = request.key.map(|key| Receipt::new(key, released_answer));
    let order = state.service.release_order(&shopper(caller, GuestToken(None)), id, if_match, receipt).await?;
    respond(released_answer(&order))
}

fn attempted_answer(order: &OrderView) -> Result<Answer, serde_json::Error> {
    Ok(answer(StatusCode::CREATED, order)?.location(format!("/v1/orders/{}", order.id)).etag(order.version))
}

fn released_answer(order: &OrderView) -> Result<Answer, serde_json::Error> {
    Ok(answer(StatusCode::OK, order)?.etag(order.version))
}
