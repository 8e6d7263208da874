//! The states of a payment intent and every transition between them, in one table.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// The last payment method did not work; another one may.
    RequiresMethod,
    /// Recorded; nothing was sent to the provider, or nothing of what was sent arrived.
    RequiresConfirmation,
    /// The buyer has to prove who pays, at the provider's page.
    RequiresAction,
    /// The provider was asked.
    Processing,
    /// The provider was asked and nobody knows what it did. Only a query or a webhook leads out.
    Unknown,
    /// The buyer has to transfer the money to an account.
    AwaitingDeposit,
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
    /// The buyer did not act in time. Nothing was taken.
    Expired,
    /// The provider said no, for good.
    Declined,
    /// The provider speaks of another sum or another authorization: a person has to look.
    Conflicted,
}

/// What moves a payment from state to state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// The buyer gave another payment method.
    GiveMethod,
    /// The authorization is about to be sent.
    Send,
    /// It could not be sent, or the provider never got it.
    NotSent,
    /// It was sent and no answer came.
    LoseTrack,
    /// The buyer has to prove who pays.
    RequireAction,
    /// The buyer has to transfer the money.
    RequireDeposit,
    /// The provider holds the money.
    Authorize,
    /// The provider took some of it.
    CapturePart,
    /// The provider took all of it.
    CaptureAll,
    /// A transfer that was reported is taken back.
    Reverse,
    /// The provider let go of what was not taken.
    Void,
    /// The provider said no to this method; another one may be tried.
    RequireMethod,
    /// The provider said no.
    Decline,
    /// Nobody waits for this payment any more and the provider holds nothing.
    Abandon,
    /// Nobody acted in time and the provider holds nothing.
    Expire,
    /// The provider contradicts our record.
    Conflict,
}

use PaymentState as S;
use Trigger as T;

/// Every allowed transition. What is not here is refused.
pub const TRANSITIONS: &[(PaymentState, Trigger, PaymentState)] = &[
    (S::RequiresMethod, T::GiveMethod, S::RequiresConfirmation),
    (S::RequiresMethod, T::Abandon, S::Canceled),
    (S::RequiresMethod, T::Expire, S::Expired),
    (S::RequiresConfirmation, T::Send, S::Processing),
    (S::RequiresConfirmation, T::RequireAction, S::RequiresAction),
    (S::RequiresConfirmation, T::RequireDeposit, S::AwaitingDeposit),
    (S::RequiresConfirmation, T::Authorize, S::RequiresCapture),
    (S::RequiresConfirmation, T::RequireMethod, S::RequiresMethod),
    (S::RequiresConfirmation, T::Decline, S::Declined),
    (S::RequiresConfirmation, T::Void, S::Canceled),
    // The provider had not heard of it when it was asked, while it was on its way.
    (S::RequiresConfirmation, T::LoseTrack, S::Unknown),
    (S::RequiresConfirmation, T::Abandon, S::Canceled),
    (S::RequiresConfirmation, T::Expire, S::Expired),
    (S::RequiresAction, T::RequireDeposit, S::AwaitingDeposit),
    (S::RequiresAction, T::Authorize, S::RequiresCapture),
    (S::RequiresAction, T::RequireMethod, S::RequiresMethod),
    (S::RequiresAction, T::Decline, S::Declined),
    (S::RequiresAction, T::Abandon, S::Canceled),
    (S::RequiresAction, T::Expire, S::Expired),
    (S::Processing, T::NotSent, S::RequiresConfirmation),
    (S::Processing, T::LoseTrack, S::Unknown),
    (S::Processing, T::RequireAction, S::RequiresAction),
    (S::Processing, T::RequireDeposit, S::AwaitingDeposit),
    (S::Processing, T::Authorize, S::RequiresCapture),
    (S::Processing, T::RequireMethod, S::RequiresMethod),
    (S::Processing, T::Decline, S::Declined),
    (S::Processing, T::Void, S::Canceled),
    (S::Processing, T::Abandon, S::Canceled),
    (S::Unknown, T::NotSent, S::RequiresConfirmation),
    (S::Unknown, T::RequireAction, S::RequiresAction),
    (S::Unknown, T::RequireDeposit, S::AwaitingDeposit),
    (S::Unknown, T::Authorize, S::RequiresCapture),
    (S::Unknown, T::RequireMethod, S::RequiresMethod),
    (S::Unknown, T::Decline, S::Declined),
    (S::Unknown, T::Void, S::Canceled),
    (S::Unknown, T::Abandon, S::Canceled),
    (S::AwaitingDeposit, T::Authorize, S::RequiresCapture),
    (S::AwaitingDeposit, T::RequireMethod, S::RequiresMethod),
    (S::AwaitingDeposit, T::Decline, S::Declined),
    (S::AwaitingDeposit, T::Abandon, S::Canceled),
    (S::AwaitingDeposit, T::Expire, S::Expired),
    (S::RequiresCapture, T::CapturePart, S::PartiallyCaptured),
    (S::RequiresCapture, T::CaptureAll, S::Succeeded),
    (S::RequiresCapture, T::Void, S::Canceled),
    (S::PartiallyCaptured, T::CapturePart, S::PartiallyCaptured),
    (S::PartiallyCaptured, T::CaptureAll, S::Succeeded),
    (S::PartiallyCaptured, T::Void, S::Closed),
    // A bank may take a transfer back that it reported.
    (S::Succeeded, T::Reverse, S::AwaitingDeposit),
    // An authorization that turns up after it was given up or declined: if its order has ended, it is voided.
    (S::RequiresMethod, T::Authorize, S::RequiresCapture),
    (S::Canceled, T::Authorize, S::RequiresCapture),
    (S::Expired, T::Authorize, S::RequiresCapture),
    (S::Declined, T::Authorize, S::RequiresCapture),
    (S::RequiresMethod, T::Conflict, S::Conflicted),
    (S::RequiresConfirmation, T::Conflict, S::Conflicted),
    (S::RequiresAction, T::Conflict, S::Conflicted),
    (S::Processing, T::Conflict, S::Conflicted),
    (S::Unknown, T::Conflict, S::Conflicted),
    (S::AwaitingDeposit, T::Conflict, S::Conflicted),
    (S::RequiresCapture, T::Conflict, S::Conflicted),
    (S::PartiallyCaptured, T::Conflict, S::Conflicted),
    (S::Succeeded, T::Conflict, S::Conflicted),
    (S::Closed, T::Conflict, S::Conflicted),
    (S::Canceled, T::Conflict, S::Conflicted),
    (S::Expired, T::Conflict, S::Conflicted),
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
    pub const ALL: [Self; 14] = [
        S::RequiresMethod,
        S::RequiresConfirmation,
        S::RequiresAction,
        S::Processing,
        S::Unknown,
        S::AwaitingDeposit,
        S::RequiresCapture,
        S::PartiallyCaptured,
        S::Succeeded,
        S::Closed,
        S::Canceled,
        S::Expired,
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
            S::RequiresMethod => "requires_method",
            S::RequiresConfirmation => "requires_confirmation",
            S::RequiresAction => "requires_action",
            S::Processing => "processing",
            S::Unknown => "unknown",
            S::AwaitingDeposit => "awaiting_deposit",
            S::RequiresCapture => "requires_capture",
            S::PartiallyCaptured => "partially_captured",
            S::Succeeded => "succeeded",
            S::Closed => "closed",
            S::Canceled => "canceled",
            S::Expired => "expired",
            S::Declined => "declined",
            S::Conflicted => "conflicted",
        }
    }

    /// True while the provider was asked to hold the money and has not decided: it may still hold it.
    pub fn is_undecided(self) -> bool {
        match self {
            S::RequiresConfirmation | S::RequiresAction | S::Processing | S::Unknown | S::AwaitingDeposit => true,
            S::RequiresMethod
            | S::RequiresCapture
            | S::PartiallyCaptured
            | S::Succeeded
            | S::Closed
            | S::Canceled
            | S::Expired
            | S::Declined
            | S::Conflicted => false,
        }
    }

    /// True while more than is captured now may be captured some day.
    pub fn may_capture_more(self) -> bool {
        self.is_undecided() || matches!(self, S::RequiresMethod | S::RequiresCapture | S::PartiallyCaptured)
    }

    /// The state with this stored form.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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

    /// Every state times every trigger, written out once more by hand: one letter per state that is reached,
    /// in the order of the columns; `.` is refused.
    #[test]
    fn every_state_takes_exactly_these_triggers() {
        use Trigger::*;
        let columns = [
            GiveMethod,
            Send,
            NotSent,
            LoseTrack,
            RequireAction,
            RequireDeposit,
            Authorize,
            CapturePart,
            CaptureAll,
            Reverse,
            Void,
            RequireMethod,
            Decline,
            Abandon,
            Expire,
            Conflict,
        ];
        // m method, f confirmation, a action, p processing, u unknown, d deposit, h held, t taken in part,
        // s succeeded, l closed, c canceled, e expired, n declined, x conflicted
        let letters = "mfapudhtslcenx";
        let rows = [
            "f.....h......cex",
            ".p.uadh...cmncex",
            ".....dh....mncex",
            "..fuadh...cmnc.x",
            "..f.adh...cmnc.x",
            "......h....mncex",
            ".......ts.c....x",
            ".......ts.l....x",
            ".........d.....x",
            "...............x",
            "......h........x",
            "......h........x",
            "......h........x",
            "................",
        ];
        for (state, row) in PaymentState::ALL.into_iter().zip(rows) {
            for (trigger, cell) in columns.into_iter().zip(row.chars()) {
                let expected = letters.find(cell).map(|index| PaymentState::ALL[index]);
                assert_eq!(state.after(trigger).ok(), expected, "{state:?} on {trigger:?}");
            }
        }
        let triggers: BTreeSet<Trigger> = TRANSITIONS.iter().map(|(_, trigger, _)| *trigger).collect();
        assert_eq!(triggers, BTreeSet::from(columns), "a trigger that nothing takes, or that this test does not know");
    }

    #[test]
    fn the_unknown_is_left_by_knowledge_only() {
        for trigger in [Trigger::Send, Trigger::LoseTrack, Trigger::CapturePart, Trigger::CaptureAll, Trigger::Expire] {
            assert!(PaymentState::Unknown.after(trigger).is_err(), "{trigger:?}");
        }
    }

    #[test]
    fn taken_money_is_never_forgotten() {
        for state in [PaymentState::Succeeded, PaymentState::Closed, PaymentState::PartiallyCaptured] {
            for trigger in [
                Trigger::Send,
                Trigger::Decline,
                Trigger::RequireMethod,
                Trigger::Abandon,
                Trigger::Expire,
                Trigger::Authorize,
            ] {
                assert!(state.after(trigger).is_err(), "{state:?} on {trigger:?}");
            }
        }
    }
}
