//! The ways in over HTTP: staff reads payments, providers send webhooks.

use std::sync::Arc;

use axum::{body::Bytes, extract::State};
use chassis::{
    Problem,
    http::{Json, Path, Problems, Query},
};
use contracts::{
    ErrorCode, Money, Page, Violation,
    order::{OrderId, RefundId},
    page::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX},
    payment::PaymentId,
};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    payment::{
        Operation, OperationId, OperationKind, OperationState, OrderPhase, Payment, PaymentState, ledger::LedgerEntry,
    },
    provider::NoticeError,
    store::{ChangeError, Lookup, PaymentStore},
    take_webhook::{TakeWebhook, WebhookError},
};

/// What handlers need.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) store: Arc<dyn PaymentStore>,
    pub(crate) webhooks: TakeWebhook,
}

/// The routes.
pub(crate) fn router(state: AppState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_payments))
        .routes(routes!(get_payment))
        .routes(routes!(take_webhook))
        .with_state(state)
}

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
struct PaymentView {
    /// Its id; also our reference at the provider.
    id: PaymentId,
    /// For which order.
    order_id: OrderId,
    /// Where it stands.
    state: PaymentState,
    /// How much.
    amount: Money,
    /// How much was taken.
    captured: Money,
    /// How much was given back.
    refunded: Money,
    /// Which provider.
    #[schema(example = "sandbox")]
    provider: String,
    /// The provider's name for the authorization.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_ref: Option<String>,
    /// True once the order ended: nothing is held or kept for it.
    order_ended: bool,
    /// After this nobody waits for the authorization.
    pay_by: Timestamp,
    /// When it was opened.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id,
            order_id: payment.order_id,
            state: payment.state,
            amount: payment.amount,
            captured: payment.money(payment.captured_minor),
            refunded: payment.money(payment.refunded_minor),
            provider: payment.provider.clone(),
            provider_ref: payment.provider_ref.clone(),
            order_ended: payment.order_phase == OrderPhase::Ended,
            pay_by: payment.pay_by,
            created_at: payment.created_at,
            updated_at: payment.updated_at,
        }
    }
}

/// Something that was asked of the provider.
#[derive(Debug, Serialize, ToSchema)]
struct OperationView {
    /// Its id; also its idempotency key at the provider.
    id: OperationId,
    /// How far it got.
    state: OperationState,
    /// How much.
    amount: Money,
    /// The order's name for a refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<RefundId>,
    /// Why the money goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why the provider refused, or why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    /// The provider's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_ref: Option<String>,
    /// How often it was sent.
    sends: u32,
    /// How often it was asked what became of it.
    inquiries: u32,
    /// When it was recorded.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

/// A payment with everything that was asked of the provider, and its books.
#[derive(Debug, Serialize, ToSchema)]
struct PaymentDetail {
    #[serde(flatten)]
    payment: PaymentView,
    /// Authorizations.
    attempts: Vec<OperationView>,
    /// Money taken.
    captures: Vec<OperationView>,
    /// Money let go.
    voids: Vec<OperationView>,
    /// Money given back.
    refunds: Vec<OperationView>,
    /// Ledger entries: debits positive, credits negative; every transaction sums to zero.
    ledger: Vec<LedgerEntry>,
}

impl PaymentDetail {
    fn new(payment: &Payment, ledger: Vec<LedgerEntry>) -> Self {
        let of = |kind: OperationKind| {
            let same = payment.operations.iter().filter(|operation| operation.kind == kind);
            same.map(|operation| operation_view(payment, operation)).collect()
        };
        Self {
            payment: payment.into(),
            attempts: of(OperationKind::Authorize),
            captures: of(OperationKind::Capture),
            voids: of(OperationKind::Void),
            refunds: of(OperationKind::Refund),
            ledger,
        }
    }
}

fn operation_view(payment: &Payment, operation: &Operation) -> OperationView {
    OperationView {
        id: operation.id,
        state: operation.state,
        amount: payment.money(operation.amount_minor),
        refund_id: operation.refund_id,
        reason: operation.reason.clone(),
        error_code: operation.error_code.clone(),
        provider_ref: operation.provider_ref.clone(),
        sends: operation.sends,
        inquiries: operation.inquiries,
        created_at: operation.created_at,
        updated_at: operation.updated_at,
    }
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

/// What became of a webhook.
#[derive(Debug, Serialize, ToSchema)]
struct WebhookAnswer {
    /// `applied`, `stale`, `duplicate` or `unmatched`.
    #[schema(example = "applied")]
    taken: &'static str,
}

/// Where payment providers tell what happened. The body has to carry the provider's signature.
///
/// The sandbox provider signs after Standard Webhooks: headers `webhook-id`, `webhook-timestamp` and
/// `webhook-signature`. An event that was taken before, old news and unknown types are answered with 200.
#[utoipa::path(
    post,
    path = "/v1/payment-providers/{provider}/webhooks",
    tag = "Payments",
    params(("provider" = String, Path, description = "The provider's name.", example = "sandbox")),
    request_body(content = serde_json::Value, description = "The event, as the provider defines it."),
    security(()),
    responses((status = 200, description = "The event is stored.", body = WebhookAnswer), Problems)
)]
async fn take_webhook(
    State(state): State<AppState>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<WebhookAnswer>, Problem> {
    let taken = state.webhooks.take(&provider, &headers, body.to_vec()).await?;
    Ok(Json(WebhookAnswer { taken: taken.as_str() }))
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NoProvider => Self::not_found("payment provider"),
            WebhookError::Notice(NoticeError::Forged) => Self::new(
                ErrorCode::Unauthenticated,
                "The signature is missing or wrong. Check the webhook secret of this provider.",
            )
            .kind("webhook_signature"),
            WebhookError::Notice(NoticeError::OutsideWindow) => Self::new(
                ErrorCode::Unauthenticated,
                "The webhook was signed more than five minutes ago or in the future. Sign it anew.",
            )
            .kind("webhook_timestamp"),
            WebhookError::Notice(NoticeError::Malformed(what)) => {
                Self::new(ErrorCode::InvalidRequest, format!("The event cannot be read: {what}"))
            }
            WebhookError::Change(error) => error.into(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Store(error) => error.into(),
            ChangeError::NoPayment => Self::not_found("payment"),
            ChangeError::Refused(refused) => Self::new(ErrorCode::Conflict, "The payment does not allow this now.")
                .status(StatusCode::CONFLICT)
                .source(refused),
        }
    }
}
