//! The tables.

use chassis::{idempotency, outbox, sqlite::Schema};

/// Tables of product-service.
pub(crate) const SCHEMA: Schema =
    Schema { name: "product", migrations: &[outbox::SCHEMA, idempotency::SCHEMA, TABLES, AGE_OF_ENDED, ORDER_STOCK] };

/// `products.doc` is the whole product, `products.view` its public form; the other columns are what lists
/// filter and sort by. Every combination of filters has an index that yields its rows in order, so that a
/// page costs the same whatever the catalogue holds. `variants.offer` is what a quote needs, in one row.
///
/// The CHECK of `stock_levels` is the guard against overselling; `debt` is what was promised beyond the
/// shelf while that was allowed.
const TABLES: &str = "
    CREATE TABLE categories (
        handle TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        parent TEXT,
        position INTEGER NOT NULL,
        version INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX categories_by_position ON categories (position, handle);
    CREATE INDEX categories_by_parent ON categories (parent) WHERE parent IS NOT NULL;

    CREATE TABLE products (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        handle TEXT NOT NULL UNIQUE,
        version INTEGER NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
        category TEXT,
        in_stock INTEGER NOT NULL,
        title_ko TEXT NOT NULL,
        title_en TEXT NOT NULL,
        view TEXT NOT NULL,
        doc TEXT NOT NULL
    ) STRICT;
    CREATE INDEX products_s ON products (status);
    CREATE INDEX products_si ON products (status, in_stock);
    CREATE INDEX products_sc ON products (status, category);
    CREATE INDEX products_sci ON products (status, category, in_stock);
    CREATE INDEX products_s_ko ON products (status, title_ko);
    CREATE INDEX products_si_ko ON products (status, in_stock, title_ko);
    CREATE INDEX products_sc_ko ON products (status, category, title_ko);
    CREATE INDEX products_sci_ko ON products (status, category, in_stock, title_ko);
    CREATE INDEX products_s_en ON products (status, title_en);
    CREATE INDEX products_si_en ON products (status, in_stock, title_en);
    CREATE INDEX products_sc_en ON products (status, category, title_en);
    CREATE INDEX products_sci_en ON products (status, category, in_stock, title_en);

    CREATE TABLE product_prices (
        seq INTEGER NOT NULL,
        currency TEXT NOT NULL,
        amount INTEGER NOT NULL,
        status TEXT NOT NULL,
        category TEXT,
        in_stock INTEGER NOT NULL,
        PRIMARY KEY (seq, currency)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX product_prices_s ON product_prices (currency, status, amount, seq);
    CREATE INDEX product_prices_si ON product_prices (currency, status, in_stock, amount, seq);
    CREATE INDEX product_prices_sc ON product_prices (currency, status, category, amount, seq);
    CREATE INDEX product_prices_sci ON product_prices (currency, status, category, in_stock, amount, seq);

    CREATE TABLE variants (
        id TEXT PRIMARY KEY,
        product_seq INTEGER NOT NULL,
        position INTEGER NOT NULL,
        sku TEXT,
        on_sale INTEGER NOT NULL,
        retired INTEGER NOT NULL,
        offer TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX variants_by_sku ON variants (sku) WHERE sku IS NOT NULL;
    CREATE INDEX variants_by_product ON variants (product_seq, position);

    CREATE TABLE stock_levels (
        variant_id TEXT PRIMARY KEY,
        on_hand INTEGER NOT NULL,
        reserved INTEGER NOT NULL CHECK (reserved >= 0),
        track INTEGER NOT NULL,
        backorder INTEGER NOT NULL,
        debt INTEGER NOT NULL,
        movements INTEGER NOT NULL,
        CHECK (track = 0 OR backorder = 1 OR reserved <= on_hand + debt)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE movements (
        variant_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        delta INTEGER NOT NULL,
        on_hand INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('count', 'adjustment', 'sale', 'cancellation', 'return')),
        reason TEXT NOT NULL,
        actor TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (variant_id, number)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE reservations (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('held', 'committed', 'released', 'expired')),
        expires_at INTEGER NOT NULL,
        lines TEXT NOT NULL,
        quotes TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX reservations_held ON reservations (expires_at) WHERE state = 'held';

    CREATE TABLE order_returns (
        order_id TEXT NOT NULL,
        variant_id TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        PRIMARY KEY (order_id, variant_id)
    ) STRICT, WITHOUT ROWID;
";

/// Finds the ended reservations that may be forgotten.
const AGE_OF_ENDED: &str =
    "CREATE INDEX reservations_ended ON reservations (expires_at) WHERE state IN ('released', 'expired')";

/// What each order took and what of it is to come back, whatever for; and the reasons that were counted. What an
/// order did so far is in the ledger, under the order's name.
const ORDER_STOCK: &str = "
    CREATE TABLE order_stock (
        order_id TEXT NOT NULL,
        variant_id TEXT NOT NULL,
        sold INTEGER NOT NULL CHECK (sold >= 0),
        returned INTEGER NOT NULL CHECK (returned >= 0),
        PRIMARY KEY (order_id, variant_id)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO order_stock (order_id, variant_id, sold, returned)
        SELECT actor, variant_id, sum(iif(kind = 'sale', -delta, 0)), sum(iif(kind = 'sale', 0, delta))
        FROM movements WHERE kind IN ('sale', 'cancellation', 'return') GROUP BY actor, variant_id;
    DROP TABLE order_returns;
    CREATE TABLE order_restocks (cause TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";
