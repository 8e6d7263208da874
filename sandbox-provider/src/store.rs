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
    authorization::{Authorization, Movement, Status},
    webhook::queue::Due,
};

pub(crate) const SCHEMA: Schema = Schema {
    name: "sandbox-provider",
    migrations: &[
        "
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
    ",
        "
    ALTER TABLE authorizations ADD COLUMN decline_retryable INTEGER;
    ALTER TABLE authorizations ADD COLUMN action_url TEXT;
    ALTER TABLE authorizations ADD COLUMN return_url TEXT;
    ALTER TABLE authorizations ADD COLUMN deposit TEXT;
    ALTER TABLE authorizations ADD COLUMN sequence INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE authorizations ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
    UPDATE authorizations SET updated_at = created_at;
    CREATE TABLE captures (
        authorization_id TEXT NOT NULL REFERENCES authorizations (id),
        reference TEXT NOT NULL,
        id TEXT NOT NULL,
        amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
        created_at INTEGER NOT NULL,
        PRIMARY KEY (authorization_id, reference)
    ) STRICT, WITHOUT ROWID;
    ",
    ],
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
                 refunded_minor, status, decline_code, decline_retryable, action_url, return_url, deposit, sequence,
                 decide_at, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?16)",
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
            authorization.decline_retryable,
            &authorization.action_url,
            &authorization.return_url,
            authorization.deposit.as_ref().map(serde_json::to_string).transpose()?,
            authorization.sequence,
            decide_at.map(Timestamp::as_microsecond),
            authorization.created_at.as_microsecond(),
        ))?;
    write_movements(transaction, authorization)
}

/// Writes back what may change; the table's own checks guard the sums.
pub(crate) fn update(transaction: &Connection, authorization: &Authorization) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE authorizations SET captured_minor = ?2, refunded_minor = ?3, status = ?4, decline_code = ?5,
                 decline_retryable = ?6, sequence = ?7, updated_at = ?8,
                 decide_at = CASE WHEN ?4 = 'pending' THEN decide_at END
             WHERE id = ?1",
        )?
        .execute((
            &authorization.id,
            authorization.captured_minor,
            authorization.refunded_minor,
            authorization.status.as_str(),
            &authorization.decline_code,
            authorization.decline_retryable,
            authorization.sequence,
            authorization.updated_at.as_microsecond(),
        ))?;
    write_movements(transaction, authorization)
}

/// Adds what was taken and given back since; a deposit that was taken back leaves no capture behind.
fn write_movements(transaction: &Connection, authorization: &Authorization) -> Result<(), StoreError> {
    if authorization.status == Status::AwaitingDeposit {
        transaction.prepare_cached("DELETE FROM captures WHERE authorization_id = ?1")?.execute([&authorization.id])?;
    }
    for (table, movements) in [("captures", &authorization.captures), ("refunds", &authorization.refunds)] {
        if movements.is_empty() {
            continue;
        }
        let mut statement = transaction.prepare_cached(&format!(
            "INSERT OR IGNORE INTO {table} (authorization_id, reference, id, amount_minor, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5)"
        ))?;
        for movement in movements {
            statement.execute((
                &authorization.id,
                &movement.reference,
                &movement.id,
                movement.amount_minor,
                movement.created_at.as_microsecond(),
            ))?;
        }
    }
    Ok(())
}

const COLUMNS: &str = "id, reference, method_token, currency, amount_minor, captured_minor, refunded_minor, status,
    decline_code, created_at, decline_retryable, action_url, return_url, deposit, sequence, updated_at";

pub(crate) fn find(connection: &Connection, id: &str) -> Result<Option<Authorization>, StoreError> {
    Ok(list(connection, "WHERE id = ?1", [id])?.pop())
}

pub(crate) fn find_by_reference(connection: &Connection, reference: &str) -> Result<Vec<Authorization>, StoreError> {
    list(connection, "WHERE reference = ?1 ORDER BY id LIMIT 100", [reference])
}

/// Authorizations about which something is to be decided now.
pub(crate) fn to_decide(connection: &Connection, now: Timestamp) -> Result<Vec<Authorization>, StoreError> {
    list(connection, "WHERE decide_at <= ?1 ORDER BY decide_at LIMIT 100", [now.as_microsecond()])
}

fn list(
    connection: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Authorization>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM authorizations {condition}"))?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(authorization(connection, row)?);
    }
    Ok(found)
}

fn authorization(connection: &Connection, row: &Row<'_>) -> Result<Authorization, StoreError> {
    let status: String = row.get(7)?;
    let deposit: Option<String> = row.get(13)?;
    let mut authorization = Authorization {
        id: row.get(0)?,
        reference: row.get(1)?,
        method_token: row.get(2)?,
        currency: row.get(3)?,
        amount_minor: row.get(4)?,
        captured_minor: row.get(5)?,
        refunded_minor: row.get(6)?,
        status: Status::find(&status).ok_or_else(|| StoreError::corrupt("authorizations.status", &status))?,
        decline_code: row.get(8)?,
        created_at: instant(row.get(9)?)?,
        decline_retryable: row.get(10)?,
        action_url: row.get(11)?,
        return_url: row.get(12)?,
        deposit: deposit.as_deref().map(serde_json::from_str).transpose()?,
        sequence: row.get(14)?,
        updated_at: instant(row.get(15)?)?,
        captures: Vec::new(),
        refunds: Vec::new(),
    };
    if authorization.captured_minor > 0 {
        authorization.captures = movements(connection, "captures", &authorization.id)?;
    }
    if authorization.refunded_minor > 0 {
        authorization.refunds = movements(connection, "refunds", &authorization.id)?;
    }
    Ok(authorization)
}

fn movements(connection: &Connection, table: &str, authorization: &str) -> Result<Vec<Movement>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, reference, amount_minor, created_at FROM {table} WHERE authorization_id = ?1 ORDER BY created_at"
    ))?;
    let mut rows = statement.query([authorization])?;
    let mut movements = Vec::new();
    while let Some(row) = rows.next()? {
        movements.push(Movement {
            id: row.get(0)?,
            reference: row.get(1)?,
            amount_minor: row.get(2)?,
            created_at: instant(row.get(3)?)?,
        });
    }
    Ok(movements)
}

pub(crate) fn totals(connection: &Connection) -> Result<Totals, StoreError> {
    Ok(connection.query_row(
        "SELECT count(*), count(*) FILTER (WHERE status IN ('authorized', 'partially_captured', 'captured')),
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

#[cfg(test)]
mod tests {
    use chassis::sqlite::{Database, Location, Schema};

    use super::{SCHEMA, find, open, update};
    use crate::authorization::Status;

    /// What was captured before captures were listed stays captured.
    #[tokio::test]
    async fn books_of_before_are_read_and_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::in_folder(folder.path(), "sandbox.db");
        let old = Schema { name: SCHEMA.name, migrations: &SCHEMA.migrations[..1] };
        let before = Database::open(&location, &old).unwrap();
        let written = before.write(|transaction| {
            transaction.execute(
                "INSERT INTO authorizations VALUES ('auth_1', 'r', 'tok_approve', 'KRW', 100, 40, 0, 'partially_captured',
                     NULL, NULL, 7)",
                [],
            )?;
            Ok::<_, chassis::StoreError>(())
        });
        written.await.unwrap();
        drop(before);
        let now = open(&location).unwrap();
        let changed = now.write(|transaction| {
            let mut authorization = find(transaction, "auth_1")?.unwrap();
            assert_eq!((authorization.sequence, authorization.updated_at), (1, authorization.created_at));
            let at = authorization.created_at;
            authorization.capture(None, "cap_1".to_owned(), None, at).unwrap();
            authorization.touch(at);
            update(transaction, &authorization)?;
            Ok::<_, chassis::StoreError>(find(transaction, "auth_1")?.unwrap())
        });
        let changed = changed.await.unwrap();
        assert_eq!((changed.status, changed.captured_minor, changed.sequence), (Status::Captured, 100, 2));
        assert_eq!(changed.captures.iter().map(|capture| capture.amount_minor).collect::<Vec<_>>(), [60]);
    }
}
