//! The money side of an order: what payment said, and what follows from it.

use contracts::{
    Currency, Money,
    event::EventId,
    order::{OrderStatus, PaymentStatus, RefundId},
    payment::{
        PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentId, PaymentRefundFailed, PaymentRefunded,
        PaymentVoided,
    },
};
use jiff::Timestamp;

use super::{
    AUTHORIZATION_LOST, Order,
    fact::{Authorized, Because, Captured, Confirmed, Declined, Fact, RefundFailed, Refunded, Voided},
    refund::{Refund, RefundStatus},
    status,
};

/// The reason of a refund that nobody asked for: the order ended.
const ORDER_ENDED: &str = "order_ended";
/// The reason of an order that waits for a person because the authorized sum is not its total.
const AMOUNT_DIFFERS: &str = "authorized_amount_differs";

/// What is known of the payment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Payment {
    pub(crate) id: Option<PaymentId>,
    pub(crate) authorized: Money,
    pub(crate) captured: Money,
    pub(crate) refunded: Money,
    pub(crate) voided: bool,
    /// Why the provider said no.
    pub(crate) declined: Option<String>,
}

impl Payment {
    pub(crate) fn none(currency: Currency) -> Self {
        let nothing = Money::zero(currency);
        Self { id: None, authorized: nothing, captured: nothing, refunded: nothing, voided: false, declined: None }
    }

    pub(crate) fn status(&self, total: Money) -> PaymentStatus {
        let (authorized, captured, refunded) =
            (self.authorized.amount_minor, self.captured.amount_minor, self.refunded.amount_minor);
        if refunded > 0 && refunded >= captured {
            PaymentStatus::Refunded
        } else if refunded > 0 {
            PaymentStatus::PartiallyRefunded
        } else if captured > 0 && captured >= total.amount_minor {
            PaymentStatus::Paid
        } else if captured > 0 {
            PaymentStatus::PartiallyPaid
        } else if self.voided {
            PaymentStatus::Voided
        } else if authorized > 0 || (self.id.is_some() && self.declined.is_none()) {
            PaymentStatus::Authorized
        } else {
            PaymentStatus::NotPaid
        }
    }

    pub(crate) fn authorize(&mut self, fact: Authorized) {
        self.id = Some(fact.payment_id);
        self.authorized = fact.amount;
        self.declined = None;
    }

    pub(crate) fn decline(&mut self, fact: Declined) {
        self.id = Some(fact.payment_id);
        self.declined = Some(fact.reason);
    }

    pub(crate) fn capture(&mut self, fact: Captured) {
        self.id = Some(fact.payment_id);
        self.captured = fact.captured_total;
    }

    pub(crate) fn void(&mut self, fact: Voided) {
        self.id = Some(fact.payment_id);
        self.voided = true;
    }

    fn is_authorized(&self) -> bool {
        self.id.is_some() && self.declined.is_none()
    }
}

/// What payment says may come twice or late; each decision is empty for what is already known.
impl Order {
    /// Decides what follows from money being held. Too late for an order that ended: it is noted, and
    /// payment lets it go.
    pub(crate) fn payment_authorized(&self, event: PaymentAuthorized) -> Vec<Fact> {
        if self.payment.is_authorized() {
            return Vec::new();
        }
        let whole = event.amount == self.terms.totals.total;
        let to = if whole { OrderStatus::Confirmed } else { OrderStatus::OnHold };
        let step =
            (status::awaits_payment(self.status) && status::step(self.status, to).is_ok()).then(|| match whole {
                true => Fact::Confirmed(Confirmed {}),
                false => Fact::PutOnHold(Because { reason: AMOUNT_DIFFERS.to_owned() }),
            });
        let PaymentAuthorized { payment_id, amount, .. } = event;
        let mut facts = vec![Fact::PaymentAuthorized(Authorized { payment_id, amount })];
        facts.extend(step);
        facts
    }

    /// Decides what follows from the provider's no. A buyer who has to act may try again until the deadline.
    pub(crate) fn payment_declined(&self, event: PaymentDeclined) -> Vec<Fact> {
        if self.payment.id.is_some() {
            return Vec::new();
        }
        let PaymentDeclined { payment_id, reason, .. } = event;
        let mut facts = vec![Fact::PaymentDeclined(Declined { payment_id, reason: reason.clone() })];
        if status::step(self.status, OrderStatus::Rejected).is_ok() {
            facts.push(Fact::Rejected(Because { reason }));
        }
        facts
    }

    /// Notes money that was taken; totals only grow.
    pub(crate) fn payment_captured(&self, event: PaymentCaptured) -> Vec<Fact> {
        let PaymentCaptured { payment_id, captured_total, .. } = event;
        if captured_total.amount_minor <= self.payment.captured.amount_minor {
            return Vec::new();
        }
        vec![Fact::PaymentCaptured(Captured { payment_id, captured_total })]
    }

    /// Decides what follows from the authorization being let go. Payment does that for orders that have ended;
    /// if the provider did it by itself, nobody pays for this one any more.
    pub(crate) fn payment_voided(&self, event: &PaymentVoided) -> Vec<Fact> {
        if self.payment.voided {
            return Vec::new();
        }
        let mut facts = vec![Fact::PaymentVoided(Voided { payment_id: event.payment_id })];
        if self.payment.captured.amount_minor == 0 {
            facts.extend(self.cancel(AUTHORIZATION_LOST.to_owned()).unwrap_or_default());
        }
        facts
    }

    /// Notes money that went back. A refund that nobody requested is named after the event.
    pub(crate) fn payment_refunded(&self, event: PaymentRefunded, event_id: EventId) -> Vec<Fact> {
        let PaymentRefunded { payment_id, refund_id, amount, refunded_total, .. } = event;
        if refunded_total.amount_minor <= self.payment.refunded.amount_minor {
            return Vec::new();
        }
        let refund_id = refund_id.unwrap_or_else(|| RefundId::from_uuid(event_id.as_uuid()));
        vec![Fact::PaymentRefunded(Refunded { payment_id, refund_id, amount, refunded_total })]
    }

    /// Notes that money could not go back.
    pub(crate) fn refund_failed(&self, event: PaymentRefundFailed, event_id: EventId) -> Vec<Fact> {
        let PaymentRefundFailed { payment_id, refund_id, amount, reason, .. } = event;
        let refund_id = refund_id.unwrap_or_else(|| RefundId::from_uuid(event_id.as_uuid()));
        let open = |refund: &Refund| refund.status == RefundStatus::Requested;
        match self.refunds.iter().find(|refund| refund.id == refund_id) {
            Some(refund) if !open(refund) => Vec::new(),
            _ => vec![Fact::RefundFailed(RefundFailed { payment_id, refund_id, amount, reason })],
        }
    }

    /// Settles a refund, or notes one that payment made by itself because the order ended.
    pub(super) fn settle(
        &mut self,
        id: RefundId,
        amount: Money,
        status: RefundStatus,
        failure: Option<String>,
        at: Timestamp,
    ) {
        match self.refunds.iter_mut().find(|refund| refund.id == id) {
            Some(refund) => {
                refund.status = status;
                refund.failure = failure;
                refund.settled_at = Some(at);
            }
            None => self.refunds.push(Refund {
                id,
                amount,
                reason: ORDER_ENDED.to_owned(),
                lines: Vec::new(),
                status,
                failure,
                requested_at: at,
                settled_at: Some(at),
            }),
        }
    }
}
