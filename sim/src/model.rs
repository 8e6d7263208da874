//! Small models of what the shop promises, which the histories of its clients are held against.

pub mod cart;
pub mod linear;
pub mod money;
pub mod stock;
