//! Use case: an event becomes a rendered message and a delivery job, in one commit.

use std::sync::Arc;

use chassis::{Env, StoreError, bus::ConsumeError};
use contracts::{Envelope, Locale};

use crate::{
    message::{Channel, Kind, Message, State},
    store::NotificationStore,
    template::{Facts, RenderError, Templates},
};

/// What is to be written, and to whom.
#[derive(Debug, Clone)]
pub struct Letter<'a> {
    /// What it is about.
    pub kind: Kind,
    /// The address.
    pub recipient: &'a str,
    /// In which language.
    pub locale: Locale,
    /// The order or account.
    pub about: String,
    /// What it tells.
    pub facts: Facts<'a>,
}

/// Why a message was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The template failed; trying again does not help.
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl From<WriteError> for ConsumeError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Store(error) => error.into(),
            WriteError::Render(error) => Self::Poison(error.to_string()),
        }
    }
}

/// Writes messages.
pub struct WriteMessage {
    /// Clock and ids.
    pub env: Env,
    /// Where messages are kept.
    pub store: Arc<dyn NotificationStore>,
    /// What they look like.
    pub templates: Arc<Templates>,
}

impl WriteMessage {
    /// Writes one message; `false` if this event was told before.
    pub async fn run(&self, envelope: &Envelope, letter: Letter<'_>) -> Result<bool, WriteError> {
        let content = self.templates.mail(letter.kind, letter.locale, &letter.facts)?;
        let now = self.env.now();
        let message = Message {
            id: self.env.new_id(),
            event_id: envelope.id,
            kind: letter.kind,
            channel: Channel::Email,
            recipient: letter.recipient.to_owned(),
            locale: letter.locale,
            about: letter.about,
            subject: content.subject.clone(),
            state: State::Queued,
            sends: 1,
            attempts: 0,
            job_id: self.env.new_id(),
            last_error: None,
            created_at: now,
            updated_at: now,
            sent_at: None,
        };
        let written = self.store.create(envelope, message, content).await?;
        if written {
            metrics::counter!("notification_messages_total", "kind" => letter.kind.as_str()).increment(1);
        }
        Ok(written)
    }
}
