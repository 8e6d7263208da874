//! Lines, parcels, cancellations and returns as callers see them.

use contracts::order::{CancellationId, FulfilmentId, LineQuantity, OrderLine, RefundId, ReturnId};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::order::{
    Order,
    cancellation::Cancellation,
    fulfilment::{Fulfilment, ParcelStatus},
    returns::{Arrival, Return, ReturnStatus},
};

/// What was sold, and what became of it.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct OrderLineView {
    /// As it was sold.
    #[serde(flatten)]
    pub(crate) line: OrderLine,
    /// Units that were called off.
    #[schema(minimum = 0)]
    pub(crate) cancelled: i64,
    /// Units that have left.
    #[schema(minimum = 0)]
    pub(crate) fulfilled: i64,
    /// Units that came back.
    #[schema(minimum = 0)]
    pub(crate) returned: i64,
}

/// A parcel.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct FulfilmentView {
    /// Names the parcel.
    pub(crate) id: FulfilmentId,
    /// Where it stands.
    pub(crate) status: ParcelStatus,
    /// What is in it.
    pub(crate) lines: Vec<LineQuantity>,
    /// Who carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "CJ대한통운")]
    carrier: Option<String>,
    /// The carrier's number for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "688712345678")]
    tracking_number: Option<String>,
    /// When it was wanted.
    created_at: Timestamp,
    /// When it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    shipped_at: Option<Timestamp>,
    /// When it arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<Timestamp>,
}

/// Units that were called off.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct CancellationView {
    /// Names the cancellation.
    id: CancellationId,
    /// Why.
    reason: String,
    /// What was called off.
    lines: Vec<LineQuantity>,
    /// The money that goes back for them, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<RefundId>,
    /// When.
    cancelled_at: Timestamp,
}

/// Goods that come back.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct ReturnView {
    /// Names the return.
    pub(crate) id: ReturnId,
    /// Where it stands.
    pub(crate) status: ReturnStatus,
    /// The buyer's reason.
    reason: String,
    /// Why it was rejected or called off.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<String>,
    /// What is to come back.
    lines: Vec<LineQuantity>,
    /// What arrived.
    receipts: Vec<ReceiptView>,
    /// When it was asked for.
    requested_at: Timestamp,
    /// When something last happened to it.
    updated_at: Timestamp,
}

/// What arrived of a return at once.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct ReceiptView {
    /// What arrived.
    lines: Vec<LineQuantity>,
    /// What went back on the shelf of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    restocked: Vec<LineQuantity>,
    /// True if its share of the delivery goes back, too.
    include_shipping: bool,
    /// The money that goes back for it, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<RefundId>,
    /// When.
    received_at: Timestamp,
}

impl OrderLineView {
    /// Every line of `order`.
    pub(super) fn all(order: &Order) -> Vec<Self> {
        let view = |line: &OrderLine| {
            let units = order.units(line);
            Self {
                line: line.clone(),
                cancelled: units.cancelled,
                fulfilled: units.fulfilled(),
                returned: units.returned,
            }
        };
        order.terms.lines.iter().map(view).collect()
    }
}

impl FulfilmentView {
    pub(super) fn of(parcel: &Fulfilment) -> Self {
        Self {
            id: parcel.id,
            status: parcel.status,
            lines: parcel.lines.clone(),
            carrier: parcel.label.carrier.clone(),
            tracking_number: parcel.label.tracking_number.clone(),
            created_at: parcel.created_at,
            shipped_at: parcel.shipped_at,
            delivered_at: parcel.delivered_at,
        }
    }
}

impl CancellationView {
    pub(super) fn of(cancellation: &Cancellation) -> Self {
        Self {
            id: cancellation.id,
            reason: cancellation.reason.clone(),
            lines: cancellation.lines.clone(),
            refund_id: cancellation.refund,
            cancelled_at: cancellation.at,
        }
    }
}

impl ReturnView {
    pub(super) fn of(returning: &Return) -> Self {
        Self {
            id: returning.id,
            status: returning.status,
            reason: returning.reason.clone(),
            status_reason: returning.status_reason.clone(),
            lines: returning.lines.clone(),
            receipts: returning.receipts.iter().map(ReceiptView::of).collect(),
            requested_at: returning.requested_at,
            updated_at: returning.updated_at,
        }
    }
}

impl ReceiptView {
    fn of(arrival: &Arrival) -> Self {
        Self {
            lines: arrival.lines.clone(),
            restocked: arrival.restock.clone(),
            include_shipping: arrival.include_shipping,
            refund_id: arrival.refund,
            received_at: arrival.at,
        }
    }
}
