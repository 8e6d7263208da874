//! The payment service against the real sandbox provider, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod buyers;
mod captures;
mod faults;
mod http_api;
mod purchase;
mod refunds;
mod reversals;
mod webhooks;
mod world;
