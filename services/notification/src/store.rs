//! The port to the service's store: whole operations, each atomic.

use async_trait::async_trait;
use chassis::{StoreError, idempotency};
use contracts::{Envelope, notification::MessageId};
use jiff::Timestamp;

use crate::message::{Content, Message, State};

#[cfg(test)]
mod contract;
pub mod sqlite;

/// The queue that carries deliveries, one after another within a recipient.
pub const SEND_QUEUE: &str = "notification.send";

/// What a delivery job says.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct SendJob {
    /// Which message.
    pub message_id: MessageId,
}

/// Which messages a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<State>,
    /// Only to this address.
    pub recipient: Option<String>,
}

/// A mail in the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its place: higher is newer.
    pub seq: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// The message it carries.
    pub message: Message,
}

/// What does not fit together, found by [`NotificationStore::facts`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Messages that share event, recipient and channel with another.
    pub duplicates: Vec<MessageId>,
    /// Messages without text.
    pub without_content: Vec<MessageId>,
    /// Messages that still have to go.
    pub open: Vec<Message>,
    /// Messages marked sent without a moment of sending, or dead without a reason.
    pub ill_recorded: Vec<MessageId>,
}

/// Keeps messages.
#[async_trait]
pub trait NotificationStore: Send + Sync {
    /// Keeps a message and its delivery job, and notes the event as handled, all or nothing. `false` if
    /// the event was handled before or the message exists: nothing changes.
    async fn create(&self, envelope: &Envelope, message: Message, content: Content) -> Result<bool, StoreError>;

    /// Saves the step from `before` to `after`. `false` if the stored message is no longer `before`.
    async fn advance(&self, before: &Message, after: &Message) -> Result<bool, StoreError>;

    /// The same for the beginning of an attempt. A power cut may undo it, as long as nothing came after it:
    /// then the attempt is made again, under the same `Message-ID`.
    async fn begin(&self, before: &Message, after: &Message) -> Result<bool, StoreError>;

    /// Like [`NotificationStore::advance`], with a new delivery job and the answer kept under its key.
    async fn requeue(
        &self,
        before: &Message,
        after: &Message,
        receipt: Option<idempotency::Record>,
    ) -> Result<bool, StoreError>;

    /// A message.
    async fn find(&self, id: MessageId) -> Result<Option<Message>, StoreError>;

    /// What a message says.
    async fn content(&self, id: MessageId) -> Result<Option<Content>, StoreError>;

    /// Messages, newest first, older than `before` if given.
    async fn list(&self, filter: Filter, before: Option<MessageId>, limit: u32) -> Result<Vec<Message>, StoreError>;

    /// Puts a message in the mailbox, once per `mail_id`, and drops all but the newest `keep`.
    async fn put_in_mailbox(&self, id: MessageId, mail_id: String, at: Timestamp, keep: u32) -> Result<(), StoreError>;

    /// The mailbox, newest first, older than `before` if given.
    async fn mailbox(&self, before: Option<u64>, limit: u32) -> Result<Vec<Delivered>, StoreError>;

    /// A mail of the mailbox with what it says.
    async fn mailbox_entry(&self, seq: u64) -> Result<Option<(Delivered, Content)>, StoreError>;

    /// Forgets up to `limit` messages that came to rest before `at`; answers how many.
    async fn forget(&self, at: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// What [`crate::verify`] judges.
    async fn facts(&self) -> Result<Facts, StoreError>;
}
