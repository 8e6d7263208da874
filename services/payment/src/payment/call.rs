//! The worker's side: calls are sent, answered or not, and asked about until it is known how they ended.

use crate::provider::{Outcome, ProviderCall, ProviderStatus, QueryError, Snapshot};

use super::{
    Change, Due, Job, Operation, OperationId, OperationKind, OperationState, OrderPhase, Payment, PaymentState,
    Refused, Reply, Trigger, observe::Source, operation::given_up,
};

impl Payment {
    pub(super) fn begin(&mut self, id: OperationId, change: &mut Change) -> Result<Reply, Refused> {
        let operation = self.operation(id)?;
        let kind = operation.kind;
        match operation.state {
            OperationState::Succeeded | OperationState::Failed => return Ok(Reply::Done),
            // The inquiry about it, or the capture before it, is on its way.
            OperationState::Unknown | OperationState::Waiting => return Ok(Reply::Done),
            // We stopped between sending and recording the answer.
            OperationState::Sent => return Ok(Reply::Ask(self.call(id)?)),
            OperationState::Requested => {}
        }
        let ended = self.order_phase == OrderPhase::Ended;
        match kind {
            OperationKind::Authorize if ended || change.now >= self.pay_by => {
                self.give_up_attempt(id, if ended { given_up::ORDER_ENDED } else { "too_late" }, change)?;
                return Ok(Reply::Done);
            }
            OperationKind::Capture if ended => {
                self.operation_mut(id)?.fail(given_up::ORDER_ENDED, change.now);
                return Ok(Reply::Done);
            }
            OperationKind::Authorize => self.apply(Trigger::Send)?,
            OperationKind::Capture | OperationKind::Void | OperationKind::Refund => {}
        }
        let operation = self.operation_mut(id)?;
        operation.state = OperationState::Sent;
        operation.sends += 1;
        operation.sent_at = Some(change.now);
        operation.updated_at = change.now;
        Ok(Reply::Send(self.call(id)?))
    }

    /// Nobody waits for the authorization any more. If it was ever sent, it may still arrive: then only the
    /// provider's silence over a long time ends it.
    fn give_up_attempt(&mut self, id: OperationId, code: &str, change: &mut Change) -> Result<(), Refused> {
        let lost_at =
            self.operation(id)?.sent_at.and_then(|at| at.checked_add(change.policy.inquiries.lost_after).ok());
        if lost_at.is_some_and(|at| change.now < at) {
            self.order_phase = OrderPhase::Ended;
            self.operation_mut(id)?.state = OperationState::Unknown;
            self.inquire(id, change);
        } else {
            self.abandon(code, change)?;
        }
        Ok(())
    }

    pub(super) fn answer(&mut self, id: OperationId, outcome: Outcome, change: &mut Change) -> Result<Reply, Refused> {
        match outcome {
            Outcome::Approved(snapshot) | Outcome::Pending(snapshot) => {
                self.observe(&snapshot, Source::Asked, change)?;
                if self.operation(id)?.in_flight() {
                    self.inquire(id, change);
                }
            }
            // Whatever was learnt meanwhile by webhook stands.
            _ if !self.operation(id)?.in_flight() => {}
            Outcome::Declined { code, retryable, provider_ref } => {
                self.refused(id, &code, retryable, provider_ref, change)?;
            }
            // What is said not to have been done, and is known to have been, has to be asked about as well.
            Outcome::Unknown(_) | Outcome::Unreachable(_) if self.is_begun(id)? => {
                self.operation_mut(id)?.state = OperationState::Unknown;
                self.inquire(id, change);
            }
            Outcome::Unknown(_) => {
                self.operation_mut(id)?.state = OperationState::Unknown;
                if matches!(self.state, PaymentState::Processing | PaymentState::RequiresConfirmation) {
                    self.apply(Trigger::LoseTrack)?;
                }
                self.inquire(id, change);
            }
            Outcome::Unreachable(reason) => {
                self.operation_mut(id)?.state = OperationState::Requested;
                if self.state == PaymentState::Processing {
                    self.apply(Trigger::NotSent)?;
                }
                return Ok(Reply::Retry(reason));
            }
        }
        Ok(Reply::Done)
    }

    /// True for an authorization that the provider is known to have begun.
    fn is_begun(&self, id: OperationId) -> Result<bool, Refused> {
        let authorize = self.operation(id)?.kind == OperationKind::Authorize;
        Ok(authorize && !matches!(self.state, PaymentState::Processing | PaymentState::RequiresConfirmation))
    }

    /// The provider refuses. A refused authorization is certain; anything else is believed only after a look
    /// at what the provider holds: "already refunded" is a refusal too.
    fn refused(
        &mut self,
        id: OperationId,
        code: &str,
        retryable: bool,
        provider_ref: Option<String>,
        change: &mut Change,
    ) -> Result<(), Refused> {
        let operation = self.operation_mut(id)?;
        if operation.kind == OperationKind::Authorize {
            operation.provider_ref = operation.provider_ref.take().or(provider_ref);
            self.provider_ref = operation.provider_ref.clone();
            self.provider_rank = self.provider_rank.max(ProviderStatus::Declined.rank());
            self.decline(code, retryable, change)?;
            return Ok(());
        }
        operation.state = OperationState::Unknown;
        operation.error_code = Some(code.to_owned());
        self.inquire(id, change);
        Ok(())
    }

    pub(super) fn learn(
        &mut self,
        id: OperationId,
        answer: Result<Option<Snapshot>, QueryError>,
        change: &mut Change,
    ) -> Result<(), Refused> {
        if let Ok(Some(snapshot)) = &answer {
            self.observe(snapshot, Source::Asked, change)?;
        }
        let operation = self.operation(id)?;
        // What is about to be sent needs no inquiry.
        let asked_for = operation.in_flight() && operation.state != OperationState::Requested;
        if !asked_for || self.state == PaymentState::Conflicted {
            return Ok(());
        }
        match (operation.kind, answer) {
            (OperationKind::Authorize, Ok(None)) if operation.provider_ref.is_none() => self.never_arrived(id, change),
            (OperationKind::Authorize, _) | (_, Ok(None) | Err(_)) => {
                self.inquire(id, change);
                Ok(())
            }
            (_, Ok(Some(snapshot))) => self.had_no_effect(id, snapshot.status, change),
        }
    }

    /// The provider never heard of the authorization: send it again, under the same key, while anybody waits.
    fn never_arrived(&mut self, id: OperationId, change: &mut Change) -> Result<(), Refused> {
        if self.order_phase != OrderPhase::Ended && change.now < self.pay_by {
            self.apply(Trigger::NotSent)?;
            return self.send_again(id, change);
        }
        self.order_phase = OrderPhase::Ended;
        let sent_at = self.operation(id)?.sent_at.unwrap_or(change.now);
        if change.now >= sent_at.checked_add(change.policy.inquiries.lost_after).unwrap_or(change.now) {
            self.abandon("lost", change)?;
        } else {
            self.inquire(id, change);
        }
        Ok(())
    }

    /// The provider knows the payment, which is `status` there, and has not done the operation.
    fn had_no_effect(&mut self, id: OperationId, status: ProviderStatus, change: &mut Change) -> Result<(), Refused> {
        let Operation { kind, amount_minor, refund_id, error_code, .. } = self.operation(id)?.clone();
        match (kind, error_code) {
            (OperationKind::Void, _) if !status.can_be_voided() => {
                self.operation_mut(id)?.fail("nothing_held", change.now);
            }
            (OperationKind::Refund, Some(code)) => {
                self.operation_mut(id)?.fail(&code, change.now);
                self.say_refund_failed(refund_id, self.money(amount_minor), &code, change);
            }
            (OperationKind::Capture, Some(code)) => {
                let again = self.capture_was_refused();
                self.operation_mut(id)?.fail(&code, change.now);
                if !again && self.order_phase != OrderPhase::Ended {
                    self.say_capture_failed(amount_minor, &code, change);
                }
            }
            _ => return self.send_again(id, change),
        }
        Ok(())
    }

    fn send_again(&mut self, id: OperationId, change: &mut Change) -> Result<(), Refused> {
        let operation = self.operation_mut(id)?;
        let at = change.after(operation.pause(change));
        operation.state = OperationState::Requested;
        operation.error_code = None;
        operation.updated_at = change.now;
        self.send(id, at, change);
        Ok(())
    }

    /// Arranges that somebody asks, later, what became of the operation.
    pub(super) fn inquire(&mut self, id: OperationId, change: &mut Change) {
        let payment_id = self.id;
        let Some(operation) = self.operations.iter_mut().find(|operation| operation.id == id) else { return };
        let at = change.after(operation.pause(change));
        operation.inquiries += 1;
        operation.updated_at = change.now;
        let inquiry = operation.inquiries;
        change.jobs.push(Due { job: Job::Inquire { payment_id, operation_id: id, inquiry }, at });
    }

    /// The call that inquiry `inquiry` asks about; `None` if there is nothing to ask any more. What is about
    /// to be sent again is not asked about: the inquiry that found so may be repeated after a crash.
    pub fn inquiry(&self, id: OperationId, inquiry: u32) -> Option<ProviderCall> {
        let operation = self.operation(id).ok()?;
        let open = operation.in_flight() && operation.state != OperationState::Requested;
        (open && operation.inquiries == inquiry).then(|| self.call(id).ok()).flatten()
    }

    /// The call that asks what the provider holds; `None` if no provider was ever asked.
    pub fn look(&self) -> Option<ProviderCall> {
        self.call(self.newest_attempt()?.id).ok()
    }

    fn call(&self, id: OperationId) -> Result<ProviderCall, Refused> {
        let operation = self.operation(id)?;
        let attempt = self
            .operations
            .iter()
            .find(|attempt| attempt.kind == OperationKind::Authorize && attempt.reference == operation.reference);
        Ok(ProviderCall {
            operation_id: id,
            kind: operation.kind,
            payment_id: self.id,
            reference: operation.reference.clone(),
            provider_ref: attempt.and_then(|attempt| attempt.provider_ref.clone()),
            provider: operation.provider.clone(),
            method_token: operation.method_token.clone().unwrap_or_default(),
            amount: self.money(operation.amount_minor),
            pay_by: self.pay_by,
        })
    }
}

impl Operation {
    /// How long to wait before the next inquiry: longer each time.
    fn pause(&self, change: &Change) -> std::time::Duration {
        let doubled = 2_u32.saturating_pow(self.inquiries.min(20));
        change.policy.inquiries.base.saturating_mul(doubled).min(change.policy.inquiries.max)
    }
}
