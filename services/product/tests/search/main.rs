//! The search index: what it finds, in which order, and how it survives changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod index;
mod quality;
mod shop;
