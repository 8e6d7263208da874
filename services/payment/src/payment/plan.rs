//! What to do next, from the state alone: take the money of a confirmed order, let go or give back the
//! money of one that ended. Called after every change; does nothing while it is already being done.

use super::{
    CaptureMethod, Change, Operation, OperationKind, OperationState, OrderPhase, Payment, PaymentState,
    RefusedTransition, Trigger, operation::given_up,
};

impl Payment {
    /// Requests whatever the order wants and nobody has requested yet.
    pub(super) fn plan(&mut self, change: &mut Change) -> Result<(), RefusedTransition> {
        if self.amount.amount_minor == 0 {
            self.plan_nothing(change);
            return Ok(());
        }
        self.release_refunds(change);
        match (self.order_phase, self.state) {
            (
                OrderPhase::Ended,
                PaymentState::RequiresMethod | PaymentState::RequiresAction | PaymentState::AwaitingDeposit,
            ) => self.leave(Trigger::Abandon, change)?,
            (OrderPhase::Ended, PaymentState::RequiresCapture | PaymentState::PartiallyCaptured) => {
                self.withdraw_captures(change);
                if !self.is_busy() {
                    self.let_rest_go(change);
                    self.give_everything_back(change);
                }
            }
            (OrderPhase::Ended, PaymentState::Succeeded | PaymentState::Closed) => self.give_everything_back(change),
            (_, PaymentState::RequiresCapture | PaymentState::PartiallyCaptured)
                if self.capture_was_refused() && !self.is_busy() =>
            {
                self.let_rest_go(change);
            }
            (OrderPhase::Confirmed, PaymentState::RequiresCapture | PaymentState::PartiallyCaptured)
                if self.capture_method == CaptureMethod::Automatic && !self.is_busy() =>
            {
                self.request(OperationKind::Capture, self.capturable_minor(), change);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn let_rest_go(&mut self, change: &mut Change) {
        let rest = self.amount.amount_minor - self.captured_minor;
        self.request(OperationKind::Void, rest, change);
    }

    fn give_everything_back(&mut self, change: &mut Change) {
        let rest = self.refundable_minor();
        let refused = self.operations.iter().any(|operation| {
            operation.kind == OperationKind::Refund && operation.refund_id.is_none() && operation.was_refused()
        });
        if rest > 0 && !refused {
            self.request(OperationKind::Refund, rest, change);
        }
    }

    /// Starts the refunds for which enough was taken by now, and drops those for which it never will be.
    fn release_refunds(&mut self, change: &mut Change) {
        let mut room = self.potential_minor() - self.refunded_minor - self.refunding_minor();
        for index in 0..self.operations.len() {
            if self.operations[index].state != OperationState::Waiting {
                continue;
            }
            let Operation { id, amount_minor, refund_id, .. } = self.operations[index];
            if amount_minor > room {
                self.operations[index].fail("not_captured", change.now);
                self.say_refund_failed(refund_id, self.money(amount_minor), "not_captured", change);
                continue;
            }
            room -= amount_minor;
            if amount_minor <= self.refundable_minor() {
                self.operations[index].state = OperationState::Requested;
                self.operations[index].updated_at = change.now;
                self.send(id, change.now, change);
            }
        }
    }

    /// How much may have been captured in the end.
    pub(super) fn potential_minor(&self) -> i64 {
        let more = self.order_phase != OrderPhase::Ended && self.state.may_capture_more();
        if more || self.state == PaymentState::Conflicted { self.amount.amount_minor } else { self.captured_minor }
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
    fn is_busy(&self) -> bool {
        self.operations.iter().any(|operation| operation.kind != OperationKind::Refund && operation.in_flight())
    }

    /// The provider will not hand over what it holds.
    pub(super) fn capture_was_refused(&self) -> bool {
        self.operations.iter().any(|operation| operation.kind == OperationKind::Capture && operation.was_refused())
    }

    /// Takes captures back that were never sent.
    pub(super) fn withdraw_captures(&mut self, change: &Change) {
        for operation in &mut self.operations {
            let unsent = operation.state == OperationState::Requested && operation.sends == 0;
            if operation.kind == OperationKind::Capture && unsent {
                operation.fail(given_up::ORDER_ENDED, change.now);
            }
        }
    }
}
