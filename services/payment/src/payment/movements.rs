//! Money that the provider took and gave back, brought into our record: by our own operations, or by
//! somebody else at the provider itself.

use crate::provider::{MoneySeen, Snapshot};

use super::{
    Change, Operation, OperationKind, OperationState, Payment, PaymentState, RefusedTransition, Trigger,
    ledger::{LedgerTransactionId, Movement, Posting},
    operation::given_up,
};

impl Payment {
    /// The provider took money. How much in all is what counts: a capture of ours that is in it has
    /// succeeded, the rest was taken by somebody else.
    pub(super) fn capture_up_to(&mut self, seen: &Snapshot, change: &mut Change) -> Result<(), RefusedTransition> {
        let mut taken = seen.captured_minor - self.captured_minor;
        if taken > 0 {
            let all = seen.captured_minor == self.amount.amount_minor;
            self.apply(if all { Trigger::CaptureAll } else { Trigger::CapturePart })?;
            self.captured_minor = seen.captured_minor;
        }
        let told = taken > 0;
        for index in 0..self.operations.len() {
            let operation = &self.operations[index];
            let (id, amount) = (operation.id, operation.amount_minor);
            if operation.kind != OperationKind::Capture || !is_done(operation, seen, taken) {
                continue;
            }
            self.operations[index].succeed(change.now);
            if amount <= taken {
                taken -= amount;
                post(Movement::Capture, LedgerTransactionId::from_uuid(id.as_uuid()), amount, change);
            }
        }
        if taken > 0 {
            let id = change.ids.mint();
            post(Movement::Capture, id, taken, change);
        }
        if told {
            self.make_room(OperationKind::Capture, self.amount.amount_minor - self.captured_minor, change);
            self.say_captured(change);
        }
        Ok(())
    }

    /// The provider gave money back: by a refund of ours, or by somebody else's.
    pub(super) fn see_refund(&mut self, seen: &MoneySeen, change: &mut Change) -> Result<(), RefusedTransition> {
        let known = self.operations.iter().position(|operation| {
            operation.kind == OperationKind::Refund
                && (operation.provider_ref.as_ref() == Some(&seen.provider_ref)
                    || operation.id.to_string() == seen.reference)
        });
        let refund = match known.map(|index| &self.operations[index]) {
            Some(refund) if refund.state == OperationState::Succeeded => return Ok(()),
            Some(refund) if refund.amount_minor == seen.amount_minor => Some(refund.id),
            Some(_) => return self.conflict(change),
            None => None,
        };
        if self.state == PaymentState::Conflicted {
            return Ok(());
        }
        if seen.amount_minor < 1 || self.refunded_minor + seen.amount_minor > self.captured_minor {
            return self.conflict(change);
        }
        let id = refund.unwrap_or_else(|| change.ids.mint());
        if refund.is_none() {
            let reason = Some("refunded at the provider".to_owned());
            let external = Operation::new(id, OperationKind::Refund, seen.amount_minor, change.now);
            self.record(Operation { state: OperationState::Succeeded, reason, ..external }, change);
        }
        let mut refund_id = None;
        if let Some(refund) = self.operations.iter_mut().find(|operation| operation.id == id) {
            refund.provider_ref = Some(seen.provider_ref.clone());
            refund.succeed(change.now);
            refund_id = refund.refund_id;
        }
        self.refunded_minor += seen.amount_minor;
        post(Movement::Refund, LedgerTransactionId::from_uuid(id.as_uuid()), seen.amount_minor, change);
        self.say_refunded(refund_id, seen.amount_minor, change);
        self.make_room(OperationKind::Refund, self.captured_minor - self.refunded_minor, change);
        Ok(())
    }

    /// Somebody else moved money: operations of ours for which there is no room any more cannot happen.
    fn make_room(&mut self, kind: OperationKind, room: i64, change: &mut Change) {
        while self.in_flight(kind) > room {
            // The last that was recorded, before those that were sent.
            let last = |sent: bool| {
                self.operations.iter().rposition(|operation| {
                    operation.kind == kind && operation.in_flight() && (operation.sends > 0) == sent
                })
            };
            let Some(index) = last(false).or_else(|| last(true)) else { return };
            let Operation { refund_id, amount_minor, .. } = self.operations[index];
            self.operations[index].fail(given_up::OVERTAKEN, change.now);
            if refund_id.is_some() {
                self.say_refund_failed(refund_id, self.money(amount_minor), "exceeds_captured", change);
            }
        }
    }

    /// A transfer that was reported is taken back: the payment waits for it again.
    pub(super) fn reverse(&mut self, seen: &Snapshot, change: &mut Change) -> Result<(), RefusedTransition> {
        if self.refunded_minor > 0 || seen.captured_minor > 0 {
            return self.conflict(change);
        }
        self.apply(Trigger::Reverse)?;
        post(Movement::Reversal, change.ids.mint(), self.captured_minor, change);
        self.captured_minor = 0;
        self.action.clone_from(&seen.action);
        for operation in &mut self.operations {
            match operation.kind {
                OperationKind::Refund if operation.in_flight() && operation.refund_id.is_some() => {
                    operation.state = OperationState::Waiting;
                }
                OperationKind::Refund if operation.in_flight() => operation.fail(given_up::REVERSED, change.now),
                _ => {}
            }
        }
        self.say_reversed(change);
        // The attempt is open once more, and somebody has to ask what becomes of it.
        if let Some(attempt) = self.newest_attempt_mut() {
            attempt.state = OperationState::Sent;
            let id = attempt.id;
            self.inquire(id, change);
        }
        Ok(())
    }
}

/// True if `operation` is among what the provider took. One that does not list what it took has taken
/// what was asked for first and fits.
fn is_done(operation: &Operation, seen: &Snapshot, taken: i64) -> bool {
    if operation.state == OperationState::Succeeded {
        return false;
    }
    if seen.captures.is_empty() {
        return operation.in_flight() && operation.amount_minor <= taken;
    }
    let id = operation.id.to_string();
    seen.captures.iter().any(|capture| capture.reference == id && capture.amount_minor == operation.amount_minor)
}

fn post(movement: Movement, id: LedgerTransactionId, amount_minor: i64, change: &mut Change) {
    change.postings.push(Posting { id, movement, amount_minor });
}
