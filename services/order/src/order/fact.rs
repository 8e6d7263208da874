//! What can happen to an order, in the form that is stored for ever.
//!
//! A stored fact never changes its meaning: a new shape gets a new version, and the old one still decodes.

pub(crate) mod goods;

use std::sync::Arc;

use contracts::{
    Currency, Locale, Money,
    order::{Address, CartId, LineId, OrderLine, RefundId, Totals},
    payment::{PaymentAction, PaymentId},
    product::ReservationId,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::goods::{
    FulfilmentCreated, FulfilmentMoved, FulfilmentRelabelled, LinesCancelled, ReturnMoved, ReturnReceived,
    ReturnRequested, ShippingShare,
};
use crate::owner::Owner;

/// How it travels, and what that costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ShippingLine {
    /// The shipping method's id.
    pub(crate) method: String,
    /// Tax-inclusive price.
    pub(crate) price: Money,
    /// The tax inside `price`.
    pub(crate) tax: Money,
}

/// What was agreed when the order was placed; it never changes afterwards.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) number: String,
    pub(crate) owner: Owner,
    pub(crate) email: String,
    pub(crate) locale: Locale,
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<OrderLine>,
    pub(crate) totals: Totals,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shipping: Option<ShippingLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shipping_address: Option<Address>,
    pub(crate) cart_id: CartId,
    pub(crate) reservation_id: ReservationId,
    /// Which provider; the token of the method goes to payment and is not kept.
    pub(crate) payment_provider: String,
    pub(crate) pay_by: Timestamp,
    /// How long the money of a confirmed order may take to arrive before payment is reminded.
    #[serde(default = "capture_within_seconds_default")]
    pub(crate) capture_within_seconds: u32,
}

/// What holds for orders that were placed before this was agreed on. Never changes.
fn capture_within_seconds_default() -> u32 {
    15 * 60
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ActionRequired {
    pub(crate) payment_id: PaymentId,
    pub(crate) action: PaymentAction,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MethodRequired {
    pub(crate) payment_id: PaymentId,
    pub(crate) reason: String,
    pub(crate) attempts_left: u32,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MethodGiven {
    pub(crate) provider: String,
    /// Passed on to payment when this happens, and not kept.
    #[serde(skip)]
    pub(crate) token: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CaptureFailed {
    pub(crate) payment_id: PaymentId,
    pub(crate) amount: Money,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reversed {
    pub(crate) payment_id: PaymentId,
    pub(crate) captured_total: Money,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CaptureReminded {
    /// 1 for the first reminder of the order.
    pub(crate) attempt: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Authorized {
    pub(crate) payment_id: PaymentId,
    pub(crate) amount: Money,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Declined {
    pub(crate) payment_id: PaymentId,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Captured {
    pub(crate) payment_id: PaymentId,
    pub(crate) captured_total: Money,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Voided {
    pub(crate) payment_id: PaymentId,
}

/// Why something happened, where no more is to be said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Because {
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cancelled {
    pub(crate) reason: String,
    /// True if the goods were already taken from stock.
    pub(crate) restock: bool,
}

/// What a refund gives back of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct RefundedLine {
    /// Which line.
    pub(crate) line_id: LineId,
    /// How many units.
    pub(crate) quantity: i64,
    /// True if this refund puts them back on the shelf; what a cancellation or a return puts back is told there.
    pub(crate) restock: bool,
    /// The line's share of the refund.
    pub(crate) amount: Money,
    /// The tax inside `amount`; absent in older refunds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tax: Option<Money>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RefundWanted {
    pub(crate) refund_id: RefundId,
    pub(crate) amount: Money,
    pub(crate) reason: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lines: Vec<RefundedLine>,
    /// What goes back of the delivery.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shipping: Vec<ShippingShare>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refunded {
    pub(crate) payment_id: PaymentId,
    pub(crate) refund_id: RefundId,
    pub(crate) amount: Money,
    pub(crate) refunded_total: Money,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RefundFailed {
    pub(crate) payment_id: PaymentId,
    pub(crate) refund_id: RefundId,
    pub(crate) amount: Money,
    pub(crate) reason: String,
}

/// A stored fact that this program cannot read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("`{kind}` version {version} is not known to this program; a newer one wrote it")]
    Unknown { kind: String, version: u32 },
    #[error("`{kind}` version {version} does not decode: {source}")]
    Malformed { kind: String, version: u32, source: serde_json::Error },
}

macro_rules! facts {
    ($($(#[$doc:meta])* $variant:ident($data:ty) = $kind:literal / $version:literal),+ $(,)?) => {
        /// Something that happened to an order.
        #[derive(Clone, PartialEq)]
        pub(crate) enum Fact {
            $($(#[$doc])* $variant($data)),+
        }

        impl Fact {
            /// The stored name.
            pub(crate) fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind),+ }
            }

            /// The version of the stored shape.
            pub(crate) fn schema_version(&self) -> u32 {
                match self { $(Self::$variant(_) => $version),+ }
            }

            /// The stored form, JSON.
            pub(crate) fn encode(&self) -> Result<String, serde_json::Error> {
                match self { $(Self::$variant(data) => serde_json::to_string(data)),+ }
            }

            /// Reads the stored form.
            pub(crate) fn decode(kind: &str, version: u32, data: &str) -> Result<Self, DecodeError> {
                match (kind, version) {
                    $(($kind, $version) => serde_json::from_str(data).map(Self::$variant),)+
                    _ => return Err(DecodeError::Unknown { kind: kind.to_owned(), version }),
                }
                .map_err(|source| DecodeError::Malformed { kind: kind.to_owned(), version, source })
            }
        }
    };
}

facts! {
    /// The buyer agreed; stock is held.
    Placed(Arc<Terms>) = "placed" / 1,
    /// The buyer has to act before the provider holds anything.
    PaymentActionRequired(ActionRequired) = "payment_action_required" / 1,
    /// The provider said no to this method; another one may do.
    PaymentMethodRequired(MethodRequired) = "payment_method_required" / 1,
    /// The buyer's turn: to act, or to name another method.
    AwaitingPayment(Nothing) = "awaiting_payment" / 1,
    /// The buyer named another method.
    PaymentMethodGiven(MethodGiven) = "payment_method_given" / 1,
    /// The provider holds the money.
    PaymentAuthorized(Authorized) = "payment_authorized" / 1,
    /// The provider said no.
    PaymentDeclined(Declined) = "payment_declined" / 1,
    /// Stock and payment are certain.
    Confirmed(Nothing) = "confirmed" / 1,
    /// A person has to look at it.
    PutOnHold(Because) = "put_on_hold" / 1,
    /// A person has looked at it and lets it go on.
    Released(Nothing) = "released" / 1,
    /// It never came about: the payment was declined.
    Rejected(Because) = "rejected" / 1,
    /// It never came about: nobody paid in time.
    Expired(Because) = "expired" / 1,
    /// It was called off.
    Cancelled(Cancelled) = "cancelled" / 1,
    /// Money was taken.
    PaymentCaptured(Captured) = "payment_captured" / 1,
    /// The provider will not hand the money over.
    PaymentCaptureFailed(CaptureFailed) = "payment_capture_failed" / 1,
    /// A deposit was taken back.
    PaymentReversed(Reversed) = "payment_reversed" / 1,
    /// The money is late; payment was told once more that it is wanted.
    CaptureReminded(CaptureReminded) = "capture_reminded" / 1,
    /// The authorization was let go.
    PaymentVoided(Voided) = "payment_voided" / 1,
    /// Money is to go back.
    RefundRequested(RefundWanted) = "refund_requested" / 1,
    /// Money went back.
    PaymentRefunded(Refunded) = "payment_refunded" / 1,
    /// The provider would not give money back.
    RefundFailed(RefundFailed) = "refund_failed" / 1,
    /// Goods are being made ready.
    ProcessingStarted(Nothing) = "processing_started" / 1,
    /// Nothing waits to leave any more.
    Completed(Nothing) = "completed" / 1,
    /// The return window is over.
    Closed(Nothing) = "closed" / 1,
    /// A parcel is wanted.
    FulfilmentCreated(FulfilmentCreated) = "fulfilment_created" / 1,
    /// A parcel was packed, left, arrived, was lost, …
    FulfilmentMoved(FulfilmentMoved) = "fulfilment_moved" / 1,
    /// A parcel got another carrier or tracking number.
    FulfilmentRelabelled(FulfilmentRelabelled) = "fulfilment_relabelled" / 1,
    /// Units were called off.
    LinesCancelled(LinesCancelled) = "lines_cancelled" / 1,
    /// The buyer wants to send goods back.
    ReturnRequested(ReturnRequested) = "return_requested" / 1,
    /// A return was approved, rejected, called off, …
    ReturnMoved(ReturnMoved) = "return_moved" / 1,
    /// Goods of a return arrived.
    ReturnReceived(ReturnReceived) = "return_received" / 1,
}

/// Nothing more to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Nothing {}

impl std::fmt::Debug for Fact {
    /// The name only: some facts carry the buyer.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}
