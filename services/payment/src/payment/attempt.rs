//! Attempts to get the money held: one payment method after the other, each an authorization of its own.

use contracts::payment::{PaymentAction, PaymentId};

use super::{
    Change, Operation, OperationKind, OperationState, OrderPhase, Payment, PaymentState, RefusedTransition, Trigger,
    operation::given_up,
};

/// Which payment an authorization at a provider is about, from our own name for it there.
pub fn payment_of(reference: &str) -> Option<PaymentId> {
    reference.split('-').next()?.parse().ok()
}

impl Payment {
    /// The authorization that counts now; earlier ones were refused.
    pub(super) fn newest_attempt(&self) -> Option<&Operation> {
        self.operations.iter().rev().find(|operation| operation.kind == OperationKind::Authorize)
    }

    pub(super) fn newest_attempt_mut(&mut self) -> Option<&mut Operation> {
        self.operations.iter_mut().rev().find(|operation| operation.kind == OperationKind::Authorize)
    }

    fn attempts(&self) -> u32 {
        let attempts = self.operations.iter().filter(|operation| operation.kind == OperationKind::Authorize).count();
        u32::try_from(attempts).unwrap_or(u32::MAX)
    }

    fn attempts_left(&self, change: &Change) -> u32 {
        change.policy.attempts_max.saturating_sub(self.attempts())
    }

    /// Starts the next attempt. Nothing that is known of the last one is true of this.
    pub(super) fn try_method(&mut self, provider: String, method_token: String, change: &mut Change) {
        let reference = match self.attempts() {
            0 => self.id.to_string(),
            earlier => format!("{}-{}", self.id, earlier + 1),
        };
        self.provider.clone_from(&provider);
        self.provider_ref = None;
        self.provider_rank = 0;
        self.provider_sequence = 0;
        let id = change.ids.mint();
        let attempt = Operation::new(id, OperationKind::Authorize, self.amount.amount_minor, change.now);
        self.record(Operation { provider, reference, method_token: Some(method_token), ..attempt }, change);
    }

    /// The buyer gave another payment method. Nobody asked for one unless the last was refused.
    pub(super) fn give_method(
        &mut self,
        method: contracts::order::PaymentMethod,
        provider_known: bool,
        change: &mut Change,
    ) -> Result<(), RefusedTransition> {
        let wanted = self.state == PaymentState::RequiresMethod && self.is_waited_for(change);
        if wanted && provider_known {
            self.apply(Trigger::GiveMethod)?;
            self.try_method(method.provider, method.token, change);
        } else if wanted {
            self.say_method_required("unknown_provider", self.attempts_left(change), change);
        }
        Ok(())
    }

    /// True while the order still waits for its money to be held.
    fn is_waited_for(&self, change: &Change) -> bool {
        self.order_phase == OrderPhase::Open && change.now < self.pay_by
    }

    /// The provider refuses the newest attempt.
    pub(super) fn decline(
        &mut self,
        code: &str,
        retryable: bool,
        change: &mut Change,
    ) -> Result<(), RefusedTransition> {
        if !self.state.is_undecided() {
            return Ok(());
        }
        let left = self.attempts_left(change);
        let again = retryable && left > 0 && self.is_waited_for(change);
        self.apply(if again { Trigger::RequireMethod } else { Trigger::Decline })?;
        self.end_attempt(code, change);
        if again {
            self.say_method_required(code, left, change);
        } else {
            self.say_declined(code, change);
        }
        Ok(())
    }

    /// It is known that the newest attempt holds nothing.
    pub(super) fn end_attempt(&mut self, code: &str, change: &Change) {
        self.action = None;
        for operation in &mut self.operations {
            if operation.kind == OperationKind::Authorize && operation.in_flight() {
                operation.fail(code, change.now);
            }
        }
    }

    /// The buyer has to do something.
    pub(super) fn require(
        &mut self,
        trigger: Trigger,
        action: &PaymentAction,
        change: &mut Change,
    ) -> Result<(), RefusedTransition> {
        let known = self.action.as_ref() == Some(action);
        let older = self.state == PaymentState::AwaitingDeposit && trigger == Trigger::RequireAction;
        if !self.state.is_undecided() || known || older {
            return Ok(());
        }
        // The buyer may be told to act in another way without anything else having changed.
        if self.action.is_none() || trigger == Trigger::RequireDeposit && self.state != PaymentState::AwaitingDeposit {
            self.apply(trigger)?;
        }
        self.action = Some(action.clone());
        // It was about to be sent once more; now somebody has to ask what becomes of it.
        if let Some(attempt) = self.newest_attempt_mut().filter(|it| it.state == OperationState::Requested) {
            attempt.state = OperationState::Sent;
            let id = attempt.id;
            self.inquire(id, change);
        }
        if self.order_phase != OrderPhase::Ended {
            self.say_action_required(action.clone(), change);
        }
        Ok(())
    }

    /// Gives the authorization up: the provider holds nothing, and nobody waits.
    pub(super) fn abandon(&mut self, code: &str, change: &Change) -> Result<(), RefusedTransition> {
        self.apply(Trigger::Abandon)?;
        self.end_attempt(code, change);
        self.order_phase = OrderPhase::Ended;
        Ok(())
    }

    /// Stops to wait for the buyer, because the order ended. What the buyer could still do at the provider is
    /// prevented there.
    pub(super) fn leave(&mut self, trigger: Trigger, change: &mut Change) -> Result<(), RefusedTransition> {
        let open = matches!(self.state, PaymentState::RequiresAction | PaymentState::AwaitingDeposit);
        self.apply(trigger)?;
        self.end_attempt(given_up::ORDER_ENDED, change);
        if open && !self.is_voiding() {
            self.request(OperationKind::Void, self.amount.amount_minor, change);
        }
        Ok(())
    }

    /// True while the newest attempt is being let go.
    pub(super) fn is_voiding(&self) -> bool {
        self.newest_attempt().is_some_and(|attempt| self.is_letting_go(&attempt.reference))
    }

    /// True while the authorization that is called `reference` is being let go.
    pub(super) fn is_letting_go(&self, reference: &str) -> bool {
        self.operations.iter().any(|operation| {
            operation.kind == OperationKind::Void && operation.in_flight() && operation.reference == reference
        })
    }
}
