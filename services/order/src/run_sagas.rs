//! Moves orders on whose saga is due: those that nobody paid lapse, late money is asked for again, and what can no
//! longer come back is closed. Forgets carts that nobody touched. All are found by index, so nothing is lost when
//! the process restarts.

use std::{convert::Infallible, time::Duration};

use chassis::StoreError;
use contracts::order::OrderId;

use crate::{
    advance_order::AdvanceError,
    order::{
        saga::{REMINDERS_MAX, Saga},
        stream::Origin,
    },
    service::OrderService,
};

const SAGA_INTERVAL: Duration = Duration::from_secs(1);
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
const BATCH_LEN: u32 = 100;

impl OrderService {
    /// Starts both timers.
    pub(crate) fn start_timers(&self) {
        let (sagas, forgetting) = (self.clone(), self.clone());
        self.env.spawn("order-sagas", async move {
            while sagas.pause(SAGA_INTERVAL).await {
                if let Err(error) = sagas.run_due_sagas().await {
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

    /// Takes the due step of every order that has one; answers how many were looked at. An authorization that
    /// races with this is settled by the order's version: one of the two decides on what the other did.
    pub(crate) async fn run_due_sagas(&self) -> Result<usize, StoreError> {
        let mut looked_at = 0;
        loop {
            let due = self.orders.list_overdue(self.env.now(), BATCH_LEN).await?;
            let mut moved = false;
            for id in &due {
                match self.take_due_step(*id).await {
                    Ok(on) => moved |= on,
                    Err(error) => tracing::error!(order = %id, %error, "the due step of an order was not taken"),
                }
            }
            looked_at += due.len();
            if !moved || due.len() < BATCH_LEN as usize || self.env.is_stopping() {
                return Ok(looked_at);
            }
        }
    }

    /// Answers whether the order has moved on.
    async fn take_due_step(&self, id: OrderId) -> Result<bool, AdvanceError<Infallible>> {
        let now = self.env.now();
        let origin = Origin { actor: "deadline".to_owned(), cause: "saga".to_owned(), at: now };
        let order = self.advance(id, origin, || None, |order| Ok(order.take_due_step(now)), |_| Ok(None)).await?;
        if let Some((attempt, at)) = order.reminded
            && at == now
        {
            metrics::counter!("order_capture_reminders_total").increment(1);
            if attempt == REMINDERS_MAX {
                metrics::counter!("order_sagas_given_up_total").increment(1);
                tracing::error!(order = %id, attempt, "the money of an order does not come: it is left to people");
            }
        }
        Ok(Saga::of(&order).and_then(|saga| saga.due_at).is_none_or(|due_at| due_at > now))
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
