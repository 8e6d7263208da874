//! A simulator of the whole shop: real services on real stores in one thread under virtual time, with everything
//! around them made to fail, and everything that follows from one seed.
//!
//! `world` holds the processes, `services` puts each together, `net`, `bus`, `queue`, `disk`, `webhook` and `clock`
//! are the seams where faults come in. `workload` is what people do, `check` and `model` are what must hold, `run` is
//! one run, `shrink` makes a failing one small and `batch` runs many.
//!
//! Left out, with reasons:
//! - Searches. The index is written, inline, but its writer has a thread of its own; nothing that the search index
//!   answers flows back into the shop, so nothing here asks it.
//! - Bytes of signatures and keys. The cryptography draws from the operating system; tokens are opaque to
//!   everything, and no trace shows them.
//! - Power cuts. A crash here is the death of a process: what was written stays, synced or not.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

pub mod batch;
pub mod bus;
pub mod check;
pub mod client;
pub mod clock;
pub mod coverage;
pub mod disk;
pub mod fault;
pub mod history;
pub mod model;
pub mod net;
pub mod plan;
pub mod queue;
pub mod regressions;
pub mod rng;
pub mod run;
pub mod services;
pub mod shop;
pub mod shrink;
pub mod trace;
mod webhook;
pub mod workload;
pub mod world;
