//! What notification listens to.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::bus::{ConsumeError, Consumer};
use contracts::{
    Envelope, Event, Locale,
    auth::AuthEvent,
    order::{OrderEvent, OrderReturn},
};

use crate::{
    message::Kind,
    template::{Facts, News},
    write_message::{Letter, WriteMessage},
};

/// The consumer group.
pub const GROUP: &str = "notification";
/// The topics it reads.
pub const TOPICS: &[&str] = &[OrderEvent::TOPIC, AuthEvent::TOPIC];

/// Writes a message for every event that a person should hear of.
pub struct Listener {
    /// What it does with them.
    pub write_message: Arc<WriteMessage>,
}

#[async_trait]
impl Consumer for Listener {
    async fn consume(&self, envelope: &Envelope) -> Result<(), ConsumeError> {
        match envelope.source.as_str() {
            OrderEvent::SOURCE => match OrderEvent::open(envelope)? {
                Some(event) => self.order(envelope, &event).await,
                None => Ok(()),
            },
            AuthEvent::SOURCE => match AuthEvent::open(envelope)? {
                Some(event) => self.account(envelope, &event).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

impl Listener {
    async fn order(&self, envelope: &Envelope, event: &OrderEvent) -> Result<(), ConsumeError> {
        let (kind, order, news) = match event {
            OrderEvent::AwaitingPayment(event) => {
                let (action, reason) = (event.action.as_ref(), event.reason.as_deref());
                let news = News::Payment { action, reason, pay_by: event.pay_by };
                (Kind::OrderAwaitingPayment, &event.order, news)
            }
            // Said again for payment; the customer has heard of it.
            OrderEvent::Confirmed(event) if event.reminder > 0 => return Ok(()),
            OrderEvent::Confirmed(event) => (Kind::OrderConfirmed, &event.order, News::Nothing),
            OrderEvent::Rejected(event) => (Kind::OrderRejected, &event.order, News::Reason(&event.reason)),
            OrderEvent::Expired(event) => (Kind::OrderExpired, &event.order, News::Reason(&event.reason)),
            OrderEvent::Cancelled(event) => (Kind::OrderCancelled, &event.order, News::Reason(&event.reason)),
            OrderEvent::Refunded(event) => {
                let news = News::Refund { amount: event.amount, total: event.refunded_total };
                (Kind::OrderRefunded, &event.order, news)
            }
            OrderEvent::Shipped(event) => {
                let (carrier, tracking_number) = (event.carrier.as_deref(), event.tracking_number.as_deref());
                let news = News::Parcel { carrier, tracking_number, lines: &event.lines };
                (Kind::OrderShipped, &event.order, news)
            }
            OrderEvent::LinesCancelled(event) => {
                let news = News::Units { reason: &event.reason, lines: &event.lines };
                (Kind::OrderLinesCancelled, &event.order, news)
            }
            OrderEvent::ReturnRequested(event) => (Kind::ReturnRequested, &event.order, returned(event)),
            OrderEvent::ReturnApproved(event) => (Kind::ReturnApproved, &event.order, returned(event)),
            OrderEvent::ReturnRejected(event) => (Kind::ReturnRejected, &event.order, returned(event)),
            OrderEvent::ReturnReceived(event) => (Kind::ReturnReceived, &event.order, returned(event)),
            // The customer hears of the outcome, not of the steps.
            OrderEvent::Placed(_)
            | OrderEvent::PaymentMethodGiven(_)
            | OrderEvent::Delivered(_)
            | OrderEvent::RefundRequested(_) => return Ok(()),
        };
        let facts = Facts::Order { order, news };
        self.write(envelope, kind, &order.email, order.locale, order.order_id.to_string(), facts).await
    }

    async fn account(&self, envelope: &Envelope, event: &AuthEvent) -> Result<(), ConsumeError> {
        match event {
            AuthEvent::AccountCreated(event) => {
                let facts = Facts::Account { name: &event.name, email: &event.email };
                let about = event.account_id.to_string();
                self.write(envelope, Kind::AccountCreated, &event.email, event.locale, about, facts).await
            }
            AuthEvent::SessionsRevoked(event) => {
                let facts = Facts::Sessions { email: &event.email, reason: &event.reason };
                let about = event.account_id.to_string();
                self.write(envelope, Kind::SessionsRevoked, &event.email, event.locale, about, facts).await
            }
        }
    }

    async fn write(
        &self,
        envelope: &Envelope,
        kind: Kind,
        recipient: &str,
        locale: Locale,
        about: String,
        facts: Facts<'_>,
    ) -> Result<(), ConsumeError> {
        self.write_message.run(envelope, Letter { kind, recipient, locale, about, facts }).await?;
        Ok(())
    }
}

fn returned(event: &OrderReturn) -> News<'_> {
    News::Units { reason: &event.reason, lines: &event.lines }
}
