//! Lets orders lapse that nobody paid in time, and forgets carts that nobody touched. Both are found by
//! index, so nothing is lost when the process restarts.

use std::{convert::Infallible, time::Duration};

use chassis::StoreError;
use contracts::order::OrderId;

use crate::{
    advance_order::AdvanceError,
    order::{Order, stream::Origin},
    service::OrderService,
};

const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
const BATCH_LEN: u32 = 100;

impl OrderService {
    /// Starts both timers.
    pub(crate) fn start_timers(&self) {
        let (expiring, forgetting) = (self.clone(), self.clone());
        self.env.spawn("order-deadlines", async move {
            while expiring.pause(EXPIRE_INTERVAL).await {
                if let Err(error) = expiring.expire_overdue().await {
                    tracing::warn!(%error, "overdue orders wait for the next round");
                }
            }
        });
        self.env.spawn("cart-expiry", async move {
            while forgetting.pause(FORGET_INTERVAL).await {
                if let Err(error) = forgetting.forget_carts().await {
                    tracing::warn!(%error, "expired carts stay for now");
                }
            }
        });
    }

    /// Waits; `false` if the process stops.
    async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.env.stopping() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    /// Expires every order whose deadline has passed; answers how many were looked at. An authorization that
    /// races with this is settled by the order's version: one of the two decides on what the other did.
    pub(crate) async fn expire_overdue(&self) -> Result<usize, StoreError> {
        let mut looked_at = 0;
        loop {
            let overdue = self.orders.list_overdue(self.env.now(), BATCH_LEN).await?;
            let mut moved = false;
            for id in &overdue {
                match self.expire_order(*id).await {
                    Ok(_) => moved = true,
                    Err(error) => tracing::error!(order = %id, %error, "an overdue order did not expire"),
                }
            }
            looked_at += overdue.len();
            if !moved || overdue.len() < BATCH_LEN as usize || self.env.is_stopping() {
                return Ok(looked_at);
            }
        }
    }

    async fn expire_order(&self, id: OrderId) -> Result<Order, AdvanceError<Infallible>> {
        let now = self.env.now();
        let origin = Origin { actor: "deadline".to_owned(), cause: "pay_by".to_owned(), at: now };
        self.advance(id, origin, || None, |order| Ok(order.expire(now)), |_| Ok(None)).await
    }

    /// Forgets expired carts; answers how many.
    pub(crate) async fn forget_carts(&self) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        loop {
            let batch = self.carts.forget_expired_carts(self.env.now(), BATCH_LEN).await?;
            forgotten += batch;
            if batch < BATCH_LEN as usize || self.env.is_stopping() {
                return Ok(forgotten);
            }
        }
    }
}
