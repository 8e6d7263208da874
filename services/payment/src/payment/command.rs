//! What can happen to a payment, one command each.

use contracts::{Money, order::RefundId};

use crate::provider::{Outcome, ProviderCall, QueryError, Snapshot};

use super::{
    Change, Due, Job, Operation, OperationId, OperationKind, OperationState, OrderPhase, Payment, PaymentState,
    RefusedTransition, Trigger,
};

/// Something that happens to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The order is certain: take the money.
    Confirm,
    /// The order ended: hold nothing, keep nothing.
    End,
    /// The order wants some money given back.
    Refund {
        /// The order's name for it.
        refund_id: RefundId,
        /// How much.
        amount: Money,
        /// Why.
        reason: String,
    },
    /// The worker is about to send an operation.
    Begin(OperationId),
    /// The provider answered the call, or did not.
    Answer(OperationId, Outcome),
    /// The provider was asked what became of an operation.
    Learn(OperationId, Result<Option<Snapshot>, QueryError>),
    /// The provider told by itself.
    Notice(Snapshot),
}

/// What the worker does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Done,
    /// Make this call.
    Send(ProviderCall),
    /// Ask what became of this call.
    Ask(ProviderCall),
    /// Make it again after a pause.
    Retry(String),
}

/// Why a command is refused; nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The state does not allow it: a bug, for every legal sequence is handled.
    #[error(transparent)]
    Transition(#[from] RefusedTransition),
    /// The money to give back is still being taken. Try again.
    #[error("the money is still being captured")]
    TooEarly,
    /// The payment has no such operation.
    #[error("there is no operation {0}")]
    NoOperation(OperationId),
}

impl Payment {
    /// Lets `command` happen.
    pub fn handle(&mut self, command: Command, change: &mut Change) -> Result<Reply, Refused> {
        let before = self.clone();
        let reply = match command {
            Command::Confirm => self.confirm(change),
            Command::End => self.end(change)?,
            Command::Refund { refund_id, amount, reason } => self.refund(refund_id, amount, reason, change)?,
            Command::Begin(id) => self.begin(id, change)?,
            Command::Answer(id, outcome) => self.answer(id, outcome, change)?,
            Command::Learn(id, answer) => self.learn(id, answer, change)?,
            Command::Notice(snapshot) => {
                self.observe(&snapshot, change)?;
                Reply::Done
            }
        };
        if !self.same_but_for_operations(&before) {
            self.version += 1;
            self.updated_at = change.now;
        }
        Ok(reply)
    }

    fn same_but_for_operations(&self, before: &Self) -> bool {
        self.state == before.state
            && self.order_phase == before.order_phase
            && self.captured_minor == before.captured_minor
            && self.refunded_minor == before.refunded_minor
            && self.provider_ref == before.provider_ref
            && self.provider_rank == before.provider_rank
            && self.capturing_minor() == before.capturing_minor()
            && self.refunding_minor() == before.refunding_minor()
    }

    fn confirm(&mut self, change: &mut Change) -> Reply {
        if self.order_phase == OrderPhase::Open {
            self.order_phase = OrderPhase::Confirmed;
        }
        self.plan(change);
        Reply::Done
    }

    fn end(&mut self, change: &mut Change) -> Result<Reply, Refused> {
        self.order_phase = OrderPhase::Ended;
        let never_sent = self.operations.iter().all(|operation| operation.sends == 0);
        if self.state == PaymentState::RequiresConfirmation && never_sent {
            self.abandon("order_ended", change)?;
        }
        self.plan(change);
        Ok(Reply::Done)
    }

    /// Gives the authorization up: the provider holds nothing, and nobody waits.
    fn abandon(&mut self, code: &str, change: &mut Change) -> Result<(), RefusedTransition> {
        self.apply(Trigger::Abandon)?;
        self.fail_attempt(code, change);
        self.order_phase = OrderPhase::Ended;
        Ok(())
    }

    fn refund(
        &mut self,
        refund_id: RefundId,
        amount: Money,
        reason: String,
        change: &mut Change,
    ) -> Result<Reply, Refused> {
        if self.operations.iter().any(|operation| operation.refund_id == Some(refund_id)) {
            return Ok(Reply::Done);
        }
        let wanted = amount.amount_minor;
        if amount.currency != self.amount.currency || wanted < 1 {
            self.say_refund_failed(Some(refund_id), amount, "invalid_amount", change);
        } else if wanted <= self.refundable_minor() {
            self.request(OperationKind::Refund, wanted, Some((refund_id, reason)), change);
        } else if wanted <= self.refundable_minor().saturating_add(self.capturing_minor()) {
            return Err(Refused::TooEarly);
        } else {
            self.say_refund_failed(Some(refund_id), amount, "exceeds_captured", change);
        }
        Ok(Reply::Done)
    }

    fn begin(&mut self, id: OperationId, change: &mut Change) -> Result<Reply, Refused> {
        let operation = self.operation(id)?;
        let kind = operation.kind;
        match operation.state {
            OperationState::Succeeded | OperationState::Failed => return Ok(Reply::Done),
            // The inquiry about it is on its way.
            OperationState::Unknown => return Ok(Reply::Done),
            // We stopped between sending and recording the answer.
            OperationState::Sent => return Ok(Reply::Ask(self.call(id)?)),
            OperationState::Requested => {}
        }
        let ended = self.order_phase == OrderPhase::Ended;
        match kind {
            OperationKind::Authorize if ended || change.now >= self.pay_by => {
                self.give_up_attempt(id, if ended { "order_ended" } else { "too_late" }, change)?;
                return Ok(Reply::Done);
            }
            OperationKind::Capture if ended => {
                self.operation_mut(id)?.fail("order_ended", change);
                self.plan(change);
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
        let lost_at = self.operation(id)?.sent_at.and_then(|at| at.checked_add(change.inquiries.lost_after).ok());
        if lost_at.is_some_and(|at| change.now < at) {
            self.order_phase = OrderPhase::Ended;
            self.operation_mut(id)?.state = OperationState::Unknown;
            self.inquire(id, change)?;
        } else {
            self.abandon(code, change)?;
        }
        Ok(())
    }

    fn answer(&mut self, id: OperationId, outcome: Outcome, change: &mut Change) -> Result<Reply, Refused> {
        match outcome {
            Outcome::Approved(snapshot) | Outcome::Pending(snapshot) => {
                self.observe(&snapshot, change)?;
                if self.operation(id)?.in_flight() {
                    self.inquire(id, change)?;
                }
            }
            // Whatever was learnt meanwhile by webhook stands.
            _ if !self.operation(id)?.in_flight() => {}
            Outcome::Declined { code, provider_ref } => self.refused(id, &code, provider_ref, change)?,
            Outcome::Unknown(_) => {
                self.operation_mut(id)?.state = OperationState::Unknown;
                if self.state == PaymentState::Processing {
                    self.apply(Trigger::LoseTrack)?;
                }
                self.inquire(id, change)?;
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

    /// The provider refuses. A refused authorization is final; anything else is believed only after a look
    /// at what the provider holds: "already refunded" is a refusal too.
    fn refused(
        &mut self,
        id: OperationId,
        code: &str,
        provider_ref: Option<String>,
        change: &mut Change,
    ) -> Result<(), Refused> {
        if self.operation(id)?.kind == OperationKind::Authorize {
            self.provider_ref = self.provider_ref.take().or(provider_ref);
            self.provider_rank = self.provider_rank.max(crate::provider::ProviderStatus::Declined.rank());
            self.decline(code, change)?;
            return Ok(());
        }
        let operation = self.operation_mut(id)?;
        operation.state = OperationState::Unknown;
        operation.error_code = Some(code.to_owned());
        self.inquire(id, change)
    }

    fn learn(
        &mut self,
        id: OperationId,
        answer: Result<Option<Snapshot>, QueryError>,
        change: &mut Change,
    ) -> Result<Reply, Refused> {
        if !self.operation(id)?.in_flight() {
            return Ok(Reply::Done);
        }
        let seen = match answer {
            Ok(Some(snapshot)) => {
                self.observe(&snapshot, change)?;
                true
            }
            Ok(None) => false,
            Err(_) => {
                self.inquire(id, change)?;
                return Ok(Reply::Done);
            }
        };
        let operation = self.operation(id)?;
        if operation.in_flight() && self.state != PaymentState::Conflicted {
            match operation.kind {
                OperationKind::Authorize if seen => self.inquire(id, change)?,
                OperationKind::Authorize => self.never_arrived(id, change)?,
                OperationKind::Capture | OperationKind::Void | OperationKind::Refund if seen => {
                    self.had_no_effect(id, change)?;
                }
                OperationKind::Capture | OperationKind::Void | OperationKind::Refund => self.inquire(id, change)?,
            }
        }
        Ok(Reply::Done)
    }

    /// The provider never heard of the authorization: send it again, under the same key, while anybody waits.
    fn never_arrived(&mut self, id: OperationId, change: &mut Change) -> Result<(), Refused> {
        if self.order_phase != OrderPhase::Ended && change.now < self.pay_by {
            self.apply(Trigger::NotSent)?;
            return self.send_again(id, change);
        }
        self.order_phase = OrderPhase::Ended;
        let sent_at = self.operation(id)?.sent_at.unwrap_or(change.now);
        if change.now >= sent_at.checked_add(change.inquiries.lost_after).unwrap_or(change.now) {
            self.abandon("lost", change)?;
        } else {
            self.inquire(id, change)?;
        }
        Ok(())
    }

    /// The provider knows the payment and has not done the operation.
    fn had_no_effect(&mut self, id: OperationId, change: &mut Change) -> Result<(), Refused> {
        let operation = self.operation(id)?.clone();
        let nothing_held = !matches!(self.state, PaymentState::RequiresCapture | PaymentState::PartiallyCaptured);
        match (operation.kind, operation.error_code) {
            (OperationKind::Void, _) if nothing_held => {
                self.operation_mut(id)?.fail("nothing_held", change);
                self.plan(change);
            }
            (OperationKind::Refund, Some(code)) => {
                self.operation_mut(id)?.fail(&code, change);
                let amount = self.money(operation.amount_minor);
                self.say_refund_failed(operation.refund_id, amount, &code, change);
                // An order that ended meanwhile wants this money back all the same.
                self.plan(change);
            }
            (OperationKind::Capture, Some(code)) => {
                self.operation_mut(id)?.fail(&code, change);
                self.plan(change);
            }
            _ => self.send_again(id, change)?,
        }
        Ok(())
    }

    fn send_again(&mut self, id: OperationId, change: &mut Change) -> Result<(), Refused> {
        let pause = self.operation(id)?.pause(change);
        let payment_id = self.id;
        let operation = self.operation_mut(id)?;
        operation.state = OperationState::Requested;
        operation.error_code = None;
        operation.updated_at = change.now;
        change.jobs.push(Due { job: Job::Run { payment_id, operation_id: id }, at: change.after(pause) });
        Ok(())
    }

    /// Arranges that somebody asks, later, what became of the operation.
    fn inquire(&mut self, id: OperationId, change: &mut Change) -> Result<(), Refused> {
        let payment_id = self.id;
        let operation = self.operation_mut(id)?;
        let at = change.after(operation.pause(change));
        operation.inquiries += 1;
        operation.updated_at = change.now;
        let inquiry = operation.inquiries;
        change.jobs.push(Due { job: Job::Inquire { payment_id, operation_id: id, inquiry }, at });
        Ok(())
    }

    /// The call that inquiry `inquiry` asks about; `None` if there is nothing to ask any more.
    pub fn inquiry(&self, id: OperationId, inquiry: u32) -> Option<ProviderCall> {
        let operation = self.operation(id).ok()?;
        (operation.in_flight() && operation.inquiries == inquiry).then(|| self.call(id).ok()).flatten()
    }

    fn call(&self, id: OperationId) -> Result<ProviderCall, Refused> {
        let operation = self.operation(id)?;
        Ok(ProviderCall {
            operation_id: id,
            kind: operation.kind,
            payment_id: self.id,
            provider_ref: self.provider_ref.clone(),
            provider: self.provider.clone(),
            method_token: self.method_token.clone(),
            amount: self.money(operation.amount_minor),
        })
    }

    fn operation(&self, id: OperationId) -> Result<&Operation, Refused> {
        self.operations.iter().find(|operation| operation.id == id).ok_or(Refused::NoOperation(id))
    }

    fn operation_mut(&mut self, id: OperationId) -> Result<&mut Operation, Refused> {
        self.operations.iter_mut().find(|operation| operation.id == id).ok_or(Refused::NoOperation(id))
    }
}

impl Operation {
    /// How long to wait before the next inquiry: longer each time.
    fn pause(&self, change: &Change) -> std::time::Duration {
        let doubled = 2_u32.saturating_pow(self.inquiries.min(20));
        change.inquiries.base.saturating_mul(doubled).min(change.inquiries.max)
    }
}
