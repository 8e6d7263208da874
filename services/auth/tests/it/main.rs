//! The auth service through its router, on a store in memory and a clock that moves when told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod access;
mod accounts;
mod api_keys;
mod app;
mod audit;
mod brute_force;
mod secrecy;
mod sessions;
mod signing_keys;
