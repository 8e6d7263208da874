//! Use case: staff sends a message again.

use std::sync::Arc;

use chassis::{Env, StoreError, idempotency::Receipt};
use contracts::notification::MessageId;

use crate::{
    message::{Message, State, WrongState},
    store::NotificationStore,
};

/// Why a message was not put on the queue again.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// No such message.
    #[error("there is no such message")]
    NotFound,
    /// It is still on its way.
    #[error("the message is {}; it can be sent again once it is sent or dead", .0.as_str())]
    NotAtRest(State),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<WrongState> for ResendError {
    fn from(WrongState(state): WrongState) -> Self {
        Self::NotAtRest(state)
    }
}

/// Puts messages on the queue again.
pub struct ResendMessage {
    /// Clock and ids.
    pub env: Env,
    /// Where messages are kept.
    pub store: Arc<dyn NotificationStore>,
}

impl ResendMessage {
    /// Puts one message on the queue again; the answer is kept with `receipt` in the same commit.
    pub async fn run(&self, id: MessageId, receipt: Option<Receipt<Message>>) -> Result<Message, ResendError> {
        let stored = self.store.find(id).await?.ok_or(ResendError::NotFound)?;
        let now = self.env.now();
        let queued = stored.clone().resend(self.env.new_id(), now)?;
        let record = receipt.map(|receipt| receipt.record(&queued, now)).transpose()?;
        if self.store.requeue(&stored, &queued, record).await? {
            Ok(queued)
        } else {
            // Only another resend changes a message at rest, so it waits in the queue now.
            Err(ResendError::NotAtRest(State::Queued))
        }
    }
}
