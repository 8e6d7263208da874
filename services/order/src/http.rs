//! The ways in over HTTP. Only here are status codes known.

mod carts;
mod fulfilments;
mod orders;
mod payment;
mod problems;
mod refunds;
mod requests;
mod returns;

use axum::response::{IntoResponse, Response};
use chassis::{
    Problem,
    http::{CurrentCaller, GuestToken},
    idempotency::{Answer, Begun, Idempotency, IdempotencyKey, InFlight},
};
use contracts::{Violation, page};
use secrecy::ExposeSecret as _;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    owner::{Shopper, TokenHash},
    service::OrderService,
};

/// What handlers need.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) service: OrderService,
    pub(crate) idempotency: Idempotency,
}

/// The routes.
pub(crate) fn router(state: AppState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(carts::create_cart))
        .routes(routes!(carts::get_cart, carts::update_cart))
        .routes(routes!(carts::add_line))
        .routes(routes!(carts::set_quantity, carts::remove_line))
        .routes(routes!(carts::claim_cart))
        .routes(routes!(carts::list_shipping_methods))
        .routes(routes!(orders::place_order, orders::list_orders))
        .routes(routes!(orders::get_order))
        .routes(routes!(orders::list_order_events))
        .routes(routes!(orders::list_order_changes))
        .routes(routes!(payment::give_payment_method))
        .routes(routes!(payment::release_order))
        .routes(routes!(orders::cancel_order))
        .routes(routes!(refunds::refund_order))
        .routes(routes!(fulfilments::fulfil_order))
        .routes(routes!(fulfilments::change_fulfilment))
        .routes(routes!(returns::request_return))
        .routes(routes!(returns::move_return))
        .routes(routes!(returns::receive_return))
        .with_state(state)
}

fn shopper(caller: CurrentCaller, guest: GuestToken) -> Shopper {
    let guest = guest.0.map(|token| TokenHash::of(token.expose_secret()));
    Shopper { caller: caller.0, guest }
}

/// A key that is held, or the answer that was given under it.
enum Turn {
    Mine(#[expect(dead_code, reason = "holds the key until it is dropped")] Option<InFlight>),
    Done(Response),
}

async fn take_turn(idempotency: &Idempotency, key: Option<&IdempotencyKey>) -> Result<Turn, Problem> {
    let Some(key) = key else { return Ok(Turn::Mine(None)) };
    Ok(match idempotency.begin(key).await? {
        Begun::Fresh(held) => Turn::Mine(Some(held)),
        Begun::Replay(response) => Turn::Done(response),
    })
}

fn respond(answer: Result<Answer, serde_json::Error>) -> Result<Response, Problem> {
    Ok(answer.map_err(Problem::internal)?.into_response())
}

fn page_limit(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(page::PAGE_ITEMS_DEFAULT);
    if (1..=page::PAGE_ITEMS_MAX).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("must be between 1 and {}", page::PAGE_ITEMS_MAX);
    Err(Problem::invalid(vec![Violation::new("limit", detail)]))
}

fn page_cursor<T: std::str::FromStr>(text: Option<&str>) -> Result<Option<T>, Problem> {
    let wrong =
        |_| Problem::invalid(vec![Violation::new("cursor", "must be the `next_cursor` of a page of this list")]);
    text.map(|text| text.parse().map_err(wrong)).transpose()
}
