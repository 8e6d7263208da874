//! Outbox and inbox: what makes at-least-once delivery have its effect exactly once.
//!
//! A service writes what it wants to say into `outbox` in the same commit as what it did; the relay
//! carries it to the bus or queue afterwards, in order, and again if it cannot be sure. A consumer
//! notes the event id in `inbox` in the same commit as the effect, and skips what it has noted.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use contracts::{
    Event,
    event::{Envelope, EventId},
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    Env, StoreError,
    bus::{Bus, Record},
    queue::{Job, Queue},
    sqlite::Database,
};

/// Tables that every service's first migration creates.
pub const SCHEMA: &str = "
    CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        destination TEXT NOT NULL CHECK (destination IN ('bus', 'queue')),
        name TEXT NOT NULL,
        key TEXT NOT NULL,
        id TEXT NOT NULL,
        due_at INTEGER NOT NULL,
        traceparent TEXT,
        payload BLOB NOT NULL
    ) STRICT;
    CREATE TABLE inbox (
        consumer TEXT NOT NULL,
        event_id TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        PRIMARY KEY (consumer, event_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX inbox_by_age ON inbox (received_at);
";

/// Rows carried in one publish.
const RELAY_ROWS_MAX: usize = 512;
/// How long a row that was already published may stay; deleting in bulk saves a sync per publish.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// Longer than any topic keeps its events.
const INBOX_KEPT: Duration = Duration::from_secs(14 * 24 * 3600);

/// Says `event` about the aggregate `key`, once the surrounding transaction commits.
pub fn publish<E: Event>(
    transaction: &Connection,
    event: &E,
    id: EventId,
    key: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let envelope = event.seal(id, key.to_owned(), now, crate::trace::current_traceparent())?;
    let payload = serde_json::to_vec(&envelope)?;
    insert(transaction, "bus", E::TOPIC, key, id, now, &payload)
}

/// Puts work on `queue` once the surrounding transaction commits. Jobs of one key run one after another.
pub fn enqueue<J: serde::Serialize>(
    transaction: &Connection,
    queue: &str,
    key: &str,
    id: EventId,
    due_at: Timestamp,
    job: &J,
) -> Result<(), StoreError> {
    insert(transaction, "queue", queue, key, id, due_at, &serde_json::to_vec(job)?)
}

fn insert(
    transaction: &Connection,
    destination: &str,
    name: &str,
    key: &str,
    id: EventId,
    due_at: Timestamp,
    payload: &[u8],
) -> Result<(), StoreError> {
    // An event carries its trace in the envelope; a job has only this column.
    let traceparent = (destination == "queue").then(crate::trace::current_traceparent).flatten();
    transaction
        .prepare_cached(
            "INSERT INTO outbox (destination, name, key, id, due_at, traceparent, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((destination, name, key, id.to_string(), due_at.as_microsecond(), traceparent, payload))?;
    Ok(())
}

/// Notes that `consumer` handles the event now; `false` if it already has, and nothing must be done.
pub fn receive(
    transaction: &Connection,
    consumer: &str,
    envelope: &Envelope,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let inserted = transaction
        .prepare_cached("INSERT OR IGNORE INTO inbox (consumer, event_id, received_at) VALUES (?1, ?2, ?3)")?
        .execute((consumer, envelope.id.to_string(), now.as_microsecond()))?;
    Ok(inserted == 1)
}

/// How many rows wait to be relayed; zero when everything said was delivered.
pub fn pending(connection: &Connection) -> Result<u64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT count(*) FROM outbox")?
        .query_row([], |row| row.get::<_, i64>(0))?
        .unsigned_abs())
}

/// What a database still has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How many rows wait to be relayed.
    pub rows: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
    /// When it last took an event in: the shop ran then, and its relays with it.
    pub last_heard: Option<Timestamp>,
}

/// What waits in the outbox, and since when.
pub fn backlog(connection: &Connection) -> Result<Backlog, StoreError> {
    let oldest: Option<String> = connection
        .prepare_cached("SELECT id FROM outbox ORDER BY seq LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let oldest = oldest.map(|id| minted_at(&id)).transpose()?.flatten();
    let heard: Option<i64> =
        connection.prepare_cached("SELECT max(received_at) FROM inbox")?.query_row([], |row| row.get(0))?;
    let heard = heard.map(Timestamp::from_microsecond).transpose();
    let heard = heard.map_err(|error| StoreError::corrupt("inbox.received_at", error))?;
    Ok(Backlog { rows: pending(connection)?, oldest, last_heard: heard })
}

/// When an id was minted: UUIDv7 begins with the time; others do not tell.
fn minted_at(id: &str) -> Result<Option<Timestamp>, StoreError> {
    let id: EventId = id.parse().map_err(|error| StoreError::corrupt("outbox.id", error))?;
    let millis = i64::try_from(id.as_uuid().as_u128() >> 80).ok().filter(|_| id.as_uuid().get_version_num() == 7);
    Ok(millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()))
}

/// Carries the outbox of one database to the bus and the queue until the process stops.
pub struct Relay {
    /// For logs and metrics: the service.
    pub service: &'static str,
    /// Whose outbox.
    pub database: Database,
    /// Where events go.
    pub bus: Arc<dyn Bus>,
    /// Where work goes.
    pub queue: Arc<dyn Queue>,
}

struct Row {
    seq: i64,
    to_bus: bool,
    name: String,
    key: String,
    id: EventId,
    due_at: Timestamp,
    traceparent: Option<String>,
    payload: Bytes,
}

impl Relay {
    /// Starts the relay as a background task.
    pub fn start(self, env: &Env) {
        let env = env.clone();
        env.clone().spawn("outbox-relay", async move { self.run(&env).await });
    }

    async fn run(&self, env: &Env) {
        let mut commits = self.database.commits();
        let mut published: i64 = 0;
        let mut swept: i64 = 0;
        let mut sweep_at = tokio::time::Instant::now() + SWEEP_INTERVAL;
        loop {
            commits.borrow_and_update();
            match self.forward(published).await {
                Ok(Some(last)) => {
                    published = last;
                    if tokio::time::Instant::now() < sweep_at {
                        continue;
                    }
                }
                Ok(None) if published == swept => {
                    tokio::select! {
                        biased;
                        () = env.stopping() => return,
                        _ = commits.changed() => continue,
                    }
                }
                Ok(None) => {
                    tokio::select! {
                        biased;
                        () = env.stopping() => {}
                        _ = commits.changed() => continue,
                        () = tokio::time::sleep_until(sweep_at) => {}
                    }
                }
                Err(error) => {
                    metrics::counter!("outbox_relay_failures_total", "service" => self.service).increment(1);
                    tracing::warn!(service = self.service, error, "the outbox relay will try again");
                    tokio::select! {
                        biased;
                        () = env.stopping() => return,
                        () = tokio::time::sleep(RETRY_DELAY) => continue,
                    }
                }
            }
            if self.sweep(published, env.now()).await.is_ok() {
                swept = published;
            }
            sweep_at = tokio::time::Instant::now() + SWEEP_INTERVAL;
            if env.is_stopping() {
                return;
            }
        }
    }

    /// Publishes the rows after `published`; answers the last one, or `None` if there was none.
    async fn forward(&self, published: i64) -> Result<Option<i64>, String> {
        let rows = self.database.read(move |connection| unsent(connection, published)).await;
        let rows = rows.map_err(|error: StoreError| error.to_string())?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(None) };
        metrics::counter!("outbox_relayed_total", "service" => self.service).increment(rows.len() as u64);
        let (mut records, mut jobs) = (Vec::new(), Vec::new());
        for row in rows {
            if row.to_bus {
                records.push(Record { topic: row.name, key: row.key, id: row.id, payload: row.payload });
            } else {
                jobs.push(Job {
                    queue: row.name,
                    key: row.key,
                    id: row.id,
                    due_at: row.due_at,
                    traceparent: row.traceparent,
                    payload: row.payload,
                });
            }
        }
        crate::fail_point!(self.service, "relay.before");
        if !records.is_empty() {
            self.bus.publish(records).await.map_err(|error| error.to_string())?;
        }
        if !jobs.is_empty() {
            crate::fail_point!(self.service, "relay.between");
            self.queue.push(jobs).await.map_err(|error| error.to_string())?;
        }
        crate::fail_point!(self.service, "relay.after");
        Ok(Some(last))
    }

    /// Forgets what was published, once bus and queue have it on disk.
    async fn sweep(&self, published: i64, now: Timestamp) -> Result<(), String> {
        self.bus.sync().await.map_err(|error| error.to_string())?;
        self.queue.sync().await.map_err(|error| error.to_string())?;
        let too_old = now.as_microsecond() - i64::try_from(INBOX_KEPT.as_micros()).unwrap_or(i64::MAX);
        crate::fail_point!(self.service, "sweep.before");
        let swept = self
            .database
            .write(move |transaction| {
                transaction.prepare_cached("DELETE FROM outbox WHERE seq <= ?1")?.execute([published])?;
                transaction.prepare_cached("DELETE FROM inbox WHERE received_at < ?1")?.execute([too_old])?;
                Ok(())
            })
            .await;
        crate::fail_point!(self.service, "sweep.after");
        swept.map_err(|error: StoreError| error.to_string())
    }
}

fn unsent(connection: &Connection, published: i64) -> Result<Vec<Row>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, destination, name, key, id, due_at, traceparent, payload FROM outbox
         WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = statement.query((published, RELAY_ROWS_MAX as i64))?;
    let mut unsent = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(4)?;
        unsent.push(Row {
            seq: row.get(0)?,
            to_bus: row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)? == "bus",
            name: row.get(2)?,
            key: row.get(3)?,
            id: id.parse().map_err(|error| StoreError::corrupt("outbox.id", error))?,
            due_at: Timestamp::from_microsecond(row.get(5)?)
                .map_err(|error| StoreError::corrupt("outbox.due_at", error))?,
            traceparent: row.get(6)?,
            payload: Bytes::from(row.get::<_, Vec<u8>>(7)?),
        });
    }
    Ok(unsent)
}
