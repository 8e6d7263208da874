//! Idempotency keys: the same key and the same request give the same answer, once.
//!
//! The record is written in the commit that does the work, so there is no moment at which the work is
//! done and the answer is not kept. While the work runs, the key is held in memory: a second request
//! with it gets 409, and a crash leaves nothing behind. After
//! <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>.
//!
//! A refusal is an answer too. What the use case decided (404, 409, 422) is kept as it was said and given
//! again, see `idempotency/attempt.rs`. Everything else leaves the key free, because nothing was decided:
//! what the request itself got wrong (400, 401, 403, 412), what asks to come back later (429, 503, whatever has
//! a `Retry-After`), what only waits for something else to be put right ([`Problem::undecided`]), and failures of ours. Some APIs keep a 500 too; an answer to work whose outcome nobody
//! knows is worth nothing, so here a repeat finds out instead.

mod attempt;

use std::{
    collections::HashSet,
    num::NonZeroU16,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::response::{IntoResponse, Response};
use contracts::ErrorCode;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};
use serde::Deserialize;

pub(crate) use self::attempt::KeepRefusals;
use crate::{Env, Problem, StoreError, sqlite::Database};

/// The table, part of every service's first migration that takes keys.
pub const SCHEMA: &str = "
    CREATE TABLE idempotency (
        scope TEXT NOT NULL,
        key TEXT NOT NULL,
        request_hash BLOB NOT NULL,
        status INTEGER NOT NULL,
        location TEXT,
        etag TEXT,
        body BLOB NOT NULL,
        expires_at INTEGER NOT NULL,
        PRIMARY KEY (scope, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX idempotency_by_age ON idempotency (expires_at);
";

/// Section `[idempotency]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdempotencyConfig {
    /// How many hours an answer is kept. Clients may repeat a request for that long; a day is what they expect.
    pub kept_hours: NonZeroU16,
}

impl Default for IdempotencyConfig {
    fn default() -> Self {
        Self { kept_hours: NonZeroU16::MIN.saturating_add(23) }
    }
}

impl IdempotencyConfig {
    /// How long an answer is kept.
    pub fn kept(self) -> Duration {
        Duration::from_secs(u64::from(self.kept_hours.get()) * 3600)
    }
}

/// What identifies a request that must happen once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose key and for which route: keys of different callers never meet.
    pub scope: String,
    /// The header's value.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub request_hash: [u8; 32],
}

/// An answer that can be kept and given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Where the new thing is.
    pub location: Option<String>,
    /// Its version.
    pub etag: Option<String>,
    /// The body: JSON, of a refusal a problem.
    pub body: Vec<u8>,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, self.body).into_response();
        let headers = response.headers_mut();
        if status.is_client_error() {
            Problem::describe(headers);
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in [(header::LOCATION, self.location), (header::ETAG, self.etag)] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// The key together with how to render the answer; a use case turns it into a [`Record`] for its store.
pub struct Receipt<T> {
    key: IdempotencyKey,
    render: fn(&T) -> Result<Answer, serde_json::Error>,
    kept: Duration,
}

impl<T> Receipt<T> {
    /// Keeps the answer that `render` makes under `key`, for as long as the [`Idempotency`] that the request has
    /// begun with says.
    pub fn new(key: IdempotencyKey, render: fn(&T) -> Result<Answer, serde_json::Error>) -> Self {
        Self { key, render, kept: attempt::kept() }
    }

    /// The key.
    pub fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// What to keep for `value`.
    pub fn record(&self, value: &T, now: Timestamp) -> Result<Record, StoreError> {
        Record::new(self.key.clone(), (self.render)(value)?, now, self.kept)
    }
}

/// A key with its answer, to be kept in the commit that does the work.
#[derive(Debug, Clone)]
pub struct Record {
    /// The key.
    pub key: IdempotencyKey,
    /// The answer.
    pub answer: Answer,
    /// When it was given.
    pub at: Timestamp,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

impl Record {
    fn new(key: IdempotencyKey, answer: Answer, at: Timestamp, kept: Duration) -> Result<Self, StoreError> {
        let expires_at = at.checked_add(kept).map_err(|error| StoreError::corrupt("clock", error))?;
        Ok(Self { key, answer, at, expires_at })
    }
}

/// Keeps `record`, over one that has expired and was not swept yet. Fails if another replica kept one under
/// this key meanwhile: the caller rolls back, and its retry finds the other's answer.
pub fn keep(transaction: &Connection, record: &Record) -> Result<(), StoreError> {
    let Record { key, answer, at, expires_at } = record;
    let kept = transaction
        .prepare_cached(
            "INSERT INTO idempotency (scope, key, request_hash, status, location, etag, body, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET request_hash = excluded.request_hash, status = excluded.status,
                 location = excluded.location, etag = excluded.etag, body = excluded.body,
                 expires_at = excluded.expires_at
             WHERE expires_at <= ?9",
        )?
        .execute((
            &key.scope,
            &key.key,
            key.request_hash,
            answer.status,
            &answer.location,
            &answer.etag,
            &answer.body,
            expires_at.as_microsecond(),
            at.as_microsecond(),
        ))?;
    crate::fail_point!("idempotency.kept");
    if kept == 1 { Ok(()) } else { Err(StoreError::Unavailable("the idempotency key was used meanwhile".to_owned())) }
}

/// Idempotency keys of one service.
#[derive(Clone)]
pub struct Idempotency {
    env: Env,
    database: Database,
    kept: Duration,
    in_flight: Arc<Mutex<HashSet<(String, String)>>>,
}

/// What a key turns out to mean.
pub enum Begun {
    /// Do the work; the key is held until this is dropped.
    Fresh(InFlight),
    /// The work was done before; this is the answer.
    Replay(Response),
}

/// Holds a key while its work runs.
#[derive(Clone)]
pub struct InFlight(#[expect(dead_code, reason = "holds the key until it is dropped")] Arc<Hold>);

struct Hold {
    held: Arc<Mutex<HashSet<(String, String)>>>,
    key: (String, String),
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Idempotency {
    /// Keys kept in `database`, which has this module's table. Forgets them when they expire.
    pub fn new(env: &Env, database: Database, config: IdempotencyConfig) -> Self {
        let this = Self { env: env.clone(), database, kept: config.kept(), in_flight: Arc::default() };
        let (sweeper, task_env) = (this.clone(), env.clone());
        env.spawn("idempotency-sweep", async move {
            loop {
                tokio::select! {
                    biased;
                    () = task_env.stopping() => return,
                    () = tokio::time::sleep(Duration::from_secs(600)) => {}
                }
                if let Err(error) = sweeper.sweep().await {
                    tracing::warn!(%error, "expired idempotency keys stay for now");
                }
            }
        });
        this
    }

    /// Looks the key up and holds it.
    pub async fn begin(&self, key: &IdempotencyKey) -> Result<Begun, Problem> {
        let name = (key.scope.clone(), key.key.clone());
        let held = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        if !held {
            return Err(Problem::new(
                ErrorCode::Conflict,
                "A request with this Idempotency-Key is still running. Wait for its answer, then repeat.",
            )
            .kind("idempotency_key_in_flight")
            .retry_after(1));
        }
        let guard = InFlight(Arc::new(Hold { held: Arc::clone(&self.in_flight), key: name }));
        let (wanted, now) = (key.clone(), self.env.now());
        match self.database.read(move |connection| find(connection, &wanted, now)).await? {
            None => {
                crate::fail_point!("idempotency.begun");
                attempt::begun(self, key, &guard);
                Ok(Begun::Fresh(guard))
            }
            Some((hash, answer)) if hash == key.request_hash => {
                let mut response = answer.into_response();
                response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
                Ok(Begun::Replay(response))
            }
            Some(_) => Err(Problem::new(
                ErrorCode::Unprocessable,
                "This Idempotency-Key was used with another request. Use a new key for a new request.",
            )
            .kind("idempotency_key_reused")),
        }
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        let now = self.env.now().as_microsecond();
        self.database
            .write(move |transaction| {
                Ok(transaction.prepare_cached("DELETE FROM idempotency WHERE expires_at < ?1")?.execute([now])?)
            })
            .await
    }
}

fn find(
    connection: &Connection,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<([u8; 32], Answer)>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT request_hash, status, location, etag, body FROM idempotency
             WHERE scope = ?1 AND key = ?2 AND expires_at > ?3",
        )?
        .query_row((&key.scope, &key.key, now.as_microsecond()), |row| {
            let answer = Answer { status: row.get(1)?, location: row.get(2)?, etag: row.get(3)?, body: row.get(4)? };
            Ok((row.get(0)?, answer))
        })
        .optional()?)
}

#[cfg(test)]
mod tests;
