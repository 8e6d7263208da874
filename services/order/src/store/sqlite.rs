//! The store on embedded SQL.

mod carts;
mod orders;
mod rows;

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

const SCHEMA: Schema = Schema { name: "order", migrations: &[outbox::SCHEMA, idempotency::SCHEMA, TABLES] };

/// Carts and orders in one SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Opens or creates the file.
    pub fn open(location: &Location) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(location, &SCHEMA)? })
    }

    /// For the outbox relay and idempotency keys, which live in the same file.
    pub fn database(&self) -> &Database {
        &self.database
    }
}
