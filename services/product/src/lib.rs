//! The product service: catalogue, prices, stock, reservations and search.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use chassis::{
    Env,
    access::AccessError,
    bus::{self, Bus, ConsumerConfig},
    idempotency::{Idempotency, IdempotencyConfig},
    operations::{Operations, dead_letters::Owner},
    outbox::Relay,
    queue::Queue,
    service::Service,
    sqlite::{Location, OpenError},
    token::TokenVerifier,
};
use contracts::{
    Event as _,
    order::OrderEvent,
    product::{ProductApi, ProductEvent},
};
use serde::Deserialize;

mod adjust_stock;
pub mod category;
mod create_product;
mod cursor;
pub mod edit_categories;
pub mod edit_product;
pub mod edit_variants;
pub mod error;
mod find_product;
mod http;
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

pub use service::ProductService;

use search::{SearchError, SearchIndex};
use store::{ProductStore, sqlite::SqliteProductStore};

/// The settings of this service; there are none of its own yet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What all services do with idempotency keys.
    #[serde(skip)]
    pub idempotency: IdempotencyConfig,
}

/// Who moves stock for orders, on the bus.
const STOCK_GROUP: &str = "product-stock";
/// Who keeps the search index current, on the bus.
const SEARCH_GROUP: &str = "product-search";

/// What the service runs on.
pub struct Deps {
    /// Clock, entropy, tasks.
    pub env: Env,
    /// Where its database is.
    pub location: Location,
    /// The folder of its search index; `None` keeps it in memory.
    pub search_path: Option<PathBuf>,
    /// Where events come from and go.
    pub bus: Arc<dyn Bus>,
    /// Where work goes.
    pub queue: Arc<dyn Queue>,
    /// Who calls.
    pub verifier: Arc<TokenVerifier>,
}

/// The running service.
pub struct Running {
    /// Its routes and document.
    pub service: Service,
    /// For services in this process.
    pub api: Arc<dyn ProductApi>,
    /// Its use cases, for imports and exports.
    pub product: Arc<ProductService>,
    /// For [`verify::verify`].
    pub store: Arc<dyn ProductStore>,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The search index does not open.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A route does not say who may call it.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Opens the store and the index and starts the relay, the consumers and the timers. An index that is new
/// or cannot be used is made in the background.
pub async fn build(config: Config, deps: Deps) -> Result<Running, BuildError> {
    let Config { idempotency } = config;
    let Deps { env, location, search_path, bus, queue, verifier } = deps;
    let sqlite = SqliteProductStore::open(&location)?;
    let database = sqlite.database().clone();
    let store: Arc<dyn ProductStore> = Arc::new(sqlite);
    let search = Arc::new(SearchIndex::open(search_path.as_deref())?);
    let searchable = Arc::new(AtomicU64::new(0));
    let feed = index_products::start(&env, Arc::clone(&store), Arc::clone(&search), Arc::clone(&searchable));
    let product = Arc::new(ProductService::new(&env, Arc::clone(&store), search, feed.clone(), searchable));

    let operations = Operations {
        env: env.clone(),
        service: "product",
        bus: Arc::clone(&bus),
        queue: Arc::clone(&queue),
        owner: Owner { groups: &[STOCK_GROUP, SEARCH_GROUP], queues: &[] },
        topic: Some(ProductEvent::TOPIC),
        rebuild: Some(Arc::new(feed.clone())),
    };
    let idempotency = Idempotency::new(&env, database.clone(), idempotency);
    let router = http::router(Arc::clone(&product), idempotency).merge(operations.router());
    let service = Service::assemble(&env, "product", router, verifier)?;

    Relay { service: "product", database, bus: Arc::clone(&bus), queue }.start(&env);
    let orders = settle_order::OrderConsumer { env: env.clone(), store: Arc::clone(&store) };
    let start = |group, topics, consumer| {
        bus::start_consumer(&env, Arc::clone(&bus), group, topics, ConsumerConfig::default(), consumer);
    };
    start(STOCK_GROUP, &[OrderEvent::TOPIC], Arc::new(orders));
    start(SEARCH_GROUP, &[ProductEvent::TOPIC], Arc::new(feed));
    env.spawn("expire-holds", settle_order::expire_holds(env.clone(), Arc::clone(&store)));
    settle_order::start_forgetting(&env, Arc::clone(&store));
    Ok(Running { service, api: Arc::clone(&product) as _, product, store })
}

/// The use cases on the store of a stopped shop, for imports and exports. Nothing runs in the background:
/// what changes is announced, and searches find it, when the shop starts again.
pub fn open_stopped(env: &Env, location: &Location) -> Result<ProductService, BuildError> {
    let store = Arc::new(SqliteProductStore::open(location)?);
    let search = Arc::new(SearchIndex::open(None)?);
    Ok(ProductService::new(env, store, search, index_products::IndexFeed::closed(), Arc::default()))
}
