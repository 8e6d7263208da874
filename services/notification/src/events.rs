//! What notification listens to.

use std::sync::Arc;

use async_trait::async_trait;
use chassis::bus::{ConsumeError, Consumer};
use contracts::{
    Envelope, Event, Locale, Money,
    auth::AuthEvent,
    order::{OrderEvent, OrderSnapshot},
};

use crate::{
    message::Kind,
    template::Facts,
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
        match event {
            OrderEvent::Confirmed(event) => self.tell(envelope, Kind::OrderConfirmed, &event.order, None, None).await,
            OrderEvent::Rejected(event) => {
                self.tell(envelope, Kind::OrderRejected, &event.order, Some(&event.reason), None).await
            }
            OrderEvent::Expired(event) => {
                self.tell(envelope, Kind::OrderExpired, &event.order, Some(&event.reason), None).await
            }
            OrderEvent::Cancelled(event) => {
                self.tell(envelope, Kind::OrderCancelled, &event.order, Some(&event.reason), None).await
            }
            OrderEvent::Refunded(event) => {
                let refund = Some((event.amount, event.refunded_total));
                self.tell(envelope, Kind::OrderRefunded, &event.order, None, refund).await
            }
            // The customer hears of the outcome, not of the steps.
            OrderEvent::Placed(_)
            | OrderEvent::RefundRequested(_)
            | OrderEvent::AwaitingPayment(_)
            | OrderEvent::PaymentMethodGiven(_)
            | OrderEvent::Shipped(_)
            | OrderEvent::Delivered(_)
            | OrderEvent::LinesCancelled(_)
            | OrderEvent::ReturnRequested(_)
            | OrderEvent::ReturnApproved(_)
            | OrderEvent::ReturnRejected(_)
            | OrderEvent::ReturnReceived(_) => Ok(()),
        }
    }

    async fn tell(
        &self,
        envelope: &Envelope,
        kind: Kind,
        order: &OrderSnapshot,
        reason: Option<&str>,
        refund: Option<(Money, Money)>,
    ) -> Result<(), ConsumeError> {
        let facts = Facts::Order { order, reason, refund };
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
