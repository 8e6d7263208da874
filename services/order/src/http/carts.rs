//! Carts over HTTP.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use chassis::{
    Problem,
    http::{AcceptedLocale, CurrentCaller, GuestToken, IfMatch, Json, Keyed, Path, Problems, Query, answer, etag},
    idempotency::{Answer, Receipt},
};
use contracts::{
    Currency, LocalizedText, Money, Page,
    order::{CartId, LineId},
};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    AppState, Turn,
    requests::{CartLineRequest, ClaimCartRequest, CreateCartRequest, SetQuantityRequest, UpdateCartRequest},
    respond, shopper, take_turn,
};
use crate::{cart_view::CartView, change_cart::CartTarget, config::ShippingMethod, store::CartChange};

/// Create a cart
///
/// Signed in, the cart belongs to the account. Otherwise the answer has a `guest_token`, once: whoever sends it
/// as `Guest-Token` owns the cart and the order it becomes. An answer with such a secret is not kept to be given
/// again, so a guest who repeats this request gets another cart; the first one lapses by itself.
#[utoipa::path(
    post, path = "/v1/carts", tag = "Carts", request_body = CreateCartRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe for the signed-in; has no effect for guests."),
        ("Accept-Language" = Option<String>, Header, description = "The language of mails, unless `locale` says it."),
    ),
    security((), ("bearer" = [])),
    responses((status = 201, description = "The cart.", body = CartView), Problems)
)]
pub(super) async fn create_cart(
    State(state): State<AppState>,
    caller: CurrentCaller,
    AcceptedLocale(accepted): AcceptedLocale,
    request: Keyed<CreateCartRequest>,
) -> Result<Response, Problem> {
    let new = request.body.check(accepted)?;
    // The answer to a guest holds a secret, and what is kept is kept in plain text.
    let key = request.key.filter(|_| caller.0.account().is_some());
    let _held = match take_turn(&state.idempotency, key.as_ref()).await? {
        Turn::Done(response) => return Ok(response),
        mine @ Turn::Mine(_) => mine,
    };
    let receipt = key.map(|key| Receipt::new(key, created_answer));
    let cart = state.service.create_cart(&shopper(caller, GuestToken(None)), new, receipt).await?;
    respond(created_answer(&cart))
}

/// Get a cart
#[utoipa::path(
    get, path = "/v1/carts/{id}", tag = "Carts", params(("id" = CartId, Path)),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 200, description = "The cart with the prices of this moment.", body = CartView), Problems)
)]
pub(super) async fn get_cart(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(id): Path<CartId>,
) -> Result<Response, Problem> {
    Ok(with_etag(state.service.show_cart(&shopper(caller, guest), id).await?))
}

/// Change a cart
///
/// What is absent stays; `null` removes.
#[utoipa::path(
    patch, path = "/v1/carts/{id}", tag = "Carts", request_body = UpdateCartRequest,
    params(("id" = CartId, Path), IfMatchParam),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 200, description = "The cart.", body = CartView), Problems)
)]
pub(super) async fn update_cart(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(cart_id): Path<CartId>,
    IfMatch(if_match): IfMatch,
    Json(request): Json<UpdateCartRequest>,
) -> Result<Response, Problem> {
    let change = CartChange::Patch(request.check()?);
    let target = CartTarget { cart_id, if_match };
    Ok(with_etag(state.service.change_cart(&shopper(caller, guest), target, change).await?))
}

/// Add a line to a cart
///
/// A variant that is in the cart already gets more of it. Additions at the same moment all count.
#[utoipa::path(
    post, path = "/v1/carts/{id}/lines", tag = "Carts", request_body = CartLineRequest,
    params(
        ("id" = CartId, Path), IfMatchParam,
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 201, description = "The cart.", body = CartView), Problems)
)]
pub(super) async fn add_line(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(cart_id): Path<CartId>,
    IfMatch(if_match): IfMatch,
    request: Keyed<CartLineRequest>,
) -> Result<Response, Problem> {
    let line = request.body.check()?;
    let _held = match take_turn(&state.idempotency, request.key.as_ref()).await? {
        Turn::Done(response) => return Ok(response),
        mine @ Turn::Mine(_) => mine,
    };
    let receipt = request.key.map(|key| Receipt::new(key, added_answer));
    let target = CartTarget { cart_id, if_match };
    let cart = state.service.add_lines(&shopper(caller, guest), target, vec![line], receipt).await?;
    respond(added_answer(&cart))
}

/// Change the quantity of a line
#[utoipa::path(
    patch, path = "/v1/carts/{id}/lines/{line_id}", tag = "Carts", request_body = SetQuantityRequest,
    params(("id" = CartId, Path), ("line_id" = LineId, Path), IfMatchParam),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 200, description = "The cart.", body = CartView), Problems)
)]
pub(super) async fn set_quantity(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path((cart_id, line_id)): Path<(CartId, LineId)>,
    IfMatch(if_match): IfMatch,
    Json(request): Json<SetQuantityRequest>,
) -> Result<Response, Problem> {
    let change = CartChange::SetQuantity { line_id, quantity: request.check()? };
    let target = CartTarget { cart_id, if_match };
    Ok(with_etag(state.service.change_cart(&shopper(caller, guest), target, change).await?))
}

/// Remove a line from a cart
#[utoipa::path(
    delete, path = "/v1/carts/{id}/lines/{line_id}", tag = "Carts",
    params(("id" = CartId, Path), ("line_id" = LineId, Path), IfMatchParam),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 200, description = "The cart without the line.", body = CartView), Problems)
)]
pub(super) async fn remove_line(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path((cart_id, line_id)): Path<(CartId, LineId)>,
    IfMatch(if_match): IfMatch,
) -> Result<Response, Problem> {
    let target = CartTarget { cart_id, if_match };
    let change = CartChange::RemoveLine(line_id);
    Ok(with_etag(state.service.change_cart(&shopper(caller, guest), target, change).await?))
}

/// Claim a guest's cart
///
/// After signing in, send the `Guest-Token` once more: the cart is the account's from then on, and the token
/// opens it no longer. Repeating this is safe.
#[utoipa::path(
    post, path = "/v1/carts/{id}/claim", tag = "Carts", request_body = ClaimCartRequest,
    params(
        ("id" = CartId, Path), IfMatchParam,
        ("Guest-Token" = Option<String>, Header, description = "What the guest was given."),
    ),
    security(("bearer" = [])),
    responses((status = 200, description = "The cart.", body = CartView), Problems)
)]
pub(super) async fn claim_cart(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(cart_id): Path<CartId>,
    IfMatch(if_match): IfMatch,
    request: Keyed<ClaimCartRequest>,
) -> Result<Response, Problem> {
    let ClaimCartRequest {} = request.body;
    let target = CartTarget { cart_id, if_match };
    Ok(with_etag(state.service.claim_cart(&shopper(caller, guest), target).await?))
}

/// A way for goods to travel.
#[derive(Serialize, ToSchema)]
pub(super) struct ShippingMethodView {
    /// Names it in requests.
    #[schema(example = "standard")]
    id: String,
    /// What people call it.
    name: LocalizedText,
    /// Tax-inclusive price, per currency.
    price: Vec<Money>,
    /// From this subtotal on it is free, per currency.
    free_from: Vec<Money>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ShippingMethodParams {
    /// Only what is offered in this currency.
    currency: Option<Currency>,
}

/// List shipping methods
#[utoipa::path(
    get, path = "/v1/shipping-methods", tag = "Carts", params(ShippingMethodParams),
    security(()),
    responses((status = 200, description = "All of them, on one page.", body = Page<ShippingMethodView>), Problems)
)]
pub(super) async fn list_shipping_methods(
    State(state): State<AppState>,
    Query(params): Query<ShippingMethodParams>,
) -> Json<Page<ShippingMethodView>> {
    let methods = state.service.config.shipping_methods.iter();
    let items = methods.filter_map(|method| ShippingMethodView::of(method, params.currency)).collect();
    Json(Page { items, next_cursor: None })
}

impl ShippingMethodView {
    /// `None` if it is not offered in `only`.
    fn of(method: &ShippingMethod, only: Option<Currency>) -> Option<Self> {
        let wanted = |currency: &Currency| only.is_none_or(|only| only == *currency);
        let amounts = |prices: &std::collections::BTreeMap<String, i64>| -> Vec<Money> {
            let parsed = prices.iter().filter_map(|(code, amount)| Some(Money::new(*amount, code.parse().ok()?)));
            parsed.filter(|money| wanted(&money.currency)).collect()
        };
        let (price, free_from) = (amounts(&method.price), amounts(&method.free_from));
        (!price.is_empty()).then(|| Self { id: method.id.clone(), name: method.name.clone(), price, free_from })
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents the header that `IfMatch` reads")]
pub(super) struct IfMatchParam {
    /// Only if the resource still has this `ETag`.
    #[param(rename = "If-Match", example = "\"7\"")]
    if_match: Option<String>,
}

fn with_etag(cart: CartView) -> Response {
    ([(header::ETAG, etag(cart.version))], Json(cart)).into_response()
}

fn created_answer(cart: &CartView) -> Result<Answer, serde_json::Error> {
    Ok(answer(StatusCode::CREATED, cart)?.location(format!("/v1/carts/{}", cart.id)).etag(cart.version))
}

fn added_answer(cart: &CartView) -> Result<Answer, serde_json::Error> {
    Ok(answer(StatusCode::CREATED, cart)?.etag(cart.version))
}
