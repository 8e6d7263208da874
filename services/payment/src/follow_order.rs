//! Follows the orders: every event of the order service that concerns money becomes a change of a payment,
//! in one commit with the inbox. No provider is called here.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::{
    Env,
    bus::{ConsumeError, Consumer},
};
use contracts::{Event as _, event::Envelope, order::OrderEvent};

use crate::{
    payment::{Change, Command, Ids, NewPayment, Policy},
    provider::Providers,
    store::{ChangeError, OrderNews, PaymentStore},
};

/// The consumer of `order.events`.
pub struct FollowOrder {
    /// Clock and ids.
    pub env: Env,
    /// The record.
    pub store: Arc<dyn PaymentStore>,
    /// Which providers there are.
    pub providers: Providers,
    /// How payments are handled.
    pub policy: Policy,
}

#[async_trait]
impl Consumer for FollowOrder {
    async fn consume(&self, envelope: &Envelope) -> Result<(), ConsumeError> {
        let Some(event) = OrderEvent::open(envelope)? else { return Ok(()) };
        let Some(news) = self.news(event) else { return Ok(()) };
        let change = Change::new(self.env.now(), Ids::new(self.env.new_id()), self.policy);
        self.store.take_order_news(envelope, news, change).await.map_err(|error| match error {
            ChangeError::Store(error) => error.into(),
            ChangeError::NoPayment => ConsumeError::Retry(error.to_string()),
            ChangeError::Refused(_) => ConsumeError::Poison(error.to_string()),
        })
    }
}

impl FollowOrder {
    /// What the event means for a payment; `None` if nothing.
    fn news(&self, event: OrderEvent) -> Option<OrderNews> {
        Some(match event {
            OrderEvent::Placed(placed) => OrderNews::Placed {
                provider_known: self.providers.find(&placed.payment_method.provider).is_some(),
                new: NewPayment {
                    id: self.env.new_id(),
                    order_id: placed.order.order_id,
                    amount: placed.order.totals.total,
                    provider: placed.payment_method.provider,
                    method_token: placed.payment_method.token,
                    pay_by: placed.pay_by,
                },
            },
            OrderEvent::Confirmed(confirmed) => OrderNews::Happened(confirmed.order.order_id, Command::Confirm),
            OrderEvent::PaymentMethodGiven(given) => OrderNews::Happened(
                given.order_id,
                Command::GiveMethod {
                    provider_known: self.providers.find(&given.payment_method.provider).is_some(),
                    method: given.payment_method,
                },
            ),
            OrderEvent::Expired(ended) => OrderNews::Happened(ended.order.order_id, Command::End { expired: true }),
            OrderEvent::Rejected(ended) | OrderEvent::Cancelled(ended) => {
                OrderNews::Happened(ended.order.order_id, Command::End { expired: false })
            }
            OrderEvent::RefundRequested(wanted) => OrderNews::Happened(
                wanted.order_id,
                Command::Refund { refund_id: wanted.refund_id, amount: wanted.amount, reason: wanted.reason },
            ),
            OrderEvent::Refunded(_)
            | OrderEvent::AwaitingPayment(_)
            | OrderEvent::Shipped(_)
            | OrderEvent::Delivered(_)
            | OrderEvent::LinesCancelled(_)
            | OrderEvent::ReturnRequested(_)
            | OrderEvent::ReturnApproved(_)
            | OrderEvent::ReturnRejected(_)
            | OrderEvent::ReturnReceived(_) => return None,
        })
    }
}
