//! The order service: carts, event-sourced orders, and the saga that takes an order from placed to confirmed
//! or undoes it.
//!
//! An order is the fold of its facts (`order.rs`); every change reads the stream, decides, and appends on the
//! version it has read, together with what other services are told and the answer that is kept.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod advance_order;
#[cfg(any(test, feature = "bench"))]
pub mod append_life;
mod cancel_order;
mod cart;
mod cart_error;
mod cart_view;
mod change_cart;
mod change_fulfilment;
pub mod config;
mod create_cart;
mod events;
mod fulfil_order;
mod give_payment_method;
mod http;
mod list_orders;
mod move_return;
mod numbers;
mod order;
mod order_view;
mod owner;
mod place_order;
mod quotes;
pub mod rebuild;
mod receive_return;
mod refund_order;
mod release_order;
mod request_return;
mod run_sagas;
mod service;
mod show_cart;
mod show_order;
mod show_past_order;
mod store;
#[cfg(test)]
mod tests;
pub mod verify;

use std::sync::Arc;

use chassis::{
    Env,
    access::AccessError,
    bus::{self, Bus, ConsumerConfig},
    idempotency::Idempotency,
    operations::{Operations, dead_letters::Owner},
    outbox::Relay,
    queue::Queue,
    service::Service,
    sqlite::{Location, OpenError},
    token::TokenVerifier,
};
use contracts::{Event as _, order::OrderEvent, product::ProductApi};

pub use crate::{
    config::{Config, ConfigError},
    store::sqlite::SqliteStore,
};
use crate::{
    events::Listener,
    numbers::OrderNumbers,
    service::OrderService,
    store::{CartStore, OrderStore},
};

/// What the service is built on.
pub struct Deps {
    /// Clock, ids and tasks.
    pub env: Env,
    /// Where its database lives.
    pub location: Location,
    /// What happened elsewhere, and where to say what happened here.
    pub bus: Arc<dyn Bus>,
    /// Where work goes.
    pub queue: Arc<dyn Queue>,
    /// Who calls.
    pub verifier: Arc<TokenVerifier>,
    /// Prices and stock.
    pub product: Arc<dyn ProductApi>,
}

/// The service at work.
pub struct Running {
    /// Its routes and document.
    pub service: Service,
    /// Its data, for [`verify::verify`].
    pub store: SqliteStore,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A setting cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An operation does not say who may call it.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Opens the store and starts the relay, the saga and the timers.
pub async fn build(config: Config, deps: Deps) -> Result<Running, BuildError> {
    config.check()?;
    let Deps { env, location, bus, queue, verifier, product } = deps;
    let store = SqliteStore::open(&location)?;
    let carts: Arc<dyn CartStore> = Arc::new(store.clone());
    let orders: Arc<dyn OrderStore> = Arc::new(store.clone());
    let numbers = Arc::new(OrderNumbers::new(&env, Arc::clone(&orders)));
    let service = OrderService { env: env.clone(), config: Arc::new(config), carts, orders, product, numbers };

    let operations = Operations {
        env: env.clone(),
        service: "order",
        bus: Arc::clone(&bus),
        queue: Arc::clone(&queue),
        owner: Owner { groups: &[events::GROUP], queues: &[] },
        topic: Some(OrderEvent::TOPIC),
        rebuild: Some(Arc::new(rebuild::OrderList { env: env.clone(), store: store.clone() })),
    };
    Relay { service: "order", database: store.database().clone(), bus: Arc::clone(&bus), queue }.start(&env);
    let listener = Arc::new(Listener { service: service.clone() });
    bus::start_consumer(&env, bus, events::GROUP, events::TOPICS, ConsumerConfig::default(), listener);
    service.start_timers();

    let idempotency = Idempotency::new(&env, store.database().clone(), service.config.idempotency);
    let router = http::router(http::AppState { service, idempotency }).merge(operations.router());
    let service = Service::assemble(&env, "order", router, verifier)?;
    Ok(Running { service, store })
}
