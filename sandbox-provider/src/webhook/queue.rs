//! What waits to be sent.

use std::time::Duration;

use chassis::StoreError;
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;

use crate::{
    authorization::Authorization,
    config::{SandboxConfig, WebhookEvents},
    store,
    token::{AnswerManner, Behaviour, WebhookManner},
};

/// Webhooks sent at once.
const BATCH_LEN: i64 = 32;

/// A webhook to be queued.
pub(crate) struct Due {
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
    pub(crate) due_at: Timestamp,
    pub(crate) copies: u32,
}

/// A webhook to be sent.
pub(crate) struct Waiting {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
    pub(crate) copies: u32,
    pub(crate) attempts: u32,
}

/// How a sending ended.
pub(crate) struct Sent {
    pub(crate) seq: i64,
    pub(crate) copies: u32,
    pub(crate) attempts: u32,
    /// When to send it again; `None` when it is done with.
    pub(crate) due_at: Option<Timestamp>,
    pub(crate) error: Option<String>,
}

#[derive(Serialize)]
struct Event<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    created_at: Timestamp,
    data: &'a Authorization,
}

/// What happened to an authorization, and how the merchant heard of it.
pub(crate) struct Occurrence<'a> {
    pub(crate) id: String,
    pub(crate) event_type: &'a str,
    pub(crate) first: bool,
    /// How the answer to the request that caused it travels; `None` if no request did.
    pub(crate) answer: Option<AnswerManner>,
    pub(crate) now: Timestamp,
}

/// Queues the webhook about `authorization`, if one is due.
pub(crate) fn announce(
    transaction: &Connection,
    config: &SandboxConfig,
    authorization: &Authorization,
    behaviour: Behaviour,
    occurrence: &Occurrence<'_>,
) -> Result<bool, StoreError> {
    let known_already = occurrence.answer == Some(AnswerManner::Prompt) && behaviour.webhooks == WebhookManner::Prompt;
    let skipped = config.webhook_events == WebhookEvents::Unanswered && known_already;
    if config.webhook_url.is_none() || behaviour.webhooks == WebhookManner::Never || skipped {
        return Ok(false);
    }
    let delay = match behaviour.webhooks {
        WebhookManner::Late => config.webhook_late_ms,
        WebhookManner::OutOfOrder if occurrence.first => config.webhook_reorder_ms,
        _ => 0,
    };
    let body = serde_json::to_vec(&Event {
        id: &occurrence.id,
        event_type: occurrence.event_type,
        created_at: occurrence.now,
        data: authorization,
    })?;
    let due_at = later(occurrence.now, Duration::from_millis(delay));
    let copies = if behaviour.webhooks == WebhookManner::Twice { 2 } else { 1 };
    store::queue_webhook(transaction, &Due { id: occurrence.id.clone(), body, due_at, copies })?;
    if behaviour.webhooks == WebhookManner::FalseAbort && occurrence.first {
        announce_abort(transaction, config, authorization, occurrence)?;
    }
    Ok(true)
}

/// Queues a webhook that says that the authorization was broken off, though it was not.
fn announce_abort(
    transaction: &Connection,
    config: &SandboxConfig,
    authorization: &Authorization,
    occurrence: &Occurrence<'_>,
) -> Result<(), StoreError> {
    let at = later(occurrence.now, Duration::from_millis(config.abort_ms));
    let mut aborted = authorization.clone();
    aborted.decline("aborted");
    aborted.touch(at);
    let id = format!("{}_abort", occurrence.id);
    let body =
        serde_json::to_vec(&Event { id: &id, event_type: "authorization.declined", created_at: at, data: &aborted })?;
    store::queue_webhook(transaction, &Due { id, body, due_at: at, copies: 1 })
}

/// `now + delay`, or the end of time.
pub(crate) fn later(now: Timestamp, delay: Duration) -> Timestamp {
    now.checked_add(delay).unwrap_or(Timestamp::MAX)
}

/// Webhooks whose time has come, oldest first.
pub(crate) fn due(connection: &Connection, now: Timestamp) -> Result<Vec<Waiting>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, id, body, copies, attempts FROM webhooks WHERE due_at <= ?1 ORDER BY due_at, seq LIMIT ?2",
    )?;
    let rows = statement.query_map((now.as_microsecond(), BATCH_LEN), |row| {
        Ok(Waiting { seq: row.get(0)?, id: row.get(1)?, body: row.get(2)?, copies: row.get(3)?, attempts: row.get(4)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the next webhook or decision is due.
pub(crate) fn next_due(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let next: Option<i64> = connection
        .prepare_cached(
            "SELECT min(due) FROM (
                 SELECT min(due_at) AS due FROM webhooks WHERE due_at IS NOT NULL
                 UNION ALL SELECT min(decide_at) FROM authorizations WHERE decide_at IS NOT NULL)",
        )?
        .query_row([], |row| row.get(0))?;
    next.map(store::instant).transpose()
}

/// Notes how the sendings ended. What was taken is deleted; what was given up stays, with its error.
pub(crate) fn record(transaction: &Connection, sent: &[Sent]) -> Result<(), StoreError> {
    for Sent { seq, copies, attempts, due_at, error } in sent {
        if due_at.is_none() && error.is_none() {
            transaction.prepare_cached("DELETE FROM webhooks WHERE seq = ?1")?.execute([seq])?;
        } else {
            transaction
                .prepare_cached(
                    "UPDATE webhooks SET copies = ?2, attempts = ?3, due_at = ?4, last_error = ?5 WHERE seq = ?1",
                )?
                .execute((seq, copies, attempts, due_at.map(Timestamp::as_microsecond), error))?;
        }
    }
    Ok(())
}
