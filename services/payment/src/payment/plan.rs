//! What to do next, from the state alone: take the money of a confirmed order, let go or give back the
//! money of one that ended. Called after every change; does nothing while it is already being done.

use contracts::payment::{
    PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentEvent, PaymentRefundFailed, PaymentRefunded,
    PaymentVoided,
};

use super::{Change, Operation, OperationKind, OperationState, OrderPhase, Payment, PaymentState};

impl Payment {
    /// Requests whatever the order wants and nobody has requested yet.
    pub(super) fn plan(&mut self, change: &mut Change) {
        if self.amount.amount_minor == 0 {
            return self.plan_nothing(change);
        }
        match (self.order_phase, self.state) {
            (OrderPhase::Confirmed, PaymentState::RequiresCapture | PaymentState::PartiallyCaptured) => {
                let idle = !self.busy() && !self.has_failed(OperationKind::Capture);
                let rest = self.amount.amount_minor - self.captured_minor;
                if idle && rest > 0 {
                    self.request(OperationKind::Capture, rest, None, change);
                }
            }
            (OrderPhase::Ended, PaymentState::RequiresCapture | PaymentState::PartiallyCaptured) => {
                self.withdraw(OperationKind::Capture, change);
                if !self.busy() {
                    let rest = self.amount.amount_minor - self.captured_minor;
                    self.request(OperationKind::Void, rest, None, change);
                    self.give_everything_back(change);
                }
            }
            (OrderPhase::Ended, PaymentState::Succeeded | PaymentState::Closed) => self.give_everything_back(change),
            _ => {}
        }
    }

    fn give_everything_back(&mut self, change: &mut Change) {
        let rest = self.refundable_minor();
        let refused = self.operations.iter().any(|operation| {
            operation.kind == OperationKind::Refund
                && operation.refund_id.is_none()
                && operation.state == OperationState::Failed
        });
        if rest > 0 && !refused {
            self.request(OperationKind::Refund, rest, None, change);
        }
    }

    /// Nothing to pay: nobody has to be asked.
    fn plan_nothing(&mut self, change: &mut Change) {
        match (self.order_phase, self.state) {
            (OrderPhase::Confirmed, PaymentState::RequiresCapture) => {
                self.state = PaymentState::Succeeded;
                self.say_captured(change);
            }
            (OrderPhase::Ended, PaymentState::RequiresCapture) => {
                self.state = PaymentState::Canceled;
                self.say_voided(change);
            }
            _ => {}
        }
    }

    /// True while an operation is under way that decides whether money is held or taken.
    fn busy(&self) -> bool {
        self.operations.iter().any(|operation| operation.kind != OperationKind::Refund && operation.in_flight())
    }

    fn has_failed(&self, kind: OperationKind) -> bool {
        self.operations.iter().any(|operation| operation.kind == kind && operation.state == OperationState::Failed)
    }

    /// Takes back operations of `kind` that were never sent.
    fn withdraw(&mut self, kind: OperationKind, change: &Change) {
        for operation in &mut self.operations {
            if operation.kind == kind && operation.state == OperationState::Requested && operation.sends == 0 {
                operation.fail("order_ended", change);
            }
        }
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

    pub(super) fn say_voided(&self, change: &mut Change) {
        change.events.push(PaymentEvent::Voided(PaymentVoided { payment_id: self.id, order_id: self.order_id }));
    }

    pub(super) fn say_refunded(&self, operation: &Operation, change: &mut Change) {
        change.events.push(PaymentEvent::Refunded(PaymentRefunded {
            payment_id: self.id,
            order_id: self.order_id,
            refund_id: operation.refund_id,
            amount: self.money(operation.amount_minor),
            refunded_total: self.money(self.refunded_minor),
        }));
    }

    pub(super) fn say_refund_failed(
        &self,
        refund_id: Option<contracts::order::RefundId>,
        amount: contracts::Money,
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

impl Operation {
    pub(super) fn succeed(&mut self, change: &Change) {
        self.state = OperationState::Succeeded;
        self.error_code = None;
        self.updated_at = change.now;
    }

    pub(super) fn fail(&mut self, code: &str, change: &Change) {
        self.state = OperationState::Failed;
        self.error_code = Some(code.to_owned());
        self.updated_at = change.now;
    }
}
