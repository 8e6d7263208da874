//! The embedded store: one SQLite file.
//!
//! What a message says is written once and kept apart from how far it got, which changes three times.

use async_trait::async_trait;
use chassis::{
    StoreError, idempotency, outbox,
    sqlite::{Database, Location, OpenError, Schema},
};
use contracts::{Envelope, notification::MessageId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Delivered, Facts, Filter, NotificationStore, SEND_QUEUE, SendJob};
use crate::message::{Channel, Content, Kind, Message, State};

const SCHEMA: Schema = Schema {
    name: "notification",
    migrations: &[
        outbox::SCHEMA,
        idempotency::SCHEMA,
        "CREATE TABLE messages (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            event_id TEXT NOT NULL,
            kind TEXT NOT NULL,
            channel TEXT NOT NULL,
            recipient TEXT NOT NULL,
            locale TEXT NOT NULL,
            about TEXT NOT NULL,
            subject TEXT NOT NULL,
            state TEXT NOT NULL,
            sends INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            job_id TEXT NOT NULL,
            last_error TEXT,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            sent_at INTEGER,
            UNIQUE (event_id, recipient, channel)
        ) STRICT;
        CREATE INDEX messages_by_recipient ON messages (recipient, id);
        CREATE INDEX messages_unsent ON messages (state, id) WHERE state <> 'sent';
        CREATE TABLE contents (
            seq INTEGER PRIMARY KEY REFERENCES messages (seq) ON DELETE CASCADE,
            text TEXT NOT NULL,
            html TEXT NOT NULL
        ) STRICT;
        CREATE TABLE mailbox (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            mail_id TEXT NOT NULL UNIQUE,
            message_seq INTEGER NOT NULL REFERENCES messages (seq) ON DELETE CASCADE,
            delivered_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX mailbox_by_message ON mailbox (message_seq);",
    ],
};

/// Consumer name in the inbox.
const CONSUMER: &str = "notification";

const COLUMNS: &str = "messages.id, event_id, kind, channel, recipient, locale, about, subject, state, sends, attempts, \
                       job_id, last_error, created_at, updated_at, sent_at";

/// Messages in a SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Opens or creates the file.
    pub fn open(location: &Location) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(location, &SCHEMA)? })
    }

    /// The file, for the outbox relay and idempotency keys.
    pub fn database(&self) -> Database {
        self.database.clone()
    }
}

#[async_trait]
impl NotificationStore for SqliteStore {
    async fn create(&self, envelope: &Envelope, message: Message, content: Content) -> Result<bool, StoreError> {
        let envelope = envelope.clone();
        self.database
            .write(move |transaction| {
                if !outbox::receive(transaction, CONSUMER, &envelope, message.created_at)? {
                    return Ok(false);
                }
                if !insert(transaction, &message, &content)? {
                    return Ok(false);
                }
                enqueue(transaction, &message)?;
                Ok(true)
            })
            .await
    }

    async fn advance(&self, before: &Message, after: &Message) -> Result<bool, StoreError> {
        let (before, after) = (before.clone(), after.clone());
        self.database.write(move |transaction| update(transaction, &before, &after)).await
    }

    async fn begin(&self, before: &Message, after: &Message) -> Result<bool, StoreError> {
        let (before, after) = (before.clone(), after.clone());
        self.database.write_unsynced(move |transaction| update(transaction, &before, &after)).await
    }

    async fn requeue(
        &self,
        before: &Message,
        after: &Message,
        receipt: Option<idempotency::Record>,
    ) -> Result<bool, StoreError> {
        let (before, after) = (before.clone(), after.clone());
        self.database
            .write(move |transaction| {
                if !update(transaction, &before, &after)? {
                    return Ok(false);
                }
                enqueue(transaction, &after)?;
                if let Some(receipt) = &receipt {
                    idempotency::keep(transaction, receipt)?;
                }
                Ok(true)
            })
            .await
    }

    async fn find(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.database
            .read(move |connection| {
                let sql = format!("SELECT {COLUMNS} FROM messages WHERE id = ?1");
                Ok(connection.prepare_cached(&sql)?.query_row([id.to_string()], message_at_0).optional()?)
            })
            .await
    }

    async fn content(&self, id: MessageId) -> Result<Option<Content>, StoreError> {
        self.database
            .read(move |connection| {
                Ok(connection
                    .prepare_cached("SELECT subject, text, html FROM messages JOIN contents USING (seq) WHERE id = ?1")?
                    .query_row([id.to_string()], |row| content(row, 0))
                    .optional()?)
            })
            .await
    }

    async fn list(&self, filter: Filter, before: Option<MessageId>, limit: u32) -> Result<Vec<Message>, StoreError> {
        self.database
            .read(move |connection| {
                let mut sql = format!("SELECT {COLUMNS} FROM messages WHERE id < ?1");
                if let Some(state) = filter.state {
                    // Written into the statement so that the index of the unsent ones serves it.
                    sql.push_str(&format!(" AND state = '{}'", state.as_str()));
                }
                sql.push_str(if filter.recipient.is_some() { " AND recipient = ?2" } else { " AND ?2 IS NULL" });
                sql.push_str(" ORDER BY id DESC LIMIT ?3");
                let before = before.map_or_else(|| "msg_g".to_owned(), |id| id.to_string());
                let mut statement = connection.prepare_cached(&sql)?;
                let rows = statement.query_map(params![before, filter.recipient, limit], message_at_0)?;
                Ok(rows.collect::<Result<Vec<_>, _>>()?)
            })
            .await
    }

    async fn put_in_mailbox(&self, id: MessageId, mail_id: String, at: Timestamp, keep: u32) -> Result<(), StoreError> {
        // The note that it was sent follows, and brings this to the disk.
        self.database
            .write_unsynced(move |transaction| {
                transaction
                    .prepare_cached(
                        "INSERT INTO mailbox (mail_id, message_seq, delivered_at)
                         SELECT ?1, seq, ?2 FROM messages
                         WHERE id = ?3 AND NOT EXISTS (SELECT 1 FROM mailbox WHERE mail_id = ?1)",
                    )?
                    .execute(params![mail_id, at.as_microsecond(), id.to_string()])?;
                transaction
                    .prepare_cached("DELETE FROM mailbox WHERE seq <= (SELECT max(seq) FROM mailbox) - ?1")?
                    .execute([keep])?;
                Ok(())
            })
            .await
    }

    async fn mailbox(&self, before: Option<u64>, limit: u32) -> Result<Vec<Delivered>, StoreError> {
        let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
        self.database
            .read(move |connection| {
                let sql = format!(
                    "SELECT {COLUMNS}, mailbox.seq, delivered_at FROM mailbox JOIN messages ON messages.seq = message_seq
                     WHERE mailbox.seq < ?1 ORDER BY mailbox.seq DESC LIMIT ?2"
                );
                let mut statement = connection.prepare_cached(&sql)?;
                let rows = statement.query_map(params![before, limit], delivered)?;
                Ok(rows.collect::<Result<Vec<_>, _>>()?)
            })
            .await
    }

    async fn mailbox_entry(&self, seq: u64) -> Result<Option<(Delivered, Content)>, StoreError> {
        let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
        self.database
            .read(move |connection| {
                let sql = format!(
                    "SELECT {COLUMNS}, mailbox.seq, delivered_at, subject, text, html
                     FROM mailbox JOIN messages ON messages.seq = message_seq JOIN contents ON contents.seq = message_seq
                     WHERE mailbox.seq = ?1"
                );
                Ok(connection
                    .prepare_cached(&sql)?
                    .query_row([seq], |row| Ok((delivered(row)?, content(row, 18)?)))
                    .optional()?)
            })
            .await
    }

    async fn forget(&self, at: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.database
            .write(move |transaction| {
                // Rows are nearly in the order of their age: the scan ends at the first page that is young.
                let forgotten = transaction
                    .prepare_cached(
                        "DELETE FROM messages WHERE seq IN (
                            SELECT seq FROM (SELECT seq, state, updated_at FROM messages ORDER BY seq LIMIT ?2)
                            WHERE state IN ('sent', 'dead') AND updated_at < ?1)",
                    )?
                    .execute(params![at.as_microsecond(), limit])?;
                Ok(forgotten as u64)
            })
            .await
    }

    async fn facts(&self) -> Result<Facts, StoreError> {
        self.database.scan(facts).await
    }
}

fn insert(transaction: &Connection, message: &Message, content: &Content) -> Result<bool, StoreError> {
    let inserted = transaction
        .prepare_cached(
            "INSERT INTO messages (id, event_id, kind, channel, recipient, locale, about, subject, state, sends,
                attempts, job_id, last_error, created_at, updated_at, sent_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (event_id, recipient, channel) DO NOTHING",
        )?
        .execute(params![
            message.id.to_string(),
            message.event_id.to_string(),
            message.kind.as_str(),
            message.channel.as_str(),
            message.recipient,
            message.locale.tag(),
            message.about,
            message.subject,
            message.state.as_str(),
            message.sends,
            message.attempts,
            message.job_id.to_string(),
            message.last_error,
            message.created_at.as_microsecond(),
            message.updated_at.as_microsecond(),
            message.sent_at.map(Timestamp::as_microsecond),
        ])?;
    if inserted == 1 {
        transaction.prepare_cached("INSERT INTO contents (seq, text, html) VALUES (?1, ?2, ?3)")?.execute(params![
            transaction.last_insert_rowid(),
            content.text,
            content.html
        ])?;
    }
    Ok(inserted == 1)
}

fn enqueue(transaction: &Connection, message: &Message) -> Result<(), StoreError> {
    let job = SendJob { message_id: message.id };
    outbox::enqueue(transaction, SEND_QUEUE, &message.recipient, message.job_id, message.updated_at, &job)
}

/// A step is told by state, job and attempt: no two steps of a message leave from the same three.
fn update(transaction: &Connection, before: &Message, after: &Message) -> Result<bool, StoreError> {
    let updated = transaction
        .prepare_cached(
            "UPDATE messages SET state = ?5, sends = ?6, attempts = ?7, job_id = ?8, last_error = ?9,
                updated_at = ?10, sent_at = ?11
             WHERE id = ?1 AND state = ?2 AND job_id = ?3 AND attempts = ?4",
        )?
        .execute(params![
            before.id.to_string(),
            before.state.as_str(),
            before.job_id.to_string(),
            before.attempts,
            after.state.as_str(),
            after.sends,
            after.attempts,
            after.job_id.to_string(),
            after.last_error,
            after.updated_at.as_microsecond(),
            after.sent_at.map(Timestamp::as_microsecond),
        ])?;
    Ok(updated == 1)
}

fn facts(connection: &Connection) -> Result<Facts, StoreError> {
    let ids = |sql: &str| -> Result<Vec<MessageId>, StoreError> {
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| parsed(row, 0))?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    };
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE state NOT IN ('sent', 'dead') ORDER BY id");
    let mut statement = connection.prepare_cached(&sql)?;
    let open = statement.query_map([], message_at_0)?.collect::<Result<Vec<_>, _>>()?;
    Ok(Facts {
        duplicates: ids("SELECT max(id) FROM messages GROUP BY event_id, recipient, channel HAVING count(*) > 1")?,
        without_content: ids("SELECT id FROM messages LEFT JOIN contents USING (seq) WHERE contents.text IS NULL")?,
        ill_recorded: ids("SELECT id FROM messages WHERE (state = 'sent' AND (sent_at IS NULL OR attempts = 0))
                           OR (state IN ('dead', 'failed') AND last_error IS NULL)")?,
        open,
    })
}

fn message_at_0(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: parsed(row, 0)?,
        event_id: parsed(row, 1)?,
        kind: named(row, 2, Kind::find)?,
        channel: named(row, 3, Channel::find)?,
        recipient: row.get(4)?,
        locale: parsed(row, 5)?,
        about: row.get(6)?,
        subject: row.get(7)?,
        state: named(row, 8, State::find)?,
        sends: row.get(9)?,
        attempts: row.get(10)?,
        job_id: parsed(row, 11)?,
        last_error: row.get(12)?,
        created_at: moment(row, 13)?,
        updated_at: moment(row, 14)?,
        sent_at: row.get::<_, Option<i64>>(15)?.map(|_| moment(row, 15)).transpose()?,
    })
}

fn delivered(row: &Row<'_>) -> rusqlite::Result<Delivered> {
    let seq = row.get::<_, i64>(16)?.unsigned_abs();
    Ok(Delivered { seq, at: moment(row, 17)?, message: message_at_0(row)? })
}

fn content(row: &Row<'_>, first: usize) -> rusqlite::Result<Content> {
    Ok(Content { subject: row.get(first)?, text: row.get(first + 1)?, html: row.get(first + 2)? })
}

fn parsed<T: std::str::FromStr>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T::Err: std::fmt::Display,
{
    named(row, index, |text| text.parse().ok())
}

fn named<T>(row: &Row<'_>, index: usize, find: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    find(&text).ok_or_else(|| {
        let reason = format!("`{text}` is not understood");
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, reason.into())
    })
}

fn moment(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(index)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Integer, Box::new(error))
    })
}
