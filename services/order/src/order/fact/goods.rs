//! What can happen to the goods of an order, in the form that is stored for ever.

use contracts::{
    Money,
    order::{CancellationId, FulfilmentId, LineId, LineQuantity, RefundId, ReturnId},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::order::{
    fulfilment::{Label, ParcelStatus},
    returns::ReturnStatus,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FulfilmentCreated {
    pub(crate) fulfilment_id: FulfilmentId,
    pub(crate) lines: Vec<LineQuantity>,
    #[serde(default)]
    pub(crate) label: Label,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FulfilmentMoved {
    pub(crate) fulfilment_id: FulfilmentId,
    pub(crate) to: ParcelStatus,
    /// As it is then.
    #[serde(default)]
    pub(crate) label: Label,
    /// Until when its goods may be sent back; said when it is shipped and when it arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) return_until: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FulfilmentRelabelled {
    pub(crate) fulfilment_id: FulfilmentId,
    /// As it is then.
    pub(crate) label: Label,
}

/// What a refund gives back of the delivery for units of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ShippingShare {
    /// Which line.
    pub(crate) line_id: LineId,
    /// How many units.
    pub(crate) quantity: i64,
    /// Their share in the price of the delivery.
    pub(crate) amount: Money,
    /// The tax inside `amount`.
    pub(crate) tax: Money,
}

/// Units whose share came to nothing, so that there was no refund for them. They count as paid back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waived {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) goods: Vec<LineQuantity>,
    /// Of the delivery.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shipping: Vec<LineQuantity>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LinesCancelled {
    pub(crate) cancellation_id: CancellationId,
    pub(crate) reason: String,
    pub(crate) lines: Vec<LineQuantity>,
    /// Those of `lines` that go back on the shelf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) restock: Vec<LineQuantity>,
    /// Their money, if there was any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refund: Option<RefundId>,
    #[serde(default)]
    pub(crate) waived: Waived,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReturnRequested {
    pub(crate) return_id: ReturnId,
    pub(crate) reason: String,
    pub(crate) lines: Vec<LineQuantity>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReturnMoved {
    pub(crate) return_id: ReturnId,
    pub(crate) to: ReturnStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReturnReceived {
    pub(crate) return_id: ReturnId,
    /// `partially_received` or `received`.
    pub(crate) to: ReturnStatus,
    /// What arrived.
    pub(crate) lines: Vec<LineQuantity>,
    /// Those of `lines` that go back on the shelf.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) restock: Vec<LineQuantity>,
    /// True if their share of the delivery goes back, too.
    pub(crate) include_shipping: bool,
    /// Their money, if there was any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refund: Option<RefundId>,
    #[serde(default)]
    pub(crate) waived: Waived,
}
