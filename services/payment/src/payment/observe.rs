//! What the provider says, whichever way it was heard, brought into our record.

use crate::provider::{ProviderStatus, RefundSeen, Snapshot};

use super::{
    Change, OperationKind, OperationState, OrderPhase, Payment, PaymentState, RefusedTransition, Trigger,
    ledger::{LedgerTransactionId, Movement, Posting},
};

impl Payment {
    /// Brings the record up to what the provider says. Old news and repetitions change nothing.
    pub(super) fn observe(&mut self, seen: &Snapshot, change: &mut Change) -> Result<(), RefusedTransition> {
        let same_authorization = self.provider_ref.as_ref().is_none_or(|known| *known == seen.provider_ref);
        let in_bounds = (0..=self.amount.amount_minor).contains(&seen.captured_minor);
        if seen.amount != self.amount || !same_authorization || !in_bounds {
            return self.conflict(change);
        }
        if self.state == PaymentState::Conflicted {
            return Ok(());
        }
        self.provider_ref = Some(seen.provider_ref.clone());
        let rank = seen.status.rank();
        if rank >= self.provider_rank {
            self.provider_rank = rank;
            if self.follow(seen, change).is_err() {
                return self.conflict(change);
            }
        }
        for refund in &seen.refunds {
            self.see_refund(refund, change);
        }
        self.plan(change);
        Ok(())
    }

    fn follow(&mut self, seen: &Snapshot, change: &mut Change) -> Result<(), RefusedTransition> {
        match seen.status {
            ProviderStatus::Pending => Ok(()),
            ProviderStatus::Declined => self.decline(seen.decline_code.as_deref().unwrap_or("declined"), change),
            ProviderStatus::Authorized => self.authorize(change),
            ProviderStatus::PartiallyCaptured => {
                self.authorize(change)?;
                self.capture_up_to(seen.captured_minor, change)
            }
            ProviderStatus::Captured => {
                self.authorize(change)?;
                self.capture_up_to(seen.captured_minor, change)?;
                match self.state {
                    PaymentState::PartiallyCaptured => self.let_go(change),
                    _ => Ok(()),
                }
            }
            ProviderStatus::Voided => self.let_go(change),
        }
    }

    /// Somebody has to look: what the provider says cannot be about this payment as we know it.
    fn conflict(&mut self, change: &mut Change) -> Result<(), RefusedTransition> {
        if self.state != PaymentState::Conflicted {
            self.apply(Trigger::Conflict)?;
            for operation in &mut self.operations {
                if operation.in_flight() && operation.kind == OperationKind::Authorize {
                    operation.fail("conflict", change);
                }
            }
        }
        Ok(())
    }

    fn authorize(&mut self, change: &mut Change) -> Result<(), RefusedTransition> {
        match self.state {
            PaymentState::RequiresConfirmation
            | PaymentState::Processing
            | PaymentState::Unknown
            | PaymentState::Canceled
            | PaymentState::Declined => {}
            _ => return Ok(()),
        }
        self.apply(Trigger::Authorize)?;
        if let Some(attempt) =
            self.operations.iter_mut().rev().find(|operation| operation.kind == OperationKind::Authorize)
        {
            attempt.provider_ref.clone_from(&self.provider_ref);
            attempt.succeed(change);
        }
        // An order that has ended does not wait for this; it is let go next.
        if self.order_phase != OrderPhase::Ended {
            self.say_authorized(change);
        }
        Ok(())
    }

    pub(super) fn decline(&mut self, code: &str, change: &mut Change) -> Result<(), RefusedTransition> {
        match self.state {
            PaymentState::RequiresConfirmation | PaymentState::Processing | PaymentState::Unknown => {}
            _ => return Ok(()),
        }
        self.apply(Trigger::Decline)?;
        self.fail_attempt(code, change);
        self.say_declined(code, change);
        Ok(())
    }

    pub(super) fn fail_attempt(&mut self, code: &str, change: &Change) {
        for operation in &mut self.operations {
            if operation.kind == OperationKind::Authorize && operation.in_flight() {
                operation.fail(code, change);
            }
        }
    }

    fn capture_up_to(&mut self, total: i64, change: &mut Change) -> Result<(), RefusedTransition> {
        let taken = total - self.captured_minor;
        if taken <= 0 {
            return Ok(());
        }
        let all = total == self.amount.amount_minor;
        self.apply(if all { Trigger::CaptureAll } else { Trigger::CapturePart })?;
        self.captured_minor = total;
        let capture = self.operations.iter_mut().find(|operation| {
            operation.kind == OperationKind::Capture && operation.in_flight() && operation.amount_minor <= taken
        });
        let id = match capture {
            Some(capture) => {
                capture.succeed(change);
                LedgerTransactionId::from_uuid(capture.id.as_uuid())
            }
            // Taken by somebody else, at the provider itself.
            None => change.ids.mint(),
        };
        change.postings.push(Posting { id, movement: Movement::Capture, amount_minor: taken });
        self.say_captured(change);
        Ok(())
    }

    /// The provider holds nothing any more beyond what it took.
    fn let_go(&mut self, change: &mut Change) -> Result<(), RefusedTransition> {
        let was_held = match self.state {
            PaymentState::RequiresCapture => true,
            PaymentState::RequiresConfirmation
            | PaymentState::Processing
            | PaymentState::Unknown
            | PaymentState::PartiallyCaptured => false,
            _ => return Ok(()),
        };
        self.apply(Trigger::Void)?;
        for operation in &mut self.operations {
            match operation.kind {
                OperationKind::Void if operation.in_flight() => operation.succeed(change),
                OperationKind::Authorize | OperationKind::Capture if operation.in_flight() => {
                    operation.fail("voided", change);
                }
                _ => {}
            }
        }
        if was_held {
            self.say_voided(change);
        } else if self.state == PaymentState::Canceled {
            // Let go before we ever knew that it was held: for the order that is a refusal.
            self.say_declined("voided", change);
        }
        Ok(())
    }

    fn see_refund(&mut self, seen: &RefundSeen, change: &mut Change) {
        let Some(index) = self.operations.iter().position(|operation| {
            operation.kind == OperationKind::Refund && operation.id.to_string() == seen.reference
        }) else {
            return;
        };
        let refund = &mut self.operations[index];
        if refund.state == OperationState::Succeeded || refund.amount_minor != seen.amount_minor {
            return;
        }
        refund.provider_ref = Some(seen.provider_ref.clone());
        refund.succeed(change);
        let refund = refund.clone();
        self.refunded_minor += refund.amount_minor;
        change.postings.push(Posting {
            id: LedgerTransactionId::from_uuid(refund.id.as_uuid()),
            movement: Movement::Refund,
            amount_minor: refund.amount_minor,
        });
        self.say_refunded(&refund, change);
    }
}
