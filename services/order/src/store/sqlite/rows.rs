//! Rows to domain types and back.

use std::str::FromStr;

use chassis::StoreError;
use contracts::Money;
use jiff::Timestamp;
use rusqlite::Row;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cart::{Cart, CartLine},
    order::{
        saga::Saga,
        snapshot::Snapshot,
        stream::{Origin, StoredFact},
    },
    owner::{Owner, TokenHash},
    store::OrderSummary,
};

pub(super) const CART_COLUMNS: &str = "id, version, customer, guest_hash, currency, locale, email, shipping_address, \
     shipping_method, order_id, created_at, updated_at, expires_at";

/// A cart without its lines.
pub(super) fn cart(row: &Row<'_>) -> Result<Cart, StoreError> {
    let address: Option<String> = row.get(7)?;
    Ok(Cart {
        id: parsed(row, 0)?,
        version: version(row, 1)?,
        owner: owner(row, 2)?,
        currency: parsed(row, 4)?,
        locale: parsed(row, 5)?,
        email: row.get(6)?,
        shipping_address: address.map(|json| serde_json::from_str(&json)).transpose()?,
        shipping_method: row.get(8)?,
        lines: Vec::new(),
        order_id: optional(row, 9)?,
        created_at: time(row, 10)?,
        updated_at: time(row, 11)?,
        expires_at: time(row, 12)?,
    })
}

/// `id, variant_id, quantity`
pub(super) fn cart_line(row: &Row<'_>) -> Result<CartLine, StoreError> {
    Ok(CartLine { id: parsed(row, 0)?, variant_id: parsed(row, 1)?, quantity: row.get(2)? })
}

pub(super) const FACT_COLUMNS: &str = "seq, type, schema_version, data, actor, cause, at, prev_hash, hash";

pub(super) fn stored_fact(row: &Row<'_>) -> Result<StoredFact, StoreError> {
    Ok(StoredFact {
        seq: version(row, 0)?,
        kind: row.get(1)?,
        schema_version: row.get(2)?,
        data: row.get(3)?,
        origin: Origin { actor: row.get(4)?, cause: row.get(5)?, at: time(row, 6)? },
        prev_hash: row.get(7)?,
        hash: row.get(8)?,
    })
}

pub(super) const SUMMARY_COLUMNS: &str = "id, version, number, status, payment_status, customer, guest_hash, email, \
     currency, total, item_count, cart_id, placed_at, updated_at, saga_step, saga_attempts, saga_due_at, \
     fulfilment_status";

pub(super) fn summary(row: &Row<'_>) -> Result<OrderSummary, StoreError> {
    Ok(OrderSummary {
        id: parsed(row, 0)?,
        version: version(row, 1)?,
        number: row.get(2)?,
        status: word(row, 3)?,
        payment_status: word(row, 4)?,
        owner: owner(row, 5)?,
        email: row.get(7)?,
        total: Money::new(row.get(9)?, parsed(row, 8)?),
        item_count: row.get(10)?,
        cart_id: parsed(row, 11)?,
        placed_at: time(row, 12)?,
        updated_at: time(row, 13)?,
        fulfilment_status: word(row, 17)?,
        saga: saga(row)?,
    })
}

/// Step, attempts and due time from column 14 on.
fn saga(row: &Row<'_>) -> Result<Option<Saga>, StoreError> {
    if row.get_ref(14)? == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    let due_at: Option<i64> = row.get(16)?;
    let due_at = due_at.map(from_micros).transpose()?;
    Ok(Some(Saga { step: word(row, 14)?, attempts: row.get(15)?, due_at }))
}

/// What the three columns of a saga hold.
pub(super) fn saga_columns(saga: Option<&Saga>) -> (Option<&'static str>, u32, Option<i64>) {
    saga.map_or((None, 0, None), |saga| {
        (Some(saga.step.name()), saga.attempts, saga.due_at.map(Timestamp::as_microsecond))
    })
}

/// `version, schema, state, hash`
pub(super) fn snapshot(row: &Row<'_>) -> Result<Snapshot, StoreError> {
    Ok(Snapshot { version: version(row, 0)?, schema: row.get(1)?, state: row.get(2)?, hash: row.get(3)? })
}

/// Customer and guest hash in two neighbouring columns, one of which is filled.
fn owner(row: &Row<'_>, index: usize) -> Result<Owner, StoreError> {
    let guest: Option<[u8; 32]> = row.get(index + 1)?;
    match guest {
        Some(hash) => Ok(Owner::Guest(TokenHash::from_bytes(hash))),
        None => parsed(row, index).map(Owner::Account),
    }
}

/// What the two columns of an owner hold.
pub(super) fn owner_columns(owner: &Owner) -> (Option<String>, Option<[u8; 32]>) {
    (owner.account().map(|id| id.to_string()), owner.guest().map(|hash| *hash.as_bytes()))
}

pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(row: &Row<'_>, index: usize) -> Result<T, StoreError> {
    let text = row.get_ref(index)?.as_str().map_err(rusqlite::Error::from)?;
    text.parse().map_err(|error| StoreError::corrupt(&column(row, index), error))
}

fn optional<T: FromStr<Err: std::fmt::Display>>(row: &Row<'_>, index: usize) -> Result<Option<T>, StoreError> {
    match row.get_ref(index)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => parsed(row, index).map(Some),
    }
}

/// A word that serde knows: a status.
fn word<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> Result<T, StoreError> {
    let text = row.get_ref(index)?.as_str().map_err(rusqlite::Error::from)?;
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text))
        .map_err(|error| StoreError::corrupt(&column(row, index), error))
}

/// The word that [`word`] reads.
pub(super) fn to_word<T: Serialize>(value: T) -> Result<String, StoreError> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(word) => Ok(word),
        other => Err(StoreError::corrupt("a word", other)),
    }
}

fn version(row: &Row<'_>, index: usize) -> Result<u64, StoreError> {
    let number: i64 = row.get(index)?;
    u64::try_from(number).map_err(|error| StoreError::corrupt(&column(row, index), error))
}

pub(super) fn time(row: &Row<'_>, index: usize) -> Result<Timestamp, StoreError> {
    from_micros(row.get(index)?)
}

fn from_micros(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| StoreError::corrupt("a time", error))
}

fn column(row: &Row<'_>, index: usize) -> String {
    row.as_ref().column_name(index).unwrap_or("a column").to_owned()
}
