//! What every service runs on, and no word of commerce: environment, configuration, server, problems,
//! access control, idempotency, outbox and inbox, bus, queue, embedded SQL, telemetry.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

/// A point at which a test may end the process; nothing without the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! fail_point {
    ($($part:expr),+ $(,)?) => {};
}

pub mod access;
pub mod bus;
pub mod config;
pub mod datadir;
pub mod env;
#[cfg(feature = "failpoints")]
pub mod failpoint;
pub mod forget;
pub mod http;
pub mod idempotency;
#[cfg(feature = "known-bugs")]
pub mod known_bugs;
pub mod operations;
pub mod outbox;
pub mod problem;
pub mod queue;
pub mod server;
pub mod service;
pub mod sqlite;
pub mod store;
pub mod telemetry;
#[cfg(any(test, feature = "contract-tests"))]
pub mod testing;
pub mod token;
pub mod trace;
pub mod transport;

pub use env::Env;
pub use problem::Problem;
pub use store::StoreError;
