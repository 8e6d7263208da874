//! The saga of an order: which step it stands at, and what the clock makes of it. All of it follows from the facts,
//! so it is what the stream says after any crash; the store keeps it beside the order only to find what is due.

use std::time::Duration;

use contracts::order::OrderStatus;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Order, PAYMENT_TIMED_OUT,
    fact::{Because, CaptureReminded, Fact, Nothing},
    status,
};

/// Reminders that are sent before an uncaptured order is left to people.
pub(crate) const REMINDERS_MAX: u32 = 6;

/// What an order waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SagaStep {
    /// The money is to be held; if it is not in time, the order lapses.
    Authorize,
    /// The money is to be taken; if it is late, payment is told again.
    Capture,
    /// The goods may still come back; afterwards the order is closed.
    Close,
}

/// Where the saga of an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Saga {
    pub(crate) step: SagaStep,
    /// How often the step was taken again.
    pub(crate) attempts: u32,
    /// When the clock moves it on; `None` once it is left to people.
    pub(crate) due_at: Option<Timestamp>,
}

impl SagaStep {
    /// The wire form.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Close => "close",
        }
    }
}

impl Saga {
    /// The saga of `order`; `None` if nothing is left of it that the clock could bring about.
    pub(crate) fn of(order: &Order) -> Option<Self> {
        if let Some(deadline) = order.deadline() {
            return Some(Self { step: SagaStep::Authorize, attempts: 0, due_at: Some(deadline) });
        }
        if let Some(since) = order.waits_for_capture_since() {
            let attempts = order.reminded.map_or(0, |(attempt, _)| attempt);
            let pause =
                Duration::from_secs(u64::from(order.terms.capture_within_seconds) << attempts.min(REMINDERS_MAX));
            let due_at = (attempts < REMINDERS_MAX).then(|| since.checked_add(pause).unwrap_or(Timestamp::MAX));
            return Some(Self { step: SagaStep::Capture, attempts, due_at });
        }
        let due_at = order.return_window_ends()?;
        Some(Self { step: SagaStep::Close, attempts: 0, due_at: Some(due_at) })
    }
}

impl Order {
    /// Decides what follows from the time being `now`.
    pub(crate) fn take_due_step(&self, now: Timestamp) -> Vec<Fact> {
        let Some(Saga { step, attempts, due_at: Some(due_at) }) = Saga::of(self) else { return Vec::new() };
        if now < due_at {
            return Vec::new();
        }
        vec![match step {
            SagaStep::Authorize => Fact::Expired(Because { reason: PAYMENT_TIMED_OUT.to_owned() }),
            SagaStep::Capture => Fact::CaptureReminded(CaptureReminded { attempt: attempts + 1 }),
            SagaStep::Close => Fact::Closed(Nothing {}),
        }]
    }

    /// Since when the money is wanted that is held and not taken yet. What the provider refused to hand over, and a
    /// deposit that was taken back, come by no reminder.
    fn waits_for_capture_since(&self) -> Option<Timestamp> {
        let certain = matches!(self.status, OrderStatus::Confirmed | OrderStatus::Processing | OrderStatus::Completed);
        let coming = self.payment.is_held() && !self.payment.voided && self.payment.capture_failed.is_none();
        if !certain || !coming || self.is_captured() || status::is_undone(self.status) {
            return None;
        }
        self.reminded.map(|(_, at)| at).or(self.confirmed_at)
    }
}
