//! Tests of the service as a whole: use cases, saga, routes, on real stores and a stock room in memory.

mod awaiting;
mod carts;
pub(crate) mod fixtures;
mod goods;
mod http;
mod orders;
mod past;
mod rebuilding;
mod saga;
mod shop;
pub(crate) mod stock_room;
mod timers;
