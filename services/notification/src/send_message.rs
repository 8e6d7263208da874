//! Use case: a delivery job is done. The attempt is recorded before and after the transport is asked.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::{
    Env,
    queue::{Job, WorkError, Worker, WorkerConfig},
};

use crate::{
    message::Message,
    store::{NotificationStore, SendJob},
    transport::{Mail, MailTransport, SendError},
};

/// Attempts of one send. With [`worker_config`] they span about six hours, which outlasts greylisting
/// and the usual outage of a mail server.
const ATTEMPTS_MAX: u32 = 22;

/// How the queue is worked off.
pub fn worker_config() -> WorkerConfig {
    WorkerConfig {
        concurrency: 16,
        attempts_max: ATTEMPTS_MAX,
        backoff_base: Duration::from_secs(2),
        backoff_max: Duration::from_secs(30 * 60),
    }
}

/// Sends messages.
pub struct SendMessage {
    /// The clock.
    pub env: Env,
    /// Where messages are kept.
    pub store: Arc<dyn NotificationStore>,
    /// What carries them.
    pub transport: Arc<dyn MailTransport>,
}

#[async_trait]
impl Worker for SendMessage {
    async fn work(&self, job: &Job, attempt: u32) -> Result<(), WorkError> {
        let SendJob { message_id } = serde_json::from_slice(&job.payload)?;
        let Some(stored) = self.store.find(message_id).await? else { return Ok(()) };
        let Some(sending) = stored.clone().begin(job.id, attempt, self.env.now()) else { return Ok(()) };
        if !self.store.advance(&stored, &sending).await? {
            return Err(WorkError::Retry { reason: "the message changed meanwhile".to_owned(), after: None });
        }
        let outcome = self.hand_over(&sending).await;
        self.record(sending, outcome).await
    }
}

impl SendMessage {
    async fn hand_over(&self, message: &Message) -> Result<(), SendError> {
        let content = self.store.content(message.id).await.map_err(|error| SendError::Transient(error.to_string()))?;
        let content = content.ok_or_else(|| SendError::Permanent("the message has no text".to_owned()))?;
        self.transport.send(&Mail { message: message.clone(), content, at: self.env.now() }).await
    }

    async fn record(&self, sending: Message, outcome: Result<(), SendError>) -> Result<(), WorkError> {
        let now = self.env.now();
        let (after, result, label) = match outcome {
            Ok(()) => (sending.clone().sent(now), Ok(()), "sent"),
            Err(SendError::Permanent(reason)) => {
                (sending.clone().failed(&reason, true, now), Err(WorkError::Dead(reason)), "dead")
            }
            Err(SendError::Transient(reason)) if sending.attempts >= ATTEMPTS_MAX => {
                (sending.clone().failed(&reason, true, now), Err(WorkError::Dead(reason)), "dead")
            }
            Err(SendError::Transient(reason)) => {
                let retry = WorkError::Retry { reason: reason.clone(), after: None };
                (sending.clone().failed(&reason, false, now), Err(retry), "failed")
            }
        };
        metrics::counter!("notification_attempts_total", "outcome" => label).increment(1);
        if let Some(reason) = after.last_error.as_deref() {
            tracing::warn!(message = %after.id, attempt = after.attempts, outcome = label, reason, "a mail was not sent");
        }
        self.store.advance(&sending, &after).await?;
        result
    }
}
