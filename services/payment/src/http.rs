//! The ways in over HTTP: staff reads payments and moves money, buyers come back, providers send webhooks.

use std::sync::Arc;

use axum::extract::State;
use chassis::{
    Problem,
    http::{Json, Path, Problems, Query},
    idempotency::Idempotency,
};
use contracts::{
    ErrorCode, Page, Violation,
    order::OrderId,
    page::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX},
    payment::PaymentId,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    instruct_payment::InstructPayment,
    payment::Refused,
    return_from_provider::ReturnFromProvider,
    store::{ChangeError, Lookup, PaymentStore},
    take_webhook::TakeWebhook,
};

mod instructions;
mod returns;
mod views;
mod webhooks;

use views::{PaymentDetail, PaymentView};

/// What handlers need.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) store: Arc<dyn PaymentStore>,
    pub(crate) webhooks: TakeWebhook,
    pub(crate) returns: ReturnFromProvider,
    pub(crate) instructions: InstructPayment,
    pub(crate) idempotency: Idempotency,
}

/// The routes.
pub(crate) fn router(state: AppState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_payments))
        .routes(routes!(get_payment))
        .routes(routes!(instructions::capture_payment))
        .routes(routes!(instructions::void_payment))
        .routes(routes!(returns::return_from_provider))
        .routes(routes!(webhooks::take_webhook))
        .with_state(state)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Only the payment of this order.
    order_id: Option<OrderId>,
    /// Items per page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Payments, newest first.
#[utoipa::path(
    get,
    path = "/v1/payments",
    tag = "Payments",
    params(ListParams),
    security(("bearer" = ["orders:read"])),
    responses((status = 200, description = "A page of payments.", body = Page<PaymentView>), Problems)
)]
async fn list_payments(
    State(state): State<AppState>,
    Query(params): Query<ListParams>,
) -> Result<Json<Page<PaymentView>>, Problem> {
    let limit = params.limit.unwrap_or(PAGE_ITEMS_DEFAULT);
    if !(1..=PAGE_ITEMS_MAX).contains(&limit) {
        return Err(Problem::invalid(vec![Violation::new("limit", "must be between 1 and 100")]));
    }
    let before =
        params.cursor.map(|cursor| cursor.parse::<PaymentId>()).transpose().map_err(|_| {
            Problem::invalid(vec![Violation::new("cursor", "must be the `next_cursor` of a page before")])
        })?;
    let payments = match params.order_id {
        Some(order) => {
            let found = state.store.find(Lookup::Order(order)).await?;
            found.into_iter().filter(|payment| before.is_none_or(|before| payment.id < before)).collect()
        }
        None => state.store.list(before, limit + 1).await?,
    };
    let page = Page::from_overread(payments, limit, |payment| payment.id.to_string());
    Ok(Json(page.map(|payment| PaymentView::from(&payment))))
}

/// A payment with its attempts, captures, refunds and ledger entries.
#[utoipa::path(
    get,
    path = "/v1/payments/{id}",
    tag = "Payments",
    params(("id" = PaymentId, Path, description = "The payment.")),
    security(("bearer" = ["orders:read"])),
    responses((status = 200, description = "The payment.", body = PaymentDetail), Problems)
)]
async fn get_payment(State(state): State<AppState>, Path(id): Path<PaymentId>) -> Result<Json<PaymentDetail>, Problem> {
    let payment = state.store.find(Lookup::Payment(id)).await?.ok_or_else(|| Problem::not_found("payment"))?;
    let ledger = state.store.ledger(id).await?;
    Ok(Json(PaymentDetail::new(&payment, ledger)))
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Store(error) => error.into(),
            ChangeError::NoPayment => Self::not_found("payment"),
            ChangeError::Refused(Refused::NotHeld(state)) => Self::new(
                ErrorCode::Conflict,
                format!(
                    "The provider holds no money for this payment that could be taken or let go: it is {}.",
                    state.as_str()
                ),
            )
            .kind("payment_not_held"),
            ChangeError::Refused(Refused::ExceedsAuthorized(left)) => {
                Self::new(ErrorCode::Unprocessable, format!("Only {left} is left to capture, in minor units."))
                    .kind("amount_exceeds_authorized")
                    .with("left_minor", left)
            }
            ChangeError::Refused(refused @ (Refused::Transition(_) | Refused::NoOperation(_))) => {
                Self::new(ErrorCode::Conflict, "The payment does not allow this now.").source(refused)
            }
        }
    }
}
