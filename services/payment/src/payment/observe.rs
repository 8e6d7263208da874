//! What the provider says, whichever way it was heard, brought into our record.

use std::cmp::Ordering;

use crate::provider::{ProviderStatus, Snapshot};

use super::{
    Change, Due, Job, OperationKind, OrderPhase, Payment, PaymentState, RefusedTransition, Trigger, operation::given_up,
};

/// How we know what the provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// It told by itself. Believed, unless it takes back what was certain: then it is asked. A refusal is asked
    /// about afterwards: providers were seen to say DONE and ABORTED of a payment that they hold.
    Told,
    /// It answered us.
    Asked,
}

/// What a snapshot is, next to the newest one that is known.
enum News {
    Old,
    Next,
    /// Against what was certain: newer and less than that, or more than a refusal.
    Backwards,
}

impl Payment {
    /// Brings the record up to what the provider says. Old news and repetitions change nothing.
    pub(super) fn observe(
        &mut self,
        seen: &Snapshot,
        source: Source,
        change: &mut Change,
    ) -> Result<(), RefusedTransition> {
        let Some(attempt) = self
            .operations
            .iter_mut()
            .find(|operation| operation.kind == OperationKind::Authorize && operation.reference == seen.reference)
        else {
            return Ok(());
        };
        let same_authorization = attempt.provider_ref.as_ref().is_none_or(|known| *known == seen.provider_ref);
        let in_bounds = (0..=self.amount.amount_minor).contains(&seen.captured_minor);
        if seen.amount != self.amount || !same_authorization || !in_bounds {
            return self.conflict(change);
        }
        if self.state == PaymentState::Conflicted {
            return Ok(());
        }
        attempt.provider_ref = Some(seen.provider_ref.clone());
        let (id, was_open) = (attempt.id, attempt.in_flight());
        if self.newest_attempt().is_none_or(|newest| newest.id != id) {
            return self.observe_earlier_attempt(seen, change);
        }
        self.provider_ref = Some(seen.provider_ref.clone());
        match self.news(seen, source) {
            News::Old => {}
            News::Backwards if source == Source::Told => {
                change.jobs.push(Due { job: Job::Look { payment_id: self.id }, at: change.now });
            }
            news => {
                let before = (self.provider_rank, self.provider_sequence);
                self.provider_rank = seen.status.rank();
                // The answer to the call may never come: what is held in spite of a refusal is found only by asking, and
                // what is told then must not look older than what was false.
                let doubtful = source == Source::Told && was_open && seen.status == ProviderStatus::Declined;
                if doubtful {
                    change.jobs.push(Due { job: Job::Look { payment_id: self.id }, at: change.now });
                } else {
                    self.provider_sequence = self.provider_sequence.max(seen.sequence);
                }
                let followed = match news {
                    News::Backwards => self.take_back(seen, before, change),
                    News::Old | News::Next => self.follow(seen, change),
                };
                if followed.is_err() {
                    return self.conflict(change);
                }
            }
        }
        for refund in &seen.refunds {
            self.see_refund(refund, change)?;
        }
        Ok(())
    }

    fn news(&self, seen: &Snapshot, source: Source) -> News {
        // Which of the two was first, only the provider knows.
        let refused = self.provider_rank == ProviderStatus::Declined.rank();
        if refused && source == Source::Told && seen.status.rank() > self.provider_rank {
            return News::Backwards;
        }
        let later = match (seen.sequence, self.provider_sequence) {
            // A provider that does not count: the rank has to do.
            (0, _) | (_, 0) => Ordering::Equal,
            (seen, known) => seen.cmp(&known),
        };
        let forward = seen.status.rank() >= self.provider_rank && seen.captured_minor >= self.captured_minor;
        match (later, forward) {
            (Ordering::Less, _) | (Ordering::Equal, false) => News::Old,
            (Ordering::Equal | Ordering::Greater, true) => News::Next,
            (Ordering::Greater, false) => News::Backwards,
        }
    }

    fn follow(&mut self, seen: &Snapshot, change: &mut Change) -> Result<(), RefusedTransition> {
        match (seen.status, &seen.action) {
            (ProviderStatus::RequiresAction, Some(action)) => self.require(Trigger::RequireAction, action, change),
            (ProviderStatus::AwaitingDeposit, Some(action)) => self.require(Trigger::RequireDeposit, action, change),
            (ProviderStatus::Pending | ProviderStatus::RequiresAction | ProviderStatus::AwaitingDeposit, _) => Ok(()),
            (ProviderStatus::Declined, _) => {
                let code = seen.decline_code.as_deref().unwrap_or("declined");
                self.decline(code, seen.decline_retryable, change)?;
                self.settle_voids(&seen.reference, change);
                Ok(())
            }
            (ProviderStatus::Authorized, _) => self.authorize(change),
            (ProviderStatus::PartiallyCaptured, _) => {
                self.authorize(change)?;
                self.capture_up_to(seen, change)
            }
            (ProviderStatus::Captured, _) => {
                self.authorize(change)?;
                self.capture_up_to(seen, change)?;
                match self.state {
                    PaymentState::PartiallyCaptured => self.let_go(&seen.reference, change),
                    _ => Ok(()),
                }
            }
            (ProviderStatus::Voided, _) => self.let_go(&seen.reference, change),
        }
    }

    /// The provider itself says, when asked, that something certain is no longer so.
    fn take_back(&mut self, seen: &Snapshot, before: (u8, u64), change: &mut Change) -> Result<(), RefusedTransition> {
        match (seen.status, self.state) {
            (ProviderStatus::Declined, PaymentState::RequiresCapture) => self.let_go(&seen.reference, change),
            (_, PaymentState::Succeeded) if seen.captured_minor < self.captured_minor => {
                let under_way = self.operations.iter().any(|operation| {
                    operation.kind == OperationKind::Refund && operation.in_flight() && operation.sends > 0
                });
                if under_way {
                    // First it has to be known what became of the refund.
                    (self.provider_rank, self.provider_sequence) = before;
                    let at = change.after(change.policy.inquiries.base);
                    change.jobs.push(Due { job: Job::Look { payment_id: self.id }, at });
                    return Ok(());
                }
                self.reverse(seen, change)?;
                self.follow(seen, change)
            }
            // What holds nothing here holds nothing there.
            (
                ProviderStatus::Pending
                | ProviderStatus::RequiresAction
                | ProviderStatus::AwaitingDeposit
                | ProviderStatus::Declined,
                PaymentState::RequiresMethod | PaymentState::Declined | PaymentState::Canceled | PaymentState::Expired,
            ) => Ok(()),
            _ => self.conflict(change),
        }
    }

    /// News of an attempt that was refused before a newer one began. Should it hold money after all, it is
    /// let go; should it have taken some, a person has to look.
    fn observe_earlier_attempt(&mut self, seen: &Snapshot, change: &mut Change) -> Result<(), RefusedTransition> {
        match seen.status {
            ProviderStatus::Pending | ProviderStatus::RequiresAction | ProviderStatus::AwaitingDeposit => {}
            ProviderStatus::Authorized if self.is_letting_go(&seen.reference) => {}
            ProviderStatus::Authorized => {
                let attempt = self.operations.iter().find(|operation| operation.reference == seen.reference);
                let provider = attempt.map_or_else(String::new, |attempt| attempt.provider.clone());
                let amount = self.amount.amount_minor;
                let void = super::Operation::new(change.ids.mint(), OperationKind::Void, amount, change.now);
                self.record(super::Operation { provider, reference: seen.reference.clone(), ..void }, change);
            }
            ProviderStatus::PartiallyCaptured | ProviderStatus::Captured => return self.conflict(change),
            ProviderStatus::Declined | ProviderStatus::Voided => {
                self.settle_voids(&seen.reference, change);
            }
        }
        Ok(())
    }

    /// Somebody has to look: what the provider says cannot be about this payment as we know it.
    pub(super) fn conflict(&mut self, change: &mut Change) -> Result<(), RefusedTransition> {
        if self.state != PaymentState::Conflicted {
            self.apply(Trigger::Conflict)?;
            self.end_attempt("conflict", change);
        }
        Ok(())
    }

    fn authorize(&mut self, change: &mut Change) -> Result<(), RefusedTransition> {
        let given_up = matches!(
            self.state,
            PaymentState::RequiresMethod | PaymentState::Canceled | PaymentState::Expired | PaymentState::Declined
        );
        if !self.state.is_undecided() && !given_up {
            return Ok(());
        }
        self.apply(Trigger::Authorize)?;
        self.action = None;
        if let Some(attempt) = self.newest_attempt_mut() {
            attempt.succeed(change.now);
        }
        // An order that has ended does not wait for this; it is let go next.
        if self.order_phase != OrderPhase::Ended {
            self.say_authorized(change);
        }
        Ok(())
    }

    /// The provider holds nothing any more beyond what it took.
    fn let_go(&mut self, reference: &str, change: &mut Change) -> Result<(), RefusedTransition> {
        self.settle_voids(reference, change);
        let was_held = match self.state {
            PaymentState::RequiresCapture => true,
            PaymentState::RequiresConfirmation
            | PaymentState::Processing
            | PaymentState::Unknown
            | PaymentState::PartiallyCaptured => false,
            // The provider stopped to wait for the buyer: a try that failed.
            PaymentState::RequiresAction | PaymentState::AwaitingDeposit => {
                return self.decline("abandoned", true, change);
            }
            _ => return Ok(()),
        };
        self.apply(Trigger::Void)?;
        self.end_attempt(given_up::VOIDED, change);
        for operation in &mut self.operations {
            if operation.kind == OperationKind::Capture && operation.in_flight() {
                operation.fail(given_up::VOIDED, change.now);
            }
        }
        if was_held {
            self.say_voided(change);
        } else if self.state == PaymentState::Canceled {
            // Let go before we ever knew that it was held: for the order that is a refusal.
            self.say_declined(given_up::VOIDED, change);
        }
        Ok(())
    }

    /// The authorization holds nothing: it need not be let go any more.
    fn settle_voids(&mut self, reference: &str, change: &Change) {
        for operation in &mut self.operations {
            let void = operation.kind == OperationKind::Void && operation.reference == reference;
            if void && operation.in_flight() {
                operation.succeed(change.now);
            }
        }
    }
}
