//! Black-box scenarios over HTTP on the running program. They know nothing of its inside, so they also
//! run against separate services.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "tests; they wait for a program with its own clock"
)]

mod access;
mod bad_input;
mod browser;
mod command_line;
mod crash;
mod data_folder;
mod disk;
mod fulfilment;
mod interruption;
mod mail;
mod operations;
mod payment;
mod purchase;
mod settings;
mod shop;
mod staff;
mod stock;
mod tokens;
mod waiting;
mod wire;
