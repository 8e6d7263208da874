//! Rows of the ledger.

use chassis::StoreError;
use contracts::{Currency, Money, payment::PaymentId};
use jiff::Timestamp;
use rusqlite::Connection;

use super::rows::{instant, named, parsed};
use crate::payment::{
    Payment,
    ledger::{Account, LedgerEntry, Posting},
};

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

pub(super) fn entries(connection: &Connection, payment: PaymentId) -> Result<Vec<LedgerEntry>, StoreError> {
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

pub(super) fn unbalanced(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT transaction_id FROM ledger_entries GROUP BY transaction_id
         HAVING sum(amount_minor) <> 0 OR count(DISTINCT currency) <> 1 OR count(DISTINCT payment_id) <> 1",
    )?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}
