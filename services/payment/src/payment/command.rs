//! What can happen to a payment, one command each.

use contracts::{
    Money,
    order::{PaymentMethod, RefundId},
};

use crate::provider::{Outcome, ProviderCall, QueryError, Snapshot};

use super::{
    Change, Operation, OperationId, OperationKind, OperationState, OrderPhase, Payment, PaymentState,
    RefusedTransition, Trigger, observe::Source,
};

/// Something that happens to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The order is certain: take the money.
    Confirm,
    /// The order ended: hold nothing, keep nothing.
    End {
        /// True if it ended because nobody paid in time.
        expired: bool,
    },
    /// The buyer gave another payment method.
    GiveMethod {
        /// Which.
        method: PaymentMethod,
        /// False if no such provider is configured.
        provider_known: bool,
    },
    /// The order wants some money given back.
    Refund {
        /// The order's name for it.
        refund_id: RefundId,
        /// How much.
        amount: Money,
        /// Why.
        reason: String,
    },
    /// Staff wants some of the money taken, or all that is left.
    Capture {
        /// How much.
        amount_minor: Option<i64>,
    },
    /// Staff wants what was not taken let go.
    Void,
    /// The worker is about to send an operation.
    Begin(OperationId),
    /// The provider answered the call, or did not.
    Answer(OperationId, Outcome),
    /// The provider was asked what became of an operation.
    Learn(OperationId, Result<Option<Snapshot>, QueryError>),
    /// The provider was asked what it holds, and answered.
    Look(Snapshot),
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
    /// The payment has no such operation.
    #[error("there is no operation {0}")]
    NoOperation(OperationId),
    /// The provider holds no money that could be taken or let go.
    #[error("a payment that is {0:?} holds no money")]
    NotHeld(PaymentState),
    /// More than is held.
    #[error("only {0} is left to capture")]
    ExceedsAuthorized(i64),
}

impl Payment {
    /// Lets `command` happen.
    pub fn handle(&mut self, command: Command, change: &mut Change) -> Result<Reply, Refused> {
        let before = self.clone();
        let mut reply = Reply::Done;
        match command {
            Command::Confirm => self.confirm(),
            Command::End { expired } => self.end(expired, change)?,
            Command::GiveMethod { method, provider_known } => self.give_method(method, provider_known, change)?,
            Command::Refund { refund_id, amount, reason } => self.refund(refund_id, amount, reason, change),
            Command::Capture { amount_minor } => self.capture(amount_minor, change)?,
            Command::Void => self.void(change)?,
            Command::Begin(id) => reply = self.begin(id, change)?,
            Command::Answer(id, outcome) => reply = self.answer(id, outcome, change)?,
            Command::Learn(id, answer) => self.learn(id, answer, change)?,
            Command::Look(snapshot) => self.observe(&snapshot, Source::Asked, change)?,
            Command::Notice(snapshot) => self.observe(&snapshot, Source::Told, change)?,
        }
        self.plan(change)?;
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
            && self.provider == before.provider
            && self.provider_ref == before.provider_ref
            && self.provider_rank == before.provider_rank
            && self.provider_sequence == before.provider_sequence
            && self.action == before.action
            && self.capturing_minor() == before.capturing_minor()
            && self.refunding_minor() == before.refunding_minor()
    }

    fn confirm(&mut self) {
        if self.order_phase == OrderPhase::Open {
            self.order_phase = OrderPhase::Confirmed;
        }
    }

    fn end(&mut self, expired: bool, change: &mut Change) -> Result<(), Refused> {
        self.order_phase = OrderPhase::Ended;
        let trigger = if expired { Trigger::Expire } else { Trigger::Abandon };
        match self.state {
            PaymentState::RequiresConfirmation if self.newest_attempt().is_none_or(|attempt| attempt.sends == 0) => {
                self.leave(trigger, change)?;
            }
            PaymentState::RequiresMethod | PaymentState::RequiresAction | PaymentState::AwaitingDeposit => {
                self.leave(trigger, change)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Gives money back at once if enough was taken, or as soon as it will have been. Whatever happens in
    /// whatever order, no more is promised than can be captured.
    fn refund(&mut self, refund_id: RefundId, amount: Money, reason: String, change: &mut Change) {
        if self.operations.iter().any(|operation| operation.refund_id == Some(refund_id)) {
            return;
        }
        let wanted = amount.amount_minor;
        if amount.currency != self.amount.currency || wanted < 1 {
            return self.say_refund_failed(Some(refund_id), amount, "invalid_amount", change);
        }
        if wanted > self.potential_minor() - self.refunded_minor - self.refunding_minor() - self.waiting_minor() {
            return self.say_refund_failed(Some(refund_id), amount, "exceeds_captured", change);
        }
        let state = if wanted <= self.refundable_minor() { OperationState::Requested } else { OperationState::Waiting };
        let refund = Operation::new(change.ids.mint(), OperationKind::Refund, wanted, change.now);
        let refund = Operation { state, refund_id: Some(refund_id), reason: Some(reason), ..refund };
        self.record(refund, change);
    }

    fn waiting_minor(&self) -> i64 {
        let waiting = self.operations.iter().filter(|operation| operation.state == OperationState::Waiting);
        waiting.map(|operation| operation.amount_minor).sum()
    }

    fn capture(&mut self, amount_minor: Option<i64>, change: &mut Change) -> Result<(), Refused> {
        if self.order_phase == OrderPhase::Ended || !self.is_held() || self.is_voiding() {
            return Err(Refused::NotHeld(self.state));
        }
        let left = self.capturable_minor();
        let wanted = amount_minor.unwrap_or(left);
        if !(1..=left).contains(&wanted) {
            return Err(Refused::ExceedsAuthorized(left));
        }
        self.request(OperationKind::Capture, wanted, change);
        Ok(())
    }

    fn void(&mut self, change: &mut Change) -> Result<(), Refused> {
        if !self.is_held() {
            return Err(Refused::NotHeld(self.state));
        }
        if !self.is_voiding() {
            self.withdraw_captures(change);
            self.let_rest_go(change);
        }
        Ok(())
    }

    /// True while the provider holds money that may be taken or let go.
    fn is_held(&self) -> bool {
        self.amount.amount_minor > 0
            && matches!(self.state, PaymentState::RequiresCapture | PaymentState::PartiallyCaptured)
    }

    /// The operation called `id`.
    pub(super) fn operation(&self, id: OperationId) -> Result<&Operation, Refused> {
        self.operations.iter().find(|operation| operation.id == id).ok_or(Refused::NoOperation(id))
    }

    pub(super) fn operation_mut(&mut self, id: OperationId) -> Result<&mut Operation, Refused> {
        self.operations.iter_mut().find(|operation| operation.id == id).ok_or(Refused::NoOperation(id))
    }
}
