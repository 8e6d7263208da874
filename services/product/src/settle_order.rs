//! What orders do to stock: confirmed ones take what they held, ended ones give it back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::{
    Env, StoreError,
    bus::{ConsumeError, Consumer},
    forget,
};
use contracts::{
    Envelope, Event as _,
    order::{OrderEnded, OrderEvent, OrderId, RestockLine},
    product::ReserveLine,
};
use jiff::Timestamp;

use crate::{
    stock::MovementKind,
    store::{CommitStock, EndOrder, ProductStore, Restock, Stamp},
};

/// Holds that lapse in one commit.
const EXPIRE_LEN: u32 = 200;
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);
/// Ended holds are remembered for longer than any event about their orders can be late.
const ENDED_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Ended holds forgotten in one commit.
const FORGET_LEN: u32 = 500;

/// Consumes `order.events`.
pub(crate) struct OrderConsumer {
    pub(crate) env: Env,
    pub(crate) store: Arc<dyn ProductStore>,
}

#[async_trait]
impl Consumer for OrderConsumer {
    async fn consume(&self, envelope: &Envelope) -> Result<(), ConsumeError> {
        match OrderEvent::open(envelope)? {
            Some(OrderEvent::Confirmed(confirmed)) => {
                let order = confirmed.order;
                let line = |line: &contracts::order::OrderLine| ReserveLine {
                    variant_id: line.variant_id,
                    quantity: line.quantity,
                };
                let commit = CommitStock {
                    reservation_id: order.reservation_id,
                    order_id: order.order_id,
                    lines: order.lines.iter().map(line).collect(),
                };
                self.store.commit(commit, self.stamp(order.order_id)).await?;
            }
            Some(OrderEvent::Rejected(ended) | OrderEvent::Expired(ended) | OrderEvent::Cancelled(ended)) => {
                self.end(ended).await?;
            }
            Some(OrderEvent::RefundRequested(refund)) => {
                let cause = format!("refund {}", refund.refund_id);
                self.restock(refund.order_id, cause, MovementKind::Return, refund.restock, envelope).await?;
            }
            Some(OrderEvent::LinesCancelled(cancelled)) => {
                let (id, cause) = (cancelled.order.order_id, format!("cancellation {}", cancelled.cancellation_id));
                self.restock(id, cause, MovementKind::Cancellation, cancelled.restock, envelope).await?;
            }
            Some(OrderEvent::ReturnReceived(received)) => {
                let cause = format!("return {}/{}", received.return_id, received.receipt);
                let id = received.order.order_id;
                self.restock(id, cause, MovementKind::Return, received.restock, envelope).await?;
            }
            Some(
                OrderEvent::Placed(_)
                | OrderEvent::Refunded(_)
                | OrderEvent::AwaitingPayment(_)
                | OrderEvent::PaymentMethodGiven(_)
                | OrderEvent::Shipped(_)
                | OrderEvent::Delivered(_)
                | OrderEvent::ReturnRequested(_)
                | OrderEvent::ReturnApproved(_)
                | OrderEvent::ReturnRejected(_),
            )
            | None => {}
        }
        Ok(())
    }
}

impl OrderConsumer {
    async fn end(&self, ended: OrderEnded) -> Result<(), StoreError> {
        let OrderEnded { order, restock, .. } = ended;
        let end = EndOrder { reservation_id: order.reservation_id, order_id: order.order_id, restock };
        self.store.end_order(end, self.stamp(order.order_id)).await
    }

    async fn restock(
        &self,
        order_id: OrderId,
        cause: String,
        kind: MovementKind,
        lines: Vec<RestockLine>,
        event: &Envelope,
    ) -> Result<(), StoreError> {
        if lines.is_empty() {
            return Ok(());
        }
        let restock = Restock { order_id, cause, kind, lines, event: event.clone() };
        self.store.restock(restock, self.stamp(order_id)).await
    }

    fn stamp(&self, order_id: OrderId) -> Stamp {
        Stamp::new(&self.env, order_id.to_string())
    }
}

/// Lets holds lapse that nobody commits, until the process stops.
pub(crate) async fn expire_holds(env: Env, store: Arc<dyn ProductStore>) {
    loop {
        tokio::select! {
            biased;
            () = env.stopping() => return,
            () = tokio::time::sleep(EXPIRE_INTERVAL) => {}
        }
        loop {
            match store.expire(EXPIRE_LEN, Stamp::new(&env, "product-service")).await {
                Ok(lapsed) if lapsed == EXPIRE_LEN as usize => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "holds that are due stay for now");
                    break;
                }
            }
        }
    }
}

/// Forgets holds that ended long ago.
pub(crate) fn start_forgetting(env: &Env, store: Arc<dyn ProductStore>) {
    let now = env.clone();
    forget::start(env, "holds that ended long ago", FORGET_LEN as usize, move || {
        let store = Arc::clone(&store);
        let before = now.now().checked_sub(ENDED_KEPT).unwrap_or(Timestamp::MIN);
        async move { store.forget_ended(before, FORGET_LEN).await }
    });
}
