//! The chassis as services use it: store, outbox and inbox, idempotency keys, environment.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod env;
mod idempotency;
mod outbox;
mod sqlite;
