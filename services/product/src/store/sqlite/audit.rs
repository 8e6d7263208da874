//! Walks all stock and checks its invariants, row by row.

use std::collections::HashMap;

use chassis::StoreError;
use contracts::product::VariantId;
use rusqlite::Connection;

use super::{shelf, text};
use crate::verify::{self, StockFacts};

/// More is no help to anybody.
const VIOLATIONS_MAX: usize = 1000;

pub(super) fn verify(connection: &Connection) -> Result<Vec<String>, StoreError> {
    // Only what is held right now is in memory; levels and movements stream by.
    let mut held = held(connection)?;
    let mut statement = connection.prepare_cached(
        "SELECT variant_id, on_hand, reserved, track, backorder, debt,
             (SELECT coalesce(sum(delta), 0) FROM movements m WHERE m.variant_id = s.variant_id)
         FROM stock_levels s ORDER BY variant_id",
    )?;
    let mut rows = statement.query([])?;
    let mut violations = Vec::new();
    while let Some(row) = rows.next()? {
        let id: VariantId = text::id(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
        violations.extend(verify::check(&StockFacts {
            level: shelf::read_level(row, 1, id)?,
            debt: row.get(5)?,
            moved: row.get(6)?,
            held: held.remove(&id).unwrap_or(0),
        }));
        if violations.len() >= VIOLATIONS_MAX {
            return Ok(violations);
        }
    }
    violations.extend(held.keys().map(|id| format!("{id}: reserved, but has no stock level")));
    violations.extend(returned_beyond_sold(connection)?);
    violations.sort();
    Ok(violations)
}

/// Orders that gave back more than they took. The ledger says so, whatever was counted beside it.
fn returned_beyond_sold(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT actor, variant_id, sum(delta) FROM movements WHERE kind IN ('sale', 'cancellation', 'return')
         GROUP BY actor, variant_id HAVING sum(delta) > 0 LIMIT ?1",
    )?;
    let rows = statement.query_map([VIOLATIONS_MAX as i64], |row| {
        let (order, variant, beyond): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("{variant}: {order} put back {beyond} more than it took"))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn held(connection: &Connection) -> Result<HashMap<VariantId, i64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT lines FROM reservations WHERE state = 'held'")?;
    let mut rows = statement.query([])?;
    let mut held: HashMap<VariantId, i64> = HashMap::new();
    while let Some(row) = rows.next()? {
        let lines: Vec<super::reservations::HeldLine> =
            serde_json::from_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
        for (id, quantity, counted) in lines {
            if counted {
                *held.entry(id).or_default() += quantity;
            }
        }
    }
    Ok(held)
}
