//! One thing that is asked of the provider: an authorization attempt, a capture, a void or a refund.

use contracts::order::RefundId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

contracts::typed_id!(
    /// An operation at the provider. It is also the operation's idempotency key there.
    OperationId,
    "pop"
);

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Hold the money.
    Authorize,
    /// Take it.
    Capture,
    /// Let go of what was not taken.
    Void,
    /// Give some of it back.
    Refund,
}

impl OperationKind {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }

    /// The kind with this stored form.
    pub fn find(text: &str) -> Option<Self> {
        [Self::Authorize, Self::Capture, Self::Void, Self::Refund].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How far it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// A refund that waits until enough was taken.
    Waiting,
    /// Recorded; not sent, or certainly not received.
    Requested,
    /// Sent, or about to be: from here on only the provider knows.
    Sent,
    /// Sent and not answered.
    Unknown,
    /// Done.
    Succeeded,
    /// Not done, and never will be.
    Failed,
}

impl OperationState {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Requested => "requested",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// The state with this stored form.
    pub fn find(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Requested, Self::Sent, Self::Unknown, Self::Succeeded, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// An operation of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Identifies it, here and at the provider.
    pub id: OperationId,
    /// What is asked.
    pub kind: OperationKind,
    /// Of which provider.
    pub provider: String,
    /// Our name, there, of the authorization that this makes or is about. Every attempt has its own.
    pub reference: String,
    /// The buyer's payment method; forgotten once it is known how the attempt ended.
    pub method_token: Option<String>,
    /// How much; for a void, what is let go.
    pub amount_minor: i64,
    /// How far it got.
    pub state: OperationState,
    /// The order's name for a refund; `None` if the refund was made because the order ended.
    pub refund_id: Option<RefundId>,
    /// Why, for the provider.
    pub reason: Option<String>,
    /// Why the provider refused.
    pub error_code: Option<String>,
    /// The provider's own name for it: of an attempt, for the authorization.
    pub provider_ref: Option<String>,
    /// How often it was sent.
    pub sends: u32,
    /// How often somebody was told to ask what became of it; only the latest of them does.
    pub inquiries: u32,
    /// When it was last sent.
    pub sent_at: Option<Timestamp>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Why an operation was given up that the provider did not refuse.
pub(super) mod given_up {
    pub(in crate::payment) const ORDER_ENDED: &str = "order_ended";
    pub(in crate::payment) const VOIDED: &str = "voided";
    /// Somebody else moved the money, at the provider itself.
    pub(in crate::payment) const OVERTAKEN: &str = "overtaken";
    /// The transfer was taken back.
    pub(in crate::payment) const REVERSED: &str = "reversed";
}

impl Operation {
    /// An operation that nobody has sent yet.
    pub(super) fn new(id: OperationId, kind: OperationKind, amount_minor: i64, now: Timestamp) -> Self {
        Self {
            id,
            kind,
            provider: String::new(),
            reference: String::new(),
            method_token: None,
            amount_minor,
            state: OperationState::Requested,
            refund_id: None,
            reason: None,
            error_code: None,
            provider_ref: None,
            sends: 0,
            inquiries: 0,
            sent_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// True until it is known how it ended. A refund that waits has not begun.
    pub fn in_flight(&self) -> bool {
        match self.state {
            OperationState::Requested | OperationState::Sent | OperationState::Unknown => true,
            OperationState::Waiting | OperationState::Succeeded | OperationState::Failed => false,
        }
    }

    /// True if the provider did not do it, though nothing else stood in the way.
    pub(super) fn was_refused(&self) -> bool {
        use given_up::{ORDER_ENDED, OVERTAKEN, REVERSED, VOIDED};
        self.state == OperationState::Failed
            && !matches!(self.error_code.as_deref(), Some(ORDER_ENDED | OVERTAKEN | REVERSED | VOIDED))
    }

    pub(super) fn succeed(&mut self, now: Timestamp) {
        self.state = OperationState::Succeeded;
        self.error_code = None;
        self.method_token = None;
        self.updated_at = now;
    }

    pub(super) fn fail(&mut self, code: &str, now: Timestamp) {
        self.state = OperationState::Failed;
        self.error_code = Some(code.to_owned());
        self.method_token = None;
        self.updated_at = now;
    }
}
