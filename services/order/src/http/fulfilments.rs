//! Parcels over HTTP.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use chassis::{
    Problem,
    http::{CurrentCaller, GuestToken, IfMatch, Json, Keyed, Path, Problems, answer, etag},
    idempotency::{Answer, Receipt},
};
use contracts::{
    ErrorCode, Violation,
    order::{FulfilmentId, LineQuantity, OrderId},
};
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    AppState, Turn,
    carts::IfMatchParam,
    problems::{busy, stale, units},
    requests::{check_lines, unless},
    respond, shopper, take_turn,
};
use crate::{
    advance_order::AdvanceError,
    change_fulfilment::ChangeFulfilmentError,
    fulfil_order::Pack,
    order::{
        fulfilment::{FulfilRefused, FulfilmentChange, Label, ParcelStatus},
        status,
    },
    order_view::OrderView,
};

const LABEL_CHARS_MAX: usize = 100;

/// A parcel to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FulfilOrderRequest {
    /// What goes into it; everything that is in no parcel yet, if absent.
    #[schema(min_items = 1, max_items = 100)]
    lines: Option<Vec<LineQuantity>>,
    /// Who carries it.
    #[schema(min_length = 1, max_length = 100, example = "CJ대한통운")]
    carrier: Option<String>,
    /// The carrier's number for it.
    #[schema(min_length = 1, max_length = 100, example = "688712345678")]
    tracking_number: Option<String>,
    /// True if it has left already.
    #[serde(default)]
    shipped: bool,
}

/// What to change of a parcel; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeFulfilmentRequest {
    /// Where it stands now.
    status: Option<ParcelStatus>,
    /// Who carries it; may be corrected until it has arrived.
    #[schema(min_length = 1, max_length = 100, example = "CJ대한통운")]
    carrier: Option<String>,
    /// The carrier's number for it; may be corrected until it has arrived.
    #[schema(min_length = 1, max_length = 100, example = "688712345678")]
    tracking_number: Option<String>,
}

/// Fulfil an order
///
/// Makes a parcel of all of an order or a part of it, ready to leave or gone already. No unit is ever in two
/// parcels. Units whose parcel was lost or came back undelivered may be sent once more in another; their stock
/// is not counted anew. The order is `processing` from its first parcel on and `completed` when nothing waits to
/// leave.
#[utoipa::path(
    post, path = "/v1/orders/{id}/fulfilments", tag = "Fulfilment", request_body = FulfilOrderRequest,
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
            description = "Makes repeating this request safe: send a fresh random value, like a UUID."),
    ),
    security(("bearer" = ["orders:write"])),
    responses((status = 201, description = "The order; its last fulfilment is the new one.", body = OrderView), Problems)
)]
pub(super) async fn fulfil_order(
    State(state): State<AppState>,
    caller: CurrentCaller,
    Path(id): Path<OrderId>,
    request: Keyed<FulfilOrderRequest>,
) -> Result<Response, Problem> {
    let key = request.required_key()?.clone();
    let FulfilOrderRequest { lines, carrier, tracking_number, shipped } = request.body;
    let pack =
        Pack { lines: lines.map(check_lines).transpose()?, label: check_label(carrier, tracking_number)?, shipped };
    let _held = match take_turn(&state.idempotency, Some(&key)).await? {
        Turn::Done(response) => return Ok(response),
        mine @ Turn::Mine(_) => mine,
    };
    let receipt = Receipt::new(key, created_answer);
    let order = state.service.fulfil_order(&shopper(caller, GuestToken(None)), id, pack, receipt).await?;
    respond(created_answer(&order))
}

/// Change a fulfilment
///
/// Moves a parcel on: `pending`, `allocated`, `packed`, `shipped`, `delivered`, where steps before `shipped` may be
/// left out. One that has not left may be `cancelled`, and one that has may turn out `lost` or
/// `returned_to_sender`. Sending the status that it has changes nothing.
#[utoipa::path(
    patch, path = "/v1/orders/{id}/fulfilments/{fulfilment_id}", tag = "Fulfilment",
    request_body = ChangeFulfilmentRequest,
    params(("id" = OrderId, Path), ("fulfilment_id" = FulfilmentId, Path), IfMatchParam),
    security(("bearer" = ["orders:write"])),
    responses((status = 200, description = "The order as it is then.", body = OrderView), Problems)
)]
pub(super) async fn change_fulfilment(
    State(state): State<AppState>,
    caller: CurrentCaller,
    Path(target): Path<(OrderId, FulfilmentId)>,
    IfMatch(if_match): IfMatch,
    Json(request): Json<ChangeFulfilmentRequest>,
) -> Result<Response, Problem> {
    let ChangeFulfilmentRequest { status, carrier, tracking_number } = request;
    let change = FulfilmentChange { status, label: check_label(carrier, tracking_number)? };
    let staff = shopper(caller, GuestToken(None));
    let order = state.service.change_fulfilment(&staff, target, if_match, change).await?;
    Ok(([(header::ETAG, etag(order.version))], Json(order)).into_response())
}

fn created_answer(order: &OrderView) -> Result<Answer, serde_json::Error> {
    Ok(answer(StatusCode::CREATED, order)?.location(format!("/v1/orders/{}", order.id)).etag(order.version))
}

fn check_label(carrier: Option<String>, tracking_number: Option<String>) -> Result<Label, Problem> {
    let mut wrong = Vec::new();
    for (field, text) in [("/carrier", &carrier), ("/tracking_number", &tracking_number)] {
        let Some(text) = text else { continue };
        let chars = text.trim().chars().count();
        if !(1..=LABEL_CHARS_MAX).contains(&chars) || text.chars().any(char::is_control) {
            let detail = format!("must have 1 to {LABEL_CHARS_MAX} characters, none of them control characters");
            wrong.push(Violation::new(field, detail));
        }
    }
    let trimmed = |text: Option<String>| text.map(|text| text.trim().to_owned());
    unless(wrong, Label { carrier: trimmed(carrier), tracking_number: trimmed(tracking_number) })
}

impl From<AdvanceError<FulfilRefused>> for Problem {
    fn from(error: AdvanceError<FulfilRefused>) -> Self {
        match error {
            AdvanceError::NotFound => Self::not_found("order"),
            AdvanceError::Refused(refused) => refused.into(),
            AdvanceError::Busy => busy("order"),
            AdvanceError::Store(error) => error.into(),
        }
    }
}

impl From<AdvanceError<ChangeFulfilmentError>> for Problem {
    fn from(error: AdvanceError<ChangeFulfilmentError>) -> Self {
        match error {
            AdvanceError::NotFound => Self::not_found("order"),
            AdvanceError::Refused(ChangeFulfilmentError::Stale { current }) => stale("order", current),
            AdvanceError::Refused(ChangeFulfilmentError::Refused(refused)) => refused.into(),
            AdvanceError::Busy => busy("order"),
            AdvanceError::Store(error) => error.into(),
        }
    }
}

impl From<FulfilRefused> for Problem {
    fn from(refused: FulfilRefused) -> Self {
        let conflict = |kind: &'static str, detail: String| Self::new(ErrorCode::Conflict, detail).kind(kind);
        match refused {
            FulfilRefused::Status(status) => conflict(
                "order_not_fulfillable",
                format!("Nothing leaves for an order that is {}: it has to be confirmed first.", status::name(status)),
            )
            .with("status", status),
            FulfilRefused::NotPaid(payment_status) => conflict(
                "order_not_paid",
                "Nothing leaves for an order whose money is neither held nor taken.".to_owned(),
            )
            .with("payment_status", payment_status),
            FulfilRefused::NothingOpen => conflict(
                "nothing_to_fulfil",
                "Every unit is in a fulfilment already, or was cancelled. Read the order again.".to_owned(),
            ),
            FulfilRefused::Units(refused) => units(
                &refused,
                "units_not_open",
                "The others are in a fulfilment or were cancelled. Read the order again.",
            ),
            FulfilRefused::NoSuchFulfilment => Self::not_found("fulfilment of this order"),
            FulfilRefused::Step(refused) => {
                let next: Vec<_> = refused.from.next().to_vec();
                conflict("fulfilment_transition", step_detail(refused.from, refused.to))
                    .with("status", refused.from)
                    .with("allowed", next)
            }
            FulfilRefused::LabelIsFinal(status) => conflict(
                "fulfilment_closed",
                format!("Carrier and tracking number of a fulfilment that is {} stay as they are.", status.name()),
            )
            .with("status", status),
            FulfilRefused::InReturn(line) => conflict(
                "units_in_return",
                format!("Units of line {line} that are in it are in a return. Reject or cancel the return first."),
            )
            .with("line_id", line),
        }
    }
}

fn step_detail(from: ParcelStatus, to: ParcelStatus) -> String {
    format!("A fulfilment that is {} cannot become {}; see `allowed` for what it can.", from.name(), to.name())
}
