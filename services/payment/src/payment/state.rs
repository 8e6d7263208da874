//! The states of a payment intent and every transition between them, in one table.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Recorded; nothing was sent to the provider, or nothing of what was sent arrived.
    RequiresConfirmation,
    /// The provider was asked.
    Processing,
    /// The provider was asked and nobody knows what it did. Only a query or a webhook leads out.
    Unknown,
    /// The provider holds the money.
    RequiresCapture,
    /// Some of it was taken.
    PartiallyCaptured,
    /// All of it was taken.
    Succeeded,
    /// Some of it was taken and the rest let go.
    Closed,
    /// Nothing was taken and nothing is held.
    Canceled,
    /// The provider said no.
    Declined,
    /// The provider speaks of another sum or another authorization: a person has to look.
    Conflicted,
}

/// What moves a payment from state to state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// The authorization is about to be sent.
    Send,
    /// It could not be sent, or the provider never got it.
    NotSent,
    /// It was sent and no answer came.
    LoseTrack,
    /// The provider holds the money.
    Authorize,
    /// The provider took some of it.
    CapturePart,
    /// The provider took all of it.
    CaptureAll,
    /// The provider let go of what was not taken.
    Void,
    /// The provider said no.
    Decline,
    /// Nobody waits for this payment any more and the provider holds nothing.
    Abandon,
    /// The provider contradicts our record.
    Conflict,
}

use PaymentState as S;
use Trigger as T;

/// Every allowed transition. What is not here is refused.
pub const TRANSITIONS: &[(PaymentState, Trigger, PaymentState)] = &[
    (S::RequiresConfirmation, T::Send, S::Processing),
    (S::RequiresConfirmation, T::Abandon, S::Canceled),
    (S::RequiresConfirmation, T::Authorize, S::RequiresCapture),
    (S::RequiresConfirmation, T::Decline, S::Declined),
    (S::RequiresConfirmation, T::Void, S::Canceled),
    (S::Processing, T::NotSent, S::RequiresConfirmation),
    (S::Processing, T::LoseTrack, S::Unknown),
    (S::Processing, T::Authorize, S::RequiresCapture),
    (S::Processing, T::Decline, S::Declined),
    (S::Processing, T::Void, S::Canceled),
    (S::Processing, T::Abandon, S::Canceled),
    (S::Unknown, T::NotSent, S::RequiresConfirmation),
    (S::Unknown, T::Authorize, S::RequiresCapture),
    (S::Unknown, T::Decline, S::Declined),
    (S::Unknown, T::Void, S::Canceled),
    (S::Unknown, T::Abandon, S::Canceled),
    (S::RequiresCapture, T::CapturePart, S::PartiallyCaptured),
    (S::RequiresCapture, T::CaptureAll, S::Succeeded),
    (S::RequiresCapture, T::Void, S::Canceled),
    (S::PartiallyCaptured, T::CapturePart, S::PartiallyCaptured),
    (S::PartiallyCaptured, T::CaptureAll, S::Succeeded),
    (S::PartiallyCaptured, T::Void, S::Closed),
    // An authorization that turns up after it was given up or declined: its order has ended, so it is voided.
    (S::Canceled, T::Authorize, S::RequiresCapture),
    (S::Declined, T::Authorize, S::RequiresCapture),
    (S::RequiresConfirmation, T::Conflict, S::Conflicted),
    (S::Processing, T::Conflict, S::Conflicted),
    (S::Unknown, T::Conflict, S::Conflicted),
    (S::RequiresCapture, T::Conflict, S::Conflicted),
    (S::PartiallyCaptured, T::Conflict, S::Conflicted),
    (S::Succeeded, T::Conflict, S::Conflicted),
    (S::Closed, T::Conflict, S::Conflicted),
    (S::Canceled, T::Conflict, S::Conflicted),
    (S::Declined, T::Conflict, S::Conflicted),
];

/// A transition that is not in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payment that is {from:?} does not take {trigger:?}")]
pub struct RefusedTransition {
    /// Where the payment stands.
    pub from: PaymentState,
    /// What was tried.
    pub trigger: Trigger,
}

impl PaymentState {
    /// All states.
    pub const ALL: [Self; 10] = [
        S::RequiresConfirmation,
        S::Processing,
        S::Unknown,
        S::RequiresCapture,
        S::PartiallyCaptured,
        S::Succeeded,
        S::Closed,
        S::Canceled,
        S::Declined,
        S::Conflicted,
    ];

    /// The state after `trigger`.
    pub fn after(self, trigger: Trigger) -> Result<Self, RefusedTransition> {
        TRANSITIONS
            .iter()
            .find(|(from, on, _)| (*from, *on) == (self, trigger))
            .map(|(_, _, to)| *to)
            .ok_or(RefusedTransition { from: self, trigger })
    }

    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            S::RequiresConfirmation => "requires_confirmation",
            S::Processing => "processing",
            S::Unknown => "unknown",
            S::RequiresCapture => "requires_capture",
            S::PartiallyCaptured => "partially_captured",
            S::Succeeded => "succeeded",
            S::Closed => "closed",
            S::Canceled => "canceled",
            S::Declined => "declined",
            S::Conflicted => "conflicted",
        }
    }

    /// The state with this stored form.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::{PaymentState, TRANSITIONS, Trigger};

    #[test]
    fn the_table_is_a_function_and_stored_forms_are_distinct() {
        for (index, (from, on, _)) in TRANSITIONS.iter().enumerate() {
            let again = TRANSITIONS[index + 1..].iter().any(|(other, trigger, _)| (other, trigger) == (from, on));
            assert!(!again, "{from:?} on {on:?} is listed twice");
        }
        for state in PaymentState::ALL {
            assert_eq!(PaymentState::find(state.as_str()), Some(state));
        }
    }

    #[test]
    fn the_unknown_is_left_by_knowledge_only() {
        for trigger in [Trigger::Send, Trigger::LoseTrack, Trigger::CapturePart, Trigger::CaptureAll] {
            assert!(PaymentState::Unknown.after(trigger).is_err(), "{trigger:?}");
        }
    }

    #[test]
    fn taken_money_is_never_forgotten() {
        for state in [PaymentState::Succeeded, PaymentState::Closed, PaymentState::PartiallyCaptured] {
            for trigger in [Trigger::Send, Trigger::Decline, Trigger::Abandon, Trigger::Authorize] {
                assert!(state.after(trigger).is_err(), "{state:?} on {trigger:?}");
            }
        }
    }
}
