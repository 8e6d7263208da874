//! Rows and columns of the payment store.

use std::str::FromStr;

use chassis::StoreError;
use contracts::{Currency, Money, order::OrderId, payment::PaymentId};
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use crate::payment::{CaptureMethod, Operation, OperationKind, OperationState, OrderPhase, Payment, PaymentState};

const PAYMENT: &str = "SELECT id, order_id, currency, amount_minor, captured_minor, refunded_minor, state, order_phase,
    provider, provider_ref, provider_rank, pay_by, version, created_at, updated_at, capture_method, provider_sequence,
    action FROM payments";

const OPERATIONS: &str = "SELECT id, kind, amount_minor, state, refund_id, reason, error_code, provider_ref, sends,
    inquiries, sent_at, created_at, updated_at, provider, reference, method_token FROM operations WHERE payment_id = ?1 ORDER BY created_at, id";

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
                 refunded_minor, refunding_minor, state, order_phase, provider, provider_ref, provider_rank, pay_by,
                 version, created_at, updated_at, capture_method)
             VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0, ?5, ?6, ?7, NULL, 0, ?8, ?9, ?10, ?10, ?11)",
        )?
        .execute((
            &id,
            payment.order_id.to_string(),
            payment.amount.currency.code(),
            payment.amount.amount_minor,
            payment.state.as_str(),
            payment.order_phase.as_str(),
            &payment.provider,
            payment.pay_by.as_microsecond(),
            payment.version.cast_signed(),
            payment.created_at.as_microsecond(),
            payment.capture_method.as_str(),
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
                 state = ?6, order_phase = ?7, provider_ref = ?8, provider_rank = ?9, version = ?10, updated_at = ?11,
                 provider = ?13, provider_sequence = ?14, action = ?15
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
            &payment.provider,
            payment.provider_sequence.cast_signed(),
            payment.action.as_ref().map(serde_json::to_string).transpose()?,
        ))?;
    if updated == 1 { Ok(()) } else { Err(StoreError::Unavailable(format!("{id} was changed by another writer"))) }
}

fn insert_operation(transaction: &Connection, payment: &str, operation: &Operation) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO operations (payment_id, id, kind, amount_minor, state, refund_id, reason, error_code,
                 provider_ref, sends, inquiries, sent_at, created_at, updated_at, provider, reference, method_token)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
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
            &operation.provider,
            &operation.reference,
            &operation.method_token,
        ])?;
    Ok(())
}

fn update_operation(transaction: &Connection, payment: &str, operation: &Operation) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE operations SET state = ?3, error_code = ?4, provider_ref = ?5, sends = ?6, inquiries = ?7,
                 sent_at = ?8, updated_at = ?9, method_token = ?10
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
            &operation.method_token,
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
    let action: Option<String> = row.get(17)?;
    Ok(Payment {
        id: parsed(row, 0)?,
        order_id: parsed(row, 1)?,
        amount: Money::new(row.get(3)?, currency),
        captured_minor: row.get(4)?,
        refunded_minor: row.get(5)?,
        state: named(row, 6, PaymentState::find)?,
        order_phase: named(row, 7, OrderPhase::find)?,
        provider: row.get(8)?,
        provider_ref: row.get(9)?,
        provider_rank: row.get(10)?,
        pay_by: instant(row.get(11)?)?,
        version: row.get::<_, i64>(12)?.cast_unsigned(),
        created_at: instant(row.get(13)?)?,
        updated_at: instant(row.get(14)?)?,
        capture_method: named(row, 15, CaptureMethod::find)?,
        provider_sequence: row.get::<_, i64>(16)?.cast_unsigned(),
        action: action.as_deref().map(serde_json::from_str).transpose()?,
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
        provider: row.get(13)?,
        reference: row.get(14)?,
        method_token: row.get(15)?,
    })
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

pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(row: &Row<'_>, column: usize) -> Result<T, StoreError> {
    parse(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| StoreError::corrupt("payment store", error))
}

pub(super) fn named<T>(row: &Row<'_>, column: usize, find: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
    let name = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    find(name).ok_or_else(|| StoreError::corrupt("payment store", format!("unknown name {name}")))
}

pub(super) fn instant(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| StoreError::corrupt("payment store", error))
}
