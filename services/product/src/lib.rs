//! The product service: catalogue, prices, stock, reservations and search.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod adjust_stock;
pub mod category;
mod create_product;
mod cursor;
pub mod edit_categories;
pub mod edit_product;
pub mod edit_variants;
pub mod error;
mod find_product;
mod import_products;
pub mod index_products;
pub mod list_products;
pub mod product;
pub mod rendered;
mod reserve_stock;
pub mod revision;
pub mod search;
pub mod service;
mod settle_order;
pub mod stock;
pub mod store;
pub mod validation;
pub mod verify;
pub mod view;
