//! The payment intent: one sum for one order, everything that was asked of the provider about it, and the
//! rules by which it changes. Pure: no clock, no randomness, no I/O.
//!
//! Whatever is learnt of the provider, by answer, query or webhook, goes through `Payment::observe`,
//! so that all of them converge on one result; what to do next follows from the state alone, in
//! `Payment::plan`.

use contracts::{
    Money,
    order::OrderId,
    payment::{PaymentAction, PaymentEvent, PaymentId},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod attempt;
mod call;
mod command;
pub mod ledger;
mod movements;
mod observe;
mod operation;
mod plan;
mod policy;
mod say;
mod state;
#[cfg(test)]
mod tests;

pub use attempt::payment_of;
pub use command::{Command, Refused, Reply};
pub use operation::{Operation, OperationId, OperationKind, OperationState};
pub use policy::{CaptureMethod, InquiryPolicy, Policy};
pub use state::{PaymentState, RefusedTransition, TRANSITIONS, Trigger};

use ledger::Posting;

const MICROSECOND: std::time::Duration = std::time::Duration::from_micros(1);

/// What the order wants of its payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderPhase {
    /// Waits for the authorization.
    Open,
    /// Wants the money taken.
    Confirmed,
    /// Wants nothing held and everything taken given back.
    Ended,
}

impl OrderPhase {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Confirmed => "confirmed",
            Self::Ended => "ended",
        }
    }

    /// The phase with this stored form.
    pub fn find(text: &str) -> Option<Self> {
        [Self::Open, Self::Confirmed, Self::Ended].into_iter().find(|phase| phase.as_str() == text)
    }
}

/// A payment intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Identifies it, also at the provider.
    pub id: PaymentId,
    /// For which order; one payment per order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
    /// How much was taken.
    pub captured_minor: i64,
    /// How much was given back.
    pub refunded_minor: i64,
    /// Where it stands.
    pub state: PaymentState,
    /// What the order wants.
    pub order_phase: OrderPhase,
    /// Who takes the money.
    pub capture_method: CaptureMethod,
    /// Which provider, of the newest attempt.
    pub provider: String,
    /// The provider's name for the authorization of the newest attempt.
    pub provider_ref: Option<String>,
    /// The rank of the newest news from the provider about it; 0 for none.
    pub provider_rank: u8,
    /// The provider's own count of that news; 0 if it does not count.
    pub provider_sequence: u64,
    /// What the buyer has to do, while the payment waits for that.
    pub action: Option<PaymentAction>,
    /// After this nobody waits for the authorization.
    pub pay_by: Timestamp,
    /// Counts changes, other than those of its operations alone.
    pub version: u64,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Everything that was asked of the provider, oldest first.
    pub operations: Vec<Operation>,
}

/// What an order wants paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    /// Its id.
    pub id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Money,
    /// Which provider.
    pub provider: String,
    /// The payment method there.
    pub method_token: String,
    /// After this nobody waits.
    pub pay_by: Timestamp,
}

/// Work for the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Job {
    /// Send an operation.
    Run {
        /// Of which payment.
        payment_id: PaymentId,
        /// Which.
        operation_id: OperationId,
    },
    /// Ask what became of an operation.
    Inquire {
        /// Of which payment.
        payment_id: PaymentId,
        /// Which.
        operation_id: OperationId,
        /// Which inquiry; older ones were superseded.
        inquiry: u32,
    },
    /// Ask the provider what it holds: it said something that is hard to believe.
    Look {
        /// Of which payment.
        payment_id: PaymentId,
    },
}

impl Job {
    /// Jobs of one key run one after another. Inquiries have keys of their own: a long wait for the fate
    /// of one operation does not hold up the others.
    pub fn key(&self) -> String {
        match self {
            Self::Run { payment_id, .. } => payment_id.to_string(),
            Self::Inquire { operation_id, .. } => operation_id.to_string(),
            Self::Look { payment_id } => format!("look-{payment_id}"),
        }
    }
}

/// A job and when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// What to do.
    pub job: Job,
    /// Not before.
    pub at: Timestamp,
}

/// Ids for one change, derived from one that was minted outside the store.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    base: u128,
    next: u128,
}

impl Ids {
    /// Derives from `base`.
    pub fn new(base: Uuid) -> Self {
        Self { base: base.as_u128(), next: 0 }
    }

    /// The next id. Ids of one base differ in the last 62 bits, the random part of a UUIDv7, so version,
    /// variant and time stay.
    pub fn mint<T: From<Uuid>>(&mut self) -> T {
        const RANDOM: u128 = (1 << 62) - 1;
        let id = (self.base & !RANDOM) | (self.base.wrapping_add(self.next) & RANDOM);
        self.next += 1;
        T::from(Uuid::from_u128(id))
    }
}

/// Everything a change needs from outside, and everything it causes outside.
#[derive(Debug, Clone)]
pub struct Change {
    /// The present.
    pub now: Timestamp,
    /// Where ids come from.
    pub ids: Ids,
    /// How payments are handled.
    pub policy: Policy,
    /// What to tell the other services.
    pub events: Vec<PaymentEvent>,
    /// What to do next.
    pub jobs: Vec<Due>,
    /// What money moved.
    pub postings: Vec<Posting>,
}

impl Change {
    /// A change that happens `now`.
    pub fn new(now: Timestamp, ids: Ids, policy: Policy) -> Self {
        Self { now, ids, policy, events: Vec::new(), jobs: Vec::new(), postings: Vec::new() }
    }

    fn after(&self, pause: std::time::Duration) -> Timestamp {
        self.now.checked_add(pause).unwrap_or(Timestamp::MAX)
    }
}

impl Payment {
    /// Opens the payment of an order. `provider_known` is false if no such provider is configured: then it
    /// is declined at once. A sum of nothing needs no provider.
    pub fn open(new: NewPayment, provider_known: bool, change: &mut Change) -> Self {
        let mut payment = Self {
            id: new.id,
            order_id: new.order_id,
            amount: new.amount,
            captured_minor: 0,
            refunded_minor: 0,
            state: PaymentState::RequiresConfirmation,
            order_phase: OrderPhase::Open,
            capture_method: change.policy.capture,
            provider: new.provider.clone(),
            provider_ref: None,
            provider_rank: 0,
            provider_sequence: 0,
            action: None,
            pay_by: new.pay_by,
            version: 1,
            created_at: change.now,
            updated_at: change.now,
            operations: Vec::new(),
        };
        if new.amount.amount_minor == 0 {
            payment.state = PaymentState::RequiresCapture;
            payment.say_authorized(change);
        } else if new.amount.amount_minor < 0 {
            payment.state = PaymentState::Declined;
            payment.say_declined("invalid_amount", change);
        } else if provider_known {
            payment.try_method(new.provider, new.method_token, change);
        } else {
            payment.state = PaymentState::Declined;
            payment.say_declined("unknown_provider", change);
        }
        payment
    }

    /// `amount_minor` in the currency of this payment.
    pub fn money(&self, amount_minor: i64) -> Money {
        Money::new(amount_minor, self.amount.currency)
    }

    /// Captures under way.
    pub fn capturing_minor(&self) -> i64 {
        self.in_flight(OperationKind::Capture)
    }

    /// Refunds under way.
    pub fn refunding_minor(&self) -> i64 {
        self.in_flight(OperationKind::Refund)
    }

    /// What may still be taken.
    pub fn capturable_minor(&self) -> i64 {
        self.amount.amount_minor - self.captured_minor - self.capturing_minor()
    }

    /// What may still be given back.
    pub fn refundable_minor(&self) -> i64 {
        self.captured_minor - self.refunded_minor - self.refunding_minor()
    }

    fn in_flight(&self, kind: OperationKind) -> i64 {
        self.operations
            .iter()
            .filter(|operation| operation.kind == kind && operation.in_flight())
            .map(|operation| operation.amount_minor)
            .sum()
    }

    fn apply(&mut self, trigger: Trigger) -> Result<(), RefusedTransition> {
        self.state = self.state.after(trigger)?;
        Ok(())
    }

    /// Records an operation about the authorization of the newest attempt, and the job that sends it.
    fn request(&mut self, kind: OperationKind, amount_minor: i64, change: &mut Change) {
        let operation = Operation::new(change.ids.mint(), kind, amount_minor, change.now);
        self.record(operation, change);
    }

    /// Records `operation`. What is not about an attempt of its own is about the newest one.
    fn record(&mut self, mut operation: Operation, change: &mut Change) {
        if operation.reference.is_empty() {
            operation.provider.clone_from(&self.provider);
            operation.reference = self.newest_attempt().map_or_else(String::new, |attempt| attempt.reference.clone());
        }
        // Operations are kept in the order of their creation, in the microseconds that are stored.
        if let Some(last) = self
            .operations
            .last()
            .filter(|last| last.created_at.as_microsecond() >= operation.created_at.as_microsecond())
        {
            operation.created_at = last.created_at.checked_add(MICROSECOND).unwrap_or(last.created_at);
        }
        if operation.state == OperationState::Requested {
            self.send(operation.id, change.now, change);
        }
        self.operations.push(operation);
    }

    fn send(&self, operation_id: OperationId, at: Timestamp, change: &mut Change) {
        change.jobs.push(Due { job: Job::Run { payment_id: self.id, operation_id }, at });
    }
}
