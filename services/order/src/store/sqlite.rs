//! The store on embedded SQL.

mod carts;
mod orders;
mod rebuild;
mod rows;

use std::sync::Arc;

use chassis::{
    idempotency, outbox,
    sqlite::{Database, Location, OpenError, Schema},
};

const TABLES: &str = "
    CREATE TABLE carts (
        id TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        customer TEXT,
        guest_hash BLOB,
        currency TEXT NOT NULL,
        locale TEXT NOT NULL,
        email TEXT,
        shipping_address TEXT,
        shipping_method TEXT,
        order_id TEXT,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        CHECK ((customer IS NULL) <> (guest_hash IS NULL))
    ) STRICT;
    CREATE INDEX carts_by_expiry ON carts (expires_at);

    CREATE TABLE cart_lines (
        position INTEGER PRIMARY KEY,
        cart_id TEXT NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
        variant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        quantity INTEGER NOT NULL CHECK (quantity >= 1),
        UNIQUE (cart_id, variant_id)
    ) STRICT;

    CREATE TABLE order_events (
        position INTEGER PRIMARY KEY,
        order_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        type TEXT NOT NULL,
        schema_version INTEGER NOT NULL,
        data TEXT NOT NULL,
        actor TEXT NOT NULL,
        cause TEXT NOT NULL,
        at INTEGER NOT NULL,
        prev_hash BLOB NOT NULL,
        hash BLOB NOT NULL,
        UNIQUE (order_id, seq)
    ) STRICT;

    CREATE TABLE orders (
        id TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        number TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL,
        payment_status TEXT NOT NULL,
        customer TEXT,
        guest_hash BLOB,
        email TEXT NOT NULL COLLATE NOCASE,
        currency TEXT NOT NULL,
        total INTEGER NOT NULL,
        item_count INTEGER NOT NULL,
        cart_id TEXT NOT NULL UNIQUE,
        placed_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        deadline INTEGER,
        CHECK ((customer IS NULL) <> (guest_hash IS NULL))
    ) STRICT;
    CREATE INDEX orders_by_age ON orders (placed_at, id);
    CREATE INDEX orders_by_customer ON orders (customer, placed_at, id) WHERE customer IS NOT NULL;
    CREATE INDEX orders_by_guest ON orders (guest_hash, placed_at, id) WHERE guest_hash IS NOT NULL;
    CREATE INDEX orders_by_status ON orders (status, placed_at, id);
    CREATE INDEX orders_by_email ON orders (email, placed_at, id);
    CREATE INDEX orders_by_deadline ON orders (deadline) WHERE deadline IS NOT NULL;

    CREATE TABLE order_numbers (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        next INTEGER NOT NULL,
        shop_key INTEGER NOT NULL
    ) STRICT;
";

/// The saga beside the order, which had a deadline for its payment only; snapshots. An order of nothing counts as
/// paid once its payment says so.
const SAGAS: &str = "
    ALTER TABLE orders RENAME COLUMN deadline TO saga_due_at;
    ALTER TABLE orders ADD COLUMN saga_step TEXT;
    ALTER TABLE orders ADD COLUMN saga_attempts INTEGER NOT NULL DEFAULT 0;
    UPDATE orders SET payment_status = 'paid' WHERE total = 0 AND payment_status = 'authorized';
    UPDATE orders SET saga_step = 'authorize' WHERE saga_due_at IS NOT NULL;
    UPDATE orders SET saga_step = 'capture', saga_due_at = 900000000
        + (SELECT at FROM order_events WHERE order_id = orders.id AND type = 'confirmed')
        WHERE status = 'confirmed' AND payment_status IN ('authorized', 'partially_paid');

    CREATE TABLE order_snapshots (
        order_id TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        schema INTEGER NOT NULL,
        state TEXT NOT NULL,
        hash BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

pub(crate) const FULFILMENT: &str = "ALTER TABLE orders ADD COLUMN fulfilment_status TEXT NOT NULL DEFAULT 'none';";

const SCHEMA: Schema =
    Schema { name: "order", migrations: &[outbox::SCHEMA, idempotency::SCHEMA, TABLES, SAGAS, FULFILMENT] };

/// Carts and orders in one SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
    /// Held by the one who builds the projection anew.
    rebuilding: Arc<tokio::sync::Mutex<()>>,
}

impl SqliteStore {
    /// Opens or creates the file.
    pub fn open(location: &Location) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(location, &SCHEMA)?, rebuilding: Arc::default() })
    }

    /// Held while the projection is built anew; `None` if somebody else does that.
    pub(crate) fn begin_alone(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.rebuilding.try_lock().ok()
    }

    /// For the outbox relay and idempotency keys, which live in the same file.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

#[cfg(test)]
mod tests {
    use contracts::order::{OrderStatus, PaymentStatus};
    use rusqlite::Connection;

    use super::*;
    use crate::{
        order::{
            Order,
            fact::Fact,
            saga::{Saga, SagaStep},
            stream::{GENESIS, Origin, StoredFact},
        },
        store::{OrderFilter, OrderStore as _},
        tests::fixtures::{at, id, krw, terms},
        verify::{Findings, examine},
    };

    /// An order as the release before sagas kept it: its placed fact knows nothing of reminders.
    fn keep_old(
        connection: &Connection,
        number: u128,
        total: i64,
        facts: &[(&str, String)],
        row: (&str, &str, Option<i64>),
    ) {
        let mut terms = terms();
        (terms.number, terms.cart_id) = (format!("2026-{number}"), id(number + 100));
        terms.totals.total = krw(total);
        let mut placed = serde_json::to_value(&terms).unwrap();
        placed.as_object_mut().unwrap().remove("capture_within_seconds").unwrap();
        let order_id: contracts::order::OrderId = id(number);
        let mut prev_hash = GENESIS;
        for (index, (kind, data)) in [("placed", placed.to_string())].iter().chain(facts).enumerate() {
            let origin = Origin { actor: "guest".to_owned(), cause: "req_1".to_owned(), at: at(index as i64) };
            let (seq, schema_version) = (index as u64 + 1, 1);
            let (kind, data) = ((*kind).to_owned(), data.clone());
            let mut fact = StoredFact { seq, kind, schema_version, data, origin, prev_hash, hash: GENESIS };
            fact.hash = fact.compute_hash(order_id);
            prev_hash = fact.hash;
            let sql = "INSERT INTO order_events (order_id, seq, type, schema_version, data, actor, cause, at, prev_hash, hash)
                       VALUES (?1, ?2, ?3, 1, ?4, 'guest', 'req_1', ?5, ?6, ?7)";
            let micros = fact.origin.at.as_microsecond();
            connection
                .execute(
                    sql,
                    (order_id.to_string(), index as i64 + 1, &fact.kind, &fact.data, micros, fact.prev_hash, fact.hash),
                )
                .unwrap();
        }
        let (customer, guest) = rows::owner_columns(&terms.owner);
        let (status, payment_status, deadline) = row;
        let sql =
            "INSERT INTO orders (id, version, number, status, payment_status, customer, guest_hash, email, currency,
                       total, item_count, cart_id, placed_at, updated_at, deadline)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'KRW', ?9, 4, ?10, ?11, ?12, ?13)";
        let version = facts.len() as i64 + 1;
        let updated_at = at(version - 1).as_microsecond();
        let values = rusqlite::params![
            order_id.to_string(),
            version,
            &terms.number,
            status,
            payment_status,
            customer,
            guest,
            &terms.email,
            total,
            terms.cart_id.to_string(),
            at(0).as_microsecond(),
            updated_at,
            deadline
        ];
        connection.execute(sql, values).unwrap();
    }

    fn authorized(amount: i64) -> (&'static str, String) {
        let fact = serde_json::json!({"payment_id": id::<contracts::payment::PaymentId>(50), "amount": krw(amount)});
        ("payment_authorized", fact.to_string())
    }

    #[tokio::test]
    async fn a_file_of_the_release_before_opens_with_its_sagas() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::in_folder(folder.path(), "order.db");
        let old = Schema { name: "order", migrations: &[outbox::SCHEMA, idempotency::SCHEMA, TABLES] };
        drop(Database::open(&location, &old).unwrap());
        let connection = Connection::open(folder.path().join("order.db")).unwrap();
        let confirmed = || ("confirmed", "{}".to_owned());
        let pay_by = terms().pay_by.as_microsecond();
        keep_old(&connection, 1, 22_899, &[], ("pending", "not_paid", Some(pay_by)));
        keep_old(&connection, 2, 22_899, &[authorized(22_899), confirmed()], ("confirmed", "authorized", None));
        keep_old(&connection, 3, 0, &[authorized(0), confirmed()], ("confirmed", "authorized", None));
        let expired = ("expired", r#"{"reason":"payment_timed_out"}"#.to_owned());
        keep_old(&connection, 4, 22_899, &[expired], ("expired", "not_paid", None));
        drop(connection);

        let store = SqliteStore::open(&location).unwrap();
        let Findings { violations, in_progress } = examine(&store).await.unwrap();
        assert_eq!(violations, Vec::<String>::new(), "what the rows say is what the streams say");
        assert_eq!(in_progress.len(), 2, "{in_progress:?}");
        let found = store.list_orders(OrderFilter::default(), None, 10).await.unwrap();
        let orders: Vec<_> = found.iter().rev().map(|order| (order.status, order.payment_status, order.saga)).collect();
        let saga = |step, due_at| Some(Saga { step, attempts: 0, due_at: Some(due_at) });
        assert_eq!(
            orders,
            [
                (OrderStatus::Pending, PaymentStatus::NotPaid, saga(SagaStep::Authorize, at(900))),
                (OrderStatus::Confirmed, PaymentStatus::Authorized, saga(SagaStep::Capture, at(2 + 900))),
                (OrderStatus::Confirmed, PaymentStatus::Paid, None),
                (OrderStatus::Expired, PaymentStatus::NotPaid, None),
            ]
        );
        let order = Order::fold(id(2), &store.load(id(2)).await.unwrap()).unwrap();
        assert!(matches!(order.take_due_step(at(902)).as_slice(), [Fact::CaptureReminded(_)]));
    }
}
