//! Goods that come back, over HTTP.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use chassis::{
    Problem,
    http::{CurrentCaller, GuestToken, Json, Keyed, Path, Problems, answer, etag},
    idempotency::{Answer, Receipt},
};
use contracts::{
    ErrorCode, Violation,
    order::{LineId, LineQuantity, OrderId, ReturnId},
};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AppState, Turn,
    problems::{busy, units},
    requests::{check_lines, check_reason},
    respond, shopper, take_turn,
};
use crate::{
    advance_order::AdvanceError,
    order::{
        returns::{ReceivedUnits, ReturnRefused, ReturnStatus, StepRefused},
        status,
    },
    order_view::OrderView,
    request_return::ReturnError,
};

/// What is to come back, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestReturnRequest {
    /// Units that were shipped.
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<LineQuantity>,
    /// For the shop.
    #[schema(min_length = 1, max_length = 500, example = "does not fit")]
    reason: String,
}

/// The next step of a return.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveReturnRequest {
    /// Where it stands now.
    status: NextReturnStatus,
    /// Why; needed for `rejected`, where the buyer reads it.
    #[schema(min_length = 1, max_length = 500, example = "worn")]
    reason: Option<String>,
}

/// Steps of a return that people take.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum NextReturnStatus {
    /// The shop takes the goods back.
    Approved,
    /// The shop does not.
    Rejected,
    /// Called off.
    Cancelled,
    /// The goods are on their way.
    InTransit,
    /// The rest will not come, or its refund failed and was settled otherwise.
    Closed,
}

/// What arrived of a return.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceiveReturnRequest {
    /// What arrived.
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<ReceivedLineRequest>,
    /// True if its share of the delivery goes back, too.
    #[serde(default)]
    include_shipping: bool,
}

/// Units of one line that arrived.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceivedLineRequest {
    /// Which line of the order.
    line_id: LineId,
    /// How many.
    #[schema(minimum = 1, maximum = 999)]
    quantity: i64,
    /// True if they are in good order and go back on the shelf.
    #[serde(default)]
    restock: bool,
}

/// Ask for a return
///
/// For units that were shipped, as long as the return window is open. The shop approves or rejects it.
#[utoipa::path(
    post, path = "/v1/orders/{id}/returns", tag = "Fulfilment", request_body = RequestReturnRequest,
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 201, description = "The order; its last return is the new one.", body = OrderView), Problems)
)]
pub(super) async fn request_return(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(id): Path<OrderId>,
    request: Keyed<RequestReturnRequest>,
) -> Result<Response, Problem> {
    let key = request.required_key()?.clone();
    let (lines, reason) = (check_lines(request.body.lines)?, check_reason(&request.body.reason)?);
    let _held = match take_turn(&state.idempotency, Some(&key)).await? {
        Turn::Done(response) => return Ok(response),
        mine @ Turn::Mine(_) => mine,
    };
    let receipt = Receipt::new(key, created_answer);
    let order = state.service.request_return(&shopper(caller, guest), id, lines, reason, receipt).await?;
    respond(created_answer(&order))
}

/// Change a return
///
/// Staff (`orders:write`) approve, reject and move it on; its buyer may only call it off. Sending the status that
/// it has changes nothing.
#[utoipa::path(
    patch, path = "/v1/orders/{id}/returns/{return_id}", tag = "Fulfilment", request_body = MoveReturnRequest,
    params(("id" = OrderId, Path), ("return_id" = ReturnId, Path)),
    security(("guest" = []), ("bearer" = [])),
    responses((status = 200, description = "The order as it is then.", body = OrderView), Problems)
)]
pub(super) async fn move_return(
    State(state): State<AppState>,
    caller: CurrentCaller,
    guest: GuestToken,
    Path(target): Path<(OrderId, ReturnId)>,
    Json(request): Json<MoveReturnRequest>,
) -> Result<Response, Problem> {
    let reason = request.reason.as_deref().map(check_reason).transpose()?;
    let to = match request.status {
        NextReturnStatus::Rejected if reason.is_none() => {
            return Err(Problem::invalid(vec![Violation::new("/reason", "must be given for `rejected`")]));
        }
        NextReturnStatus::Approved => ReturnStatus::Approved,
        NextReturnStatus::Rejected => ReturnStatus::Rejected,
        NextReturnStatus::Cancelled => ReturnStatus::Cancelled,
        NextReturnStatus::InTransit => ReturnStatus::InTransit,
        NextReturnStatus::Closed => ReturnStatus::Closed,
    };
    let order = state.service.move_return(&shopper(caller, guest), target, to, reason).await?;
    Ok(([(header::ETAG, etag(order.version))], Json(order)).into_response())
}

/// Receive goods of a return
///
/// Notes what arrived; it may come in several parts. Its money goes back at once, as a refund of the order, and
/// what is in good order goes back on the shelf. What was refunded before is not paid twice.
#[utoipa::path(
    post, path = "/v1/orders/{id}/returns/{return_id}/receipts", tag = "Fulfilment",
    request_body = ReceiveReturnRequest,
    params(
        ("id" = OrderId, Path), ("return_id" = ReturnId, Path),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("bearer" = ["orders:write"])),
    responses((status = 201, description = "The order as it is then.", body = OrderView), Problems)
)]
pub(super) async fn receive_return(
    State(state): State<AppState>,
    caller: CurrentCaller,
    Path(target): Path<(OrderId, ReturnId)>,
    request: Keyed<ReceiveReturnRequest>,
) -> Result<Response, Problem> {
    let key = request.required_key()?.clone();
    let ReceiveReturnRequest { lines, include_shipping } = request.body;
    let quantity = |line: &ReceivedLineRequest| LineQuantity { line_id: line.line_id, quantity: line.quantity };
    check_lines(lines.iter().map(quantity).collect())?;
    let received = |ReceivedLineRequest { line_id, quantity, restock }| ReceivedUnits { line_id, quantity, restock };
    let lines = lines.into_iter().map(received).collect();
    let _held = match take_turn(&state.idempotency, Some(&key)).await? {
        Turn::Done(response) => return Ok(response),
        mine @ Turn::Mine(_) => mine,
    };
    let receipt = Receipt::new(key, created_answer);
    let staff = shopper(caller, GuestToken(None));
    let order = state.service.receive_return(&staff, target, lines, include_shipping, receipt).await?;
    respond(created_answer(&order))
}

fn created_answer(order: &OrderView) -> Result<Answer, serde_json::Error> {
    Ok(answer(StatusCode::CREATED, order)?.location(format!("/v1/orders/{}", order.id)).etag(order.version))
}

impl From<AdvanceError<ReturnError>> for Problem {
    fn from(error: AdvanceError<ReturnError>) -> Self {
        match error {
            AdvanceError::NotFound | AdvanceError::Refused(ReturnError::NotFound) => Self::not_found("order"),
            AdvanceError::Refused(ReturnError::StaffOnly) => Self::new(
                ErrorCode::Forbidden,
                "A buyer can ask for a return and cancel it; the rest needs the permission `orders:write`.",
            ),
            AdvanceError::Refused(ReturnError::Refused(refused)) => refused.into(),
            AdvanceError::Busy => busy("order"),
            AdvanceError::Store(error) => error.into(),
        }
    }
}

impl From<ReturnRefused> for Problem {
    fn from(refused: ReturnRefused) -> Self {
        let conflict = |kind: &'static str, detail: String| Self::new(ErrorCode::Conflict, detail).kind(kind);
        match refused {
            ReturnRefused::Status(status) => conflict(
                "order_not_returnable",
                format!("Goods of an order that is {} cannot be returned.", status::name(status)),
            )
            .with("status", status),
            ReturnRefused::WindowOver(until) => conflict(
                "return_window_over",
                format!("Goods of this order could be returned until {until}. The shop can still refund them."),
            )
            .with("return_until", until),
            ReturnRefused::Units(refused) => units(
                &refused,
                "units_not_returnable",
                "Only what was shipped, did not come back yet and is in no other return can be returned.",
            ),
            ReturnRefused::NoSuchReturn => Self::not_found("return of this order"),
            ReturnRefused::Step(refused) => {
                conflict("return_transition", step_detail(&refused)).with("status", refused.from)
            }
            ReturnRefused::RefundPending => conflict(
                "return_refund_pending",
                "A refund of this return is on its way. It closes by itself when the money is back.".to_owned(),
            ),
            ReturnRefused::GiveBack(refused) => refused.into(),
        }
    }
}

fn step_detail(StepRefused { from, to }: &StepRefused) -> String {
    let from = from.name();
    match to {
        ReturnStatus::PartiallyReceived | ReturnStatus::Received => format!(
            "Goods of a return that is {from} cannot be received: staff has to approve it first, and it must not have \
             ended."
        ),
        _ => format!("A return that is {from} cannot become {}.", to.name()),
    }
}
