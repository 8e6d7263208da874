//! The payment service: what it tells the others. It is asked by events only.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// What the buyer has to do before the money can be held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum PaymentAction {
    /// Prove who pays at the provider's page (3-D Secure, a payment window).
    Redirect {
        /// Where the buyer's browser goes.
        #[schema(format = "uri")]
        url: String,
    },
    /// Transfer the sum to an account that is for this payment alone.
    Deposit {
        /// The bank, as people write it.
        bank: String,
        /// The account.
        account_number: String,
        /// Whose account it is.
        holder: String,
        /// After this the bank takes nothing.
        due_at: jiff::Timestamp,
    },
}

/// `payment.action_required`: nothing happens until the buyer has acted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentActionRequired {
    /// The intent.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// What to do.
    pub action: PaymentAction,
}

/// `payment.method_required`: this method did not work, another one may.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentMethodRequired {
    /// The intent.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// The provider's code in our words: `insufficient_funds`.
    pub reason: String,
    /// How many more methods may be tried.
    pub attempts_left: u32,
}

/// `payment.capture_failed`: the provider holds the money and will not hand it over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentCaptureFailed {
    /// The intent.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// How much was to be taken.
    pub amount: Money,
    /// The provider's code in our words.
    pub reason: String,
}

/// `payment.reversed`: a deposit that was reported has been taken back; the payment waits for it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentReversed {
    /// The intent.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// How much is captured after it.
    pub captured_total: Money,
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
        /// See [`PaymentActionRequired`].
        ActionRequired(PaymentActionRequired) = "payment.action_required" / 1,
        /// See [`PaymentMethodRequired`].
        MethodRequired(PaymentMethodRequired) = "payment.method_required" / 1,
        /// See [`PaymentAuthorized`].
        Authorized(PaymentAuthorized) = "payment.authorized" / 1,
        /// See [`PaymentDeclined`].
        Declined(PaymentDeclined) = "payment.declined" / 1,
        /// See [`PaymentCaptured`].
        Captured(PaymentCaptured) = "payment.captured" / 1,
        /// See [`PaymentCaptureFailed`].
        CaptureFailed(PaymentCaptureFailed) = "payment.capture_failed" / 1,
        /// See [`PaymentReversed`].
        Reversed(PaymentReversed) = "payment.reversed" / 1,
        /// See [`PaymentVoided`].
        Voided(PaymentVoided) = "payment.voided" / 1,
        /// See [`PaymentRefunded`].
        Refunded(PaymentRefunded) = "payment.refunded" / 1,
        /// See [`PaymentRefundFailed`].
        RefundFailed(PaymentRefundFailed) = "payment.refund_failed" / 1,
    }
}
