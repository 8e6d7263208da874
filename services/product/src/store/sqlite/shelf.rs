//! Stock levels, the ledger of movements, and what a change of stock does to what the public sees.

use std::collections::BTreeSet;

use chassis::{
    StoreError,
    idempotency::{self, Receipt},
    outbox,
};
use contracts::product::{ProductChanged, ProductEvent, StockLevelChanged, VariantId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{products, text};
use crate::{
    stock::{Adjustment, Movement, MovementKind, StockLevel},
    store::{AdjustError, AdjustStock, Stamp},
    view::{Audience, ProductView, StockView},
};

/// A level as it is stored.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    pub(super) level: StockLevel,
    /// How many movements there are.
    pub(super) movements: i64,
}

/// Reads `on_hand, reserved, track, backorder` from column `first` on.
pub(super) fn read_level(row: &Row<'_>, first: usize, variant_id: VariantId) -> Result<StockLevel, rusqlite::Error> {
    Ok(StockLevel {
        variant_id,
        on_hand: row.get(first)?,
        reserved: row.get(first + 1)?,
        track: row.get(first + 2)?,
        backorder: row.get(first + 3)?,
    })
}

pub(super) fn find(connection: &Connection, variant_id: VariantId) -> Result<Option<Kept>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT on_hand, reserved, track, backorder, movements FROM stock_levels WHERE variant_id = ?1",
    )?;
    let found = statement.query_row([variant_id.to_string()], |row| {
        Ok(Kept { level: read_level(row, 0, variant_id)?, movements: row.get(4)? })
    });
    Ok(found.optional()?)
}

/// Writes a level as a person or an import wants it, and the movement if the count is another one.
pub(super) fn write(
    transaction: &Connection,
    before: Option<&Kept>,
    after: &StockLevel,
    kind: MovementKind,
    reason: &str,
    stamp: &Stamp,
) -> Result<(), StoreError> {
    let delta = after.on_hand - before.map_or(0, |before| before.level.on_hand);
    let movements = before.map_or(0, |before| before.movements) + i64::from(delta != 0);
    let strict = after.track && !after.backorder;
    let debt = if strict { (after.reserved - after.on_hand).max(0) } else { 0 };
    transaction
        .prepare_cached(
            "INSERT INTO stock_levels (variant_id, on_hand, reserved, track, backorder, debt, movements)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (variant_id) DO UPDATE SET on_hand = excluded.on_hand, track = excluded.track,
                 backorder = excluded.backorder, debt = excluded.debt, movements = excluded.movements",
        )?
        .execute((
            after.variant_id.to_string(),
            after.on_hand,
            after.reserved,
            after.track,
            after.backorder,
            debt,
            movements,
        ))?;
    if delta != 0 {
        let entry = Entry { variant_id: after.variant_id, number: movements, delta, on_hand: after.on_hand, kind };
        note(transaction, &entry, reason, &stamp.actor, stamp.now)?;
    }
    Ok(())
}

/// A movement about to be noted.
pub(super) struct Entry {
    pub(super) variant_id: VariantId,
    pub(super) number: i64,
    pub(super) delta: i64,
    pub(super) on_hand: i64,
    pub(super) kind: MovementKind,
}

pub(super) fn note(
    transaction: &Connection,
    entry: &Entry,
    reason: &str,
    actor: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO movements (variant_id, number, delta, on_hand, kind, reason, actor, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            entry.variant_id.to_string(),
            entry.number,
            entry.delta,
            entry.on_hand,
            entry.kind.as_str(),
            reason,
            actor,
            at.as_microsecond(),
        ))?;
    Ok(())
}

/// Puts `quantity` on (or, negative, off) the shelf for an order; `unreserve` of it is no longer promised.
/// Answers the level afterwards, or `None` if nobody knows the variant.
pub(super) fn shift(
    transaction: &Connection,
    variant_id: VariantId,
    quantity: i64,
    unreserve: i64,
    kind: MovementKind,
    stamp: &Stamp,
) -> Result<Option<StockLevel>, StoreError> {
    let shifted = transaction
        .prepare_cached(
            "UPDATE stock_levels SET on_hand = on_hand + ?2, reserved = reserved - ?3, movements = movements + 1
             WHERE variant_id = ?1 RETURNING on_hand, reserved, track, backorder, movements",
        )?
        .query_row((variant_id.to_string(), quantity, unreserve), |row| {
            Ok((read_level(row, 0, variant_id)?, row.get::<_, i64>(4)?))
        })
        .optional()?;
    let Some((level, number)) = shifted else { return Ok(None) };
    let entry = Entry { variant_id, number, delta: quantity, on_hand: level.on_hand, kind };
    note(transaction, &entry, "", &stamp.actor, stamp.now)?;
    Ok(Some(level))
}

/// The row number of the product that a variant belongs to.
pub(super) fn product_of(connection: &Connection, variant_id: VariantId) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT product_seq FROM variants WHERE id = ?1 AND retired = 0")?
        .query_row([variant_id.to_string()], |row| row.get(0))
        .optional()?)
}

/// Collects products of which a variant sold out or came back, and shows them so.
#[derive(Default)]
pub(super) struct Flips(BTreeSet<i64>);

impl Flips {
    /// Notes the product of the level's variant if `before` and `after` differ in what a buyer sees.
    pub(super) fn note(
        &mut self,
        connection: &Connection,
        before: &StockLevel,
        after: &StockLevel,
    ) -> Result<(), StoreError> {
        if before.in_stock() != after.in_stock() {
            self.0.extend(product_of(connection, after.variant_id)?);
        }
        Ok(())
    }

    /// Renders the products anew under their next version and announces them. `true` if there were any.
    pub(super) fn show(self, transaction: &Connection, stamp: &mut Stamp) -> Result<bool, StoreError> {
        let any = !self.0.is_empty();
        for seq in self.0 {
            show(transaction, seq, stamp)?;
        }
        Ok(any)
    }
}

fn show(transaction: &Connection, seq: i64, stamp: &mut Stamp) -> Result<(), StoreError> {
    let Some((mut product, levels)) = products::load(transaction, &[seq])?.pop() else { return Ok(()) };
    product.version += 1;
    let view = ProductView::new(&product, &levels, Audience::Public);
    transaction
        .prepare_cached("UPDATE products SET version = ?2, in_stock = ?3, view = ?4 WHERE seq = ?1")?
        .execute((seq, products::signed(product.version)?, view.in_stock, serde_json::to_string(&view)?))?;
    transaction
        .prepare_cached("UPDATE product_prices SET in_stock = ?2 WHERE seq = ?1 AND in_stock <> ?2")?
        .execute((seq, view.in_stock))?;
    let event = ProductEvent::Changed(ProductChanged { product_id: product.id, version: product.version });
    outbox::publish(transaction, &event, stamp.event_id(), &product.id.to_string(), stamp.now)
}

pub(super) fn announce(transaction: &Connection, level: &StockLevel, stamp: &mut Stamp) -> Result<(), StoreError> {
    let StockLevel { variant_id, on_hand, reserved, .. } = *level;
    let event = ProductEvent::StockLevelChanged(StockLevelChanged { variant_id, on_hand, reserved });
    outbox::publish(transaction, &event, stamp.event_id(), &variant_id.to_string(), stamp.now)
}

/// Corrects or counts. Answers the level and whether the public sees a difference.
pub(super) fn adjust(
    transaction: &Connection,
    adjust: &AdjustStock,
    receipt: Option<&Receipt<StockView>>,
    stamp: &mut Stamp,
) -> Result<(StockLevel, bool), AdjustError> {
    if product_of(transaction, adjust.variant_id)?.is_none() {
        return Err(AdjustError::NotFound);
    }
    let kept = find(transaction, adjust.variant_id)?.ok_or(AdjustError::NotFound)?;
    let after = kept.level.adjusted(adjust.adjustment)?;
    let kind = match adjust.adjustment {
        Adjustment::Delta(_) => MovementKind::Adjustment,
        Adjustment::Count(_) => MovementKind::Count,
    };
    let mut shown = false;
    if after != kept.level {
        write(transaction, Some(&kept), &after, kind, &adjust.reason, stamp)?;
        announce(transaction, &after, stamp)?;
        let mut flips = Flips::default();
        flips.note(transaction, &kept.level, &after)?;
        shown = flips.show(transaction, stamp)?;
    }
    if let Some(receipt) = receipt {
        idempotency::keep(transaction, &receipt.record(&after.into(), stamp.now)?)?;
    }
    Ok((after, shown))
}

pub(super) fn list_movements(
    connection: &Connection,
    variant_id: VariantId,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<Movement>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, delta, on_hand, kind, reason, actor, at FROM movements
         WHERE variant_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3",
    )?;
    let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
    let mut rows = statement.query((variant_id.to_string(), before, limit))?;
    let mut movements = Vec::new();
    while let Some(row) = rows.next()? {
        movements.push(Movement {
            number: row.get::<_, i64>(0)?.unsigned_abs(),
            variant_id,
            delta: row.get(1)?,
            on_hand: row.get(2)?,
            kind: serde_json::from_value(serde_json::Value::String(row.get(3)?))?,
            reason: row.get(4)?,
            actor: row.get(5)?,
            at: text::timestamp(row.get(6)?)?,
        });
    }
    Ok(movements)
}
