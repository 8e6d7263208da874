//! The ways in over the bus: what payment and product say moves orders on. Inbox and effect are one commit.

use std::convert::Infallible;

use async_trait::async_trait;
use chassis::bus::{ConsumeError, Consumer};
use contracts::{Event as _, event::Envelope, order::OrderId, payment::PaymentEvent, product::ProductEvent};

use crate::{
    advance_order::AdvanceError,
    order::{Order, fact::Fact, stream::Origin},
    service::OrderService,
    store::Handled,
};

/// The consumer group of this service.
pub(crate) const GROUP: &str = "order";
/// What it listens to.
pub(crate) const TOPICS: &[&str] = &[PaymentEvent::TOPIC, ProductEvent::TOPIC];
/// The only thing product says that concerns orders; decoding all the rest would be waste.
const COMMIT_FAILED: &str = "stock.commit_failed";

/// Moves orders on.
pub(crate) struct Listener {
    pub(crate) service: OrderService,
}

#[async_trait]
impl Consumer for Listener {
    async fn consume(&self, envelope: &Envelope) -> Result<(), ConsumeError> {
        if envelope.source == PaymentEvent::SOURCE {
            let Some(event) = PaymentEvent::open(envelope)? else { return Ok(()) };
            let decide = |order: &Order| follow_payment(order, event.clone(), envelope);
            self.follow(envelope, "payment", order_of(&event), decide).await?;
        } else if envelope.event_type == COMMIT_FAILED {
            let Some(ProductEvent::StockCommitFailed(event)) = ProductEvent::open(envelope)? else { return Ok(()) };
            let order = self.follow(envelope, "product", event.order_id, Order::run_out_of_stock).await?;
            if order.has_shipped() {
                // The goods were there for whoever packed them; the stock that is recorded is not what is on the shelf.
                metrics::counter!("order_shipped_without_stock_total").increment(1);
                tracing::error!(order = %order.id, "goods left that were not in stock: count the shelf");
            }
        }
        Ok(())
    }
}

impl Listener {
    async fn follow(
        &self,
        envelope: &Envelope,
        actor: &str,
        order_id: OrderId,
        decide: impl Fn(&Order) -> Vec<Fact>,
    ) -> Result<Order, ConsumeError> {
        let at = self.service.env.now();
        let origin = Origin { actor: actor.to_owned(), cause: envelope.id.to_string(), at };
        let handles = || Some(Handled { consumer: GROUP, envelope: envelope.clone() });
        let advanced: Result<Order, AdvanceError<Infallible>> =
            self.service.advance(order_id, origin, handles, |order| Ok(decide(order)), |_| Ok(None)).await;
        match advanced {
            Ok(order) => Ok(order),
            Err(AdvanceError::NotFound) => Err(ConsumeError::Poison(format!("there is no order {order_id}"))),
            Err(AdvanceError::Busy) => Err(ConsumeError::Retry(format!("{order_id} is busy"))),
            Err(AdvanceError::Store(error)) => Err(error.into()),
            Err(AdvanceError::Refused(never)) => match never {},
        }
    }
}

fn order_of(event: &PaymentEvent) -> OrderId {
    match event {
        PaymentEvent::ActionRequired(event) => event.order_id,
        PaymentEvent::MethodRequired(event) => event.order_id,
        PaymentEvent::CaptureFailed(event) => event.order_id,
        PaymentEvent::Reversed(event) => event.order_id,
        PaymentEvent::Authorized(event) => event.order_id,
        PaymentEvent::Declined(event) => event.order_id,
        PaymentEvent::Captured(event) => event.order_id,
        PaymentEvent::Voided(event) => event.order_id,
        PaymentEvent::Refunded(event) => event.order_id,
        PaymentEvent::RefundFailed(event) => event.order_id,
    }
}

fn follow_payment(order: &Order, event: PaymentEvent, envelope: &Envelope) -> Vec<Fact> {
    match event {
        PaymentEvent::Authorized(event) => order.payment_authorized(event),
        PaymentEvent::Declined(event) => order.payment_declined(event),
        PaymentEvent::Captured(event) => order.payment_captured(event),
        PaymentEvent::Voided(event) => order.payment_voided(&event),
        PaymentEvent::Refunded(event) => order.payment_refunded(event, envelope.id),
        PaymentEvent::RefundFailed(event) => order.refund_failed(event, envelope.id),
        PaymentEvent::ActionRequired(event) => order.payment_action_required(event),
        PaymentEvent::MethodRequired(event) => order.payment_method_required(event),
        PaymentEvent::CaptureFailed(event) => order.payment_capture_failed(event),
        PaymentEvent::Reversed(event) => order.payment_reversed(event),
    }
}
