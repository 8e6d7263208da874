//! The tables of the payment store, in the order they came to be.

/// The checks are the last guard: no bug above can capture more than was authorized or give back more
/// than was captured.
pub(super) const FIRST: &str = "
    CREATE TABLE payments (
        id TEXT PRIMARY KEY,
        order_id TEXT NOT NULL UNIQUE,
        currency TEXT NOT NULL,
        amount_minor INTEGER NOT NULL,
        captured_minor INTEGER NOT NULL,
        capturing_minor INTEGER NOT NULL,
        refunded_minor INTEGER NOT NULL,
        refunding_minor INTEGER NOT NULL,
        state TEXT NOT NULL,
        order_phase TEXT NOT NULL,
        provider TEXT NOT NULL,
        method_token TEXT NOT NULL,
        provider_ref TEXT,
        provider_rank INTEGER NOT NULL,
        pay_by INTEGER NOT NULL,
        version INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        CHECK (captured_minor >= 0 AND capturing_minor >= 0 AND refunded_minor >= 0 AND refunding_minor >= 0),
        CHECK (captured_minor <= max(amount_minor, 0)),
        CHECK (captured_minor + capturing_minor <= max(amount_minor, 0)),
        CHECK (refunded_minor + refunding_minor <= captured_minor)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE operations (
        payment_id TEXT NOT NULL REFERENCES payments (id),
        id TEXT NOT NULL,
        kind TEXT NOT NULL,
        amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
        state TEXT NOT NULL,
        refund_id TEXT,
        reason TEXT,
        error_code TEXT,
        provider_ref TEXT,
        sends INTEGER NOT NULL,
        inquiries INTEGER NOT NULL,
        sent_at INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        PRIMARY KEY (payment_id, id)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX one_authorization_at_a_time ON operations (payment_id)
        WHERE kind = 'authorize' AND state <> 'failed';
    CREATE TABLE ledger_entries (
        payment_id TEXT NOT NULL REFERENCES payments (id),
        transaction_id TEXT NOT NULL,
        account TEXT NOT NULL,
        currency TEXT NOT NULL,
        amount_minor INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (payment_id, transaction_id, account)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE provider_events (
        provider TEXT NOT NULL,
        event_id TEXT NOT NULL,
        event_type TEXT NOT NULL,
        payment_id TEXT,
        body BLOB NOT NULL,
        taken TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        PRIMARY KEY (provider, event_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE ended_orders (order_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

pub(super) const AGE_OF_EVENTS: &str = "CREATE INDEX provider_events_by_age ON provider_events (received_at)";

/// Several attempts with a method of their own each, actions of the buyer, captures in parts. The buyer's
/// method moves to the attempt, where it is forgotten once it is known how the attempt ended.
pub(super) const WHOLE_LIFE: &str = "
    ALTER TABLE payments ADD COLUMN capture_method TEXT NOT NULL DEFAULT 'automatic';
    ALTER TABLE payments ADD COLUMN provider_sequence INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE payments ADD COLUMN action TEXT;
    ALTER TABLE operations ADD COLUMN provider TEXT NOT NULL DEFAULT '';
    ALTER TABLE operations ADD COLUMN reference TEXT NOT NULL DEFAULT '';
    ALTER TABLE operations ADD COLUMN method_token TEXT;
    UPDATE operations SET reference = payment_id,
        provider = (SELECT provider FROM payments WHERE id = payment_id);
    UPDATE operations SET provider_ref = (SELECT provider_ref FROM payments WHERE id = payment_id)
        WHERE kind = 'authorize' AND provider_ref IS NULL;
    UPDATE operations SET method_token = (SELECT method_token FROM payments WHERE id = payment_id)
        WHERE kind = 'authorize' AND state IN ('requested', 'sent', 'unknown');
    ALTER TABLE payments DROP COLUMN method_token;
";
