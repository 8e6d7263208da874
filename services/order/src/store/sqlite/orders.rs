//! Orders on embedded SQL.

use async_trait::async_trait;
use chassis::{StoreError, idempotency, outbox};
use contracts::order::{CartId, OrderId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter, types::Value};

use super::{
    SqliteStore,
    rows::{self, FACT_COLUMNS, SUMMARY_COLUMNS},
};
use crate::{
    order::{
        snapshot::{Snapshot, Stored},
        status,
        stream::StoredFact,
    },
    owner::Owner,
    store::{Append, AppendError, Appended, Audited, NumberBlock, OrderCursor, OrderFilter, OrderStore, OrderSummary},
};

impl From<rusqlite::Error> for AppendError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

#[async_trait]
impl OrderStore for SqliteStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        #[cfg(feature = "known-bugs")]
        let append = if chassis::known_bugs::has(chassis::known_bugs::KnownBug::PublishBeforeCommit) {
            self.publish_early(append).await?
        } else {
            append
        };
        self.database().write(move |transaction| append_all(transaction, &append)).await
    }

    async fn load(&self, id: OrderId) -> Result<Vec<StoredFact>, StoreError> {
        self.database().read(move |connection| stream(connection, id, 0, u32::MAX)).await
    }

    async fn load_recent(&self, id: OrderId) -> Result<Stored, StoreError> {
        self.database()
            .read(move |connection| {
                let snapshot = snapshot(connection, id)?;
                let before = snapshot.as_ref().map_or(0, |snapshot| snapshot.version.saturating_sub(1));
                Ok(Stored { facts: stream(connection, id, before, u32::MAX)?, snapshot })
            })
            .await
    }

    async fn list_facts(&self, id: OrderId, after_seq: u64, limit: u32) -> Result<Vec<StoredFact>, StoreError> {
        self.database().read(move |connection| stream(connection, id, after_seq, limit)).await
    }

    async fn list_orders(
        &self,
        filter: OrderFilter,
        after: Option<OrderCursor>,
        limit: u32,
    ) -> Result<Vec<OrderSummary>, StoreError> {
        self.database().read(move |connection| list(connection, &filter, after, limit)).await
    }

    async fn list_overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<OrderId>, StoreError> {
        self.database()
            .read(move |connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT id FROM orders WHERE saga_due_at IS NOT NULL AND saga_due_at <= ?1
                     ORDER BY saga_due_at LIMIT ?2",
                )?;
                collect(statement.query((now.as_microsecond(), limit))?, |row| rows::parsed(row, 0))
            })
            .await
    }

    async fn draw_numbers(&self, count: u32, shop_key: u64) -> Result<NumberBlock, StoreError> {
        self.database()
            .write(move |transaction| {
                transaction
                    .prepare_cached(
                        "INSERT INTO order_numbers (only, next, shop_key) VALUES (1, 0, ?1) ON CONFLICT DO NOTHING",
                    )?
                    .execute([shop_key.cast_signed()])?;
                let (end, key): (i64, i64) = transaction
                    .prepare_cached("UPDATE order_numbers SET next = next + ?1 RETURNING next, shop_key")?
                    .query_row([count], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let end = end.unsigned_abs();
                Ok(NumberBlock { next: end.saturating_sub(count.into()), end, shop_key: key.cast_unsigned() })
            })
            .await
    }

    async fn audit(&self, after: Option<OrderId>, limit: u32) -> Result<Vec<Audited>, StoreError> {
        self.database().scan(move |connection| audit(connection, after, limit)).await
    }

    async fn last_activity(&self) -> Result<Option<Timestamp>, StoreError> {
        self.database()
            .scan(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT max(at) FROM (
                         SELECT max(updated_at) AS at FROM orders UNION ALL SELECT max(updated_at) FROM carts
                         UNION ALL SELECT max(received_at) FROM inbox)
                     HAVING max(at) IS NOT NULL",
                )?;
                Ok(collect(statement.query([])?, |row| rows::time(row, 0))?.pop())
            })
            .await
    }

    async fn list_orphans(&self, limit: u32) -> Result<Vec<String>, StoreError> {
        self.database()
            .scan(move |connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT DISTINCT order_id FROM order_events
                     WHERE NOT EXISTS (SELECT 1 FROM orders WHERE orders.id = order_id) LIMIT ?1",
                )?;
                collect(statement.query([limit])?, |row| Ok(row.get(0)?))
            })
            .await
    }
}

#[cfg(feature = "known-bugs")]
impl SqliteStore {
    /// Tells what is to happen in a commit of its own.
    async fn publish_early(&self, mut append: Append) -> Result<Append, AppendError> {
        let (says, key, now) = (std::mem::take(&mut append.says), append.summary.id.to_string(), append.now);
        let publish = move |transaction: &Connection| {
            says.iter().try_for_each(|(id, event)| outbox::publish(transaction, event, *id, &key, now))
        };
        self.database().write(publish).await?;
        Ok(append)
    }
}

fn append_all(transaction: &Connection, append: &Append) -> Result<Appended, AppendError> {
    if let Some(handled) = &append.handles
        && !outbox::receive(transaction, handled.consumer, &handled.envelope, append.now)?
    {
        return Ok(Appended::HandledBefore);
    }
    let summary = &append.summary;
    if let Some(cart_version) = append.cart_version {
        close_cart(transaction, summary.cart_id, cart_version, summary.id, append.now)?;
    }
    let kept = if append.expected_version == 0 {
        insert_summary(transaction, "orders", summary)?
    } else {
        update_summary(transaction, summary, append.expected_version)?
    };
    if !kept {
        return Err(AppendError::Conflict);
    }
    for fact in &append.facts {
        insert_fact(transaction, summary.id, fact)?;
    }
    if let Some(snapshot) = &append.snapshot {
        keep_snapshot(transaction, summary.id, snapshot)?;
    }
    let key = summary.id.to_string();
    for (id, event) in &append.says {
        outbox::publish(transaction, event, *id, &key, append.now)?;
    }
    if let Some(record) = &append.receipt {
        idempotency::keep(transaction, record)?;
    }
    Ok(Appended::Done)
}

/// Marks the cart as ordered; of two orders from one cart, one finds it so.
fn close_cart(
    transaction: &Connection,
    id: CartId,
    version: u64,
    order_id: OrderId,
    now: Timestamp,
) -> Result<(), AppendError> {
    let closed = transaction
        .prepare_cached(
            "UPDATE carts SET order_id = ?3, version = version + 1, updated_at = ?4
             WHERE id = ?1 AND version = ?2 AND order_id IS NULL",
        )?
        .execute((id.to_string(), version.cast_signed(), order_id.to_string(), now.as_microsecond()))?;
    if closed == 1 {
        return Ok(());
    }
    let ordered: Option<Option<String>> = transaction
        .prepare_cached("SELECT order_id FROM carts WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    match ordered.flatten() {
        Some(other) => {
            Err(AppendError::CartOrdered(other.parse().map_err(|error| StoreError::corrupt("carts.order_id", error))?))
        }
        None => Err(AppendError::CartChanged),
    }
}

/// `false` if there is one with its id, number or cart.
pub(super) fn insert_summary(
    transaction: &Connection,
    table: &str,
    summary: &OrderSummary,
) -> Result<bool, StoreError> {
    let (customer, guest_hash) = rows::owner_columns(&summary.owner);
    let (step, attempts, due_at) = rows::saga_columns(summary.saga.as_ref());
    let inserted = transaction
        .prepare_cached(&format!(
            "INSERT INTO {table} ({SUMMARY_COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
             ON CONFLICT DO NOTHING"
        ))?
        .execute(params![
            summary.id.to_string(),
            summary.version.cast_signed(),
            &summary.number,
            status::name(summary.status),
            rows::to_word(summary.payment_status)?,
            customer,
            guest_hash,
            &summary.email,
            summary.total.currency.code(),
            summary.total.amount_minor,
            summary.item_count,
            summary.cart_id.to_string(),
            summary.placed_at.as_microsecond(),
            summary.updated_at.as_microsecond(),
            step,
            attempts,
            due_at,
            rows::to_word(summary.fulfilment_status)?,
        ])?;
    Ok(inserted == 1)
}

/// Only what facts after the first can change; `false` if the order has another version.
fn update_summary(transaction: &Connection, summary: &OrderSummary, expected: u64) -> Result<bool, StoreError> {
    let (step, attempts, due_at) = rows::saga_columns(summary.saga.as_ref());
    let updated = transaction
        .prepare_cached(
            "UPDATE orders SET version = ?3, status = ?4, payment_status = ?5, updated_at = ?6, saga_step = ?7,
                 saga_attempts = ?8, saga_due_at = ?9, fulfilment_status = ?10
             WHERE id = ?1 AND version = ?2",
        )?
        .execute((
            summary.id.to_string(),
            expected.cast_signed(),
            summary.version.cast_signed(),
            status::name(summary.status),
            rows::to_word(summary.payment_status)?,
            summary.updated_at.as_microsecond(),
            step,
            attempts,
            due_at,
            rows::to_word(summary.fulfilment_status)?,
        ))?;
    Ok(updated == 1)
}

fn insert_fact(transaction: &Connection, order_id: OrderId, fact: &StoredFact) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO order_events (order_id, seq, type, schema_version, data, actor, cause, at, prev_hash, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute((
            order_id.to_string(),
            fact.seq.cast_signed(),
            &fact.kind,
            fact.schema_version,
            &fact.data,
            &fact.origin.actor,
            &fact.origin.cause,
            fact.origin.at.as_microsecond(),
            fact.prev_hash,
            fact.hash,
        ))?;
    Ok(())
}

pub(super) fn stream(
    connection: &Connection,
    id: OrderId,
    after_seq: u64,
    limit: u32,
) -> Result<Vec<StoredFact>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {FACT_COLUMNS} FROM order_events WHERE order_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
    ))?;
    collect(statement.query((id.to_string(), after_seq.cast_signed(), limit))?, rows::stored_fact)
}

fn snapshot(connection: &Connection, id: OrderId) -> Result<Option<Snapshot>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT version, schema, state, hash FROM order_snapshots WHERE order_id = ?1")?;
    Ok(collect(statement.query([id.to_string()])?, rows::snapshot)?.pop())
}

fn keep_snapshot(transaction: &Connection, id: OrderId, snapshot: &Snapshot) -> Result<(), StoreError> {
    let Snapshot { version, schema, state, hash } = snapshot;
    transaction
        .prepare_cached(
            "REPLACE INTO order_snapshots (order_id, version, schema, state, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((id.to_string(), version.cast_signed(), schema, state, hash))?;
    Ok(())
}

fn list(
    connection: &Connection,
    filter: &OrderFilter,
    after: Option<OrderCursor>,
    limit: u32,
) -> Result<Vec<OrderSummary>, StoreError> {
    let mut conditions = vec!["1"];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition, bound: &[Value]| {
        conditions.push(condition);
        values.extend_from_slice(bound);
    };
    match filter.owner {
        Some(Owner::Account(id)) => add("customer = ?", &[id.to_string().into()]),
        Some(Owner::Guest(hash)) => add("guest_hash = ?", &[hash.as_bytes().to_vec().into()]),
        None => {}
    }
    if let Some(wanted) = filter.status {
        add("status = ?", &[status::name(wanted).to_owned().into()]);
    }
    for (condition, text) in [("email = ?", &filter.email), ("number = ?", &filter.number)] {
        if let Some(text) = text {
            add(condition, &[text.clone().into()]);
        }
    }
    for (condition, time) in [("placed_at >= ?", filter.placed_from), ("placed_at < ?", filter.placed_until)] {
        if let Some(time) = time {
            add(condition, &[time.as_microsecond().into()]);
        }
    }
    if let Some(OrderCursor { placed_at, id }) = after {
        add("(placed_at, id) < (?, ?)", &[placed_at.as_microsecond().into(), id.to_string().into()]);
    }
    values.push(i64::from(limit).into());
    let conditions = conditions.join(" AND ");
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {SUMMARY_COLUMNS} FROM orders WHERE {conditions} ORDER BY placed_at DESC, id DESC LIMIT ?"
    ))?;
    collect(statement.query(params_from_iter(values))?, rows::summary)
}

fn audit(connection: &Connection, after: Option<OrderId>, limit: u32) -> Result<Vec<Audited>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {SUMMARY_COLUMNS}, (SELECT coalesce(order_id, '') FROM carts WHERE carts.id = orders.cart_id)
         FROM orders WHERE id > ?1 ORDER BY id LIMIT ?2"
    ))?;
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    collect(statement.query((after, limit))?, |row| {
        let id = rows::parsed(row, 0)?;
        let cart_order_id: Option<String> = row.get(18)?;
        Ok(Audited {
            id,
            summary: rows::summary(row),
            stream: stream(connection, id, 0, u32::MAX),
            snapshot: snapshot(connection, id),
            cart_order_id: cart_order_id.map(|id| (!id.is_empty()).then_some(id)),
        })
    })
}

pub(super) fn collect<T>(
    mut found: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut items = Vec::new();
    while let Some(row) = found.next()? {
        items.push(read(row)?);
    }
    Ok(items)
}
