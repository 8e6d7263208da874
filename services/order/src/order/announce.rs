//! What other services are told of a fact. Nothing else decides what is said, so no fact is forgotten and
//! none is told twice.

use contracts::order::{
    OrderAwaitingPayment, OrderConfirmed, OrderEnded, OrderEvent, OrderPaymentMethodGiven, OrderPlaced, OrderRefunded,
    OrderSnapshot, PaymentMethod, RefundRequested,
};
use contracts::payment::PaymentAction;

use super::{Order, fact::Fact};

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

    /// What is said of `fact`, which has just happened to this order.
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
            Fact::Placed(_)
            | Fact::AwaitingPayment(_)
            | Fact::PaymentCaptureFailed(_)
            | Fact::PaymentReversed(_)
            | Fact::ProcessingStarted(_)
            | Fact::Completed(_)
            | Fact::Closed(_)
            | Fact::PaymentAuthorized(_)
            | Fact::PaymentDeclined(_)
            | Fact::PutOnHold(_)
            | Fact::PaymentCaptured(_)
            | Fact::PaymentVoided(_)
            | Fact::RefundFailed(_) => return None,
        })
    }
}
