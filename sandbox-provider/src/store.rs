//! The provider's books: one SQLite file, every operation one transaction. They outlive the process, but nobody
//! waits for the disk: a real provider's disk is not ours, and its work is no part of our figures.

use chassis::{
    StoreError,
    sqlite::{Database, Location, OpenError, Schema},
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::Serialize;

use crate::{
    authorization::{Authorization, Refund, Status},
    webhook::queue::Due,
};

pub(crate) const SCHEMA: Schema = Schema {
    name: "sandbox-provider",
    migrations: &["
    CREATE TABLE authorizations (
        id TEXT PRIMARY KEY,
        reference TEXT NOT NULL,
        method_token TEXT NOT NULL,
        currency TEXT NOT NULL,
        amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
        captured_minor INTEGER NOT NULL CHECK (captured_minor BETWEEN 0 AND amount_minor),
        refunded_minor INTEGER NOT NULL CHECK (refunded_minor BETWEEN 0 AND captured_minor),
        status TEXT NOT NULL,
        decline_code TEXT,
        decide_at INTEGER,
        created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX authorizations_by_reference ON authorizations (reference);
    CREATE INDEX authorizations_to_decide ON authorizations (decide_at) WHERE decide_at IS NOT NULL;
    CREATE TABLE refunds (
        authorization_id TEXT NOT NULL REFERENCES authorizations (id),
        reference TEXT NOT NULL,
        id TEXT NOT NULL,
        amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
        created_at INTEGER NOT NULL,
        PRIMARY KEY (authorization_id, reference)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE idempotency (
        key TEXT PRIMARY KEY,
        request_hash BLOB NOT NULL,
        status INTEGER NOT NULL,
        body BLOB NOT NULL,
        kept_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX idempotency_by_age ON idempotency (kept_at);
    CREATE TABLE stumbles (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE webhooks (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        body BLOB NOT NULL,
        due_at INTEGER,
        copies INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        last_error TEXT
    ) STRICT;
    CREATE INDEX webhooks_due ON webhooks (due_at) WHERE due_at IS NOT NULL;
    "],
};

/// An answer that was given under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// An idempotency key and what it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) request_hash: [u8; 32],
}

/// Sums over everything, for tests and benches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    pub(crate) authorizations: i64,
    pub(crate) held: i64,
    pub(crate) captured_minor: i64,
    pub(crate) refunded_minor: i64,
    pub(crate) webhooks_waiting: i64,
}

pub(crate) fn open(location: &Location) -> Result<Database, OpenError> {
    Database::open(location, &SCHEMA)
}

/// The reply kept under `key`, and whether it answers the same request.
pub(crate) fn find_reply(transaction: &Connection, key: &Key) -> Result<Option<(Reply, bool)>, StoreError> {
    Ok(transaction
        .prepare_cached("SELECT request_hash, status, body FROM idempotency WHERE key = ?1")?
        .query_row([&key.key], |row| {
            let same = row.get::<_, [u8; 32]>(0)? == key.request_hash;
            Ok((Reply { status: row.get(1)?, body: row.get(2)? }, same))
        })
        .optional()?)
}

pub(crate) fn keep_reply(transaction: &Connection, key: &Key, reply: &Reply, now: Timestamp) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO idempotency (key, request_hash, status, body, kept_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((&key.key, key.request_hash, reply.status, &reply.body, now.as_microsecond()))?;
    Ok(())
}

/// Forgets replies that were given before `before`.
pub(crate) fn forget_replies(transaction: &Connection, before: Timestamp) -> Result<(), StoreError> {
    transaction.prepare_cached("DELETE FROM idempotency WHERE kept_at < ?1")?.execute([before.as_microsecond()])?;
    Ok(())
}

/// True the first time it is asked for `name`.
pub(crate) fn stumble(transaction: &Connection, name: &str) -> Result<bool, StoreError> {
    Ok(transaction.prepare_cached("INSERT OR IGNORE INTO stumbles (name) VALUES (?1)")?.execute([name])? == 1)
}

pub(crate) fn insert(
    transaction: &Connection,
    authorization: &Authorization,
    decide_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO authorizations (id, reference, method_token, currency, amount_minor, captured_minor,
                 refunded_minor, status, decline_code, decide_at, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute((
            &authorization.id,
            &authorization.reference,
            &authorization.method_token,
            &authorization.currency,
            authorization.amount_minor,
            authorization.captured_minor,
            authorization.refunded_minor,
            authorization.status.as_str(),
            &authorization.decline_code,
            decide_at.map(Timestamp::as_microsecond),
            authorization.created_at.as_microsecond(),
        ))?;
    Ok(())
}

/// Writes back what may change; the table's own checks guard the sums.
pub(crate) fn update(transaction: &Connection, authorization: &Authorization) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE authorizations SET captured_minor = ?2, refunded_minor = ?3, status = ?4, decline_code = ?5,
                 decide_at = CASE WHEN ?4 = 'pending' THEN decide_at END
             WHERE id = ?1",
        )?
        .execute((
            &authorization.id,
            authorization.captured_minor,
            authorization.refunded_minor,
            authorization.status.as_str(),
            &authorization.decline_code,
        ))?;
    Ok(())
}

pub(crate) fn insert_refund(transaction: &Connection, authorization: &str, refund: &Refund) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO refunds (authorization_id, reference, id, amount_minor, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            authorization,
            &refund.reference,
            &refund.id,
            refund.amount_minor,
            refund.created_at.as_microsecond(),
        ))?;
    Ok(())
}

const COLUMNS: &str = "id, reference, method_token, currency, amount_minor, captured_minor, refunded_minor, status,
    decline_code, created_at";

pub(crate) fn find(connection: &Connection, id: &str) -> Result<Option<Authorization>, StoreError> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM authorizations WHERE id = ?1"))?
        .query_row([id], read_row)
        .optional()?;
    found.map(|row| complete(connection, row)).transpose()
}

pub(crate) fn find_by_reference(connection: &Connection, reference: &str) -> Result<Vec<Authorization>, StoreError> {
    list(connection, "WHERE reference = ?1 ORDER BY id LIMIT 100", [reference])
}

/// Pending authorizations whose time has come.
pub(crate) fn to_decide(connection: &Connection, now: Timestamp) -> Result<Vec<Authorization>, StoreError> {
    list(connection, "WHERE decide_at <= ?1 ORDER BY decide_at LIMIT 100", [now.as_microsecond()])
}

fn list(
    connection: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Authorization>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM authorizations {condition}"))?;
    let rows = statement.query_map(parameters, read_row)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(|row| complete(connection, row)).collect()
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<(Authorization, String, i64)> {
    let authorization = Authorization {
        id: row.get(0)?,
        reference: row.get(1)?,
        method_token: row.get(2)?,
        currency: row.get(3)?,
        amount_minor: row.get(4)?,
        captured_minor: row.get(5)?,
        refunded_minor: row.get(6)?,
        status: Status::Pending,
        decline_code: row.get(8)?,
        created_at: Timestamp::UNIX_EPOCH,
        refunds: Vec::new(),
    };
    Ok((authorization, row.get(7)?, row.get(9)?))
}

fn complete(
    connection: &Connection,
    (mut authorization, status, created_at): (Authorization, String, i64),
) -> Result<Authorization, StoreError> {
    authorization.status =
        Status::find(&status).ok_or_else(|| StoreError::corrupt("authorizations.status", &status))?;
    authorization.created_at = instant(created_at)?;
    if authorization.refunded_minor > 0 {
        authorization.refunds = refunds(connection, &authorization.id)?;
    }
    Ok(authorization)
}

fn refunds(connection: &Connection, authorization: &str) -> Result<Vec<Refund>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, reference, amount_minor, created_at FROM refunds WHERE authorization_id = ?1 ORDER BY created_at",
    )?;
    let mut rows = statement.query([authorization])?;
    let mut refunds = Vec::new();
    while let Some(row) = rows.next()? {
        refunds.push(Refund {
            id: row.get(0)?,
            reference: row.get(1)?,
            amount_minor: row.get(2)?,
            created_at: instant(row.get(3)?)?,
        });
    }
    Ok(refunds)
}

pub(crate) fn totals(connection: &Connection) -> Result<Totals, StoreError> {
    Ok(connection.query_row(
        "SELECT count(*), count(*) FILTER (WHERE status NOT IN ('declined', 'voided', 'pending')),
             coalesce(sum(captured_minor), 0), coalesce(sum(refunded_minor), 0),
             (SELECT count(*) FROM webhooks WHERE due_at IS NOT NULL)
         FROM authorizations",
        [],
        |row| {
            Ok(Totals {
                authorizations: row.get(0)?,
                held: row.get(1)?,
                captured_minor: row.get(2)?,
                refunded_minor: row.get(3)?,
                webhooks_waiting: row.get(4)?,
            })
        },
    )?)
}

pub(crate) fn queue_webhook(transaction: &Connection, webhook: &Due) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT INTO webhooks (id, body, due_at, copies) VALUES (?1, ?2, ?3, ?4)")?
        .execute((&webhook.id, &webhook.body, webhook.due_at.as_microsecond(), webhook.copies))?;
    Ok(())
}

/// Reads an instant that this module wrote.
pub(crate) fn instant(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| StoreError::corrupt("stored time", error))
}
