//! What every service runs on, and no word of commerce: environment, configuration, server, problems,
//! access control, idempotency, outbox and inbox, bus, queue, embedded SQL, telemetry.

pub mod bus;
pub mod env;
pub mod idempotency;
pub mod outbox;
pub mod problem;
pub mod queue;
pub mod sqlite;
pub mod store;
pub mod trace;

pub use env::Env;
pub use problem::Problem;
pub use store::StoreError;
