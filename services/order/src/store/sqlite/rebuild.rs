//! Building the table of orders anew from the streams, beside the one that is in use.

use chassis::StoreError;
use contracts::order::OrderId;
use rusqlite::Connection;

use super::{
    SqliteStore,
    orders::{collect, insert_summary, stream},
    rows::{self, FACT_COLUMNS},
};
use crate::{
    order::{Order, stream::StoredFact},
    store::OrderSummary,
};

const SHADOW: &str = "orders_shadow";

/// How far the log of all facts had come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(i64);

/// Orders made from their streams.
#[derive(Default)]
pub(crate) struct Projected {
    pub(crate) orders: Vec<OrderSummary>,
    /// How many facts they were made of.
    pub(crate) events: u64,
}

impl SqliteStore {
    /// Makes an empty table beside the one that is in use. What an earlier rebuild left behind is dropped. Answers
    /// also how many orders are to be expected.
    pub(crate) async fn begin_rebuild(&self) -> Result<(Mark, u64), StoreError> {
        self.database()
            .write(|transaction| {
                let table: String =
                    transaction
                        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'orders'", [], |row| row.get(0))?;
                let body = table.find('(').and_then(|at| table.get(at..));
                let body = body.ok_or_else(|| StoreError::corrupt("the table of orders", &table))?;
                transaction.execute_batch(&format!("DROP TABLE IF EXISTS {SHADOW}; CREATE TABLE {SHADOW} {body}"))?;
                let expected: i64 = transaction.query_row("SELECT count(*) FROM orders", [], |row| row.get(0))?;
                Ok((last_position(transaction)?, expected.unsigned_abs()))
            })
            .await
    }

    /// The next orders by id, made from their streams.
    pub(crate) async fn project_after(&self, after: Option<OrderId>, limit: usize) -> Result<Projected, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.database().scan(move |connection| project(connection, &after, limit)).await
    }

    /// The orders to which something happened after `mark`.
    pub(crate) async fn project_changed(&self, mark: Mark) -> Result<(Projected, Mark), StoreError> {
        self.database()
            .scan(move |connection| Ok((project_changed(connection, mark)?, last_position(connection)?)))
            .await
    }

    /// Puts orders into the new table that it does not have yet. A rebuild that is cut short starts over, so nobody
    /// waits for the disk.
    pub(crate) async fn fill_rebuild(&self, orders: Vec<OrderSummary>) -> Result<(), StoreError> {
        self.database().write_unsynced(move |transaction| insert_all(transaction, &orders)).await
    }

    /// The same for orders that it may have as they were before.
    pub(crate) async fn refill_rebuild(&self, orders: Vec<OrderSummary>) -> Result<(), StoreError> {
        self.database().write_unsynced(move |transaction| replace_all(transaction, &orders)).await
    }

    /// Brings the new table up to date and puts it in the place of the old one, in one commit. Snapshots are made
    /// anew as orders go on.
    pub(crate) async fn finish_rebuild(&self, mark: Mark) -> Result<(), StoreError> {
        self.database()
            .write(move |transaction| {
                replace_all(transaction, &project_changed(transaction, mark)?.orders)?;
                let indexes: Vec<String> = {
                    let mut statement = transaction.prepare(
                        "SELECT sql FROM sqlite_schema
                         WHERE type = 'index' AND tbl_name = 'orders' AND sql IS NOT NULL",
                    )?;
                    collect(statement.query([])?, |row| Ok(row.get(0)?))?
                };
                transaction.execute_batch(&format!("DROP TABLE orders; ALTER TABLE {SHADOW} RENAME TO orders;"))?;
                indexes.iter().try_for_each(|index| transaction.execute_batch(index))?;
                transaction.execute_batch("DELETE FROM order_snapshots")?;
                Ok(())
            })
            .await
    }
}

fn last_position(connection: &Connection) -> Result<Mark, StoreError> {
    let last: Option<i64> = connection.query_row("SELECT max(position) FROM order_events", [], |row| row.get(0))?;
    Ok(Mark(last.unwrap_or(0)))
}

fn project(connection: &Connection, after: &str, limit: usize) -> Result<Projected, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {FACT_COLUMNS}, order_id FROM order_events WHERE order_id > ?1 ORDER BY order_id, seq"
    ))?;
    let mut found = statement.query([after])?;
    let mut projected = Projected::default();
    let mut current: Option<(String, Vec<StoredFact>)> = None;
    while let Some(row) = found.next()? {
        let fact = rows::stored_fact(row)?;
        let order_id = row.get_ref(9)?.as_str().map_err(rusqlite::Error::from)?;
        match &mut current {
            Some((id, facts)) if id == order_id => facts.push(fact),
            _ => {
                if let Some((id, facts)) = current.replace((order_id.to_owned(), vec![fact])) {
                    projected.add(&id, &facts)?;
                    if projected.orders.len() == limit {
                        return Ok(projected);
                    }
                }
            }
        }
    }
    if let Some((id, facts)) = current {
        projected.add(&id, &facts)?;
    }
    Ok(projected)
}

fn project_changed(connection: &Connection, mark: Mark) -> Result<Projected, StoreError> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT order_id FROM order_events WHERE position > ?1")?;
    let ids: Vec<String> = collect(statement.query([mark.0])?, |row| Ok(row.get(0)?))?;
    let mut projected = Projected::default();
    for id in ids {
        let order_id = id.parse().map_err(|error| StoreError::corrupt("order_events.order_id", error))?;
        projected.add(&id, &stream(connection, order_id, 0, u32::MAX)?)?;
    }
    Ok(projected)
}

fn replace_all(transaction: &Connection, orders: &[OrderSummary]) -> Result<(), StoreError> {
    for order in orders {
        transaction.prepare_cached(&format!("DELETE FROM {SHADOW} WHERE id = ?1"))?.execute([order.id.to_string()])?;
    }
    insert_all(transaction, orders)
}

fn insert_all(transaction: &Connection, orders: &[OrderSummary]) -> Result<(), StoreError> {
    for order in orders {
        if !insert_summary(transaction, SHADOW, order)? {
            return Err(StoreError::corrupt(&order.id.to_string(), "another order has its number or its cart"));
        }
    }
    Ok(())
}

impl Projected {
    fn add(&mut self, id: &str, facts: &[StoredFact]) -> Result<(), StoreError> {
        let order_id = id.parse().map_err(|error| StoreError::corrupt("order_events.order_id", error))?;
        let order = Order::fold(order_id, facts).map_err(|error| StoreError::corrupt(id, error))?;
        self.orders.push(OrderSummary::of(&order));
        self.events += facts.len() as u64;
        Ok(())
    }
}
