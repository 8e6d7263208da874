//! The payment service: what it tells the others. It is asked by events only.

use serde::{Deserialize, Serialize};

use crate::{
    Money,
    order::{OrderId, RefundId},
};

crate::typed_id!(
    /// A payment intent: one sum for one order.
    PaymentId,
    "pay"
);

/// `payment.authorized`: the provider holds the money.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentAuthorized {
    /// The intent.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
}

/// `payment.declined`: the provider said no, finally.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentDeclined {
    /// The intent.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// The provider's code in our words: `insufficient_funds`, `card_declined`.
    pub reason: String,
}

/// `payment.captured`: money was taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentCaptured {
    /// The intent.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// How much in all.
    pub captured_total: Money,
}

/// `payment.voided`: an authorization was let go; nothing was taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentVoided {
    /// The intent.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
}

/// `payment.refunded`: money went back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentRefunded {
    /// The intent.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// Which refund; `None` for the refund of a whole payment because its order ended.
    pub refund_id: Option<RefundId>,
    /// How much this time.
    pub amount: Money,
    /// How much in all.
    pub refunded_total: Money,
}

/// `payment.refund_failed`: the provider refused to give money back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentRefundFailed {
    /// The intent.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// Which refund.
    pub refund_id: Option<RefundId>,
    /// How much was wanted.
    pub amount: Money,
    /// Why.
    pub reason: String,
}

crate::events! {
    /// What happens in payment.
    PaymentEvent on "payment.events" from "/jangteo/payment" {
        /// See [`PaymentAuthorized`].
        Authorized(PaymentAuthorized) = "payment.authorized" / 1,
        /// See [`PaymentDeclined`].
        Declined(PaymentDeclined) = "payment.declined" / 1,
        /// See [`PaymentCaptured`].
        Captured(PaymentCaptured) = "payment.captured" / 1,
        /// See [`PaymentVoided`].
        Voided(PaymentVoided) = "payment.voided" / 1,
        /// See [`PaymentRefunded`].
        Refunded(PaymentRefunded) = "payment.refunded" / 1,
        /// See [`PaymentRefundFailed`].
        RefundFailed(PaymentRefundFailed) = "payment.refund_failed" / 1,
    }
}
