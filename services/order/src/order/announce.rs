//! What other services are told of a fact. Nothing else decides what is said, so no fact is forgotten and
//! none is told twice.

use contracts::order::{
    LineQuantity, OrderAwaitingPayment, OrderConfirmed, OrderDelivered, OrderEnded, OrderEvent, OrderLinesCancelled,
    OrderPaymentMethodGiven, OrderPlaced, OrderRefunded, OrderReturn, OrderShipped, OrderSnapshot, PaymentMethod,
    RefundRequested, RestockLine,
};
use contracts::payment::PaymentAction;

use super::{
    Order,
    fact::{
        Fact,
        goods::{FulfilmentMoved, ReturnMoved, ReturnReceived},
    },
    fulfilment::ParcelStatus,
    returns::ReturnStatus,
};

impl Order {
    /// What others need to know of the order.
    pub(crate) fn snapshot(&self) -> OrderSnapshot {
        let terms = &*self.terms;
        OrderSnapshot {
            order_id: self.id,
            number: terms.number.clone(),
            customer: terms.owner.account(),
            email: terms.email.clone(),
            locale: terms.locale,
            currency: terms.currency,
            lines: terms.lines.clone(),
            totals: terms.totals,
            shipping_address: terms.shipping_address.clone(),
            reservation_id: terms.reservation_id,
            placed_at: self.placed_at,
        }
    }

    /// What is said of a new order. The method is known only now: it is passed on and not kept.
    pub(crate) fn announce_placed(&self, payment_method: PaymentMethod) -> OrderEvent {
        OrderEvent::Placed(OrderPlaced { order: self.snapshot(), payment_method, pay_by: self.terms.pay_by })
    }

    fn announce_confirmed(&self, reminder: u32) -> OrderEvent {
        OrderEvent::Confirmed(OrderConfirmed { order: self.snapshot(), reminder })
    }

    fn announce_awaiting(&self, action: Option<PaymentAction>, reason: Option<String>) -> OrderEvent {
        let (order, pay_by) = (self.snapshot(), self.terms.pay_by);
        OrderEvent::AwaitingPayment(OrderAwaitingPayment { order, action, reason, pay_by })
    }

    /// What is said of `fact`, which happens to this order now.
    pub(crate) fn announce(&self, fact: &Fact) -> Option<OrderEvent> {
        let ended = |reason: &str, restock| OrderEnded { order: self.snapshot(), reason: reason.to_owned(), restock };
        Some(match fact {
            Fact::Confirmed(_) | Fact::Released(_) => self.announce_confirmed(0),
            Fact::CaptureReminded(reminded) => self.announce_confirmed(reminded.attempt),
            Fact::PaymentActionRequired(required) => self.announce_awaiting(Some(required.action.clone()), None),
            Fact::PaymentMethodRequired(required) => self.announce_awaiting(None, Some(required.reason.clone())),
            Fact::PaymentMethodGiven(given) => OrderEvent::PaymentMethodGiven(OrderPaymentMethodGiven {
                order_id: self.id,
                payment_method: PaymentMethod { provider: given.provider.clone(), token: given.token.clone() },
            }),
            Fact::Rejected(because) => OrderEvent::Rejected(ended(&because.reason, false)),
            Fact::Expired(because) => OrderEvent::Expired(ended(&because.reason, false)),
            Fact::Cancelled(cancelled) => OrderEvent::Cancelled(ended(&cancelled.reason, cancelled.restock)),
            Fact::RefundRequested(wanted) => OrderEvent::RefundRequested(RefundRequested {
                order_id: self.id,
                refund_id: wanted.refund_id,
                amount: wanted.amount,
                reason: wanted.reason.clone(),
                restock: self.restocked(&wanted.lines),
            }),
            Fact::PaymentRefunded(refunded) => OrderEvent::Refunded(OrderRefunded {
                order: self.snapshot(),
                refund_id: refunded.refund_id,
                amount: refunded.amount,
                refunded_total: refunded.refunded_total,
            }),
            Fact::FulfilmentMoved(moved) => return self.announce_parcel(moved),
            Fact::LinesCancelled(cancelled) => OrderEvent::LinesCancelled(OrderLinesCancelled {
                order: self.snapshot(),
                cancellation_id: cancelled.cancellation_id,
                reason: cancelled.reason.clone(),
                lines: cancelled.lines.clone(),
                restock: self.restock_lines(&cancelled.restock),
            }),
            Fact::ReturnRequested(requested) => OrderEvent::ReturnRequested(OrderReturn {
                order: self.snapshot(),
                return_id: requested.return_id,
                reason: requested.reason.clone(),
                lines: requested.lines.clone(),
                restock: Vec::new(),
                receipt: 0,
            }),
            Fact::ReturnMoved(moved) => return self.announce_return(moved),
            Fact::ReturnReceived(received) => return self.announce_arrival(received),
            Fact::Placed(_)
            | Fact::AwaitingPayment(_)
            | Fact::PaymentCaptureFailed(_)
            | Fact::PaymentReversed(_)
            | Fact::ProcessingStarted(_)
            | Fact::Completed(_)
            | Fact::Closed(_)
            | Fact::FulfilmentCreated(_)
            | Fact::FulfilmentRelabelled(_)
            | Fact::PaymentAuthorized(_)
            | Fact::PaymentDeclined(_)
            | Fact::PutOnHold(_)
            | Fact::PaymentCaptured(_)
            | Fact::PaymentVoided(_)
            | Fact::RefundFailed(_) => return None,
        })
    }
    fn announce_parcel(&self, moved: &FulfilmentMoved) -> Option<OrderEvent> {
        let (order, fulfilment_id) = (self.snapshot(), moved.fulfilment_id);
        let parcel = self.fulfilments.iter().find(|parcel| parcel.id == fulfilment_id)?;
        match moved.to {
            ParcelStatus::Shipped => Some(OrderEvent::Shipped(OrderShipped {
                order,
                fulfilment_id,
                carrier: moved.label.carrier.clone(),
                tracking_number: moved.label.tracking_number.clone(),
                lines: parcel.lines.clone(),
            })),
            ParcelStatus::Delivered => Some(OrderEvent::Delivered(OrderDelivered { order, fulfilment_id })),
            _ => None,
        }
    }

    fn announce_return(&self, moved: &ReturnMoved) -> Option<OrderEvent> {
        let returning = self.find_return(moved.return_id).ok()?;
        let reason = moved.reason.as_ref().unwrap_or(&returning.reason).clone();
        let told = OrderReturn {
            order: self.snapshot(),
            return_id: returning.id,
            reason,
            lines: returning.lines.clone(),
            restock: Vec::new(),
            receipt: 0,
        };
        match moved.to {
            ReturnStatus::Approved => Some(OrderEvent::ReturnApproved(told)),
            ReturnStatus::Rejected => Some(OrderEvent::ReturnRejected(told)),
            _ => None,
        }
    }

    fn announce_arrival(&self, received: &ReturnReceived) -> Option<OrderEvent> {
        let returning = self.find_return(received.return_id).ok()?;
        Some(OrderEvent::ReturnReceived(OrderReturn {
            order: self.snapshot(),
            return_id: returning.id,
            reason: returning.reason.clone(),
            lines: received.lines.clone(),
            restock: self.restock_lines(&received.restock),
            receipt: u32::try_from(returning.receipts.len() + 1).unwrap_or(u32::MAX),
        }))
    }

    fn restock_lines(&self, lines: &[LineQuantity]) -> Vec<RestockLine> {
        self.by_variant(lines.iter().map(|part| (part.line_id, part.quantity)))
    }
}
