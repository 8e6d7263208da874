//! The product service: catalogue, prices, stock, reservations and search.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

pub mod product;
pub mod stock;
