//! The SQL of the embedded queue.
//!
//! `ready_at` says when the first job of a key may run, and only for keys that the worker does not hold in
//! memory; all other rows have none. So the worker finds what is due by one index, however many jobs wait.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use contracts::event::EventId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::{
    StoreError,
    queue::{DeadJob, Job},
    sqlite::Schema,
};

pub(super) const SCHEMA: Schema = Schema {
    name: "queue",
    migrations: &["
        CREATE TABLE jobs (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            queue TEXT NOT NULL,
            key TEXT NOT NULL,
            id TEXT NOT NULL UNIQUE,
            due_at INTEGER NOT NULL,
            ready_at INTEGER,
            attempts INTEGER NOT NULL DEFAULT 0,
            traceparent TEXT,
            payload BLOB NOT NULL
        ) STRICT;
        CREATE INDEX jobs_by_key ON jobs (queue, key);
        CREATE INDEX jobs_by_readiness ON jobs (queue, ready_at) WHERE ready_at IS NOT NULL;
        CREATE TABLE dead_jobs (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            queue TEXT NOT NULL,
            key TEXT NOT NULL,
            id TEXT NOT NULL UNIQUE,
            due_at INTEGER NOT NULL,
            traceparent TEXT,
            payload BLOB NOT NULL,
            reason TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            at INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE done_jobs (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            done_at INTEGER NOT NULL
        ) STRICT;
    "],
};

/// Ids of done jobs forgotten in one transaction.
const FORGOTTEN_MAX: usize = 5000;

/// A job in the table.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) seq: i64,
    pub(super) job: Arc<Job>,
    /// Attempts that failed.
    pub(super) attempts: u32,
}

/// True if the job is there, was done a short while ago, or is dead.
pub(super) fn is_known(transaction: &Connection, id: &str) -> Result<bool, StoreError> {
    Ok(transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ?1) OR EXISTS (SELECT 1 FROM done_jobs WHERE id = ?1)
                 OR EXISTS (SELECT 1 FROM dead_jobs WHERE id = ?1)",
        )?
        .query_row([id], |row| row.get(0))?)
}

/// True if the key has jobs.
pub(super) fn has_jobs(transaction: &Connection, queue: &str, key: &str) -> Result<bool, StoreError> {
    Ok(transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM jobs WHERE queue = ?1 AND key = ?2)")?
        .query_row((queue, key), |row| row.get(0))?)
}

pub(super) fn insert(
    transaction: &Connection,
    job: &Job,
    id: &str,
    ready_at: Option<Timestamp>,
) -> Result<i64, StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO jobs (queue, key, id, due_at, ready_at, traceparent, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            &job.queue,
            &job.key,
            id,
            job.due_at.as_microsecond(),
            ready_at.map(Timestamp::as_microsecond),
            &job.traceparent,
            &job.payload[..],
        ))?;
    Ok(transaction.last_insert_rowid())
}

pub(super) fn done(transaction: &Connection, job: &Stored, now: Timestamp) -> Result<(), StoreError> {
    transaction.prepare_cached("DELETE FROM jobs WHERE seq = ?1")?.execute([job.seq])?;
    transaction
        .prepare_cached("INSERT INTO done_jobs (id, done_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute((job.job.id.to_string(), now.as_microsecond()))?;
    Ok(())
}

pub(super) fn dead(
    transaction: &Connection,
    job: &Stored,
    reason: &str,
    attempts: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO dead_jobs (queue, key, id, due_at, traceparent, payload, reason, attempts, at)
             SELECT queue, key, id, due_at, traceparent, payload, ?2, ?3, ?4 FROM jobs WHERE seq = ?1
             ON CONFLICT DO NOTHING",
        )?
        .execute((job.seq, reason, attempts, now.as_microsecond()))?;
    transaction.prepare_cached("DELETE FROM jobs WHERE seq = ?1")?.execute([job.seq])?;
    Ok(())
}

pub(super) fn postpone(
    transaction: &Connection,
    job: &Stored,
    attempts: u32,
    ready_at: Timestamp,
) -> Result<(), StoreError> {
    transaction.prepare_cached("UPDATE jobs SET attempts = ?2, ready_at = ?3 WHERE seq = ?1")?.execute((
        job.seq,
        attempts,
        ready_at.as_microsecond(),
    ))?;
    Ok(())
}

const STORED: &str = "SELECT seq, queue, key, id, due_at, traceparent, payload, attempts FROM jobs";

/// The first jobs of a key.
pub(super) fn first_of_key(
    connection: &Connection,
    queue: &str,
    key: &str,
    limit: usize,
) -> Result<Vec<Stored>, StoreError> {
    let sql = format!("{STORED} WHERE queue = ?1 AND key = ?2 ORDER BY seq LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((queue, key, limit as i64))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(stored(row)?);
    }
    Ok(found)
}

/// Takes the first jobs of keys that are due, longest due first; the caller holds these keys from now on.
pub(super) fn take_due(
    transaction: &Connection,
    queue: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Stored>, StoreError> {
    let mut due = Vec::new();
    {
        let sql = format!("{STORED} WHERE queue = ?1 AND ready_at <= ?2 ORDER BY ready_at LIMIT ?3");
        let mut statement = transaction.prepare_cached(&sql)?;
        let mut rows = statement.query((queue, now.as_microsecond(), limit as i64))?;
        while let Some(row) = rows.next()? {
            due.push(stored(row)?);
        }
    }
    let mut hold = transaction.prepare_cached("UPDATE jobs SET ready_at = NULL WHERE seq = ?1")?;
    for job in &due {
        hold.execute([job.seq])?;
    }
    Ok(due)
}

/// When the next key is due.
pub(super) fn next_ready_at(connection: &Connection, queue: &str) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<i64> = connection
        .prepare_cached("SELECT min(ready_at) FROM jobs WHERE queue = ?1 AND ready_at IS NOT NULL")?
        .query_row([queue], |row| row.get(0))?;
    micros.map(|micros| timestamp(micros, "jobs.ready_at")).transpose()
}

pub(super) fn depth(connection: &Connection, queue: &str) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("SELECT count(*) FROM jobs WHERE queue = ?1")?.query_row([queue], |row| row.get(0))?)
}

/// Makes keys ready that nobody holds: after a crash, or when the outcome of a commit was unknown.
pub(super) fn release_all_but(transaction: &Connection, held: &HashSet<(String, String)>) -> Result<(), StoreError> {
    let mut orphans = Vec::new();
    {
        let mut statement =
            transaction.prepare_cached("SELECT min(seq), queue, key, ready_at FROM jobs GROUP BY queue, key")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (seq, key) = (row.get::<_, i64>(0)?, (row.get(1)?, row.get(2)?));
            if row.get::<_, Option<i64>>(3)?.is_none() && !held.contains(&key) {
                orphans.push(seq);
            }
        }
    }
    let mut release = transaction.prepare_cached("UPDATE jobs SET ready_at = due_at WHERE seq = ?1")?;
    for seq in orphans {
        release.execute([seq])?;
    }
    Ok(())
}

/// Forgets ids of jobs done before `cutoff`; `true` if there may be more.
pub(super) fn forget_done(transaction: &Connection, cutoff: Timestamp) -> Result<bool, StoreError> {
    let forgotten = transaction
        .prepare_cached(
            "DELETE FROM done_jobs WHERE done_at < ?1 AND seq IN (SELECT seq FROM done_jobs ORDER BY seq LIMIT ?2)",
        )?
        .execute((cutoff.as_microsecond(), FORGOTTEN_MAX as i64))?;
    Ok(forgotten == FORGOTTEN_MAX)
}

const DEAD: &str = "SELECT id, queue, key, due_at, traceparent, payload, reason, attempts, at, seq FROM dead_jobs";

pub(super) fn dead_jobs(connection: &Connection, after: u64, limit: usize) -> Result<Vec<DeadJob>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{DEAD} WHERE seq > ?1 ORDER BY seq LIMIT ?2"))?;
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut rows = statement.query((signed(after), signed(limit as u64)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(dead_job(row)?);
    }
    Ok(found)
}

pub(super) fn find_dead(connection: &Connection, id: EventId) -> Result<Option<DeadJob>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{DEAD} WHERE id = ?1"))?;
    let mut rows = statement.query([id.to_string()])?;
    rows.next()?.map(dead_job).transpose()
}

pub(super) fn remove_dead(transaction: &Connection, id: &str) -> Result<bool, StoreError> {
    let removed = transaction
        .prepare_cached("DELETE FROM dead_jobs WHERE id = ?1 RETURNING seq")?
        .query_row([id], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(removed.is_some())
}

fn stored(row: &Row<'_>) -> Result<Stored, StoreError> {
    let job = Job {
        queue: row.get(1)?,
        key: row.get(2)?,
        id: id(row, 3)?,
        due_at: timestamp(row.get(4)?, "jobs.due_at")?,
        traceparent: row.get(5)?,
        payload: Bytes::from(row.get::<_, Vec<u8>>(6)?),
    };
    Ok(Stored { seq: row.get(0)?, job: Arc::new(job), attempts: row.get(7)? })
}

fn dead_job(row: &Row<'_>) -> Result<DeadJob, StoreError> {
    let job = Job {
        id: id(row, 0)?,
        queue: row.get(1)?,
        key: row.get(2)?,
        due_at: timestamp(row.get(3)?, "dead_jobs.due_at")?,
        traceparent: row.get(4)?,
        payload: Bytes::from(row.get::<_, Vec<u8>>(5)?),
    };
    Ok(DeadJob {
        number: row.get::<_, i64>(9)?.unsigned_abs(),
        job,
        reason: row.get(6)?,
        attempts: row.get(7)?,
        at: timestamp(row.get(8)?, "dead_jobs.at")?,
    })
}

fn id(row: &Row<'_>, column: usize) -> Result<EventId, StoreError> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    text.parse().map_err(|error| StoreError::corrupt("id of a job", error))
}

fn timestamp(micros: i64, column: &str) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| StoreError::corrupt(column, error))
}
