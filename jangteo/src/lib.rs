//! The whole shop in one process: wiring, command line, import and export, demo shop.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

pub mod api_key;
pub mod banner;
mod catalogue;
pub mod cli;
pub mod config;
pub mod dead_letters;
pub mod demo;
pub mod events;
pub mod export;
pub mod import;
pub mod openapi;
pub mod rebuild;
pub mod reset_password;
pub mod run;
pub mod sandbox;
pub mod seed;
pub mod shop;
pub mod shopify_csv;
pub mod target;
pub mod verify;
