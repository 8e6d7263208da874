//! What becomes of held stock: committed, given back, lapsed, restocked.

use chassis::{StoreError, outbox};
use contracts::{
    order::{OrderId, RestockLine},
    product::{ProductEvent, Reservation, ReservationId, StockCommitFailed, VariantId},
};
use jiff::Timestamp;
use rusqlite::Connection;

use super::{
    reservations::{HeldLine, find, insert, leave, unhold},
    shelf::{self, Flips},
    text,
};
use crate::{
    STOCK_GROUP,
    stock::{self, MovementKind, StockLevel},
    store::{CommitStock, EndOrder, Restock, Stamp},
};

/// Gives a hold back. An unknown one is noted as released: the request that would make it may be late.
pub(super) fn release(transaction: &Connection, id: ReservationId, stamp: &mut Stamp) -> Result<bool, StoreError> {
    let mut flips = Flips::default();
    match leave(transaction, id, "held", "released")? {
        Some(lines) => unhold(transaction, &lines, &mut flips)?,
        None if find(transaction, id)?.is_none() => {
            insert(transaction, &Reservation { id, expires_at: stamp.now, quotes: Vec::new() }, "released", &[])?;
        }
        None => {}
    }
    flips.show(transaction, stamp)
}

/// Takes held stock off the shelf. What is available stays the same, so that nobody sees a difference, unless some of
/// it was called off before it came to this.
pub(super) fn commit(transaction: &Connection, commit: &CommitStock, stamp: &mut Stamp) -> Result<bool, StoreError> {
    if let Some(lines) = leave(transaction, commit.reservation_id, "held", "committed")? {
        let mut flips = Flips::default();
        for (variant_id, quantity, counted) in lines {
            if counted {
                shelf::shift(transaction, variant_id, -quantity, quantity, MovementKind::Sale, stamp)?;
                let sale = Change::sold(commit.order_id, variant_id, quantity);
                settle_up(transaction, &sale, &mut flips, stamp)?;
            }
        }
        return flips.show(transaction, stamp);
    }
    let lines = match find(transaction, commit.reservation_id)? {
        None => stock::merge(&commit.lines).into_iter().map(|line| (line.variant_id, line.quantity, true)).collect(),
        Some(stored) if stored.state == "expired" => stored.lines,
        // Committed before, or given back: this event was here already.
        Some(_) => return Ok(false),
    };
    commit_late(transaction, commit, lines, stamp)
}

/// The hold lapsed: takes the stock anew if it is still there, else says that it is gone.
fn commit_late(
    transaction: &Connection,
    commit: &CommitStock,
    mut lines: Vec<HeldLine>,
    stamp: &mut Stamp,
) -> Result<bool, StoreError> {
    let id = commit.reservation_id;
    let mut levels: Vec<StockLevel> = Vec::with_capacity(lines.len());
    for (variant_id, quantity, counted) in &mut lines {
        match shelf::find(transaction, *variant_id)? {
            Some(kept) if kept.level.covers(*quantity) => {
                *counted = kept.level.track;
                levels.push(kept.level);
            }
            Some(_) | None => {
                settle(transaction, id, "released", &lines, stamp)?;
                let event = StockCommitFailed { reservation_id: id, order_id: commit.order_id };
                let event = ProductEvent::StockCommitFailed(event);
                outbox::publish(transaction, &event, stamp.event_id(), &commit.order_id.to_string(), stamp.now)?;
                return Ok(false);
            }
        }
    }
    settle(transaction, id, "committed", &lines, stamp)?;
    let mut flips = Flips::default();
    for ((variant_id, quantity, counted), before) in lines.iter().zip(&levels) {
        if *counted
            && let Some(after) = shelf::shift(transaction, *variant_id, -quantity, 0, MovementKind::Sale, stamp)?
        {
            flips.note(transaction, before, &after)?;
            let sale = Change::sold(commit.order_id, *variant_id, *quantity);
            settle_up(transaction, &sale, &mut flips, stamp)?;
        }
    }
    flips.show(transaction, stamp)
}

/// Puts an expired or unknown reservation into `state`.
fn settle(
    transaction: &Connection,
    id: ReservationId,
    state: &str,
    lines: &[HeldLine],
    stamp: &Stamp,
) -> Result<(), StoreError> {
    let updated = transaction
        .prepare_cached("UPDATE reservations SET state = ?2, lines = ?3 WHERE id = ?1")?
        .execute((id.to_string(), state, serde_json::to_string(lines)?))?;
    if updated == 0 {
        insert(transaction, &Reservation { id, expires_at: stamp.now, quotes: Vec::new() }, state, lines)?;
    }
    Ok(())
}

/// What an order took of a variant, or what of it is to come back.
struct Change {
    order_id: OrderId,
    variant_id: VariantId,
    sold: i64,
    returned: i64,
    kind: MovementKind,
}

impl Change {
    fn sold(order_id: OrderId, variant_id: VariantId, sold: i64) -> Self {
        Self { order_id, variant_id, sold, returned: 0, kind: MovementKind::Cancellation }
    }

    fn returned(order_id: OrderId, variant_id: VariantId, returned: i64, kind: MovementKind) -> Self {
        Self { order_id, variant_id, sold: 0, returned, kind }
    }
}

/// Counts the change and puts on the shelf what may come back now: what was called off, sent back or refunded, but
/// never more than the order took. It comes to the same in whichever order and however often it is said.
fn settle_up(transaction: &Connection, change: &Change, flips: &mut Flips, stamp: &Stamp) -> Result<(), StoreError> {
    let Change { order_id, variant_id, sold, returned, kind } = change;
    let (sold_now, returned_now): (i64, i64) = transaction
        .prepare_cached(
            "INSERT INTO order_stock (order_id, variant_id, sold, returned) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (order_id, variant_id) DO UPDATE SET sold = sold + excluded.sold,
                 returned = returned + excluded.returned
             RETURNING sold, returned",
        )?
        .query_row((order_id.to_string(), variant_id.to_string(), sold, returned), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let back = sold_now.min(returned_now) - (sold_now - sold).min(returned_now - returned);
    if back > 0
        && let Some(after) = shelf::shift(transaction, *variant_id, back, 0, *kind, stamp)?
    {
        let before = StockLevel { on_hand: after.on_hand - back, ..after };
        flips.note(transaction, &before, &after)?;
    }
    Ok(())
}

/// Gives back what an ended order held or, if asked to, took.
pub(super) fn end_order(transaction: &Connection, end: &EndOrder, stamp: &mut Stamp) -> Result<bool, StoreError> {
    if end.restock
        && let Some(lines) = leave(transaction, end.reservation_id, "committed", "released")?
    {
        let mut flips = Flips::default();
        for (variant_id, quantity, counted) in lines {
            if counted {
                let change = Change::returned(end.order_id, variant_id, quantity, MovementKind::Cancellation);
                settle_up(transaction, &change, &mut flips, stamp)?;
            }
        }
        return flips.show(transaction, stamp);
    }
    // An expired hold stays as it is: whatever comes later must find it ended.
    leave(transaction, end.reservation_id, "expired", "released")?;
    release(transaction, end.reservation_id, stamp)
}

/// Puts units of an order back, once per cause. What was not counted when it was sold is not counted now.
pub(super) fn restock(transaction: &Connection, restock: &Restock, stamp: &mut Stamp) -> Result<bool, StoreError> {
    // Causes are for ever, but were not always noted; the inbox was.
    let heard = outbox::receive(transaction, STOCK_GROUP, &restock.event, stamp.now)?;
    let noted = transaction
        .prepare_cached("INSERT OR IGNORE INTO order_restocks (cause) VALUES (?1)")?
        .execute([&restock.cause])?;
    let new = heard && noted > 0;
    #[cfg(feature = "known-bugs")]
    let new = new || chassis::known_bugs::has(chassis::known_bugs::KnownBug::MissingInbox);
    if !new {
        return Ok(false);
    }
    let mut flips = Flips::default();
    for RestockLine { variant_id, quantity } in restock.lines.iter().filter(|line| line.quantity > 0) {
        let change = Change::returned(restock.order_id, *variant_id, *quantity, restock.kind);
        settle_up(transaction, &change, &mut flips, stamp)?;
    }
    flips.show(transaction, stamp)
}

/// True if a hold is due to lapse.
pub(super) fn any_due(connection: &Connection, now: i64) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM reservations WHERE state = 'held' AND expires_at <= ?1 LIMIT 1")?
        .exists([now])?)
}

/// Lets due holds lapse. Answers how many and whether the public sees a difference.
pub(super) fn expire(transaction: &Connection, limit: u32, stamp: &mut Stamp) -> Result<(usize, bool), StoreError> {
    let due = transaction
        .prepare_cached(
            "SELECT id FROM reservations WHERE state = 'held' AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
        )?
        .query_map((stamp.now.as_microsecond(), limit), |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    let mut flips = Flips::default();
    for id in &due {
        if let Some(lines) = leave(transaction, text::id(id)?, "held", "expired")? {
            unhold(transaction, &lines, &mut flips)?;
        }
    }
    Ok((due.len(), flips.show(transaction, stamp)?))
}

/// Forgets ended holds. Those that were committed stay: their orders may still be called off.
pub(super) fn forget_ended(transaction: &Connection, before: Timestamp, limit: u32) -> Result<usize, StoreError> {
    Ok(transaction
        .prepare_cached(
            "DELETE FROM reservations WHERE id IN (
                 SELECT id FROM reservations WHERE state IN ('released', 'expired') AND expires_at < ?1
                 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute((before.as_microsecond(), limit))?)
}
