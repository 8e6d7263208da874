//! The SQL of the embedded bus.

use bytes::Bytes;
use contracts::event::EventId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::{
    StoreError,
    bus::{DeadLetter, Delivery, Record, retry_topic},
    sqlite::Schema,
};

pub(super) const SCHEMA: Schema = Schema {
    name: "bus",
    migrations: &["
        CREATE TABLE log (
            position INTEGER PRIMARY KEY AUTOINCREMENT,
            topic TEXT NOT NULL,
            key TEXT NOT NULL,
            event_id TEXT NOT NULL,
            at INTEGER NOT NULL,
            payload BLOB NOT NULL
        ) STRICT;
        CREATE INDEX log_by_topic ON log (topic);
        CREATE TABLE offsets (
            grp TEXT NOT NULL,
            topic TEXT NOT NULL,
            position INTEGER NOT NULL,
            PRIMARY KEY (grp, topic)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE dead_letters (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            grp TEXT NOT NULL,
            topic TEXT NOT NULL,
            key TEXT NOT NULL,
            event_id TEXT NOT NULL,
            payload BLOB NOT NULL,
            reason TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            at INTEGER NOT NULL,
            UNIQUE (grp, topic, event_id)
        ) STRICT;
    "],
};

/// Rows deleted in one transaction, so that publishers never wait long behind retention.
const EXPIRED_ROWS_MAX: usize = 2000;

pub(super) fn append(transaction: &Connection, record: Record, now: Timestamp) -> Result<Delivery, StoreError> {
    transaction
        .prepare_cached("INSERT INTO log (topic, key, event_id, at, payload) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((&record.topic, &record.key, record.id.to_string(), now.as_microsecond(), &record.payload[..]))?;
    Ok(Delivery { offset: transaction.last_insert_rowid().unsigned_abs(), record })
}

pub(super) fn read(
    connection: &Connection,
    topic: &str,
    offset: u64,
    limit: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT position, key, event_id, payload FROM log
         WHERE topic = ?1 AND position > ?2 ORDER BY position LIMIT ?3",
    )?;
    let mut rows = statement.query((topic, signed(offset), signed(limit as u64)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let record =
            Record { topic: topic.to_owned(), key: row.get(1)?, id: event_id(row, 2)?, payload: payload(row, 3)? };
        found.push(Delivery { offset: row.get::<_, i64>(0)?.unsigned_abs(), record });
    }
    Ok(found)
}

pub(super) fn count_after(connection: &Connection, topic: &str, offset: u64) -> Result<u64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT count(*) FROM log WHERE topic = ?1 AND position > ?2")?
        .query_row((topic, signed(offset)), |row| row.get::<_, i64>(0))?
        .unsigned_abs())
}

/// The offset of the newest record of `topic`; 0 if there is none.
pub(super) fn end(connection: &Connection, topic: &str) -> Result<u64, StoreError> {
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(position) FROM log WHERE topic = ?1")?
        .query_row([topic], |row| row.get(0))?;
    Ok(newest.map_or(0, i64::unsigned_abs))
}

pub(super) fn offset(connection: &Connection, group: &str, topic: &str) -> Result<Option<u64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT position FROM offsets WHERE grp = ?1 AND topic = ?2")?
        .query_row((group, topic), |row| row.get::<_, i64>(0))
        .optional()?
        .map(i64::unsigned_abs))
}

pub(super) fn save_offset(transaction: &Connection, group: &str, topic: &str, offset: u64) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO offsets (grp, topic, position) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
        )?
        .execute((group, topic, signed(offset)))?;
    Ok(())
}

/// Keeps a dead letter. An event that is given up twice by one group, because a crash came between, is one letter.
pub(super) fn bury(transaction: &Connection, letter: &DeadLetter) -> Result<(), StoreError> {
    let record = &letter.record;
    transaction
        .prepare_cached(
            "INSERT INTO dead_letters (grp, topic, key, event_id, payload, reason, attempts, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET reason = excluded.reason, attempts = excluded.attempts, at = excluded.at",
        )?
        .execute((
            &letter.group,
            &record.topic,
            &record.key,
            record.id.to_string(),
            &record.payload[..],
            &letter.reason,
            letter.attempts,
            letter.at.as_microsecond(),
        ))?;
    Ok(())
}

const LETTER: &str = "SELECT id, grp, topic, key, event_id, payload, reason, attempts, at FROM dead_letters";

pub(super) fn dead_letters(connection: &Connection, after: u64, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{LETTER} WHERE id > ?1 ORDER BY id LIMIT ?2"))?;
    let mut rows = statement.query((signed(after), signed(limit as u64)))?;
    let mut letters = Vec::new();
    while let Some(row) = rows.next()? {
        letters.push(letter(row)?);
    }
    Ok(letters)
}

/// Takes a dead letter out and appends its event to the retry topic of its group.
pub(super) fn replay(transaction: &Connection, id: u64, now: Timestamp) -> Result<Option<Delivery>, StoreError> {
    let mut statement = transaction.prepare_cached(&format!("{LETTER} WHERE id = ?1"))?;
    let mut rows = statement.query([signed(id)])?;
    let Some(letter) = rows.next()?.map(letter).transpose()? else { return Ok(None) };
    discard(transaction, id)?;
    let topic = retry_topic(&letter.record.topic, &letter.group);
    append(transaction, Record { topic, ..letter.record }, now).map(Some)
}

pub(super) fn discard(transaction: &Connection, id: u64) -> Result<bool, StoreError> {
    Ok(transaction.prepare_cached("DELETE FROM dead_letters WHERE id = ?1")?.execute([signed(id)])? == 1)
}

fn letter(row: &Row<'_>) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        id: row.get::<_, i64>(0)?.unsigned_abs(),
        group: row.get(1)?,
        record: Record { topic: row.get(2)?, key: row.get(3)?, id: event_id(row, 4)?, payload: payload(row, 5)? },
        reason: row.get(6)?,
        attempts: row.get(7)?,
        at: Timestamp::from_microsecond(row.get(8)?).map_err(|error| StoreError::corrupt("dead_letters.at", error))?,
    })
}

/// All topics that have records, by one index seek each.
pub(super) fn topics(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE found (topic) AS (
            SELECT min(topic) FROM log
            UNION ALL
            SELECT (SELECT min(topic) FROM log WHERE topic > found.topic) FROM found WHERE found.topic IS NOT NULL
         ) SELECT topic FROM found WHERE topic IS NOT NULL",
    )?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Deletes the oldest records of `topic`: those before `too_old`, and those before `old` that every known
/// group has handled. `true` if there may be more.
pub(super) fn expire(
    transaction: &Connection,
    topic: &str,
    old: Timestamp,
    too_old: Timestamp,
) -> Result<bool, StoreError> {
    let handled: Option<i64> = transaction
        .prepare_cached("SELECT min(position) FROM offsets WHERE topic = ?1")?
        .query_row([topic], |row| row.get(0))?;
    let (handled, old, too_old) = (handled.unwrap_or(i64::MAX), old.as_microsecond(), too_old.as_microsecond());
    let mut statement =
        transaction.prepare_cached("SELECT position, at FROM log WHERE topic = ?1 ORDER BY position LIMIT ?2")?;
    let mut rows = statement.query((topic, signed(EXPIRED_ROWS_MAX as u64)))?;
    let (mut last, mut expired) = (0, 0);
    while let Some(row) = rows.next()? {
        let (position, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        if at >= too_old && (at >= old || position > handled) {
            break;
        }
        (last, expired) = (position, expired + 1);
    }
    transaction.prepare_cached("DELETE FROM log WHERE topic = ?1 AND position <= ?2")?.execute((topic, last))?;
    Ok(expired == EXPIRED_ROWS_MAX)
}

fn event_id(row: &Row<'_>, column: usize) -> Result<EventId, StoreError> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    text.parse().map_err(|error| StoreError::corrupt("event_id", error))
}

fn payload(row: &Row<'_>, column: usize) -> Result<Bytes, StoreError> {
    Ok(Bytes::from(row.get::<_, Vec<u8>>(column)?))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
