//! What orders do to stock: confirmed ones take what they held, ended ones give it back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chassis::{
    Env, StoreError,
    bus::{ConsumeError, Consumer},
};
use contracts::{
    Envelope, Event as _,
    order::{OrderEnded, OrderEvent},
    product::ReserveLine,
};
use jiff::Timestamp;

use crate::store::{CommitStock, EndOrder, ProductStore, Stamp};

/// Holds that lapse in one commit.
const EXPIRE_LEN: u32 = 200;
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);
/// Ended holds are remembered for longer than any event about their orders can be late.
const ENDED_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);
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
            Some(OrderEvent::RefundRequested(refund)) if !refund.restock.is_empty() => {
                let stamp = self.stamp(refund.order_id);
                self.store.restock(refund.order_id, refund.restock, envelope.clone(), stamp).await?;
            }
            Some(
                OrderEvent::Placed(_)
                | OrderEvent::RefundRequested(_)
                | OrderEvent::Refunded(_)
                | OrderEvent::AwaitingPayment(_)
                | OrderEvent::PaymentMethodGiven(_)
                | OrderEvent::Shipped(_)
                | OrderEvent::Delivered(_)
                | OrderEvent::LinesCancelled(_)
                | OrderEvent::ReturnRequested(_)
                | OrderEvent::ReturnApproved(_)
                | OrderEvent::ReturnRejected(_)
                | OrderEvent::ReturnReceived(_),
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

    fn stamp(&self, order_id: contracts::order::OrderId) -> Stamp {
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

/// Forgets holds that ended long ago, until the process stops.
pub(crate) async fn forget_ended_holds(env: Env, store: Arc<dyn ProductStore>) {
    loop {
        let before = env.now().checked_sub(ENDED_KEPT).unwrap_or(Timestamp::MIN);
        let pause = match store.forget_ended(before, FORGET_LEN).await {
            Ok(forgotten) if forgotten == FORGET_LEN as usize => Duration::from_millis(100),
            Ok(_) => FORGET_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "holds that ended long ago stay for now");
                FORGET_INTERVAL
            }
        };
        tokio::select! {
            biased;
            () = env.stopping() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
