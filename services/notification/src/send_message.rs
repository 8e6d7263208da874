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
        if !self.store.begin(&stored, &sending).await? {
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

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use chassis::sqlite::Location;
    use contracts::Event as _;
    use jiff::Timestamp;

    use super::*;
    use crate::{
        message::{Content, State, tests::queued},
        store::{SEND_QUEUE, sqlite::SqliteStore},
    };

    /// Answers with what was laid down, then with success; remembers the `Message-ID`s.
    #[derive(Default)]
    struct Scripted {
        outcomes: Mutex<Vec<SendError>>,
        mail_ids: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl MailTransport for Scripted {
        async fn send(&self, mail: &Mail) -> Result<(), SendError> {
            self.mail_ids.lock().unwrap_or_else(PoisonError::into_inner).push(mail.message.mail_id());
            self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).pop().map_or(Ok(()), Err)
        }
    }

    struct Scene {
        sender: SendMessage,
        transport: Arc<Scripted>,
        message: Message,
    }

    async fn scene(outcomes: Vec<SendError>) -> Scene {
        let (env, _clock) = Env::simulated(1);
        let store: Arc<dyn NotificationStore> = Arc::new(SqliteStore::open(&Location::Memory).unwrap());
        let transport = Arc::new(Scripted { outcomes: Mutex::new(outcomes), mail_ids: Mutex::default() });
        let message = queued(1);
        let event = contracts::auth::AuthEvent::SessionsRevoked(contracts::auth::SessionsRevoked {
            account_id: message.about.parse().unwrap(),
            email: message.recipient.clone(),
            locale: message.locale,
            reason: "password_changed".to_owned(),
        });
        let envelope = event.seal(message.event_id, message.about.clone(), message.created_at, None).unwrap();
        let content = Content { subject: "s".to_owned(), text: "t".to_owned(), html: "h".to_owned() };
        assert!(store.create(&envelope, message.clone(), content).await.unwrap());
        let sender = SendMessage { env, store, transport: Arc::clone(&transport) as Arc<dyn MailTransport> };
        Scene { sender, transport, message }
    }

    impl Scene {
        async fn work(&self, attempt: u32) -> Result<(), WorkError> {
            let job = Job {
                queue: SEND_QUEUE.to_owned(),
                key: self.message.recipient.clone(),
                id: self.message.job_id,
                due_at: Timestamp::UNIX_EPOCH,
                traceparent: None,
                payload: serde_json::to_vec(&SendJob { message_id: self.message.id }).unwrap().into(),
            };
            self.sender.work(&job, attempt).await
        }

        async fn state(&self) -> State {
            self.sender.store.find(self.message.id).await.unwrap().unwrap().state
        }
    }

    #[tokio::test]
    async fn a_delay_is_tried_again_under_the_same_message_id_and_success_is_final() {
        let scene = scene(vec![SendError::Transient("451".to_owned())]).await;
        assert!(matches!(scene.work(1).await, Err(WorkError::Retry { .. })));
        assert_eq!(scene.state().await, State::Failed);
        scene.work(2).await.unwrap();
        assert_eq!(scene.state().await, State::Sent);
        scene.work(3).await.unwrap();
        let mail_ids = scene.transport.mail_ids.lock().unwrap().clone();
        assert_eq!(mail_ids.len(), 2, "a job given again after success sends nothing");
        assert_eq!(mail_ids[0], mail_ids[1]);
    }

    #[tokio::test]
    async fn a_refusal_and_the_last_attempt_give_up() {
        let refused = scene(vec![SendError::Permanent("550".to_owned())]).await;
        assert!(matches!(refused.work(1).await, Err(WorkError::Dead(_))));
        assert_eq!(refused.state().await, State::Dead);
        refused.work(1).await.unwrap();
        assert_eq!(refused.state().await, State::Sent, "an operator may replay the dead job");

        let worn_out = scene(vec![SendError::Transient("451".to_owned())]).await;
        assert!(matches!(worn_out.work(ATTEMPTS_MAX).await, Err(WorkError::Dead(_))));
        assert_eq!(worn_out.state().await, State::Dead);
    }

    #[tokio::test]
    async fn a_job_for_nothing_or_in_gibberish_harms_nobody() {
        let scene = scene(vec![]).await;
        let mut job = Job {
            queue: SEND_QUEUE.to_owned(),
            key: "k".to_owned(),
            id: scene.message.job_id,
            due_at: Timestamp::UNIX_EPOCH,
            traceparent: None,
            payload: serde_json::to_vec(&SendJob { message_id: queued(9).id }).unwrap().into(),
        };
        scene.sender.work(&job, 1).await.unwrap();
        job.payload = b"{".as_slice().into();
        assert!(matches!(scene.sender.work(&job, 1).await, Err(WorkError::Dead(_))));
    }
}
