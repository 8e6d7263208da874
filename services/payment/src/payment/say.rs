//! What a payment tells the other services.

use contracts::{
    Money,
    order::RefundId,
    payment::{
        PaymentAction, PaymentActionRequired, PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured,
        PaymentDeclined, PaymentEvent, PaymentMethodRequired, PaymentRefundFailed, PaymentRefunded, PaymentReversed,
        PaymentVoided,
    },
};

use super::{Change, OrderPhase, Payment};

impl Payment {
    pub(super) fn say_action_required(&self, action: PaymentAction, change: &mut Change) {
        change.events.push(PaymentEvent::ActionRequired(PaymentActionRequired {
            payment_id: self.id,
            order_id: self.order_id,
            action,
        }));
    }

    pub(super) fn say_method_required(&self, reason: &str, attempts_left: u32, change: &mut Change) {
        change.events.push(PaymentEvent::MethodRequired(PaymentMethodRequired {
            payment_id: self.id,
            order_id: self.order_id,
            reason: reason.to_owned(),
            attempts_left,
        }));
    }

    pub(super) fn say_authorized(&self, change: &mut Change) {
        change.events.push(PaymentEvent::Authorized(PaymentAuthorized {
            payment_id: self.id,
            order_id: self.order_id,
            amount: self.amount,
        }));
    }

    /// Tells of a refusal. Nobody waits for this payment afterwards: an authorization that turns up later
    /// is voided.
    pub(super) fn say_declined(&mut self, reason: &str, change: &mut Change) {
        if self.order_phase != OrderPhase::Ended {
            change.events.push(PaymentEvent::Declined(PaymentDeclined {
                payment_id: self.id,
                order_id: self.order_id,
                reason: reason.to_owned(),
            }));
        }
        self.order_phase = OrderPhase::Ended;
    }

    pub(super) fn say_captured(&self, change: &mut Change) {
        change.events.push(PaymentEvent::Captured(PaymentCaptured {
            payment_id: self.id,
            order_id: self.order_id,
            captured_total: self.money(self.captured_minor),
        }));
    }

    pub(super) fn say_capture_failed(&self, amount_minor: i64, reason: &str, change: &mut Change) {
        change.events.push(PaymentEvent::CaptureFailed(PaymentCaptureFailed {
            payment_id: self.id,
            order_id: self.order_id,
            amount: self.money(amount_minor),
            reason: reason.to_owned(),
        }));
    }

    pub(super) fn say_reversed(&self, change: &mut Change) {
        change.events.push(PaymentEvent::Reversed(PaymentReversed {
            payment_id: self.id,
            order_id: self.order_id,
            captured_total: self.money(self.captured_minor),
        }));
    }

    pub(super) fn say_voided(&self, change: &mut Change) {
        change.events.push(PaymentEvent::Voided(PaymentVoided { payment_id: self.id, order_id: self.order_id }));
    }

    pub(super) fn say_refunded(&self, refund_id: Option<RefundId>, amount_minor: i64, change: &mut Change) {
        change.events.push(PaymentEvent::Refunded(PaymentRefunded {
            payment_id: self.id,
            order_id: self.order_id,
            refund_id,
            amount: self.money(amount_minor),
            refunded_total: self.money(self.refunded_minor),
        }));
    }

    pub(super) fn say_refund_failed(
        &self,
        refund_id: Option<RefundId>,
        amount: Money,
        reason: &str,
        change: &mut Change,
    ) {
        change.events.push(PaymentEvent::RefundFailed(PaymentRefundFailed {
            payment_id: self.id,
            order_id: self.order_id,
            refund_id,
            amount,
            reason: reason.to_owned(),
        }));
    }
}
