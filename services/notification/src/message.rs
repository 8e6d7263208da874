//! A message to one recipient: what it says, how far it got, and which steps are allowed.

use contracts::{Locale, event::EventId, notification::MessageId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a message is about; picks the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Stock and payment are certain.
    OrderConfirmed,
    /// The payment was declined.
    OrderRejected,
    /// Nobody paid in time.
    OrderExpired,
    /// Called off by customer or shop.
    OrderCancelled,
    /// Money went back.
    OrderRefunded,
    /// The buyer has to act before the money can be held.
    OrderAwaitingPayment,
    /// A parcel has left.
    OrderShipped,
    /// Some units were called off.
    OrderLinesCancelled,
    /// The buyer wants to send goods back.
    ReturnRequested,
    /// The shop takes them back.
    ReturnApproved,
    /// The shop does not take them back.
    ReturnRejected,
    /// They arrived.
    ReturnReceived,
    /// Somebody registered.
    AccountCreated,
    /// Sessions were ended for safety.
    SessionsRevoked,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::OrderConfirmed,
        Self::OrderRejected,
        Self::OrderExpired,
        Self::OrderCancelled,
        Self::OrderRefunded,
        Self::OrderAwaitingPayment,
        Self::OrderShipped,
        Self::OrderLinesCancelled,
        Self::ReturnRequested,
        Self::ReturnApproved,
        Self::ReturnRejected,
        Self::ReturnReceived,
        Self::AccountCreated,
        Self::SessionsRevoked,
    ];

    /// The wire form, and the name of its template files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderConfirmed => "order_confirmed",
            Self::OrderRejected => "order_rejected",
            Self::OrderExpired => "order_expired",
            Self::OrderCancelled => "order_cancelled",
            Self::OrderRefunded => "order_refunded",
            Self::OrderAwaitingPayment => "order_awaiting_payment",
            Self::OrderShipped => "order_shipped",
            Self::OrderLinesCancelled => "order_lines_cancelled",
            Self::ReturnRequested => "return_requested",
            Self::ReturnApproved => "return_approved",
            Self::ReturnRejected => "return_rejected",
            Self::ReturnReceived => "return_received",
            Self::AccountCreated => "account_created",
            Self::SessionsRevoked => "sessions_revoked",
        }
    }

    /// The kind with this wire form.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Electronic mail.
    Email,
}

impl Channel {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
        }
    }

    /// The channel with this wire form.
    pub fn find(text: &str) -> Option<Self> {
        (text == "email").then_some(Self::Email)
    }
}

/// How far a message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Written; its delivery waits in the queue.
    Queued,
    /// Handed to the transport; the outcome is not recorded yet.
    Sending,
    /// The transport took it.
    Sent,
    /// The last attempt failed; the queue will try again.
    Failed,
    /// Given up. Staff may send it again.
    Dead,
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Sending, Self::Sent, Self::Failed, Self::Dead];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }

    /// The state with this wire form.
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// True if nothing more happens by itself.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Sent | Self::Dead)
    }
}

/// What the recipient reads. Never changes after it was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// One line.
    pub subject: String,
    /// For readers without HTML.
    pub text: String,
    /// The same in HTML.
    pub html: String,
}

/// A message without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The event it tells of. No two messages share event, recipient and channel.
    pub event_id: EventId,
    /// What it is about.
    pub kind: Kind,
    /// How it travels.
    pub channel: Channel,
    /// The address.
    pub recipient: String,
    /// In which language.
    pub locale: Locale,
    /// The order or account: `ord_…`, `acc_…`.
    pub about: String,
    /// The subject line.
    pub subject: String,
    /// How far it got.
    pub state: State,
    /// Times it was put on the queue: 1, and one more for every resend.
    pub sends: u32,
    /// Attempts of the present send.
    pub attempts: u32,
    /// The queue's job of the present send; jobs of earlier sends are ignored.
    pub job_id: EventId,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When the transport first took it.
    pub sent_at: Option<Timestamp>,
}

/// A step that the present state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is {}", .0.as_str())]
pub struct WrongState(pub State);

/// Characters of an error kept with a message.
const ERROR_CHARS_MAX: usize = 500;

impl Message {
    /// Begins an attempt for `job`. `None` if there is nothing to do: it was sent, or another job has it.
    pub fn begin(mut self, job: EventId, attempt: u32, now: Timestamp) -> Option<Self> {
        if self.job_id != job || self.state == State::Sent {
            return None;
        }
        self.state = State::Sending;
        self.attempts = attempt;
        self.updated_at = now;
        Some(self)
    }

    /// The transport took it.
    pub fn sent(mut self, now: Timestamp) -> Self {
        self.state = State::Sent;
        self.last_error = None;
        self.sent_at = self.sent_at.or(Some(now));
        self.updated_at = now;
        self
    }

    /// The attempt failed; `given_up` if no other follows.
    pub fn failed(mut self, reason: &str, given_up: bool, now: Timestamp) -> Self {
        self.state = if given_up { State::Dead } else { State::Failed };
        self.last_error = Some(reason.chars().take(ERROR_CHARS_MAX).collect());
        self.updated_at = now;
        self
    }

    /// Puts it on the queue again, under a new job.
    pub fn resend(mut self, job: EventId, now: Timestamp) -> Result<Self, WrongState> {
        if !self.state.is_terminal() {
            return Err(WrongState(self.state));
        }
        self.state = State::Queued;
        self.sends = self.sends.saturating_add(1);
        self.attempts = 0;
        self.job_id = job;
        self.last_error = None;
        self.updated_at = now;
        Ok(self)
    }

    /// The local part of the `Message-ID` header: the same for every attempt of one send, so that a
    /// receiver drops the copy that a crash between acceptance and record may cause.
    pub fn mail_id(&self) -> String {
        format!("{}.{}", self.id, self.sends)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A queued message for tests.
    pub(crate) fn queued(number: u128) -> Message {
        let event = EventId::from(uuid::Uuid::from_u128(number));
        Message {
            id: MessageId::from(uuid::Uuid::from_u128(number)),
            event_id: event,
            kind: Kind::AccountCreated,
            channel: Channel::Email,
            recipient: format!("person{number}@example.com"),
            locale: Locale::En,
            about: "acc_00000000000000000000000000000001".to_owned(),
            subject: "Welcome".to_owned(),
            state: State::Queued,
            sends: 1,
            attempts: 0,
            job_id: event,
            last_error: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            sent_at: None,
        }
    }

    #[test]
    fn goes_from_queued_over_failed_to_sent_and_ignores_jobs_that_are_not_its_own() {
        let now = Timestamp::UNIX_EPOCH;
        let message = queued(1);
        let job = message.job_id;
        let foreign = EventId::from(uuid::Uuid::from_u128(99));
        assert_eq!(message.clone().begin(foreign, 1, now), None);
        let sending = message.begin(job, 1, now).unwrap();
        let failed = sending.failed(&"x".repeat(2000), false, now);
        assert_eq!((failed.state, failed.last_error.as_ref().unwrap().len()), (State::Failed, 500));
        let sent = failed.begin(job, 2, now).unwrap().sent(now);
        assert_eq!((sent.state, sent.attempts, sent.last_error.clone()), (State::Sent, 2, None));
        assert_eq!(sent.clone().begin(job, 3, now), None, "a job given again after success does nothing");
    }

    #[test]
    fn is_sent_again_only_when_it_came_to_rest_and_under_a_new_message_id() {
        let now = Timestamp::UNIX_EPOCH;
        let job = EventId::from(uuid::Uuid::from_u128(2));
        let message = queued(1);
        assert_eq!(message.clone().resend(job, now), Err(WrongState(State::Queued)));
        let dead = message.clone().failed("550", true, now);
        let again = dead.resend(job, now).unwrap();
        assert_eq!((again.state, again.sends, again.job_id), (State::Queued, 2, job));
        assert_ne!(again.mail_id(), message.mail_id());
    }

    #[test]
    fn wire_forms_round_trip() {
        for kind in Kind::ALL {
            assert_eq!(Kind::find(kind.as_str()), Some(kind));
        }
        for state in State::ALL {
            assert_eq!(State::find(state.as_str()), Some(state));
        }
    }
}
