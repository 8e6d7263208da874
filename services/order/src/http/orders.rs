//! Orders over HTTP.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use chassis::{
    Problem,
    http::{CurrentCaller, GuestToken, IfMatch, Json, Keyed, Path, Problems, Query, answer, etag},
    idempotency::{Answer, Receipt},
};
use contracts::{
    Page, Violation,
    order::{OrderId, OrderStatus},
};
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    AppState, Turn,
    carts::IfMatchParam,
    page_cursor, page_limit,
    requests::{CancelOrderRequest, PlaceOrderRequest},
    respond, shopper, take_turn,
};
use crate::{
    order_view::{OrderEventView, OrderSummaryView, OrderView},
    show_past_order::OrderChanges,
    store::OrderFilter,
};

/// Place an order
///
/// Stock is held and prices are fixed at once; the payment follows by itself, and the order becomes `confirmed`
/// or `rejected`, or `awaiting_payment` while its buyer has to act. A cart becomes one order.
#[utoipa::path(
    post, path = "/v1/orders", tag = "Orders", request_body = PlaceOrderRequest,
    params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
        description = "Makes repeating this request safe: send a fresh random value, like a UUID.")),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 201, description = "The order.", body = OrderView), Problems)
)]
pub(super) async fn place_order(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    request: Keyed<PlaceOrderRequest>,
) -> Result<Response, Problem> {
    let key = request.required_key()?.clone();
    let wanted = request.body.check()?;
    let _held = match take_turn(&state.idempotency, Some(&key)).await? {
        Turn::Done(response) => return Ok(response),
        mine @ Turn::Mine(_) => mine,
    };
    let receipt = Receipt::new(key, placed_answer);
    let order = state.service.place_order(&shopper(caller, guest), wanted, receipt).await?;
    respond(placed_answer(&order))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GetOrderParams {
    /// Show the order as it was then. Without it, as it is.
    #[param(example = "2026-11-22T09:30:00Z")]
    at: Option<Timestamp>,
}

/// Get an order
///
/// As it is, or as it was at any time since it was placed. Holders of `orders:read` also see what its saga waits for.
#[utoipa::path(
    get, path = "/v1/orders/{id}", tag = "Orders", params(("id" = OrderId, Path), GetOrderParams),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 200, description = "The order.", body = OrderView), Problems)
)]
pub(super) async fn get_order(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(id): Path<OrderId>,
    Query(params): Query<GetOrderParams>,
) -> Result<Response, Problem> {
    let shopper = shopper(caller, guest);
    let Some(at) = params.at else {
        let order = state.service.show_order(&shopper, id).await?;
        return Ok(([(header::ETAG, etag(order.version))], Json(order)).into_response());
    };
    Ok(Json(state.service.show_order_at(&shopper, id, at).await?).into_response())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListOrderChangesParams {
    /// From how it was then; before it was placed, from nothing.
    #[param(example = "2026-11-22T09:30:00Z")]
    from: Timestamp,
    /// To how it was then, which is later.
    #[param(example = "2026-11-22T21:30:00Z")]
    until: Timestamp,
}

/// List what became of an order between two times
///
/// Everything in which the order at `until` differs from the order at `from`, and the events that made it so.
#[utoipa::path(
    get, path = "/v1/orders/{id}/changes", tag = "Orders", params(("id" = OrderId, Path), ListOrderChangesParams),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 200, description = "Differences and events.", body = OrderChanges), Problems)
)]
pub(super) async fn list_order_changes(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(id): Path<OrderId>,
    Query(ListOrderChangesParams { from, until }): Query<ListOrderChangesParams>,
) -> Result<Json<OrderChanges>, Problem> {
    if until < from {
        return Err(Problem::invalid(vec![Violation::new("until", "must not be before `from`")]));
    }
    Ok(Json(state.service.list_order_changes(&shopper(caller, guest), id, from, until).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListOrdersParams {
    /// Only orders that stand there.
    status: Option<OrderStatus>,
    /// Only orders with this e-mail address; case does not matter.
    #[param(max_length = 254)]
    email: Option<String>,
    /// Only the order with this number.
    #[param(max_length = 32, example = "2026-7KQ4ZM")]
    number: Option<String>,
    /// Only orders placed then or later.
    placed_from: Option<Timestamp>,
    /// Only orders placed before.
    placed_until: Option<Timestamp>,
    /// Items per page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List orders
///
/// Newest first: one's own, or everybody's for holders of `orders:read`.
#[utoipa::path(
    get, path = "/v1/orders", tag = "Orders", params(ListOrdersParams),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 200, description = "One page of orders.", body = Page<OrderSummaryView>), Problems)
)]
pub(super) async fn list_orders(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Query(params): Query<ListOrdersParams>,
) -> Result<Json<Page<OrderSummaryView>>, Problem> {
    let limit = page_limit(params.limit)?;
    let after = page_cursor(params.cursor.as_deref())?;
    let filter = OrderFilter {
        owner: None,
        status: params.status,
        email: params.email,
        number: params.number.map(|number| number.trim().to_ascii_uppercase()),
        placed_from: params.placed_from,
        placed_until: params.placed_until,
    };
    Ok(Json(state.service.list_orders(&shopper(caller, guest), filter, after, limit).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListOrderEventsParams {
    /// Items per page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List what happened to an order
///
/// Oldest first. Each event holds the hash of the one before: nothing can be changed or taken out unseen.
#[utoipa::path(
    get, path = "/v1/orders/{id}/events", tag = "Orders", params(("id" = OrderId, Path), ListOrderEventsParams),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 200, description = "One page of events.", body = Page<OrderEventView>), Problems)
)]
pub(super) async fn list_order_events(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(id): Path<OrderId>,
    Query(params): Query<ListOrderEventsParams>,
) -> Result<Json<Page<OrderEventView>>, Problem> {
    let limit = page_limit(params.limit)?;
    let after_seq = page_cursor::<u32>(params.cursor.as_deref())?.unwrap_or(0);
    let events = state.service.list_order_events(&shopper(caller, guest), id, after_seq.into(), limit).await?;
    Ok(Json(events))
}

/// Cancel an order
///
/// Money and goods go back by themselves: an authorization is voided, a captured sum refunded, stock released or
/// put back. With `lines`, only these units of a confirmed order are called off, and their part of the price and
/// of the delivery goes back. What is in a parcel or has left cannot be called off.
#[utoipa::path(
    post, path = "/v1/orders/{id}/cancel", tag = "Orders", request_body = CancelOrderRequest,
    params(
        ("id" = OrderId, Path), IfMatchParam,
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 200, description = "The order as it is then.", body = OrderView), Problems)
)]
pub(super) async fn cancel_order(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(id): Path<OrderId>,
    IfMatch(if_match): IfMatch,
    request: Keyed<CancelOrderRequest>,
) -> Result<Response, Problem> {
    let wanted = request.body.check()?;
    let _held = match take_turn(&state.idempotency, request.key.as_ref()).await? {
        Turn::Done(response) => return Ok(response),
        mine @ Turn::Mine(_) => mine,
    };
    let receipt = request.key.map(|key| Receipt::new(key, cancelled_answer));
    let order = state.service.cancel_order(&shopper(caller, guest), id, if_match, wanted, receipt).await?;
    respond(cancelled_answer(&order))
}

fn placed_answer(order: &OrderView) -> Result<Answer, serde_json::Error> {
    Ok(answer(StatusCode::CREATED, order)?.location(format!("/v1/orders/{}", order.id)).etag(order.version))
}

fn cancelled_answer(order: &OrderView) -> Result<Answer, serde_json::Error> {
    Ok(answer(StatusCode::OK, order)?.etag(order.version))
}
