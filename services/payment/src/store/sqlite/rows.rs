//! Rows and columns of the payment store.

use std::str::FromStr;

use chassis::StoreError;
use contracts::{Currency, Money, order::OrderId, payment::PaymentId};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use crate::{
    payment::{
        Operation, OperationKind, OperationState, OrderPhase, Payment, PaymentState,
        ledger::{Account, LedgerEntry, Posting},
    },
    store::{ProviderEvent, Taken},
};

/// The checks are the last guard: no bug above can capture more than was authorized or give back more
/// than was captured.
pub(super) const SCHEMA: &str = "
    CREATE TABLE payments (
        id TEXT PRIMARY KEY,
        order_id TEXT NOT NULL UNIQUE,
        currency TEXT NOT NULL,
        amount_minor INTEGER NOT NULL,
        captured_minor INTEGER NOT NULL,
        capturing_minor INTEGER NOT NULL,
        refunded_minor INTEGER NOT NULL,
        refunding_minor INTEGER NOT NULL,
        state TEXT NOT NULL,
        order_phase TEXT NOT NULL,
        provider TEXT NOT NULL,
        method_token TEXT NOT NULL,
        provider_ref TEXT,
        provider_rank INTEGER NOT NULL,
        pay_by INTEGER NOT NULL,
        version INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        CHECK (captured_minor >= 0 AND capturing_minor >= 0 AND refunded_minor >= 0 AND refunding_minor >= 0),
        CHECK (captured_minor <= max(amount_minor, 0)),
        CHECK (captured_minor + capturing_minor <= max(amount_minor, 0)),
        CHECK (refunded_minor + refunding_minor <= captured_minor)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE operations (
        payment_id TEXT NOT NULL REFERENCES payments (id),
        id TEXT NOT NULL,
        kind TEXT NOT NULL,
        amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
        state TEXT NOT NULL,
        refund_id TEXT,
        reason TEXT,
        error_code TEXT,
        provider_ref TEXT,
        sends INTEGER NOT NULL,
        inquiries INTEGER NOT NULL,
        sent_at INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        PRIMARY KEY (payment_id, id)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX one_authorization_at_a_time ON operations (payment_id)
        WHERE kind = 'authorize' AND state <> 'failed';
    CREATE TABLE ledger_entries (
        payment_id TEXT NOT NULL REFERENCES payments (id),
        transaction_id TEXT NOT NULL,
        account TEXT NOT NULL,
        currency TEXT NOT NULL,
        amount_minor INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (payment_id, transaction_id, account)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE provider_events (
        provider TEXT NOT NULL,
        event_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        payment_id TEXT,
        body BLOB NOT NULL,
        taken TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        PRIMARY KEY (provider, event_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE ended_orders (order_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

pub(super) const AGE_OF_EVENTS: &str = "CREATE INDEX provider_events_by_age ON provider_events (received_at)";

const PAYMENT: &str = "SELECT id, order_id, currency, amount_minor, captured_minor, refunded_minor, state, order_phase,
    provider, method_token, provider_ref, provider_rank, pay_by, version, created_at, updated_at FROM payments";

const OPERATIONS: &str = "SELECT id, kind, amount_minor, state, refund_id, reason, error_code, provider_ref, sends,
    inquiries, sent_at, created_at, updated_at FROM operations WHERE payment_id = ?1 ORDER BY created_at, id";

pub(super) fn has_payment_or_ended(transaction: &Connection, order: OrderId) -> Result<bool, StoreError> {
    Ok(transaction
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM payments WHERE order_id = ?1)
                 OR EXISTS (SELECT 1 FROM ended_orders WHERE order_id = ?1)",
        )?
        .query_row([order.to_string()], |row| row.get(0))?)
}

pub(super) fn remember_ended(transaction: &Connection, order: OrderId) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO ended_orders (order_id) VALUES (?1)")?
        .execute([order.to_string()])?;
    Ok(())
}

pub(super) fn insert(transaction: &Connection, payment: &Payment) -> Result<(), StoreError> {
    let id = payment.id.to_string();
    transaction
        .prepare_cached(
            "INSERT INTO payments (id, order_id, currency, amount_minor, captured_minor, capturing_minor,
                 refunded_minor, refunding_minor, state, order_phase, provider, method_token, provider_ref,
                 provider_rank, pay_by, version, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0, ?5, ?6, ?7, ?8, NULL, 0, ?9, ?10, ?11, ?11)",
        )?
        .execute((
            &id,
            payment.order_id.to_string(),
            payment.amount.currency.code(),
            payment.amount.amount_minor,
            payment.state.as_str(),
            payment.order_phase.as_str(),
            &payment.provider,
            &payment.method_token,
            payment.pay_by.as_microsecond(),
            payment.version.cast_signed(),
            payment.created_at.as_microsecond(),
        ))?;
    for operation in &payment.operations {
        insert_operation(transaction, &id, operation)?;
    }
    Ok(())
}

/// Writes what differs from `before`. The version guards against another writer.
pub(super) fn update(transaction: &Connection, before: &Payment, payment: &Payment) -> Result<(), StoreError> {
    let id = payment.id.to_string();
    for operation in &payment.operations {
        match before.operations.iter().find(|known| known.id == operation.id) {
            None => insert_operation(transaction, &id, operation)?,
            Some(known) if known != operation => update_operation(transaction, &id, operation)?,
            Some(_) => {}
        }
    }
    if payment.version == before.version {
        return Ok(());
    }
    let updated = transaction
        .prepare_cached(
            "UPDATE payments SET captured_minor = ?2, capturing_minor = ?3, refunded_minor = ?4, refunding_minor = ?5,
                 state = ?6, order_phase = ?7, provider_ref = ?8, provider_rank = ?9, version = ?10, updated_at = ?11
             WHERE id = ?1 AND version = ?12",
        )?
        .execute((
            &id,
            payment.captured_minor,
            payment.capturing_minor(),
            payment.refunded_minor,
            payment.refunding_minor(),
            payment.state.as_str(),
            payment.order_phase.as_str(),
            &payment.provider_ref,
            payment.provider_rank,
            payment.version.cast_signed(),
            payment.updated_at.as_microsecond(),
            before.version.cast_signed(),
        ))?;
    if updated == 1 { Ok(()) } else { Err(StoreError::Unavailable(format!("{id} was changed by another writer"))) }
}

fn insert_operation(transaction: &Connection, payment: &str, operation: &Operation) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO operations (payment_id, id, kind, amount_minor, state, refund_id, reason, error_code,
                 provider_ref, sends, inquiries, sent_at, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute((
            payment,
            operation.id.to_string(),
            operation.kind.as_str(),
            operation.amount_minor,
            operation.state.as_str(),
            operation.refund_id.map(|id| id.to_string()),
            &operation.reason,
            &operation.error_code,
            &operation.provider_ref,
            operation.sends,
            operation.inquiries,
            operation.sent_at.map(Timestamp::as_microsecond),
            operation.created_at.as_microsecond(),
            operation.updated_at.as_microsecond(),
        ))?;
    Ok(())
}

fn update_operation(transaction: &Connection, payment: &str, operation: &Operation) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE operations SET state = ?3, error_code = ?4, provider_ref = ?5, sends = ?6, inquiries = ?7,
                 sent_at = ?8, updated_at = ?9
             WHERE payment_id = ?1 AND id = ?2",
        )?
        .execute((
            payment,
            operation.id.to_string(),
            operation.state.as_str(),
            &operation.error_code,
            &operation.provider_ref,
            operation.sends,
            operation.inquiries,
            operation.sent_at.map(Timestamp::as_microsecond),
            operation.updated_at.as_microsecond(),
        ))?;
    Ok(())
}

pub(super) fn find(connection: &Connection, id: PaymentId) -> Result<Option<Payment>, StoreError> {
    find_where(connection, "id = ?1", &id.to_string())
}

pub(super) fn find_by_order(connection: &Connection, order: OrderId) -> Result<Option<Payment>, StoreError> {
    find_where(connection, "order_id = ?1", &order.to_string())
}

fn find_where(connection: &Connection, condition: &str, value: &str) -> Result<Option<Payment>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{PAYMENT} WHERE {condition}"))?;
    let mut rows = statement.query([value])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut payment = payment(row)?;
    let mut statement = connection.prepare_cached(OPERATIONS)?;
    let mut rows = statement.query([payment.id.to_string()])?;
    while let Some(row) = rows.next()? {
        payment.operations.push(operation(row)?);
    }
    Ok(Some(payment))
}

pub(super) fn list_before(
    connection: &Connection,
    before: Option<PaymentId>,
    limit: u32,
) -> Result<Vec<Payment>, StoreError> {
    // `~` sorts after every id.
    let before = before.map_or_else(|| "~".to_owned(), |id| id.to_string());
    let mut statement = connection.prepare_cached(&format!("{PAYMENT} WHERE id < ?1 ORDER BY id DESC LIMIT ?2"))?;
    let mut rows = statement.query((before, limit))?;
    let mut payments = Vec::new();
    while let Some(row) = rows.next()? {
        payments.push(payment(row)?);
    }
    Ok(payments)
}

pub(super) fn ids_after(
    connection: &Connection,
    after: Option<PaymentId>,
    limit: u32,
) -> Result<Vec<PaymentId>, StoreError> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    let mut statement = connection.prepare_cached("SELECT id FROM payments WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = statement.query((after, limit))?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(parsed(row, 0)?);
    }
    Ok(ids)
}

fn payment(row: &Row<'_>) -> Result<Payment, StoreError> {
    let currency: Currency = parsed(row, 2)?;
    Ok(Payment {
        id: parsed(row, 0)?,
        order_id: parsed(row, 1)?,
        amount: Money::new(row.get(3)?, currency),
        captured_minor: row.get(4)?,
        refunded_minor: row.get(5)?,
        state: named(row, 6, PaymentState::find)?,
        order_phase: named(row, 7, OrderPhase::find)?,
        provider: row.get(8)?,
        method_token: row.get(9)?,
        provider_ref: row.get(10)?,
        provider_rank: row.get(11)?,
        pay_by: instant(row.get(12)?)?,
        version: row.get::<_, i64>(13)?.cast_unsigned(),
        created_at: instant(row.get(14)?)?,
        updated_at: instant(row.get(15)?)?,
        operations: Vec::new(),
    })
}

fn operation(row: &Row<'_>) -> Result<Operation, StoreError> {
    let refund_id: Option<String> = row.get(4)?;
    Ok(Operation {
        id: parsed(row, 0)?,
        kind: named(row, 1, OperationKind::find)?,
        amount_minor: row.get(2)?,
        state: named(row, 3, OperationState::find)?,
        refund_id: refund_id.map(|id| parse(&id)).transpose()?,
        reason: row.get(5)?,
        error_code: row.get(6)?,
        provider_ref: row.get(7)?,
        sends: row.get(8)?,
        inquiries: row.get(9)?,
        sent_at: row.get::<_, Option<i64>>(10)?.map(instant).transpose()?,
        created_at: instant(row.get(11)?)?,
        updated_at: instant(row.get(12)?)?,
    })
}

pub(super) fn post(
    transaction: &Connection,
    payment: &Payment,
    posting: &Posting,
    now: Timestamp,
) -> Result<(), StoreError> {
    let [(first, first_amount), (second, second_amount)] = posting.entries();
    transaction
        .prepare_cached(
            "INSERT INTO ledger_entries (payment_id, transaction_id, account, currency, amount_minor, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6), (?1, ?2, ?7, ?4, ?8, ?6)",
        )?
        .execute((
            payment.id.to_string(),
            posting.id.to_string(),
            first.as_str(),
            payment.amount.currency.code(),
            first_amount,
            now.as_microsecond(),
            second.as_str(),
            second_amount,
        ))?;
    Ok(())
}

pub(super) fn ledger(connection: &Connection, payment: PaymentId) -> Result<Vec<LedgerEntry>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT transaction_id, account, currency, amount_minor, at FROM ledger_entries
         WHERE payment_id = ?1 ORDER BY at, transaction_id, amount_minor DESC",
    )?;
    let mut rows = statement.query([payment.to_string()])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let currency: Currency = parsed(row, 2)?;
        entries.push(LedgerEntry {
            transaction_id: parsed(row, 0)?,
            payment_id: payment,
            account: named(row, 1, Account::find)?,
            amount: Money::new(row.get(3)?, currency),
            at: instant(row.get(4)?)?,
        });
    }
    Ok(entries)
}

pub(super) fn last_change(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let last: Option<i64> = connection
        .prepare_cached(
            "SELECT max(at) FROM (
                 SELECT max(updated_at) AS at FROM payments UNION ALL SELECT max(updated_at) FROM operations)",
        )?
        .query_row([], |row| row.get(0))?;
    last.map(instant).transpose()
}

pub(super) fn unbalanced(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT transaction_id FROM ledger_entries GROUP BY transaction_id
         HAVING sum(amount_minor) <> 0 OR count(DISTINCT currency) <> 1 OR count(DISTINCT payment_id) <> 1",
    )?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// False if the event was stored before.
pub(super) fn insert_provider_event(
    transaction: &Connection,
    event: &ProviderEvent,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let inserted = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO provider_events (provider, event_id, event_type, payment_id, body, taken, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, 'unmatched', ?6)",
        )?
        .execute((
            &event.provider,
            &event.event_id,
            &event.event_type,
            event.about.as_ref().map(|(id, _)| id.to_string()),
            &event.body,
            now.as_microsecond(),
        ))?;
    Ok(inserted == 1)
}

pub(super) fn forget_provider_events(
    transaction: &Connection,
    before: Timestamp,
    limit: u32,
) -> Result<usize, StoreError> {
    Ok(transaction
        .prepare_cached(
            "DELETE FROM provider_events WHERE (provider, event_id) IN (
                 SELECT provider, event_id FROM provider_events WHERE received_at < ?1 ORDER BY received_at LIMIT ?2)",
        )?
        .execute((before.as_microsecond(), limit))?)
}

pub(super) fn mark_provider_event(
    transaction: &Connection,
    provider: &str,
    event_id: &str,
    taken: Taken,
) -> Result<(), StoreError> {
    if taken != Taken::Unmatched {
        transaction
            .prepare_cached("UPDATE provider_events SET taken = ?3 WHERE provider = ?1 AND event_id = ?2")?
            .execute((provider, event_id, taken.as_str()))?;
    }
    Ok(())
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(row: &Row<'_>, column: usize) -> Result<T, StoreError> {
    parse(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| StoreError::corrupt("payment store", error))
}

fn named<T>(row: &Row<'_>, column: usize, find: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
    let name = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    find(name).ok_or_else(|| StoreError::corrupt("payment store", format!("unknown name {name}")))
}

fn instant(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| StoreError::corrupt("payment store", error))
}
