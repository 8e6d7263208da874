//! The background task that decides pending authorizations and sends webhooks.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use chassis::{Env, StoreError, sqlite::Database, transport::Transport};
use futures::future::join_all;
use http::{Request, header};
use secrecy::ExposeSecret as _;
use tokio::{sync::Notify, time::Instant};

use super::queue::{self, Occurrence, Sent, Waiting, later};
use crate::{
    authorization::Status,
    config::SandboxConfig,
    operation, signature, store,
    token::{self, Decision},
};

/// How long a receiver may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const RETRY_MAX: Duration = Duration::from_secs(3600);
/// The longest the task sleeps: a clock that was set forward is noticed after this.
const NAP_MAX: Duration = Duration::from_secs(30);
const NAP_MIN: Duration = Duration::from_millis(1);
const REPLIES_KEPT: Duration = Duration::from_secs(24 * 3600);
const FORGET_INTERVAL: Duration = Duration::from_secs(600);

pub(crate) struct Sender {
    pub(crate) env: Env,
    pub(crate) config: Arc<SandboxConfig>,
    pub(crate) database: Database,
    /// The receiver and the path there.
    pub(crate) receiver: Option<(Arc<dyn Transport>, String)>,
    /// Rung when something may be due earlier than was known.
    pub(crate) bell: Arc<Notify>,
}

impl Sender {
    pub(crate) async fn run(self) {
        let mut forget_at = Instant::now();
        loop {
            if Instant::now() >= forget_at {
                forget_at = Instant::now() + FORGET_INTERVAL;
                if let Err(error) = self.forget_replies().await {
                    tracing::warn!(%error, "old replies stay for now");
                }
            }
            let nap = match self.round().await {
                Ok(nap) => nap,
                Err(error) => {
                    tracing::warn!(%error, "webhooks wait");
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                biased;
                () = self.env.stopping() => return,
                () = self.bell.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }

    /// Does what is due; answers how long there is nothing to do.
    async fn round(&self) -> Result<Duration, StoreError> {
        self.decide_pending().await?;
        loop {
            let now = self.env.now();
            let waiting = self.database.read(move |connection| queue::due(connection, now)).await?;
            if waiting.is_empty() || self.env.is_stopping() {
                break;
            }
            let sent = join_all(waiting.into_iter().map(|webhook| self.send(webhook))).await;
            self.database.write_unsynced(move |transaction| queue::record(transaction, &sent)).await?;
        }
        let next: Option<_> = self.database.read(queue::next_due).await?;
        // What became due meanwhile lies in the past: no nap.
        let nap = next.map_or(NAP_MAX, |at| Duration::try_from(at.duration_since(self.env.now())).unwrap_or_default());
        Ok(nap.clamp(NAP_MIN, NAP_MAX))
    }

    async fn decide_pending(&self) -> Result<(), StoreError> {
        let now = self.env.now();
        let pending = self.database.read(move |connection| store::to_decide(connection, now)).await?;
        for authorization in pending {
            let (config, event) = (Arc::clone(&self.config), operation::mint(&self.env, "evt"));
            self.database
                .write_unsynced(move |transaction| {
                    let Some(mut authorization) = store::find(transaction, &authorization.id)? else { return Ok(()) };
                    let Some(behaviour) = token::behaviour(&authorization.method_token) else { return Ok(()) };
                    match (authorization.status, behaviour.decision) {
                        (Status::Pending, Decision::DeclineLater) => authorization.decline("card_declined"),
                        (Status::Pending, _) => authorization.status = Status::Authorized,
                        (Status::Authorized, Decision::ApproveThenAbort) => authorization.decline("aborted"),
                        _ => return Ok(()),
                    }
                    authorization.touch(now);
                    store::update(transaction, &authorization)?;
                    let event_type = operation::event_type(authorization.status);
                    let occurrence = Occurrence { id: event, event_type, first: true, answer: None, now };
                    queue::announce(transaction, &config, &authorization, behaviour, &occurrence)?;
                    Ok::<_, StoreError>(())
                })
                .await?;
        }
        Ok(())
    }

    async fn forget_replies(&self) -> Result<(), StoreError> {
        let now = self.env.now();
        let before = now.checked_sub(REPLIES_KEPT).unwrap_or(now);
        self.database.write_unsynced(move |transaction| store::forget_replies(transaction, before)).await
    }

    async fn send(&self, webhook: Waiting) -> Sent {
        let Waiting { seq, id, body, copies, attempts } = webhook;
        let attempts = attempts + 1;
        match self.post(&id, body).await {
            Ok(()) if copies > 1 => {
                Sent { seq, copies: copies - 1, attempts: 0, due_at: Some(self.env.now()), error: None }
            }
            Ok(()) => Sent { seq, copies: 0, attempts, due_at: None, error: None },
            Err(error) => {
                metrics::counter!("sandbox_webhook_failures_total").increment(1);
                let pause = chassis::bus::backoff(
                    &self.env,
                    attempts,
                    Duration::from_millis(self.config.webhook_retry_ms),
                    RETRY_MAX,
                );
                let again = attempts < self.config.webhook_attempts_max;
                let due_at = again.then(|| later(self.env.now(), pause));
                Sent { seq, copies, attempts, due_at, error: Some(error) }
            }
        }
    }

    async fn post(&self, id: &str, body: Vec<u8>) -> Result<(), String> {
        let Some((receiver, path)) = &self.receiver else { return Err("no receiver is set".to_owned()) };
        let timestamp = self.env.now().as_second();
        let signature = signature::sign(self.config.webhook_secret.expose_secret(), id, timestamp, &body);
        let request = Request::post(path.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Body::from(body))
            .map_err(|error| error.to_string())?;
        let response = tokio::time::timeout(ANSWER_WITHIN, receiver.send(request))
            .await
            .map_err(|_| "no answer in time".to_owned())?
            .map_err(|error| error.to_string())?;
        if response.status().is_success() { Ok(()) } else { Err(format!("answered {}", response.status())) }
    }
}
