//! Hands out order numbers. They are drawn from the store in blocks, so that placing an order writes no
//! counter; what is left of a block when the process ends stays unused.

use std::sync::Arc;

use chassis::{Env, StoreError};
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::{
    order::number::order_number,
    store::{NumberBlock, OrderStore},
};

const BLOCK_LEN: u32 = 256;

/// Order numbers of this process.
pub(crate) struct OrderNumbers {
    env: Env,
    store: Arc<dyn OrderStore>,
    block: Mutex<Option<NumberBlock>>,
}

impl OrderNumbers {
    pub(crate) fn new(env: &Env, store: Arc<dyn OrderStore>) -> Self {
        Self { env: env.clone(), store, block: Mutex::new(None) }
    }

    /// A number that no other order has or gets.
    pub(crate) async fn next(&self, placed_at: Timestamp) -> Result<String, StoreError> {
        let mut block = self.block.lock().await;
        let mut current = match *block {
            Some(current) if current.next < current.end => current,
            _ => self.store.draw_numbers(BLOCK_LEN, u64::from_le_bytes(self.env.random_bytes())).await?,
        };
        let counter = current.next;
        current.next += 1;
        *block = Some(current);
        Ok(order_number(counter, current.shop_key, placed_at))
    }
}
