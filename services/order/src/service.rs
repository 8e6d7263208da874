//! What every use case of this service works with.

use std::sync::Arc;

use chassis::Env;
use contracts::product::ProductApi;

use crate::{
    config::Config,
    numbers::OrderNumbers,
    order::stream::Origin,
    owner::Shopper,
    store::{CartStore, OrderStore},
};

/// The use cases; each is in a file of its own.
#[derive(Clone)]
pub(crate) struct OrderService {
    pub(crate) env: Env,
    pub(crate) config: Arc<Config>,
    pub(crate) carts: Arc<dyn CartStore>,
    pub(crate) orders: Arc<dyn OrderStore>,
    pub(crate) product: Arc<dyn ProductApi>,
    pub(crate) numbers: Arc<OrderNumbers>,
}

impl OrderService {
    /// For the record: `shopper` did it with the present request, now.
    pub(crate) fn request_of(&self, shopper: &Shopper) -> Origin {
        let trace_id = chassis::trace::current().map(|trace| trace.trace_id());
        let trace_id = trace_id.unwrap_or_else(|| self.env.new_id::<uuid::Uuid>().simple().to_string());
        Origin { actor: shopper.actor(), cause: format!("req_{trace_id}"), at: self.env.now() }
    }
}
